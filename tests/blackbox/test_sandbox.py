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
    assert "the sandbox cannot" not in program.stderr()
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
    assert "the sandbox shuts it off" in program.stderr() and "start the program anew" in program.stderr()


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


def made_by_root(folder):
    """A folder of root's with a file that is root's alone, and looks like a store."""
    folder.mkdir(parents=True, mode=0o700)
    for name in ("lock", "secret"):
        (folder / name).write_text("of root alone")
    return folder


def check_is_roots(folder):
    for file in (folder, *folder.iterdir()):
        assert file.stat().st_uid == 0, file


@as_root
def test_a_store_that_root_made_is_given_to_the_user(serve, shared):
    store = shared / "store"
    store.mkdir(mode=0o700)
    (store / "lock").touch()
    serve("--user", "nobody", "--store", str(store))
    assert {file.stat().st_uid for file in (store, *store.iterdir())} == {NOBODY.pw_uid}


@as_root
def test_a_folder_that_is_no_store_is_not_given_away(shared):
    other = shared / "other"
    other.mkdir()
    (other / "file").write_text("of root alone")
    assert "holds other files and no store" in start_as_nobody(other)
    check_is_roots(other)


@as_root
def test_what_is_roots_in_the_users_folder_is_not_given_away(shared):
    home = shared / "home"
    store = made_by_root(home / "store")
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
    assert "others than root may decide what" in start_as_nobody(store)
    check_is_roots(store)


@as_root
def test_what_a_group_may_rename_is_not_given_away(shared):
    group = shared / "group"
    store = made_by_root(group / "store")
    os.chown(group, 0, NOBODY.pw_gid)
    group.chmod(0o775)
    assert "others than root may decide what" in start_as_nobody(store)
    check_is_roots(store)


@as_root
def test_what_links_lead_to_is_not_given_away(shared):
    home, victim = shared / "home", made_by_root(shared / "victim")
    home.mkdir()
    (home / "inner").symlink_to(victim)
    (shared / "outer").symlink_to(home / "inner")
    os.lchown(home / "inner", NOBODY.pw_uid, NOBODY.pw_gid)
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
    for store in (home / "inner", shared / "outer"):
        assert "others than root may decide what" in start_as_nobody(store)
    check_is_roots(victim)


@as_root
def test_a_second_name_of_a_file_is_not_given_away(serve, shared):
    secret, store = shared / "secret", shared / "store"
    secret.write_text("of root alone")
    store.mkdir(mode=0o700)
    (store / "lock").touch()
    (store / "other").hardlink_to(secret)
    serve("--user", "nobody", "--store", str(store))
    assert secret.stat().st_uid == 0


@as_root
def test_no_folder_is_made_where_the_user_leads_root(shared):
    home, etc = shared / "home", shared / "etc"
    home.mkdir()
    etc.mkdir()
    (home / "link").symlink_to(etc)
    os.lchown(home / "link", NOBODY.pw_uid, NOBODY.pw_gid)
    os.chown(home, NOBODY.pw_uid, NOBODY.pw_gid)
    assert "others than root may decide what" in start_as_nobody(home / "link" / "store")
    assert not any(etc.iterdir())


def test_what_is_made_in_the_root_is_said_to_keep_files_open(serve):
    if os.getuid() != 0:
        pytest.skip("only root makes something there")
    name = pathlib.Path(f"/multiplexor-{os.getpid()}.sock")
    program = serve("--wait", f"unix:{name}")
    assert name.is_socket()
    program.until_logged(f"{name} is made in the root")
