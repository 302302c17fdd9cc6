"""The files of deploy/proxies: each run as it stands, with the real proxy, in front of the real program."""

import http.client
import json
import os
import subprocess
import time

import fleet
import pytest
from harness.program import ROOT, binary, fresh_name, until
from listeners import KINDS, Listener

# What a proxy may be silent for by docs/proxies.md: three heartbeats. It is waited for where MULTIPLEXOR_SLOW is set.
SILENCE_S, SLOW = 75, bool(os.environ.get("TESTS_MULTIPLEXOR_SLOW"))
# Names that somebody on the way may like to tidy up.
NAMES = ["room/1", "a//b", "../c", "https://ex.example/../d", "50%", "ä;b"]


@pytest.fixture(params=fleet.ALL, ids=lambda kind: kind.__name__)
def kind(request):
    if not request.param.there() and not SLOW:
        pytest.skip(f"{request.param.program} is not here; tests/install.sh proxies installs it")
    return request.param


@pytest.fixture
def fronted(fronts):
    """Starts the proxy in front of a program."""
    return lambda kind, program: fronts(kind, program.waits[0])


def test_a_message_comes_at_once_by_every_transport(kind, program, fronted):
    proxy = fronted(kind, program)
    waiting = {how: Listener(proxy, fresh_name(how), how, cursor="0") for how in KINDS}
    for how, listener in waiting.items():
        for n in range(3):
            # The next one is said only when the one before was heard: nothing is pushed out by what follows.
            program.publish(listener.channel, f"{how} {n}")
            until(lambda: len(listener.heard) > n, f"{how} hears message {n} through {kind.__name__}: {listener.statuses}")
        assert listener.heard == [f"{how} {n}" for n in range(3)]
        listener.stop()


def test_names_stay_what_they_are(kind, program, fronted):
    proxy = fronted(kind, program)
    waiting = [Listener(proxy, name, "sse", cursor="0") for name in NAMES]
    for listener in waiting:
        program.publish(listener.channel, f"for {listener.channel}")
    for listener in waiting:
        until(lambda: listener.heard, f"{listener.channel} is heard behind {kind.__name__}: {listener.statuses}")
        assert listener.heard[0] == f"for {listener.channel}"
        listener.stop()


def test_the_address_of_a_client_is_passed(kind, serve, fronts):
    program = serve("--address-connections", "1", "--proxies", "127.0.0.1", "--proxies-say", "x-forwarded-for")
    proxy = fronts(kind, program.waits[0])
    first = Listener(proxy, "a", "sse", source="127.0.0.77")
    until(first.open.is_set, "the first one waits")
    second = http.client.HTTPConnection(*proxy.address, timeout=30, source_address=("127.0.0.77", 0))
    lie = {"Accept": "text/event-stream", "X-Forwarded-For": "6.6.6.6"}
    second.request("GET", f"{proxy.path}/sub/a?errors=status", headers=lie)
    second.getresponse().read(1)
    refused = program.ask("/refused")["refused"]
    assert [one.get("from") for one in refused] == ["127.0.0.77"], refused
    first.stop()


def test_a_reload_loses_nothing(kind, program, fronted):
    proxy = fronted(kind, program)
    waiting = {how: Listener(proxy, fresh_name(how), how, cursor="0") for how in KINDS}
    for listener in waiting.values():
        program.publish(listener.channel, "said 0")
        until(lambda: listener.heard, f"{listener.kind} waits: {listener.statuses}")
    said = ["said 0"]
    for n in range(1, 21):
        if n in (3, 10, 17)[:kind.reloads]:
            proxy.reload()
        for listener in waiting.values():
            program.publish(listener.channel, f"said {n}")
        said.append(f"said {n}")
        time.sleep(0.1)
    for how, listener in waiting.items():
        until(lambda: len(listener.heard) >= len(said), f"{how} hears all through {kind.__name__}: {listener.heard}", 60)
        assert listener.heard == said, how
        listener.stop()


def test_the_doctor_finds_what_the_page_says_and_nothing_else(kind, program, fronted):
    proxy = fronted(kind, program)
    asked = [binary(), "doctor", "--json", "--server", f"http://{program.ins[0]}", proxy.url]
    done = subprocess.run(asked, capture_output=True, timeout=120)
    report = json.loads(done.stdout)
    assert kind.__name__.lower().startswith(report["proxy"].lower())
    bad = {finding["name"] for finding in report["findings"] if finding["level"] in ("warning", "problem")}
    late = {"leaving": "sse", "leaving-poll": "poll"}
    assert (done.returncode, bad) == (0, {name for name, how in late.items() if how not in kind.tells_at_once})


def test_silence_of_three_heartbeats_cuts_nobody(serve):
    """All at once. Short: what the files say about silence is 3 s, heartbeats come each second."""
    program = serve() if SLOW else serve("--heartbeat", "1s")
    proxies = [kind(program.waits[0], None if SLOW else 3) for kind in fleet.ALL if SLOW or kind.there()]
    try:
        waiting = [(proxy, Listener(proxy, fresh_name(how), how, cursor="0")) for proxy in proxies for how in ("sse", "stream", "ws")]
        for _, listener in waiting:
            program.publish(listener.channel, "before")
        for proxy, listener in waiting:
            until(lambda: listener.heard, f"{listener.kind} waits behind {proxy.file}")
        time.sleep(SILENCE_S if SLOW else 6)
        for _, listener in waiting:
            program.publish(listener.channel, "after")
        for proxy, listener in waiting:
            until(lambda: len(listener.heard) == 2, f"{listener.kind} behind {proxy.file}")
            assert (listener.heard, listener.cuts) == (["before", "after"], 0), (proxy.file, listener.kind)
            listener.stop()
    finally:
        for proxy in proxies:
            proxy.stop()


LEAVERS = ["sse", "stream", "poll", "ws"]


def waiting(program, listener):
    return program.ask(f"/channels/{listener.channel}")["waiting"]


def leaves(program, proxy, how):
    """Waits until the program knows that this one is there, and then that it is not."""
    listener = Listener(proxy, fresh_name(how), how)
    until(lambda: waiting(program, listener) and listener.sockets, f"{how} waits behind {proxy.file}")
    listener.leave()
    until(lambda: not waiting(program, listener), f"{how} is told to have left by {proxy.file}")


def test_a_client_that_left_is_told_at_once_where_the_page_says_so(kind, serve, fronted):
    # Nothing is said that could fail to arrive, so it is by the end of the connection alone that the program knows.
    program = serve("--heartbeat", "1h", "--poll-timeout", "1h")
    proxy = fronted(kind, program)
    for how in sorted(kind.tells_at_once):
        leaves(program, proxy, how)


def test_a_client_that_left_is_told_by_heartbeats_at_the_latest(kind, serve, fronted):
    program = serve("--heartbeat", "1s", "--poll-timeout", "1s")
    proxy = fronted(kind, program)
    for how in LEAVERS:
        leaves(program, proxy, how)


def test_the_page_shows_the_files_as_they_are():
    page = (ROOT / "docs" / "proxies.md").read_text()
    for path in fleet.FILES.iterdir():
        assert f"\n{path.read_text()}```\n" in page, f"docs/proxies.md shows another {path.name}"
