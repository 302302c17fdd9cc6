"""Makes the tables of docs/clients.md of what was seen (seen.json), and says which of what was seen now is worse."""

import json
import pathlib
import re

from libraries import LIBRARIES

HERE = pathlib.Path(__file__).parent
SEEN = HERE / "seen.json"
PAGE = HERE.parents[1] / "docs" / "clients.md"
LARGE = 900_000

# From best to worst; a fact begins with one of these.
ORDERS = {
    "live": ["at once", "late or never", "never connected"],
    "compression": ["gzip", "deflate", "none"],
    "silence": ["borne", "comes anew", "ends"],
    "cut": ["exact", "ends", ""],
    "reset": ["exact", "ends", ""],
    "channels": ["both", ""],
    "commands": ["right", ""],
    "drain": ["comes back", "1001", "1", "ends", ""],
}


def seen():
    return json.loads(SEEN.read_text()) if SEEN.exists() else {}


def rank(name, fact):
    """How good a fact is; the lower the better."""
    if name == "empty":
        return fact
    if name == "largest":
        return -fact
    # Who ends and cannot go on is worse than who can.
    lost = not fact.startswith("exact") and not fact.endswith("exact with since=") if name in ("cut", "reset") else False
    return lost * 10 + next(n for n, start in enumerate(ORDERS[name]) if fact.startswith(start))


def worse(known, facts):
    """What is worse now than what is known, a line each."""
    lines = []
    for key, now in facts.items():
        before = known.get(key, {})
        for name in before.keys() - {"version"}:
            if name not in now or rank(name, now[name]) > rank(name, before[name]):
                lines.append(f"{key}: {name} was {before[name]!r} and is {now.get(name)!r}")
        if before and before["version"] != now["version"]:
            lines.append(f"{key}: version {before['version']} was seen, {now['version']} is pinned: run.py all --write")
    return lines


def works(library, fact):
    """Whether it works as its README shows it; the address may be one that it needs."""
    if fact["live"] != "at once" or fact["largest"] < 30_000:
        return False
    if library.kind == "WebSocket":
        return fact["commands"] == "right"
    return (
        fact["silence"] == "borne"
        and fact["channels"] == "both"
        and fact["empty"] == 0
        and all(fact[how].endswith(("exact", "exact with since=")) for how in ["cut", "reset"])
        and fact["drain"].startswith(("comes back", "ends"))
    )


def back(fact, name):
    """How a library came back, in the words of the table."""
    if fact == "exact":
        return "exactly, by itself"
    found = re.fullmatch(r"ends \((.*)\); exact with since=", fact)
    return f"{found[1] if found[1] != 'no error' else 'ends'}; exactly, by `since`" if found else f"**{fact}**"


def size(fact):
    return "900 KB" if fact["largest"] >= LARGE else f"**{fact['largest'] // 1000} KB**"


def row(library, fact):
    name = f"{library.name} {fact['version'] if library.language != 'browser' or fact['version'][0].isdigit() else ''}".strip()
    if "largest" not in fact:
        return [name, "**no**", f"**{fact['live']}**"] + [""] * 6
    yes = "yes" if works(library, fact) else "**no**"
    know = library.know
    bold = lambda text, good: text if good else f"**{text}**"  # noqa: E731
    if library.kind == "WebSocket":
        return [name, yes, fact["compression"], bold(fact["commands"], fact["commands"] == "right"), size(fact), fact["drain"], know]
    address = f"`/{library.path}/NAME{'?' + library.query if library.query else ''}`"
    cut = back(fact["cut"], "cut")
    if fact["reset"].partition(" ")[0] != fact["cut"].partition(" ")[0]:
        cut += "; reset: " + back(fact["reset"], "reset")
    silence = bold(fact["silence"], fact["silence"] == "borne")
    return [name, yes, address, fact["compression"], silence, cut, size(fact), fact["drain"], know]


HEADS = {
    "SSE": ["library", "works", "address", "compressed", f"silence", "after a cut", "largest", "server restarts", "to know"],
    "WebSocket": ["library", "works", "compressed", "commands", "largest", "close code at a drain", "to know"],
}


def tables(facts):
    """The text between the marks of the page, by kind."""
    texts = {}
    for kind, head in HEADS.items():
        rows = [row(one, facts[one.key]) for one in LIBRARIES if one.kind == kind and one.key in facts]
        lines = [head, ["---"] * len(head), *rows]
        texts[kind] = "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)
    return texts


def page(facts):
    """The page with the tables of these facts, and the counts in its text."""
    text = PAGE.read_text()
    for kind, table in tables(facts).items():
        some = [(one, facts[one.key]) for one in LIBRARIES if one.kind == kind and one.key in facts]
        good = sum("largest" in fact and works(one, fact) for one, fact in some)
        body = f"<!-- {kind}: written by tests/clients/run.py all --write -->\n{good} of {len(some)} work as their README shows them.\n\n{table}\n<!-- end -->"
        text, count = re.subn(rf"<!-- {kind}: .*?<!-- end -->", lambda _: body, text, flags=re.DOTALL)
        assert count == 1, f"the page has {count} marks for {kind}"
    return text


def write(facts):
    facts = {one.key: facts[one.key] for one in LIBRARIES if one.key in facts}
    SEEN.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")
    PAGE.write_text(page(facts))
