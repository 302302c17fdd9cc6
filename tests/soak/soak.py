"""Two programs with a store under the same load for a long time: one is never stopped, one again and again.

    tests/.venv/bin/python tests/soak/soak.py MINUTES

Publishers, readers of all transports whose connections are cut, and visitors who come and vanish. Every message that was
answered must be heard by every reader, once, in order, without a gap, over all restarts; what the first program takes
must not grow. Prints a line a minute, and at the end what was counted; ends with 1 if something was lost or grew.
"""

import argparse
import json
import os
import pathlib
import random
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "blackbox"))

from harness.load import Load  # noqa: E402
from harness.program import Program, until  # noqa: E402

FLAGS = [
    *("--poll-timeout", "5s", "--heartbeat", "5s", "--grace", "2s", "--log-level", "warn"),
    *("--history-bytes", "64MiB", "--history-messages", "20000", "--history-age", "3m", "--resume-window", "3m"),
    *("--store-limit", "64MiB", "--idempotency-age", "2m"),
]
# Ages of three minutes: all that ages has reached its height by then.
WARM_S = 240
# What a life may have grown since then: pages used in part, tables that doubled once more.
GROWN_BYTES_MAX = 8 << 20
# When all have left; threads that share a table count it once each.
DESCRIPTORS_MAX = 100
# A machine that does much else, on a disk that does much else.
START_S_MAX = 300
# Between two stops of the one that is stopped.
LIFE_S = (20, 60)


class Side:
    """A program and its load."""

    def __init__(self, name, folder, seed):
        self.name, self.folder = name, folder / name
        self.longest_start_s = 0.0
        self.program, self.stops = self._start(), {"stopped": 0, "killed": 0}
        addresses = lambda: (self.program.in_address, self.program.wait_address)  # noqa: E731
        self.load = Load(addresses, publishers=4, readers=10, seed=seed, pause_s=0.05, filler=200, visitors=5)

    def _start(self):
        started = time.monotonic()
        program = Program("--store", str(self.folder), *FLAGS, patience_s=START_S_MAX)
        self.longest_start_s = round(max(self.longest_start_s, time.monotonic() - started), 1)
        return program

    def restart(self, chance):
        if chance.random() < 0.5:
            self.program.process.send_signal(signal.SIGKILL)
            self.program.process.wait()
            self.stops["killed"] += 1
        else:
            self.program.stop(START_S_MAX)
            self.stops["stopped"] += 1
        self.program = self._start()

    def memory(self):
        with open(f"/proc/{self.program.pid}/smaps_rollup") as lines:
            return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) << 10

    def descriptors(self):
        """In the tables of all threads; a shard has its own."""
        tasks = pathlib.Path(f"/proc/{self.program.pid}/task")
        return sum(len(os.listdir(task / "fd")) for task in tasks.iterdir())

    def disk(self):
        return sum(path.stat().st_size for path in self.folder.iterdir())

    def state(self):
        return {"memory_kib": self.memory() >> 10, "fds": self.descriptors(), "disk_kib": self.disk() >> 10}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("minutes", type=float)
    arguments.add_argument("--seed", type=int, default=1)
    arguments = arguments.parse_args()
    chance, warm_s = random.Random(arguments.seed), min(WARM_S, arguments.minutes * 60 / 3)
    with tempfile.TemporaryDirectory(prefix="multiplexor-soak") as folder:
        folder = pathlib.Path(folder)
        steady, stopped = Side("steady", folder, arguments.seed), Side("stopped", folder, arguments.seed + 1)
        try:
            soak(steady, stopped, arguments.minutes, chance, warm_s)
        finally:
            for side in (steady, stopped):
                side.program.process.kill()


def soak(steady, stopped, minutes, chance, warm_s):
    started = time.monotonic()
    end, report, stop = (started + s for s in (minutes * 60, 60, chance.uniform(*LIFE_S)))
    samples = []
    while (now := time.monotonic()) < end:
        if now >= stop:
            stopped.restart(chance)
            stop = time.monotonic() + chance.uniform(*LIFE_S)
        if now - started >= warm_s:
            samples.append(steady.memory())
        if now >= report:
            report += 60
            line = {"minute": round((now - started) / 60), "steady": steady.state() | steady.load.counts()}
            print(json.dumps(line | {"stopped": stopped.load.counts() | stopped.stops}), flush=True)
        steady.load.check()
        stopped.load.check()
        time.sleep(1)
    tenth = max(1, len(samples) // 10)
    first, last = (sum(part) // len(part) for part in (samples[:tenth], samples[-tenth:]))
    done = {
        "minutes": minutes,
        "steady": steady.state() | steady.load.finish(START_S_MAX),
        "stopped": stopped.load.finish(START_S_MAX) | stopped.stops | {"longest_start_s": stopped.longest_start_s},
        "memory_kib": {"after_warming": first >> 10, "at_the_end": last >> 10, "most": max(samples) >> 10},
    }
    until(lambda: steady.descriptors() <= DESCRIPTORS_MAX, "descriptors are given back")
    [side.program.stop() for side in (steady, stopped)]
    print(json.dumps(done, indent=2))
    assert last <= first + GROWN_BYTES_MAX, "memory grows"
    print("nothing lost, nothing twice, nothing out of order, no gap; memory flat")


if __name__ == "__main__":
    main()
