"""The id of a connection: told once, to its client alone, and kept by who comes back with it."""

import base64
import gzip
import json

import pytest
from harness.program import request
from harness.wire import Lines, Sse, Wire
from websockets.sync.client import connect


def of_sse(program, path):
    with Sse(program, path) as stream:
        return json.loads(dict(stream.block())["data"])["connection"]


def of_stream(program, path):
    with Lines(program, path) as stream:
        return stream.object()["connection"]


def of_websocket(program, path):
    with connect(program.ws_url + path, ping_interval=None) as socket:
        return json.loads(socket.recv(timeout=30))["connection"]


def of_poll(program, path):
    with Wire(program.wait_address) as wire:
        return json.loads(wire.get(f"{path}{'&' if '?' in path else '?'}wait=0").response()[2])["connection"]


WAYS = {"sse": of_sse, "stream": of_stream, "websocket": of_websocket, "poll": of_poll}


@pytest.mark.parametrize("way", WAYS)
def test_each_connection_has_an_id_that_nobody_guesses(program, name, way):
    ids = [WAYS[way](program, f"/sub/{name}") for _ in range(5)]
    assert len(set(ids)) == 5
    assert all(len(base64.urlsafe_b64decode(one + "==")) == 16 for one in ids)
    assert len({one[:8] for one in ids}) == 5, "they have nothing in common"


@pytest.mark.parametrize("way", WAYS)
def test_who_comes_back_keeps_the_id_on_any_shard_and_by_any_way(serve, name, way):
    program = serve("--shards", "2")
    first = WAYS[way](program, f"/sub/{name}")
    for _ in range(4):
        for other in WAYS.values():
            program.until_waiting(name, 0)
            assert other(program, f"/sub/{name}?connection={first}") == first


def test_an_id_in_use_is_given_to_nobody_else(serve, name):
    program = serve("--shards", "2")
    with Sse(program, f"/sub/{name}") as stream:
        one = json.loads(dict(stream.block())["data"])["connection"]
        for _ in range(4):
            assert all(other(program, f"/sub/{name}?connection={one}") != one for other in WAYS.values())


def test_a_restart_gives_other_ids(serve, name):
    first = of_poll(serve(), f"/sub/{name}")
    assert of_poll(serve(), f"/sub/{name}?connection={first}") != first


def test_a_chain_of_compressed_polls_is_one_connection(program, name):
    data = json.dumps({"text": "all of you " * 100})
    since, one = program.publish(name, data), ""
    for _ in range(3):
        program.publish(name, data)
        path = f"/sub/{name}?since={since}&connection={one}"
        _, headers, body = request(program.wait_address, "GET", path, headers={"Accept-Encoding": "gzip"})
        assert headers["content-encoding"] == "gzip"
        document = json.loads(gzip.decompress(body))
        assert len(document["messages"]) == 1 and document["connection"] == (one or document["connection"])
        since, one = document["cursor"], document["connection"]


def test_what_is_no_id_is_refused(program, name):
    with Wire(program.wait_address) as wire:
        status, _, body = wire.get(f"/sub/{name}?connection=me").response()
        assert (status, json.loads(body)["code"]) == (400, "connection")
        assert wire.get(f"/sub/{name}?connection=&wait=0").response()[0] == 200


def published(program, path, body, **headers):
    return request(program.in_address, "POST", path, body, headers={k.replace("_", "-"): v for k, v in headers.items()})


@pytest.mark.parametrize("shards", ["1", "2"])
def test_the_connection_that_a_publisher_names_is_not_given_the_message(serve, name, shards):
    program = serve("--shards", shards)
    with Lines(program, f"/sub/{name}") as mine, Lines(program, f"/sub/{name}") as other:
        one, since = (first := mine.object())["connection"], first["cursor"]
        other.object()
        assert published(program, f"/pub/{name}", "by header", Multiplexor_Except=one)[0] == 200
        items = [{"channel": name, "data": "by item", "except": one}, {"channel": name, "data": "to all", "except": None}]
        assert published(program, "/pub", json.dumps(items))[0] == 200
        assert published(program, "/pub", json.dumps([{"channel": name, "data": "by batch"}]), Multiplexor_Except=one)[0] == 200
        program.publish(name, "last")
        assert [mine.message()["data"] for _ in range(2)] == ["to all", "last"]
        assert [other.message()["data"] for _ in range(5)] == ["by header", "by item", "to all", "by batch", "last"]
    # It stays with the message: who comes back with that id is not given it, and all others are.
    def data(connection):
        with Wire(program.wait_address) as wire:
            body = wire.get(f"/sub/{name}?wait=0&since={since}{connection}").response()[2]
        return [message["data"] for message in json.loads(body)["messages"]]

    program.until_waiting(name, 0)
    assert data(f"&connection={one}") == ["to all", "last"]
    assert data("") == ["by header", "by item", "to all", "by batch", "last"]


def test_an_id_that_cannot_be_one_is_refused_and_one_of_nobody_is_not(program, name):
    status, _, body = published(program, f"/pub/{name}", "x", Multiplexor_Except="me")
    assert (status, json.loads(body)["code"]) == (400, "connection")
    status, _, body = published(program, "/pub", json.dumps([{"channel": name, "data": 1, "except": 7}]))
    assert json.loads(body)[0]["error"]["code"] == "connection"
    assert published(program, f"/pub/{name}", "x", Multiplexor_Except="A" * 22)[0] == 200


def test_what_is_kept_knows_its_exception_after_a_restart(serve, tmp_path, name):
    store = ["--store", str(tmp_path / "store")]
    program = serve(*store)
    one = of_poll(program, f"/sub/{name}")
    assert published(program, f"/pub/{name}", "hidden", Multiplexor_Except=one)[0] == 200
    program.stop()
    program = serve(*store)
    # Ids are of one start: whoever it was is somebody else now, and is told all.
    with Wire(program.wait_address) as wire:
        body = wire.get(f"/sub/{name}?wait=0&since=0&connection={one}").response()[2]
    assert [message["data"] for message in json.loads(body)["messages"]] == ["hidden"]
