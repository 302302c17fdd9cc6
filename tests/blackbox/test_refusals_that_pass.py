"""A bare EventSource gives up for good on a status: what it is refused for now only is told by an event, and it comes again."""

import json

import pytest
from harness.program import free_port, until
from harness.tokens import SECRET, make_token
from harness.upstream import Application
from harness.wire import Sse, Wire
from test_hook import says, start

SSE = {"Accept": "text/event-stream"}


def ask(program, path, method="GET", **headers):
    """A complete answer: status, headers, body."""
    with Wire(program.wait_address) as wire:
        return wire.get(path, method=method, **headers).response(bodiless=method == "HEAD")


def is_told(answer, status, code):
    """The answer is a stream of one event that says what the status would have said."""
    told, headers, body = answer
    assert (told, headers["content-type"], headers["cache-control"]) == (200, "text/event-stream", "no-store")
    assert headers["multiplexor-status"] == str(status)
    assert "Multiplexor-Status" in headers["access-control-expose-headers"]
    lines = body.decode().split("\n")
    retry, event, data, *end = lines
    assert (event, end) == ("event: refused", ["", ""]), lines
    assert 1000 <= int(retry.removeprefix("retry: ")) <= 1500
    problem = json.loads(data.removeprefix("data: "))
    assert (problem["status"], problem["code"]) == (status, code), problem
    return int(retry.removeprefix("retry: "))


def test_too_many_connections_are_told_by_an_event(serve, name):
    program = serve("--connections-limit", "1")
    with Sse(program, f"/sub/{name}") as here:
        assert here.status == 200
        is_told(ask(program, f"/sub/{name}", **SSE), 503, "connections")
        is_told(ask(program, f"/sub/{name}?transport=sse"), 503, "connections")
        is_told(ask(program, f"/sub/{name}?errors=event", **SSE), 503, "connections")
        for path, headers in [
            (f"/sub/{name}?errors=status", SSE),
            (f"/sub/{name}?transport=stream", {}),
            (f"/sub/{name}", {}),
            ("/healthz", SSE),
        ]:
            status, headers, body = ask(program, path, **headers)
            assert (status, json.loads(body)["code"], headers["retry-after"]) == (503, "connections", "1"), path
        assert ask(program, f"/sub/{name}", method="HEAD", **SSE)[0] == 503
        assert program.metric("multiplexor_wait_connections_refused_total") == 8
    until(lambda: ask(program, f"/sub/{name}?wait=0")[0] == 200, "there is room again")


def test_who_asks_too_often_is_told_by_an_event_and_counted_by_the_status(serve, name):
    program = serve("--address-requests", "2")
    with Wire(program.wait_address) as wire:
        answers = [wire.get("/healthz").response() for _ in range(10)]
        assert answers[-1][0] == 429
        retries = {is_told(wire.get(f"/sub/{name}", **SSE).response(), 429, "address-requests") for _ in range(8)}
    assert len(retries) > 1, "those who were refused together would come back together"
    newest = program.ask("/refused")["refused"][0]
    assert (newest["status"], newest["code"]) == (429, "address-requests")
    assert newest["times"] == program.metric("multiplexor_wait_requests_refused_total") >= 16


def test_a_user_with_too_many_connections_is_told_by_an_event(serve, name):
    program = serve("--user-connections", "1", "--token-secret", SECRET)
    path = f"/sub/{name}?token={make_token(sub='anna', listen=['*'])}"
    with Sse(program, path):
        program.until_waiting(name)
        is_told(ask(program, path, **SSE), 429, "user-connections")
        assert program.ask("/refused")["refused"][0]["status"] == 429


def test_a_hook_that_is_down_is_told_by_an_event(tmp_path):
    program = start(tmp_path, f"http://127.0.0.1:{free_port()}")
    is_told(ask(program, "/sub/user.a", Cookie="s=1", **SSE), 503, "hook")
    assert ask(program, "/sub/user.a?errors=status", Cookie="s=1", **SSE)[0] == 503
    program.stop()


def test_what_is_refused_for_good_keeps_its_status(serve, tmp_path):
    application = Application(says({}, status=403))
    program = start(tmp_path, application.url)
    for path, headers, expected in [
        ("/sub/user.a", {}, (401, "credentials")),
        ("/sub/user.a", {"Cookie": "s=1"}, (403, "hook-refused")),
        ("/sub/a?since=soon", {}, (400, "since")),
        ("/sub/a?errors=no", {}, (400, "errors")),
    ]:
        status, _, body = ask(program, path, **SSE, **headers)
        assert (status, json.loads(body)["code"]) == expected
    program.stop()
    application.stop()


@pytest.mark.parametrize("path", ["/x", "/x?transport=sse"])
def test_what_the_application_answers_is_passed_as_it_is(serve, path):
    program = serve("--takeover", f"http://127.0.0.1:{free_port()}")
    status, headers, _ = ask(program, path, **SSE)
    assert status >= 502 and "multiplexor-status" not in headers
