"""The page of results: tables and plots, from what the rows left in bench/results."""

import json
import os
import pathlib
import platform
import re
import subprocess
import time

from . import compression, crowds, people, store, svg, telling, tls
from . import rows as table_rows
from .measure import OTHERS_MAX
from .programs import ROOT
from .rows import PAIRS_MIN


def machine():
    """Where and of what a row was measured."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    total = re.search(r"MemTotal:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text())
    git = lambda *words: subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True).stdout.strip()  # noqa: E731
    # What rows measured before have left says nothing of what was measured.
    changed = git("status", "--porcelain", "--", ".", ":!bench/results", ":!bench/RESULTS.md")
    return {
        "date": time.strftime("%Y-%m-%d"),
        "commit": git("describe", "--always") + ("-dirty" if changed else ""),
        "cpu": f"{os.cpu_count()} × {cpu.group(1) if cpu else platform.machine()}",
        "memory": f"{int(total.group(1)) / 2**20:.0f} GiB",
        "kernel": platform.release(),
    }


def plain(line):
    """A line of the table, for a terminal."""
    return " | ".join(cells(line)).replace("**", "")


def write(results):
    """Writes RESULTS.md and the plots beside the results."""
    files = [results / f"{name}.json" for name in ORDER]
    rows = {path.stem: json.loads(path.read_text()) for path in files if path.exists()}
    text = [HEAD]
    where = {tuple(row["machine"].items()) for row in rows.values()}
    for one in sorted(where):
        one = dict(one)
        names = ", ".join(name for name, row in rows.items() if row["machine"] == one)
        text.append(f"- {names}: {one['date']}, commit {one['commit']}, {one['cpu']}, {one['memory']}, Linux {one['kernel']}")
    text += ["", "## The table", "", *table([line for row in rows.values() for line in row.get("figures", [])])]
    text += rivals(rows, results)
    text += growth(rows, results)
    text += ["", "## Commands", "", "The server, then the crowd; ports differ from run to run.", ""]
    for row in rows.values():
        for label, (server, crowd) in row["commands"].items():
            text += [f"**{label}**", "", "```sh", server, crowd, "```", ""]
    (ROOT / "bench" / "RESULTS.md").write_text("\n".join(text).rstrip() + "\n")


def table(lines):
    """The figures against their targets."""
    head = ["what", "target", "ours", "floor", "ours / floor: median (least to greatest)", "pairs", "others' CPU", "met"]
    return ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)] + [
        "| " + " | ".join(cells(line)) + " |" for line in lines
    ]


def cells(line):
    if "ours" not in line:
        return [line["what"], line["target"], "not measured", "", "", "", "", ""]
    number = lambda value: f"{value:,.0f}" if value >= 100 else f"{value:.2f}"  # noqa: E731
    ratio = ""
    if line.get("ratio"):
        ratio = f"**{line['ratio']:.2f}** ({line['least']:.2f} to {line['greatest']:.2f})"
    elif "before" in line:
        ratio = f"({number(line['before'])} before a broadcast, {number(line['after'])} after)"
    elif line["pairs"] > 1:
        ratio = f"({number(line['least'])} to {number(line['greatest'])})"
    met = {True: "yes", False: "**no**", None: ""}[line["met"]]
    met += f"; {line['wrong']} wrong" if line["wrong"] else ""
    # Bytes are counted and stay what they are; times say little on a machine that somebody else used.
    if met and line["unit"] in ("µs", "ms", "s"):
        met += "; disturbed" if line["others"] > OTHERS_MAX else ""
        met += "; few pairs" if line["pairs"] < PAIRS_MIN else ""
    floor = f"{number(line['floor'])} {line['unit']}" if "floor" in line else ""
    return [
        line["what"], line["target"], f"{number(line['ours'])} {line['unit']}", floor, ratio, str(line["pairs"]),
        f"{line['others']:.0%}", met,
    ]  # fmt: skip


def rivals(rows, results):
    """Everybody who was measured in the same run, as ratios to the floor."""
    names, columns = {}, []
    for row in rows.values():
        for name, figures in row.get("rivals", {}).items():
            names.setdefault(name, {}).update(figures)
            columns += [column for column in figures if column not in columns]
    if not columns:
        return []
    # Ours first, the floor last, the others between them.
    names = dict(sorted(names.items(), key=lambda item: (item[0].startswith("floor"), item[0] != "multiplexor")))
    columns.sort(key=lambda column: column != "bytes")
    said = {"bytes": "bytes per idle connection"}
    head = ["program", *[said.get(column, f"{column}, CPU / floor") for column in columns]]
    text = ["", "## Others, in the same run", "", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    values = {}
    for name, figures in names.items():
        line = [name]
        for column in columns:
            value = figures.get(column)
            value = value["ratio"] if isinstance(value, dict) else value
            values.setdefault(column, {})[name] = value
            line.append("" if value is None else f"{value:,.0f}" if column == "bytes" else f"{value:.2f}")
        text.append("| " + " | ".join(line) + " |")
    text.append("")
    for column in columns:
        name = column.replace(" ", "-").replace("/", "-")
        shown = {who: value for who, value in values[column].items() if value is not None}
        title = "bytes of memory per idle connection, SSE" if column == "bytes" else f"CPU, {column}, as multiples of the floor"
        (results / f"{name}.svg").write_text(svg.bars(title, shown))
        text.append(f"![{title}](results/{name}.svg)")
    return text


def growth(rows, results):
    """How it goes on with more connections."""
    lines = {}
    for row in rows.values():
        for name, points in row.get("growth", {}).items():
            lines.setdefault(name, []).extend(points)
    text = []
    for name, points in lines.items():
        file = name.replace(",", "").replace(" ", "-") + ".svg"
        (results / file).write_text(svg.bars(name, {f"{clients:,}": value for clients, value in sorted(points)}))
        text += ["", f"![{name}](results/{file})"]
    return text


def short(commands):
    """Command lines by scenario, without the folders of this machine."""
    clean = lambda line: re.sub(r"(?<!\S)/\S*/release/", "target/release/", line).replace(str(ROOT), ".")  # noqa: E731
    return {label: [clean(line) for line in lines] for label, lines in commands.items()}


ORDER = [*table_rows.ROWS, *compression.ROWS, *tls.ROWS, *store.ROWS, *people.ROWS, *telling.ROWS, *crowds.ROWS]
HEAD = """# Results

Written by `bench/run`; [README.md](README.md) says how. Ours is the release build with its defaults. The floor is
`bench/floor` with as many processes as ours has shards and frames as long as ours: one `send` for each delivery and
nothing else. They take turns; a ratio is of two runs next to each other, and a target is met when the median meets it.
CPU includes what the kernel does for the sender, which on loopback is the receiver's part, too. Others' CPU is the
part of the machine that anybody else had, at worst. A verdict about times that had more than 5 % of that is marked as disturbed, one of
fewer than 7 pairs as of few pairs: neither counts as met.

Streams to HTTP/1.1 clients are in chunks: of a message of SSE or NDJSON 6 to 8 bytes are the head and the tail of its chunk, and
5 more end a stored block of gzip, without which Go's reader would hold it back. A message of 100 bytes had 118 bytes on the wire
before, 123 compressed.
"""
