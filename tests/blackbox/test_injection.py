"""CR, LF and NUL in whatever somebody may say: no line, header, field or frame of theirs reaches anybody."""

import json
import urllib.parse

import pytest
from harness.program import Program, request, until
from harness.talk import Socket
from harness.tokens import SECRET, make_token
from harness.wire import Lines, Sse, Wire

EVILS = ["\r\nX-Evil: 1", "\nX-Evil: 1", "\rX-Evil: 1", "a\0b", "\x85X-Evil: 1", "\u2028X-Evil: 1"]
CONTROLS = EVILS[:4]


def publish(program, channel, body=b"x", query="", **headers):
    path = "/pub/" + urllib.parse.quote(channel, safe="") + query
    return request(program.in_address, "POST", path, body, headers)


def batch(program, **item):
    status, _, answer = request(program.in_address, "POST", "/pub", json.dumps([item]).encode())
    assert status == 200
    return json.loads(answer)[0]


@pytest.mark.parametrize("evil", [evil for evil in EVILS if evil[0] != "\u2028"])
def test_a_name_is_one_line(program, evil):
    for address in [program.in_address, program.wait_address]:
        kind = "/pub/" if address == program.in_address else "/sub/"
        with Wire(address) as wire:
            body = b"x" if kind == "/pub/" else b""
            path = kind + urllib.parse.quote(f"n{evil}", safe="")
            status, headers, _ = wire.get(path, method="POST" if body else "GET", body=body).response()
            assert "x-evil" not in headers
            assert status == 400, (evil, status)


@pytest.mark.parametrize("evil", EVILS)
def test_an_event_name_is_one_field(program, name, evil):
    with Sse(program, f"/sub/{name}?envelope=0") as stream, Lines(program, f"/sub/{name}") as lines:
        program.until_waiting(name, 2)
        status, _, _ = publish(program, name, b"first", "?event=" + urllib.parse.quote(f"e{evil}"))
        told = batch(program, channel=name, data="second", event=f"e{evil}")
        assert (status == 200) == ("error" not in told), "both ways judge alike"
        if evil in CONTROLS:
            assert status == 400, evil
        program.publish(name, "last")
        block = stream.wire.until(b"data: last\n\n").decode()
        assert "\nX-Evil" not in block and "\rX-Evil" not in block and "\0" not in block, block
        heard = [lines.message()["data"] for _ in range(1 if status == 400 else 3)]
        assert heard[-1] == "last"


@pytest.mark.parametrize("evil", EVILS)
def test_a_content_type_is_one_header(program, name, evil):
    told = batch(program, channel=name, data="x", content_type=f"text/plain{evil}")
    program.publish(name, "y")
    with Wire(program.wait_address) as wire:
        _, headers, _ = wire.get(f"/sub/{name}?since=0&raw=1").response()
        assert "x-evil" not in headers
        assert "\0" not in headers.get("content-type", "")
    assert "error" in told, told


@pytest.mark.parametrize("evil", EVILS)
def test_an_event_stream_keeps_data_in_its_lines(program, name, evil):
    with Sse(program, f"/sub/{name}") as stream:
        program.until_waiting(name)
        program.publish(name, f"a{evil}\n\nid: 7\ndata: b")
        program.publish(name, "last")
        block = stream.wire.until(b"data: last\n\n")
        for line in block.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"):
            assert line == b"" or line.split(b":")[0] in (b"id", b"data", b"event", b"retry"), block
        assert b"\nid: 7" not in block


@pytest.mark.parametrize("evil", EVILS)
def test_a_line_of_a_stream_is_one_object(program, name, evil):
    with Lines(program, f"/sub/{name}") as lines:
        program.until_waiting(name)
        program.publish(name, f'a{evil}"}}')
        program.publish(name, '{"n": "a\\nb"}')
        assert [lines.message()["data"] for _ in range(2)] == [f'a{evil}"}}', {"n": "a\nb"}]


@pytest.mark.parametrize("evil", EVILS)
def test_what_a_client_says_comes_back_in_no_header(program, name, evil):
    coded = urllib.parse.quote(evil)
    for path in [f"/sub/{name}?since={coded}", f"/sub/{name}?tail={coded}", f"/{coded}", f"/sub/{name}?transport={coded}"]:
        with Wire(program.wait_address) as wire:
            status, headers, body = wire.get(path).response()
            assert 400 <= status < 500 and "x-evil" not in headers, (path, headers)
            assert json.loads(body)["status"] == status


@pytest.mark.parametrize("evil", CONTROLS)
def test_an_old_waiter_gets_the_head_it_was_meant_to_get(program, name, evil):
    name = name.replace(".", "_")
    with Wire(program.wait_address) as wire:
        wire.send(f"GET /?identifier={name} HTTP/1.1\r\nHost: h\r\n\r\n")
        program.until_waiting(name)
        assert "error" in batch(program, channel=name, data="x", content_type=f"text/plain{evil}")
        program.publish(name, "fine")
        head, _, body = wire.rest().partition(b"\r\n\r\n")
        assert b"X-Evil" not in head and body == b"fine"


@pytest.fixture(scope="module")
def peopled(tmp_path_factory):
    settings = tmp_path_factory.mktemp("evil") / "multiplexor.toml"
    settings.write_text(f'token_secret = "{SECRET}"\npresence_grace = "1s"\n[[channel]]\nmatch = "room.*"\npresence = "open"\npublish = "open"\n')
    running = Program("--config", str(settings))
    yield running
    running.stop()


@pytest.mark.parametrize("evil", EVILS)
def test_who_somebody_is_and_why_he_is_ended_stays_in_its_place(peopled, name, evil):
    """A user's name, what is told of him, and the reason of his end: in lists and changes by each transport, and on the IN line."""
    room, user, told = f"room.{name}", "u\u2028id: 7\u2028data: x", {"n": f"i{evil}\n\nevent: x"}
    with Wire(peopled.wait_address) as wire:
        nobody = make_token(sub=f"u{evil}\n\nid: 7\ndata: x", info=told)
        status, headers, answer = wire.get(f"/sub/{room}?token={nobody}").response()
        assert (status, json.loads(answer)["code"], "x-evil" in headers) == (401, "token-claims", False)
    token = make_token(sub=user, info=told)
    with Sse(peopled, f"/sse/{room}?presence=1") as sse, Lines(peopled, f"/stream/{room}?presence=1") as lines:
        with Sse(peopled, f"/sse/{room}?token={token}") as own, Socket(peopled, f"/sub/{room}?token={token}") as socket:
            own_words = own.wire.until(b"\n\n")
            until(lambda: peopled.ask(f"/channels/{room}/users")["count"] == 1, "he is there")
            [there] = peopled.ask(f"/channels/{room}/users")["users"]
            assert (there["user"], there["info"]) == (user, told)
            assert "published" in socket.answer(publish=room, data="said")
            id = json.loads(own_words.split(b"data: ")[1])["connection"]
            reason = urllib.parse.quote(f"r{evil}")
            status, headers, _ = request(peopled.in_address, "DELETE", f"/connections/{id}?reason={reason}")
            assert (status, "X-Evil" in headers) == (200 if evil[0] == "\u2028" else 400, False)
            if status == 400:
                assert request(peopled.in_address, "DELETE", f"/connections/{id}?reason=fine")[0] == 200
            own_words = (own_words + own.wire.rest()).decode()
            assert "event: ended" in own_words
        heard = sse.wire.until(b"event: left\n") + sse.wire.until(b"\n\n")
        for text in (heard.decode(), own_words):
            for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
                assert line == "" or line.split(":")[0] in ("id", "data", "event", "retry"), text
            assert "\nid: 7" not in text and "\nevent: x" not in text and "\0" not in text
        names = [lines.object() for _ in range(4)]
        users = {item[word]["user"] for item in names for word in ("joined", "left") if word in item}
        assert users == {user}


@pytest.mark.parametrize("evil", CONTROLS)
def test_what_the_line_is_told_of_users_holds_no_control_characters(peopled, evil):
    """Names of channels that a user is to listen to."""
    for body in ({"join": [f"a{evil}"]}, {"leave": [f"a{evil}"]}):
        status, headers, answer = request(peopled.in_address, "POST", "/users/ann/channels", json.dumps(body).encode())
        assert status == 400 and "X-Evil" not in headers, (status, answer)
    for path in (f"/users?prefix={urllib.parse.quote(evil)}", f"/users?after={urllib.parse.quote(evil)}", f"/users/{urllib.parse.quote('a' + evil, safe='')}"):
        status, headers, answer = request(peopled.in_address, "GET", path)
        assert status == (200 if "?" in path else 400) and "X-Evil" not in headers, path
        json.loads(answer)
