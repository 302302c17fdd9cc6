"""Presence of users: who is on a channel, who joins and who leaves, by each transport and on the IN line."""

import json
import re
import select
import signal
import subprocess
import sys
import time
import urllib.parse

import pytest
from harness.frames import TEXT, Frames
from harness.program import Program, binary, request, until
from harness.receiver import SECRET as WEBHOOK_SECRET
from harness.receiver import Receiver
from harness.tokens import SECRET, make_token
from harness.wire import Lines, Sse, Wire, is_cursor, poll

GRACE_S = 1
SETTINGS = f"""
token_secret = "{SECRET}"
presence_grace = "{GRACE_S}s"
[[channel]]
match = "room.*"
presence = "open"
[[channel]]
match = "staff.*"
presence = "token"
[[channel]]
match = "short.*"
presence = "open"
"""


def query(user, **more):
    claims = {"sub": user} if user else {}
    return urllib.parse.urlencode({"token": make_token(listen=["*"], **claims), **more})


def stream(program, room, user=None, **more):
    """A stream of objects, as they come."""
    lines = Lines(program, f"/stream/{room}?{query(user, **more)}")
    assert lines.status == 200, lines.wire.rest()
    return lines


def objects(lines, count):
    """So many objects of a stream that are no heartbeats."""
    found = []
    while len(found) < count:
        said = lines.object()
        if not is_cursor(said):
            found.append(said)
    return found


def users(program, room):
    document = program.ask(f"/channels/{room}/users")
    assert document["count"] == len(document["users"])
    return [user["user"] for user in document["users"]]


def until_users(program, room, expected):
    until(lambda: users(program, room) == expected, f"{expected} are on {room}, not {users(program, room)}")


def test_a_newcomer_is_told_who_is_there_and_then_who_comes_and_goes(peopled, room):
    with stream(peopled, room, "ann"), stream(peopled, room), stream(peopled, room, "watcher", presence=1) as watcher:
        (present,) = objects(watcher, 1)
        said = present["present"]
        assert [user["user"] for user in said["users"]] in (["ann"], ["ann", "watcher"])
        assert (said["channel"], said["anonymous"]) == (room, 1)
        assert said["users"][0].keys() == {"user", "since"} and abs(said["users"][0]["since"] - time.time()) < 30
        if said["count"] == 1:
            (own,) = objects(watcher, 1)
            assert own["joined"]["user"] == "watcher"
        with stream(peopled, room, "bob"):
            (joined,) = objects(watcher, 1)
            assert joined["joined"].keys() == {"channel", "user", "time"}
            assert (joined["joined"]["user"], joined["joined"]["channel"]) == ("bob", room)
        (left,) = objects(watcher, 1)
        assert (left["left"]["user"], left["left"]["channel"]) == ("bob", room)
        assert left["left"]["time"] - joined["joined"]["time"] >= GRACE_S


def test_who_breaks_off_between_two_lists_is_given_both_when_it_comes_back(peopled, room):
    rooms = f"{room}.1,{room}.2"
    with stream(peopled, f"{room}.1", "ann"), stream(peopled, f"{room}.2", "bob"):
        with stream(peopled, rooms, presence=1) as watcher:
            between, whole = (said["cursor"] for said in objects(watcher, 2))
        assert (between[0], whole[0]) == ("p", "a"), "after the first list the second is still owed"
        with stream(peopled, rooms, presence=1, since=between) as watcher:
            lists = [said["present"] for said in objects(watcher, 2)]
            assert [[user["user"] for user in page["users"]] for page in lists] == [["ann"], ["bob"]]


def test_a_reload_is_no_event(peopled, room):
    with stream(peopled, room, presence=1) as watcher:
        objects(watcher, 1)
        stream(peopled, room, "ann").wire.close()
        for _ in range(3):
            time.sleep(GRACE_S / 4)
            stream(peopled, room, "ann").wire.close()
        changes = objects(watcher, 2)
        assert [set(change) - {"cursor"} for change in changes] == [{"joined"}, {"left"}]
        peopled.publish(room, "end")
        assert objects(watcher, 1)[0]["data"] == "end"


def test_a_user_with_several_connections_is_there_once_and_until_the_last_has_gone(peopled, room):
    with stream(peopled, room, presence=1) as watcher:
        objects(watcher, 1)
        with stream(peopled, room, "ann"):
            with stream(peopled, room, "ann"), Sse(peopled, f"/sub/{room}?{query('ann')}"):
                until_users(peopled, room, ["ann"])
            time.sleep(2 * GRACE_S)
            assert users(peopled, room) == ["ann"]
        assert [list(change)[0] for change in objects(watcher, 2)] == ["joined", "left"]


def test_event_streams_have_events_of_their_own_with_ids(peopled, room):
    with stream(peopled, room, "ann"), Wire(peopled.wait_address) as watcher:
        watcher.get(f"/sub/{room}?{query('zoe', presence=1)}", Accept="text/event-stream")
        assert watcher.head()[0] == 200
        text = watcher.until(b"event: present\n").decode()
        assert "event: cursor" in text and "id: p" in text, "a list is owed"
        block = watcher.until(b"\n\n").decode()
        data = json.loads(block.split("data: ", 1)[1])
        assert "id: a" in block and data["users"][0]["user"] == "ann" and data["channel"] == room
        watcher.until(b"event: joined\n")
        block = watcher.until(b"\n\n").decode()
        assert "id: a" in block and json.loads(block.split("data: ", 1)[1])["user"] == "zoe"
        with stream(peopled, room, "bob"):
            watcher.until(b"event: joined\n")
        watcher.until(b"event: left\n")
        assert json.loads(watcher.until(b"\n\n").decode().split("data: ", 1)[1])["user"] == "bob"


def test_a_websocket_asks_with_its_subscription_and_no_longer_with_its_end(peopled, room):
    with Frames(peopled, f"/ws/?{query('ann')}") as socket, stream(peopled, room, "bob"):
        until_users(peopled, room, ["bob"])
        socket.until(TEXT)
        socket.send(TEXT, json.dumps({"subscribe": [room], "presence": True, "id": 7}))
        answer = json.loads(socket.until(TEXT))
        assert (answer["subscribed"], answer["id"]) == ([room], 7)
        present = json.loads(socket.until(TEXT))["present"]
        assert (present["channel"], [user["user"] for user in present["users"]]) == (room, ["bob"])
        joined = json.loads(socket.until(TEXT))
        assert joined["joined"]["user"] == "ann" and joined["cursor"]
        assert users(peopled, room) == ["ann", "bob"]
        socket.send(TEXT, json.dumps({"unsubscribe": [room], "id": 8}))
        assert json.loads(socket.until(TEXT)) == {"unsubscribed": [room], "id": 8}
        until_users(peopled, room, ["bob"])
        assert peopled.waiting(room) == 1


def test_a_poll_has_the_list_first_and_then_changes(peopled, room):
    with stream(peopled, room, "ann"):
        until_users(peopled, room, ["ann"])
        status, _, body = request(peopled.wait_address, "GET", f"/sub/{room}?{query('zoe', presence=1)}")
        first = json.loads(body)
        assert status == 200 and first["messages"] == [] and "changes" not in first
        assert [user["user"] for user in first["present"][0]["users"]] == ["ann"]
        with stream(peopled, room, "bob"):
            cursor, changes = first["cursor"], []
            while len(changes) < 2:
                ask = query("zoe", presence=1, since=cursor)
                document = json.loads(request(peopled.wait_address, "GET", f"/sub/{room}?{ask}")[2])
                assert "present" not in document
                changes += document.get("changes", [])
                cursor = document["cursor"]
            assert sorted(change["joined"]["user"] for change in changes) == ["bob", "zoe"]
        assert "bob" in users(peopled, room)


def test_a_chain_of_polls_is_no_coming_and_going(peopled, room):
    with stream(peopled, room, presence=1) as watcher:
        objects(watcher, 1)
        cursor = "0"
        for number in range(5):
            peopled.publish(room, str(number))
            ask = query("ann", since=cursor)
            cursor = json.loads(request(peopled.wait_address, "GET", f"/sub/{room}?{ask}")[2])["cursor"]
        told = objects(watcher, 7)
        assert [told["joined"]["user"] for told in told if "joined" in told] == ["ann"]
        assert [told["left"]["user"] for told in told if "left" in told] == ["ann"]


def test_who_comes_back_with_a_cursor_is_told_what_it_missed_in_its_place(peopled, room):
    with stream(peopled, room, presence=1) as watcher:
        cursor = objects(watcher, 1)[0]["cursor"]
    peopled.publish(room, "one")
    with stream(peopled, room, "ann"):
        until_users(peopled, room, ["ann"])
        peopled.publish(room, "two")
        with stream(peopled, room, presence=1, since=cursor) as watcher:
            told = objects(watcher, 3)
            assert (told[0]["data"], told[1]["joined"]["user"], told[2]["data"]) == ("one", "ann", "two")


def test_who_broke_off_before_its_list_gets_it_when_it_comes_back(peopled, room):
    with stream(peopled, room, "ann"):
        until_users(peopled, room, ["ann"])
        with stream(peopled, room, presence=1) as watcher:
            opening = watcher.object()["cursor"]
        assert opening.startswith("p")
        with stream(peopled, room, presence=1, since=opening) as watcher:
            (present,) = objects(watcher, 1)
            assert [user["user"] for user in present["present"]["users"]] == ["ann"]
        with stream(peopled, room, presence=1, since=present["cursor"]) as watcher:
            peopled.publish(room, "end")
            assert objects(watcher, 1)[0]["data"] == "end", "it has the list"
        with stream(peopled, room, since=opening) as listener:
            assert objects(listener, 1)[0]["data"] == "end", "and of who asks for no presence it is a cursor as any"


def test_messages_are_counted_without_changes(peopled, room):
    with stream(peopled, room, "ann"), stream(peopled, room, "bob"):
        until_users(peopled, room, ["ann", "bob"])
        peopled.publish(room, "one")
        assert peopled.ask(f"/channels/{room}")["history"]["messages"] == 1
        assert [message["data"] for message in peopled.ask(f"/channels/{room}/history")["messages"]] == ["one"]
        assert [message["data"] for message in poll(peopled, f"/sub/{room}?{query(None, tail=5)}")["messages"]] == ["one"]
        names = [channel["name"] for channel in peopled.ask("/channels?all=1")["channels"]]
        assert room in names and not any(name.startswith("$") for name in names)


def test_a_long_list_comes_in_pages_of_which_the_last_alone_has_a_cursor(peopled, room):
    sockets = []
    try:
        for number in range(150):
            sockets.append(stream(peopled, room, f"user {number:03}"))
        until(lambda: peopled.ask(f"/channels/{room}/users?limit=1")["count"] == 150, "150 are there")
        with stream(peopled, room, presence=1) as watcher:
            pages = objects(watcher, 3)
            assert [page["present"].get("more", False) for page in pages] == [True, True, False]
            assert ["cursor" in page for page in pages] == [False, False, True]
            listed = [user["user"] for page in pages for user in page["present"]["users"]]
            assert listed == [f"user {number:03}" for number in range(150)]
            assert all(len(page["present"]["users"]) <= 64 for page in pages)
        first = peopled.ask(f"/channels/{room}/users?limit=100")
        second = peopled.ask(f"/channels/{room}/users?limit=100&after=" + urllib.parse.quote(first["users"][-1]["user"]))
        assert (len(first["users"]), first["more"], len(second["users"]), "more" in second) == (100, True, 50, False)
        peopled.publish(room, "end")
        with stream(peopled, room, presence=1, since=first["cursor"]) as watcher:
            assert objects(watcher, 1)[0]["data"] == "end", "changes after the cursor complete the list"
    finally:
        for socket in sockets:
            socket.wire.close()


REFUSED = [
    ("plain", "", {}, 403, "a rule of the server"),
    ("staff.a", "", {}, 403, "grants `presence`"),
    ("room.a", "&raw=1", {}, 400, "leave raw out"),
    ("room.a,plain", "", {}, 403, '"plain"'),
    ("room.a", "&presence=yes", {}, 400, "give 1 or 0"),
]


@pytest.mark.parametrize("names, more, claims, status, why", REFUSED)
def test_who_may_not_know_is_refused_and_nothing_is_subscribed(peopled, names, more, claims, status, why):
    got, _, body = request(peopled.wait_address, "GET", f"/sub/{names}?transport=stream&{query('ann', presence=1)}{more}")
    problem = json.loads(body)
    assert (got, why in problem["detail"]) == (status, True), problem
    with Frames(peopled, f"/ws/?{query('ann')}") as socket:
        socket.until(TEXT)
        socket.send(TEXT, json.dumps({"subscribe": names.split(","), "presence": True, "id": 1}))
        if not more:
            error = json.loads(socket.until(TEXT))
            assert (error["error"]["code"], error["id"]) == ("presence", 1)


def test_a_grant_opens_what_is_told_to_those_who_have_one(peopled):
    token = make_token(sub="boss", listen=["*"], presence=["staff.*"])
    with Lines(peopled, f"/stream/staff.a?presence=1&token={token}") as lines:
        assert lines.status == 200
        (present,) = objects(lines, 1)
        assert present["present"]["channel"] == "staff.a"


def test_who_subscribes_twice_is_one_connection_and_leaves_once(peopled, room):
    with Frames(peopled, f"/ws/?{query('ann')}") as socket:
        socket.until(TEXT)
        for presence in [False, True, True]:
            socket.send(TEXT, json.dumps({"subscribe": [room], "presence": presence}))
        until_users(peopled, room, ["ann"])
        assert peopled.waiting(room) == 1
    until_users(peopled, room, [])


def test_presence_of_many_channels_is_refused_and_none_is_subscribed(peopled, room):
    names = ",".join(f"{room}.{number}" for number in range(33))
    status, _, body = request(peopled.wait_address, "GET", f"/sub/{names}?{query('ann', presence=1)}")
    assert (status, json.loads(body)["code"]) == (400, "channel-count")
    names = [f"{room}.{number}" for number in range(600)]
    with Frames(peopled, f"/ws/?{query('ann')}") as socket:
        socket.until(TEXT)
        for at in range(0, 600, 30):
            socket.send(TEXT, json.dumps({"subscribe": names[at : at + 30], "presence": True, "id": at}))
        refused = 0
        while refused < 4:
            said = json.loads(socket.until(TEXT))
            if "error" in said:
                assert said["error"]["code"] == "channel-count"
                refused += 1
        assert peopled.waiting(names[0]) == 1 and peopled.waiting(names[-1]) == 0


def test_a_renewed_token_must_grant_presence_too(peopled):
    with Frames(peopled, f"/ws/staff.b?presence=1&token={make_token(sub='a', listen=['*'], presence=['*'])}") as socket:
        socket.until(TEXT)
        socket.send(TEXT, json.dumps({"token": make_token(sub="a", listen=["*"]), "id": 5}))
        said = {}
        while said.get("id") != 5:
            said = json.loads(socket.until(TEXT))
        assert said["error"]["code"] == "presence"


def test_the_in_line_knows_users_where_a_rule_says_so(peopled):
    status, _, body = request(peopled.in_address, "GET", "/channels/plain/users")
    assert (status, json.loads(body)["code"]) == (403, "presence")
    document = peopled.ask("/channels/room.nobody/users")
    assert (document["users"], document["count"], document["anonymous"]) == ([], 0, 0) and document["cursor"]


def test_a_deleted_channel_is_left_by_all_at_once(peopled, room):
    with stream(peopled, room, "ann") as ann, stream(peopled, "room.other", "ann"):
        until_users(peopled, room, ["ann"])
        assert request(peopled.in_address, "DELETE", f"/channels/{room}")[0] == 200
        ann.wire.rest()
        until_users(peopled, room, [])
        assert users(peopled, "room.other") == ["ann"]


def test_a_renewal_gives_a_user_to_a_connection_that_had_none(peopled, room):
    with Frames(peopled, f"/ws/{room}") as socket:
        until(lambda: peopled.waiting(room) == 1, "it waits")
        assert users(peopled, room) == []
        socket.send(TEXT, json.dumps({"token": make_token(sub="ann", listen=["*"])}))
        until_users(peopled, room, ["ann"])
    until_users(peopled, room, [])


@pytest.mark.parametrize("ends", ["stop", "kill"])
def test_after_a_restart_with_a_store_all_have_the_grace_to_come_back(tmp_path, ends):
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(SETTINGS.replace(f'"{GRACE_S}s"', '"3s"'))
    store = tmp_path / "store"
    program = Program("--config", str(settings), "--store", str(store))
    with stream(program, "room.a", "ann"), stream(program, "room.a", "bob"):
        until_users(program, "room.a", ["ann", "bob"])
        with stream(program, "room.a", presence=1) as watcher:
            cursor = objects(watcher, 1)[0]["cursor"]
        if ends == "kill":
            program.process.kill()
            program.process.wait()
        else:
            program.stop()
    program = Program("--config", str(settings), "--store", str(store))
    try:
        assert users(program, "room.a") == ["ann", "bob"], "nobody has left yet"
        with stream(program, "room.a", "ann"):
            with stream(program, "room.a", presence=1, since=cursor) as watcher:
                (change,) = objects(watcher, 1)
                assert change["left"]["user"] == "bob"
                assert users(program, "room.a") == ["ann"]
    finally:
        program.stop()


class Watch(Lines):
    """A stream of the IN line."""

    def __init__(self, program, query):
        self.wire = Wire(program.in_address)
        self.wire.get(f"/watch?transport=stream&{query}")
        assert self.wire.head()[0] == 200 and set(self.object()) == {"cursor"}

    def items(self, count):
        found = []
        while len(found) < count:
            item = self.object()
            if set(item) != {"cursor"}:
                found.append(item)
        return found


def moves(items):
    """What is told, without places and times."""
    return [
        (word, item[word]["channel"], item[word]["user"]) if (word := next((w for w in ("joined", "left") if w in item), None)) else (item["channel"], item["online"])
        for item in items
    ]


def test_a_watcher_of_the_in_line_is_told_who_joins_and_leaves_in_their_places(peopled, room):
    with Watch(peopled, f"prefix={room}&users=1") as watch, Watch(peopled, f"prefix={room}") as plain:
        with stream(peopled, room, "ann"):
            came = watch.items(2)
            assert sorted(map(str, moves(came))) == sorted(map(str, [(room, True), ("joined", room, "ann")]))
        with stream(peopled, room, "bob"):
            assert moves(watch.items(2)) == [("joined", room, "bob"), ("left", room, "ann")]
        assert moves(plain.items(1)) == [(room, True)], "who did not ask is told of channels alone"
        joined = next(item for item in came if "joined" in item)
        assert joined["joined"].keys() == {"channel", "user", "time"}
    # Who comes back is told what it missed, by whatever way.
    first = came[0]["cursor"]
    until(lambda: users(peopled, room) == [], "bob has left")
    after = peopled.ask(f"/watch?since={first}&prefix={room}&users=1")
    assert moves(after["changes"])[1:] == [("joined", room, "bob"), ("left", room, "ann"), ("left", room, "bob")] and "gap" not in after
    with Wire(peopled.in_address) as wire:
        wire.get(f"/watch?transport=sse&since={first}&prefix={room}&users=1")
        text = wire.until(b'"bob"')
        assert b"gap" not in text and b'data: {"cursor":"' in text and b'"joined":{"channel":' in text
    status, _, body = request(peopled.in_address, "GET", "/watch?users=2")
    assert (status, json.loads(body)["code"]) == (400, "number")


def test_a_key_watches_the_users_of_the_channels_that_match(tmp_path):
    made = json.loads(subprocess.run([binary(), "key", "make", "--json"], capture_output=True, check=True).stdout)
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(f'{SETTINGS}\n[[key]]\nhash = "{made["hash"]}"\nmay = ["presence"]\nmatch = ["room.a"]\n')
    program = Program("--config", str(settings))
    try:
        with Wire(program.in_address) as wire:
            wire.get("/watch?transport=stream&users=1", Authorization=f"Bearer {made['key']}")
            assert wire.head()[0] == 200
            with stream(program, "room.b", "eve"), stream(program, "room.a", "ann"):
                text = wire.until(b'"joined"') + wire.until(b"\n")
        assert b'"ann"' in text and b"eve" not in text and b"room.b" not in text
    finally:
        program.stop()


def test_a_watcher_is_told_of_channels_alone_where_a_webhook_is_told_of_all_users(tmp_path):
    receiver = Receiver()
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(f'{SETTINGS}\n[[webhook]]\nurl = "{receiver.url}"\nsecret = "{WEBHOOK_SECRET}"\nevents = ["user.online", "user.offline"]\n')
    program = Program("--config", str(settings))
    try:
        with Watch(program, "users=1") as watch:
            with stream(program, "plain", "ann"):
                receiver.until_told(("user.online", "ann"))
            with stream(program, "room.a", "bob"):
                receiver.until_told(("user.online", "bob"), ("user.offline", "ann"))
                program.until_waiting("room.a")
            receiver.until_told(("user.offline", "bob"))
            with stream(program, "last"):
                said = []
                while ("last", True) not in said:
                    said += moves(watch.items(1))
        assert [one for one in said if one[0] in ("joined", "left")] == [("joined", "room.a", "bob"), ("left", "room.a", "bob")]
        assert {channel for channel, online in (one for one in said if len(one) == 2)} == {"plain", "room.a", "last"}
    finally:
        program.stop()
        receiver.stop()


def test_the_command_line_prints_them(peopled, room):
    command = [binary(), "watch", room, "--users", "--server", peopled.in_url]
    watch = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        lines = []
        for n in range(100):
            with stream(peopled, room, f"user{n}"):
                until(lambda: users(peopled, room), "somebody is there")
            if select.select([watch.stdout], [], [], 0.1)[0]:
                break
        while not lines or "joined" not in lines[-1]:
            lines.append(watch.stdout.readline())
        assert re.search(rf"  {re.escape(room)}: user\d+ joined\n", lines[-1]), lines
    finally:
        watch.kill()
        watch.wait()
        watch.stdout.close()


ASLEEP = """
import socket, sys, time
wire = socket.create_connection((sys.argv[1], int(sys.argv[2])))
wire.sendall(f"GET {sys.argv[3]} HTTP/1.1\\r\\nHost: a\\r\\nAccept: text/event-stream\\r\\n\\r\\n".encode())
while wire.recv(4096): pass
"""


def test_who_is_asleep_is_there_and_who_is_killed_leaves_once_after_the_grace(peopled, room):
    host, port = peopled.wait_address
    command = [sys.executable, "-c", ASLEEP, host, str(port), f"/sub/{room}?{query('ann')}"]
    with stream(peopled, room, presence=1) as watcher:
        objects(watcher, 1)
        phone = subprocess.Popen(command)
        try:
            (joined,) = objects(watcher, 1)
            phone.send_signal(signal.SIGSTOP)
            for n in range(3):
                peopled.publish(room, f"{n}")
                time.sleep(GRACE_S / 2)
            assert users(peopled, room) == ["ann"], "it reads nothing for longer than the grace, and is connected"
            phone.send_signal(signal.SIGCONT)
            killed = time.time()
            phone.kill()
        finally:
            phone.kill()
            phone.wait()
        changes = objects(watcher, 4)
        assert [change.get("data") for change in changes[:3]] == [0, 1, 2], changes
        assert changes[3]["left"]["user"] == joined["joined"]["user"] == "ann"
        assert changes[3]["left"]["time"] - killed >= GRACE_S - 0.1
        time.sleep(GRACE_S)
        peopled.publish(room, "end")
        assert objects(watcher, 1)[0]["data"] == "end", "and once"
