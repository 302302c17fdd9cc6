"""Webhooks: what an application is told, and in which order."""

import http.client
import json
import time

from harness.hooks import QUICK, ROOMS, USERS, hooks, token, until_idle, visit
from harness.program import request, until
from harness.receiver import SECRET
from harness.wire import Sse

OTHER_SECRET = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


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


def test_a_message_of_several_channels_names_those_of_which_a_webhook_is_told(hooked, receive):
    kinds = 'events = ["message.client"]'
    rooms, halls, both, other = receive(), receive(), receive(), receive()
    scopes = [(rooms, "room*"), (halls, "hall.1"), (both, "*"), (other, "other")]
    program = hooked(
        *((receiver, f'match = "{match}"\n{kinds}') for receiver, match in scopes),
        extra='[[channel]]\nmatch = "*"\npublish = "open"\n',
    )
    code, _, body = request(program.wait_address, "POST", "/pub/hall.1,room.1,room.2", b"hello", {"Content-Type": "text/plain"})
    assert code == 200, body
    for receiver, names in ((rooms, ["room.1", "room.2"]), (halls, ["hall.1"]), (both, ["hall.1", "room.1", "room.2"])):
        until(receiver.events, "it is told")
        [event] = receiver.events()
        message = event["message"]
        assert event["channel"] == names[0] and message.get("channels", [message.get("channel")]) == names, event
    assert not other.events()


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
