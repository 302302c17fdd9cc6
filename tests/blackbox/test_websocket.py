"""WebSocket: with Python's `websockets` for what clients do, with frames by hand for what they should not."""

import json
import struct

import pytest
from harness.frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frames
from harness.program import PATIENCE_S, fresh_name, place, request
from harness.wire import Wire, datas
from websockets.sync.client import connect


class Client:
    """A client that speaks JSON, with a library that checks every frame of the server."""

    def __init__(self, program, path):
        url = program.ws_url + path
        self.connection = connect(url, ping_interval=None, max_size=None, compression=None)

    def __enter__(self):
        self.socket = self.connection.__enter__()
        return self

    def __exit__(self, *error):
        self.connection.__exit__(*error)

    def say(self, **words):
        self.socket.send(json.dumps(words))

    def hear(self):
        return json.loads(self.socket.recv(timeout=PATIENCE_S))

    def until(self, key):
        """The next object with this key; others are passed over."""
        while True:
            item = self.hear()
            if key in item:
                return item


def test_the_first_frame_is_the_cursor(program, name):
    with Client(program, f"/sub/{name}") as client:
        first = client.hear()
    assert set(first) == {"cursor", "connection"}
    program.publish(name, "missed")
    with Client(program, f"/sub/{name}?since={first['cursor']}") as client:
        assert client.until("data")["data"] == "missed"


def test_a_message_is_a_text_frame(program, name):
    with Client(program, f"/sub/{name}") as client:
        client.until("cursor")
        cursor = program.publish(name, "hello", "?event=tick")
        message = client.until("data")
    assert message.pop("time") > 1.7e9
    assert message == {"cursor": cursor, "channel": name, "event": "tick", "data": "hello"}


def test_a_connection_may_begin_with_no_channel(program, name):
    with Client(program, "/sub/") as client:
        client.say(subscribe=[name], id=1)
        answer = client.until("subscribed")
        assert place(answer.pop("cursor")), "from here on the channel is listened to"
        assert answer == {"subscribed": [name], "messages": [], "id": 1}
        program.publish(name, "hello")
        assert client.until("data")["data"] == "hello"


def test_channels_change_in_place(program, name):
    other = fresh_name()
    with Client(program, f"/sub/{name}") as client:
        client.say(subscribe=[other], id="more")
        answer = client.until("subscribed")
        del answer["cursor"]
        assert answer == {"subscribed": [other], "messages": [], "id": "more"}
        program.publish(other, "of the other")
        assert client.until("data")["data"] == "of the other"
        client.say(unsubscribe=[name], id=None)
        answer = client.until("unsubscribed")
        assert answer["unsubscribed"] == [name]
        program.until_waiting(name, 0)
        program.publish(name, "not any more")
        program.publish(other, "still")
        assert client.until("data")["data"] == "still"


def test_a_ping_is_answered_with_the_same_value(program, name):
    with Client(program, f"/sub/{name}") as client:
        for value in [None, 1, "x", {"t": [1, 2]}]:
            client.say(ping=value)
            assert client.until("pong") == {"pong": value}


def test_an_added_channel_brings_its_backlog_in_pages(serve, name):
    program = serve("--history-messages", "1000")
    for n in range(200):
        program.publish(name, str(n))
    with Client(program, "/sub/") as client:
        client.say(subscribe=[name], since=0, id=7)
        pages = [client.until("subscribed")]
        while pages[-1].get("more"):
            pages.append(client.until("subscribed"))
        program.publish(name, "200")
        assert client.until("data")["data"] == 200
    assert len(pages) > 1, "more messages than fit a page"
    assert all(page["id"] == 7 for page in pages)
    assert [page["subscribed"] for page in pages] == [[name]] + [[]] * (len(pages) - 1)
    assert [data for page in pages for data in datas(page["messages"])] == list(range(200))
    assert not any("cursor" in message for page in pages for message in page["messages"])
    assert not any("gap" in page for page in pages)


def test_a_cursor_never_speaks_for_a_backlog_under_way(serve, name):
    """Cut after any frame, a client comes back for all its channels by the last cursor it was told; nothing is lost."""
    program = serve("--history-messages", "2000", "--history-bytes", "64MiB")
    other, count = fresh_name(), 1500
    items = [{"channel": other, "data": {"n": n, "pad": "x" * 10_000}} for n in range(count)]
    assert request(program.in_address, "POST", "/pub", json.dumps(items))[0] == 200
    said = 0
    for cut in [1, 2, 10, 30, 45]:
        with Frames(program, f"/sub/{name}", receive_buffer=4096) as frames:
            frames.send(TEXT, json.dumps({"subscribe": [other], "since": 0}))
            heard, live, cursor, pages = set(), [], None, 0
            first = said
            while pages < cut:
                item = json.loads(frames.until(TEXT))
                cursor = item.get("cursor", cursor)
                if "subscribed" in item:
                    pages += 1
                    heard.update(message["data"]["n"] for message in item["messages"])
                    assert item["more"], "more than the kernel takes is on its way"
                    # It comes somewhere among the pages, and before the last one: those are stuck behind each other.
                    program.publish(name, str(said))
                    said += 1
                elif "data" in item:
                    assert "cursor" not in item, "it would speak for the pages that are still to come"
                    live.append(item["data"])
        assert live or cut < 45, "some live messages came between the pages"
        with Client(program, f"/sub/{name},{other}?since={cursor}") as client:
            last = program.publish(name, f"end {cut}")
            while (message := client.until("data"))["data"] != f"end {cut}":
                if message["channel"] == other:
                    heard.add(message["data"]["n"])
                else:
                    live.append(message["data"])
            assert message["cursor"] == last
        assert heard == set(range(count)), f"cut after page {cut}"
        assert set(range(first, said)) <= set(live), f"cut after page {cut}"


def test_an_added_channel_ends_its_backlog_with_the_cursor_of_both(program, name):
    other = fresh_name()
    with Client(program, f"/sub/{name}") as client:
        client.say(subscribe=[other], since=0)
        cursor = client.until("subscribed")["cursor"]
    program.publish(name, "one")
    program.publish(other, "two")
    with Client(program, f"/sub/{name},{other}?since={cursor}") as client:
        assert [client.until("data")["data"] for _ in range(2)] == ["one", "two"]


def test_an_added_channel_may_bring_its_tail(program, name):
    for n in range(5):
        program.publish(name, str(n))
    with Client(program, "/sub/") as client:
        client.say(subscribe=[name], tail=2)
        assert datas(client.until("subscribed")["messages"]) == [3, 4]


def test_a_channel_added_twice_is_delivered_once(program, name):
    with Client(program, f"/sub/{name}") as client:
        client.say(subscribe=[name], id=1)
        client.until("subscribed")
        program.publish(name, "one")
        program.publish(name, "two")
        assert client.until("data")["data"] == "one"
        assert client.until("data")["data"] == "two"
        assert program.waiting(name) == 1


def test_a_message_for_two_channels_of_a_client_comes_once(program, name):
    other = fresh_name()
    with Client(program, f"/sub/{name}") as client:
        client.say(subscribe=[other])
        client.until("subscribed")
        program.publish(f"{name},{other}", "both")
        program.publish(name, "end")
        message = client.until("data")
        assert sorted(message["channels"]) == sorted([name, other])
        assert client.until("data")["data"] == "end"


def test_a_gap_of_the_beginning_is_told(serve, name):
    program = serve("--history-messages", "1")
    first = program.publish(name, "0")
    program.publish(name, "1")
    program.publish(name, "2")
    with Client(program, f"/sub/{name}?since={first}") as client:
        assert client.until("gap") == {"gap": True, "channel": name}
        assert client.until("data")["data"] == 2


def test_a_gap_of_an_added_channel_is_in_its_answer(serve, name):
    program = serve("--history-messages", "1")
    first = program.publish(name, "0")
    program.publish(name, "1")
    program.publish(name, "2")
    with Client(program, "/sub/") as client:
        client.say(subscribe=[name], since=first, id=1)
        answer = client.until("subscribed")
    assert answer["gap"] is True
    assert datas(answer["messages"]) == [2]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"subscribe": ["a,b"]}, "channel-name"),
        ({"subscribe": []}, "channel-list"),
        ({"subscribe": ["$a"]}, "channel-name"),
        ({"subscribe": ["a"], "since": "nonsense"}, "since"),
        ({"subscribe": ["a"], "unsubscribe": ["b"]}, "command"),
        ({}, "command"),
    ],
)
def test_a_bad_command_is_answered_with_its_id_and_the_connection_stays(program, name, words, code):
    with Client(program, f"/sub/{name}") as client:
        client.say(id="mine", **words)
        answer = client.until("error")
        assert answer["id"] == "mine"
        assert answer["error"]["code"] == code
        client.say(ping=1)
        assert client.until("pong") == {"pong": 1}


@pytest.mark.parametrize("text", ["", "nonsense", "[]", '{"subscrib": ["a"]}', '{"a":' * 2000])
def test_text_that_is_no_command_is_answered(program, name, text):
    with Client(program, f"/sub/{name}") as client:
        client.socket.send(text)
        assert client.until("error")["error"]["code"] == "command"


def test_a_binary_frame_is_no_command(program, name):
    with Client(program, f"/sub/{name}") as client:
        client.socket.send(b"\x00")
        assert client.until("error")["error"]["code"] == "command"


def test_more_channels_than_allowed_are_refused(serve, name):
    program = serve("--channels-limit", "3")
    with Client(program, f"/sub/{name}.1,{name}.2") as client:
        client.say(subscribe=[f"{name}.3", f"{name}.4"], id=1)
        assert client.until("error")["id"] == 1
        client.say(subscribe=[f"{name}.3"], id=2)
        assert client.until("subscribed")["id"] == 2


def test_a_heartbeat_is_the_cursor_again(serve, name):
    program = serve("--heartbeat", "1s")
    cursor = program.publish(name, "x")
    with Client(program, f"/sub/{name}?since={cursor}") as client:
        beats = [client.hear() for _ in range(3)]
    assert [set(beat) for beat in beats] == [{"cursor", "connection"}, {"cursor"}, {"cursor"}]
    places = [place(beat["cursor"]) for beat in beats]
    assert place(cursor) <= places[0] and places == sorted(places), "a cursor never goes back"


def test_raw_frames_are_payloads(program, name):
    program.publish(name, "text")
    program.publish(name, b"\x00\xff", Content_Type="application/octet-stream")
    program.publish(name, '{"a": 1}')
    with Client(program, f"/sub/{name}?since=0&raw=1") as client:
        assert [client.socket.recv(timeout=PATIENCE_S) for _ in range(3)] == ["text", b"\x00\xff", '{"a": 1}']


def test_a_large_message_arrives_whole(program, name):
    with Client(program, f"/sub/{name}") as client:
        client.until("cursor")
        for size in [1, 125, 126, 65535, 65536, 999000]:
            program.publish(name, "x" * size)
            assert client.until("data")["data"] == "x" * size


WRONG = {
    "another member": '{"subscrib": ["x"], "id": 7}',
    "a member of another type": '{"id": 7, "subscribe": "x"}',
    "a name of another type": '{"subscribe": [1], "id": 7}',
    "a bad name": '{"subscribe": ["a,b"], "id": 7}',
    "a bad since": '{"subscribe": ["x"], "since": "soon", "id": 7}',
    "a bad tail": '{"subscribe": ["x"], "tail": -1, "id": 7}',
    "two verbs": '{"subscribe": ["x"], "unsubscribe": ["x"], "id": 7}',
    "no verb": '{"id": 7}',
    "a token that is none": '{"token": 1, "id": 7}',
}


@pytest.mark.parametrize("case", WRONG)
def test_an_error_carries_the_id_whatever_else_is_wrong(program, name, case):
    with Client(program, f"/sub/{name}") as client:
        client.socket.send(WRONG[case])
        answer = client.until("error")
        assert (answer["id"], answer["error"]["status"]) == (7, 400), answer
        client.socket.send(WRONG[case].encode())
        assert client.until("error")["id"] == 7, "in a binary frame, too"


def test_an_array_is_no_command(program, name):
    other = fresh_name()
    with Client(program, f"/sub/{name}") as client:
        for array in [[[other]], [[other], None, None, None, None, None, 7], []]:
            client.socket.send(json.dumps(array))
            error = client.until("error")["error"]
            assert error["code"] == "command" and "no JSON object" in error["detail"]
        assert program.waiting(other) == 0


def test_a_command_may_come_in_fragments_with_pings_between(program, name):
    command = json.dumps({"subscribe": [name], "id": "née"}, ensure_ascii=False).encode()
    with Frames(program, "/sub/") as frames:
        assert frames.status == 101
        frames.send(TEXT, command[:1], fin=False)
        for at in range(1, len(command) - 1):
            frames.send(PING, b"between %d" % at)
            frames.send(CONTINUATION, command[at : at + 1], fin=False)
        frames.send(CONTINUATION, command[-1:])
        pongs = []
        while True:
            opcode, payload = frames.receive()
            if opcode == PONG:
                pongs.append(payload)
            elif opcode == TEXT and b"subscribed" in payload:
                break
        answer = json.loads(payload)
        del answer["cursor"]
        assert answer == {"subscribed": [name], "messages": [], "id": "née"}
        assert pongs == [b"between %d" % at for at in range(1, len(command) - 1)]


def test_a_ping_frame_is_answered_and_a_pong_ignored(program, name):
    with Frames(program, f"/sub/{name}") as frames:
        frames.send(PONG, b"unasked")
        frames.send(PING, b"x" * 125)
        assert frames.until(PONG) == b"x" * 125


def test_a_close_is_echoed_and_the_stream_ends(program, name):
    with Frames(program, f"/sub/{name}") as frames:
        frames.send(CLOSE, struct.pack(">H", 1000) + b"bye")
        assert frames.close_code() == 1000
        assert frames.wire.rest() == b""
    with Frames(program, f"/sub/{name}") as frames:
        frames.send(CLOSE)
        assert frames.until(CLOSE) == b""
        assert frames.wire.rest() == b""
    program.until_waiting(name, 0)


BROKEN = {
    "not masked": (1002, lambda f: f.send(TEXT, b"{}", masked=False)),
    "a reserved bit": (1002, lambda f: f.send(TEXT, b"{}", reserved=4)),
    "an unknown opcode": (1002, lambda f: f.send(3, b"{}")),
    "an unknown control opcode": (1002, lambda f: f.send(11)),
    "a long ping": (1002, lambda f: f.send(PING, b"x" * 126)),
    "a ping in fragments": (1002, lambda f: f.send(PING, b"x", fin=False)),
    "a continuation of nothing": (1002, lambda f: f.send(CONTINUATION, b"x")),
    "a beginning within a message": (1002, lambda f: f.send(TEXT, b"{", fin=False).send(TEXT, b"}")),
    "a close of one byte": (1002, lambda f: f.send(CLOSE, b"x")),
    "a close with a forbidden code": (1002, lambda f: f.send(CLOSE, struct.pack(">H", 1005))),
    "a close whose reason is no text": (1007, lambda f: f.send(CLOSE, struct.pack(">H", 1000) + b"\xff")),
    "text that is no UTF-8": (1007, lambda f: f.send(TEXT, b"\xff\xfe")),
    "a character cut by the end": (1007, lambda f: f.send(TEXT, b"\xc3")),
    "a surrogate across fragments": (
        1007,
        lambda f: f.send(TEXT, b"\xed", fin=False).send(CONTINUATION, b"\xa0\x80"),
    ),
    "a message over the limit": (1009, lambda f: f.send(TEXT, b"x" * (2 << 20))),
    "a binary message over the limit": (1009, lambda f: f.send(BINARY, b"x" * (2 << 20))),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_frame_is_closed_with_its_code(program, name, case):
    code, send = BROKEN[case]
    with Frames(program, f"/sub/{name}") as frames:
        try:
            send(frames)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert frames.close_code() == code
        frames.wire.rest()
    program.until_waiting(name, 0)


def test_an_announced_length_over_the_limit_is_not_waited_for(program, name):
    with Frames(program, f"/sub/{name}") as frames:
        frames.wire.send(struct.pack(">BBQ", 0x81, 0x80 | 127, 1 << 40) + b"mask")
        assert frames.close_code() == 1009


@pytest.mark.parametrize(
    ("missing", "status"),
    [
        ({"Sec-WebSocket-Version": "12"}, 426),
        ({"Sec-WebSocket-Key": "short"}, 400),
    ],
)
def test_a_broken_handshake_is_refused(program, name, missing, status):
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    } | missing
    with Wire(program.wait_address) as wire:
        wire.get(f"/sub/{name}", **{key: value for key, value in headers.items() if value is not None})
        got, answer, body = wire.response()
    assert got == status, body
    if status == 426:
        assert answer.get("sec-websocket-version") == "13", "RFC 6455, section 4.4: say which one is spoken"


def test_the_handshake_key_is_answered_as_the_standard_says(program, name):
    with Wire(program.wait_address) as wire:
        wire.get(
            f"/sub/{name}",
            Upgrade="websocket",
            Connection="keep-alive, Upgrade",
            Sec_WebSocket_Version="13",
            Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
        )
        status, headers = wire.head()
    assert status == 101
    assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert "sec-websocket-extensions" not in headers


def test_frames_sent_with_the_handshake_are_heard(program, name):
    with Frames(program, f"/sub/{name}") as frames:
        for n in range(50):
            frames.send(TEXT, json.dumps({"ping": n}))
        pongs = []
        while len(pongs) < 50:
            said = json.loads(frames.until(TEXT))
            pongs += [said["pong"]] if "pong" in said else []
        assert pongs == list(range(50))


def test_a_ping_is_answered_with_its_id(program):
    with Frames(program, "/sub/") as ws:
        ws.until(TEXT)
        for said, answer in [({"ping": 1, "id": 7}, {"pong": 1, "id": 7}), ({"ping": None}, {"pong": None})]:
            ws.send(TEXT, json.dumps(said))
            assert json.loads(ws.until(TEXT)) == answer
