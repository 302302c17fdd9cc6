"""What the pages of this repository tell people to type: their blocks of code."""

import dataclasses
import re

from .program import ROOT


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code of a page."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks():
    """All of README.md and docs/. What is in no language is left out, but for sessions, which begin with a prompt."""
    found = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = path.read_text()
        for match in re.finditer(r"^( *)```(\w*)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL):
            indent, language, code = match.groups()
            code = re.sub(f"^{indent}", "", code, flags=re.MULTILINE)
            line = text.count("\n", 0, match.start()) + 1
            language = language or ("session" if code.startswith("$ ") else "")
            if language:
                found.append(Block(path.name, line, language, code))
    return found
