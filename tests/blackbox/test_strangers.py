"""What a stranger can cost: bytes that come back for bytes sent, and the time of others."""

import gzip
import json
import re
import zlib

import pytest
from harness.frames import TEXT, Frames
from harness.wire import Wire, is_cursor

QUOTED_MAX = 80
LONG = "x" * 5000


def longest_run(text):
    """How much of what was sent, which is all x, stands in an answer at one place."""
    text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return max((len(run) for run in re.findall("x+", text)), default=0)


def ask(frames, **words):
    """The answer to a command; cursors, which come by themselves, are passed over."""
    frames.send(TEXT, json.dumps(words))
    while True:
        answer = json.loads(frames.until(TEXT))
        if not is_cursor(answer):
            return answer


def deflated(text):
    coder = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (coder.compress(text.encode()) + coder.flush(zlib.Z_SYNC_FLUSH)).removesuffix(b"\0\0\xff\xff")


def test_an_id_of_more_than_64_bytes_is_refused_and_not_repeated(program, name):
    with Frames(program, f"/sub/{name}") as frames:
        fits = "i" * 62
        assert ask(frames, subscribe=[name], id=fits)["id"] == fits
        for command in [{"subscribe": [name]}, {"unsubscribe": [name]}, {"token": "t"}, {"ping": 1}]:
            answer = ask(frames, **command, id="i" * 63)
            assert answer["error"]["code"] == "command" and "at most 64" in answer["error"]["detail"], answer
            assert "id" not in answer


def test_a_ping_in_json_repeats_no_more_than_a_ping_of_the_websocket(program, name):
    with Frames(program, f"/sub/{name}") as frames:
        assert ask(frames, ping="p" * 123) == {"pong": "p" * 123}
        answer = ask(frames, ping="p" * 124, id=3)
        assert answer["error"]["code"] == "command" and "at most 125" in answer["error"]["detail"], answer
        assert ask(frames, ping=[1] * 60000)["error"]["code"] == "command"


def test_later_pages_of_a_subscription_do_not_repeat_its_names(program, name):
    for n in range(100):
        program.publish(name, str(n))
    names = [name] + [f"{name}.{n}.{'x' * 200}" for n in range(999)]
    with Frames(program, "/sub/") as frames:
        pages = [ask(frames, subscribe=names, since=0, id=1)]
        while "more" in pages[-1]:
            pages.append(json.loads(frames.until(TEXT)))
    assert sorted(pages[0]["subscribed"]) == sorted(names)
    assert len(pages) > 1 and all(page["subscribed"] == [] and page["id"] == 1 for page in pages[1:])
    assert sum(len(page["messages"]) for page in pages) == 100


@pytest.mark.parametrize(
    "command",
    [
        {LONG: 1},
        {"subscribe": LONG},
        {"subscribe": [{LONG: 1}]},
        {"subscribe": [LONG]},
        {"subscribe": ["a"], "since": LONG},
        {"subscribe": ["a"], "tail": LONG},
        {"subscribe": ["$" + "x" * 200]},
        {"token": LONG},
    ],
)
def test_no_error_of_a_websocket_repeats_more_than_80_characters(program, command):
    with Frames(program, "/sub/") as frames:
        answer = ask(frames, **command)
    assert answer["error"]["status"] >= 400
    assert longest_run(json.dumps(answer)) <= QUOTED_MAX, answer


@pytest.mark.parametrize(
    "path",
    [
        f"/{LONG}",
        f"/sub/a?since={LONG}",
        f"/sub/a?transport={LONG}",
        f"/sub/a?raw={LONG}",
        f"/sub/a?tail={LONG}",
        f"/sub/a?wait={LONG}",
        f"/sub/a?token={LONG}.{LONG}.{LONG}",
        f"/sub/{LONG}",
        f"/sub/%24{LONG}",
    ],
)
def test_no_error_of_the_wait_line_repeats_more_than_80_characters(program, path):
    for method in ["GET", "POST", "XXX"]:
        with Wire(program.wait_address) as wire:
            status, headers, body = wire.get(path, method=method).response()
        if status < 400:
            continue
        assert longest_run(body.lower()) <= QUOTED_MAX, (path[:40], body)
        assert longest_run(json.dumps(headers).lower()) <= QUOTED_MAX, (path[:40], headers)


def test_a_preflight_repeats_no_long_list(program):
    asked = {"Origin": "http://a.example", "Access_Control_Request_Method": "GET"}
    for count, repeated in [(10, True), (2000, False)]:
        with Wire(program.wait_address) as wire:
            wire.get("/sub/a", method="OPTIONS", **asked, Access_Control_Request_Headers=",".join(["x-a"] * count))
            _, headers, _ = wire.response()
        assert (headers["access-control-allow-headers"] == ",".join(["x-a"] * count)) is repeated


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (f"/{LONG}", b"", {}),
        (f"/pub/{LONG}", b"1", {}),
        (f"/pub/a?ttl={LONG}", b"1", {}),
        (f"/pub/a?event={LONG}", b"1", {}),
        (f"/pub/a?key={LONG}", b"1", {}),
        ("/pub/a", b"1", {"Idempotency_Key": LONG}),
        ("/pub/a", b"1", {"Multiplexor_TTL": LONG}),
        ("/pub/a", b"1", {"Host": LONG}),
        ("/pub/a", b"1", {"Origin": "http://" + LONG}),
        ("/pub", b"[" + LONG.encode() + b"]", {}),
        ("/pub", LONG.encode(), {}),
        ("/pub", json.dumps([{"channel": "a", "data": 1, LONG: 1}]).encode(), {}),
        ("/pub", json.dumps([LONG]).encode(), {}),
        ("/pub", json.dumps({"channel": {LONG: 1}, "data": 1}).encode(), {}),
        ("/pub", json.dumps({"channels": LONG, "data": 1}).encode(), {}),
        ("/pub", json.dumps({"channel": "a", "data": 1, "event": [LONG]}).encode(), {}),
        ("/pub", json.dumps({"channel": "a", "data": LONG + "!", "base64": True}).encode(), {}),
        (f"/channels/{LONG}", b"", {}),
        (f"/channels?limit={LONG}", b"", {}),
        (f"/channels?all={LONG}", b"", {}),
        (f"/channels/a/history?since={LONG}", b"", {}),
        (f"/watch?transport={LONG}", b"", {}),
        (f"/refused?limit={LONG}", b"", {}),
    ],
)
def test_no_error_of_the_in_line_repeats_more_than_80_characters(program, path, body, headers):
    # The words of a batch that the answer repeats for whoever published it are errors, too.
    with Wire(program.in_address) as wire:
        lines = {"Host": "localhost", **headers}
        method = "POST" if body else "GET"
        head = [f"{method} {path} HTTP/1.1"] + [f"{key.replace('_', '-')}: {value}" for key, value in lines.items()]
        wire.send("\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body)
        status, headers, answer = wire.response()
    assert status >= 400 or b'"error"' in answer, (status, answer)
    assert longest_run(answer.lower()) <= QUOTED_MAX, answer
    assert longest_run(json.dumps(headers)) <= QUOTED_MAX, headers


def test_what_was_refused_is_kept_in_short_words(serve):
    program = serve("--listen", "token", "--token-secret", "s" * 32)
    names = ",".join(f"{'x' * 200}{n}" for n in range(20))
    with Wire(program.wait_address) as wire:
        assert wire.get(f"/sub/{names}").response()[0] == 401
    (refused,) = program.ask("/refused")["refused"]
    assert longest_run(json.dumps(refused)) <= QUOTED_MAX and len(json.dumps(refused)) < 1000, refused


def test_a_message_that_becomes_too_many_times_as_long_ends_the_connection(program):
    offer = {"Sec_WebSocket_Extensions": "permessage-deflate"}
    with Frames(program, "/sub/", **offer) as frames:
        frames.send(TEXT, deflated('{"ping":"' + "p" * 100 + '"}'), reserved=4)
        assert json.loads(frames.until(TEXT)).keys() == {"cursor", "connection"}
        assert json.loads(frames.until(TEXT)) == {"pong": "p" * 100}
        whole = '{"subscribe":[' + ",".join(['"a"'] * 65000) + "]}"
        bomb = deflated(whole)
        assert len(whole) > 500 * len(bomb)
        frames.send(TEXT, bomb, reserved=4)
        assert frames.close_code() == 1009
    with Frames(program, "/sub/", **offer) as frames:
        names = [f"tenant-0123456789abcdef-0123456789abcdef/room/{n:04}" for n in range(1000)]
        frames.send(TEXT, deflated(json.dumps({"subscribe": names})), reserved=4)
        frames.until(TEXT)
        assert sorted(json.loads(frames.until(TEXT))["subscribed"]) == names


def test_a_crowd_that_asks_for_much_fills_turns_and_everybody_is_answered(serve, name):
    program = serve("--shards", "1")
    for n in range(64):
        program.publish(name, f"{n}:" + "x" * 200)
    crowd = [Wire(program.wait_address) for _ in range(8)]
    page = f"/sub/{name}?since=0&wait=0"
    for wire in crowd:
        for _ in range(32):
            wire.get(page, Accept_Encoding="gzip")
    with Wire(program.wait_address) as other:
        status, _, body = other.get(page).response()
    assert status == 200
    for wire in crowd:
        for _ in range(32):
            status, headers, answer = wire.response()
            # Compressed while there was time for it, and the same in any case.
            plain = gzip.decompress(answer) if "content-encoding" in headers else answer
            assert plain.partition(b',"connection":')[0] == body.partition(b',"connection":')[0]
        wire.close()
    assert len(json.loads(body)["messages"]) == 64
    assert program.metric("multiplexor_wait_full_turns_total") > 0


def test_what_is_looked_at_for_a_list_of_realplexor_is_counted(serve, tmp_path):
    settings = tmp_path / "multiplexor.toml"
    line = 'address = "127.0.0.1:0"\ndialect = "realplexor"\n'
    settings.write_text(f"[[wait]]\n{line}[[in]]\n{line}[[in]]\naddress = \"127.0.0.1:0\"\n")
    program = serve("--config", str(settings), ports=False)
    ids = [f"i{n}" for n in range(200)]
    host, port = program.ins[0].rsplit(":", 1)
    for n in range(1, 101):
        with Wire((host, int(port))) as wire:
            listed = ",".join(f"{n}:{one}" for one in ids)
            wire.send(f"POST / HTTP/1.0\r\nX-Realplexor: identifier={listed}\r\nContent-Length: 1\r\n\r\n1")
            assert wire.rest().startswith(b"HTTP/1.1 200")
    with Wire(program.wait_address) as wire:
        wire.send(f"identifier={','.join(f'98:{one}' for one in ids[:199])}\n")
        reply = json.loads(wire.rest().split(b"\r\n\r\n", 1)[1])
    assert [message["data"] for message in reply] == [1, 1]
    host, port = program.ins[1].rsplit(":", 1)
    program.ins[0] = program.ins[1]
    # About each of them, but not all 100 of each.
    assert 199 <= program.metric("multiplexor_history_read_messages_total") <= 199 * 20
