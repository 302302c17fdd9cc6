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
# What part of the machine others may have had where a verdict about times counts.
OTHERS_MAX = 0.05
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


class Crowd:
    """A running crowd, which may wait to be let go on."""

    def __init__(self, words):
        self.words = words
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(PREFIX + words, **pipes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def until_ready(self):
        """Returns when it has come to a step `enter`."""
        errors = ""
        while "waiting for a line" not in (said := self.process.stderr.readline()):
            errors += said
            if not said:
                raise RuntimeError(f"{shlex.join(self.words)} has ended: {self.process.stdout.read()}{errors}")

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def enter(self, ask):
        """What is to be asked when it has come to a step `enter`, and lets it go on."""
        self.until_ready()
        answer = ask()
        self.go_on()
        return answer

    def report(self):
        """What it says when it has done everything."""
        said, errors = self.process.communicate()
        if not said.strip():
            raise RuntimeError(f"{shlex.join(self.words)}: {errors}")
        return json.loads(said)


def measure(start, steps, transport="sse", server=None, label="", at_enter=None, **flags):
    """Starts a program, takes a crowd through the steps, and returns the report.

    At each step `enter` the program is asked by `at_enter`; what it said is the report's `seen`.
    """
    with start(transport=transport, **(server or {})) as program:
        words = crowd(program, steps, transport, **flags)
        if label:
            COMMANDS.setdefault(label, (" ".join(program.command), shlex.join(words)))
        with Crowd(words) as many:
            seen = [many.enter(lambda: at_enter(program)) for _ in range(steps.split().count("enter"))]
            report = many.report()
    report["seen"] = seen
    return judged(report, label)


def judged(report, label):
    """The same, with what went wrong counted, and said."""
    for step in report["steps"]:
        wrong = {key: step[key] for key in ("failed", "closed", "lost", "doubled", "disordered", "astray") if step[key]}
        wrong |= {"refused": step["published"]["refused"]} if step["published"]["refused"] else {}
        if wrong:
            print(f"    {label} {step['step']}: {wrong} {step['error'] or ''}", file=sys.stderr)
    report["wrong"] = sum(
        step[key] for step in report["steps"] for key in ("failed", "closed", "lost", "doubled", "disordered", "astray")
    )
    return report


def private_bytes(pid):
    """Memory that a process shares with nobody."""
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Private"))


def step(report, begins):
    """The last step of a report whose words begin so."""
    return steps(report, begins)[-1]


def steps(report, begins):
    """All steps of a report whose words begin so."""
    return [step for step in report["steps"] if step["step"].startswith(begins)]


def open_files():
    """How many files a process may open here."""
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def shards_for(clients):
    """How many fd tables hold so many clients: each a fifth below its limit, since the kernel spreads by hash."""
    cores = os.cpu_count()
    return max(cores, -(-clients // int(open_files() * 0.75)))
