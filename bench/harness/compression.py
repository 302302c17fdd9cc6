"""What compression saves on the wire and costs the server: real JSON of three sizes, off and on in turn."""

import json
import statistics

from .figures import pairs, spread
from .measure import measure, step
from .programs import ROOT, multiplexor
from .rows import figure

SIZES = (100, 1_000, 10_000)
NAMES = {"sse": "SSE", "ws": "WebSocket"}
RUNS_MAX = 1
# Bytes of the mark that stands for {payload}.
MARK_LEN = 32


def compression(count, clients=15_000):
    """15,000 receivers: the same messages to those who take them compressed, and to those who do not."""
    figures = []
    for transport, name in NAMES.items():
        for size in SIZES:
            runs = {"off": [], "on": []}
            for _ in range(min(count, RUNS_MAX)):
                for how, taken in runs.items():
                    label = f"compression {how}, {transport}, {size}"
                    taken.append(run(label, transport, size, clients, how == "on"))
            figures += lines(f"{name}, {size:,} bytes of JSON", runs["off"], runs["on"])
            print(f"    {transport}, {size}: {figures[-2]['what']}", flush=True)
    return {"figures": figures}


def run(label, transport, size, clients, compressed):
    wish = {"payload_len": MARK_LEN, "body": document(size), "type": "application/json"}
    wish |= {"compressed": True} if compressed else {}
    return measure(multiplexor, f"join={clients} send=2 send=8@2", transport, label=label, **wish)


def lines(what, off, on):
    """Two lines of the table; beside CPU stands the CPU without."""
    wire = lambda run: step(run, "send=8")["bytes_per_delivery"]  # noqa: E731
    cpu = lambda run: step(run, "send=8")["cpu_us_per_delivery"]  # noqa: E731
    without = statistics.median(map(wire, off))
    costs = pairs(list(map(cpu, on)), list(map(cpu, off)))
    return [
        figure(f"{what}: bytes on the wire, compressed ({without:,.0f} without)", "", "bytes", spread(map(wire, on)), on),
        figure(f"{what}: CPU per delivery, compressed; without in place of the floor", "", "µs", costs, off + on, ratio=True),
    ]  # fmt: skip


def document(size):
    """JSON of about this length, with a place for the mark: pieces of the description of the IN line."""
    pieces = list(small_pieces(json.loads((ROOT / "docs" / "openapi.json").read_text())))
    begin, end = '{"mark":"{payload}","items":[', "]}"
    room = size - len(begin) - len(end) - MARK_LEN + len("{payload}")
    chosen = []
    for piece in pieces * 3:
        if len(piece) + 1 <= room:
            chosen.append(piece)
            room -= len(piece) + 1
    return begin + ",".join(chosen) + end


def small_pieces(value, most=400):
    """Objects of a document that are short, as text."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if isinstance(value, dict) and len(text) <= most:
        yield text
    elif isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from small_pieces(inner, most)


ROWS = {"compression": compression}
