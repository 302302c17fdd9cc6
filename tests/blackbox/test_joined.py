"""Channels that the application has a client listen to: by `join` in its credentials, and by POST /users/U/channels while it waits."""

import json
import urllib.parse

import pytest
from harness.frames import TEXT, Frames
from harness.program import Program, request, until
from harness.tokens import SECRET, make_token
from harness.upstream import Application
from harness.wire import Lines, Sse, Wire, is_cursor, poll
from test_access import make_key
from test_to_users import next_event, next_object, told
from test_users import of, until_there


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    settings = tmp_path_factory.mktemp("joined") / "multiplexor.toml"
    settings.write_text(f'token_secret = "{SECRET}"\nshards = 3\nchannels_limit = 10\n[[channel]]\nmatch = "shut.*"\nlisten = "token"\n')
    running = Program("--config", str(settings))
    yield running
    running.stop()


def change(program, user, document, **headers):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    status, _, answer = request(program.in_address, "POST", f"/users/{urllib.parse.quote(user, safe='')}/channels", body, headers=headers)
    return status, json.loads(answer)


def by_server(*channels):
    return {"channels": list(channels), "by": "server"}


def next_line(lines):
    while True:
        said = lines.object()
        if not is_cursor(said):
            return said


def channels_of(program, user):
    return {tuple(sorted(one["channels"])) for one in of(program, user)["connections"]}


def test_a_token_joins_channels_on_every_transport_also_where_none_is_asked_for(program, name):
    own = f"shut.{name}"
    shown = make_token(sub=f"ann.{name}", join=[own, f"{own}.2"])
    with (
        Sse(program, f"/sse/{name}?token={shown}") as bare,
        Sse(program, f"/sse/?token={shown}") as sse,
        Lines(program, f"/stream/?token={shown}") as lines,
        Frames(program, f"/ws/{name}?token={shown}") as ws,
        Frames(program, f"/ws/?token={shown}") as silent,
        Wire(program.wait_address).get(f"/poll/?token={shown}") as waits,
    ):
        until_there(program, f"ann.{name}", 6)
        assert channels_of(program, f"ann.{name}") == {(name, own, f"{own}.2"), (own, f"{own}.2")} or channels_of(program, f"ann.{name}") == {tuple(sorted((name, own, f"{own}.2"))), (own, f"{own}.2")}
        for stream in (bare, sse):
            event, data = next_event(stream)
            assert (event, json.loads(data)) == ("subscribed", by_server(own, f"{own}.2"))
        assert next_line(lines) == {"subscribed": by_server(own, f"{own}.2")}
        for socket in (ws, silent):
            assert next_object(socket) == {"subscribed": by_server(own, f"{own}.2")}
        program.publish(own, "for ann")
        event, data = next_event(bare)
        assert (event, *told(json.loads(data))) == ("multiplexor", own, "for ann"), "bare is only what was asked for"
        program.publish(name, "asked for")
        assert next_event(bare) == ("message", "asked for")
        event, data = next_event(sse)
        assert (event, *told(json.loads(data))) == ("message", own, "for ann"), "where nothing is asked for, all are objects"
        assert told(next_line(lines)) == (own, "for ann")
        for socket in (ws, silent):
            assert told(next_object(socket)) == (own, "for ann")
        assert [told(message) for message in json.loads(waits.response()[2])["messages"]] == [(own, "for ann")]


def test_a_resume_reads_them_with_the_channels_asked_for(program, name):
    own = f"shut.{name}"
    shown = make_token(sub="kim", join=own)
    start = poll(program, f"/poll/{name}?wait=0&token={shown}")["cursor"]
    program.publish(own, "1")
    program.publish(name, "2")
    document = poll(program, f"/poll/{name}?wait=0&since={start}&token={shown}")
    assert [told(message) for message in document["messages"]] == [(own, 1), (name, 2)]
    with Sse(program, f"/sse/{name}?since={start}&token={shown}") as sse:
        assert next_event(sse)[0] == "subscribed"
        got = [next_event(sse) for _ in range(2)]
        assert [event for event, _ in got] == ["multiplexor", "message"]
        assert told(json.loads(got[0][1])) == (own, 1)


def test_the_hook_joins_too(tmp_path, name):
    application = Application(lambda path, headers: (200, {}, json.dumps({"user": "ann", "join": [f"own.{name}"]}).encode()))
    (tmp_path / "multiplexor.toml").write_text(f'hook = "{application.url}"\nlisten = "token"\n')
    running = Program("--config", str(tmp_path / "multiplexor.toml"))
    with Lines(running, "/stream/", Cookie="sid=1") as lines:
        assert next_line(lines) == {"subscribed": by_server(f"own.{name}")}
        running.publish(f"own.{name}", "hello")
        assert told(next_line(lines)) == (f"own.{name}", "hello")
    running.stop()
    application.stop()


def test_nobody_joins_by_what_he_says_himself(program, name):
    for path, expected in (
        (f"/poll/{name}?join=a", (400, "join")),
        ("/poll/", (400, "channel-list")),
        (f"/poll/?token={make_token(sub='ann')}", (400, "channel-list")),
        (f"/poll/{name}?token={make_token(sub='ann', join=['a*'])}", (401, "token-claims")),
        (f"/poll/{name}?token={make_token(sub='ann', join=['$all'])}", (401, "token-claims")),
        (f"/poll/{name}?token={make_token(sub='ann', join=[str(n) for n in range(101)])}", (401, "token-claims")),
        (f"/poll/{name}?token={make_token(sub='ann', join=[str(n) for n in range(10)])}", (400, "channel-count")),
    ):
        status, _, body = request(program.wait_address, "GET", path)
        assert (status, json.loads(body)["code"]) == expected, path
    with Frames(program, f"/ws/{name}") as ws:
        ws.until(TEXT)
        ws.send(TEXT, json.dumps({"subscribe": ["a"], "join": ["b"]}).encode())
        assert json.loads(ws.until(TEXT))["error"]["code"] == "command"


def test_a_new_token_changes_what_is_joined_at_once(program, name):
    def shown(*joins):
        return make_token(sub=f"zoe.{name}", join=list(joins), listen=[name])

    with Frames(program, f"/ws/{name}?token={shown(f'shut.{name}.1', f'shut.{name}.2')}") as ws:
        assert next_object(ws) == {"subscribed": by_server(f"shut.{name}.1", f"shut.{name}.2")}
        until_there(program, f"zoe.{name}", 1)
        assert change(program, f"zoe.{name}", {"join": [f"shut.{name}.9"]}) == (200, {"connections": 1})
        assert next_object(ws) == {"subscribed": by_server(f"shut.{name}.9")}
        ws.send(TEXT, json.dumps({"token": shown(f"shut.{name}.2", f"shut.{name}.3")}).encode())
        said = [next_object(ws) for _ in range(3)]
        assert said[0]["renewed"]
        assert said[1:] == [{"unsubscribed": by_server(f"shut.{name}.1")}, {"subscribed": by_server(f"shut.{name}.3")}]
        assert channels_of(program, f"zoe.{name}") == {tuple(sorted((name, f"shut.{name}.2", f"shut.{name}.3", f"shut.{name}.9")))}


def test_live_connections_listen_to_other_channels_without_coming_back(program, name):
    user, other = f"ann of {name}", f"bob of {name}"
    shown = make_token(sub=user)
    with (
        Sse(program, f"/sse/{name}?token={shown}") as bare,
        Lines(program, f"/stream/{name},{name}.2?token={shown}") as lines,
        Frames(program, f"/ws/{name}?token={shown}") as ws,
        Wire(program.wait_address).get(f"/poll/{name}?token={shown}") as waits,
        Lines(program, f"/stream/{name}?token={make_token(sub=other)}") as bob,
    ):
        until_there(program, user, 4)
        until_there(program, other, 1)
        joined = f"shut.{name}"
        assert change(program, user, {"join": [joined]}) == (200, {"connections": 4})
        event, data = next_event(bare)
        assert (event, json.loads(data)) == ("subscribed", by_server(joined))
        assert next_line(lines) == {"subscribed": by_server(joined)}
        assert next_object(ws) == {"subscribed": by_server(joined)}
        assert change(program, user, {"join": [joined]}) == (200, {"connections": 4}), "who listens to it already is told nothing"
        program.publish(joined, "for ann")
        assert (lambda event: (event[0], *told(json.loads(event[1]))))(next_event(bare)) == ("multiplexor", joined, "for ann")
        assert told(next_line(lines)) == told(next_object(ws)) == (joined, "for ann")
        assert [told(message) for message in json.loads(waits.response()[2])["messages"]] == [(joined, "for ann")]
        assert change(program, user, {"leave": [name, joined], "join": [f"{name}.3"]}) == (200, {"connections": 3})
        event, data = next_event(bare)
        assert (event, json.loads(data)) == ("unsubscribed", by_server(name, joined))
        assert next_event(bare)[0] == "subscribed"
        assert next_line(lines) == {"unsubscribed": by_server(name, joined)}
        assert next_line(lines) == {"subscribed": by_server(f"{name}.3")}
        for channel in (name, joined, f"{name}.3"):
            program.publish(channel, channel)
        assert told(json.loads(next_event(bare)[1])) == (f"{name}.3", f"{name}.3")
        assert told(next_line(lines)) == (f"{name}.3", f"{name}.3")
        assert told(next_line(bob)) == (name, name), "nobody else's connections change"
        until(lambda: program.waiting(name) == 1, "only his waits on it still")


def test_the_limit_of_channels_counts_what_is_joined(program, name):
    user = f"lim.{name}"
    with Lines(program, f"/stream/{name}?token={make_token(sub=user)}") as lines:
        until_there(program, user, 1)
        assert change(program, user, {"join": [f"{name}.{n}" for n in range(10)]})[0] == 200
        program.publish(f"{name}.1", "not joined")
        program.publish(name, "asked for")
        assert told(next_line(lines)) == (name, "asked for")


def test_what_cannot_be_read_is_told_and_who_may_do_it(program, tmp_path):
    for body, code in ((b"", "join"), (b"{}", "join"), ({"join": ["$all"]}, "channel-name"), ({"joins": ["a"]}, "join"), ({"join": ["a"], "leave": ["a"]}, "join"), ({"join": [str(n) for n in range(101)]}, "join")):
        status, problem = change(program, "ann", body)
        assert (status, problem["code"]) == (400, code), body
    assert change(program, "nobody at all", {"join": ["a"]}) == (200, {"connections": 0})
    keys = {who: make_key() for who in ("all", "part", "others")}
    grants = {"all": 'may = ["administer"]\n', "part": 'may = ["administer"]\nmatch = ["a*"]\n', "others": 'may = ["publish", "presence", "history"]\n'}
    (tmp_path / "multiplexor.toml").write_text("".join(f'[[key]]\nname = "{who}"\nhash = "{keys[who][1]}"\n{grant}' for who, grant in grants.items()))
    running = Program("--config", str(tmp_path / "multiplexor.toml"))
    for who, expected in (("all", 200), ("part", 403), ("others", 403)):
        assert change(running, "ann", {"join": ["a"]}, Authorization=f"Bearer {keys[who][0]}")[0] == expected, who
    running.stop()


def test_a_crowd_of_one_user_is_changed_in_pieces(name):
    running = Program("--token-secret", SECRET, "--shards", "2", nofile=8_192)
    shown = make_token(sub="many")
    wires = [Wire(running.wait_address).get(f"/stream/{name}?token={shown}") for _ in range(1_000)]
    running.until_waiting(name, len(wires))
    assert change(running, "many", {"join": [f"{name}.2"], "leave": [name]}) == (200, {"connections": 1_000})
    assert (running.waiting(f"{name}.2"), running.waiting(name)) == (1_000, 0)
    running.publish(f"{name}.2", "hello")
    for wire in wires:
        assert wire.until(b'"hello"').count(b"subscribed") == 2
        wire.close()
    running.stop()


def test_who_joins_what_there_is_no_room_for_is_not_told_as_changed(name):
    running = Program("--token-secret", SECRET, "--channels-limit", "3")
    shown = make_token(sub="ann", listen="*")
    with Lines(running, f"/stream/a.{name},b.{name}?token={shown}"):
        until_there(running, "ann", 1)
        change = lambda *names: json.loads(request(running.in_address, "POST", "/users/ann/channels", json.dumps({"join": names}).encode())[2])  # noqa: E731
        assert change(f"c.{name}", f"d.{name}") == {"connections": 0}
        assert channels_of(running, "ann") == {(f"a.{name}", f"b.{name}")}
        assert change(f"c.{name}") == {"connections": 1}
        assert change(f"d.{name}") == {"connections": 0}
        assert channels_of(running, "ann") == {(f"a.{name}", f"b.{name}", f"c.{name}")}
    running.stop()


def test_channels_of_a_backlog_that_is_still_read_count(name):
    """The reader takes nothing at first, so its backlog is not through when the application has it join more."""
    running = Program("--token-secret", SECRET, "--channels-limit", "3", "--history-bytes", "64MiB", "--history-messages", "1000")
    for number in range(300):
        running.publish(f"a.{name}", f"{number:04}" * 25_000)
    shown = make_token(sub="ann", listen="*")
    with Wire(running.wait_address).get(f"/stream/a.{name},b.{name}?since=0&token={shown}"):
        until_there(running, "ann", 1)
        body = json.dumps({"join": [f"c.{name}", f"d.{name}"]}).encode()
        _, _, answer = request(running.in_address, "POST", "/users/ann/channels", body)
        assert json.loads(answer) == {"connections": 0}, "four are too many, whatever is registered by now"
        assert running.waiting(f"a.{name}") == 0, "it is still being given what was said before"
    running.stop()
