"""Who waits, by user: /users and /users/U of the IN line, `multiplexor users`."""

import http.client
import json
import subprocess
import threading
import time
import urllib.parse

import pytest
from harness.frames import TEXT, Frames
from harness.program import Program, binary, request, until
from harness.tokens import SECRET, make_token, signed_url
from harness.upstream import Application
from harness.wire import Lines, Sse, Wire
from test_access import make_key


@pytest.fixture(scope="module")
def program():
    running = Program("--token-secret", SECRET, "--shards", "3")
    yield running
    running.stop()


def of(program, user):
    return program.ask(f"/users/{urllib.parse.quote(user, safe='')}")


def until_there(program, user, count):
    until(lambda: len(of(program, user)["connections"]) == count, f"{user} has {count} connections")


def token(user, **claims):
    return make_token(sub=user, **claims)


def test_a_user_is_there_by_all_its_connections_whatever_they_wait_by(program, name):
    user = f"ann of {name}/ä"
    shown = token(user)
    began = int(time.time())
    assert of(program, user) == {"user": user, "online": False, "connections": []}
    poll = http.client.HTTPConnection(*program.wait_address, timeout=60)
    with (
        Sse(program, f"/sse/{name},{name}.2?token={shown}"),
        Lines(program, f"/stream/{name}?token={shown}"),
        Frames(program, f"/ws/{name}?token={shown}") as ws,
        Sse(program, f"/sse/{name}?token={token('bob')}"),
        Sse(program, f"/sse/{name}"),
    ):
        poll.request("GET", f"/poll/{name}?token={shown}")
        until_there(program, user, 4)
        told = of(program, user)
        assert told["online"] and "more" not in told
        by = {one["transport"]: one for one in told["connections"]}
        assert set(by) == {"sse", "stream", "ws", "poll"}
        assert (sorted(by["sse"]["channels"]), by["ws"]["channels"]) == ([name, f"{name}.2"], [name])
        assert {one["address"] for one in told["connections"]} == {"127.0.0.1"}
        assert len({one["id"] for one in told["connections"]}) == 4
        assert told["since"] == min(one["since"] for one in told["connections"])
        assert all(began <= one["since"] <= time.time() for one in told["connections"])
        ws.until(TEXT)
        ws.send(TEXT, json.dumps({"subscribe": [f"{name}.3"]}).encode())
        until(
            lambda: any(f"{name}.3" in one["channels"] for one in of(program, user)["connections"]),
            "what it adds is told, too",
        )
        program.publish(name, "hello")
        assert json.loads(poll.getresponse().read())["messages"]
        until_there(program, user, 3)
    poll.close()
    until_there(program, user, 0)


def test_the_id_is_the_one_that_the_client_was_told(program, name):
    shown = token(f"ann.{name}")
    with Lines(program, f"/stream/{name}?token={shown}") as lines, Frames(program, f"/ws/{name}?token={shown}") as ws:
        told = {lines.object()["connection"], json.loads(ws.until(TEXT))["connection"]}
        assert {one["id"] for one in of(program, f"ann.{name}")["connections"]} == told


def test_who_shows_who_it_is_later_is_there_from_then_on(program, name):
    with Frames(program, f"/ws/{name}") as ws:
        ws.until(TEXT)
        assert not of(program, f"eve.{name}")["online"]
        for _ in range(2):
            ws.send(TEXT, json.dumps({"token": token(f"eve.{name}")}).encode())
            assert json.loads(ws.until(TEXT))["renewed"]
            until_there(program, f"eve.{name}", 1)


def test_who_it_is_may_come_of_a_signed_url_and_of_the_hook(tmp_path, name):
    application = Application(lambda path, headers: (200, {}, json.dumps({"user": "of the hook", "listen": "*"}).encode()))
    (tmp_path / "multiplexor.toml").write_text(f'hook = "{application.url}"\ntoken_secret = "{SECRET}"\nlisten = "token"\n')
    running = Program("--config", str(tmp_path / "multiplexor.toml"))
    url = signed_url(name, int(time.time()) + 60, user="of a url", iat=str(int(time.time())))
    with Sse(running, url), Sse(running, f"/sse/{name}", Cookie="sid=1"):
        for user in ("of a url", "of the hook"):
            until_there(running, user, 1)
        users = [one["user"] for one in running.ask("/users")["users"]]
        assert users == ["of a url", "of the hook"]
    running.stop()
    application.stop()


def test_users_are_listed_by_name_page_by_page(name):
    running = Program("--token-secret", SECRET, "--shards", "3")
    streams = [Sse(running, f"/sse/{name}?token={token(f'u{n:02}')}") for n in range(25)]
    streams += [Sse(running, f"/sse/{name}?token={token('u07')}"), Sse(running, f"/sse/{name}?token={token('other')}"), Sse(running, f"/sse/{name}")]
    running.until_waiting(name, len(streams))
    found, after = [], ""
    while True:
        page = running.ask(f"/users?prefix=u&limit=10{after}")
        assert page["cursor"]
        found += page["users"]
        if "next" not in page:
            break
        after = f"&after={page['next']}"
    assert [one["user"] for one in found] == [f"u{n:02}" for n in range(25)]
    assert {one["user"]: one["connections"] for one in found}["u07"] == 2
    assert [one["user"] for one in running.ask("/users")["users"]][0] == "other"
    assert running.metric("multiplexor_wait_users") in range(26, 28)
    for stream in streams:
        stream.wire.close()
    until(lambda: running.ask("/users")["users"] == [], "all have gone")
    assert running.metric("multiplexor_wait_users") == 0
    running.stop()


def test_a_user_with_thousands_of_connections_is_told_of_in_part(tmp_path, name):
    running = Program("--token-secret", SECRET, "--shards", "1")
    shown = token("many")
    wires = [Wire(running.wait_address).get(f"/sse/{name}?token={shown}") for _ in range(1_100)]
    running.until_waiting(name, len(wires))
    told = of(running, "many")
    assert (len(told["connections"]), told["more"]) == (1_000, True)
    assert running.ask("/users")["users"][0]["connections"] == 1_100
    for wire in wires:
        wire.close()
    running.stop()


def test_a_crowd_is_listed_while_messages_go_on(program, name):
    """The list is read in pieces: nobody waits for it."""
    stop = threading.Event()

    def ask():
        while not stop.is_set():
            program.ask("/users?limit=10000")

    asking = threading.Thread(target=ask)
    asking.start()
    with Sse(program, f"/sse/{name}?token={token('x')}") as sse:
        program.until_waiting(name)
        for n in range(100):
            program.publish(name, str(n))
            assert sse.event()[1] == str(n)
    stop.set()
    asking.join()


def test_what_cannot_be_read_is_told(program):
    for query in ("limit=0", "limit=10001", "limit=x"):
        status, _, body = request(program.in_address, "GET", f"/users?{query}")
        assert (status, json.loads(body)["code"]) == (400, "number"), query
    for path in ("%ff", "%0a", "%zz"):
        status, _, body = request(program.in_address, "GET", f"/users/{path}")
        assert (status, json.loads(body)["code"]) == (400, "user"), path
    status, headers, _ = request(program.in_address, "POST", "/users", b"")
    assert (status, headers["allow"].replace(" ", "")) == (405, "GET,HEAD")


def test_who_is_there_tells_a_key_that_may_know_of_all_channels(tmp_path):
    keys = {"all": make_key(), "some": make_key(), "other": make_key()}
    said = {"all": 'may = ["presence"]', "some": 'may = ["presence"]\nmatch = "a.*"', "other": 'may = ["publish"]'}
    entries = [f'[[key]]\nname = "{name}"\nhash = "{keys[name][1]}"\n{said[name]}\n' for name in keys]
    (tmp_path / "multiplexor.toml").write_text("".join(entries))
    running = Program("--config", str(tmp_path / "multiplexor.toml"))
    for name, expected in [("all", 200), ("some", 403), ("other", 403)]:
        for path in ("/users", "/users/ann"):
            headers = {"Authorization": f"Bearer {keys[name][0]}"}
            assert request(running.in_address, "GET", path, headers=headers)[0] == expected, (name, path)
    assert request(running.in_address, "GET", "/users")[0] == 401
    running.stop()


def test_the_command_line_prints_them(program, name):
    def printed(*arguments):
        command = [binary(), "users", *arguments, "--server", program.in_url]
        return subprocess.run(command, capture_output=True, check=True).stdout.decode()

    with Sse(program, f"/sse/{name}?token={token(f'cli.{name}')}"):
        until_there(program, f"cli.{name}", 1)
        assert printed(f"cli.{name}") == f"1\tcli.{name}\n"
        [connection] = map(json.loads, printed("--user", f"cli.{name}", "--json").splitlines())
        assert (connection["channels"], connection["transport"]) == ([name], "sse")
        assert connection["id"] in printed("--user", f"cli.{name}")
    until_there(program, f"cli.{name}", 0)
    assert printed("--user", f"cli.{name}") == ""


def end(program, connection, query=""):
    status, _, body = request(program.in_address, "DELETE", f"/connections/{connection}{query}")
    return status, json.loads(body)


@pytest.mark.parametrize("transport", ["sse", "stream", "ws", "poll"])
def test_a_connection_is_ended_and_its_client_told_why(program, name, transport):
    user, reason = f"ended.{name}", "you \u00fcberdid it"
    shown, ended = token(user), program.metric("multiplexor_wait_ended_total")
    path = f"/{transport}/{name}?token={shown}"
    client = {"sse": Sse, "stream": Lines, "ws": Frames}.get(transport)
    with client(program, path) if client else Wire(program.wait_address).get(path) as waits, Lines(program, f"/stream/{name}?token={shown}") as other:
        until_there(program, user, 2)
        others = other.object()["connection"]
        [one] = [one for one in of(program, user)["connections"] if one["id"] != others]
        program.publish(name, "said before") if transport != "poll" else None
        assert end(program, one["id"], f"?reason={urllib.parse.quote(reason)}") == (200, {"ended": 1})
        if transport == "sse":
            assert waits.event()[1] == "said before"
            assert waits.event() == ("ended", json.dumps({"reason": reason}, ensure_ascii=False, separators=(",", ":")))
            assert waits.wire.rest() in (b"", b"0\r\n\r\n")
        elif transport == "stream":
            assert waits.message()["data"] == "said before"
            assert waits.object() == {"ended": {"reason": reason}}
        elif transport == "ws":
            told = [json.loads(waits.until(TEXT)) for _ in range(3)]
            assert told[1]["data"] == "said before" and told[2] == {"ended": {"reason": reason}}
            assert waits.close_code() == 4001
        else:
            status, _, body = waits.response()
            document = json.loads(body)
            assert (status, document["messages"], document["ended"]) == (200, [], {"reason": reason})
        until_there(program, user, 1)
        assert end(program, one["id"])[1]["code"] == "connection", "it is ended once"
        program.publish(name, "still there")
        until(lambda: other.message()["data"] == "still there", "no other connection is ended")
    assert program.metric("multiplexor_wait_ended_total") == ended + 1


def test_no_other_text_is_a_connection(program):
    for text in ("x", "A" * 22, "%00", "A" * 1_000):
        status, problem = end(program, text)
        assert (status, problem["code"]) == (404, "connection"), text
    for reason in ("x" * 121, "a%0ab", "%00"):
        status, problem = end(program, "A" * 22, f"?reason={reason}")
        assert (status, problem["code"]) == (400, "reason"), reason
