#!/usr/bin/env python3
"""Makes an image for containers, in the OCI layout, of nothing but the binary and the licences of what is in it:
image.py VERSION OUT LICENCES BINARY…

Each binary is that of one processor, which its name ends with. One tar holds the image for all of them; the same
binaries give the same bytes. Docker, Podman, containerd and skopeo read it.
"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
from datetime import datetime, timezone

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# Nobody by number: the image has no /etc/passwd in which a name could stand.
USER = "65532:65532"
TITLE = "Multiplexor push server: one line in, and every browser that waits has it at once"
OCI = "application/vnd.oci.image."
TIME = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))


def tar(files):
    """A tar of (name, mode, bytes), all of root and of one time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, mode, data in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = len(data), mode, TIME
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def compact(document):
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


class Layout:
    """The blobs of an image, by their digests."""

    def __init__(self):
        self.blobs = {}

    def add(self, media_type, data, **more):
        """Takes a blob in, and gives its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"mediaType": OCI + media_type, "digest": f"sha256:{digest}", "size": len(data), **more}

    def image(self, version, licences, binary, architecture):
        """One binary as an image of one layer, and gives the descriptor of its manifest."""
        layer = tar([("multiplexor", 0o755, binary), ("THIRD-PARTY.txt", 0o644, licences)])
        config = {
            "architecture": architecture,
            "os": "linux",
            "created": datetime.fromtimestamp(TIME, timezone.utc).isoformat().replace("+00:00", "Z"),
            "config": {
                "User": USER,
                "Entrypoint": ["/multiplexor"],
                "ExposedPorts": {"8088/tcp": {}, "10010/tcp": {}},
                "StopSignal": "SIGTERM",
                "Labels": labels(version),
            },
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI + "manifest.v1+json",
            "config": self.add("config.v1+json", compact(config)),
            "layers": [self.add("layer.v1.tar+gzip", gzip.compress(layer, 9, mtime=0))],
            "annotations": labels(version),
        }
        where = {"platform": {"architecture": architecture, "os": "linux"}}
        return self.add("manifest.v1+json", compact(manifest), **where)

    def tar(self, version, images):
        """The whole as a tar: one index of all processors, by the name of the version."""
        index = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": images}
        name = {"org.opencontainers.image.ref.name": version, "io.containerd.image.name": f"multiplexor:{version}"}
        first = self.add("index.v1+json", compact(index), annotations=name)
        top = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": [first]}
        files = [("oci-layout", 0o644, b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", 0o644, compact(top))]
        files += [(f"blobs/sha256/{digest}", 0o644, data) for digest, data in sorted(self.blobs.items())]
        return tar(files)


def labels(version):
    key = "org.opencontainers.image."
    return {key + "title": TITLE, key + "version": version, key + "licenses": "MIT OR Apache-2.0"}


def main(version, out, licences, *binaries):
    layout, images = Layout(), []
    with open(licences, "rb") as file:
        licences = file.read()
    for path in binaries:
        architecture = next(ours for theirs, ours in ARCHITECTURES.items() if path.endswith(theirs))
        with open(path, "rb") as binary:
            images.append(layout.image(version, licences, binary.read(), architecture))
    with open(out, "wb") as file:
        file.write(layout.tar(version, images))


if __name__ == "__main__":
    main(*sys.argv[1:])
