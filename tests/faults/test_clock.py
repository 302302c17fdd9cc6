"""The machine's clock is set back and forth while the program runs, and between two runs: libfaketime, by a file."""

import pathlib
import signal
import time

import pytest
from harness.program import Program, request, until
from harness.tokens import SECRET, make_token
from harness.wire import Sse, poll

LIBRARY = next(iter(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)
DAY = 86_400
pytestmark = pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed: tests/install.sh")


class Machine:
    """Programs whose wall clock is set by hand; the monotonic clock goes on, as it does on a machine."""

    def __init__(self, folder):
        self.file = folder / "clock"
        self.set(0)
        self.env = {
            "LD_PRELOAD": str(LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, by_s):
        self.file.write_text(f"{by_s:+d}")

    def start(self, *flags):
        # The library reads a file that no setting names.
        return Program("--log-level", "warn", "--sandbox", "off", *flags, env=self.env)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_the_clock_of_a_program_can_be_faked_at_all(machine):
    """Or all below would show nothing."""
    machine.set(-10 * DAY)
    program = machine.start()
    program.publish("a", "x")
    (message,) = program.ask("/channels/a/history")["messages"]
    assert abs(message["time"] - (time.time() - 10 * DAY)) < 3600
    program.stop()


def test_a_clock_that_is_set_back_and_forth_disturbs_no_timer_and_no_history(machine):
    program = machine.start("--poll-timeout", "300ms", "--heartbeat", "300ms", "--grace", "300ms")
    first = program.publish("a", "0")
    numbers, last = ["0"], 0
    for n, by in enumerate([DAY, -DAY, 365 * DAY, -20_000 * DAY, 0], start=1):
        machine.set(by)
        # Long polls end, streams beat, channels go offline: by the time that passes.
        assert poll(program, "/sub/b")["messages"] == []
        with Sse(program, "/sub/c") as stream:
            assert [stream.block() for _ in range(3)]
        until(lambda: not program.ask("/channels/c")["online"], "it goes offline", 10)
        program.publish("a", str(n))
        numbers.append(str(n))
        page = program.ask("/channels/a/history?since=0")
        assert [str(message["data"]) for message in page["messages"]] == numbers and not page.get("gap")
        times = [message["time"] for message in page["messages"]]
        assert times == sorted(times) and times[-1] - times[0] < 3600, "time goes on as it passes"
        last = times[-1]
    assert abs(last - time.time()) < 3600
    # A time to live counts what passes, too.
    program.publish("a", "short", "?ttl=0.2")
    until(lambda: len(program.ask("/channels/a/history")["messages"]) == len(numbers), "it was forgotten", 10)
    assert [str(m["data"]) for m in poll(program, f"/sub/a?since={first}")["messages"]] == numbers[1:]
    program.stop()


def test_a_repeat_under_a_key_gets_the_first_answer_whatever_the_clock_says(machine, tmp_path):
    store = ["--store", str(tmp_path / "store")]
    program = machine.start(*store)
    cursor = program.publish("a", "x", Idempotency_Key="k")
    for by in (DAY, -DAY):
        machine.set(by)
        assert program.publish("a", "x", Idempotency_Key="k") == cursor
    program.process.send_signal(signal.SIGKILL)
    program.process.wait()
    program = machine.start(*store)
    assert program.publish("a", "x", Idempotency_Key="k") == cursor, "over a restart with the clock set back"
    program.stop()


@pytest.mark.parametrize("by", [-400 * DAY, -3_600, 60])
def test_a_clock_set_between_two_runs_loses_nothing_and_no_place_comes_twice(machine, tmp_path, by):
    flags = ["--store", str(tmp_path / "store"), "--history-age", "1h"]
    program = machine.start(*flags)
    cursors = [program.publish("a", str(n)) for n in range(5)]
    program.stop()
    machine.set(by)
    program = machine.start(*flags)
    cursors.append(program.publish("a", "5"))
    page = program.ask(f"/channels/a/history?since={cursors[1]}")
    assert [str(message["data"]) for message in page["messages"]] == ["2", "3", "4", "5"] and not page.get("gap")
    times = [message["time"] for message in page["messages"]]
    assert times == sorted(times) and len(set(cursors)) == 6
    program.stop()


def test_a_clock_set_far_forward_between_two_runs_ages_history_and_tells_it(machine, tmp_path):
    flags = ["--store", str(tmp_path / "store"), "--history-age", "1h"]
    program = machine.start(*flags)
    cursors = [program.publish("a", str(n)) for n in range(3)]
    program.stop()
    machine.set(DAY)
    program = machine.start(*flags)
    page = program.ask(f"/channels/a/history?since={cursors[0]}")
    assert page["messages"] == [] and page["gap"], "older than its age, and told"
    program.stop()


def test_tokens_end_by_the_clock_as_it_is_set_now(machine, tmp_path):
    secret = ["--token-secret", SECRET, "--listen", "token", "--poll-timeout", "100ms"]

    def status(program, expires):
        return request(program.wait_address, "GET", f"/sub/a?token={make_token(exp=int(expires), listen='*')}")[0]

    program = machine.start(*secret)
    for by in (0, DAY, -DAY):
        machine.set(by)
        now = time.time() + by
        assert (status(program, now + 600), status(program, now - 600)) == (200, 401)
    program.stop()
    # A run with a wrong clock leaves messages of the future behind; tokens go by the clock of today.
    store = ["--store", str(tmp_path / "store")]
    machine.set(30 * DAY)
    program = machine.start(*secret, *store)
    program.publish("a", "x")
    program.stop()
    machine.set(0)
    program = machine.start(*secret, *store)
    assert (status(program, time.time() + 600), status(program, time.time() - 600)) == (200, 401)
    program.stop()


@pytest.mark.parametrize("by_s", [3 * 3_600, -3 * 3_600])
def test_who_is_connected_by_a_token_ends_by_the_clock_as_it_is_set(machine, by_s):
    """As after a sleep, in which the monotonic clock stands still; and as where a clock that was ahead is set right."""
    program = machine.start("--token-secret", SECRET, "--heartbeat", "60s")
    ends_s = 3_600 if by_s > 0 else 4
    token = make_token(exp=time.time() + ends_s, listen=["a"])
    with Sse(program, f"/sub/a?token={token}") as stream:
        program.until_waiting("a", 1)
        machine.set(by_s)
        if by_s > 0:
            # Nothing else wakes the program before its heartbeat.
            until(lambda: program.ask("/stats")["wait"]["expired"] == 1, "the token has ended", 30)
        else:
            # It would have ended by now, and has three hours more.
            time.sleep(5)
            assert program.ask("/stats")["wait"]["expired"] == 0
            program.publish("a", "still here")
            assert stream.event()[1] == "still here"
        machine.set(0)
    program.stop()
