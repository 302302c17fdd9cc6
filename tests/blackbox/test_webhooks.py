"""Webhooks: what an application is told, in which order, and what becomes of it where a receiver is slow, lies or is gone."""

import http.client
import json
import re
import signal
import subprocess
import time

import pytest
from harness.program import ROOT, Program, binary, free_port, request, until
from harness.receiver import OK, SECRET, Receiver, settings, status
from harness.tokens import SECRET as TOKENS
from harness.tokens import make_token
from harness.upstream import Php
from harness.wire import Sse
from standardwebhooks import WebhookVerificationError

OTHER_SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
USERS = 'events = ["user.online", "user.offline"]'
ROOMS = '[[channel]]\nmatch = "room*"\npresence = "open"\n'
QUICK = "--presence-grace", "100ms", "--grace", "100ms"


@pytest.fixture
def receive():
    started = []

    def start(*arguments, **words):
        started.append(Receiver(*arguments, **words))
        return started[-1]

    yield start
    for receiver in started:
        receiver.stop()


@pytest.fixture
def hooked(serve, tmp_path):
    """Starts a program with these webhooks, in a file that can be written anew."""

    def start(*receivers, extra=ROOMS, flags=QUICK, **options):
        file = settings(tmp_path / "hooks.toml", *receivers, extra=extra)
        program = serve("--config", file, "--token-secret", TOKENS, *flags, **options)
        program.file = tmp_path / "hooks.toml"
        return program

    return start


def token(user, **claims):
    return make_token(sub=user, **claims)


def hooks(program):
    return {one["name"]: one for one in program.ask("/webhooks")["webhooks"]}


def until_idle(program, name="hook0"):
    until(lambda: hooks(program)[name]["backlog"] == {"events": 0, "bytes": 0}, "nothing waits for it")


def visit(program, channel, user):
    """A user comes to a channel and goes."""
    with Sse(program, f"/sse/{channel}?token={token(user)}"):
        program.until_waiting(channel)


def reload(program):
    return request(program.in_address, "POST", "/reload")


# What is told.


def test_an_application_is_told_of_channels_and_users_in_their_order(hooked, receive):
    receiver = receive()
    program = hooked(receiver)
    with Sse(program, f"/sse/room.1?token={token('ann', info={'name': 'Ann'})}"):
        receiver.until_told(("user.joined", "ann"), ("user.online", "ann"), ("channel.online", "room.1"))
    receiver.until_told(("user.left", "ann"), ("user.offline", "ann"), ("channel.offline", "room.1"))
    events = receiver.events()
    assert len(events) == 6, events
    cursors = [event["cursor"] for event in events]
    assert cursors == sorted(cursors, key=lambda cursor: (len(cursor), cursor)) and len(set(cursors)) == 6
    by = {event["type"]: event for event in events}
    joined = by["user.joined"]
    assert (joined["channel"], joined["user"], joined["info"]) == ("room.1", "ann", {"name": "Ann"})
    assert "channel" not in by["user.online"] and "user" not in by["channel.online"]
    assert abs(by["user.offline"]["time"] - time.time()) < 60
    call = receiver.calls[-1]
    assert (call.method, call.path, call.headers["content-type"]) == ("POST", "/events", "application/json")
    assert call.headers["user-agent"].startswith("multiplexor/")
    assert call.id == f"hook0_{call.events[0]['cursor']}"


def test_a_page_that_is_loaded_again_is_no_event(hooked, receive):
    receiver = receive()
    program = hooked((receiver, USERS), flags=("--presence-grace", "2s"))
    for _ in range(5):
        visit(program, "a", "ann")
    visit(program, "b", "bob")
    receiver.until_told(("user.online", "bob"))
    assert receiver.told() == [("user.online", "ann"), ("user.online", "bob")]
    receiver.until_told(("user.offline", "ann"), ("user.offline", "bob"))
    assert len(receiver.events()) == 4


def test_a_user_is_online_once_by_whatever_it_waits_on_and_on_whatever_shard(hooked, receive):
    receiver = receive()
    program = hooked((receiver, USERS), flags=(*QUICK, "--shards", "3"))
    streams = [Sse(program, f"/sse/c{number}?token={token('ann')}") for number in range(12)]
    for number in range(12):
        program.until_waiting(f"c{number}")
    for stream in streams[:-1]:
        stream.wire.close()
    until(lambda: len(program.ask("/users/ann")["connections"]) == 1, "one is left")
    visit(program, "d", "bob")
    receiver.until_told(("user.offline", "bob"))
    assert ("user.offline", "ann") not in receiver.told()
    streams[-1].wire.close()
    receiver.until_told(("user.offline", "ann"))
    assert [told for told in receiver.told() if told[1] == "ann"] == [("user.online", "ann"), ("user.offline", "ann")]


def test_long_polls_one_after_the_other_are_one_stay(hooked, receive):
    receiver = receive()
    program = hooked((receiver, USERS), flags=("--presence-grace", "1s"))
    shown = token("ann")
    poll = http.client.HTTPConnection(*program.wait_address, timeout=60)
    cursor = ""
    for number in range(5):
        poll.request("GET", f"/poll/a?token={shown}&since={cursor}")
        program.until_waiting("a")
        program.publish("a", str(number))
        cursor = json.loads(poll.getresponse().read())["cursor"]
    poll.close()
    receiver.until_told(("user.offline", "ann"))
    assert receiver.told() == [("user.online", "ann"), ("user.offline", "ann")]


def test_match_and_events_say_of_what_it_is_told(hooked, receive):
    rooms, users, all_of_it = receive(), receive(), receive()
    program = hooked((rooms, 'match = "room.1*"\nevents = ["user.joined", "channel.online"]'), (users, f'match = "*"\n{USERS}'), all_of_it)
    for channel in ("room.1", "room.11", "room.2", "other"):
        visit(program, channel, "ann")
    for receiver in (users, all_of_it):
        receiver.until_told(("user.offline", "ann"))
    until_idle(program)
    told = {(event["type"], event["channel"]) for event in rooms.events()}
    assert told == {(what, name) for what in ("user.joined", "channel.online") for name in ("room.1", "room.11")}
    assert {event["type"] for event in users.events()} == {"user.online", "user.offline"}
    assert {event["type"] for event in all_of_it.events()} == {
        "channel.online", "channel.offline", "user.joined", "user.left", "user.online", "user.offline",
    }


def test_what_a_client_publishes_is_told_with_its_user_and_what_a_publisher_says_is_not(hooked, receive):
    receiver = receive()
    program = hooked((receiver, 'match = "room*"\nevents = ["message.client"]'), extra=ROOMS + 'publish = "open"\n')
    program.publish("room.1", "from the application")
    for shown, data in ((f"?token={token('ann')}", "hello"), ("", "anonymous")):
        code, _, body = request(program.wait_address, "POST", f"/pub/room.1{shown}", data.encode(), {"Content-Type": "text/plain"})
        assert code == 200, body
    until(lambda: len(receiver.events()) == 2, "both are told")
    named, nameless = receiver.events()
    assert (named["type"], named["channel"], named["user"]) == ("message.client", "room.1", "ann")
    assert named["message"] == {"channel": "room.1", "user": "ann", "data": "hello", "time": named["time"]}
    assert "user" not in nameless and nameless["message"]["data"] == "anonymous"


def test_a_list_and_the_events_behind_its_cursor_are_who_is_there(hooked, receive):
    receiver = receive()
    program = hooked((receiver, USERS), flags=("--presence-grace", "3s"))
    with Sse(program, f"/sse/a?token={token('ann')}"):
        program.until_waiting("a")
        visit(program, "b", "bob")
        receiver.until_told(("user.online", "ann"), ("user.online", "bob"))
        page = program.ask("/users")
        # Bob is away within the grace: nothing would be told of him if he came back.
        assert {one["user"]: one["connections"] for one in page["users"]} == {"ann": 1, "bob": 0}
        assert [one["user"] for one in program.ask("/users?prefix=b")["users"]] == ["bob"]
        first = program.ask("/users?limit=1")
        assert ([one["user"] for one in first["users"]], first["next"]) == (["ann"], "ann")
        assert [one["user"] for one in program.ask("/users?limit=1&after=ann")["users"]] == ["bob"]
        with Sse(program, f"/sse/c?token={token('eve')}"):
            receiver.until_told(("user.online", "eve"), ("user.offline", "bob"))
            behind = [event for event in receiver.events() if (len(event["cursor"]), event["cursor"]) > (len(page["cursor"]), page["cursor"])]
            there = {one["user"] for one in page["users"]}
            for event in behind:
                (there.add if event["type"] == "user.online" else there.discard)(event["user"])
            assert there == {"ann", "eve"} == {one["user"] for one in program.ask("/users")["users"]}


def test_two_secrets_sign_while_one_replaces_the_other(hooked, receive):
    old, new = receive(), receive(secret=OTHER_SECRET)
    both = f'secret = ["{SECRET}", "{OTHER_SECRET}"]'
    program = hooked(extra=f'[[webhook]]\nname = "a"\nurl = "{old.url}"\n{both}\n[[webhook]]\nname = "b"\nurl = "{new.url}"\n{both}\n')
    for receiver in (old, new):
        until(lambda one=receiver: one.calls, "it finds its own signature")
        assert len(receiver.calls[0].headers["webhook-signature"].split(" ")) == 2
    assert all(one["failed"] == 0 for one in hooks(program).values())


def test_whoever_begins_is_told_that_it_may_have_missed_something(hooked, receive):
    receiver = receive()
    program = hooked(receiver)
    until(lambda: receiver.calls, "a call")
    [call] = receiver.calls
    assert call.said == {"events": [], "gap": True} and call.id.startswith("hook0_") and call.id.endswith("_gap")
    until(lambda: hooks(program)["hook0"]["state"] == "ready", "it is owed nothing")


# Receivers that do not take it.


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
    assert (status_, json.loads(body)) == (200, {"webhooks": 2})
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


# Restarts.


def kill(program):
    program.process.send_signal(signal.SIGKILL)
    program.process.wait()


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


# Settings, state, rights.


def test_a_reload_takes_webhooks_anew(hooked, receive):
    one, other = receive(), receive()
    program = hooked((one, USERS))
    visit(program, "room", "ann")
    one.until_told(("user.offline", "ann"))
    settings(program.file, (other, USERS), (one, 'match = "room"\nevents = ["user.joined"]'), extra=ROOMS)
    program.process.send_signal(signal.SIGHUP)
    program.until_logged("taken anew")
    visit(program, "room", "bob")
    other.until_told(("user.offline", "bob"))
    one.until_told(("user.joined", "bob"))
    assert ("user.online", "bob") not in one.told()
    assert (set(hooks(program)), hooks(program)["hook1"]["match"]) == ({"hook0", "hook1"}, "room")
    program.file.write_text(program.file.read_text().replace("http://", "htp://"))
    code, _, body = reload(program)
    assert (code, json.loads(body)["code"]) == (422, "settings") and len(hooks(program)) == 2
    program.file.write_text('drain = "1s"\n')
    code, _, body = reload(program)
    assert (code, json.loads(body)) == (200, {"webhooks": 0, "restart": True})
    until(lambda: not hooks(program), "none is left")


def test_users_that_nobody_followed_want_a_restart(hooked, receive):
    receiver = receive()
    program = hooked((receiver, 'events = ["channel.online"]'))
    settings(program.file, (receiver, USERS), extra=ROOMS)
    code, _, body = reload(program)
    assert code == 422 and "start it anew" in json.loads(body)["detail"]
    assert hooks(program)["hook0"]["events"] == ["channel.online"]


def test_webhooks_can_be_added_to_a_program_that_had_none(hooked, receive):
    receiver = receive()
    program = hooked()
    assert hooks(program) == {}
    settings(program.file, (receiver, 'events = ["channel.online", "user.joined"]'), extra=ROOMS)
    assert reload(program)[0] == 200
    until(lambda: receiver.gaps() == 1, "it begins")
    visit(program, "room", "ann")
    receiver.until_told(("channel.online", "room"), ("user.joined", "ann"))


def test_how_it_is_stands_in_webhooks(hooked, receive):
    receiver = receive(lambda call, number: status(500))
    program = hooked((receiver, 'match = "room*"\nevents = ["user.joined"]'))
    until(lambda: hooks(program)["hook0"]["failed"] >= 2, "it is tried again")
    one = hooks(program)["hook0"]
    assert (one["state"], one["match"], one["events"], one["url"]) == ("retrying", "room*", ["user.joined"], receiver.url)
    assert one["last"]["error"] == "it answers 500" and one["taken"] == one["lost"] == 0
    assert one["calls"] >= one["failed"] and set(one["backlog"]) == {"events", "bytes"}
    assert program.metric("multiplexor_webhooks_failing") == 1
    assert SECRET not in json.dumps(one)


def test_state_and_reload_are_for_who_may_administer_everything(serve):
    from test_access import make_key

    keys = {may: make_key() for may in ("administer", "presence")}
    entries = [f'{{ hash = "{hashed}", may = ["{may}"] }}' for may, (_, hashed) in keys.items()]
    narrow = make_key()
    entries.append(f'{{ hash = "{narrow[1]}", may = ["administer"], match = ["a"] }}')
    program = serve_with(serve, f"key = [{', '.join(entries)}]\n")
    for (key, _), allowed in ((keys["administer"], True), (keys["presence"], False), (narrow, False)):
        for method, path in (("GET", "/webhooks"), ("POST", "/reload")):
            code = request(program.in_address, method, path, None, {"Authorization": f"Bearer {key}"})[0]
            assert code == (200 if allowed else 403), (path, code)


def serve_with(serve, text):
    import tempfile

    file = tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False)
    file.write(text)
    file.close()
    return serve("--config", file.name)


@pytest.mark.parametrize(
    "lines, expected",
    [
        ('url = "http://app.example/x"\nsecret = "SECRET"', "url is an address on the network without TLS"),
        ('url = "https://app.example/x"', "[[webhook]] has no secret"),
        ('secret = "SECRET"', "[[webhook]] has no url"),
        ('url = "https://a.example/"\nsecret = "whsec_AAAA"', "secret is no secret"),
        ('url = "https://a.example/"\nsecret = ["SECRET", "SECRET", "SECRET"]', "secret is no secret"),
        ('url = "https://a.example/"\nsecret = "SECRET"\nevents = ["user.onlin"]', 'give some of "channel.online"'),
        ('url = "https://a.example/"\nsecret = "SECRET"\nmatch = "a*b"', "a * may stand at the end only"),
        ('url = "https://a.example/"\nsecret = "SECRET"\nmatch = "a*"\nevents = ["user.online"]', "about no single channel"),
        ('url = "https://a.example/"\nsecret = "SECRET"\nname = "a.b"', "name is"),
        ('url = "https://a.example/"\nsecret = "SECRET"\nevent = "x"', "did you mean events?"),
        ('url = "https://a.example/"\nsecret = "SECRET"\n[[webhook]]\nurl = "https://b.example/"\nsecret = "SECRET"', "two webhooks are named"),
    ],
)
def test_what_is_wrong_in_the_settings_is_told(tmp_path, lines, expected):
    file = tmp_path / "x.toml"
    file.write_text("[[webhook]]\n" + lines.replace("SECRET", SECRET) + "\n")
    checked = subprocess.run([binary(), "config", "check", str(file)], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 1 and expected in checked.stderr, checked.stderr
    assert SECRET not in checked.stderr


def test_secrets_are_shown_to_nobody(tmp_path):
    file = tmp_path / "x.toml"
    file.write_text(f'[[webhook]]\nurl = "https://a.example/?key=1"\nsecret = "{SECRET}"\n')
    for flags in ([], ["--json"]):
        said = subprocess.run([binary(), "config", "--config", str(file), *flags], capture_output=True, text=True, timeout=60, check=True).stdout
        assert "webhook" in said and "whsec" not in said


def test_a_receiver_can_be_tried_by_hand(receive, tmp_path):
    receiver = receive(lambda call, number: OK if number != 2 else status(500))

    def test(*flags, env=None):
        command = [binary(), "webhook", "test", receiver.url, *flags]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, env=env)

    done = test("--secret", SECRET)
    assert (done.returncode, "answered  200" in done.stdout, "taken" in done.stdout) == (0, True, True), done
    assert receiver.calls[0].events[0]["type"] == "webhook.test"
    done = test(env={"MULTIPLEXOR_WEBHOOK_SECRET": SECRET})
    assert (done.returncode, "answered  500" in done.stdout) == (1, True)
    assert test("--config", settings(tmp_path / "x.toml", receiver)).returncode == 0
    done = test()
    assert done.returncode == 1 and "say what to sign with" in done.stderr
    receiver.stop()
    done = test("--secret", SECRET)
    assert done.returncode == 1 and "cannot be reached" in done.stderr


MANUAL = (ROOT / "docs" / "webhooks.md").read_text()


def a_call(hooked, receive):
    receiver = receive()
    program = hooked((receiver, USERS))
    visit(program, "a", "ann")
    receiver.until_told(("user.online", "ann"))
    return next(call for call in receiver.calls if call.events)


def code(language):
    [lines] = re.findall(rf"^```{language}\n(.*?)^```", MANUAL, re.MULTILINE | re.DOTALL)
    return lines


def test_the_lines_for_python_in_the_manual_find_what_is_right_and_what_is_forged(hooked, receive):
    call, there = a_call(hooked, receive), {}
    exec(code("python"), there)
    assert there["events"](call.body, call.headers) == call.events
    with pytest.raises(WebhookVerificationError):
        there["events"](call.body.replace(b"ann", b"eve"), call.headers)


def test_the_lines_for_php_in_the_manual_find_what_is_right_and_what_is_forged(hooked, receive, tmp_path):
    call = a_call(hooked, receive)
    php = Php(tmp_path, events=code("php") + f"\necho json_encode(events('{SECRET}'));\n")
    try:
        headers = {name: value for name, value in call.headers.items() if name.startswith("webhook-")}
        status_, _, body = request(php.address, "POST", "/events.php", call.body, headers)
        assert (status_, json.loads(body)) == (200, call.events)
        two = headers | {"webhook-signature": "v1,AAAA " + headers["webhook-signature"]}
        assert request(php.address, "POST", "/events.php", call.body, two)[0] == 200
        assert request(php.address, "POST", "/events.php", call.body.replace(b"ann", b"eve"), headers)[0] == 400
    finally:
        php.stop()


NODE = """
import { pathToFileURL } from 'node:url';
const { events } = await import(pathToFileURL(process.argv[2]));
let said = '';
for await (const piece of process.stdin) said += piece;
const { body, headers } = JSON.parse(said);
console.log(JSON.stringify(events(body, headers)));
try { events(body.replace('ann', 'eve'), headers); console.log('taken') } catch (error) { console.log(error.name) }
"""


def test_the_lines_for_node_in_the_manual_find_what_is_right_and_what_is_forged(hooked, receive, tmp_path):
    call = a_call(hooked, receive)
    (tmp_path / "node_modules").symlink_to(ROOT / "tests" / "node_modules")
    (tmp_path / "manual.mjs").write_text(code("js"))
    (tmp_path / "run.mjs").write_text(NODE)
    said = json.dumps({"body": call.body.decode(), "headers": call.headers})
    command = ["node", "run.mjs", "manual.mjs"]
    done = subprocess.run(command, input=said, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    right, forged = done.stdout.splitlines()
    assert (json.loads(right), forged) == (call.events, "WebhookVerificationError"), done.stderr
