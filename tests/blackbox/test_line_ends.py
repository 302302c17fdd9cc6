"""U+0085, U+2028 and U+2029 are line ends to `str.splitlines` of Python, and to httpx: no line of a stream holds one in JSON."""

import json

import httpx
import pytest
from harness.program import PATIENCE_S, fresh_name, request
from harness.wire import poll

ENDS = "\u0085\u2028\u2029"
TEXT = f"a{ENDS}b{ENDS}"
VALUE = {f"key{ENDS}": [f"x{ENDS}y", 'quote " and \\', "—é"]}


def publish(program, name, data, kind):
    headers = {"Content-Type": kind, "Multiplexor-Event": f"e{ENDS[1:]}"} if kind != "text/plain" else {"Content-Type": kind}
    headers = {key: value.encode() for key, value in headers.items()}
    status, _, answer = request(program.in_address, "POST", f"/pub/{name}", data.encode(), headers)
    assert status == 200, answer


@pytest.fixture
def channel(program):
    """With a text and two JSON values, one of them not said to be one; its name has a line end, too."""
    name = fresh_name() + "\u2028"
    path = name.replace("\u2028", "%E2%80%A8")
    publish(program, path, TEXT, "text/plain")
    for kind in ("application/json", "application/x-www-form-urlencoded"):
        publish(program, path, json.dumps(VALUE, ensure_ascii=False), kind)
    return path


def lines(program, address, accept, count):
    """So many lines that are not empty, as httpx cuts them."""
    timeout = httpx.Timeout(PATIENCE_S)
    with httpx.stream("GET", program.wait_url + address, headers={"Accept": accept}, timeout=timeout) as response:
        found = []
        for line in response.iter_lines():
            found += [line] if line else []
            if len(found) == count:
                return found
    raise AssertionError(found)


def test_each_line_of_a_stream_is_one_line_to_everybody(program, channel):
    found = lines(program, f"/sub/{channel}?since=0", "application/x-ndjson", 4)
    objects = [json.loads(line) for line in found]
    assert [item["data"] for item in objects[1:]] == [TEXT, VALUE, VALUE]
    assert all(item["channel"].endswith("\u2028") for item in objects[1:])
    assert all(line.isascii() or "—" in line for line in found)


def test_each_object_of_an_event_stream_is_one_line_to_everybody(program, channel):
    name = fresh_name()
    publish(program, name, json.dumps(VALUE, ensure_ascii=False), "application/json")
    found = lines(program, f"/sub/{name},{channel}?since=0&envelope=1", "text/event-stream", 15)
    objects = [json.loads(line[6:]) for line in found if line.startswith("data: ") and "time" in line]
    assert [item["data"] for item in objects] == [TEXT, VALUE, VALUE, VALUE]


def test_bare_json_is_one_line_and_bare_text_stays_what_it_is(program):
    name = fresh_name()
    publish(program, name, TEXT, "text/plain")
    publish(program, name, json.dumps(VALUE, ensure_ascii=False), "application/x-www-form-urlencoded")
    response = b""
    with httpx.stream(
        "GET", f"{program.wait_url}/sub/{name}?since=0", headers={"Accept": "text/event-stream"}, timeout=PATIENCE_S
    ) as stream:
        for piece in stream.iter_bytes():
            response += piece
            if response.count(b"\n\n") == 3:
                break
    datas = [line[6:] for line in response.decode().split("\n") if line.startswith("data: ")]
    assert datas[1] == TEXT, "as it was published"
    assert len(datas[2].splitlines()) == 1 and json.loads(datas[2]) == VALUE


def test_what_is_kept_is_what_was_published(program):
    name = fresh_name()
    data = json.dumps(VALUE, ensure_ascii=False)
    publish(program, name, data, "application/json")
    status, _, body = request(program.wait_address, "GET", f"/sub/{name}?since=0&raw=1")
    assert (status, body.decode()) == (200, data)
    assert poll(program, f"/sub/{name}?since=0")["messages"][0]["data"] == VALUE
