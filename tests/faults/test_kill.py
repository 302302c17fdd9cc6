"""kill -9, again and again, under load: what was answered is there, once, in order; readers go on by their cursors."""

import os
import random
import signal
import subprocess
import time

import pytest
from harness.load import Load
from harness.program import Program, binary

SEED = int(os.environ.get("TESTS_MULTIPLEXOR_SEED", "1"))
ROUNDS = int(os.environ.get("TESTS_MULTIPLEXOR_ROUNDS") or 1)
ROOMY = ["--history-messages", "100000", "--history-bytes", "64MiB", "--poll-timeout", "2s", "--heartbeat", "2s"]


class Killed:
    """A program with a store that is killed and started again."""

    def __init__(self, folder, *flags):
        self.flags = ["--store", str(folder), "--log-level", "warn", *ROOMY, *flags]
        self.program = Program(*self.flags)

    def addresses(self):
        return self.program.in_address, self.program.wait_address

    def kill(self):
        self.program.process.send_signal(signal.SIGKILL)
        self.program.process.wait()
        self.program = Program(*self.flags)


@pytest.mark.parametrize("sync", ["always", "interval", "os"])
def test_killed_under_load_nothing_answered_is_missing_doubled_or_out_of_order(tmp_path, sync, capsys):
    chance, kills = random.Random(SEED), 5 * ROUNDS
    killed = Killed(tmp_path / "store", "--store-sync", sync)
    load = Load(killed.addresses, publishers=4, readers=10, seed=SEED)
    for _ in range(kills):
        load.until_more(chance.randrange(20, 200))
        killed.kill()
    load.until_more(50)
    counts = load.finish()
    killed.program.stop()
    with capsys.disabled():
        print(f"\n{sync}: {kills} kills; {counts}")
    # Ten readers, of which five listen to one of four channels and five to all.
    assert counts["heard"] > counts["answered"] and counts["connections"] > kills * 10


def test_killed_while_it_starts_it_still_loses_nothing(tmp_path):
    killed, chance = Killed(tmp_path / "store"), random.Random(SEED)
    load = Load(killed.addresses, publishers=2, readers=5, seed=SEED)
    for _ in range(5 * ROUNDS):
        load.until_more(20)
        killed.program.process.send_signal(signal.SIGKILL)
        killed.program.process.wait()
        # Anywhere between its first system call and the moment when it listens.
        for _ in range(3):
            command = [binary(), *killed.flags, "--wait", "127.0.0.1:0", "--in", "127.0.0.1:0"]
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as starting:
                time.sleep(chance.random() * 0.03)
                starting.kill()
        killed.program = Program(*killed.flags)
    load.until_more(20)
    load.finish()
    killed.program.stop()
