"""`multiplexor realplexor` and `config import`: in the old server's place, with its files, log, signals and user."""

import os
import pathlib
import pwd
import re
import signal
import subprocess

import pytest
from harness.program import PATIENCE_S, binary, free_port, until
from test_realplexor_clients import CRYPT_SECRET, listening, raw


class Daemon:
    """The program in the old server's place; its log is what it says on standard output."""

    def __init__(self, folder, text, *arguments, silent=False):
        self.wait_address, self.in_address = ("127.0.0.1", free_port()), ("127.0.0.1", free_port())
        self.file = folder / "old.conf"
        self.lines = (
            f"$CONFIG{{WAIT_ADDR}} = ['127.0.0.1:{self.wait_address[1]}'];\n"
            f"$CONFIG{{IN_ADDR}} = ['127.0.0.1:{self.in_address[1]}'];\n"
        )
        self.say(text)
        self.log = (folder / "log").open("w+")
        command = [binary(), "realplexor", str(self.file), *arguments]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("MULTIPLEXOR_")}
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=subprocess.PIPE, env=clean | {"MULTIPLEXOR_DRAIN": "100ms"}
        )
        if not silent:
            self.until(f"IN: listening 127.0.0.1:{self.in_address[1]}")

    def say(self, text):
        self.file.write_text(self.lines + text + "return 1;\n")

    def said(self):
        return os.pread(self.log.fileno(), 1 << 20, 0).decode()

    def until(self, line):
        def seen():
            assert self.process.poll() is None, self.process.stderr.read()
            return line in self.said()

        until(seen, f"{line} is in the log: {self.said()}")

    def give(self, number):
        self.process.send_signal(number)

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.give(number)
        errors = self.process.communicate(timeout=PATIENCE_S)[1].decode()
        self.log.close()
        assert "panicked" not in errors
        # No thread may have been there when files were shut off.
        assert "the sandbox cannot" not in errors
        assert self.process.returncode == 0, errors


@pytest.fixture
def daemon(tmp_path):
    started = []

    def start(text="", *arguments, **options):
        started.append(Daemon(tmp_path, text, *arguments, **options))
        return started[-1]

    yield start
    for one in started:
        if not one.log.closed:
            one.end()


STAY = "$CONFIG{SU_USER} = '';\n"


def test_it_listens_where_the_file_says_and_says_so_in_the_old_words(daemon, tmp_path):
    one = daemon(STAY, "-p", str(tmp_path / "pid"))
    lines = one.said().splitlines()
    texts = [line for line in lines if not line.startswith("  [")]
    stamp = r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\] "
    assert all(re.match(stamp, text) for text in texts), lines
    assert re.fullmatch(stamp + r"Starting\. Opened files limit \(ulimit -n\): \d+\.", texts[0])
    assert texts[1].endswith(f"] CONFIG: appending configuration from {one.file}")
    assert "] USERS_FILE is not said, and " in texts[2]
    assert texts[3].endswith(f"] WAIT: listening 127.0.0.1:{one.wait_address[1]}")
    assert re.fullmatch(
        r"  \[pairs_by_fhs=\d+ data_to_send=\d+ connected_fhs=\d+ online_timers=\d+ cleanup_timers=\d+ events=\d+\]",
        lines[-1],
    )
    reply = listening(one, "0:abc")
    raw(one.in_address, b"identifier=7.5:abc\n\n1")
    assert reply() == [{"ids": {"abc": "7.5"}, "data": 1}]
    pid = tmp_path / "pid"
    assert pid.read_text() == f"{one.process.pid}\n"
    one.give(signal.SIGTERM)
    one.process.wait(PATIENCE_S)
    assert "SIGTERM received, exiting" in one.said()
    assert not pid.exists()


def test_the_log_has_as_much_as_verbosity_says(daemon):
    one = daemon(STAY + "$CONFIG{VERBOSITY} = 1;\n")
    assert one.said().splitlines()[-1] == f"IN: listening 127.0.0.1:{one.in_address[1]}"
    one.end(signal.SIGINT)


def test_a_silent_one_says_nothing(daemon, tmp_path):
    one = daemon(STAY + "$CONFIG{VERBOSITY} = 0;\n", "-p", str(tmp_path / "pid"), silent=True)
    until((tmp_path / "pid").exists, "it listens")
    raw(one.in_address, b"identifier=7.5:abc\n\n1")
    assert one.said() == ""


def test_hup_tells_what_changed_and_loses_nothing(daemon):
    one = daemon(STAY)
    reply = listening(one, "0:abc")
    one.say(STAY + "$CONFIG{MAX_DATA_FOR_ID} = 5;\n$CONFIG{VERBOSITY} = 1;\n")
    one.give(signal.SIGHUP)
    one.until("SIGHUP received, reloading the config")
    one.until("Option MAX_DATA_FOR_ID is changed: default -> 5")
    one.until("Option MAX_DATA_FOR_ID takes effect when the program is started anew")
    one.until("Option VERBOSITY is changed: default -> 1")
    one.say("$CONFIG{A} = `date`;\n")
    one.give(signal.SIGHUP)
    one.until(f"Error reloading config, continue with old settings: {one.file}:3: ` stands where a value should")
    raw(one.in_address, b"identifier=9:abc\n\n1")
    assert reply() == [{"ids": {"abc": "9"}, "data": 1}]


def test_hup_changes_what_can_be_changed_while_clients_wait(daemon, tmp_path):
    users, script = tmp_path / "users", tmp_path / "own.js"
    users.write_text(":\n")
    script.write_text("// $IDENTIFIER")
    files = f"$CONFIG{{USERS_FILE}} = '{users}';\n$CONFIG{{SCRIPT_FILE}} = '{script}';\n"
    one = daemon(STAY + files)
    reply = listening(one, "0:abc")
    assert raw(one.wait_address, b"identifier=SCRIPT\n").endswith(b"\r\n\r\n// identifier")
    users.write_text("joe_x:1\njoe:$apr1$saltsalt$zzzzzzzzzzzzzzzzzzzzzz\n")
    script.write_text("// afresh: $IDENTIFIER")
    changed = "$CONFIG{IDENTIFIER} = 'mark';\n$CONFIG{IN_MAXLEN} = 100;\n$CONFIG{CHARSET} = 'koi8-r';\n$CONFIG{WAIT_MAXLEN} = 64;\n"
    one.say(STAY + files + changed + "$CONFIG{WAIT_TIMEOUT} = 0.2;\n$CONFIG{MAX_MEM_MB} = 9;\n")
    one.give(signal.SIGHUP)
    one.until("Option WAIT_TIMEOUT is changed: default -> 0.2")
    one.until("Option IN_MAXLEN is changed: default -> 100")
    one.until("IN_MAXLEN takes effect now; the room for history that comes of it, when the program is started anew")
    one.until('Warning: login "joe_x" is not alphanumeric, skipped.')
    one.until("MAX_MEM_MB (")

    def changed_by_now():
        return raw(one.wait_address, b"mark=SCRIPT\n").endswith(b"// afresh: mark")

    until(changed_by_now, "the WAIT line goes by the new settings")
    waited = raw(one.wait_address, b"mark=other\n", half_close=False)
    assert waited.endswith(b"charset=koi8-r\r\n\r\n \r\n")
    until(lambda: re.search(r"DEBUG: \[[\d.]+:other\] timeout\n", one.said()), "the time-out is in the log")
    assert raw(one.wait_address, b"x" * 65, half_close=False) == b""
    one.until("ERROR: overflow (received 65 bytes total)")
    assert raw(one.in_address, b"mark=abc\n\n1").endswith(b"access denied for guest user\n")
    assert raw(one.in_address, b"x" * 101) == b""
    one.until("ERROR: overflow (received 101 bytes total)")
    # The users let guests in again, and whoever waited since before hears it.
    users.write_text(":\n")
    one.give(signal.SIGHUP)
    until(lambda: raw(one.in_address, b"mark=8:abc\n\n1") == b"", "guests are let in again")
    assert reply() == [{"ids": {"abc": "8"}, "data": 1}]


def test_a_file_that_is_not_there_is_passed_over(daemon, tmp_path):
    one = daemon(STAY, str(tmp_path / "no.conf"))
    assert f"CONFIG: file {tmp_path / 'no.conf'} does not exist, skipping" in one.said()


def test_a_file_that_is_wrong_starts_nothing(tmp_path):
    (tmp_path / "old.conf").write_text("$CONFIG{WAIT_ADDR} = [hostname() . ':80'];\n")
    for command in (["realplexor"], ["config", "import"]):
        ended = subprocess.run([binary(), *command, str(tmp_path / "old.conf")], capture_output=True, timeout=60)
        assert ended.returncode != 0 and ended.stdout == b""
        told = f"{tmp_path}/old.conf:1: hostname needs Perl to run; write the value itself: 'text', 300 or ['a', 'b']\n"
        assert told in ended.stderr.decode()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_started_as_root_it_becomes_another_user_in_all_threads(daemon, tmp_path):
    tmp_path.chmod(0o755)
    one = daemon("", "-p", str(tmp_path / "pid"))
    one.until('Switching current user to unprivileged "nobody"')
    nobody = pwd.getpwnam("nobody")
    tasks = list(pathlib.Path(f"/proc/{one.process.pid}/task").iterdir())
    assert len(tasks) >= 3
    for task in tasks:
        status = (task / "status").read_text()
        for name, number in (("Uid", nobody.pw_uid), ("Gid", nobody.pw_gid)):
            assert re.search(rf"^{name}:\s+{number}\s+{number}\s+{number}\s+{number}$", status, re.MULTILINE), status
        assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    reply = listening(one, "0:abc")
    raw(one.in_address, b"identifier=7:abc\n\n1")
    assert reply() == [{"ids": {"abc": "7"}, "data": 1}]
    one.end()
    # The folder is root's: nobody may only empty the file.
    assert (tmp_path / "pid").read_text() == ""


@pytest.mark.skipif(os.getuid() != 0, reason="only root is asked to become another user")
def test_a_user_that_is_not_there_is_told(tmp_path):
    (tmp_path / "old.conf").write_text(
        "$CONFIG{WAIT_ADDR} = ['127.0.0.1:0']; $CONFIG{IN_ADDR} = ['127.0.0.1:0']; $CONFIG{SU_USER} = 'no such user';"
    )
    ended = subprocess.run([binary(), "realplexor", str(tmp_path / "old.conf")], capture_output=True, timeout=60)
    assert ended.returncode == 1
    assert b'SU_USER is "no such user", but there is no such user' in ended.stderr


def test_what_connections_do_is_logged_in_the_old_words(daemon, tmp_path):
    (tmp_path / "users").write_text(f":\njoe:{CRYPT_SECRET.decode().strip()}\n")
    files = f"$CONFIG{{USERS_FILE}} = '{tmp_path / 'users'}';\n"
    one = daemon(STAY + files + "$CONFIG{OFFLINE_TIMEOUT} = 0.2;\n$CONFIG{CLEAN_ID_AFTER} = 0.3;\n")
    reply = listening(one, "5:abc,def")
    raw(one.in_address, b"identifier=10:abc,11:lim\n\n1")
    assert reply()
    raw(one.in_address, b"online ab\n")
    raw(one.in_address, b"watch 10\n")
    raw(one.in_address, b"stats\n")
    raw(one.in_address, b"identifier=joe:secret@joe_a,bob_a,*x,*y\n\n1")
    raw(one.in_address, b"identifier=joe:wrong@joe_a\n\n1")
    raw(one.in_address, b"identifier=a\n\n")
    raw(one.wait_address, b"identifier=SCRIPT\n")
    raw(one.wait_address, b"identifier=IFRAME\n")
    raw(one.wait_address, b"identifier=-\n")
    wait, publisher = r"WAIT: 127\.0\.0\.1:\d+: ", r"IN: 127\.0\.0\.1:\d+: "
    named = wait + r"DEBUG: \[5:abc,\(and 1 more\)\] "
    for line in (
        wait + "DEBUG: connection opened",
        wait + r"DEBUG: read \d+ bytes",
        named + "registered",
        named + "connection closed",
        wait + "DEBUG: SCRIPT marker received, sending content",
        wait + "DEBUG: IFRAME marker received, sending content",
        wait + "ERROR: Empty identifier passed",
        publisher + "DEBUG: connection opened",
        publisher + "DEBUG: read 27 bytes",
        publisher + "DEBUG: parsed IDs",
        publisher + r'DEBUG: parsed IDs; limiters are \(x, y\); login is "joe"',
        publisher + r"DEBUG: added data for \[abc,lim\]",
        publisher + r"DEBUG: skipping not owned \[bob_a\] for login joe",
        publisher + "DEBUG: passed empty HTTP body, ignored",
        publisher + "DEBUG: received aux command: ONLINE ab",
        publisher + r"DEBUG: sending \d+ online identifiers",
        publisher + "DEBUG: received aux command: WATCH 10",
        publisher + "DEBUG: sending 2 events",
        publisher + "DEBUG: received aux command: STATS",
        publisher + "DEBUG: sending stats",
        publisher + "DEBUG: connection closed",
        publisher + "ERROR: invalid password for login: joe",
        r"<- sending 1 responses \(\d+ bytes\) from \[abc\] \(print=1, shutdown=1\)",
        r"\[def\] is now offline",
        r"\[lim\] cleaned, because no data is pushed within last 0\.3 seconds",
    ):
        until(lambda line=line: re.search(rf"\] {line}\n", one.said()), f"{line} is in {one.said()}")
    # When nobody listens any more and nothing is held, the counters say so.
    last = r"\[data_to_send=0 connected_fhs=0 online_timers=0 cleanup_timers=0 events=\d+\]".replace(r"\[", " ")

    def all_gone():
        raw(one.in_address, b"nothing\n")
        return re.search(last, one.said())

    until(all_gone, f"the counters are 0 again: {one.said()[-2000:]}")


def test_a_settings_file_is_made_that_is_right(tmp_path):
    old, new = tmp_path / "old.conf", tmp_path / "new.toml"
    old.write_bytes(
        "# настройки\n".encode("cp1251")
        + b"use Cwd qw(abs_path); use File::Basename;\n$CONFIG{USERS_FILE} = dirname(abs_path(__FILE__)) . '/users';\n"
        b"$CONFIG{WAIT_TIMEOUT} = 60 * 2;\n$CONFIG{MAX_MEM_MB} = 100;\nreturn 1;\n"
    )
    (tmp_path / "users").write_text(":\n")
    printed = subprocess.run([binary(), "config", "import", str(old)], capture_output=True, check=True, timeout=60)
    new.write_bytes(printed.stdout)
    checked = subprocess.run([binary(), "config", "check", str(new)], capture_output=True, timeout=60)
    assert checked.returncode == 0, checked.stderr
    text = printed.stdout.decode()
    assert f'# USERS_FILE, {old}:3\nrealplexor_users = "{tmp_path}/users"\n' in text
    assert f'# WAIT_TIMEOUT, {old}:4\nclassic_wait_timeout = "2m"\n' in text
    assert f"# MAX_MEM_MB ({old}:5) is left out: " in text
