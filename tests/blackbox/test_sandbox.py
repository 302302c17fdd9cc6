"""The sandbox: calls that no server makes are shut in every thread, and files that nobody named; the store is its user's."""

import os
import pathlib
import pwd
import shutil
import subprocess

import pytest
from harness.authority import Authority
from harness.program import binary

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
NOBODY = pwd.getpwnam("nobody")


def fields(program):
    """What /proc says of each thread about filters of calls."""
    for task in pathlib.Path(f"/proc/{program.pid}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
        yield status["NoNewPrivs"], status["Seccomp"]


def test_calls_are_shut_in_every_thread(serve, tmp_path):
    program = serve("--shards", "3", "--store", str(tmp_path / "store"))
    program.publish("a", "hello")
    seen = list(fields(program))
    assert len(seen) >= 6 and set(seen) == {("1", "2")}, seen


def test_it_can_be_left_out(serve):
    ours = pathlib.Path("/proc/self/status").read_text()
    if "Seccomp:\t0" not in ours or "NoNewPrivs:\t0" not in ours:
        pytest.skip("whoever runs the tests is in a sandbox")
    assert set(fields(serve("--sandbox", "off"))) == {("0", "0")}


def swap_in_a_certificate_from_elsewhere(serve, tmp_path, *flags):
    """A server whose certificate becomes a link to a file of a folder that no setting names."""
    named, elsewhere = tmp_path / "named", tmp_path / "elsewhere"
    named.mkdir()
    elsewhere.mkdir()
    certificate, key = Authority(named).issue("server", "localhost")
    program = serve("--tls-certificate", str(certificate), "--tls-key", str(key), *flags)
    for file in (certificate, key):
        shutil.copy(file, elsewhere / file.name)
        link = named / "link"
        link.symlink_to(elsewhere / file.name)
        link.replace(file)
    return program


def test_a_file_that_no_setting_names_is_not_read(serve, tmp_path):
    program = swap_in_a_certificate_from_elsewhere(serve, tmp_path)
    program.until_logged("certificates changed and cannot be used")
    assert "Permission denied" in program.stderr()


def test_without_the_sandbox_it_is(serve, tmp_path):
    swap_in_a_certificate_from_elsewhere(serve, tmp_path, "--sandbox", "off").until_logged("new certificates are shown")


@pytest.fixture
def shared(tmp_path):
    """A folder that every user reaches, and only root changes."""
    for folder in [tmp_path, *tmp_path.parents]:
        if folder != pathlib.Path("/tmp") and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    return tmp_path


def start_as_nobody(store):
    """Starts a server that cannot start, and returns what it says."""
    command = [binary(), "--user", "nobody", "--store", str(store), "--wait", "127.0.0.1:0", "--in", "127.0.0.1:0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1, ended.stderr
    return ended.stderr


@as_root
@pytest.mark.parametrize("name", ["lock", "store", "000000000001.log"])
def test_links_in_a_folder_of_the_user_lead_to_nothing_of_roots(shared, name):
    secret = shared / "secret"
    secret.write_text("of root alone")
    secret.chmod(0o600)
    store = shared / "store"
    store.mkdir()
    (store / name).symlink_to(secret)
    if name != "lock":
        (store / "lock").touch()
        os.chown(store / "lock", NOBODY.pw_uid, NOBODY.pw_gid)
    os.chown(store, NOBODY.pw_uid, NOBODY.pw_gid)
    assert "Permission denied" in start_as_nobody(store)
    assert secret.read_text() == "of root alone" and secret.stat().st_uid == 0


@as_root
def test_what_is_roots_in_the_users_folder_is_not_given_away(shared):
    home, secret = shared / "home", shared / "secret"
    store = home / "store"
    store.mkdir(parents=True)
    secret.write_text("of root alone")
    (store / "lock").hardlink_to(secret)
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
    assert "others than root decide what" in start_as_nobody(store)
    assert secret.stat().st_uid == 0 and store.stat().st_uid == 0


@as_root
def test_no_folder_is_made_where_the_user_leads_root(shared):
    home, etc = shared / "home", shared / "etc"
    home.mkdir()
    etc.mkdir()
    (home / "link").symlink_to(etc)
    os.lchown(home / "link", NOBODY.pw_uid, NOBODY.pw_gid)
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
    assert "others than root decide what" in start_as_nobody(home / "link" / "store")
    assert not any(etc.iterdir())
