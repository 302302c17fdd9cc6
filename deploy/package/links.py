#!/usr/bin/env python3
"""Makes the links of packed pages lead somewhere: links.py FOLDER VERSION.

FOLDER holds pages as the repository does, but not all that they link to: what is not there is linked to in the repository, as of
this version.
"""

import pathlib
import re
import sys
import tomllib

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
HOME = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]["package"]["repository"]
# Code is left alone.
CODE = re.compile(r"^( *)```.*?^\1```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?\)")


def packed(folder, page, version):
    """The text of a page with such links."""

    def lead(match):
        path = match[2]
        there = (page.parent / path).resolve()
        if re.match(r"[a-z]+:", path) or there.exists():
            return match[0]
        inside = there.relative_to(folder)
        kind = "tree" if (REPOSITORY / inside).is_dir() else "blob"
        return f"{match[1]}{HOME}/{kind}/v{version}/{inside}{match[3] or ''})"

    text, done, at = page.read_text(), [], 0
    code = [match.span() for match in CODE.finditer(text)]
    for match in LINK.finditer(text):
        if not any(start <= match.start(2) < end for start, end in code):
            done += [text[at : match.start()], lead(match)]
            at = match.end()
    return "".join([*done, text[at:]])


def main(folder, version):
    folder = pathlib.Path(folder).resolve()
    for page in sorted(folder.rglob("*.md")):
        page.write_text(packed(folder, page, version))


if __name__ == "__main__":
    main(*sys.argv[1:])
