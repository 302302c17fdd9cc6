"""Mistakes that would go unnoticed if they were taken for something else: times to come, escapes cut off."""

import json
import time

import pytest
from harness.frames import TEXT, Frames
from harness.program import request
from harness.wire import Wire, datas, poll


def refused(address, path, method="GET", body=None):
    status, _, answer = request(address, method, path, body)
    problem = json.loads(answer)
    return status, problem["code"], problem["detail"]


@pytest.mark.parametrize("days", [1.1, 400_000])
def test_a_since_to_come_is_refused_wherever_one_is_taken(program, name, days):
    late = int(time.time() + days * 86_400)
    for address, path, method, body in [
        (program.wait_address, f"/sub/{name}?wait=0&since={late}", "GET", None),
        (program.wait_address, f"/sub/{name}?transport=sse&since={late}", "GET", None),
        (program.wait_address, f"/sub/?wait=0&since={late}", "POST", name.encode()),
        (program.in_address, f"/channels/{name}/history?since={late}", "GET", None),
        (program.in_address, f"/watch?since={late}", "GET", None),
    ]:
        status, code, detail = refused(address, path, method, body)
        assert (status, code) == (400, "since"), path
        assert "more than a day from now" in detail and "seconds" in detail
    with Frames(program, "/sub/") as ws:
        ws.until(TEXT)
        for since in (late, str(late)):
            ws.send(TEXT, json.dumps({"subscribe": [name], "since": since, "id": 7}))
            answer = json.loads(ws.until(TEXT))
            assert (answer["error"]["code"], answer["id"]) == ("since", 7)


def test_milliseconds_are_told_for_what_they_are(program, name):
    now = int(time.time())
    detail = refused(program.wait_address, f"/sub/{name}?wait=0&since={now}123")[2]
    assert "milliseconds" in detail and f"give {now}" in detail
    detail = refused(program.in_address, f"/channels/{name}/history?since={now}123")[2]
    assert f"give {now}" in detail


def test_clocks_may_differ_by_a_day(program, name):
    program.publish(name, "x")
    for since in (int(time.time()) + 86_000, time.time() - 5):
        status, _, answer = request(program.wait_address, "GET", f"/sub/{name}?wait=0&since={since}")
        assert status == 200, answer


@pytest.mark.parametrize("escape", ["%zz", "%", "%4", "%%41", "a%2"])
def test_an_escape_that_is_none_is_no_name(program, name, escape):
    for address, path, method in [
        (program.in_address, f"/pub/{name}{escape}", "POST"),
        (program.in_address, f"/pub/{name},{escape}", "POST"),
        (program.in_address, f"/channels/{name}{escape}", "GET"),
        (program.in_address, f"/channels/{name}{escape}", "DELETE"),
        (program.in_address, f"/channels/{name}{escape}/history", "GET"),
        (program.wait_address, f"/sub/{name}{escape}?wait=0", "GET"),
        (program.wait_address, f"/sub/{name}{escape}?transport=sse", "GET"),
    ]:
        with Wire(address) as wire:
            status, _, answer = wire.get(path, method=method, body=b"x" if method == "POST" else b"").response()
        assert (status, json.loads(answer)["code"]) == (400, "channel-name"), (method, path)
        assert "%25" in json.loads(answer)["detail"]


def test_a_percent_sign_has_an_escape_of_its_own(program, name):
    program.publish(f"{name}.100%", "x")
    assert datas(poll(program, f"/sub/{name}.100%25?since=0")["messages"]) == ["x"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Referer": "http://evil.example/"},
        {"Referer": "http://localhost:1/"},
        {"Referer": "http://evil.example/", "User-Agent": "Mozilla/5.0"},
        {"User-Agent": "Mozilla/5.0 (Macintosh) AppleWebKit/605"},
    ],
)
def test_a_page_in_a_browser_without_sec_fetch_publishes_nothing(program, name, headers):
    ident = name.replace(".", "_")
    with Wire(program.wait_address).send(f"identifier={ident}\n") as taker:
        program.until_waiting(ident)
        with Wire(program.in_address) as page:
            status, _, answer = page.get(f"/x.png?identifier={ident}", **headers).response()
            assert (status, json.loads(answer)["code"]) == (403, "origin")
        with Wire(program.in_address) as script:
            script.get(f"/x?identifier={ident}&right", User_Agent="script/1.0").socket.shutdown(1)
        assert b"&right" in taker.rest(), "what a script says in the same words is heard, and was the first"
