"""`stream_age`: the old processes of a reloaded proxy go, and nobody misses or hears twice what was said."""

import pathlib
import time

import fleet
import pytest
from harness.program import fresh_name, until
from listeners import Listener


def workers(proxy):
    """The processes that serve clients now, those of before a reload included."""
    master = proxy.processes[-1].pid
    return set(pathlib.Path(f"/proc/{master}/task/{master}/children").read_text().split())


@pytest.mark.parametrize("kind", [fleet.Nginx, fleet.HAProxy], ids=lambda kind: kind.__name__)
def test_the_old_workers_of_a_reloaded_proxy_go(kind, serve, fronts):
    if not kind.there():
        pytest.skip(f"{kind.program} is not here; tests/install.sh proxies installs it")
    program = serve("--stream-age", "4s")
    proxy = fronts(kind, program.waits[0])
    waiting = [Listener(proxy, fresh_name(how), how, cursor="0") for how in ("sse", "stream", "ws")]
    said = ["said 0"]
    for listener in waiting:
        program.publish(listener.channel, said[0])
        until(lambda: listener.heard, f"{listener.kind} waits: {listener.statuses}")
    old = workers(proxy)
    proxy.reload()
    until(lambda: workers(proxy) - old, "new workers are there")
    deadline = time.monotonic() + 30
    while workers(proxy) & old:
        assert time.monotonic() < deadline, "old workers stay for as long as their streams last"
        said.append(f"said {len(said)}")
        for listener in waiting:
            program.publish(listener.channel, said[-1])
        time.sleep(0.05)
    for listener in waiting:
        until(lambda: len(listener.heard) >= len(said), f"{listener.kind} hears all: {listener.heard}")
        assert listener.heard == said, listener.kind
        listener.stop()
    assert program.metric("multiplexor_wait_aged_total") >= 3
