"""What the store costs: beside a bare loop of write and fdatasync on the same disk, and with it against without."""

import json
import pathlib
import shutil
import subprocess
import tempfile
import time
import urllib.request

from . import measure
from .figures import pairs, spread
from .measure import step
from .programs import BUILT, multiplexor
from .rows import batch_program, figure

# At most so many pairs with the store and without.
PAIRS_MAX = 5
PUBLISHES = 100_000
BATCHED = 200_000
MILLION, CHANNELS, PIECE = 1_000_000, 1_000, 10_000
SETTLE_S = 10


def store(count):
    """The example `store_cost` for the store itself; the program, with a store and without, for those who listen."""
    # On the disk that the program is built on: where /tmp is memory, nothing would be synced.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="store-", dir=BUILT))
    try:
        said = cost(folder / "cost")
        return {"figures": [*synced(said), held(), recovered(said), *delivered(folder, min(count, PAIRS_MAX)), batches(folder)]}
    finally:
        shutil.rmtree(folder)


def cost(folder):
    """What the example says, line by line."""
    command = [BUILT / "examples" / "store_cost", folder]
    measure.COMMANDS["store"] = ("cargo build --release -p multiplexor-store --example store_cost", f"{command[0]} FOLDER")
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in said.splitlines()]


def synced(said):
    """A publish that waits for its sync, and many that share one; the bare loop is in the place of the floor."""
    single = [one for one in said if one["what"] == "single"]
    values = pairs([one["ours_us"] for one in single], [one["bare_us"] for one in single])
    what = "a single publish, sync = always; a write and fdatasync in place of the floor"
    yield figure(what, "≤ 1.5 × fdatasync", "µs", values, [], 1.5, ratio=True)
    for publishers, each, target in ((64, 1, False), (1_024, 1, False), (64, 64, True)):
        runs = [one for one in said if (one.get("publishers"), one.get("each")) == (publishers, each)]
        values = pairs([one["ours"] for one in runs], [one["bare"] for one in runs])
        what = f"durable publishes, {publishers:,} publishers, each {each} outstanding; a bare loop that writes and syncs as many at once"
        line = figure(what, f"≥ {PUBLISHES:,}/s" if target else "", "/s", values, [], ratio=True)
        yield line | {"met": values["ours"] >= PUBLISHES if target else None}


def held():
    """A million messages of 50 to 150 bytes in a thousand channels: what each takes beside its payload."""
    most = {"--history-messages": "100000", "--history-bytes": "64MiB", "--history-budget": "1GiB", "--history-age": "10h"}
    with batch_program(flags=[word for one in most.items() for word in one]) as program:
        # Each channel is there before, with its record and its first message.
        say(program, range(CHANNELS))
        before = settled(program)
        for first in range(0, MILLION, PIECE):
            say(program, range(first, first + PIECE))
        bytes_each = (settled(program) - before - sum(map(length, range(MILLION)))) / MILLION
    return figure("memory of a message in history beside its payload", "≤ 64 bytes", "bytes", spread([bytes_each]), [], 64)


def say(program, numbers):
    """One NDJSON batch, with a message for each of these."""
    items = (json.dumps({"channel": f"user.{n % CHANNELS}", "data": "x" * length(n)}) + "\n" for n in numbers)
    batch = urllib.request.Request(program.publishes, "".join(items).encode(), {"Content-Type": "application/x-ndjson"})
    urllib.request.urlopen(batch).read()


def length(n):
    """An allocator rounds each length differently."""
    return 50 + n % 101


def settled(program):
    """Bytes of memory of its own when what it no longer needs has been given back."""
    time.sleep(SETTLE_S)
    return measure.private_bytes(program.process.pid)


def recovered(said):
    """How long it takes to read a million messages again."""
    recovery = [one["seconds"] for one in said if one["what"] == "recovery"]
    return figure("a million messages read again at the start", "≤ 2 s", "s", spread(recovery), [], 2)


def delivered(folder, count):
    """A message to 15,000, with a store and without, in turn."""
    runs = {"with": [], "without": []}
    for n in range(count):
        for how, taken in runs.items():
            flags = ["--store", folder / f"readers-{n}"] if how == "with" else []
            label = f"store: {how}"
            taken.append(measure.measure(multiplexor, "join=15000 send=8@2", label=label, server={"flags": flags}))
    cpu = lambda run: step(run, "send")["cpu_us_per_delivery"]  # noqa: E731
    values = pairs(list(map(cpu, runs["with"])), list(map(cpu, runs["without"])))
    what = "CPU per delivery with a store; without in place of the floor"
    yield figure(what, "≤ 1.1 × without", "µs", values, runs["with"] + runs["without"], 1.1, ratio=True)


def batches(folder):
    """NDJSON batches of 1,000 into the program, one after the other: each waits for its sync."""
    item = '{"channel":"{ch}","data":"{payload}"}\n'
    wish = {"channels": 10_000, "body": item, "type": "application/x-ndjson", "label": "store: batches"}
    run = measure.measure(batch_program, f"batch={BATCHED}/1000", server={"flags": ["--store", folder / "batches"]}, **wish)
    rate = BATCHED / run["steps"][-1]["wall_s"]
    return figure("durable publishes, one publisher of NDJSON batches of 1,000", "", "/s", spread([rate]), [run])


ROWS = {"store": store}
