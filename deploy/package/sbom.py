#!/usr/bin/env python3
"""Says what is in the binaries, as a CycloneDX document: every crate that is linked in, its licence and its sum.

Run in the workspace: sbom.py TARGET… tells of the program as it is built for these targets. The same sources give the
same bytes.
"""

import json
import os
import subprocess
import sys
import tomllib
import uuid
from datetime import datetime, timezone

PROGRAM = "multiplexor"
OURS = "MIT OR Apache-2.0"


def cargo(*words):
    return subprocess.run(["cargo", *words, "--locked"], check=True, stdout=subprocess.PIPE, text=True).stdout


def linked(target):
    """Names and versions that the program is linked from, each with those that it uses itself: neither macros, which
    run in the compiler, nor what builds or tests. Of the workspace's tree, what this program's features ask for."""
    edges = "normal,no-proc-macro"
    tree = cargo("tree", "-p", PROGRAM, "-e", edges, "--target", target, "--prefix", "depth", "--format", " {p}")
    found, above = {}, []
    for line in tree.splitlines():
        depth, name, version = line.split()[:3]
        one = (name, version.removeprefix("v"))
        del above[int(depth) :]
        if above:
            found[above[-1]].add(one)
        above.append(one)
        found.setdefault(one, set())
    return found


def reference(one):
    return "pkg:cargo/{}@{}".format(*one)


def compiler():
    """What compiles it: another one may make other bytes of the same sources."""
    said = subprocess.run(["rustc", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return {"type": "application", "name": said[0], "version": said[1]}


def component(package, sums):
    """What the document says of one package; `sums` are those of Cargo.lock."""
    name = package["name"], package["version"]
    about = {
        "type": "application" if package["name"] == PROGRAM else "library",
        "bom-ref": reference(name),
        "name": package["name"],
        "version": package["version"],
        "licenses": [{"expression": (package["license"] or OURS).replace("/", " OR ")}],
        "purl": reference(name),
    }
    if package["description"]:
        about["description"] = package["description"].strip()
    if sum_ := sums.get(name):
        about["hashes"] = [{"alg": "SHA-256", "content": sum_}]
    if package["repository"]:
        about["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return about


def main(*targets):
    with open("Cargo.lock", "rb") as lock:
        sums = {(one["name"], one["version"]): one.get("checksum") for one in tomllib.load(lock)["package"]}
    packages = json.loads(cargo("metadata", "--format-version", "1"))["packages"]
    packages = {(one["name"], one["version"]): one for one in packages}
    uses = {}
    for target in targets:
        for one, used in linked(target).items():
            uses.setdefault(one, set()).update(used)
    components = [component(packages[one], sums) for one in sorted(uses)]
    program = next(one for one in components if one["name"] == PROGRAM)
    components.remove(program)
    graph = [{"ref": reference(one), "dependsOn": sorted(map(reference, uses[one]))} for one in sorted(uses)]
    time = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), timezone.utc)
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([program, components]))}",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "tools": {"components": [compiler()]},
            "component": program,
        },
        "components": components,
        "dependencies": graph,
    }
    json.dump(document, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main(*sys.argv[1:])
