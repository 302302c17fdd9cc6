"""What published data is: text, JSON or bytes, by its media type; and what each kind of client gets of it."""

import json

import pytest
from harness.frames import BINARY, TEXT, Frames
from harness.program import Program, fresh_name, request
from harness.wire import Lines, Sse, Wire, datas, poll

LOOKS_LIKE_JSON = ["1.10", "12345678901234567890", "null", "true", '"quoted"', '{"from": "boss"}', "[1,\n2]", " 7 "]
SETTINGS = """
[[wait]]
address = "127.0.0.1:0"
[[wait]]
address = "127.0.0.1:0"
dialect = "realplexor"
[[in]]
address = "127.0.0.1:0"
"""


def publish(program, name, data, kind):
    """Publishes with this media type: status, headers, answer."""
    headers = {"Content-Type": kind} if kind else {}
    status, headers, answer = request(program.in_address, "POST", f"/pub/{name}", data, headers)
    return status, headers, json.loads(answer)


def history(program, name):
    return datas(program.ask(f"/channels/{name}/history")["messages"])


@pytest.mark.parametrize("kind", ["text/plain", "Text/Plain; charset=utf-8", "text/plain;charset=UTF-8;x=y"])
def test_text_is_text_whatever_it_looks_like(program, name, kind):
    for data in LOOKS_LIKE_JSON:
        assert publish(program, name, data.encode(), kind)[0] == 200
    assert history(program, name) == LOOKS_LIKE_JSON
    assert datas(poll(program, f"/sub/{name}?since=0")["messages"]) == LOOKS_LIKE_JSON


def test_a_string_of_a_batch_is_text(program, name):
    items = [{"channel": name, "data": data} for data in LOOKS_LIKE_JSON]
    items += [{"channel": name, "data": "1.10", "content_type": kind} for kind in ("text/csv", "text/html")]
    for body in (json.dumps(items), "\n".join(map(json.dumps, items))):
        status, _, answer = request(program.in_address, "POST", "/pub", body.encode())
        assert status == 200 and b"error" not in answer
    assert history(program, name) == (LOOKS_LIKE_JSON + ["1.10"] * 2) * 2


def test_all_else_of_a_batch_is_json(program, name):
    items = [
        {"channel": name, "data": {"n": 1.10}},
        {"channel": name, "data": None},
        {"channel": name, "data": '{"n": 1}', "json": True},
        {"channel": name, "data": "7", "content_type": "application/json"},
        {"channel": name, "data": "7", "json": False},
        {"channel": name, "data": [7], "json": True},
        {"channel": name, "data": [7], "content_type": "text/plain"},
        {"channel": name, "data": "eyJuIjogMn0=", "base64": True, "content_type": "application/json"},
    ]
    status, _, answer = request(program.in_address, "POST", "/pub", json.dumps(items).encode())
    assert status == 200 and b"error" not in answer, answer
    assert history(program, name) == [{"n": 1.1}, None, {"n": 1}, 7, "7", [7], "[7]", {"n": 2}]


def test_json_that_is_none_is_refused(program, name):
    for kind in ["application/json", "Application/JSON; charset=utf-8", "application/vnd.shop.order+json"]:
        for data in [b"hello", b"", b"{", b"1 2", b"\xff", b"NaN"]:
            status, _, problem = publish(program, name, data, kind)
            assert (status, problem["code"]) == (400, "data"), (kind, data)
            assert "Content-Type: text/plain" in problem["detail"]
        assert publish(program, name, b' {"n":\r\n 1} ', kind)[0] == 200
    bad = [
        ({"data": "hello", "json": True}, "data"),
        ({"data": "hello", "content_type": "application/json"}, "data"),
        ({"data": "aGVsbG8=", "base64": True, "content_type": "application/json"}, "data"),
        ({"data": "aGVsbG8=", "base64": True, "json": True}, "json"),
        ({"data": "7", "json": "yes"}, "json"),
    ]
    items = [{"channel": name} | item for item, _ in bad]
    status, _, answers = request(program.in_address, "POST", "/pub", json.dumps(items).encode())
    assert status == 200
    assert [answer["error"]["code"] for answer in json.loads(answers)] == [code for _, code in bad]
    assert history(program, name) == [{"n": 1}] * 3
    assert program.ask("/stats")["in"]["refused"]["data"] >= 21


def test_without_a_type_and_with_any_other_what_is_json_is_json(program, name):
    for kind in [None, "application/x-www-form-urlencoded", "text/html", "application/xml"]:
        assert publish(program, name, b'{"n": 1}', kind)[0] == 200
        assert publish(program, name, b"{n: 1}", kind)[0] == 200
    assert history(program, name) == [{"n": 1}, "{n: 1}"] * 4


def test_text_that_was_json_until_now_is_warned_of(program, name):
    def warned(data, kind):
        status, headers, _ = publish(program, name, data, kind)
        assert status == 200
        return headers.get("multiplexor-warning")

    for data in [b'{"from": "boss"}', b" [1]\n", b"{}"]:
        warning = warned(data, "text/plain;charset=UTF-8")
        assert "application/json" in warning and warning.isascii()
        assert not warned(data, "application/json")
        assert not warned(data, None)
    for data in [b"hello", b"7", b"null", b'"x"', b"{n: 1}", b"[see below]", b""]:
        assert not warned(data, "text/plain")
    item = {"channel": name, "data": '{"n": 1}'}
    for items, is_warned in [
        ([item], True),
        ([{"channel": name, "data": "x"}, item], True),
        (item, True),
        ([item | {"json": True}], False),
        ([{"channel": name, "data": {"n": 1}}], False),
    ]:
        status, headers, _ = request(program.in_address, "POST", "/pub", json.dumps(items).encode())
        assert status == 200
        assert ("multiplexor-warning" in headers) == is_warned, items


def test_a_form_with_parts_is_no_message(program, name):
    form = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'
    for path in (f"/pub/{name}", "/pub"):
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        status, _, answer = request(program.in_address, "POST", path, form, headers)
        assert (status, json.loads(answer)["code"]) == (415, "content-type")
    assert history(program, name) == []


def test_each_transport_shows_text_as_text(program, name):
    with (
        Sse(program, f"/sub/{name}?envelope=1") as sse,
        Sse(program, f"/sub/{name}") as bare,
        Lines(program, f"/sub/{name}") as lines,
        Lines(program, f"/sub/{name}?raw=1") as raw,
        Frames(program, f"/sub/{name}") as ws,
        Frames(program, f"/sub/{name}?raw=1") as raw_ws,
    ):
        program.until_waiting(name, 6)
        ws.until(TEXT)
        publish(program, name, b'{"n": 1.10}', "text/plain")
        assert json.loads(sse.event()[1])["data"] == '{"n": 1.10}'
        assert bare.event()[1] == '{"n": 1.10}'
        assert lines.message()["data"] == '{"n": 1.10}'
        assert raw.wire.until(b"}\n").strip() == b'{"n": 1.10}'
        assert json.loads(ws.until(TEXT))["data"] == '{"n": 1.10}'
        assert raw_ws.until(TEXT) == b'{"n": 1.10}'
        publish(program, name, b"\xff", "text/plain")
        assert raw_ws.until(BINARY) == b"\xff", "what is no UTF-8 is bytes, whatever is said of it"


def test_clients_of_old_dialects_get_text_as_text(tmp_path):
    file = tmp_path / "multiplexor.toml"
    file.write_text(SETTINGS)
    program = Program("--config", str(file), ports=False)
    try:
        ident = fresh_name().replace(".", "_")
        (host, port), other = program.wait_address, program.waits[1].rsplit(":", 1)
        with Wire((host, port)).send(f"identifier={ident}\n") as classic:
            program.until_waiting(ident)
            assert publish(program, ident, b'{"n": 1.10}', "text/plain")[0] == 200
            assert classic.rest().endswith(b'\r\n\r\n{"n": 1.10}')
        with Wire((other[0], int(other[1]))).send(f"identifier=0:{ident}\n") as realplexor:
            answer = realplexor.rest().split(b"\r\n\r\n", 1)[1]
        assert json.loads(answer)[0]["data"] == '{"n": 1.10}'
    finally:
        program.stop()


def test_text_stays_text_over_a_restart(tmp_path):
    folder = str(tmp_path / "store")
    program = Program("--store", folder)
    kinds = [(b"[7]", "text/plain"), (b"[7]", "application/json"), (b"[7]", None), (b"[7]", "image/png")]
    for data, kind in kinds:
        assert publish(program, "a", data, kind)[0] == 200
    request(program.in_address, "POST", "/pub", b'[{"channel": "a", "data": "7", "content_type": "text/csv"}]')
    before = program.ask("/channels/a/history")["messages"]
    assert datas(before) == ["[7]", [7], [7], "Wzdd", "7"]
    program.stop()
    program = Program("--store", folder)
    assert program.ask("/channels/a/history")["messages"] == before
    program.stop()


def test_a_repeat_may_come_in_another_form(program, name):
    headers = {"Idempotency-Key": "k", "Content-Type": "text/plain"}
    first = request(program.in_address, "POST", f"/pub/{name}", b"x", headers)[2]
    item = {"channel": name, "data": "x", "key": "k", "content_type": "text/plain"}
    assert request(program.in_address, "POST", "/pub", json.dumps(item).encode())[2] == first
    status, _, answer = request(program.in_address, "POST", f"/pub/{name}", b"[x]", headers)
    assert (status, json.loads(answer)["code"]) == (422, "key-reused")
