"""The IN line and the streams through `httpx`, as an application server would use them."""

import json
import re

import httpx
import pytest
from harness.program import PATIENCE_S, Program, fresh_name, place, until
from harness.wire import datas, poll


@pytest.fixture(scope="module")
def client(program):
    with httpx.Client(base_url=program.in_url, timeout=PATIENCE_S) as client:
        yield client


@pytest.fixture(scope="module")
def waits(program):
    with httpx.Client(base_url=program.wait_url, timeout=PATIENCE_S) as client:
        yield client


def test_an_event_stream_is_read_line_by_line(program, waits, name):
    with waits.stream("GET", f"/sub/{name}", headers={"Accept": "text/event-stream"}) as response:
        lines = response.iter_lines()
        assert next(lines).startswith("retry: ")
        program.publish(name, "hello")
        assert "data: hello" in (line for line in lines)


def test_a_stream_is_read_line_by_line(program, waits, name):
    with waits.stream("GET", f"/sub/{name}", headers={"Accept": "application/x-ndjson"}) as response:
        lines = response.iter_lines()
        assert set(json.loads(next(lines))) == {"cursor", "connection"}
        program.publish(name, "hello")
        assert json.loads(next(lines))["data"] == "hello"


def test_a_publish_tells_who_waits_and_who_is_online(program, client, waits, name):
    other = fresh_name()
    with waits.stream("GET", f"/sub/{name}", headers={"Accept": "text/event-stream"}) as response:
        lines = response.iter_lines()  # to be kept: what nobody holds, httpx closes
        next(lines)
        program.until_waiting(name)
        answer = client.post(f"/pub/{name},{other}", content="x").json()
    assert answer["channels"] == {
        name: {"waiting": 1, "online": True},
        other: {"waiting": 0, "online": False},
    }
    program.until_waiting(name, 0)
    answer = client.post(f"/pub/{name}", content="x").json()
    assert answer["channels"] == {name: {"waiting": 0, "online": True}}, "online for the grace after it left"


def test_a_channel_goes_offline_after_the_grace(serve, name):
    program = serve("--grace", "1s")
    httpx_timeout = httpx.Timeout(PATIENCE_S)
    with httpx.stream(
        "GET", f"{program.wait_url}/sub/{name}?transport=sse", timeout=httpx_timeout
    ) as response:
        lines = response.iter_lines()  # to be kept: what nobody holds, httpx closes
        next(lines)
        program.until_waiting(name)
    until(lambda: not program.post(name, "x")["channels"][name]["online"], "it goes offline")


def test_cursors_of_publishes_increase(client, name):
    cursors = [client.post(f"/pub/{name}", content=str(n)).json()["cursor"] for n in range(50)]
    assert cursors == sorted(set(cursors), key=place)


def test_channels_lists_who_is_online(program, client, waits, name):
    names = [f"{name}.{letter}" for letter in "abc"]
    with waits.stream("GET", "/sub/" + ",".join(names), headers={"Accept": "text/event-stream"}) as response:
        lines = response.iter_lines()  # to be kept: what nobody holds, httpx closes
        next(lines)
        program.until_waiting(names[-1])
        listed = client.get("/channels", params={"prefix": name}).json()
        assert listed == {"channels": [{"name": n, "waiting": 1, "online": True} for n in names]}
        first = client.get("/channels", params={"prefix": name, "limit": 2}).json()
        assert [channel["name"] for channel in first["channels"]] == names[:2]
        assert "next" in first


def test_a_channel_is_described(client, name):
    cursors = [client.post(f"/pub/{name}", content=data).json()["cursor"] for data in ["a", "bcd"]]
    assert client.get(f"/channels/{name}").json() == {
        "name": name,
        "waiting": 0,
        "online": False,
        "history": {"messages": 2, "bytes": 4, "first": cursors[0], "last": cursors[1]},
    }


def test_stats_count(client, name):
    before = client.get("/stats").json()
    client.post(f"/pub/{name}", content="x")
    after = client.get("/stats").json()
    assert after["published"] == before["published"] + 1
    assert after["history"]["messages"] == before["history"]["messages"] + 1
    assert re.fullmatch(r"\d+\.\d+\.\d+", after["version"])


def test_ready_means_every_shard_answered(client):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.text.strip()) == (200, "ready")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1", "localhost", "localhost:10010", "[::1]:5", "10.1.2.3"]
)
def test_an_address_or_localhost_is_a_good_host(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:10010", "127.0.0.1.evil.example", "localhost.evil"]
)
def test_a_foreign_host_is_refused(client, host, name):
    answer = client.post(f"/pub/{name}", content="x", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (403, "host")


def test_a_configured_name_is_a_good_host(serve, name):
    program = serve("--in-hosts", "push.example")
    answer = httpx.post(f"{program.in_url}/pub/{name}", content="x", headers={"Host": "push.example:10010"})
    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1", "file://"])
def test_a_foreign_origin_is_refused(client, origin, name):
    answer = client.post(f"/pub/{name}", content="x", headers={"Origin": origin})
    assert (answer.status_code, answer.json()["code"]) == (403, "origin")


def test_its_own_origin_is_a_good_one(program, client, name):
    answer = client.post(f"/pub/{name}", content="x", headers={"Origin": program.in_url})
    assert answer.status_code == 200


def test_a_payload_over_the_limit_is_413(client, name):
    answer = client.post(f"/pub/{name}", content=b"x" * 999_001)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload")
    assert client.post(f"/pub/{name}", content=b"x" * 999_000).status_code == 200


def test_the_payload_limit_is_a_setting(serve, name):
    program = serve("--payload-limit", "10")
    assert httpx.post(f"{program.in_url}/pub/{name}", content="x" * 10).status_code == 200
    assert httpx.post(f"{program.in_url}/pub/{name}", content="x" * 11).status_code == 413


def test_a_chunked_publish_is_read(program, client, name):
    answer = client.post(f"/pub/{name}", content=(part for part in [b"one", b" ", b"two"]))
    assert answer.status_code == 200
    assert datas(poll(program, f"/sub/{name}?since=0")["messages"]) == ["one two"]


def test_ttl_zero_is_never_kept_but_heard_by_who_waits(program, client, waits, name):
    with waits.stream("GET", f"/sub/{name}", headers={"Accept": "text/event-stream"}) as response:
        lines = response.iter_lines()
        next(lines)
        program.until_waiting(name)
        cursor = client.post(f"/pub/{name}?ttl=0", content="now or never").json()["cursor"]
        assert "data: now or never" in (line for line in lines)
    program.publish(name, "kept")
    document = poll(program, f"/sub/{name}?since=0")
    assert datas(document["messages"]) == ["kept"]
    before = cursor[:7] + "0"
    assert "gap" not in poll(program, f"/sub/{name}?since={before}"), "a ttl is leave to forget"


def test_a_ttl_expires(program, name):
    start = program.publish(name, "stays")
    program.publish(name, "goes", Multiplexor_TTL="0.5")
    until(
        lambda: datas(poll(program, f"/sub/{name}?since=0")["messages"]) == ["stays"],
        "the message with a ttl is gone",
    )
    program.publish(name, "end")
    document = poll(program, f"/sub/{name}?since={start}")
    assert datas(document["messages"]) == ["end"]
    assert "gap" not in document


def test_history_ages(serve, name):
    program = serve("--history-age", "1s")
    start = program.publish(name, "old")
    program.publish(name, "old too")
    until(lambda: program.ask("/stats")["history"]["messages"] == 0, "the old ones are gone")
    program.publish(name, "new")
    document = poll(program, f"/sub/{name}?since={start}")
    assert document["gap"] is True
    assert datas(document["messages"]) == ["new"]


def test_the_history_of_all_channels_is_bounded_together(serve, name):
    program = serve("--history-budget", "64KiB")
    for n in range(100):
        program.publish(f"{name}.{n}", "x" * 4096)
    until(lambda: program.ask("/stats")["history"]["bytes"] <= 64 << 10, "the budget is kept")
    assert program.ask(f"/channels/{name}.99")["history"]["messages"] == 1


def test_a_channel_keeps_no_more_bytes_than_set(serve, name):
    program = serve("--history-bytes", "10KiB")
    for n in range(10):
        program.publish(name, str(n) * 4000)
    kept = program.ask(f"/channels/{name}")["history"]
    assert kept["messages"] == 2
    assert kept["bytes"] == 8000


def test_settings_come_from_the_environment_too(name):
    program = Program(env={"MULTIPLEXOR_HISTORY_MESSAGES": "2"})
    try:
        for n in range(4):
            program.publish(name, str(n))
        assert program.ask(f"/channels/{name}")["history"]["messages"] == 2
    finally:
        program.stop()


def test_a_flag_beats_the_environment(name):
    program = Program("--history-messages", "3", env={"MULTIPLEXOR_HISTORY_MESSAGES": "2"})
    try:
        for n in range(4):
            program.publish(name, str(n))
        assert program.ask(f"/channels/{name}")["history"]["messages"] == 3
    finally:
        program.stop()
