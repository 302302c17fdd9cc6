"""Ending a user on the IN line: all connections are told why, and what was issued before is refused for a while."""

import contextlib
import json
import random
import socket
import struct
import time
import urllib.parse

import pytest
from harness.frames import TEXT, Frames
from harness.program import Program, request, until
from harness.tokens import SECRET, make_token, signed_url
from harness.upstream import Application
from harness.wire import Lines, Sse, Wire, poll
from test_access import make_key
from test_users import of, until_there

ROOM = '[[channel]]\nmatch = "room.*"\npresence = "open"\n'


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    settings = tmp_path_factory.mktemp("ended") / "multiplexor.toml"
    settings.write_text(f'token_secret = "{SECRET}"\nshards = 3\npresence_grace = "60s"\n{ROOM}')
    running = Program("--config", str(settings))
    yield running
    running.stop()


def kick(program, user, query="", **headers):
    path = f"/users/{urllib.parse.quote(user, safe='')}{query}"
    status, _, body = request(program.in_address, "DELETE", path, headers=headers)
    return status, json.loads(body)


def now():
    return int(time.time())


def issued(user, iat, **claims):
    return make_token(sub=user, iat=iat, **claims)


def comes(program, name, shown):
    """What a client is answered who comes with a token, or by a path."""
    path = shown if shown.startswith("/") else f"/poll/{name}?wait=0&token={shown}"
    status, _, body = request(program.wait_address, "GET", path)
    return (status, json.loads(body)["code"]) if status != 200 else status


def test_all_connections_of_a_user_are_ended_whatever_they_wait_by_and_nobody_elses(program, name):
    user, reason = f"ann of {name}/ä", "you überdid it"
    shown, said = issued(user, now() - 1), {"reason": reason}
    with (
        Sse(program, f"/sse/{name}?token={shown}") as bare,
        Sse(program, f"/sse/{name},{name}.2?token={shown}") as sse,
        Lines(program, f"/stream/{name}?token={shown}") as lines,
        Frames(program, f"/ws/{name}?token={shown}") as ws,
        Wire(program.wait_address).get(f"/poll/{name}.3?token={shown}") as waits,
        Lines(program, f"/stream/{name}?token={issued('bob', 0)}") as bob,
        Lines(program, f"/stream/{name}") as nobody,
    ):
        until_there(program, user, 5)
        before = program.metric("multiplexor_wait_ended_total"), program.metric("multiplexor_in_users_ended_total")
        program.publish(name, "said before")
        assert kick(program, user, f"?reason={urllib.parse.quote(reason)}") == (200, {"ended": 5})
        assert bare.event()[1] == "said before"
        assert bare.event() == ("ended", json.dumps(said, ensure_ascii=False, separators=(",", ":")))
        assert json.loads(sse.event()[1])["data"] == "said before"
        assert (sse.event()[0], sse.wire.rest()) in (("ended", b""), ("ended", b"0\r\n\r\n"))
        assert lines.message()["data"] == "said before"
        assert lines.object() == {"ended": said}
        assert [json.loads(ws.until(TEXT)) for _ in range(3)][2] == {"ended": said}
        assert ws.close_code() == 4001
        assert json.loads(waits.response()[2])["ended"] == said
        assert of(program, user)["connections"] == []
        after = program.metric("multiplexor_wait_ended_total"), program.metric("multiplexor_in_users_ended_total")
        assert after == (before[0] + 5, before[1] + 1)
        for other in (bob, nobody):
            assert other.message()["data"] == "said before"
            program.publish(name, "still there")
            until(lambda: other.message()["data"] == "still there", "no other connection is ended")


def test_what_was_issued_before_is_refused_and_what_is_issued_after_is_not(program, name):
    user, later = f"eve.{name}", now() + 60
    old = [
        issued(user, now() - 1),
        issued(user, now()),
        make_token(sub=user),
        issued(user, "soon"),
        signed_url(name, later, user=user, iat=str(now())) + "&wait=0",
        signed_url(name, later, user=user) + "&wait=0",
    ]
    others = [issued(f"bob.{name}", now() - 1), make_token(), signed_url(name, later) + "&wait=0"]
    assert [comes(program, name, shown) for shown in old + others] == [200] * 9
    second = now()
    assert kick(program, user, "?for=1h") == (200, {"ended": 0}), "who is not there is refused, too"
    new = [issued(user, second + 2), signed_url(name, later, user=user, iat=str(second + 2)) + "&wait=0"]
    assert [comes(program, name, shown) for shown in old] == [(403, "user-ended")] * 6
    assert [comes(program, name, shown) for shown in others + new] == [200] * 5
    refused = request(program.in_address, "GET", "/refused?limit=200")[2]
    told = [one for one in json.loads(refused)["refused"] if one["code"] == "user-ended"]
    assert len(told) >= 6 and told[0]["status"] == 403 and "issued" in told[0]["detail"], told
    assert program.metric("multiplexor_ended_users") >= 1


@pytest.mark.parametrize("transport", ["sse", "stream", "ws"])
def test_a_stream_is_refused_for_good(program, name, transport):
    user = f"zoe.{name}"
    kick(program, user)
    headers = {"Accept": "text/event-stream"} if transport == "sse" else {}
    if transport == "ws":
        headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    status, _, body = request(program.wait_address, "GET", f"/{transport}/{name}?token={issued(user, 0)}", headers=headers)
    assert (status, json.loads(body)["code"]) == (403, "user-ended"), "not 200 with an event: it is final"


def test_a_live_websocket_does_not_become_a_user_that_was_ended(program, name):
    user = f"kim.{name}"
    kick(program, user)
    with Frames(program, f"/ws/{name}") as ws:
        ws.until(TEXT)
        ws.send(TEXT, json.dumps({"token": issued(user, 0)}).encode())
        assert json.loads(ws.until(TEXT))["error"]["code"] == "user-ended"
        ws.send(TEXT, json.dumps({"token": issued(user, now() + 2)}).encode())
        assert json.loads(ws.until(TEXT))["renewed"]


def test_by_default_it_lasts_as_long_as_the_last_of_the_credentials_and_a_minute_at_least(tmp_path, name):
    running = Program("--token-secret", SECRET, "--store", str(tmp_path / "store"))
    with Lines(running, f"/stream/{name}?token={make_token(sub='long', exp=now() + 7_000)}"), Lines(running, f"/stream/{name}?token={make_token(sub='long', exp=now() + 90)}"):
        until_there(running, "long", 2)
        assert kick(running, "long")[1] == {"ended": 2}
    with Lines(running, f"/stream/{name}?token={make_token(sub='short', exp=now() + 10)}"):
        until_there(running, "short", 1)
        assert kick(running, "short")[1] == {"ended": 1}
    assert kick(running, "brief", "?for=1")[1] == {"ended": 0}
    # Of who is not there, such as between two polls, it is not known how long its tokens last.
    assert kick(running, "away")[1] == {"ended": 0}
    brief = make_token(sub="brief")
    assert comes(running, name, brief) == (403, "user-ended")
    until(lambda: comes(running, name, brief) == 200, "after that time the token counts again")
    running.stop()
    log = b"".join(path.read_bytes() for path in sorted((tmp_path / "store").iterdir()))
    # The token was made in whole seconds, a moment before.
    assert 6_990 < lasts(log, "long") <= 7_000
    assert [lasts(log, user) for user in ("short", "away", "brief")] == [60, 86_400, 1]


def lasts(log, user):
    """For how many seconds a user is refused, as the store's last record of it says: its name, then both times, seven bits a byte."""
    name = bytes([len(user)]) + user.encode()
    rest, times = iter(log[log.rindex(name) + len(name) :]), []
    for _ in range(2):
        number = shift = 0
        while True:
            byte = next(rest)
            number, shift = number | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                break
        times.append(number)
    return round((times[1] - times[0]) / 1_000)


def test_a_restart_forgets_nobody_with_a_store(tmp_path, name):
    store = str(tmp_path / "store")
    running = Program("--token-secret", SECRET, "--store", store)
    old, other = issued("ann", now() - 1), issued("bob", now() - 1)
    assert kick(running, "ann", "?for=10m") == (200, {"ended": 0})
    running.stop()
    running = Program("--token-secret", SECRET, "--store", store)
    assert (comes(running, name, old), comes(running, name, other)) == ((403, "user-ended"), 200)
    running.stop()
    running = Program("--token-secret", SECRET, "--store", store)
    assert comes(running, name, old) == (403, "user-ended")
    assert comes(running, name, issued("ann", now() + 60)) == 200
    running.stop()


def test_what_a_killed_program_answered_counts_after_it(tmp_path, name):
    store = str(tmp_path / "store")
    running = Program("--token-secret", SECRET, "--store", store)
    assert kick(running, "ann", "?for=10m") == (200, {"ended": 0})
    running.process.kill()
    running.process.wait()
    running = Program("--token-secret", SECRET, "--store", store)
    assert comes(running, name, issued("ann", now() - 60)) == (403, "user-ended")
    running.stop()


def test_who_was_ended_leaves_at_once(program, name):
    room = f"room.{name}"
    shown = issued("ann", now() - 1)
    with Lines(program, f"/stream/{room}?presence=1") as watcher, Lines(program, f"/stream/{room}?token={shown}"), Lines(program, f"/stream/{room}?token={shown}"):
        until_there(program, "ann", 2)
        assert kick(program, "ann") == (200, {"ended": 2})
        left = []
        until(lambda: left.append(watcher.object()) or "left" in left[-1], "it is told that she left, long before the grace is over")
        assert left[-1]["left"]["user"] == "ann"
        assert program.ask(f"/channels/{room}/users")["users"] == []


def test_the_hook_is_asked_anew(tmp_path, name):
    asked = []

    def answer(path, headers):
        asked.append(headers)
        return 200, {}, json.dumps({"user": "ann", "listen": "*", "lasts": 600}).encode()

    application = Application(answer)
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(f'hook = "{application.url}"\nlisten = "token"\nshards = 2\n')
    running = Program("--config", str(settings))

    def listens():
        return poll(running, f"/poll/{name}?wait=0", Cookie="sid=1")

    for _ in range(3):
        listens()
    assert len(asked) <= 2, "who it is was remembered"
    with Sse(running, f"/sse/{name}", Cookie="sid=1") as sse:
        until_there(running, "ann", 1)
        before = len(asked)
        assert kick(running, "ann", "?for=10m") == (200, {"ended": 1})
        assert sse.event()[0] == "ended"
    # The application lets her in again.
    listens()
    assert len(asked) == before + 1
    listens()
    assert len(asked) <= before + 2, "what it says now is remembered"
    running.stop()
    application.stop()


def test_a_user_with_thousands_of_connections_is_ended_in_pieces(name):
    running = Program("--token-secret", SECRET, "--shards", "2")
    shown = make_token(sub="many")
    wires = [Wire(running.wait_address).get(f"/sse/{name}?token={shown}") for _ in range(1_500)]
    running.until_waiting(name, len(wires))
    assert kick(running, "many") == (200, {"ended": 1_500})
    until(lambda: running.waiting(name) == 0, "none waits any more")
    for wire in wires:
        assert b"event: ended" in wire.rest()
        wire.close()
    running.stop()


def test_it_needs_the_right_to_administer_all_channels(tmp_path):
    grants = {"all": ["administer"], "part": ["administer"], "presence": ["presence", "publish", "history"]}
    made = {who: make_key() for who in grants}
    rows = [
        f'[[key]]\nname = "{who}"\nhash = "{made[who][1]}"\nmay = {json.dumps(allow)}\n' + ('match = ["a.*"]\n' if who == "part" else "")
        for who, allow in grants.items()
    ]
    (tmp_path / "multiplexor.toml").write_text("\n".join(rows))
    running = Program("--config", str(tmp_path / "multiplexor.toml"))
    for who, expected in (("all", 200), ("part", 403), ("presence", 403)):
        status, document = kick(running, "ann", Authorization=f"Bearer {made[who][0]}")
        assert (status, document.get("code")) == (expected, None if expected == 200 else "grant"), who
    assert kick(running, "ann")[0] == 401
    status = request(running.in_address, "GET", "/users/ann", headers={"Authorization": f"Bearer {made['presence'][0]}"})[0]
    assert status == 200, "to look still needs presence alone"
    running.stop()


def test_what_cannot_be_read_is_told(program):
    for query, code in (("?for=soon", "for"), ("?for=2d", "for"), ("?for=0", "for"), ("?reason=a%0ab", "reason"), (f"?reason={'x' * 121}", "reason")):
        status, problem = kick(program, "nobody", query)
        assert (status, problem["code"]) == (400, code), query
    assert request(program.in_address, "DELETE", "/users/%00")[0] == 400


def asks_and_goes(program, user):
    """Asks for a user's end and goes away, at some moment of it."""
    with socket.create_connection(program.in_address) as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.sendall(f"DELETE /users/{user}?for=1h HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        time.sleep(random.uniform(0, 0.004))
    return True


def test_a_caller_who_goes_away_leaves_no_end_half_done(tmp_path, name):
    (tmp_path / "kept.toml").write_text(f'token_secret = "{SECRET}"\nshards = 2\nstore = "{tmp_path / "store"}"\n')
    running = Program("--config", str(tmp_path / "kept.toml"))
    users = [f"u{n}" for n in range(20)]
    with contextlib.ExitStack() as crowd:
        for user in users:
            crowd.enter_context(Lines(running, f"/stream/{name}?token={issued(user, now() - 1)}"))
        for user in users:
            until(lambda user=user: asks_and_goes(running, user) and comes(running, name, issued(user, now() - 1)) != 200, f"{user} is refused")
        until(lambda: running.ask("/users")["users"] == [], "all are ended")
        until(lambda: running.metric("multiplexor_in_users_ended_total") >= 20, "all of it is done")
    running.process.kill()
    running.process.wait()
    again = Program("--config", str(tmp_path / "kept.toml"))
    assert [comes(again, name, issued(user, now() - 60)) for user in users] == [(403, "user-ended")] * 20
    again.stop()


def test_a_pattern_for_channels_reaches_no_user(tmp_path):
    keys = {pattern: make_key() for pattern in ("*.bell", "*", "$user:*", "$user:a*")}
    entries = [
        f'[[key]]\nname = "k{n}"\nhash = "{hashed}"\nmay = ["publish"]\nmatch = ["{pattern}"]\n'
        for n, (pattern, (_, hashed)) in enumerate(keys.items())
    ]
    (tmp_path / "keys.toml").write_text("".join(entries))
    running = Program("--config", str(tmp_path / "keys.toml"))

    def publish(pattern, path):
        shown = {"Authorization": f"Bearer {keys[pattern][0]}"}
        return request(running.in_address, "POST", path, b"x", shown)[0]

    for pattern, expected in {"*.bell": 403, "*": 200, "$user:*": 200, "$user:a*": 200}.items():
        assert publish(pattern, "/users/ann.bell/pub") == expected, pattern
    assert publish("*.bell", "/pub/door.bell") == 200 and publish("$user:a*", "/users/bob/pub") == 403
    running.stop()
