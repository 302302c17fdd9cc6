"""What `make dist` made, for its tests: they need that, root, and for some of them Debian's mirrors."""

import os
import pathlib

import pytest
import roots
from harness.program import ROOT

DIST = pathlib.Path(os.environ.get("TESTS_MULTIPLEXOR_DIST") or ROOT / "dist")
MACHINE = os.uname().machine


def pytest_collection_modifyitems(items):
    if not (DIST / "SHA256SUMS").exists():
        for item in items:
            if "dist" in item.path.parts:
                item.add_marker(pytest.mark.skip(reason="make dist comes first"))


@pytest.fixture(scope="session")
def dist():
    return DIST


@pytest.fixture(scope="session")
def binaries():
    """The binary of each processor."""
    return {path.name.rsplit("-", 1)[1]: path for path in DIST.glob("multiplexor-*-linux-*")}


@pytest.fixture(scope="session")
def static(binaries):
    """The binary for this machine."""
    return binaries[MACHINE]


def debian(suite):
    @pytest.fixture(scope="session", name=suite)
    def made(tmp_path_factory):
        if os.geteuid():
            pytest.skip("making a root needs root")
        return roots.bootstrap(suite, tmp_path_factory.mktemp("root") / suite)

    return made


bookworm = debian("bookworm")
bullseye = debian("bullseye")


@pytest.fixture
def clean(bookworm, tmp_path):
    """A Debian 12 to which nothing was done yet."""
    with roots.layer(bookworm, tmp_path / "layer") as root:
        yield root
