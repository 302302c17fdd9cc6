#!/usr/bin/env python3
"""Prints the licences of what is linked into the binaries, which ask to be handed on with them: notices.py MUSL TARGET…

They stand in the crates' own files, also in those of the C code that some bring along; a text that many have stands once, below all
their names. MUSL is the file with musl's. The same sources give the same bytes.
"""

import html.parser
import json
import pathlib
import re
import subprocess
import sys

from sbom import cargo, linked

FILES = re.compile(r"(licen[cs]e|copying|copyright|notice|unlicense)[-\w]*(\.md|\.txt|\.\d)?(-?\w+)?", re.IGNORECASE)
RULE = "=" * 79


class Text(html.parser.HTMLParser):
    """What a page says, without how it looks."""

    def __init__(self):
        super().__init__()
        self.said, self.hidden = [], 0

    def handle_starttag(self, tag, attrs):
        self.hidden += tag in ("style", "script")

    def handle_endtag(self, tag):
        self.hidden -= tag in ("style", "script")

    def handle_data(self, data):
        if not self.hidden:
            self.said.append(data)


def of_the_standard_library():
    """The notices of Rust's own library, which come with the compiler."""
    root = subprocess.run(["rustc", "--print", "sysroot"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    text = Text()
    text.feed((pathlib.Path(root) / "share/doc/rust/COPYRIGHT-library.html").read_text())
    return re.sub(r"\s*\n(\s*\n)+", "\n\n", "".join(text.said))


def of_crates(targets):
    """Name with version, and text, of each file in each crate that is not ours."""
    packages = json.loads(cargo("metadata", "--format-version", "1"))["packages"]
    packages = {(one["name"], one["version"]): one for one in packages if one["source"]}
    for one in sorted(set().union(*map(linked, targets)) & packages.keys()):
        folder = pathlib.Path(packages[one]["manifest_path"]).parent
        files = [file for file in sorted(folder.rglob("*")) if FILES.fullmatch(file.name) and file.is_file()]
        if not files:
            sys.exit(f"{one[0]} {one[1]} has no file with its licence ({packages[one]['license']}): say here where it stands")
        for file in files:
            yield " ".join(one), file.read_text(errors="replace")


def main(musl, *targets):
    texts = {}
    found = [*of_crates(targets), ("musl", pathlib.Path(musl).read_text()), ("Rust's standard library", of_the_standard_library())]
    for name, text in found:
        names = texts.setdefault(text.strip(), [])
        if name not in names:
            names.append(name)
    print("The binaries of Multiplexor hold the work of others, whose licences are these.")
    for text, names in texts.items():
        print(f"\n{RULE}\n{', '.join(names)}\n{RULE}\n\n{text}")


if __name__ == "__main__":
    main(*sys.argv[1:])
