"""The image: each blob is what its digest says, it holds the binary, the licences of what is in that and nothing else, and what it starts serves."""

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile

import pytest
from conftest import MACHINE
from harness.program import request

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@pytest.fixture(scope="module")
def layout(dist):
    """The files of the layout."""
    with tarfile.open(next(dist.glob("*-image.tar"))) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers() if member.isfile()}


def blob(layout, descriptor):
    data = layout["blobs/" + descriptor["digest"].replace(":", "/")]
    assert len(data) == descriptor["size"]
    assert descriptor["digest"] == "sha256:" + hashlib.sha256(data).hexdigest()
    return data


def images(layout):
    """Manifest and configuration for each kind of processor."""
    assert json.loads(layout["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (top,) = json.loads(layout["index.json"])["manifests"]
    found = {}
    for each in json.loads(blob(layout, top))["manifests"]:
        manifest = json.loads(blob(layout, each))
        config = json.loads(blob(layout, manifest["config"]))
        assert each["platform"] == {"architecture": config["architecture"], "os": config["os"]}
        found[config["architecture"]] = manifest, config
    return found


def test_each_digest_is_that_of_its_blob_and_no_blob_is_left_over(layout):
    found = images(layout)
    assert set(found) == set(ARCHITECTURES.values())
    used = 1 + 3 * len(found)
    for manifest, config in found.values():
        (layer,) = manifest["layers"]
        unpacked = gzip.decompress(blob(layout, layer))
        assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(unpacked).hexdigest()]
    assert sum(name.startswith("blobs/") for name in layout) == used


def unpacked(layout, folder, architecture):
    """The root of one image, and its configuration."""
    manifest, config = images(layout)[architecture]
    for layer in manifest["layers"]:
        with tarfile.open(fileobj=io.BytesIO(blob(layout, layer))) as tar:
            tar.extractall(folder, filter="tar")
    folder.chmod(0o755)
    return config["config"]


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_it_holds_the_binary_with_its_licences_and_nothing_else(layout, dist, binaries, tmp_path, arch):
    unpacked(layout, tmp_path, ARCHITECTURES[arch])
    assert {path.name for path in tmp_path.rglob("*")} == {"multiplexor", "THIRD-PARTY.txt"}
    assert (tmp_path / "THIRD-PARTY.txt").read_bytes() == next(dist.glob("*-THIRD-PARTY.txt")).read_bytes()
    assert (tmp_path / "multiplexor").read_bytes() == binaries[arch].read_bytes()


def test_what_it_starts_serves_as_nobody_in_its_root(layout, serve, name, tmp_path):
    config = unpacked(layout, tmp_path, ARCHITECTURES[MACHINE])
    user, group = config["User"].split(":")
    assert user.isdigit() and user != "0"
    command = ["chroot", f"--userspec={user}:{group}", str(tmp_path), *config["Entrypoint"]]
    program = serve(command=command)
    program.publish(name, "hello")
    assert request(program.wait_address, "GET", f"/sub/{name}?since=0")[0] == 200
    with open(f"/proc/{program.pid}/status") as status:
        assert f"Uid:\t{user}\t" in status.read()


@pytest.mark.skipif(not shutil.which("skopeo"), reason="apt-get install skopeo")
def test_skopeo_reads_it(dist, tmp_path):
    image = next(dist.glob("*-image.tar"))
    version = image.name.removeprefix("multiplexor-").removesuffix("-image.tar")
    words = ["copy", "--quiet", "--all", "--insecure-policy", f"oci-archive:{image}:{version}", f"dir:{tmp_path}/all"]
    subprocess.run(["skopeo", *words], check=True, timeout=120)
    assert len(list((tmp_path / "all").glob("*.manifest.json"))) == len(ARCHITECTURES)
