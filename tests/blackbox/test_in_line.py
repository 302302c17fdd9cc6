"""The IN line of the real program: batches, keys, history, deletion, watching, metrics."""

import glob
import json
import re
import threading
import time

import pytest
from harness.program import request, until
from harness.wire import Lines, Sse, Wire, datas, poll


def batch(program, body, **headers):
    """Publishes a batch: status, answer."""
    headers = {key.replace("_", "-"): value for key, value in headers.items()}
    status, _, answer = request(program.in_address, "POST", "/pub", body.encode(), headers)
    return status, answer.decode()


def metrics(program):
    """Every metric, summed over its labels."""
    status, headers, text = request(program.in_address, "GET", "/metrics")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    sums = {}
    for line in text.decode().splitlines():
        if line.startswith("#"):
            assert re.fullmatch(r"# (HELP \w+ .+|TYPE \w+ (counter|gauge|histogram))", line), line
            continue
        name, value = re.fullmatch(r"(\w+)(?:\{\w+=\"[^\"]*\"\})? (\S+)", line).groups()
        sums[name] = sums.get(name, 0) + float(value)
    return sums


def test_a_batch_reaches_its_channels(program, name):
    items = [{"channel": name, "data": {"n": n}} for n in range(3)] + [{"channel": "$", "data": 1}]
    status, array = batch(program, json.dumps(items))
    assert status == 200
    assert [sorted(answer) for answer in json.loads(array)] == [["channels", "cursor"]] * 3 + [["error"]]
    status, lines = batch(program, "\n".join(map(json.dumps, items)), Content_Type="application/x-ndjson")
    assert status == 200
    assert len(lines.splitlines()) == 4
    assert datas(poll(program, f"/sub/{name}?since=0")["messages"]) == [{"n": n} for n in (0, 1, 2)] * 2


def test_a_lone_bad_object_is_refused(program):
    status, answer = batch(program, '{"chanel": "a", "data": 1}')
    assert status == 400
    assert "`chanel`" in json.loads(answer)["detail"]


def test_concurrent_repeats_give_one_message(program, name):
    answers = []

    def repeat():
        answers.append(program.post(name, "x", Idempotency_Key=f"key of {name}"))

    threads = [threading.Thread(target=repeat) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(answer == answers[0] for answer in answers)
    assert len(answers) == 20
    assert datas(poll(program, f"/sub/{name}?since=0")["messages"]) == ["x"]


def test_history_is_what_a_client_would_get(program, name):
    for n in range(5):
        program.publish(name, f"m{n}")
    first = program.ask(f"/channels/{name}/history?limit=2")
    assert (datas(first["messages"]), first["more"]) == (["m0", "m1"], True)
    rest = program.ask(f"/channels/{name}/history?since={first['cursor']}")
    assert (datas(rest["messages"]), "more" in rest) == (["m2", "m3", "m4"], False)
    assert poll(program, f"/sub/{name}?since={first['cursor']}")["messages"] == rest["messages"]
    assert datas(program.ask(f"/channels/{name}/history?tail=1")["messages"]) == ["m4"]


def test_deleting_a_channel_ends_its_subscriptions(program, name):
    program.publish(name, "past")
    with Sse(program, f"/sub/{name}") as gone, Sse(program, f"/sub/{name},{name}.2?envelope=1") as stays:
        program.until_waiting(name, 2)
        status, _, answer = request(program.in_address, "DELETE", f"/channels/{name}?forget=history")
        assert (status, json.loads(answer)) == (200, {"name": name, "deleted": True})
        assert program.waiting(name) == 2
        assert program.ask(f"/channels/{name}/history")["messages"] == []
        request(program.in_address, "DELETE", f"/channels/{name}")
        assert gone.event()[0] == "deleted"
        assert gone.wire.rest() == b""
        assert stays.event()[0] == "deleted"
        program.publish(f"{name}.2", "on")
        assert json.loads(stays.event()[1])["data"] == "on"


class Watch:
    """A stream of changes."""

    def __init__(self, program, query="", **headers):
        self.wire = Wire(program.in_address).send(
            f"GET /watch{query} HTTP/1.0\r\nHost: localhost\r\n"
            + "".join(f"{key}: {value}\r\n" for key, value in headers.items())
            + "\r\n"
        )
        assert self.wire.until(b"\r\n\r\n").startswith(b"HTTP/1.0 200")

    def object(self):
        return json.loads(self.wire.until(b"\n"))

    def change(self):
        while True:
            said = self.object()
            if "channel" in said:
                return said


@pytest.mark.parametrize("away", ["sse", "stream"])
def test_a_watcher_sees_who_comes_and_goes(serve, name, away):
    program = serve("--grace", "100ms", "--heartbeat", "200ms")
    watch = Watch(program, f"?transport={away}&prefix={name}")
    if away == "sse":
        begin = watch.wire.until(b"\n\n")
        assert begin.startswith(b"retry: ") and b"\nevent: cursor\nid: " in begin and b'\ndata: {"cursor":"' in begin
        watch.wire.until(b"id: ")  # a sign of life
        watch.wire.until(b"\n\n")
    else:
        assert set(watch.object()) == {"cursor"}
        assert set(watch.object()) == {"cursor"}
    with Lines(program, f"/sub/{name}"), Lines(program, "/sub/other"):
        block = b""
        while away == "sse" and b'"channel"' not in block:  # a sign of life has none
            block = watch.wire.until(b"\n\n")
        came = watch.change() if away == "stream" else json.loads(block.partition(b"data: ")[2])
        assert (came["channel"], came["online"]) == (name, True)
    since = came["cursor"]
    resumed = Watch(program, f"?transport=stream&since={since}&prefix={name}")
    went = resumed.change()
    assert (went["channel"], went["online"]) == (name, False)
    document = program.ask(f"/watch?since={since}&prefix={name}")
    assert [(change["channel"], change["online"]) for change in document["changes"]] == [(name, False)]


def naps(program):
    """How often threads of the program fell asleep, each time to be woken later."""
    count = 0
    for path in glob.glob(f"/proc/{program.pid}/task/*/status"):
        count += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", open(path).read(), re.M).group(1))
    return count


def test_an_idle_server_with_watchers_sleeps(serve):
    program = serve("--shards", "1")

    def naps_of_a_second():
        before = naps(program)
        time.sleep(1)
        return naps(program) - before

    alone = min(naps_of_a_second() for _ in range(4))
    watchers = [Watch(program, "?transport=stream") for _ in range(20)]
    for watcher in watchers:
        watcher.object()
    # A watcher that looks by itself, however seldom, would be seen: 20 of them once in two seconds are 10 naps.
    assert min(naps_of_a_second() for _ in range(4)) < alone + 10
    with Lines(program, "/sub/idle"):
        assert {watcher.change()["channel"] for watcher in watchers} == {"idle"}


def test_metrics_add_up_with_what_clients_saw(serve, name):
    program = serve("--shards", "2", "--history-messages", "10")
    readers = [Lines(program, f"/sub/{name}") for _ in range(5)]
    program.until_waiting(name, 5)
    for n in range(20):
        program.publish(name, f"{n}")
    seen = sum(len([reader.message() for _ in range(20)]) for reader in readers)
    batch(program, "\n".join(json.dumps({"channel": f"{name}.{n}", "data": n}) for n in range(7)))
    batch(program, '{"channel": "$", "data": 1}')
    program.post(name + ".key", "x", "?key=k")
    program.post(name + ".key", "x", "?key=k")
    until(lambda: metrics(program)["multiplexor_mailbox_messages"] == 0, "all is delivered")
    told = metrics(program)
    assert told["multiplexor_wait_delivered_messages_total"] == seen == 100
    assert told["multiplexor_messages_total"] == told["multiplexor_in_published_total"] == 28
    assert told["multiplexor_in_repeated_total"] == 1
    assert told["multiplexor_in_refused_total"] == 1
    assert told["multiplexor_history_messages"] == 10 + 7 + 1
    assert told["multiplexor_history_evicted_messages_total"] == 10
    assert told["multiplexor_wait_connections"] == told["multiplexor_subscriptions"] == 5
    stats = program.ask("/stats")
    assert stats["wait"]["delivered"] == 100
    until(lambda: metrics(program)["multiplexor_in_connections"] == 1, "nobody is there but who asks")
    for reader in readers:
        reader.wire.close()


def test_distributions_count_each_message_turn_and_wait(serve, name, tmp_path):
    for flags in ([], ["--store", str(tmp_path / "store")]):
        program = serve("--shards", "2", *flags)
        readers = [Lines(program, f"/sub/{name}") for _ in range(4)]
        program.until_waiting(name, 4)
        for n in range(20):
            program.publish(name, f"{n}")
        assert [len([reader.message() for _ in range(20)]) for reader in readers] == [20] * 4
        until(lambda: metrics(program)["multiplexor_mailbox_messages"] == 0, "all is delivered")
        told = metrics(program)
        assert told["multiplexor_release_seconds_count"] == 20
        assert (told["multiplexor_release_seconds_sum"] > 0) == bool(flags), "a store takes time, and only that"
        assert 20 <= told["multiplexor_delivery_seconds_count"] <= 40, "once for each shard that has readers"
        assert told["multiplexor_delivery_seconds_sum"] > 0
        assert told["multiplexor_wait_turn_seconds_count"] >= 20 and told["multiplexor_lock_wait_seconds_count"] >= 20
        assert told["multiplexor_wait_owed_bytes_count"] == 0, "each of them takes all at once"
        for reader in readers:
            reader.wire.close()


def test_what_a_slow_reader_owes_is_measured(serve, name):
    program = serve("--slow-reader", "1MiB")
    with Sse(program, f"/sub/{name}", receive_buffer=4096) as slow:
        program.until_waiting(name)
        until(lambda: program.publish(name, "x" * 50_000) and metrics(program)["multiplexor_wait_owed_bytes_count"] > 0, "it is owed some")
        assert metrics(program)["multiplexor_wait_owed_bytes_sum"] > 0
        assert slow.datas(1) == ["x" * 50_000]


def test_each_code_of_a_refusal_is_counted_by_its_name(serve):
    program = serve()
    refusals = {
        "number": ("GET", "/channels?limit=x"),
        "transport": ("GET", "/watch?transport=pigeon"),
        "since": ("GET", "/watch?since=yesterday"),
        "heartbeat": ("GET", "/watch?heartbeat=x"),
        "flag": ("GET", "/channels?all=maybe"),
        "forget": ("DELETE", "/channels/a?forget=me"),
        "data": ("POST", "/pub/a", b"{", {"Content-Type": "application/json"}),
        "json": ("POST", "/pub", b'{"channel": "a", "data": "1", "json": 1}'),
    }
    for code, asked in refusals.items():
        status, _, answer = request(program.in_address, *asked)
        assert (status, json.loads(answer)["code"]) == (400, code)
    _, _, text = request(program.in_address, "GET", "/metrics")
    for code in [*refusals, "other"]:
        count = 0 if code == "other" else 1
        assert f'multiplexor_in_refused_total{{code="{code}"}} {count}' in text.decode().splitlines()


def test_a_rate_of_publishing_is_kept(serve, name):
    program = serve("--publish-rate", "5")
    lines = "\n".join(json.dumps({"channel": name, "data": n}) for n in range(100))
    _, answers = batch(program, lines)
    refused = [json.loads(line).get("error", {}).get("code") for line in answers.splitlines()]
    assert refused[:5] == [None] * 5
    assert "rate" in refused
    kept = len(poll(program, f"/sub/{name}?since=0")["messages"])
    assert kept == refused.count(None)


def test_a_deletion_says_whether_there_was_anything(program, name):
    def deleted(query=""):
        return json.loads(request(program.in_address, "DELETE", f"/channels/{name}{query}")[2])["deleted"]

    assert not deleted()
    program.publish(name, "x")
    assert [deleted(), deleted(), deleted("?forget=history")] == [True, False, False]
    program.publish(name, "x")
    assert [deleted("?forget=history"), deleted("?forget=history")] == [True, False]
    with Sse(program, f"/sse/{name}"):
        program.until_waiting(name)
        assert [deleted("?forget=history"), deleted(), deleted()] == [False, True, False]
