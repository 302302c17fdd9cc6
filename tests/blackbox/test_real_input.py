"""A real input: the texts of Debian's `fortunes`, spoken line by line by several publishers into a channel a
theme, heard by pages in Chromium and by clients of every transport that are cut off at random. Every client
ends with every line of its channels, in order, once.

MULTIPLEXOR_SEED replays a run's cuts and choices; MULTIPLEXOR_ROUNDS speaks the texts so many times.
"""

import concurrent.futures
import itertools
import json
import multiprocessing
import os
import pathlib
import random
import re
import subprocess
import time

import pytest
from harness import real
from harness.program import place

TEXTS = pathlib.Path("/usr/share/games/fortunes")
DIGEST = "digest"
PUBLISHERS = 4
CLIENTS_A_TRANSPORT = 4
PAGES = ("sse", "sse", "bare", "ws", "ws")
CHANNELS_A_CLIENT = 6


def corpus(rounds):
    """The themes and their lines. Every tenth line goes to the digest too."""
    files = [
        file for file in sorted(TEXTS.iterdir()) if file.suffix not in (".dat", ".u8") and file.is_file()
    ]
    themes = {f"fortunes.{file.name}": file.read_bytes().split(b"\n")[:-1] * rounds for file in files}
    assert sum(map(len, themes.values())) >= 50_000 * rounds, (
        "the package has become small; choose another one"
    )
    return themes


def shares(themes, chance):
    """What each publisher says: its lines of every theme, in their order, the themes mixed at random."""
    numbers = itertools.count()
    share = [[] for _ in range(PUBLISHERS)]
    for one in share:
        one.extend([] for _ in themes)
    for at, (theme, lines) in enumerate(themes.items()):
        for line in lines:
            number = next(numbers)
            channels = (theme, DIGEST) if number % 10 == 0 else (theme,)
            share[number % PUBLISHERS][at].append((channels, line))
    for one in share:
        turns = [at for at, lines in enumerate(one) for _ in lines]
        chance.shuffle(turns)
        lines = [iter(lines) for lines in one]
        one[:] = [next(lines[at]) for at in turns]
    return share


def wishes(transports, names, share, chance, late_s):
    """Who listens to what, and how many messages that will be."""
    clients = []
    for transport in transports:
        mine = chance.sample(names, CHANNELS_A_CLIENT)
        mine += [DIGEST] if chance.random() < 0.5 else []
        total = sum(1 for one in share for channels, _ in one if not set(channels).isdisjoint(mine))
        seed = chance.randrange(1 << 32)
        clients.append(
            {"transport": transport, "names": mine, "total": total, "seed": seed, "late_s": late_s}
        )
    return clients


def as_heard(transport, names, channels, line):
    """What a client of `names` must hear of a line that was said to `channels`."""
    text = line.decode()
    if transport == "bare":
        return None, re.sub("\r\n?", "\n", text)
    matches = sorted(set(channels) & set(names))

    def no_json(_):
        raise ValueError

    try:
        return matches, json.loads(text, parse_constant=no_json)
    except ValueError:
        return matches, text


def check(client, heard, said):
    """`said`: all messages in the one order."""
    names = set(client["names"])
    mine = [(cursor, channels, line) for cursor, channels, line in said if not names.isdisjoint(channels)]
    assert len(heard) == len(mine) == client["total"]
    for n, ((cursor, channels, line), (got_cursor, got_channels, got_data)) in enumerate(zip(mine, heard)):
        got = (got_cursor, None if got_channels is None else sorted(got_channels), got_data)
        right = (cursor, *as_heard(client["transport"], names, channels, line))
        assert got == right, f"message {n} of {len(mine)} by {client['transport']}"


@pytest.mark.alone
def test_everybody_hears_every_line_in_order_once(serve, capsys):
    seed = int(os.environ.get("TESTS_MULTIPLEXOR_SEED") or time.time_ns() % (1 << 31))
    chance = random.Random(seed)
    themes = corpus(real.ROUNDS)
    share = shares(themes, chance)
    names = list(themes)
    clients = wishes(real.TRANSPORTS * CLIENTS_A_TRANSPORT, names, share, chance, late_s=10)
    pages = wishes(PAGES, names, share, chance, late_s=0)
    with capsys.disabled():
        print(
            f"\nreal input: {sum(map(len, themes.values()))} lines, {len(themes)} themes; MULTIPLEXOR_SEED={seed}"
        )

    program = serve("--history-messages", "100000", "--history-bytes", "256MiB")
    started = time.monotonic()
    browser = subprocess.Popen(
        ["node", pathlib.Path(__file__).parent / "node" / "listen_pages.js"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    browser.stdin.write(json.dumps({"address": program.waits[0], "seed": seed, "clients": pages}).encode())
    browser.stdin.close()
    try:
        with concurrent.futures.ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as processes:
            halves = [clients[0::2], clients[1::2]]
            listening = [processes.submit(real.listen, program.wait_address, half) for half in halves]
            spoken = [[(",".join(channels), line) for channels, line in one] for one in share]
            publishing = [
                processes.submit(real.publish, program.in_address, half)
                for half in (spoken[0::2], spoken[1::2])
            ]
            cursors = [cursor for done in zip(*(job.result() for job in publishing)) for cursor in done]
            said_in = time.monotonic() - started
            heard = [result for done in zip(*(job.result() for job in listening)) for result in done]
        seen = json.loads(browser.stdout.read())
        assert browser.wait(30) == 0
    finally:
        browser.stdout.close()
        if browser.poll() is None:
            browser.kill()
            browser.wait()

    for one in cursors:
        assert one == sorted(one, key=place), "a publisher's own messages are in its order"
    said = [(cursor, *message) for one, places in zip(share, cursors) for message, cursor in zip(one, places)]
    said.sort(key=lambda message: place(message[0]))
    for client, (messages, _) in zip(clients, heard):
        check(client, messages, said)
    for client, page in zip(pages, seen):
        assert page["faults"] == []
        check(client, page["heard"], said)
    cuts = sum(cuts for _, cuts in heard)
    page_cuts = sum(page["cuts"] for page in seen)
    with capsys.disabled():
        print(
            f"real input: said in {said_in:.0f} s, heard {sum(len(m) for m, _ in heard)} messages by "
            f"{len(clients)} clients over {cuts} cuts, {sum(len(p['heard']) for p in seen)} by {len(pages)} pages "
            f"over {page_cuts} cuts, in {time.monotonic() - started:.0f} s"
        )
    assert cuts > len(clients) and page_cuts > len(pages), "hardly anybody was cut off: this showed nothing"
