"""The settings file: what it says holds, by channel too; what is wrong in it is told."""

import json
import os
import subprocess

import pytest
from harness.program import binary, request, until
from harness.wire import Wire, datas, poll

RULES = """
history_messages = 3

[[wait]]
address = "127.0.0.1:0"

[[wait]]
address = "127.0.0.1:0"
dialect = "none"

[[in]]
address = "127.0.0.1:0"

[[channel]]
match = "chat.quiet"
history_messages = 0

[[channel]]
match = "chat.*"
history_messages = 2
payload_limit = 10

[[channel]]
match = "files.*"
payload_limit = "2MiB"

[[channel]]
match = "tick*"
ttl = "300ms"
"""


@pytest.fixture
def file(tmp_path):
    def write(text):
        path = tmp_path / "multiplexor.toml"
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def ruled(serve, file):
    return serve("--config", file(RULES), ports=False)


def kept(program, name):
    """How many messages are kept; 0 where the channel is forgotten."""
    status, _, answer = request(program.in_address, "GET", f"/channels/{name}")
    return json.loads(answer)["history"]["messages"] if status == 200 else 0


def publish(program, names, body):
    status, _, answer = request(program.in_address, "POST", f"/pub/{names}", body)
    return status, json.loads(answer)


def run(*arguments, **variables):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MULTIPLEXOR_")}
    done = subprocess.run([binary(), *arguments], capture_output=True, timeout=60, env=clean | variables)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_a_file_says_where_to_listen(ruled):
    assert len(ruled.waits) == 2
    ruled.publish("news", "hello")
    for address in ruled.waits:
        host, port = address.rsplit(":", 1)
        with Wire((host, int(port))) as wire:
            status, _, body = wire.get("/sub/news?since=0").response()
        assert (status, datas(json.loads(body)["messages"])) == (200, ["hello"])


def test_history_is_kept_by_the_first_rule_that_matches(ruled):
    for name, expected in [("chat.quiet", []), ("chat.a", ["3", "4"]), ("chat", ["2", "3", "4"])]:
        for n in range(5):
            ruled.publish(name, str(n))
        assert kept(ruled, name) == len(expected), name
        if expected:
            assert datas(poll(ruled, f"/sub/{name}?since=0")["messages"]) == [int(n) for n in expected]


def test_a_payload_is_limited_by_the_strictest_of_its_channels(ruled):
    assert publish(ruled, "chat.a", b"x" * 10)[0] == 200
    for names in ["chat.a", "news,chat.a", "files.a,chat.a"]:
        status, problem = publish(ruled, names, b"x" * 11)
        assert (status, problem["code"]) == (413, "payload"), problem
        assert "more than 10 bytes" in problem["detail"], problem
    assert publish(ruled, "news", b"x" * 999_000)[0] == 200
    assert publish(ruled, "news", b"x" * 999_001)[0] == 413
    assert publish(ruled, "files.a", b"x" * (2 << 20))[0] == 200
    assert publish(ruled, "files.a", b"x" * ((2 << 20) + 1))[0] == 413


def test_a_message_without_a_ttl_has_that_of_the_rule(ruled):
    ruled.publish("tick.a,news", "soon gone")
    ruled.publish("tick.a", "stays", query="?ttl=60")
    until(lambda: kept(ruled, "tick.a") == 1, "the message without a ttl is gone")
    assert datas(poll(ruled, "/sub/tick.a?since=0")["messages"]) == ["stays"]
    assert kept(ruled, "news") == 1


def test_the_defaults_are_a_right_file(file):
    status, defaults, _ = run("config", "--default")
    assert status == 0
    status, said, errors = run("config", "check", file(defaults))
    assert (status, errors) == (0, ""), said


def test_all_that_is_wrong_is_told_at_once(file):
    path = file('pol_timeout = "1s"\n\n[[channel]]\nmatch = "a*b"\n[[wait]]\naddress = "127.0.0.1:0"\ndialect = "pusher"\n')
    status, _, errors = run("config", "check", path)
    lines = errors.splitlines()
    assert status == 1 and len(lines) == 3, errors
    assert lines[0].startswith(f"{path}:1: there is no setting pol_timeout; did you mean poll_timeout?")
    assert lines[1].startswith(f'{path}:4: match is "a*b"')
    assert lines[2].startswith(f'{path}:7: dialect is "pusher"')
    assert run("--config", path)[0] == 2


def test_it_is_told_who_said_what(file):
    path = file('heartbeat = "1m"\n')
    status, said, _ = run("config", "--config", path, "--grace", "5s", "--json")
    settings = json.loads(said)
    assert status == 0
    assert settings["heartbeat"] == {"value": "1m", "from": "file", "file": path, "line": 1}
    assert settings["grace"] == {"value": "5s", "from": "flag", "flag": "--grace"}
    assert settings["drain"] == {"value": "2s", "from": "default"}


def refused_at_check_and_start(path):
    """What both say of a settings file that neither takes."""
    (checked, _, why), (started, _, also) = run("config", "check", path), run("--config", path)
    assert (checked, started) == (1, 2), (why, also)
    assert why.strip() in also
    return why


def test_a_file_is_checked_beside_the_variables_of_the_environment(file):
    path = file('in = "0.0.0.0:0"\nlisten = "token"\n')
    status, _, errors = run("config", "check", path)
    assert status == 1 and "MULTIPLEXOR_KEY" in errors and "set token_secret" in errors
    secrets = {"MULTIPLEXOR_KEY": "mk_" + "k" * 40, "MULTIPLEXOR_TOKEN_SECRET": "s" * 32}
    key = json.loads(run("key", "make", "--json")[1])["key"]
    status, said, errors = run("config", "check", path, **(secrets | {"MULTIPLEXOR_KEY": key}))
    assert (status, errors) == (0, "")
    assert "beside MULTIPLEXOR_KEY, MULTIPLEXOR_TOKEN_SECRET in the environment" in said
    assert key not in said and "s" * 32 not in said
    status, _, errors = run("config", "check", path, **secrets, MULTIPLEXOR_GRACE="soon", MULTIPLEXOR_DRAYN="1s")
    assert status == 1 and "MULTIPLEXOR_GRACE is" in errors and "did you mean MULTIPLEXOR_DRAIN?" in errors


def test_what_is_wrong_in_the_file_between_settings_and_on_the_machine_is_told_in_one_go(file, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "photo.jpg").write_text("")
    path = file(
        f"""pol_timeout = "1s"
grace = "2d"
wait = ["127.0.0.1:1", "unix:{tmp_path}/nowhere/wait.sock"]
in = ["127.0.0.1:1", "unix:{tmp_path}/file"]
user = "nobody-of-that-name"
store = "{tmp_path}/file/store"
unix_owner = "no-such-user"
tls_certificate = "{tmp_path}/missing.pem"
tls_key = "{tmp_path}/missing.key"
takeover = "http://127.0.0.1:1"
takeover_prefix = "/push/"
wait_prefix = "/push"
"""
    )
    status, _, errors = run("config", "check", path)
    lines = errors.splitlines()
    for line, words in [
        (1, "did you mean poll_timeout?"),
        (2, 'grace is "2d"'),
        (4, "127.0.0.1:1 is given twice"),
        (3, f"there is no folder {tmp_path}/nowhere"),
        (4, f"{tmp_path}/file is there, and is no socket"),
        (5, "there is no such user"),
        (6, "nothing could be stored there"),
        (7, 'unix_owner is "no-such-user"'),
        (8, f"{tmp_path}/missing.pem cannot be read"),
        (11, 'takeover_prefix is "/push/", which is wait_prefix, too'),
    ]:
        assert any(told.startswith(f"{path}:{line}: ") and words in told for told in lines), (words, errors)
    assert (status, len(lines)) == (1, 10), errors
    status, _, errors = run("config", "check", file(f'store = "{tmp_path}/other"\n'))
    assert status == 1 and "holds other files and no store" in errors


def test_a_wrong_setting_is_one_error_and_not_those_that_would_follow_from_it(file):
    for text, words in [
        ('listen = "token"\ntoken_secret = "short"\n', "token_secret is"),
        ('listen = "token"\ntoken_secrt = "x"\n', "did you mean token_secret?"),
        ('tls_certificate = "a.pem"\ntls_kye = "a.key"\nin_tls = "on"\n', "did you mean tls_key?"),
        ('in = "0.0.0.0:1"\nkey = "nonsense"\n', "key is"),
    ]:
        status, _, errors = run("config", "check", file(text))
        assert status == 1 and words in errors and len(errors.splitlines()) == 1, errors


def test_a_check_leaves_nothing_behind_and_minds_no_server_that_runs(file, serve, tmp_path):
    store = tmp_path / "store"
    path = file(f'wait = "127.0.0.1:0"\nin = "127.0.0.1:0"\nstore = "{store}"\n')
    assert run("config", "check", path)[0] == 0
    assert not store.exists(), "it is made by the server"
    program = serve("--config", path, ports=False)
    with open(path, "a") as more:
        more.write(f'# {program.waits[0]}\n')
    before = sorted(entry.name for entry in store.iterdir())
    assert run("config", "check", path)[0] == 0, "the server has it, and whoever edits its file may check that"
    assert sorted(entry.name for entry in store.iterdir()) == before


@pytest.mark.parametrize("prefix", ["/sub/", "/push", "/push/", "/push/sub/", "/push/poll/x"])
def test_an_application_that_would_get_nothing_is_told(file, prefix):
    behind = "" if prefix == "/sub/" else 'wait_prefix = "/push"\n'
    path = file(f'takeover = "http://127.0.0.1:1"\n{behind}takeover_prefix = "{prefix}"\n')
    why = refused_at_check_and_start(path)
    assert "takeover_prefix is" in why and "such as /app/ and /push" in why, why
    assert run("config", "check", file(f'takeover = "http://127.0.0.1:1"\n{behind}takeover_prefix = "/app/"\n'))[0] == 0


@pytest.mark.parametrize("host", ["10.0.0.1", "keys.example", "127.0.0.1.example:80", "[2001:db8::1]"])
def test_keys_come_from_another_machine_by_tls_only(file, host):
    path = file(f'token_keys_url = "http://{host}/keys?s=hidden"\n')
    why = refused_at_check_and_start(path)
    assert why.startswith(f"{path}:1: token_keys_url is") and "https://" in why and "hidden" not in why, why
    assert run("config", "check", file(f'token_keys_url = "https://{host}/keys"\n'))[0] == 0


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "[::1]", "localhost"])
def test_keys_of_this_machine_may_come_in_the_clear(file, host):
    assert run("config", "check", file(f'token_keys_url = "http://{host}/keys"\n'))[0] == 0


@pytest.mark.parametrize(
    "header",
    ["transfer-encoding", "Content-Length", "host", "connection", "te", "upgrade", "expect", "trailer", "keep-alive"]
    + ["proxy-authorization", "proxy-connection", "accept-encoding", "range", "If-None-Match", "content-type"],
)
def test_the_hook_gets_no_header_that_would_break_its_request(file, header):
    path = file(f'hook = "http://127.0.0.1:1/"\nhook_headers = ["cookie", "{header}"]\n')
    why = refused_at_check_and_start(path)
    assert why.startswith(f"{path}:2: hook_headers names {header},") and "cookie and authorization" in why, why


@pytest.mark.parametrize("dialect, spoken", [("multiplexor", True), ("none", False)])
def test_an_in_listener_speaks_2009_where_its_entry_says_so(serve, file, dialect, spoken):
    entry = f'wait = ["127.0.0.1:0"]\n[[in]]\naddress = "127.0.0.1:0"\ndialect = "{dialect}"\n'
    program = serve("--config", file(entry), ports=False)
    with Wire(program.in_address) as wire:
        wire.send("ONLINE\r\n\r\n")
        assert (wire.rest() == b"\n.") == spoken


def test_an_item_of_a_batch_may_be_as_long_as_its_channel_allows(ruled):
    long = json.dumps([{"channel": "files.a", "data": "x" * (3 << 19)}, {"channel": "news", "data": "x" * (3 << 19)}])
    status, _, answer = request(ruled.in_address, "POST", "/pub", long)
    first, second = json.loads(answer)
    assert (status, "cursor" in first, second["error"]["status"]) == (200, True, 413)
