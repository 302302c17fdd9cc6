"""Webhooks: what becomes of it where a receiver is slow, lies or is gone."""

import json
import time

import pytest
from harness.hooks import QUICK, ROOMS, USERS, hooks, reload, token, until_idle, visit
from harness.program import free_port, request, until
from harness.receiver import OK, SECRET, status
from harness.wire import Lines, Sse


def fail_first(count, said):
    return lambda call, number: said if number <= count else OK


@pytest.mark.parametrize(
    "said",
    [
        status(500),
        status(503, "Retry-After: 1"),
        status(302, "Location: http://127.0.0.1:9/"),
        status(400),
        status(429),
        None,
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200",
    ],
    ids=["500", "503", "302", "400", "429", "cut", "nonsense", "half"],
)
def test_a_call_that_is_not_taken_comes_again_and_is_the_same(hooked, receive, said):
    receiver = receive(fail_first(2, said))
    program = hooked(receiver)
    visit(program, "room", "Zed-42")
    receiver.until_told(("user.offline", "Zed-42"))
    first, second, third, *_ = receiver.calls
    assert first.id == second.id == third.id and first.body == second.body == third.body
    assert first.headers["webhook-timestamp"] <= third.headers["webhook-timestamp"]
    assert hooks(program)["hook0"]["failed"] == 2 and program.metric("multiplexor_webhook_failed_total") == 2
    assert len(receiver.events()) == 6 and receiver.gaps() == 1
    log = program.stderr()
    assert "a call of the webhook failed" in log and "takes events again" in log
    assert SECRET not in log and "Zed-42" not in log


def test_an_answer_without_end_is_read_no_further_than_needed_and_counts_by_its_status(hooked, receive):
    receiver = receive(lambda call, number: b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + bytes(200_000))
    program = hooked(receiver, extra='webhook_timeout = "2s"\n' + ROOMS)
    visit(program, "room", "ann")
    receiver.until_told(("user.offline", "ann"))
    assert hooks(program)["hook0"]["failed"] == 0 and len(receiver.events()) == 6


def test_a_receiver_that_never_answers_is_tried_again_and_delays_no_other(hooked, receive):
    def silence(call, number):
        if number <= 2:
            time.sleep(3)
            return None
        return OK

    slow, quick = receive(silence), receive()
    program = hooked(slow, quick, extra='webhook_timeout = "1s"\n' + ROOMS)
    visit(program, "room", "ann")
    quick.until_told(("user.offline", "ann"))
    assert not slow.taken, "the quick one had all of it while the slow one had taken nothing"
    slow.until_told(("user.offline", "ann"))
    assert "no answer within 1s" in program.stderr()


def test_retry_after_is_heeded(hooked, receive):
    receiver = receive(fail_first(1, status(503, "Retry-After: 3")))
    hooked(receiver)
    until(lambda: len(receiver.calls) == 2, "it comes again")
    first, second = receiver.calls
    assert second.at - first.at >= 2.9


def test_one_that_is_gone_gets_no_more_calls_until_a_reload(hooked, receive):
    gone, other = receive(fail_first(1, status(410))), receive()
    program = hooked(gone, other)
    until(lambda: hooks(program)["hook0"]["state"] == "stopped", "it is stopped")
    visit(program, "room", "ann")
    other.until_told(("user.offline", "ann"))
    assert len(gone.calls) == 1 and program.metric("multiplexor_webhooks_stopped") == 1
    status_, _, body = reload(program)
    assert (status_, json.loads(body)) == (200, {"changed": [], "waiting": []})
    until(lambda: gone.gaps() == 1, "it is told that it missed something")
    visit(program, "room", "bob")
    gone.until_told(("user.offline", "bob"))
    assert ("user.online", "ann") not in gone.told()


def test_what_has_no_room_is_a_gap(hooked, receive):
    port = free_port()
    away = type("Away", (), {"url": f"http://127.0.0.1:{port}/events", "secret": SECRET})
    info = "x" * 900
    program = hooked((away, 'events = ["user.joined"]'), extra='webhook_backlog = "64KiB"\n' + ROOMS)
    for number in range(120):
        with Sse(program, f"/sse/room?token={token(f'user{number}', info=info)}"):
            pass
    until(lambda: hooks(program)["hook0"]["lost"] > 0, "some found no room")
    assert hooks(program)["hook0"]["backlog"]["bytes"] < (64 << 10) + 20_000
    receiver = receive(port=port)
    receiver.until_told(("user.joined", "user119"), patience_s=100)
    until_idle(program)
    told = [int(user.removeprefix("user")) for _, user in receiver.told()]
    lost = hooks(program)["hook0"]["lost"]
    assert receiver.gaps() >= 1 and told == sorted(told) and len(told) == 120 - lost
    assert told[-50:] == list(range(70, 120)), "the youngest are there"


def test_no_receiver_slows_a_publish_nor_holds_its_messages(hooked, receive):
    """Counted, not timed: with a receiver that takes nothing, each publish is answered, and nothing of it is kept for webhooks."""
    stuck = receive(lambda call, number: time.sleep(600))
    program = hooked(stuck)
    visit(program, "room", "ann")
    until(lambda: stuck.calls, "a call is under way")
    until(lambda: hooks(program)["hook0"]["backlog"]["events"] == 6, "all of the visit waits for it")
    before = hooks(program)["hook0"]["backlog"]
    for number in range(300):
        program.publish("news", "x" * 10_000)
    assert program.metric("multiplexor_messages_total") == 300
    assert hooks(program)["hook0"]["backlog"] == before


def fill(program):
    """Connections that wait on so many channels, and messages on so many others, that there is room for no more."""
    waiting, number = [], 0
    while not waiting or waiting[-1].status == 200:
        names = ",".join(f"{number + one:0200}" for one in range(30))
        waiting.append(Lines(program, f"/stream/{names}"))
        number += 30
    code = 200
    while code == 200:
        number += 1
        code = request(program.in_address, "POST", f"/pub/{number:0200}", b"1")[0]
    return waiting


def test_a_connection_that_was_not_counted_for_lack_of_room_is_not_counted_off(hooked, receive):
    receiver = receive()
    program = hooked((receiver, USERS), flags=(*QUICK, "--channels-budget", "1MiB"))
    program.publish("a", "somebody may wait here")
    waiting = fill(program)
    with Sse(program, f"/sse/a?token={token('ann')}") as first:
        program.until_waiting("a")
        assert [one["connections"] for one in program.ask("/users")["users"]] == [1]
        for lines in waiting:
            lines.wire.close()
        until(lambda: program.metric("multiplexor_subscriptions") == 1, "the others are gone")
        with Sse(program, f"/sse/a?token={token('ann')}"):
            receiver.until_told(("user.online", "ann"))
            first.wire.close()
            program.until_waiting("a", 1)
            visit(program, "b", "bob")
            receiver.until_told(("user.offline", "bob"))
            assert receiver.told() == [("user.online", "ann"), ("user.online", "bob"), ("user.offline", "bob")]
        receiver.until_told(("user.offline", "ann"))
