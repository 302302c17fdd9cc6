"""Taking one message back: DELETE /channels/NAME/history/CURSOR, and what everybody is told of it."""

import json
import subprocess

import pytest
from harness.frames import TEXT, Frames
from harness.program import Program, binary, request
from harness.wire import Lines, Sse, Wire, datas, poll


def take_back(program, name, cursor, **headers):
    headers = {key.replace("_", "-"): value for key, value in headers.items()}
    status, _, answer = request(program.in_address, "DELETE", f"/channels/{name}/history/{cursor}", headers=headers)
    return status, json.loads(answer)


def kept(program, name):
    return datas(program.ask(f"/channels/{name}/history")["messages"])


def test_a_message_that_is_taken_back_is_no_longer_there(program, name):
    cursors = [program.publish(name, f"m{n}") for n in range(3)]
    assert take_back(program, name, cursors[1]) == (
        200,
        {"channel": name, "cursor": cursors[1], "deleted": True},
    )
    assert kept(program, name) == ["m0", "m2"]
    assert program.ask(f"/channels/{name}")["history"]["messages"] == 2
    for since in ("0", "10m"):
        document = poll(program, f"/sub/{name}?since={since}")
        assert datas(document["messages"]) == ["m0", "m2"] and "gap" not in document
    assert datas(poll(program, f"/sub/{name}?tail=1")["messages"]) == ["m2"]
    assert datas(program.ask(f"/channels/{name}/history?tail=2")["messages"]) == ["m0", "m2"]


def test_what_is_not_there_cannot_be_taken_back(program, name):
    cursor = program.publish(name, "x")
    other = program.publish(f"{name}.2", "x")
    assert take_back(program, name, cursor)[0] == 200
    for what in (cursor, other, "a7777777", "hello", "0"):
        status, problem = take_back(program, name, what)
        assert (status, problem["code"]) == (404, "message"), what
    assert take_back(program, f"{name}.nobody", cursor)[0] == 404
    passing = program.publish(name, "x", "?ttl=0")
    assert take_back(program, name, passing)[1]["code"] == "message"
    status, _, _ = request(program.in_address, "GET", f"/channels/{name}/history/{cursor}")
    assert status == 405


def test_each_transport_tells_that_a_message_was_taken_back(program, name):
    with (
        Sse(program, f"/sub/{name}") as bare,
        Sse(program, f"/sub/{name},{name}.2") as sse,
        Lines(program, f"/sub/{name}") as lines,
        Frames(program, f"/sub/{name}") as ws,
        Lines(program, f"/sub/{name}?raw=1") as raw,
        Frames(program, f"/sub/{name}?raw=1") as raw_ws,
    ):
        program.until_waiting(name, 6)
        ws.until(TEXT)
        cursor = program.publish(name, "typo")
        place = lines.message()["cursor"]
        assert place == cursor
        assert (bare.event()[1], json.loads(sse.event()[1])["data"]) == ("typo", "typo")
        assert json.loads(ws.until(TEXT))["data"] == "typo"
        assert take_back(program, name, cursor)[0] == 200
        taken = {"channel": name, "cursor": cursor}
        for events in (bare, sse):
            event, data = events.event()
            assert (event, json.loads(data)) == ("deleted-message", taken)
            assert events.last_id > cursor, "it has a place of its own"
        told = lines.object()
        assert told == {"deleted_message": taken, "cursor": bare.last_id}
        assert json.loads(ws.until(TEXT)) == told
        program.publish(name, "right")
        assert raw.wire.until(b"right\n").split() == [b"typo", b"right"], "bare payloads have no word for it"
        assert [raw_ws.until(TEXT), raw_ws.until(TEXT)] == [b"typo", b"right"]


def test_a_long_poll_is_answered_by_it(program, name):
    cursor = program.publish(name, "typo")
    with Wire(program.wait_address).get(f"/sub/{name}?since={cursor}") as waiting:
        program.until_waiting(name)
        assert take_back(program, name, cursor)[0] == 200
        document = json.loads(waiting.response()[2])
    (told,) = document["messages"]
    assert told == {"deleted_message": {"channel": name, "cursor": cursor}, "cursor": document["cursor"]}


def test_who_had_it_is_told_when_it_comes_back(program, name):
    before = program.publish(name, "before")
    cursor = program.publish(name, "typo")
    after = program.publish(name, "after")
    take_back(program, name, cursor)
    for since, datas_then, is_told in [(before, ["after"], False), (cursor, ["after"], True), (after, [], True)]:
        document = poll(program, f"/sub/{name}?since={since}&wait=0")
        messages = document["messages"]
        assert [message["data"] for message in messages if "data" in message] == datas_then
        told = [message["deleted_message"]["cursor"] for message in messages if "deleted_message" in message]
        assert told == [cursor] * is_told, since
        assert "gap" not in document
        with Sse(program, f"/sub/{name}", Last_Event_ID=since) as sse:
            events = [sse.event()[0] for _ in range(len(datas_then) + is_told)]
            assert events == ["message"] * len(datas_then) + ["deleted-message"] * is_told
    again = poll(program, f"/sub/{name}?since={document['cursor']}&wait=0")
    assert again["messages"] == [], "once"
    with Frames(program, "/sub/") as ws:
        ws.until(TEXT)
        ws.send(TEXT, json.dumps({"subscribe": [name], "since": after}))
        (told,) = json.loads(ws.until(TEXT))["messages"]
        assert told == {"deleted_message": {"channel": name, "cursor": cursor}}


def test_a_message_to_several_channels_goes_from_one(program, name):
    a, b = f"{name}.a", f"{name}.b"
    cursor = program.publish(f"{a},{b}", "both")
    with Lines(program, f"/sub/{b}") as other, Lines(program, f"/sub/{a},{b}") as both:
        program.until_waiting(b, 2)
        take_back(program, a, cursor)
        assert both.object().get("deleted_message") or both.object()["deleted_message"]["channel"] == a
        program.publish(b, "next")
        assert other.message()["data"] == "next"
    assert (kept(program, a), kept(program, b)) == ([], ["both", "next"])
    assert take_back(program, b, cursor)[0] == 200
    assert kept(program, b) == ["next"]


def test_clients_of_2009_never_see_it(program, name):
    ident = name.replace(".", "_")
    with Wire(program.wait_address).send(f"identifier={ident}\n") as taker:
        program.until_waiting(ident)
        program.publish(ident, "one")
        assert taker.rest().endswith(b"one")
    two, three = program.publish(ident, "two"), program.publish(ident, "three")
    take_back(program, ident, two)
    with Wire(program.wait_address).send(f"identifier={ident}\n") as taker:
        assert taker.rest().endswith(b"three"), "its queue goes on behind what was taken back"
    with Wire(program.wait_address).send(f"identifier={ident}\n") as taker:
        program.until_waiting(ident)
        take_back(program, ident, three)
        assert program.waiting(ident) == 1, "it waits on"
        program.publish(ident, "four")
        assert taker.rest().endswith(b"four")


def test_listeners_of_realplexor_never_see_it(tmp_path, name):
    file = tmp_path / "multiplexor.toml"
    file.write_text('[[wait]]\naddress = "127.0.0.1:0"\ndialect = "realplexor"\n[[in]]\naddress = "127.0.0.1:0"\n')
    program = Program("--config", str(file), ports=False)
    try:
        ident = name.replace(".", "_")
        one, two = program.publish(ident, "one"), program.publish(ident, "two")
        take_back(program, ident, one)
        with Wire(program.wait_address).send(f"identifier=0:{ident}\n") as listener:
            parts = json.loads(listener.rest().split(b"\r\n\r\n", 1)[1])
        assert [part["data"] for part in parts] == ["two"]
        with Wire(program.wait_address).send(f"identifier={ident}\n") as listener:
            program.until_waiting(ident)
            take_back(program, ident, two)
            program.publish(ident, "three")
            parts = json.loads(listener.rest().split(b"\r\n\r\n", 1)[1])
        assert [part["data"] for part in parts] == ["three"]
    finally:
        program.stop()


def test_it_needs_the_right_to_administer(serve, name, tmp_path):
    def key(*may):
        made = json.loads(subprocess.run([binary(), "key", "make", "--json"], capture_output=True, check=True).stdout)
        rights = ", ".join(f'"{right}"' for right in may)
        return made["key"], f'[[key]]\nname = "{may[0]}"\nhash = "{made["hash"]}"\nmay = [{rights}]\n'

    (writer, first), (boss, second) = key("publish", "history", "presence"), key("administer", "publish")
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(first + second)
    program = serve("--config", str(settings))
    cursor = program.publish(name, "x", Authorization=f"Bearer {writer}")
    status, problem = take_back(program, name, cursor, Authorization=f"Bearer {writer}")
    assert (status, problem["code"]) == (403, "grant")
    assert take_back(program, name, cursor, Authorization=f"Bearer {boss}")[0] == 200
    assert take_back(program, name, cursor)[0] == 401


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_it_outlives_a_restart(tmp_path, how):
    program = Program("--store", str(tmp_path / "store"))
    cursors = [program.publish("a", f"m{n}") for n in range(3)]
    both = program.publish("a,b", "both")
    assert take_back(program, "a", cursors[1])[0] == take_back(program, "a", both)[0] == 200
    before = program.ask("/channels/a/history")
    if how == "kill":
        program.process.kill()
        program.process.wait()
    else:
        program.stop()
    program = Program("--store", str(tmp_path / "store"))
    after = program.ask("/channels/a/history")
    assert after["messages"] == before["messages"] and "gap" not in after
    assert kept(program, "b") == ["both"]
    # Who had it is told; who came away before it was said is not.
    for since, expected in ((both, [cursors[1], both]), (cursors[2], [cursors[1]]), (cursors[0], [])):
        document = poll(program, f"/sub/a?since={since}&wait=0")
        told = [message["deleted_message"]["cursor"] for message in document["messages"] if "deleted_message" in message]
        assert told == expected, document
        assert "gap" not in document
    whole = poll(program, "/sub/a,b?since=0&wait=0")["messages"]
    assert [message.get("channels", message.get("channel")) for message in whole if message.get("data") == "both"] == ["b"], whole
    assert take_back(program, "a", cursors[1])[0] == 404
    program.stop()


def test_it_pushes_nothing_else_out(serve, name):
    program = serve("--history-messages", "3")
    cursors = [program.publish(name, f"m{n}") for n in range(3)]
    take_back(program, name, cursors[2])
    assert kept(program, name) == ["m0", "m1"]
    assert "gap" not in poll(program, f"/sub/{name}?since={cursors[0]}&wait=0")
    program.publish(name, "m3")
    assert kept(program, name) == ["m1", "m3"], "it stands in the place of what it took"


def test_the_command_line_takes_back(program, name):
    cursor = program.publish(name, "typo")
    program.publish(name, "right")
    command = [binary(), "delete", name, "--message", cursor, "--server", program.in_url]
    first = subprocess.run(command, capture_output=True, text=True)
    assert first.returncode == 0 and name in first.stdout, first
    assert kept(program, name) == ["right"]
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 1 and "no such message" in again.stderr, again
    assert program.metric("multiplexor_in_messages_deleted_total") >= 1


def test_the_command_line_shows_what_was_taken_back(program, name):
    cursor = program.publish(name, "typo")
    take_back(program, name, cursor)
    program.publish(name, "right")
    command = [binary(), "listen", name, "--listen-url", program.wait_url, "--since", cursor]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as listening:
        assert listening.stdout.readline() == f"{name}: right\n"
        listening.terminate()
        told = listening.stderr.read()
    assert f"message {cursor} of {name} was taken back" in told
