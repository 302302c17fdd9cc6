"""The store on the real program: stopped and started, out of disk, damaged; counts in and out."""

import http.client
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest
from harness.program import Program, binary, until

SEED = int(os.environ.get("TESTS_MULTIPLEXOR_SEED", "1"))


def start(folder, *flags):
    return Program("--store", str(folder), "--log-level", "warn", *flags)


def kill(program):
    program.process.send_signal(signal.SIGKILL)
    program.process.wait()


def ask(program, method, target, body=None, headers=None, timeout=30):
    """Status and document."""
    connection = http.client.HTTPConnection(program.ins[0], timeout=timeout)
    try:
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if text.strip() else None
    finally:
        connection.close()


class Reader(threading.Thread):
    """Listens to one channel over all kills, by long poll, with its cursor."""

    def __init__(self, name, where):
        super().__init__(daemon=True)
        self.name_, self.where, self.done = name, where, threading.Event()
        self.got, self.gaps, self.cursor = [], 0, "0"

    def run(self):
        while not self.done.is_set():
            try:
                connection = http.client.HTTPConnection(self.where(), timeout=10)
                while not self.done.is_set():
                    connection.request("GET", f"/sub/{self.name_}?transport=poll&since={self.cursor}")
                    answer = connection.getresponse()
                    document = json.loads(answer.read())
                    if answer.status != 200:
                        time.sleep(0.05)
                        continue
                    self.got += [message["data"] for message in document["messages"]]
                    self.gaps += bool(document.get("gap"))
                    self.cursor = document["cursor"]
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.02)


def test_a_client_resumes_exactly_over_a_restart_and_is_told_without_a_store(tmp_path):
    for flags, gap in [(("--store", str(tmp_path / "store")), False), ((), True)]:
        program = Program(*flags)
        _, first = ask(program, "POST", "/pub/a", "one")
        ask(program, "POST", "/pub/a", "two")
        program.stop()
        program = Program(*flags)
        ask(program, "POST", "/pub/a", "three")
        _, page = ask(program, "GET", f"/channels/a/history?since={first['cursor']}")
        data = [message["data"] for message in page["messages"]]
        assert data == (["three"] if gap else ["two", "three"])
        assert page.get("gap", False) == gap
        program.stop()


def test_a_repeat_under_a_key_gets_the_first_answer_after_a_kill(tmp_path):
    program = start(tmp_path / "store")
    publish = ("POST", "/pub/a", "x", {"Idempotency-Key": "k"})
    first = ask(program, *publish)
    kill(program)
    program = start(tmp_path / "store")
    assert ask(program, *publish) == first
    status, problem = ask(program, "POST", "/pub/a", "y", {"Idempotency-Key": "k"})
    assert (status, problem["code"]) == (422, "key-reused"), "what came under it outlives the program, too"
    assert len(ask(program, "GET", "/channels/a/history")[1]["messages"]) == 1
    program.stop()


def test_what_was_deleted_stays_so_after_a_kill(tmp_path):
    program = start(tmp_path / "store")
    ask(program, "POST", "/pub/a", "x")
    assert ask(program, "DELETE", "/channels/a")[1]["deleted"]
    kill(program)
    program = start(tmp_path / "store")
    assert ask(program, "GET", "/channels/a/history")[1]["messages"] == []
    program.stop()


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip(f"no file system can be mounted here: {made.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_refuses_publishes_and_harms_no_listener(small_disk):
    program = start(small_disk / "store", "--history-bytes", "64MiB", "--poll-timeout", "1s")
    reader = Reader("a", lambda: program.waits[0])
    reader.start()
    ballast = small_disk / "ballast"
    body, taken, refused = "x" * 200_000, 0, None
    while refused is None:
        status, answer = ask(program, "POST", "/pub/a", body)
        taken += status == 200
        if status != 200:
            refused = (status, answer)
        if taken == 20:
            with open(ballast, "wb") as file, pytest.raises(OSError):
                while True:
                    file.write(b"x" * 65536)
                    file.flush()
        assert taken < 200, "the disk is never full"
    assert refused[0] == 507 and "full" in refused[1]["detail"], refused
    until(lambda: len(reader.got) == taken, f"the reader has {taken}: {len(reader.got)}")
    assert ask(program, "DELETE", "/channels/a")[0] == 507
    # What is not kept needs no disk; only whoever waits at that moment gets it.
    def live():
        assert ask(program, "POST", "/pub/a?ttl=0", "live")[0] == 200
        return "live" in reader.got

    until(live, "the reader goes on")
    ballast.unlink()
    until(lambda: ask(program, "POST", "/pub/a", "again")[0] == 200, "publishing works again")
    until(lambda: reader.got[-1:] == ["again"], "the reader goes on")
    assert len([data for data in reader.got if data != "live"]) == taken + 1 and reader.gaps == 0
    kill(program)
    reader.done.set()
    reader.join()
    program = start(small_disk / "store")
    page = ask(program, "GET", "/channels/a/history?tail=1")[1]["messages"]
    assert page[-1]["data"] == "again"
    program.stop()


def damaged(path, how, chance):
    bytes_ = bytearray(path.read_bytes())
    if how == "flipped":
        at = chance.randrange(len(bytes_))
        bytes_[at] ^= 1 << chance.randrange(8)
    else:
        del bytes_[chance.randrange(len(bytes_)) :]
    path.write_bytes(bytes_)


@pytest.mark.parametrize("how", ["flipped", "truncated", "missing"])
def test_damage_in_any_file_is_told_and_nothing_false_is_given(tmp_path, how):
    chance = random.Random(SEED)
    folder = tmp_path / "store"
    cursors = {}
    for life in range(3):
        program = start(folder)
        for number in range(life * 20, life * 20 + 20):
            cursors[number] = ask(program, "POST", "/pub/a", str(number))[1]["cursor"]
        program.stop()
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in sorted(whole):
        for path in folder.iterdir():
            path.unlink()
        for other, content in whole.items():
            (folder / other).write_bytes(content)
        if how == "missing":
            (folder / name).unlink()
        elif whole[name]:
            damaged(folder / name, how, chance)
        check = subprocess.run([binary(), "store", "check", str(folder)], capture_output=True, text=True)
        program = start(folder)
        page = ask(program, "GET", f"/channels/a/history?since={cursors[0]}&limit=1000")[1]
        got = [int(message["data"]) for message in page["messages"]]
        assert got == sorted(set(got)) and set(got) <= set(cursors), name
        is_whole = [number for number in got if number > 0] == list(range(1, 60))
        assert is_whole or page.get("gap"), f"{name} {how}: {60 - len(got)} are missing, and nobody is told"
        assert is_whole or check.returncode == 1, f"{name} {how}: {check.stdout}"
        # No place comes twice where the epoch goes on.
        status, answer = ask(program, "POST", "/pub/a", "new")
        assert status == 200 and answer["cursor"] not in cursors.values()
        program.stop()


def test_another_program_another_version_another_folder_are_told_in_words(tmp_path):
    def refused(folder):
        command = [binary(), "--store", str(folder), "--wait", "127.0.0.1:0", "--in", "127.0.0.1:0"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 1
        return ended.stderr

    program = start(tmp_path / "store")
    assert "in use by another program" in refused(tmp_path / "store")
    program.stop()
    meta = tmp_path / "store" / "store"
    text = meta.read_text()
    meta.write_text(text.replace("multiplexor store 2", "multiplexor store 9"))
    before = {path.name: path.read_bytes() for path in meta.parent.iterdir()}
    assert "version 9" in refused(tmp_path / "store")
    assert {path.name: path.read_bytes() for path in meta.parent.iterdir()} == before
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter").write_text("dear")
    assert "holds other files" in refused(other)
    assert [path.name for path in other.iterdir()] == ["letter"]
    if os.geteuid() == 0:
        foreign = tmp_path / "foreign"
        foreign.mkdir()
        os.chown(foreign, 12345, 12345)
        assert "belongs to user 12345" in refused(foreign)
        assert list(foreign.iterdir()) == []
