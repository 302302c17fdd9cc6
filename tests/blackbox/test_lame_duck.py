"""SIGTERM: whoever sends clients here sees first that he should not, and both lines serve on for a while; SIGHUP ends nothing."""

import json
import os
import signal
import time

import pytest
from harness.program import request, until
from harness.wire import Lines, Sse, Wire

LONG = ("--lame-duck", "10m", "--drain", "0s")


def readiness(address):
    status, headers, body = request(address, "GET", "/readyz")
    return status, json.loads(body)["code"] if status == 503 else body.decode(), headers


def told_to_end(program):
    program.process.send_signal(signal.SIGTERM)
    until(lambda: readiness(program.in_address)[0] == 503, "the IN line says that it ends")
    return program


def test_both_lines_are_ready_once_they_serve(program):
    for address in (program.wait_address, program.in_address):
        assert readiness(address)[:2] == (200, "ready\n")
        assert request(address, "HEAD", "/readyz")[0] == 200


def test_readiness_fails_first_and_both_lines_serve_on(serve, name):
    program = serve(*LONG)
    with Lines(program, f"/sub/{name}") as early, Wire(program.wait_address) as kept, Wire(program.in_address) as publisher:
        assert "connection" not in kept.get("/healthz").response()[1]
        body = b"x"
        publisher.send(b"POST /pub/other HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n" + body)
        assert "connection" not in publisher.response()[1]
        with Wire(program.wait_address) as poll:
            poll.get(f"/sub/{name}")
            program.until_waiting(name, 2)
            told_to_end(program)
            for address in (program.wait_address, program.in_address):
                status, code, headers = readiness(address)
                assert (status, code, headers["connection"]) == (503, "ending", "close")
            # Newcomers are served, and told not to use their connections again.
            with Sse(program, f"/sub/{name}") as late:
                program.until_waiting(name, 3)
                status, headers, answer = request(program.in_address, "POST", f"/pub/{name}", b"still here")
                assert (status, headers["connection"]) == (200, "close"), answer
                assert early.message()["data"] == late.event()[1] == "still here"
            # So is whoever was waiting.
            status, headers, document = poll.response()
            assert (status, headers["connection"]) == (200, "close")
            assert json.loads(document)["messages"][0]["data"] == "still here"
            assert poll.rest() == b""
        for wire in (kept, publisher):
            wire.get("/healthz")
            status, headers, answer = wire.response()
            assert (status, headers["connection"], answer) == (200, "close", b"ok\n")
            assert wire.rest() == b""
        # The second signal ends that time, and the program.
        assert program.running()
        program.process.send_signal(signal.SIGTERM)
        early.wire.rest()
    program.ended()
    program.until_logged("once more skips it")


def test_a_publisher_that_keeps_its_connection_is_told_so(serve, name):
    """The usual publish goes a shorter way, which says the same."""
    program = serve(*LONG)
    publish = b"POST /pub/%s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx" % name.encode()
    with Wire(program.in_address) as wire:
        wire.send(publish)
        assert "connection" not in wire.response()[1]
        told_to_end(program)
        wire.send(publish)
        status, headers, _ = wire.response()
        assert (status, headers["connection"]) == (200, "close")
        assert wire.rest() == b""
    program.process.send_signal(signal.SIGTERM)
    program.ended()


def test_it_ends_by_itself_when_the_time_is_over(serve, name):
    program = serve("--lame-duck", "1s")
    began = time.monotonic()
    with Lines(program, f"/sub/{name}") as lines:
        program.process.send_signal(signal.SIGTERM)
        lines.wire.rest()
    program.ended()
    assert time.monotonic() - began > 1


def test_somebody_at_a_terminal_does_not_wait(serve):
    program = serve(*LONG)
    program.process.send_signal(signal.SIGINT)
    program.ended()


@pytest.mark.parametrize(
    "variable, seconds", [("NOTIFY_SOCKET", 5.0), ("KUBERNETES_SERVICE_HOST", 5.0), ("SOMETHING_ELSE", None)]
)
def test_the_time_is_five_seconds_where_somebody_looks_after_the_program(serve, variable, seconds):
    program = serve("--drain", "0s", env={variable: "/run/nobody"})
    program.process.send_signal(signal.SIGTERM)
    if seconds is None:
        return program.ended()
    until(lambda: f"seconds={seconds}" in program.stderr(), "it says for how long it serves on")
    program.process.send_signal(signal.SIGTERM)
    program.ended()


def test_a_hang_up_ends_nothing_and_is_told(serve, name):
    program = serve()
    with Lines(program, f"/sub/{name}") as lines:
        program.until_waiting(name)
        for _ in range(3):
            program.process.send_signal(signal.SIGHUP)
        until(lambda: "SIGHUP changes nothing" in program.stderr(), "the log says so")
        program.publish(name, "still here")
        assert lines.message()["data"] == "still here"
    program.stop()


def test_a_hang_up_before_it_serves_ends_nothing_and_is_told(serve):
    def hang_up():
        # It is held back, and comes when the program takes it.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
        os.kill(os.getpid(), signal.SIGHUP)

    program = serve(preexec=hang_up)
    until(lambda: "SIGHUP changes nothing" in program.stderr(), "the log says so")


def test_a_hang_up_in_lame_duck_and_drain_ends_nothing_either(serve, name):
    program = serve("--lame-duck", "1s", "--drain", "1s")
    with Lines(program, f"/sub/{name}") as lines:
        program.until_waiting(name)
        program.process.send_signal(signal.SIGTERM)
        for _ in range(20):
            if program.running():
                program.process.send_signal(signal.SIGHUP)
            time.sleep(0.1)
        lines.wire.rest()
    program.ended()
