"""What is passed over, or means something else than it seems to, is told in a header of the answer, on both lines."""

import json

import pytest
from harness.frames import TEXT, Frames
from harness.program import request
from harness.wire import Wire

WARNING = "multiplexor-warning"


def warning(address, path, method="GET", body=None, **headers):
    """The header of an answer that is not read to its end."""
    with Wire(address) as wire:
        wire.get(path, method=method, body=body or b"", **headers)
        status, told = wire.head()
    assert status < 300, (status, path)
    return told.get(WARNING, "")


@pytest.mark.parametrize(
    "said, meant", [("sinse=0", "since"), ("tails=4", "tail"), ("wiat=1", "wait"), ("hearbeat=5", "heartbeat"), ("transprt=sse", "transport")]
)
@pytest.mark.parametrize("address", ["/sub/{}?wait=0&", "/poll/{}?wait=0&", "/sse/{}?", "/stream/{}?"])
def test_a_misspelt_parameter_of_a_subscription_is_told(program, name, address, said, meant):
    told = warning(program.wait_address, address.format(name) + said)
    which = said.split("=")[0] if address.startswith("/s") and "wait" not in address else "a parameter"
    assert told == f"{which} is unknown and was passed over, did you mean {meant}?"


def test_pages_may_read_a_warning(program, name):
    for path in (f"/sub/{name}?wait=0&tial=1", f"/sub/{name}?raw=1&wait=0&tial=1", f"/sse/{name}?tial=1"):
        with Wire(program.wait_address) as wire:
            wire.send(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
            head = wire.until(b"\r\n\r\n")
        assert b"Access-Control-Expose-Headers: Multiplexor-Warning\r\n" in head, path


def test_a_usual_parameter_of_a_site_has_no_warning(program, name):
    query = "&".join(f"{usual}=1" for usual in ("lat", "cat", "mail", "row", "size", "site", "users", "lang"))
    for path in (f"/sub/{name}?wait=0&{query}", f"/stream/{name}?{query}"):
        assert warning(program.wait_address, path) == ""


def test_a_poll_that_waits_tells_it_with_its_answer(program, name):
    with Wire(program.wait_address) as odd, Wire(program.wait_address) as plain:
        odd.get(f"/sub/{name}?sinse=0")
        plain.get(f"/sub/{name}")
        program.until_waiting(name, 2)
        program.publish(name, "x")
        assert "did you mean since?" in odd.head()[1][WARNING] and WARNING not in plain.head()[1]
    with Wire(program.wait_address) as wire:
        for path, is_told in [(f"/sub/{name}?wait=0&sinse=0", True), (f"/sub/{name}?wait=0", False)]:
            status, headers, _ = wire.get(path).response()
            assert (WARNING in headers) == is_told, "it is of one request only"
    raw = warning(program.wait_address, f"/sub/{name}?raw=1&wait=0&tial=1")
    assert "did you mean tail?" in raw


def test_a_websocket_is_told_in_its_handshake(program, name):
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}
    with Wire(program.wait_address) as wire:
        lines = "".join(f"{one}: {value}\r\n" for one, value in (upgrade | key).items())
        wire.send(f"GET /sub/{name}?tial=1 HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")
        status, headers = wire.head()
        assert (status, "did you mean tail?" in headers[WARNING]) == (101, True)


@pytest.mark.parametrize(
    "method, path, words",
    [
        ("POST", "/pub/{}?tll=5", "did you mean ttl?"),
        ("POST", "/pub/{}?evnt=a", "did you mean event?"),
        ("POST", "/pub/{}?tail=5", "tail means nothing here"),
        ("POST", "/pub/a*{}", "a * in a channel's name stands for itself"),
        ("POST", "/pub/a%2A{}", "a * in a channel's name stands for itself"),
        ("POST", "/pub/{},%2a", "a * in a channel's name stands for itself"),
        ("GET", "/channels/{}/history?wait=1", "wait means nothing here, what does is since, tail, before, limit"),
        ("GET", "/channels/{}/history?limt=1", "did you mean limit?"),
        ("GET", "/channels/{}?tail=1", "tail means nothing here"),
        ("DELETE", "/channels/{}?forgot=history", "did you mean forget?"),
        ("GET", "/channels/history?tail=5", "tail means nothing here"),
        ("GET", "/channels?prefx={}", "did you mean prefix?"),
        ("GET", "/watch?transport=sse&sinse=0", "did you mean since?"),
        ("GET", "/refused?limits=1", "did you mean limit?"),
    ],
)
def test_the_in_line_tells_what_it_passed_over(program, name, method, path, words):
    assert words in warning(program.in_address, path.format(name), method, b"x" if method == "POST" else None)


def test_what_is_right_or_some_sites_own_has_no_warning(program, name):
    for path in (f"/sub/{name}?wait=0&since=0&tail=3&_=17&v=2", f"/sse/{name}?heartbeat=5&cb=x&utm_source=y"):
        assert warning(program.wait_address, path) == ""
    assert warning(program.in_address, f"/pub/{name}?event=a&ttl=5&key={name}&_=1&t=2", "POST", b"x") == ""
    assert "before means nothing here" in warning(program.wait_address, f"/sub/{name}?wait=0&before=x")
    assert warning(program.in_address, "/channels/history?forget=history", "DELETE") == ""


def test_a_header_is_one_line_whatever_the_parameter_is(program, name):
    told = warning(program.wait_address, f"/sub/{name}?wait=0&tai%0d%0aX:l=1&ta%C3%A4l=1&%00tail=1")
    assert "\\r" not in told or told.isascii()
    assert told.isascii() and "did you mean tail?" in told


def test_a_star_is_no_pattern_and_that_is_told(program, name):
    assert "on the channel of that very name" in warning(program.wait_address, f"/sub/{name}.*?wait=0")
    assert "on the channel of that very name" in warning(program.wait_address, "/sub/?wait=0", "POST", f"{name}.*".encode())
    with Frames(program, "/sub/") as ws:
        ws.until(TEXT)
        ws.send(TEXT, json.dumps({"subscribe": [f"{name}.*"], "id": 1}))
        assert "of that very name" in json.loads(ws.until(TEXT))["warning"]
        ws.send(TEXT, json.dumps({"subscribe": [name], "id": 2}))
        assert "warning" not in json.loads(ws.until(TEXT))


def test_strict_names_refuse_a_star_wherever_one_subscribes(serve, name):
    program = serve("--strict-names", "on")
    for path, method, body in [(f"/sub/{name}.*?wait=0", "GET", None), (f"/sse/{name},*", "GET", None), ("/sub/", "POST", b"*")]:
        status, _, answer = request(program.wait_address, method, path, body)
        problem = json.loads(answer)
        assert (status, problem["code"]) == (400, "channel-name"), path
        assert "matches no other name" in problem["detail"] and "strict_names" in problem["detail"]
    assert request(program.wait_address, "GET", f"/sub/{name}?wait=0")[0] == 200
    with Frames(program, "/sub/") as ws:
        ws.until(TEXT)
        ws.send(TEXT, json.dumps({"subscribe": [f"{name}.*"], "id": 1}))
        answer = json.loads(ws.until(TEXT))
        assert (answer["error"]["code"], answer["id"]) == ("channel-name", 1)
    assert program.ask(f"/channels/{name}.*")["waiting"] == 0


def test_many_parameters_cost_little(program, name):
    """Only the first few are looked at: one that is told stands behind them."""
    query = "&".join(f"zz{n}=1" for n in range(16))
    assert warning(program.wait_address, f"/sub/{name}?wait=0&{query}&sinse=0") == ""


def test_an_event_that_the_server_itself_tells_things_by_is_published_and_told(program, name):
    plain = {"Content_Type": "text/plain"}
    for event in ("cursor", "deleted-message", "pusher:ping"):
        told = warning(program.in_address, f"/pub/{name}?event={event}", "POST", b"x", **plain)
        assert told.startswith("the server tells things by events of this name"), event
        assert warning(program.in_address, f"/pub/{name}", "POST", b"x", Multiplexor_Event=event, **plain) == told
    for event in ("tick", "Cursor", "pusher"):
        assert warning(program.in_address, f"/pub/{name}?event={event}", "POST", b"x", **plain) == ""
    items = [{"channel": name, "data": "x", "event": event} for event in ("tick", "gap")]
    status, headers, body = request(program.in_address, "POST", "/pub", json.dumps(items))
    assert status == 200 and all("cursor" in one for one in json.loads(body))
    assert "events of this name" in headers[WARNING]
    assert len(program.ask(f"/channels/{name}/history")["messages"]) == 11
