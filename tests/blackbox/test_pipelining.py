"""Publishes that come one behind the other on a connection, with a store: kept together, answered in order."""

import itertools
import json
import socket
import threading

import pytest
from harness.program import place, request, until
from harness.wire import Wire


def publish(name, body, *lines):
    """One request, as it is sent."""
    body = body.encode()
    head = [f"POST /pub/{name} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *lines]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def commits(program):
    """How often the store wrote and synced."""
    return program.metric("multiplexor_store_commits_total")


class Publisher(Wire):
    """Does not wait for answers before it goes on."""

    def __init__(self, program):
        super().__init__(program.in_address)

    def say(self, *requests):
        """Sends in a thread of its own: whoever does not read meanwhile may be stopped."""
        threading.Thread(target=lambda: self.send(b"".join(requests)), daemon=True).start()

    def answers(self, count):
        """Status and document of each of the next answers."""
        responses = [self.response() for _ in range(count)]
        return [(status, json.loads(body)) for status, _, body in responses]


@pytest.fixture
def stored(serve, tmp_path):
    return serve("--store", str(tmp_path / "store"), "--history-messages", "2000")


def history(program, name):
    page = program.ask(f"/channels/{name}/history?limit=1000")
    return [message["data"] for message in page["messages"]]


COUNT = 1000
KINDS = {
    "plain": lambda number: (),
    "with a key": lambda number: (f"Idempotency-Key: k{number}",),
}


@pytest.mark.parametrize("kind", KINDS)
def test_many_are_kept_by_few_commits_and_answered_in_order(stored, name, kind):
    publisher, before = Publisher(stored), commits(stored)
    publisher.say(*(publish(name, str(number), *KINDS[kind](number)) for number in range(COUNT)))
    answers = publisher.answers(COUNT)
    assert {status for status, _ in answers} == {200}
    cursors = [document["cursor"] for _, document in answers]
    assert cursors == sorted(set(cursors), key=place)
    assert history(stored, name) == list(range(COUNT))
    assert commits(stored) - before <= COUNT // 10
    assert stored.metric("multiplexor_in_published_total") == COUNT
    publisher.close()


def test_one_by_one_each_is_kept_before_it_is_answered(stored, name):
    publisher, before = Publisher(stored), commits(stored)
    for number in range(20):
        publisher.say(publish(name, str(number)))
        assert publisher.answers(1)[0][0] == 200
        assert commits(stored) - before >= number + 1
    publisher.close()


def test_what_is_refused_in_the_middle_is_answered_in_its_place(serve, tmp_path, name):
    program = serve("--store", str(tmp_path / "store"), "--payload-limit", "100")
    publisher = Publisher(program)
    said = [
        (200, publish(name, "1")),
        (413, publish(name, "x" * 101)),
        (200, publish(name, "2", "Idempotency-Key: k")),
        (400, publish("%24forbidden", "x")),
        (400, publish(name, "x", "Multiplexor-TTL: soon")),
        (200, publish(f"{name}?ttl=0", "nobody keeps this")),
        (403, publish(name, "x", "Origin: http://elsewhere.example")),
        (200, publish(name, "2", "Idempotency-Key: k")),
        (200, publish(name, "3")),
    ]
    publisher.say(*(request for _, request in said))
    answers = publisher.answers(len(said))
    assert [status for status, _ in answers] == [status for status, _ in said], answers
    assert answers[2] == answers[7], "a repeat gets the first answer"
    assert answers[1][1]["status"] == 413 and "100" in answers[1][1]["detail"]
    assert history(program, name) == [1, 2, 3]
    publisher.close()


def test_another_request_behind_them_is_answered_when_they_are(stored, name):
    publisher = Publisher(stored)
    publisher.say(
        *(publish(name, str(number)) for number in range(100)),
        b"GET /channels/" + name.encode() + b"/history?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        publish(name, "100"),
    )
    assert [status for status, _ in publisher.answers(100)] == [200] * 100
    status, page = publisher.answers(1)[0]
    assert status == 200 and [message["data"] for message in page["messages"]] == list(range(100))
    assert publisher.answers(1)[0][0] == 200
    publisher.close()


def test_who_ends_his_side_is_answered_what_he_said(stored, name):
    publisher = Publisher(stored)
    publisher.send(b"".join(publish(name, str(number)) for number in range(300)))
    publisher.socket.shutdown(socket.SHUT_WR)
    assert [status for status, _ in publisher.answers(300)] == [200] * 300
    assert publisher.rest() == b""
    assert history(stored, name) == list(range(300))
    publisher.close()


def test_a_connection_that_breaks_off_leaves_whole_messages_in_order(stored, name):
    said = [publish(name, str(number)) for number in range(201)]
    open_before = stored.metric("multiplexor_in_connections")
    for _ in range(5):
        publisher = Publisher(stored)
        publisher.send(b"".join(said[:200]) + said[200][:-2])
        # With what is unread this is a reset.
        publisher.exactly(1)
        publisher.close()
    until(lambda: stored.metric("multiplexor_in_connections") <= open_before, "the line has let go of them")
    got = history(stored, name)
    # Of each its first messages are there, as many as had come before the reset, in their order.
    begins = [at for at, number in enumerate(got) if number == 0] + [len(got)]
    runs = [got[begin:end] for begin, end in itertools.pairwise(begins)]
    assert len(runs) == 5 and all(run == list(range(len(run))) and len(run) <= 200 for run in runs), runs
    assert stored.metric("multiplexor_in_published_total") == len(got)


def test_two_who_come_with_one_key_get_one_answer(stored, name):
    said = [publish(name, str(number), f"Idempotency-Key: same{number}") for number in range(200)]
    publishers = [Publisher(stored) for _ in range(4)]
    for publisher in publishers:
        publisher.say(*said)
    told = [publisher.answers(len(said)) for publisher in publishers]
    assert all(answers == told[0] for answers in told) and {status for status, _ in told[0]} == {200}
    assert history(stored, name) == list(range(200))
    for publisher in publishers:
        publisher.close()


def test_the_items_of_a_batch_are_kept_together_whether_they_have_keys_or_not(stored, name):
    items = [{"channel": name, "data": number} for number in range(300)]
    keyed = [item | {"key": f"k{item['data']}"} for item in items]
    for batch, expected in [(items, 300), (keyed, 600), (keyed, 600)]:
        before = commits(stored)
        status, _, answer = request(stored.in_address, "POST", "/pub", json.dumps(batch).encode())
        assert status == 200 and len(json.loads(answer)) == 300
        assert len(history(stored, name)) == expected
        assert commits(stored) - before <= 30
