"""A message for a user, on all its connections, and for everybody: each gets it once, in its place, whatever it listens to."""

import json
import time
import urllib.parse

import pytest
from harness.frames import TEXT, Frames
from harness.program import Program, place, request, until
from harness.tokens import SECRET, make_token
from harness.wire import Lines, Sse, Wire, is_cursor, poll
from test_access import make_key
from test_users import of, until_there


@pytest.fixture(scope="module")
def program():
    running = Program("--token-secret", SECRET, "--shards", "3")
    yield running
    running.stop()


def to(program, path, data, query="", **headers):
    status, _, body = request(program.in_address, "POST", f"{path}{query}", data if isinstance(data, bytes) else str(data).encode(), headers=headers)
    return status, json.loads(body)


def to_user(program, user, data, query="", **headers):
    status, answer = to(program, f"/users/{urllib.parse.quote(user, safe='')}/pub", data, query, **headers)
    assert status == 200, answer
    assert answer["channels"] == {}, "who waits is not known where it gets its place"
    return answer["cursor"]


def to_all(program, data, query="", **headers):
    status, answer = to(program, "/pub/$all", data, query, **headers)
    assert status == 200, answer
    return answer["cursor"]


def token(user):
    return make_token(sub=user)


def next_event(sse):
    """The next event of a stream that is no cursor: its name and its data."""
    while True:
        event = sse.event()
        if event[0] != "cursor":
            return event


def next_object(ws):
    while True:
        said = json.loads(ws.until(TEXT))
        if not is_cursor(said):
            return said


def told(message):
    return message["channel"], message["data"]


@pytest.mark.parametrize("whom", ["user", "all"])
def test_every_connection_gets_it_once_whatever_it_listens_to_and_waits_by(program, name, whom):
    user = f"ann of {name}, ä"
    shown = token(user)
    with (
        Sse(program, f"/sse/{name}?token={shown}") as bare,
        Sse(program, f"/sse/{name},{name}.2?token={shown}") as sse,
        Lines(program, f"/stream/{name}.3?token={shown}") as lines,
        Frames(program, f"/ws/{name}?token={shown}") as ws,
        Frames(program, f"/ws/?token={shown}") as silent,
        Wire(program.wait_address).get(f"/poll/{name}.4?token={shown}") as waits,
        Lines(program, f"/stream/{name}?raw=1&token={shown}") as raw,
        Lines(program, f"/stream/{name}?token={token('bob')}") as bob,
        Lines(program, f"/stream/{name}") as nobody,
    ):
        until_there(program, user, 7)
        program.until_waiting(name, 6)
        channel = "$user" if whom == "user" else "$all"
        if whom == "user":
            to_user(program, user, "for ann", "?event=bell")
        else:
            to_all(program, "for ann", "?event=bell")
        program.publish(name, "for all of the channel")
        event, data = next_event(bare)
        assert event == "multiplexor", "a page's onmessage takes bare data for that of its channel"
        assert told(json.loads(data)) == (channel, "for ann") and json.loads(data)["event"] == "bell"
        assert next_event(bare)[1] == "for all of the channel"
        event, data = next_event(sse)
        assert (event, *told(json.loads(data))) == ("bell", channel, "for ann")
        assert told(lines.message()) == (channel, "for ann")
        for socket in (ws, silent):
            assert told(next_object(socket)) == (channel, "for ann")
        assert told(next_object(ws)) == (name, "for all of the channel")
        [message] = json.loads(waits.response()[2])["messages"]
        assert told(message) == (channel, "for ann")
        assert raw.wire.until(b"for all of the channel").count(b"for ann") == 1
        for other in (bob, nobody):
            if whom == "all":
                assert told(other.message()) == (channel, "for ann")
            assert told(other.message()) == (name, "for all of the channel"), "it is nobody else's"


def test_all_comes_in_the_order_in_which_it_was_said(program, name):
    user = f"zoe.{name}"
    with Lines(program, f"/stream/{name},{name}.2?token={token(user)}") as lines, Frames(program, f"/ws/{name}?token={token(user)}") as ws:
        until_there(program, user, 2)
        said = []
        for n in range(60):
            how = n % 4
            if how == 0:
                to_user(program, user, n)
            elif how == 1:
                to_all(program, n)
            else:
                program.publish(name if how == 2 else f"{name}.2", str(n))
            said.append((["$user", "$all", name, f"{name}.2"][how], n))
        got = [lines.message() for _ in said]
        assert [told(message) for message in got] == said
        places = [place(message["cursor"]) for message in got]
        assert places == sorted(set(places))
        heard = [one for one in said if one[0] != f"{name}.2"]
        assert [told(next_object(ws)) for _ in heard] == heard


def test_who_comes_back_is_given_what_it_missed_as_a_user_and_as_everybody(program, name):
    user = f"kim.{name}"
    start = poll(program, f"/poll/{name}?wait=0&token={token(user)}")["cursor"]
    to_user(program, user, 1)
    program.publish(name, "2")
    to_all(program, 3)
    to_user(program, f"other.{name}", "not for kim")
    to_user(program, user, 4, "?ttl=0")
    expected = [("$user", 1), (name, 2), ("$all", 3)]
    document = poll(program, f"/poll/{name}?wait=0&since={start}&token={token(user)}")
    assert [told(message) for message in document["messages"]] == expected and "gap" not in document
    assert poll(program, f"/poll/{name}?wait=0&since={document['cursor']}&token={token(user)}")["messages"] == []
    with Lines(program, f"/stream/{name}?since={start}&token={token(user)}") as lines:
        assert [told(lines.message()) for _ in expected] == expected
        to_user(program, user, 5)
        assert told(lines.message()) == ("$user", 5), "and then live"
    with Sse(program, f"/sse/{name}?since={start}&token={token(user)}") as sse:
        got = [next_event(sse) for _ in range(4)]
        assert [event for event, _ in got] == ["multiplexor", "message", "multiplexor", "multiplexor"], got
        assert (got[1][1], told(json.loads(got[3][1]))) == ("2", ("$user", 5))
    with Frames(program, f"/ws/{name}?since={start}&token={token(user)}") as ws:
        assert [told(next_object(ws)) for _ in range(4)] == [*expected, ("$user", 5)]
    document = poll(program, f"/poll/{name}?wait=0&since={start}")
    assert [told(message) for message in document["messages"]] == expected[1:], "who is nobody is everybody still"
    document = poll(program, f"/poll/{name}?wait=0&tail=10&token={token(user)}")
    assert [told(message) for message in document["messages"]] == [(name, 2)], "a newcomer gets what it asks for"


def test_a_websocket_that_names_its_channels_later_is_given_what_it_missed_once(program, name):
    user = f"kay.{name}"
    cursor = to_user(program, user, "before")
    missed = [to_user(program, user, "one"), to_all(program, f"all {name}"), program.publish(name, "room")]
    with Frames(program, f"/sub/?transport=ws&since={cursor}&token={token(user)}") as ws:
        assert "cursor" in json.loads(ws.until(TEXT))
        told = [json.loads(ws.until(TEXT)) for _ in range(2)]
        assert [(one["channel"], one["data"], one["cursor"]) for one in told] == [("$user", "one", missed[0]), ("$all", f"all {name}", missed[1])]
        to_user(program, user, "live")
        assert json.loads(ws.until(TEXT))["data"] == "live"
        ws.send(TEXT, json.dumps({"subscribe": [name], "since": cursor}).encode())
        page = json.loads(ws.until(TEXT))
        assert (page["subscribed"], [one["data"] for one in page["messages"]]) == ([name], ["room"])
    with Frames(program, f"/sub/?transport=ws&since={cursor}") as nobody:
        assert "cursor" in json.loads(nobody.until(TEXT))
        assert json.loads(nobody.until(TEXT))["data"] == f"all {name}"


def test_a_chain_of_polls_misses_nothing(program, name):
    user, cursor, got = f"pol.{name}", None, []
    shown = token(user)
    cursor = poll(program, f"/poll/{name}?wait=0&token={shown}")["cursor"]
    for n in range(30):
        to_user(program, user, n) if n % 3 else program.publish(name, str(n))
        if n % 2:
            document = poll(program, f"/poll/{name}?token={shown}&since={cursor}")
            cursor = document["cursor"]
            got += [message["data"] for message in document["messages"]]
    assert got == list(range(30))


def test_history_is_as_a_rule_says(tmp_path, name):
    (tmp_path / "multiplexor.toml").write_text(f'token_secret = "{SECRET}"\n[[channel]]\nmatch = "$user:*"\nhistory_messages = 0\n[[channel]]\nmatch = "$all"\nhistory_messages = 1\n')
    running = Program("--config", str(tmp_path / "multiplexor.toml"))
    shown = token("ann")
    start = poll(running, f"/poll/{name}?wait=0&token={shown}")["cursor"]
    to_user(running, "ann", 1)
    to_all(running, 2)
    to_all(running, 3)
    document = poll(running, f"/poll/{name}?wait=0&since={start}&token={shown}")
    assert [told(message) for message in document["messages"]] == [("$all", 3)] and document["gap"]
    with Lines(running, f"/stream/{name}?since={start}&token={shown}") as lines:
        objects = []
        while not objects or "data" not in objects[-1]:
            objects.append(lines.object())
        gaps = [one["channel"] for one in objects if one.get("gap")]
        assert "$all" in gaps and name not in gaps, objects
        to_user(running, "ann", 4)
        assert told(lines.message()) == ("$user", 4), "without history it is for those who are there"
    running.stop()


def test_a_store_keeps_it(tmp_path, name):
    store = str(tmp_path / "store")
    running = Program("--token-secret", SECRET, "--store", store)
    start = poll(running, f"/poll/{name}?wait=0")["cursor"]
    to_user(running, "ann", 1)
    to_all(running, 2)
    running.stop()
    running = Program("--token-secret", SECRET, "--store", store)
    document = poll(running, f"/poll/{name}?wait=0&since={start}&token={token('ann')}")
    assert [told(message) for message in document["messages"]] == [("$user", 1), ("$all", 2)]
    with Lines(running, f"/stream/{name}?token={token('ann')}") as lines:
        until_there(running, "ann", 1)
        to_user(running, "ann", 3)
        assert told(lines.message()) == ("$user", 3)
    running.stop()


def test_it_is_published_as_any_message_is(program, name):
    user = f"opt.{name}"
    with Lines(program, f"/stream/{name}?token={token(user)}") as lines, Lines(program, f"/stream/{name}?token={token(user)}") as other:
        connection = lines.object()["connection"]
        until_there(program, user, 2)
        cursor = to_user(program, user, b'{"a": 1}', "?key=k1", **{"Content-Type": "application/json"})
        assert to_user(program, user, b'{"a": 1}', "?key=k1", **{"Content-Type": "application/json"}) == cursor
        status, problem = to(program, f"/users/{user}/pub", "another", "?key=k1")
        assert (status, problem["code"]) == (422, "key-reused")
        to_user(program, user, "not for the first", **{"Multiplexor-Except": connection})
        to_user(program, user, b"\xff", **{"Content-Type": "application/octet-stream"})
        assert [lines.message()["data"] for _ in range(2)] == [{"a": 1}, "/w=="]
        assert [other.message()["data"] for _ in range(3)] == [{"a": 1}, "not for the first", "/w=="]
    for path, code in ((f"/users/{'x' * 300}/pub", "user"), ("/users/%00/pub", "user"), ("/pub/$user", "channel-name"), (f"/pub/$user:{user}", "channel-name"), (f"/pub/{name},$all", "channel-name")):
        status, problem = to(program, path, "x")
        assert (status, problem["code"]) == (400, code), path
    assert to(program, "/pub/%24all", "x")[0] == 200
    status, _, body = request(program.in_address, "POST", "/pub", json.dumps({"channel": "$all", "data": 1}).encode(), headers={"Content-Type": "application/json"})
    assert (status, json.loads(body)["code"]) == (400, "channel-name")


def test_nobody_listens_to_the_channel_of_a_user_by_its_name(program):
    for names in ("$user", "$user:ann", "$all", "%24all", "a,$all"):
        status, _, body = request(program.wait_address, "GET", f"/poll/{names}?wait=0&token={token('ann')}")
        assert (status, json.loads(body)["code"]) == (400, "channel-name"), names
    with Frames(program, "/ws/") as ws:
        ws.until(TEXT)
        ws.send(TEXT, json.dumps({"subscribe": ["$user:ann"]}).encode())
        assert json.loads(ws.until(TEXT))["error"]["code"] == "channel-name"


def test_who_may_send_to_users_and_to_everybody(tmp_path, name):
    grants = {
        "everything": 'may = ["publish"]\n',
        "users": 'may = ["publish"]\nmatch = ["$user:*"]\n',
        "ann": 'may = ["publish"]\nmatch = ["$user:ann"]\n',
        "all": 'may = ["publish"]\nmatch = ["$all"]\n',
        "channels": 'may = ["publish"]\nmatch = ["user.*", "*all"]\n',
        "looks": 'may = ["presence", "history", "administer"]\n',
    }
    keys = {who: make_key() for who in grants}
    (tmp_path / "multiplexor.toml").write_text("".join(f'[[key]]\nname = "{who}"\nhash = "{keys[who][1]}"\n{grant}' for who, grant in grants.items()))
    running = Program("--config", str(tmp_path / "multiplexor.toml"))
    table = {
        "everything": (200, 200, 200),
        "users": (200, 200, 403),
        "ann": (200, 403, 403),
        "all": (403, 403, 200),
        "channels": (403, 403, 403),
        "looks": (403, 403, 403),
    }
    for who, expected in table.items():
        headers = {"Authorization": f"Bearer {keys[who][0]}"}
        got = [to(running, path, "x", **headers) for path in ("/users/ann/pub", "/users/bob/pub", "/pub/$all")]
        assert tuple(status for status, _ in got) == expected, who
        assert {problem["code"] for status, problem in got if status != 200} <= {"grant"}
    assert to(running, "/users/ann/pub", "x")[0] == 401
    running.stop()


def test_a_crowd_is_reached_in_pieces_each_once(name):
    running = Program("--token-secret", SECRET, "--shards", "2", nofile=8_192)
    shown = token("many")
    wires = [Wire(running.wait_address).get(f"/stream/{name}.{n % 7}" + (f"?token={shown}" if n % 2 else "")) for n in range(3_000)]
    until(lambda: sum(running.waiting(f"{name}.{n}") for n in range(7)) == 3_000, "all wait")
    for n in range(3):
        to_all(running, f"all {n}")
        to_user(running, "many", f"user {n}")
    for n in range(7):
        running.publish(f"{name}.{n}", "the end")
    for n, wire in enumerate(wires):
        text = wire.until(b"the end").decode().rpartition("\n")[0]
        expected = [f"{kind} {i}" for i in range(3) for kind in (("all", "user") if n % 2 else ("all",))]
        got = [json.loads(line)["data"] for line in text.splitlines() if line.startswith("{") and '"data"' in line]
        assert got == expected, n
        wire.close()
    running.stop()
