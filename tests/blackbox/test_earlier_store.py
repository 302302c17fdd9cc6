"""A store that an earlier version of the program wrote is opened by this one, and everybody goes on where he was.

The folder was written by a release build of the code of version 1 of the store (its clock set to the year 2100, so that
nothing in it is ever too old): one client waited on `news` and `lobby`, and saw the second and the third message; `order-1`
was the key of the second; the channel `deleted` got a message and was deleted. Then it was stopped by SIGTERM.
"""

import json
import pathlib
import shutil

import pytest
from harness.program import place, request
from harness.wire import Wire, datas

FOLDER = pathlib.Path(__file__).parent / "fixtures" / "store-of-version-1"
FIRST, SECOND, THIRD, BYTES, DELETED = ("a0qO3Gv1", "a0qO3Gv2", "a0qO3Gv5", "a0qO3Gv6", "a0qO3Gv7")


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    shutil.copytree(FOLDER, folder)
    for path in [folder, *folder.iterdir()]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    return folder


def poll(program, names, since):
    status, _, body = request(program.wait_address, "GET", f"/sub/{names}?wait=0&since={since}")
    assert status == 200
    return json.loads(body)


def history(program, name):
    return program.ask(f"/channels/{name}/history")["messages"]


def test_messages_keys_and_presence_are_there_as_they_were(serve, store):
    program = serve("--store", str(store), "--grace", "1h")
    kept = history(program, "news")
    assert [message["cursor"] for message in kept] == [FIRST, SECOND, THIRD]
    assert datas(kept) == ["first", {"n": 2}, "third"]
    assert [message.get("event") for message in kept] == [None, None, "note"]
    assert [message["cursor"] for message in history(program, "bytes")] == [BYTES]
    online = {channel["name"]: channel["online"] for channel in program.ask("/channels")["channels"]}
    assert online == {"lobby": True, "news": True}, "who was there is there for the grace"
    again = program.post("news,other", '{"n": 2}', Idempotency_Key="order-1")
    assert again["cursor"] == SECOND, "a repeat is answered as it was then"
    assert len(history(program, "news")) == 3


def test_a_client_goes_on_exactly_where_it_was(serve, store):
    program = serve("--store", str(store))
    with Wire(program.wait_address) as wire:
        wire.get("/sub/news,lobby", Accept="text/event-stream", Last_Event_ID=SECOND)
        program.until_waiting("lobby")
        fourth = program.publish("lobby", "fourth")
        told = wire.until(b"fourth").decode()
        assert f"id: {THIRD}" in told and "event: gap" not in told
        assert "first" not in told and '"n": 2' not in told
    assert place(fourth) > place(DELETED)
    page = poll(program, "news,lobby", THIRD)
    assert (datas(page["messages"]), page.get("gap")) == (["fourth"], None)
    assert poll(program, "deleted", BYTES).get("gap"), "what was deleted is told as gone"


def test_it_is_a_store_of_this_version_from_then_on(serve, store):
    program = serve("--store", str(store))
    cursor = program.publish("news", "later")
    program.stop()
    assert (store / "store").read_text().startswith("multiplexor store 2\n")
    program = serve("--store", str(store))
    assert [message["cursor"] for message in history(program, "news")] == [FIRST, SECOND, THIRD, cursor]
