"""Names that strangers make up: what they leave behind, who goes first when they fill the room, who is served all the same."""

import contextlib
import json
import pathlib
import random

import pytest
from harness.frames import TEXT, Frames
from harness.program import fresh_name, request, until
from harness.wire import Lines, Sse, Wire, poll

# Names of one request; a record takes 240 bytes beside its name, so a MiB is room for some 4,000.
MANY = 1000
BUDGET = 1 << 20
SMALL = ["--channels-budget", "1MiB", "--grace", "1h"]


def new_names(count=MANY):
    return [f"x{random.getrandbits(64):016x}" for _ in range(count)]


def body(names):
    return ",".join(names).encode()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


def stored(folder):
    """Bytes of the log."""
    return sum(file.stat().st_size for file in pathlib.Path(folder).iterdir() if file.name not in ("store", "whole"))


def by_poll(program):
    """Polls that do not wait, one behind the other on a connection."""
    with Wire(program.wait_address) as wire:
        for _ in range(4):
            assert wire.get("/sub/?wait=0", method="POST", body=body(new_names())).response()[0] == 200


def by_answered_poll(program, busy):
    """Polls that would wait, and are answered at once since another channel has something."""
    with Wire(program.wait_address) as wire:
        for _ in range(4):
            names = [busy, *new_names(MANY - 1)]
            status, _, answer = wire.get("/sub/?since=0", method="POST", body=body(names)).response()
            assert status == 200 and json.loads(answer)["messages"]


def by_vanishing_poll(program):
    """Long polls whose clients go before they are answered."""
    for _ in range(4):
        names = new_names()
        with Wire(program.wait_address) as wire:
            wire.get("/sub/?transport=poll", method="POST", body=body(names))
            program.until_waiting(names[0])
        program.until_waiting(names[0], 0)


def by_stream(program):
    """Streams that come and go."""
    for _ in range(4):
        names = new_names()
        with Lines(program, "/sub/", body=body(names)):
            program.until_waiting(names[0])
        program.until_waiting(names[0], 0)


def by_websocket(program):
    """One WebSocket that subscribes to ever new names."""
    with Frames(program, "/sub/") as frames:
        frames.until(TEXT)
        for _ in range(4):
            names = new_names()
            for command in ("subscribe", "unsubscribe"):
                frames.send(TEXT, json.dumps({command: names}))
                while command + "d" not in json.loads(frames.until(TEXT)):
                    pass


def by_takers(program):
    """Clients of 2009 that ask for ever new names, and go."""
    for _ in range(40):
        with contextlib.ExitStack() as stack:
            for name in new_names(100):
                wire = stack.enter_context(Wire(program.wait_address))
                wire.send(f"GET /?identifier={name} HTTP/1.1\r\nHost: h\r\n\r\n")
            program.until_waiting(name)
        program.until_waiting(name, 0)


def by_realplexor(program):
    """Listeners of Realplexor that ask for ever new names, and go."""
    for _ in range(20):
        names = new_names(200)
        with Wire(program.wait_address) as wire:
            wire.send(f"GET /?identifier={','.join(names)} HTTP/1.1\r\nHost: h\r\n\r\n")
            program.until_waiting(names[0])
        program.until_waiting(names[0], 0)


def test_a_poll_that_does_not_wait_leaves_nothing_behind(serve, folder, name):
    program = serve("--store", str(folder))
    program.publish(name, "first")
    program.publish(name, "second")
    seen = poll(program, f"/sub/{name}?tail=1")["cursor"]
    size, channels = stored(folder), program.metric("multiplexor_channels")
    by_poll(program)
    by_answered_poll(program, name)
    assert program.metric("multiplexor_channels") == channels
    assert program.metric("multiplexor_channels_passing_bytes") == 0
    assert stored(folder) < size + 1000, "nothing of it is kept"
    changes = program.ask("/watch?since=0")["changes"]
    assert {change["channel"] for change in changes} == {name}, "nobody is told of names that nobody knows"
    assert poll(program, f"/sub/{name}?wait=0&since={seen}")["messages"] == []


def test_a_poll_that_does_not_wait_keeps_online_what_is_known(serve, name):
    program = serve()
    assert program.post(name, "1")["channels"][name] == {"waiting": 0, "online": False}
    poll(program, f"/sub/{name}?wait=0")
    assert program.post(name, "2")["channels"][name] == {"waiting": 0, "online": True}


@pytest.mark.parametrize("attack", [by_vanishing_poll, by_stream, by_websocket, by_takers, by_realplexor])
def test_made_up_names_take_no_more_than_their_room_and_harm_nobody(serve, tmp_path, folder, name, attack):
    settings = tmp_path / "multiplexor.toml"
    dialect = "realplexor" if attack is by_realplexor else "multiplexor"
    listeners = [f'[[{line}]]\naddress = "127.0.0.1:0"\n' for line in ("wait", "in")]
    settings.write_text(f'classic_grace = "1h"\n{listeners[0]}dialect = "{dialect}"\n{listeners[1]}')
    program = serve("--config", str(settings), "--store", str(folder), *SMALL, ports=False)
    program.publish(name, "before")
    with Sse(program, f"/sub/{name}") as old, Watch(program) as watch:
        program.until_waiting(name)
        size = stored(folder)
        while not program.metric("multiplexor_channels_hurried_total"):
            attack(program)
            assert program.metric("multiplexor_channels_bytes") <= BUDGET
        assert stored(folder) < size + 2000, "the store is told of the first name alone"
        # Who waits was not thrown away; who comes is served, and who publishes to what is new.
        assert program.waiting(name) == 1
        program.publish(name, "after")
        assert old.event() == ("message", "after")
        mine, fresh = fresh_name("mine"), fresh_name("fresh")
        with Sse(program, f"/sub/{mine}") as new:
            assert new.status == 200
            program.until_waiting(mine)
            program.publish(f"{mine},{fresh}", "hello")
            assert new.event() == ("message", "hello")
        # Whoever watches missed nothing, and heard of each that went early.
        told = watch.until(mine)
        assert not any(item.get("gap") for item in told)
        gone = [item["channel"] for item in told if item.get("online") is False]
        assert len(gone) >= program.metric("multiplexor_channels_hurried_total")
        assert name not in gone
    program.ask(f"/channels/{fresh}")


class Watch:
    """Whoever watches on the IN line."""

    def __init__(self, program):
        self.wire = Wire(program.in_address).get("/watch?transport=stream")
        assert self.wire.head()[0] == 200

    def __enter__(self):
        self.object()
        return self

    def __exit__(self, *_):
        self.wire.close()

    def object(self):
        while True:
            line = self.wire.until(b"\n").strip()
            # Chunks of HTTP stand between the objects.
            if line.startswith(b"{"):
                return json.loads(line)

    def until(self, channel):
        """All up to the news that this channel is online."""
        told = []
        while not told or told[-1].get("channel") != channel:
            told.append(self.object())
        return told


PROXY = "127.0.0.7"


def crowd(program, stack, address=None, each=250, most=40):
    """Streams of ever new names, from one address if a proxy says so, until one is refused; how many names wait, and why no more."""
    waiting = 0
    for _ in range(most):
        wire = stack.enter_context(Wire(program.wait_address, source=PROXY if address else None))
        headers = {"X_Forwarded_For": address} if address else {}
        wire.get("/sub/?transport=stream", method="POST", body=body(new_names(each)), **headers)
        status, answered = wire.head()
        if status != 200:
            assert status == 503 and "retry-after" in answered
            return waiting, json.loads(wire.exactly(int(answered["content-length"])))
        waiting += each
    raise AssertionError(f"{waiting} names are waited on")


def is_served(program, address=None):
    """Whether somebody who comes for one new name is served."""
    name = fresh_name()
    with Wire(program.wait_address, source=PROXY if address else None) as wire:
        headers = {"X_Forwarded_For": address} if address else {}
        wire.get(f"/sub/{name}?transport=stream", **headers)
        return wire.head()[0] == 200


def test_one_address_leaves_as_much_to_others_as_it_takes_of_what_is_left(serve, name):
    program = serve(*SMALL, "--proxies", PROXY)
    with contextlib.ExitStack() as stack:
        taken, problem = crowd(program, stack, "192.0.2.1")
        assert problem["code"] == "memory" and "as much of it as is left" in problem["detail"]
        assert BUDGET / 2 < program.metric("multiplexor_channels_bytes") < BUDGET * 3 / 4
        crowd(program, stack, "192.0.2.1", each=1, most=300)
        assert not is_served(program, "192.0.2.1")
        second, problem = crowd(program, stack, "192.0.2.2")
        assert 0 < second < taken and problem["code"] == "memory"
        assert is_served(program, "192.0.2.3") and is_served(program, "2001:db8::7")
        program.publish(name, "of a new channel")
        # What is known already needs no room.
        with Wire(program.wait_address, source=PROXY) as wire:
            wire.get(f"/sub/{name}?transport=stream", X_Forwarded_For="192.0.2.1")
            assert wire.head()[0] == 200
        refused = program.ask("/refused")["refused"]
        assert {"memory"} == {entry["code"] for entry in refused}
        assert {entry["from"] for entry in refused} >= {"192.0.2.1", "192.0.2.2"}


def test_what_somebody_waits_on_stays_when_all_is_taken_and_publishers_have_a_reserve(serve, name):
    program = serve(*SMALL)
    with Sse(program, f"/sub/{name}") as old, contextlib.ExitStack() as stack:
        program.until_waiting(name)
        # Whoever is at a loopback address may be a proxy with everybody behind it: each connection has a share.
        taken, problem = crowd(program, stack)
        assert problem["code"] == "memory" and taken >= 3000
        assert is_served(program), "for one there is still room"
        crowd(program, stack, each=1, most=300)
        assert not is_served(program)
        assert program.metric("multiplexor_channels_crowded_total") >= 2
        waiting = program.metric("multiplexor_subscriptions")
        # Publishers find room where nobody else does, and when that is taken, they are told.
        for _ in range(100):
            program.publish(fresh_name(), "x")
        status, _, answer = 200, None, None
        for _ in range(2000):
            status, _, answer = request(program.in_address, "POST", f"/pub/{fresh_name()}", b"x")
            if status != 200:
                break
        assert (status, json.loads(answer)["code"]) == (507, "memory")
        program.publish(name, "to those who wait")
        assert old.event() == ("message", "to those who wait")
        assert program.metric("multiplexor_subscriptions") == waiting
    # When they have gone, there is room again for others, though their grace is not over.
    until(lambda: is_served(program), "newcomers are served")
    program.publish(fresh_name(), "x")


def test_over_a_restart_channels_that_were_published_to_stay_online_and_watchers_are_told_of_the_rest(serve, folder, name):
    made_up = fresh_name("x")
    first = serve("--store", str(folder))
    with Sse(first, f"/sub/{made_up}"), Sse(first, f"/sub/{name}"):
        first.until_waiting(name)
        first.until_waiting(made_up)
        other = fresh_name("x")
        with Sse(first, f"/sub/{other}"):
            first.until_waiting(other)
        first.publish(name, "it is known from now on")
        cursor = first.ask("/watch?since=0")["cursor"]
        first.stop()
    second = serve("--store", str(folder))
    assert second.ask(f"/channels/{name}")["online"] is True, "whoever comes back in time was never gone"
    assert second.ask(f"/channels/{other}")["online"] is False
    watched = second.ask(f"/watch?since={cursor}")
    assert watched["gap"] is True
    # From then on nothing is missing.
    late = fresh_name()
    second.publish(late, "x")
    with Sse(second, f"/sub/{late}"):
        changes = second.ask(f"/watch?since={watched['cursor']}")
        assert "gap" not in changes and [change["channel"] for change in changes["changes"]] == [late]
