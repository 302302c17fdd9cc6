"""Webhooks: what a program that is started anew tells."""

import http.client

from harness.hooks import ROOMS, USERS, hooks, kill, token, until_idle, visit
from harness.program import Program, free_port, until
from harness.receiver import OK, SECRET, settings, status
from harness.tokens import SECRET as TOKENS
from harness.wire import Sse


def test_after_a_kill_it_goes_on_where_the_receiver_was_and_a_batch_is_the_same(receive, tmp_path):
    answers = {"said": OK}
    receiver = receive(lambda call, number: answers["said"])
    events = 'events = ["user.online", "user.offline", "user.joined", "user.left"]'
    file = settings(tmp_path / "hooks.toml", (receiver, events), extra=ROOMS)
    flags = "--config", file, "--token-secret", TOKENS, "--store", str(tmp_path / "store"), "--presence-grace", "1s"
    program = Program(*flags)
    try:
        visit(program, "room", "ann")
        receiver.until_told(("user.joined", "ann"), ("user.online", "ann"), ("user.offline", "ann"))
        until_idle(program)
        answers["said"] = None
        visit(program, "room", "bob")
        visit(program, "room", "eve")
        until(lambda: hooks(program)["hook0"]["backlog"]["events"] == 8, "all of both visits waits")
        cut = [call for call in receiver.calls if call not in receiver.taken]
        assert cut, "the first of it was sent, and not taken"
        kill(program)
        answers["said"] = OK
        program = Program(*flags)
        receiver.until_told(("user.offline", "bob"), ("user.offline", "eve"), ("user.left", "eve"))
        [again] = {call.body for call in receiver.taken if call.id == cut[0].id}
        assert again == cut[0].body, "what may have been taken before comes as it was"
        for user in ("ann", "bob", "eve"):
            told = [what for what, who in receiver.told() if who == user]
            assert sorted(told) == ["user.joined", "user.left", "user.offline", "user.online"], "each once, under its id"
            assert told.index("user.online") < told.index("user.offline") and told.index("user.joined") < told.index("user.left")
        assert receiver.gaps() == 1, "but for that at its very beginning no gap is told"
    finally:
        kill(program)


def test_who_is_there_across_a_restart_is_no_event_and_who_is_not_has_gone(receive, tmp_path):
    receiver = receive()
    file = settings(tmp_path / "hooks.toml", (receiver, USERS))
    flags = "--config", file, "--token-secret", TOKENS, "--store", str(tmp_path / "store"), "--presence-grace", "2s"
    program = Program(*flags)
    try:
        streams = [Sse(program, f"/sse/{user}?token={token(user)}") for user in ("ann", "bob")]
        receiver.until_told(("user.online", "ann"), ("user.online", "bob"))
        kill(program)
        for stream in streams:
            stream.wire.close()
        program = Program(*flags)
        with Sse(program, f"/sse/ann?token={token('ann')}"):
            receiver.until_told(("user.offline", "bob"))
            assert receiver.told("user.online", "user.offline") == [("user.online", "ann"), ("user.online", "bob"), ("user.offline", "bob")]
    finally:
        kill(program)


def test_after_a_run_without_it_a_webhook_is_told_of_a_gap(receive, tmp_path):
    receiver = receive()
    file, none = settings(tmp_path / "hooks.toml", (receiver, USERS)), tmp_path / "none.toml"
    none.write_text("")
    flags = "--token-secret", TOKENS, "--store", str(tmp_path / "store"), "--presence-grace", "1s"
    program = Program("--config", file, *flags)
    visit(program, "room", "ann")
    receiver.until_told(("user.online", "ann"), ("user.offline", "ann"))
    until_idle(program)
    program.stop()
    assert receiver.gaps() == 1, "at its very beginning"
    Program("--config", str(none), *flags).stop()
    program = Program("--config", file, *flags)
    try:
        until(lambda: receiver.gaps() == 2, "what happened meanwhile it was not told")
    finally:
        program.stop()


def test_without_a_store_a_restart_is_a_gap(receive, tmp_path):
    receiver = receive()
    file = settings(tmp_path / "hooks.toml", receiver)
    for starts in (1, 2):
        program = Program("--config", file)
        until(lambda count=starts: receiver.gaps() == count, "a gap is told")
        kill(program)


def started(tmp_path, receiver, lines=USERS, extra=ROOMS, flags=()):
    file = settings(tmp_path / "hooks.toml", (receiver, lines), extra=extra)
    return Program("--config", file, "--token-secret", TOKENS, "--store", str(tmp_path / "store"), "--presence-grace", "1s", *flags)


def test_who_is_told_of_more_after_a_restart_lacks_what_was_before(receive, tmp_path):
    receiver = receive()
    gaps = 1
    for lines, lacks in [
        ('match = "room.1*"\nevents = ["user.joined"]', 0),
        ('match = "room.1*"\nevents = ["user.joined"]', 0),
        ('match = "room.1"\nevents = ["user.joined"]', 0),
        ('match = "room.1"\nevents = ["user.joined", "user.left"]', 1),
        ('events = ["user.joined"]', 1),
        (USERS, 1),
    ]:
        program = started(tmp_path, receiver, lines)
        gaps += lacks
        try:
            until(lambda: receiver.gaps() == gaps, f"{gaps} gaps are told, and not {receiver.gaps()}: {lines}")
            visit(program, "room.1", f"after{gaps}")
            until(lambda: (receiver.told() or [("", "")])[-1][1] == f"after{gaps}", "it is told")
            until_idle(program)
        finally:
            kill(program)


def test_after_a_410_and_a_restart_a_gap_is_told(receive, tmp_path):
    receiver = receive(lambda call, number: status(410) if call.events else OK)
    program = started(tmp_path, receiver)
    try:
        until(lambda: receiver.gaps() == 1, "it begins")
        visit(program, "room", "ann")
        until(lambda: hooks(program)["hook0"]["state"] == "stopped", "it wants no more")
        visit(program, "room", "bob")
    finally:
        kill(program)
    receiver.answer = lambda call, number: OK
    program = started(tmp_path, receiver)
    try:
        until(lambda: receiver.gaps() == 2, "what came while it was stopped it lacks")
        visit(program, "room", "eve")
        receiver.until_told(("user.offline", "eve"))
        assert not {"ann", "bob"} & {user for what, user in receiver.told("user.online")}
    finally:
        kill(program)


def test_histories_that_have_no_room_push_out_no_place_of_a_webhook(receive, tmp_path):
    receiver = receive()
    for user in ("ann", "bob", "eve"):
        program = started(tmp_path, receiver, flags=("--history-budget", "2KiB"))
        try:
            visit(program, "room", user)
            receiver.until_told(("user.offline", user))
            until_idle(program)
            for number in range(20):
                program.publish("news", f"{number}" * 500)
        finally:
            kill(program)
    assert receiver.gaps() == 1, "but for that at its very beginning no gap is told"
    assert [told for told in receiver.told() if told[0] == "user.online"] == [("user.online", user) for user in ("ann", "bob", "eve")]


SAID = '[[channel]]\nmatch = "said"\npublish = "open"\nhistory_messages = 1\n'
SPEAKING = 'client_payload_limit = "64KiB"\nclient_messages = 0\naddress_messages = 0\nconnection_messages = 0\nstore_limit = "16MiB"\n'


def say(program, count, first=0):
    """Messages of a client, of 64,000 bytes: more than the log may have, if all of them are kept."""
    line = http.client.HTTPConnection(*program.wait_address, timeout=60)
    for number in range(first, first + count):
        line.request("POST", "/pub/said", f"{number:06}".encode() * 10_000, {"Content-Type": "text/plain"})
        answer = line.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
    line.close()


def log_bytes(program):
    return program.metric("multiplexor_store_bytes")


def numbers(receiver):
    return [int(event["message"]["data"][:6]) for event in receiver.events()]


LOG_MAX = 18 << 20


def until_small(program):
    """The log is tidied when something is written. One of which all was needed is looked at again after a minute."""

    def is_small():
        program.publish("other", "x")
        return log_bytes(program) <= LOG_MAX

    until(is_small, f"the log has at most {LOG_MAX} bytes", 90)


def test_the_log_beside_a_busy_webhook_has_no_more_than_it_may(receive, tmp_path):
    receiver = receive()
    program = started(tmp_path, receiver, 'events = ["message.client"]', extra=SPEAKING + SAID, flags=("--store-sync", "os"))
    try:
        for first in range(0, 600, 100):
            say(program, 100, first)
            until_small(program)
        until(lambda: numbers(receiver)[-1:] == [599], "all is told")
        assert numbers(receiver) == list(range(600)) and receiver.gaps() == 1
    finally:
        kill(program)


def test_a_receiver_that_is_gone_keeps_no_more_of_the_log_than_its_backlog(receive, tmp_path):
    port = free_port()
    away = type("Away", (), {"url": f"http://127.0.0.1:{port}/events", "secret": SECRET})
    backlog = f'webhook_backlog = "1MiB"\n{SPEAKING}'
    start = lambda: started(tmp_path, away, 'events = ["message.client"]', extra=backlog + SAID, flags=("--store-sync", "os"))  # noqa: E731
    program = start()
    try:
        for first in range(0, 600, 100):
            say(program, 100, first)
            until_small(program)
        one = hooks(program)["hook0"]
        assert one["lost"] > 500 and one["gaps"] > 0 and one["backlog"]["bytes"] < 2 << 20, one
        program.until_logged("more events wait for the webhook than")
        kill(program)
        program = start()
        receiver = receive(port=port)
        until(lambda: numbers(receiver)[-1:] == [599], "the youngest are told")
        until_idle(program)
        told = numbers(receiver)
        assert receiver.gaps() >= 1 and told == list(range(told[0], 600)) and told[0] > 500
        gap = [call.said.get("gap") for call in receiver.taken]
        assert gap[0] is True, "that something is missing is told before what came behind it"
    finally:
        kill(program)
