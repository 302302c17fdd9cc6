"""`multiplexor store check|stats`: what they say of a store of several files, whole and damaged; they change nothing."""

import json
import os
import random
import re
import shutil
import subprocess

import pytest
from harness.program import Program, binary

SEED = int(os.environ.get("TESTS_MULTIPLEXOR_SEED", "1"))
# The least that may be set, so that files are of one mebibyte.
LIMIT = ("--store-limit", "16MiB")
CHANNELS, MESSAGES, PAYLOAD = 5, 60, 64_000


def ask(what, folder, *flags):
    """How `multiplexor store` ended, and what it said; the folder is as it was, to the time of each file."""
    before = snapshot(folder)
    done = subprocess.run([binary(), "store", what, str(folder), *flags], capture_output=True, text=True, timeout=60)
    assert snapshot(folder) == before, f"{what} changed something"
    return done.returncode, done.stdout, done.stderr


def snapshot(folder):
    if not folder.is_dir():
        return folder.exists()
    files = sorted(folder.iterdir())
    return folder.stat().st_mtime_ns, [(path.name, path.stat().st_mtime_ns, path.read_bytes()) for path in files]


def stats(folder):
    status, out, _ = ask("stats", folder, "--json")
    assert status == 0
    return json.loads(out)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A store of two lives and several files, ended in good order."""
    folder = tmp_path_factory.mktemp("whole") / "store"
    for life in range(2):
        program = Program("--store", str(folder), *LIMIT)
        for number in range(MESSAGES // 2):
            key = f"?key=k{life}.{number}" if number % 10 == 0 else ""
            program.publish(f"c{number % CHANNELS}", "x" * PAYLOAD, key)
        program.stop()
    return folder


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of it."""
    return shutil.copytree(whole, tmp_path / "store")


def segments(folder):
    return sorted(folder.glob("*.log"))


def test_a_whole_store_is_told_to_be_whole_with_its_counts(folder):
    assert len(segments(folder)) >= 4
    assert ask("check", folder) == (0, f"{folder}: whole; {MESSAGES} messages, ended in good order\n", "")
    found = stats(folder)
    assert found | {"records": 0, "changes": 0, "last": 0} == {
        "folder": str(folder),
        "segments": len(segments(folder)),
        "bytes": sum(path.stat().st_size for path in segments(folder)),
        "records": 0,
        "messages": MESSAGES,
        "payload_bytes": MESSAGES * PAYLOAD,
        "changes": 0,
        "keys": MESSAGES // 10,
        "last": 0,
        "ended": True,
        "lost": False,
    }
    assert found["records"] >= MESSAGES and found["last"] >= MESSAGES
    _, text, _ = ask("stats", folder)
    assert dict(line.split(maxsplit=1) for line in text.splitlines()) == {
        name: json.dumps(value).strip('"') for name, value in found.items()
    }


def damages(size, chance):
    """Ways to damage a file: what is said of it, from which byte on, and how."""

    def flip(at):
        def run(bytes_):
            bytes_[at] ^= 1 << chance.randrange(8)

        return run

    def cut(at):
        def run(bytes_):
            del bytes_[at:]

        return run

    places = {0, 20, 44, chance.randrange(size), chance.randrange(size), size // 2, size - 1}
    return [(f"{how.__name__} at {at}", at, how(at)) for how in (flip, cut) for at in sorted(places)]


def test_damage_is_told_with_file_and_place_in_every_file_and_nothing_is_touched(folder):
    chance = random.Random(SEED)
    for path in segments(folder):
        content = path.read_bytes()
        for what, at, damage in damages(len(content), chance):
            bytes_ = bytearray(content)
            damage(bytes_)
            path.write_bytes(bytes_)
            status, out, err = ask("check", folder)
            assert (status, err) == (1, ""), f"{path.name} {what}: {out}"
            assert out.endswith(f"{folder}: something is damaged or missing; the server starts with it, and tells clients\n")
            named = re.findall(rf"{path.name} is .*?byte (\d+)", out)
            assert named and max(map(int, named)) <= at, f"{path.name} {what}: {out}"
            others = [other.name for other in segments(folder) if other != path]
            assert not any(other in out for other in others), f"{path.name} {what}: {out}"
            found = stats(folder)
            assert found["lost"] and found["messages"] < MESSAGES, f"{path.name} {what}"
        path.unlink()
        status, out, _ = ask("check", folder)
        assert status == 1 and path.name in out, out
        path.write_bytes(content)
    assert ask("check", folder)[0] == 0, "whole again"


def test_the_file_that_says_what_store_it_is_may_be_damaged_or_missing(folder):
    meta = folder / "store"
    content = meta.read_bytes()
    for damaged in [content.replace(b"epoch ", b"epoch 1"), content[:-5], b""]:
        meta.write_bytes(damaged)
        status, out, _ = ask("check", folder)
        assert status == 1 and "the file `store` is damaged\n" in out, out
    meta.unlink()
    status, out, _ = ask("check", folder)
    assert status == 1 and "the file `store` is missing\n" in out, out
    assert stats(folder)["messages"] == MESSAGES, "the log is there"


def test_a_store_of_another_version_is_not_read(folder):
    meta = folder / "store"
    meta.write_text(meta.read_text().replace("multiplexor store 2", "multiplexor store 9"))
    for what in ["check", "stats"]:
        status, out, err = ask(what, folder)
        assert (status, out) == (1, "") and "version 9" in err and "the program that wrote it" in err, err


def test_a_folder_that_is_no_store_is_told_in_words(tmp_path):
    empty, letters, file = tmp_path / "empty", tmp_path / "letters", tmp_path / "file"
    empty.mkdir()
    letters.mkdir()
    (letters / "letter").write_text("dear")
    file.write_text("dear")
    missing = tmp_path / "missing"
    for path, words in [
        (empty, "holds no store; give the folder that --store names"),
        (letters, "holds no store"),
        (missing, "No such file or directory"),
        (file, "Not a directory"),
    ]:
        for what in ["check", "stats"]:
            status, out, err = ask(what, path)
            assert (status, out) == (1, "") and words in err and str(path) in err, (what, path, out, err)
    assert not missing.exists()


def test_a_store_in_use_is_read_and_goes_on_being_used(folder):
    program = Program("--store", str(folder), *LIMIT)
    for number in range(10):
        program.publish("c0", str(number))
    assert ask("check", folder) == (
        0,
        f"{folder}: whole; {MESSAGES + 10} messages, in use, or not ended in good order\n",
        "",
    )
    assert (stats(folder)["messages"], stats(folder)["ended"]) == (MESSAGES + 10, False)
    program.publish("c0", "goes on")
    program.stop()
    assert ask("check", folder)[1] == f"{folder}: whole; {MESSAGES + 11} messages, ended in good order\n"
