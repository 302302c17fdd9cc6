"""What users cost: their memory, and presence on channels. Crowds have tokens, one each."""

import base64
import contextlib
import hashlib
import hmac
import json
import os
import pathlib
import subprocess
import tempfile
import time

from . import measure, programs
from .crowds import metric, wish_for
from .figures import pairs, slope, spread
from .listeners import Witness
from .measure import COMMANDS, Crowd, crowd, judged, shlex, step
from .rows import figure

SECRET = "a-secret-of-the-bench-that-is-long-enough"
USERS, WATCHERS = 100_000, 1_000
JOINS_A_SECOND, SAID_S = 2_000, 15
RELOADS, RELOADS_A_SECOND = 300_000, 5_000
# Longer than a user has to come back.
GRACE_S = 12
# Bytes of a user's name.
NAME = 7
RULE = '[[channel]]\nmatch = "c*"\n'
PRESENCE = RULE + 'presence = "open"\n'


@contextlib.contextmanager
def tokens(count, user="u{:06}"):
    """A file with so many tokens, each of a user of its own, or of none."""

    def signed(claims):
        part = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")  # noqa: E731
        text = part(b'{"alg":"HS256"}') + b"." + part(json.dumps(claims).encode())
        return (text + b"." + part(hmac.digest(SECRET.encode(), text, hashlib.sha256))).decode()

    now = int(time.time())
    claims = lambda n: {"sub": user.format(n)} if user else {"listen": f"none{n:06}"}  # noqa: E731
    with tempfile.NamedTemporaryFile("w", suffix=".tokens") as file:
        file.writelines(signed({**claims(n), "iat": now, "exp": now + 86_400}) + "\n" for n in range(count))
        file.flush()
        yield file.name


def of(text, query="?token={value}", **given):
    """How the program is started with these settings in its file; clients show their tokens."""

    def start(flags=(), **wishes):
        with tempfile.NamedTemporaryFile("w", suffix=".toml", delete=False) as file:
            file.write(f'token_secret = "{SECRET}"\n{text}')
        try:
            program = programs.multiplexor(flags=["--config", file.name, *flags], **given, **wishes)
        finally:
            pathlib.Path(file.name).unlink()
        program.waits += query
        return program

    return start


def memory(_):
    """Slopes from 8,000 to 32,000: nobody is known, all have tokens of nobody, all are users, and they are present."""
    figures = []
    for transport in ("sse", "ws"):
        with tokens(32_000, None) as nobody, tokens(32_000) as users:
            plain, old = resting(transport)
            session = slopes(of(RULE), transport, "tokens of nobody", values=nobody)
            user = slopes(of(RULE), transport, "users", values=users)
            present = slopes(of(PRESENCE), transport, "users, with presence", values=users)
        runs = [run for run, _ in (*plain, *old, session, user, present)]
        ours, bare = ([each for _, each in taken] for taken in (plain, old))
        none = pairs(ours, bare) if old else spread(ours)
        lines = [
            ("a connection that uses none of it, after 10 s of rest; before there were users in place of the floor", "the same", none, None),
            ("a connection that has a user, over one with a token of nobody: its name of 7 bytes, the table of users",
             "≤ 48 bytes and the name", spread([user[1] - session[1]]), 48 + NAME),
            ("a user present in a channel, over one who is on it without presence, with its name of 7 bytes",
             "≤ 160 bytes and the name", spread([present[1] - user[1]]), 160 + NAME),
        ]  # fmt: skip
        figures += [figure(f"{what}, {transport}", target, "bytes", values, runs, limit) for what, target, values, limit in lines]
    return {"figures": figures}


def resting(transport):
    """Runs of this build, and of the one that BENCH_BEFORE names, in turn. What joining itself needed is given back before memory is read."""
    before = os.environ.get("BENCH_BEFORE")
    ours, old, rest = [], [], {"steps": "idle=0 join=8000 idle=10 join=32000 idle=10", "at": (2, 4)}
    for _ in range(3):
        ours.append(slopes(programs.multiplexor, transport, "none of it", **rest))
        if before:
            old.append(slopes(programs.multiplexor, transport, "none of it, before", program=before, **rest))
    return ours, old


def slopes(start, transport, label, program=None, steps="idle=0 join=8000 join=32000", at=(1, 2), **wish):
    """A run, and its bytes a connection between two of its steps; no time-out comes due in it."""
    server = {"flags": ["--heartbeat", "1h", "--request-timeout", "1h"]} | ({"program": program} if program else {})
    wish |= {"name_len": 16, "settle": 0.5, "server": server}
    run = measure.measure(start, steps, transport, label=f"people, memory, {transport}, {label}", **wish)
    print(f"    {transport}, {label}: {slope(run, *at):.1f} bytes", flush=True)
    return run, slope(run, *at)


def joins(count, clients=USERS):
    """Everybody joins one channel: without presence, with it, and with a thousand who watch."""
    runs = {"without": [], "with": [], "watched": [], "said": []}
    with tokens(clients) as values:
        for _ in range(min(count, 3)):
            for how, text in (("without", RULE), ("with", PRESENCE)):
                server, label = wish_for(clients), f"people, joins, {how} presence"
                runs[how].append(measure.measure(of(text), f"idle=1 join={clients} idle=1", label=label, values=values, **server))
        runs["watched"].append(watched(clients, values))
    said = f"join={WATCHERS + 1} send={SAID_S * JOINS_A_SECOND}@{JOINS_A_SECOND}"
    runs["said"].append(measure.measure(of(RULE, query=""), said, label="people, joins, messages instead"))
    cost = lambda run: sum(one["server_s"] for one in run["steps"][1:3]) * 1e6 / clients  # noqa: E731
    costs = {how: [cost(run) for run in taken] for how, taken in runs.items() if how != "said"}
    more = [a - b for a, b in zip(costs["with"], costs["without"], strict=True)]
    seen = runs["watched"][0]["seen"]
    each = (costs["watched"][0] - spread(costs["with"])["ours"]) / seen["watchers"]
    every = [run for taken in runs.values() for run in taken]
    what = f"{clients:,} users join one channel"
    return {
        "figures": [
            figure(f"{what}: CPU a join; without presence in place of the floor", "", "µs",
                   pairs(costs["with"], costs["without"]), every, ratio=True),
            figure(f"{what}: what presence adds to a join, nobody watches", "≤ 3 µs", "µs", spread(more), every, 3),
            figure(f"{what}, {JOINS_A_SECOND:,} a second, {seen['watchers']:,} watch: CPU a change told to one; in place of the floor a message, to as many, as many a second", "≤ 1 × a message's delivery",
                   "µs", pairs([each], [step(runs["said"][0], "send")["cpu_us_per_delivery"]]), every, 1, ratio=True),
            figure("changes told to one who watches; as many as joined", f"{clients:,}", "", spread([seen["joined"]]), every),
            figure("connections looked at for each change, of all", f"≤ {seen['watchers']:,}", "",
                   spread([seen["visits"] / clients]), every, seen["watchers"]),
        ],
    }  # fmt: skip


def watched(clients, values):
    """The report of those who join, and what those saw who watch."""
    wish, label = wish_for(clients), "people, joins, watched"
    flags = ["--presence-history", "100000", "--slow-reader", "16MiB", "--heartbeat", "1h"]
    with of(PRESENCE)(flags=flags, **wish.pop("server")) as program:
        words = crowd(program, f"idle=1 join={clients} enter", values=values, connect_rate=JOINS_A_SECOND, **wish)
        program.waits = program.waits.replace("?token={value}", "?presence=1")
        watching = crowd(program, f"join={WATCHERS} enter", **wish)
        COMMANDS[label] = (" ".join(program.command), f"{shlex.join(watching)} &\n{shlex.join(words)}")
        with Crowd(watching) as watchers, Crowd(words) as many, Witness(program.waits.replace("{ch}", "c0")) as witness:
            watchers.until_ready()
            before = sum(metric(program, "multiplexor_wait_visits_total"))
            many.enter(lambda: witness.until(lambda: witness.counts["joined"] >= clients))
            report = judged(many.report(), label)
            watchers.go_on()
            judged(watchers.report(), label)
            visits = sum(metric(program, "multiplexor_wait_visits_total")) - before
    return report | {"seen": witness.counts | {"watchers": WATCHERS + 1, "visits": visits}}


def hub(_):
    """What is done under the lock, by an example of the hub's crate."""
    command = [programs.BUILT / "examples" / "presence_cost"]
    COMMANDS["people, under the lock"] = ("cargo build --release -p multiplexor-hub --example presence_cost", str(command[0]))
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    said = [json.loads(line) for line in lines]
    one = lambda what: next(line for line in said if line["what"] == what)  # noqa: E731
    lists = {line["users"]: line for line in said if line["what"] == "list"}
    us = lambda ns: spread([ns / 1_000])  # noqa: E731
    reload = one("reload")
    return {
        "figures": [
            figure("the hub alone: bytes of a user present in a channel, with its name of 8", "≤ 160 bytes and the name", "bytes",
                   spread([one("bytes")["each"]]), [], 168),
            figure("the hub alone: a join of one of 100,000 with presence, under the lock", "≤ 1 µs more than without", "µs",
                   us(one("join")["open_ns"]), [], one("join")["plain_ns"] / 1_000 + 1),
            figure("the hub alone: the same without presence", "", "µs", us(one("join")["plain_ns"]), []),
            figure("a list of 64 for a newcomer, under the lock, with its registration", "≤ 20 µs", "µs", us(lists[64]["median_ns"]), [], 20),
            figure("the same: p99 of 10,000", "≤ 20 µs", "µs", us(lists[64]["p99_ns"]), [], 20),
            figure("a list of 200, the default, in one step: p99 of 10,000", "≤ 100 µs", "µs", us(lists[200]["p99_ns"]), [], 100),
            figure("a list of 1,000, the most there may be, in one step: p99 of 10,000", "≤ 100 µs", "µs", us(lists[1000]["p99_ns"]), [], 100),
            figure("the hub alone: a user comes again and leaves", "", "µs", us(reload["ns"]), []),
        ],
    }  # fmt: skip


def churn(count, clients=USERS):
    """Pages are loaded again: with presence, and without, in turn."""
    runs = {"with": [], "without": []}
    with tokens(clients) as values:
        for _ in range(min(count, 3)):
            for how, text in (("with", PRESENCE), ("without", RULE)):
                runs[how].append(reloaded(text, clients, values, f"people, churn, {how} presence"))
    cost = lambda run: step(run, "reload")["cpu_us_per_connection"]  # noqa: E731
    values = pairs(list(map(cost, runs["with"])), list(map(cost, runs["without"])))
    every = runs["with"] + runs["without"]
    moved = [sum(run["seen"].values()) for run in runs["with"]]
    what = f"{clients:,} users, {RELOADS_A_SECOND:,} reloads a second for {RELOADS // RELOADS_A_SECOND} s"
    return {
        "figures": [
            figure(f"{what}: joined and left told", "0", "", spread(moved), every, 0),
            figure(f"{what}: CPU a reload; without presence in place of the floor", "≤ 1.15 × without", "µs",
                   values, every, 1.15, ratio=True),
        ],
    }  # fmt: skip


def reloaded(text, clients, values, label):
    """The report of those who come again and again, and what somebody saw meanwhile, and for the grace, who watches presence."""
    wish = wish_for(clients)
    with of(text)(**wish.pop("server")) as program:
        words = crowd(program, f"join={clients} enter reload={RELOADS}@{RELOADS_A_SECOND} enter", values=values, **wish)
        COMMANDS[label] = (" ".join(program.command), shlex.join(words))
        url = program.waits.replace("?token={value}", "?presence=1").replace("{ch}", "c0")
        with Crowd(words) as many:
            many.until_ready()
            with Witness(url) if text == PRESENCE else contextlib.nullcontext() as witness:
                many.go_on()
                many.enter(lambda: time.sleep(GRACE_S if witness else 0))
                seen = dict(witness.counts) if witness else {}
            report = judged(many.report(), label)
    return report | {"seen": seen}


ROWS = {"people-memory": memory, "people-joins": joins, "people-hub": hub, "people-churn": churn}
