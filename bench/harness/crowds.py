"""The rows that need a hundred thousand clients and more: one process holds them all."""

import re
import statistics
import urllib.request

from . import programs
from .figures import pairs, slope, spread
from .measure import COMMANDS, Crowd, crowd, judged, measure, shards_for, shlex
from .rows import figure


def wish_for(clients):
    """What a large crowd needs: fd tables enough, on both sides, and more patience."""
    return {"server": {"shards": shards_for(clients)}, "patience": 60}


def storm(count, clients=100_000):
    """Everybody comes back at once, each with its cursor, and gets the 20 messages it missed."""
    wish = wish_for(clients)
    wish["server"] |= {"resumes": True}
    runs = [
        measure(programs.multiplexor, f"join={clients} leave=100 send=20 back", label="storm", **wish)
        for _ in range(min(count, 3))
    ]
    cost = lambda run, at: run["steps"][at]["cpu_us_per_connection"]  # noqa: E731
    values = pairs([cost(run, 3) for run in runs], [cost(run, 0) for run in runs])
    what = f"storm: CPU per client of {clients:,} who come back and get 20 messages, over that of a plain connect"
    exact = all(run["steps"][3]["delivered"] == 20 * clients for run in runs)
    line = figure(what, "≤ 2 × connect, all exact", "µs", values, runs, 2.0, ratio=True)
    return {"figures": [line | {"met": line["met"] and exact and not line["wrong"]}]}


def leaving(_, clients=100_000):
    """All leave; then 90 % of those who came again leave, and as many return."""
    steps = f"idle=1 join={clients} send=5 idle=1 leave=100 idle=30 back idle=2 leave=90 back idle=2"
    wish = wish_for(clients)
    wish["server"] |= {"resumes": True}
    run = measure(programs.multiplexor, steps, label="leaving", **wish)
    memory = [step["memory"] for step in run["steps"]]
    empty, full, left = (memory[at]["private"] for at in (0, 3, 5))
    peak = lambda first, last: max(one["peak"] for one in memory[first:last])  # noqa: E731
    kept = 100 * (left - empty) / (full - empty)
    grown = 100 * (peak(8, 11) / peak(6, 8) - 1)
    return {
        "figures": [
            figure(f"memory of {clients:,} that is not back half a minute after all have left", "≤ 10 %", "%",
                   spread([kept]), [run], 10),
            figure("growth of the peak of memory when a random 90 % have left and come back", "≤ 5 %", "%",
                   spread([grown]), [run], 5),
        ],
        "memory": memory,
    }  # fmt: skip


def heartbeats(count, clients=100_000):
    """Nothing but heartbeats, against as many sends of as many bytes by the floor, to all at once."""
    ours, bare = zip(*[heartbeats_once(clients) for _ in range(min(count, 3))], strict=True)
    costs = pairs([beat["cost"] for beat in ours], [one["steps"][1]["cpu_us_per_delivery"] for one in bare])
    what = f"{clients:,} idle SSE connections: CPU per heartbeat, in {BEATS_S} s"
    return {
        "figures": [figure(what, "≤ 1.3 × a send of the floor", "µs", costs, [*ours, *bare], 1.3, ratio=True)],
        "heartbeats": [beat["sent"] for beat in ours],
    }  # fmt: skip


def heartbeats_once(clients):
    """What heartbeats cost, and what sends of the floor do."""
    wish = wish_for(clients) | {"settle": 0}
    steps = f"join={clients} idle=5 enter idle={BEATS_S} enter"
    ours = measure(programs.multiplexor, steps, label="heartbeats: multiplexor", at_enter=heartbeats_sent, **wish)
    sent, idle = ours["seen"][1] - ours["seen"][0], ours["steps"][3]
    ours |= {"sent": sent, "cost": idle["server_s"] * 1e6 / sent}
    wish["server"] |= {"frame_len": round(idle["bytes"] / sent)}
    bare = measure(programs.floor, f"join={clients} send=2@0.5", label="heartbeats: floor", payload_len=0, **wish)
    return ours, bare


def heartbeats_sent(program):
    """How many heartbeats the program has sent, by its own account."""
    return sum(metric(program, "multiplexor_wait_heartbeats_total"))


def metric(program, name):
    """A number of the program's own, for each shard."""
    with urllib.request.urlopen(program.publishes.partition("/pub/")[0] + "/metrics") as answer:
        return [int(one) for one in re.findall(rf"(?m)^{name}\S* (\d+)", answer.read().decode())]


def large(clients):
    """A row for so many connections: memory of each, and one message to all, three times."""

    def row(count):
        steps = f"idle=1 join={clients} send=1 send=1 send=1 idle=1"
        ours, bare = [], []
        for _ in range(min(count, next(runs for most, runs in RUNS if clients <= most))):
            wish = wish_for(clients)
            label = f"{clients}"
            ours.append(measure(programs.multiplexor, steps, label=f"{label}: multiplexor", **wish))
            wish["server"] |= {"frame_len": round(ours[-1]["steps"][4]["bytes_per_delivery"])}
            bare.append(measure(programs.floor, steps, label=f"{label}: floor", **wish))
        cost = lambda run: statistics.median(run["steps"][n]["cpu_us_per_delivery"] for n in (2, 3, 4))  # noqa: E731
        reached = lambda run: max(run["steps"][n]["span_s"] for n in (2, 3, 4))  # noqa: E731
        sizes = [slope(run, 0, 5) for run in ours]
        join = pairs([run["steps"][1]["span_s"] for run in ours], [run["steps"][1]["span_s"] for run in bare])
        costs = pairs([cost(run) for run in ours], [cost(run) for run in bare])
        spans = pairs([reached(run) for run in ours], [reached(run) for run in bare])
        many = f"{clients:,} connections"
        return {
            "figures": [
                figure(f"{many}: bytes of memory each", "≤ 220 bytes", "bytes", spread(sizes), ours, 220),
                figure(f"{many}: CPU per delivery", "≤ 1.15 × floor", "µs", costs, ours + bare, 1.15, ratio=True),
                figure(f"{many}: until all are connected", "", "s", join, ours + bare),
                figure(f"{many}: until all have a message", "", "s", spans, ours + bare),
            ],
            "growth": {
                "bytes per connection by number": [[clients, statistics.median(sizes)]],
                "CPU per delivery by number, over the floor": [[clients, costs["ratio"]]],
            },
        }  # fmt: skip

    return row


def aside(_, clients=300_000):
    """A message to one while messages to a crowd go out, whose readers have stopped and are checked afterwards."""
    figures = []
    for program, how in (("multiplexor", ""), ("multiplexor-unsliced", ", without slices")):
        runs, shards = measure_aside(program, clients, f"aside{how}")
        quiet, busy = (runs[1]["steps"][n]["latency_ms"]["p99"] for n in (1, 3))
        what = f"a message to one while messages to {clients:,} go out{how}: p99 of 200, over {shards} shards"
        figures.append(figure(what, "" if how else "≤ 50 ms", "ms", spread([busy]), runs, None if how else 50))
        if not how:
            figures.append(figure("the same when nothing else goes out", "", "ms", spread([quiet]), runs))
    return {"figures": figures}


def measure_aside(name, clients, label):
    """The reports of the many and of the few, and how many shards the few are on."""
    wish = wish_for(clients)
    with programs.multiplexor(program=name, **wish.pop("server")) as program:
        words = crowd(program, f"join={clients} pause enter send=8@2 idle=1 resume", **wish)
        program.waits = program.waits.replace("{ch}", "one-{ch}")
        program.publishes = program.publishes.replace("{ch}", "one-{ch}")
        few_words = crowd(program, "join=200 send=200~100 enter send=200~50", channels="each", scatter=True)
        COMMANDS[label] = (" ".join(program.command), f"{shlex.join(words)} &\n{shlex.join(few_words)}")
        with Crowd(words) as many:
            many.until_ready()
            with Crowd(few_words) as few:
                few.until_ready()
                # The channel of the many is on all of them.
                shards = sum(channels > 1 for channels in metric(program, "multiplexor_wait_channels"))
                many.go_on()
                few.go_on()
                probes = judged(few.report(), label)
            everybody = judged(many.report(), label)
    return [everybody, probes], shards


# How often so many clients and the floor's take turns, at most.
RUNS = ((300_000, 7), (1_000_000, 2))
MILLION = {f"{clients}": large(clients) for clients in (100_000, 300_000, 1_000_000)}
ROWS = {"storm": storm, "leaving": leaving, "heartbeats": heartbeats, "aside": aside} | MILLION
# Heartbeats come every 25 s by default.
BEATS_S = 50
# Not among those that are measured where none is named.
LONG = {"aside", *MILLION}
