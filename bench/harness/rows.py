"""The rows of the table that fit into twenty minutes: what is measured, against what, and the target."""

import os

from . import programs
from .figures import pairs, slope, spread
from .measure import measure, step

# How many of the pairs the rivals take part in, too.
RIVAL_RUNS = 3


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
        "others": max((one["others_share"] for run in runs for one in run["steps"] if one["wall_s"] > 1), default=0),
        "wrong": sum(run["wrong"] for run in runs),
    }


def interleaved(count, wish, rivals=True, **server):
    """Measures ours and the floor in turn, so many times; by program, the reports in order."""
    reports = {"multiplexor": [], "floor": [], "floor, one process": []}
    starts = {"floor": programs.floor, "floor, one process": programs.floor_one, "multiplexor": programs.multiplexor}
    if rivals:
        starts["axum"] = programs.axum
        if programs.has_nchan():
            starts["nchan"] = programs.nchan
    frame_len = 0
    for n in range(count):
        # The frame's length is known from ours; after the first pair each other pair begins with the floor.
        order = ["multiplexor", "floor"] if n % 2 == 0 else ["floor", "multiplexor"]
        order += [name for name in starts if name not in order and (name == "floor, one process" or n < RIVAL_RUNS)]
        for name in order:
            given = (server if name == "multiplexor" else {}) | {"frame_len": frame_len}
            label = f"{wish['label']}: {name}"
            report = measure(starts[name], server=given, **(wish | {"label": label}))
            reports.setdefault(name, []).append(report)
            if name == "multiplexor":
                frame_len = round(step(report, "send")["bytes_per_delivery"])
                wrong = f", {report['wrong']} WRONG" if report["wrong"] else ""
                print(f"    pair {n + 1}: {frame_len} bytes a delivery{wrong}", flush=True)
    return reports


def against_floor(reports, name, get):
    """The figures of a program's runs over the floor's runs beside them."""
    return pairs([get(run) for run in reports[name]], [get(run) for run in reports["floor"]])


def rivals_of(reports, figures):
    """For each rival and each figure: the ratio to the floor beside it."""
    found = {}
    for name in reports:
        if name != "floor":
            found[name] = {what: against_floor(reports, name, get) for what, get in figures.items()}
    return found


def broadcast(count):
    """One channel with everybody: a burst, and two messages a second."""
    wish = {"label": "broadcast", "steps": "join=15000 send=30 send=12@2"}
    reports = interleaved(count, wish)
    steady = lambda run: step(run, "send=12")["cpu_us_per_delivery"]  # noqa: E731
    burst = lambda run: step(run, "send=30")["cpu_us_per_delivery"]  # noqa: E731
    first = lambda run: step(run, "send=30")["first_ms"]["p50"]  # noqa: E731
    accept = lambda run: step(run, "join")["cpu_us_per_connection"]  # noqa: E731
    ours = reports["multiplexor"] + reports["floor"]
    named = {"2 messages/s": steady, "burst": burst, "accept": accept}
    return {
        "figures": [
            figure("CPU per delivery, broadcast, 2 messages/s", "≤ 1.10 × floor", "µs",
                   against_floor(reports, "multiplexor", steady), ours, 1.10, ratio=True),
            figure("CPU per delivery, 30 messages back to back", "≤ 0.25 × floor", "µs",
                   against_floor(reports, "multiplexor", burst), ours, 0.25, ratio=True),
            figure("p50 latency of the first of the 30", "≤ floor", "ms",
                   against_floor(reports, "multiplexor", first), ours, 1.0, ratio=True),
            figure("CPU per connection accepted and subscribed", "≤ 1.2 × floor", "µs",
                   against_floor(reports, "multiplexor", accept), ours, 1.2, ratio=True),
        ],
        "rivals": rivals_of(reports, named),
    }  # fmt: skip


def one_to_one(count):
    """A channel for each client, and a message to one after the other in a scattered order."""
    wish = {"label": "one to one", "steps": "join=15000 send=60000/16", "channels": "each", "scatter": True}
    reports = interleaved(count, wish)
    cpu = lambda run: step(run, "send")["cpu_us_per_message"]  # noqa: E731
    return {
        "figures": [
            figure("CPU per message one to one, 16 outstanding", "≤ 1.3 × floor", "µs",
                   against_floor(reports, "multiplexor", cpu), reports["multiplexor"] + reports["floor"], 1.3, ratio=True),
        ],
        "rivals": rivals_of(reports, {"one to one": cpu}),
    }  # fmt: skip


def poll(count):
    """Long poll: an answer each, and the next request."""
    wish = {"label": "long poll", "steps": "join=15000 send=8@2", "transport": "poll"}
    reports = interleaved(count, wish, rivals=False)
    cpu = lambda run: step(run, "send")["cpu_us_per_delivery"]  # noqa: E731
    return {
        "figures": [
            figure("long poll: CPU per delivery, the next poll included", "≤ 1.5 × floor", "µs",
                   against_floor(reports, "multiplexor", cpu), reports["multiplexor"] + reports["floor"], 1.5, ratio=True),
        ],
    }  # fmt: skip


def memory(_):
    """What an idle connection costs: the slope from 8,000 to 32,000, before and after a broadcast."""
    figures, rivals = [], {}
    for transport in ("sse", "ws", "stream", "poll"):
        for channels, target in (("1", 200), ("each", 450)):
            # No time-out comes due, so that nothing is sent but what is measured; and pages are counted, not 2 MiB.
            hours = ["--poll-timeout", "1h", "--heartbeat", "1h", "--request-timeout", "1h"]
            server = {"flags": hours, "huge_pages": False}
            wish = {"transport": transport, "channels": channels, "name_len": 16, "server": server}
            label = f"memory, {transport}, channels: {channels}"
            before = measure(programs.multiplexor, "idle=0 join=8000 join=32000", label=label, **wish)
            runs, slopes = [before], [slope(before, 1, 2)]
            if channels == "1":
                steps = "join=8000 send=5 idle=0.5 join=32000 send=5 idle=0.5"
                runs.append(measure(programs.multiplexor, steps, **wish))
                slopes.append(slope(runs[1], 2, 5))
            kind = "one channel" if channels == "1" else "a channel each"
            what = f"bytes per idle connection, {transport}, {kind}"
            figures.append(figure(what, f"≤ {target} bytes", "bytes", spread([max(slopes)]), runs, target))
            if channels == "1" and transport == "sse":
                rivals["multiplexor"] = {"bytes": max(slopes)}
            print(f"    {transport}, {kind}: {', '.join(f'{one:.0f}' for one in slopes)}", flush=True)
    others = {"floor": programs.floor, "axum": programs.axum}
    others |= {"nchan": programs.nchan} if programs.has_nchan() else {}
    for name, start in others.items():
        steps = "join=4000 send=5 idle=0.5 join=12000 send=5 idle=0.5"
        report = measure(start, steps, label=f"memory: {name}", server={"huge_pages": False})
        rivals[name] = {"bytes": slope(report, 2, 5, "pss")}
    empty = measure(programs.multiplexor, "idle=1", label="fixed memory")
    fixed = empty["steps"][0]["memory"]["private"] / 2**20
    what = f"fixed memory, {os.cpu_count()} shards, huge pages as the system has them"
    figures.append(figure(what, "≤ 16 MiB", "MiB", spread([fixed]), [empty], 16))
    return {"figures": figures, "rivals": rivals}


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
