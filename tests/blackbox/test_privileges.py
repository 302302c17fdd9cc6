"""Root gives up what it may: another user as soon as both lines listen, in every thread; and no copies of memory."""

import os
import pathlib
import pwd
import resource
import socket
import subprocess

import pytest
from harness.authority import Authority
from harness.program import binary, request, until
from harness.wire import Wire

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
NOBODY = pwd.getpwnam("nobody")


def statuses(program):
    """What /proc says of each thread, field by field."""
    tasks = list(pathlib.Path(f"/proc/{program.pid}/task").iterdir())
    assert len(tasks) >= 3
    for task in tasks:
        yield dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)


def check_all_are(program, uid, gid, groups):
    for status in statuses(program):
        assert status["Uid"].split() == [str(uid)] * 4, status
        assert status["Gid"].split() == [str(gid)] * 4, status
        assert sorted(map(int, status["Groups"].split())) == sorted(groups), status
        assert all(int(status[kind], 16) == 0 for kind in ("CapPrm", "CapEff")), status


def free_low_port():
    for port in range(1023, 600, -1):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)):
                return port
    raise AssertionError("no port below 1024 is free")


def test_all_threads_become_the_user_and_low_ports_stay(serve, name):
    port = free_low_port()
    program = serve(
        "--user", "nobody", "--shards", "3", "--wait", f"127.0.0.1:{port}", "--in", "127.0.0.1:0", ports=False
    )
    groups = os.getgrouplist("nobody", NOBODY.pw_gid)
    check_all_are(program, NOBODY.pw_uid, NOBODY.pw_gid, groups)
    assert program.wait_address[1] == port
    with Wire(program.wait_address).get(f"/sub/{name}", Accept="text/event-stream") as wire:
        assert wire.head()[0] == 200
        program.until_waiting(name)
        program.publish(name, "hello")
        wire.until(b"data: hello\n")


def test_the_group_can_be_another(serve):
    program = serve("--user", "nobody", "--group", "daemon")
    import grp

    gid = grp.getgrnam("daemon").gr_gid
    check_all_are(program, NOBODY.pw_uid, gid, os.getgrouplist("nobody", gid))


def test_the_store_is_the_users_and_survives(serve, name, tmp_path):
    # The folder of the test is root's own; the user must be able to pass through it.
    for folder in [tmp_path, *tmp_path.parents]:
        if folder != pathlib.Path("/tmp") and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    flags = ["--user", "nobody", "--store", str(tmp_path / "store")]
    program = serve(*flags)
    program.publish(name, "first")
    program.stop()
    again = serve(*flags)
    again.publish(name, "second")
    messages = again.ask(f"/channels/{name}/history")["messages"]
    assert [message["data"] for message in messages] == ["first", "second"]
    owners = {path.stat().st_uid for path in (tmp_path / "store").iterdir()}
    assert owners == {NOBODY.pw_uid}


def test_what_cannot_be_is_told():
    for flags, said in [
        (["--user", "no-such-user"], 'user is "no-such-user", but there is no such user'),
        (["--user", "nobody", "--group", "no-such-group"], 'group is "no-such-group", but there is no such group'),
        (["--user", "a b"], "give a name that the system knows"),
    ]:
        command = [binary(), "--wait", "127.0.0.1:0", "--in", "127.0.0.1:0", *flags]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ended.returncode != 0 and said in ended.stderr, ended.stderr
    not_root = subprocess.run(
        [binary(), "--user", "daemon", "--wait", "127.0.0.1:0", "--in", "127.0.0.1:0"],
        capture_output=True, text=True, timeout=60, user="nobody", cwd="/",
    )  # fmt: skip
    assert "only if it is started as root" in not_root.stderr or not_root.returncode == 126, not_root.stderr


def test_certificates_that_only_root_can_read_are_told_of(serve, tmp_path):
    certificate, key = Authority(tmp_path).issue("server", "localhost")
    key.chmod(0o600)
    program = serve("--user", "nobody", "--tls-certificate", str(certificate), "--tls-key", str(key))
    program.until_logged("the user cannot read them")
    assert request(program.in_address, "GET", "/healthz")[0] == 200


def test_where_there_are_secrets_memory_is_written_nowhere(serve):
    resource_limit = resource.prlimit
    secret, plain = serve("--token-secret", "x" * 32), serve()
    assert resource_limit(secret.pid, resource.RLIMIT_CORE) == (0, 0)
    assert resource_limit(plain.pid, resource.RLIMIT_CORE) == resource.getrlimit(resource.RLIMIT_CORE)
    # What is not dumpable belongs to root in /proc, whoever runs it.
    dropped = serve("--user", "nobody", "--token-secret", "x" * 32)
    until(lambda: pathlib.Path(f"/proc/{dropped.pid}/mem").stat().st_uid == 0, "its memory is root's alone")
