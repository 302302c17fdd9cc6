"""Webhooks: what a program that is started anew tells."""

from harness.hooks import ROOMS, USERS, hooks, kill, token, until_idle, visit
from harness.program import Program, until
from harness.receiver import OK, settings
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
