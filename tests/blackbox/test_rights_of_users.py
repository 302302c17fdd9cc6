"""What users may beside listening: see who is there, say something, read back; by each source of rights and each transport. Who
somebody is, he cannot say himself; and what is told of him stands in no log."""

import json
import time
import urllib.parse

import pytest
from harness.program import Program, request, until
from harness.talk import Socket
from harness.tokens import SECRET, make_token
from harness.upstream import Application
from harness.wire import Lines, Sse, Wire, poll

RULE = '[[channel]]\nmatch = "room.*"\nlisten = "token"\npublish = "token"\npresence = "token"\nhistory = "token"\n'
OPEN = '[[channel]]\nmatch = "hall.*"\npublish = "open"\npresence = "open"\n'
SOURCES = ["token", "header", "cookie", "hook", "nothing"]
RIGHTS = ["publish", "presence", "history", "administer", None]
INFO = {"name": "Ann-of-the-info", "mail": "ann@info.example"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """Everything is closed; a cookie `right` says what the hook grants beside listening."""

    def answer(path, headers):
        right = headers.get("Cookie", "").partition("right=")[2]
        grants = {"user": "ann", "listen": ["room.a"], right: ["room.a"]}
        return 200, {}, json.dumps({name: value for name, value in grants.items() if name}).encode()

    application = Application(answer)
    settings = tmp_path_factory.mktemp("people") / "multiplexor.toml"
    settings.write_text(f'token_secret = "{SECRET}"\nhook = "{application.url}"\nuser_messages = 0\nconnection_messages = 0\n{RULE}{OPEN}')
    program = Program("--config", str(settings))
    program.publish("room.a", "hello")
    yield program
    program.stop()
    application.stop()


def shown(source, right):
    """How somebody shows what he may: a query and headers."""
    token = make_token(sub="ann", listen=["room.a"], **({right: ["room.a"]} if right else {}))
    return {
        "token": (f"token={token}", {}),
        "header": ("", {"Authorization": f"Bearer {token}"}),
        "cookie": ("", {"Cookie": f"multiplexor_token={token}"}),
        "hook": ("", {"Cookie": f"right={right or ''}"}),
        "nothing": ("", {}),
    }[source]


def outcome(program, method, path, query, headers, body=None):
    address = f"{path}{'&' if '?' in path else '?'}{query}"
    with Wire(program.wait_address) as wire:
        headers = {name.replace("-", "_"): value for name, value in headers.items()}
        status, told = wire.get(address, method=method, body=body or b"", **headers).head()
        if status in (101, 200) and "content-length" not in told:
            return status
        length = int(told["content-length"])
        answer = wire.exactly(length)
    return status if status == 200 else (status, json.loads(answer)["code"])


UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("source", SOURCES)
def test_each_right_opens_what_it_is_for_and_nothing_else(guarded, source, right):
    query, headers = shown(source, right)
    known = source != "nothing"

    def expected(needed, code):
        return (200 if right == needed else (403, code)) if known else (401, "credentials")

    assert outcome(guarded, "GET", "/poll/room.a?wait=0", query, headers) == (200 if known else (401, "credentials"))
    for transport in ["poll", "sse", "stream"]:
        path = f"/{transport}/room.a?presence=1&wait=0"
        assert outcome(guarded, "GET", path, query, headers) == expected("presence", "presence"), transport
    upgraded = outcome(guarded, "GET", "/ws/room.a?presence=1", query, headers | UPGRADE)
    assert upgraded == (101 if (told := expected("presence", "presence")) == 200 else told)
    page = {"Sec-Fetch-Site": "same-origin", "Content-Type": "text/plain"}
    assert outcome(guarded, "POST", "/pub/room.a", query, headers | page, b"x") == expected("publish", "grant")
    assert outcome(guarded, "GET", "/history/room.a", query, headers) == expected("history", "grant")
    # Nobody has anything by it on another channel, nor on the addresses of the IN line.
    for method, path in [("GET", "/poll/room.b?wait=0"), ("POST", "/pub/room.b"), ("GET", "/history/room.b")]:
        assert outcome(guarded, method, path, query, headers | page, b"x" if method == "POST" else None)[0] in (401, 403), path
    for method, path in [("GET", "/users"), ("GET", "/users/ann"), ("DELETE", "/users/ann"), ("POST", "/users/ann/pub"), ("GET", "/channels/room.a/users"), ("GET", "/watch")]:
        assert outcome(guarded, method, path, query, headers, b"x" if method == "POST" else None)[0] == 404, path


@pytest.mark.parametrize("right", ["publish", "presence", None])
def test_a_websocket_says_and_asks_what_its_token_grants_and_no_more(guarded, right):
    query, _ = shown("token", right)
    with Socket(guarded, f"/sub/?{query}") as one:
        said = one.answer(publish="room.a", data=1)
        assert ("published" in said) == (right == "publish") and ("error" in said) == (right != "publish"), said
        asked = one.answer(subscribe=["room.a"], presence=True)
        assert asked.get("error", {}).get("code") == (None if right == "presence" else "presence")
        for names in (["room.b"], ["room.a", "room.b"]):
            assert one.answer(subscribe=names)["error"]["code"] == "grant"
        for name in ("room.b", "$all", "$user:ann", "$presence:room.a"):
            assert "error" in one.answer(publish=name, data=1), name
            assert "error" in one.answer(subscribe=[name]), name


def test_nobody_says_himself_who_he_is(guarded, name):
    """Neither by a query, a header, a command nor the message itself."""
    hall = f"hall.{name}"
    claims = urllib.parse.urlencode({"user": "mo", "sub": "mo", "info": '{"name":"mo"}', "iat": "1"})
    bob = make_token(sub="bob")
    with Lines(guarded, f"/stream/{hall}?presence=1") as watcher, Socket(guarded, f"/sub/{hall}?{claims}&token={bob}") as one:
        answer = one.answer(publish=hall, data={"user": "mo"})
        assert "published" in answer
        for lie in ({"user": "mo"}, {"connection": "AAAAAAAAAAAAAAAAAAAAAA"}, {"info": {}}, {"from": "mo"}):
            assert one.answer(publish=hall, data=1, **lie)["error"]["code"] == "command", lie
        for headers in ({"Multiplexor-User": "mo"}, {"X-User": "mo"}, {"Multiplexor-Connection": one.id}):
            status, _, _ = request(guarded.wait_address, "POST", f"/pub/{hall}?{claims}", b"posted", headers | {"Content-Type": "text/plain"})
            assert status == 200
        heard = []
        while len(heard) < 4:
            item = watcher.object()
            if "data" in item:
                heard.append(item)
        assert [item.get("user") for item in heard] == ["bob", None, None, None]
        until(lambda: [one["user"] for one in guarded.ask(f"/channels/{hall}/users")["users"]] == ["bob"], "only bob is there")
    assert guarded.ask("/users/mo")["online"] is False


@pytest.mark.parametrize("level", ["debug", "trace"])
def test_nothing_that_is_told_of_a_user_stands_in_a_log(tmp_path, name, level):
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(f'token_secret = "{SECRET}"\npresence_grace = "1s"\n{RULE}{OPEN}')
    program = Program("--config", str(settings), "--log-level", level)
    try:
        hall = f"hall.{name}"
        token = make_token(sub="ann", info=INFO, iat=int(time.time()) - 5)
        with Sse(program, f"/sse/{hall}?presence=1") as sse, Lines(program, f"/stream/{hall}?token={token}") as lines:
            text = sse.wire.until(b"Ann-of-the-info").decode()
            assert "joined" in text or "present" in text, "it is told to those who ask"
            with Socket(program, f"/sub/{hall}?token={token}") as one:
                assert "published" in one.answer(publish=hall, data="x")
                assert "error" in one.answer(publish="room.a", data="x")
                assert "error" in one.answer(subscribe=["room.a"], presence=True)
            assert poll(program, f"/poll/{hall}?presence=1&wait=0")["present"]
            assert program.ask(f"/channels/{hall}/users")["users"][0]["info"] == INFO
            assert request(program.in_address, "DELETE", "/users/ann?reason=gone")[0] == 200
            lines.wire.until(b"ended")
        assert request(program.wait_address, "GET", f"/poll/{hall}?token={token}")[0] == 403
        refused = json.dumps(program.ask("/refused"))
    finally:
        program.stop()
    for where, text in {"the log": program.stdout() + program.stderr(), "/refused": refused}.items():
        assert "info.example" not in text and "Ann-of-the-info" not in text, where
