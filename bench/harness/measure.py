"""One measurement: a fresh program, a crowd of clients, and the report of `multiplexor bench`."""

import json
import os
import shlex
import shutil
import subprocess
import sys

from .programs import BUILT

# A copy of the program: pages that two processes of one file share would count as nobody's.
CROWD = BUILT / "multiplexor-crowd"
# A command that is put before each measurement; see bench/run --with.
PREFIX = []
# Every command line that was run, by scenario, for the page.
COMMANDS = {}


def prepare(prefix):
    """Once, before all measurements."""
    fresh = CROWD.with_suffix(".new")
    shutil.copy2(BUILT / "multiplexor", fresh)
    os.replace(fresh, CROWD)
    PREFIX[:] = shlex.split(prefix)


def crowd(program, steps, transport="sse", **flags):
    """The command line of a crowd for a running program."""
    words = [str(CROWD), "bench", "--json", "--transport", transport, "--pid", str(program.process.pid)]
    words += ["--url", program.waits, "--publish", program.publishes]
    for name, value in flags.items():
        name = "--" + name.replace("_", "-")
        words += [name] if value is True else [name, str(value)]
    return words + steps.split()


def measure(start, steps, transport="sse", server=None, label="", at_end=None, **flags):
    """Starts a program, takes a crowd through the steps, and returns the report; `at_end` may ask the program more."""
    with start(transport=transport, **(server or {})) as program:
        words = crowd(program, steps, transport, **flags)
        if label:
            COMMANDS.setdefault(label, (" ".join(program.command), shlex.join(words)))
        done = subprocess.run(PREFIX + words, capture_output=True, text=True)
        seen = at_end(program) if at_end else None
    if not done.stdout.strip():
        raise RuntimeError(f"{shlex.join(words)}: {done.stderr}")
    report = json.loads(done.stdout)
    for step in report["steps"]:
        wrong = {key: step[key] for key in ("failed", "closed", "lost", "doubled", "disordered", "astray") if step[key]}
        wrong |= {"refused": step["published"]["refused"]} if step["published"]["refused"] else {}
        if wrong:
            print(f"    {label} {step['step']}: {wrong} {step['error'] or ''}", file=sys.stderr)
    report["seen"] = seen
    report["wrong"] = sum(
        step[key] for step in report["steps"] for key in ("failed", "closed", "lost", "doubled", "disordered", "astray")
    )
    return report


def step(report, begins):
    """The last step of a report whose words begin so."""
    return [step for step in report["steps"] if step["step"].startswith(begins)][-1]


def open_files():
    """How many files a process may open here."""
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def shards_for(clients):
    """How many fd tables hold so many clients: each a fifth below its limit, since the kernel spreads by hash."""
    cores = os.cpu_count()
    return max(cores, -(-clients // int(open_files() * 0.75)))
