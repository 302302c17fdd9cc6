"""The rows that need a hundred thousand clients and more: one process holds them all."""

import json
import re
import statistics
import subprocess
import urllib.request

from . import programs
from .figures import pairs, slope, spread
from .measure import COMMANDS, PREFIX, crowd, measure, shards_for, shlex
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
    steps = f"idle=1 join={clients} send=5 idle=1 leave=100 idle=45 back idle=2 leave=90 back idle=2"
    wish = wish_for(clients)
    wish["server"] |= {"resumes": True}
    run = measure(programs.multiplexor, steps, label="leaving", **wish)
    memory = [step["memory"]["private"] for step in run["steps"]]
    empty, full, left, again = memory[0], memory[3], memory[5], memory[7]
    kept = 100 * (left - empty) / (full - empty)
    grown = 100 * (max(memory[8:]) - again) / again
    return {
        "figures": [
            figure(f"memory of {clients:,} that is not back within a minute after all have left", "≤ 10 %", "%",
                   spread([kept]), [run], 10),
            figure("growth of memory when 90 % have left and come back", "≤ 5 %", "%", spread([grown]), [run], 5),
        ],
        "memory": memory,
    }  # fmt: skip


def heartbeats(_, clients=100_000):
    """Nothing but heartbeats, against as many sends by the floor."""
    wish = wish_for(clients)
    label = "heartbeats: multiplexor"
    ours = measure(programs.multiplexor, f"join={clients} idle=50", label=label, at_end=heartbeats_sent, **wish)
    bare = measure(programs.floor, f"join={clients} send=4@1", label="heartbeats: floor", payload_len=36, **wish)
    cost = ours["steps"][1]["server_s"] * 1e6 / ours["seen"]
    values = pairs([cost], [bare["steps"][1]["cpu_us_per_delivery"]])
    what = f"{clients:,} idle SSE connections: CPU per heartbeat, in 50 s"
    line = figure(what, "≤ 1.3 × a send of the floor", "µs", values, [ours, bare], 1.3, ratio=True)
    return {"figures": [line], "heartbeats": ours["seen"]}


def heartbeats_sent(program):
    """How many heartbeats the program has sent, by its own account."""
    with urllib.request.urlopen(program.publishes.partition("/pub/")[0] + "/metrics") as answer:
        return sum(map(int, re.findall(rb"\nmultiplexor_wait_heartbeats_total\S* (\d+)", answer.read())))


def large(clients):
    """A row for so many connections: memory of each, and one message to all, three times."""

    def row(count):
        steps = f"idle=1 join={clients} send=1 send=1 send=1 idle=1"
        ours, bare = [], []
        for _ in range(min(count, 3 if clients < 500_000 else 1)):
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
    wish = wish_for(clients)
    with programs.multiplexor(**wish.pop("server")) as program:
        many = crowd(program, f"join={clients} pause enter send=4@1 idle=2 resume", **wish)
        program.waits = program.waits.replace("{ch}", "one-{ch}")
        program.publishes = program.publishes.replace("{ch}", "one-{ch}")
        few = crowd(program, "join=200 send=200~50 enter send=200~50", channels="each", scatter=True)
        COMMANDS["aside"] = (shlex.join(many), shlex.join(few))
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        with subprocess.Popen(PREFIX + many, **pipes) as of_many:
            of_many.stderr.readline()
            with subprocess.Popen(few, **pipes) as of_few:
                of_few.stderr.readline()
                for process in (of_many, of_few):
                    process.stdin.write("\n")
                    process.stdin.flush()
                probes = json.loads(of_few.stdout.read())
            everybody = json.loads(of_many.stdout.read())
    runs = [everybody, probes]
    for run in runs:
        run["wrong"] = sum(step["lost"] + step["doubled"] + step["disordered"] + step["failed"] for step in run["steps"])
    quiet, busy = (probes["steps"][n]["latency_ms"]["p99"] for n in (1, 3))
    what = f"a message to one while messages to {clients:,} go out: p99 of 200"
    return {
        "figures": [
            figure(what, "≤ 50 ms", "ms", spread([busy]), runs, 50),
            figure("the same when nothing else goes out", "", "ms", spread([quiet]), runs),
        ]
    }


MILLION = {f"{clients}": large(clients) for clients in (100_000, 300_000, 1_000_000)}
ROWS = {"storm": storm, "leaving": leaving, "heartbeats": heartbeats, "aside": aside} | MILLION
# Not among those that are measured where none is named.
LONG = {"aside", *MILLION}
