"""slowhttptest of Debian: heads, bodies and readers that take for ever, while those who read live hear everything."""

import os
import re
import subprocess

import pytest
from harness.program import until
from harness.wire import Sse

SLOWHTTPTEST = "/usr/bin/slowhttptest"
CONNECTIONS = 400
MODES = {
    # A head that never ends, a few bytes a second.
    "head": ["-H"],
    # A body that never ends, as long as it said at first.
    "body": ["-B", "-s", "8192"],
    # A reader that takes a few bytes a second of many answers.
    "reader": ["-X", "-w", "64", "-y", "128", "-n", "1", "-z", "16", "-k", "3"],
}


@pytest.mark.alone
@pytest.mark.parametrize("mode", MODES)
def test_who_is_slow_is_sent_away_and_nobody_else_notices(serve, name, tmp_path, mode):
    program = serve("--request-timeout", "2s", "--shards", "2")
    target = {"head": "/", "body": "/sub/", "reader": "/multiplexor.js"}[mode]
    readers = [Sse(program, f"/sub/{name}") for _ in range(20)]
    program.until_waiting(name, len(readers))
    command = [SLOWHTTPTEST, *MODES[mode], "-c", str(CONNECTIONS), "-r", "200", "-i", "1", "-x", "24", "-l", "8", "-p", "3"]
    out = tmp_path / "said"
    with out.open("wb") as file:
        slow = subprocess.Popen(
            [*command, "-u", f"{program.wait_url}{target}"], stdout=file, stderr=file, cwd=tmp_path, env={**os.environ, "TERM": "dumb"}
        )
        sent = 0
        while slow.poll() is None:
            program.publish(name, f"message {sent}")
            for reader in readers:
                assert reader.event()[1] == f"message {sent}"
            sent += 1
    said = re.sub(r"\x1b\[[0-9;]*m", "", out.read_text(errors="replace"))
    assert sent > 0
    # Its own probe was answered all the time, and what it held open was closed.
    assert not re.search(r"service available:\s+NO", said), said
    until(lambda: connections(program) == len(readers), "only those who read live are left")
    if mode != "reader":
        assert program.ask("/stats")["wait"]["request_timeouts"] > 0
    for reader in readers:
        reader.wire.close()


def connections(program):
    return program.ask("/stats")["wait"]["connections"]
