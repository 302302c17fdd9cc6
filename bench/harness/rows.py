"""The rows of the table that fit into twenty minutes: what is measured, against what, and the target."""

import os
import statistics

from . import programs
from .figures import pairs, slope, spread
from .measure import OTHERS_MAX, measure, step, steps

# How many of the pairs the rivals take part in, too.
RIVAL_RUNS = 3
# How many more pairs are measured where others disturbed some, if as many as PAIRS_MIN are wished.
PAIRS_MIN, PAIRS_MORE = 7, 2


def figure(what, target, unit, values, runs, limit=None, ratio=False):
    """A line of the table: the figures, whether the median meets the limit, and how disturbed the runs were."""
    if values is None:
        return {"what": what, "target": target, "unit": unit, "met": None, "others": 0, "wrong": 0}
    reached = values.get("ratio") if ratio else values["ours"]
    return values | {
        "what": what,
        "target": target,
        "unit": unit,
        "met": None if limit is None or reached is None else reached <= limit,
        "others": max((others(run) for run in runs), default=0),
        "wrong": sum(run["wrong"] for run in runs),
    }


def others(run):
    """The part of the machine that nobody measured had, at worst; short steps tell too little."""
    return max((one["others_share"] for one in run["steps"] if one["wall_s"] > 1), default=0)


def interleaved(count, wish, rivals=True, **server):
    """Measures ours and the floor in turn, so many times; returns the pairs, each the reports by program.

    Where others disturbed some, more are measured, and those count that were disturbed least.
    """
    starts = {"floor": programs.floor, "floor, one process": programs.floor_one, "multiplexor": programs.multiplexor}
    if rivals:
        starts["axum"] = programs.axum
        if programs.has_nchan():
            starts["nchan"] = programs.nchan
    frame_len, taken = 0, []
    disturbed = lambda pair: max(others(pair["multiplexor"]), others(pair["floor"]))  # noqa: E731
    most = count + (PAIRS_MORE if count >= PAIRS_MIN else 0)
    while len(taken) < most and sum(disturbed(pair) <= OTHERS_MAX for pair in taken) < count:
        # The frame's length is known from ours; after the first pair each other pair begins with the floor.
        order = ["multiplexor", "floor"] if len(taken) % 2 == 0 else ["floor", "multiplexor"]
        order += [name for name in starts if name not in order and (len(taken) < RIVAL_RUNS or not rivals)]
        pair = {}
        for name in order:
            given = (server if name == "multiplexor" else {}) | {"frame_len": frame_len}
            label = f"{wish['label']}: {name}"
            pair[name] = measure(starts[name], server=given, **(wish | {"label": label}))
            if name == "multiplexor":
                frame_len = round(step(pair[name], "send")["bytes_per_delivery"])
        wrong = sum(report["wrong"] for report in pair.values())
        taken.append(pair)
        said = f"{frame_len} bytes a delivery, others {disturbed(pair):.1%}"
        print(f"    pair {len(taken)}: {said}{f', {wrong} WRONG' if wrong else ''}", flush=True)
    best = sorted(taken, key=disturbed)[:count]
    return [pair for pair in taken if pair in best]


def against_floor(taken, name, get):
    """The figures of a program's runs over the floor's runs beside them."""
    both = [pair for pair in taken if name in pair]
    return pairs([get(pair[name]) for pair in both], [get(pair["floor"]) for pair in both])


def measured(taken):
    """The runs of ours and the floor."""
    return [pair[name] for pair in taken for name in ("multiplexor", "floor")]


def rivals_of(taken, figures):
    """For each rival and each figure: the ratio to the floor beside it."""
    names = dict.fromkeys(name for pair in taken for name in pair if name != "floor")
    return {name: {what: against_floor(taken, name, get) for what, get in figures.items()} for name in names}


def broadcast(count):
    """One channel with everybody: three bursts, and two messages a second."""
    taken = interleaved(count, {"label": "broadcast", "steps": "join=15000 send=30 send=30 send=30 send=8@2"})
    typical = lambda run, get: statistics.median(get(one) for one in steps(run, "send=30"))  # noqa: E731
    steady = lambda run: step(run, "send=8")["cpu_us_per_delivery"]  # noqa: E731
    burst = lambda run: typical(run, lambda one: one["cpu_us_per_delivery"])  # noqa: E731
    first = lambda run: typical(run, lambda one: one["first_ms"]["p50"])  # noqa: E731
    accept = lambda run: step(run, "join")["cpu_us_per_connection"]  # noqa: E731
    runs = measured(taken)
    ours = lambda get: against_floor(taken, "multiplexor", get)  # noqa: E731
    return {
        "figures": [
            figure("CPU per delivery, broadcast, 2 messages/s", "≤ 1.10 × floor", "µs", ours(steady), runs, 1.10, True),
            figure("CPU per delivery, 30 messages back to back", "≤ 0.25 × floor", "µs", ours(burst), runs, 0.25, True),
            figure("p50 latency of the first of the 30", "≤ floor", "ms", ours(first), runs, 1.0, True),
            figure("CPU per connection accepted and subscribed", "≤ 1.2 × floor", "µs", ours(accept), runs, 1.2, True),
        ],
        "rivals": rivals_of(taken, {"2 messages/s": steady, "burst": burst, "accept": accept}),
    }


def one_to_one(count):
    """A channel for each client, and a message to one after the other in a scattered order."""
    wish = {"label": "one to one", "steps": "join=15000 send=60000/16", "channels": "each", "scatter": True}
    taken = interleaved(count, wish)
    cpu = lambda run: step(run, "send")["cpu_us_per_message"]  # noqa: E731
    what = "CPU per message one to one, 16 outstanding"
    values = against_floor(taken, "multiplexor", cpu)
    return {
        "figures": [figure(what, "≤ 1.3 × floor", "µs", values, measured(taken), 1.3, ratio=True)],
        "rivals": rivals_of(taken, {"one to one": cpu}),
    }


def poll(count):
    """Long poll: an answer each, and the next request."""
    wish = {"label": "long poll", "steps": "join=15000 send=8@2", "transport": "poll"}
    taken = interleaved(count, wish, rivals=False)
    cpu = lambda run: step(run, "send")["cpu_us_per_delivery"]  # noqa: E731
    what = "long poll: CPU per delivery, the next poll included"
    values = against_floor(taken, "multiplexor", cpu)
    return {"figures": [figure(what, "≤ 1.5 × floor", "µs", values, measured(taken), 1.5, ratio=True)]}


def memory(_):
    """What an idle connection costs: the slope from 8,000 to 32,000, before and after a broadcast."""
    figures, rivals = [], {}
    for transport in ("sse", "ws", "stream", "poll"):
        for channels, target in (("1", 200), ("each", 450)):
            kind = "one channel" if channels == "1" else "a channel each"
            runs, slopes = measure_slopes(transport, channels)
            values = spread([max(slopes)]) | {"before": slopes[0], "after": slopes[1]}
            what = f"bytes per idle connection, {transport}, {kind}"
            figures.append(figure(what, f"≤ {target} bytes", "bytes", values, runs, target))
            if channels == "1" and transport == "sse":
                rivals["multiplexor"] = {"bytes": max(slopes)}
            print(f"    {transport}, {kind}: {slopes[0]:.0f} before, {slopes[1]:.0f} after a broadcast", flush=True)
    others = {"floor": programs.floor, "axum": programs.axum}
    others |= {"nchan": programs.nchan} if programs.has_nchan() else {}
    for name, start in others.items():
        report = measure(start, "join=4000 send=5 idle=0.5 join=12000 send=5 idle=0.5", label=f"memory: {name}",
                         server={"huge_pages": False})  # fmt: skip
        rivals[name] = {"bytes": slope(report, 2, 5, "pss")}
    empty = measure(programs.multiplexor, "idle=1", label="fixed memory", server={"shards": 2})
    fixed = empty["steps"][0]["memory"]["private"] / 2**20
    what = "fixed memory, 2 shards"
    figures.append(figure(what, "≤ 16 MiB", "MiB", spread([fixed]), [empty], 16))
    return {"figures": figures, "rivals": rivals}


def measure_slopes(transport, channels):
    """Two runs and their slopes: nobody was told anything; everybody was, and it is over.

    What each is told on a channel of its own is not kept: the history shall be empty.
    """
    # No time-out comes due, so that nothing is sent but what is measured.
    hours = ["--poll-timeout", "1h", "--heartbeat", "1h", "--request-timeout", "1h"]
    server = {"flags": hours, "kept": channels == "1"}
    wish = {"transport": transport, "channels": channels, "name_len": 16, "settle": 0.5, "server": server}
    label = f"memory, {transport}, {'one channel' if channels == '1' else 'a channel each'}"
    before = measure(programs.multiplexor, "idle=0 join=8000 join=32000", label=label, **wish)
    few, many = ("5", "5") if channels == "1" else ("32000/16", "32000/16")
    steps = f"join=8000 send={few} idle=3 join=32000 send={many} idle=3"
    after = measure(programs.multiplexor, steps, label=f"{label}, after a broadcast", **wish)
    return [before, after], [slope(before, 1, 2), slope(after, 2, 5)]


def batches(count):
    """NDJSON batches of 1,000 over 10,000 channels, when their history is full already."""
    values, runs = [], []
    for _ in range(count):
        run = measure_batches()
        runs.append(run)
        values.append(run["steps"][-1]["cpu_us_per_message"])
    what = "CPU per message, NDJSON batches of 1,000 over 10,000 channels, history evicting"
    return {"figures": [figure(what, "≤ 1.0 µs", "µs", spread(values), runs, 1.0)]}


def measure_batches():
    """Fills the history of all channels, then measures what goes on top."""
    item = '{"channel":"{ch}","data":"{payload}"}\n'
    wish = {"channels": 10_000, "body": item, "type": "application/x-ndjson", "label": "batches"}
    return measure(batch_program, "batch=1000000/1000 batch=1000000/1000", **wish)


def batch_program(**wishes):
    """Ours; messages go to /pub."""
    program = programs.multiplexor(**wishes)
    program.publishes = program.publishes.removesuffix("/{ch}")
    return program


ROWS = {"memory": memory, "broadcast": broadcast, "one-to-one": one_to_one, "poll": poll, "batches": batches}
