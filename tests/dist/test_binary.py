"""The static binaries: small, of nothing but themselves, and at home on old kernels and in an empty root."""

import ctypes
import os
import shutil
import struct
import subprocess

import pytest
import roots
from harness.program import ROOT, request

SIZE_MAX = 12_000_000
LIBC = ctypes.CDLL(None, use_errno=True)
# The first call that Linux 4.18 (RHEL 8) does not have; their numbers are the same on every kind of processor.
NEWER_CALLS = 424
ENOSYS = 38


def test_they_are_static_and_small(binaries):
    assert set(binaries) == {"x86_64", "aarch64"}
    for path in binaries.values():
        assert path.stat().st_size <= SIZE_MAX
        said = subprocess.run(["readelf", "-W", "-l", "-d", "-S", path], capture_output=True, text=True, check=True).stdout
        assert "NEEDED" not in said and "INTERP" not in said
        assert ".symtab" not in said and ".debug_" not in said


def test_they_name_no_folder_of_who_built_them(binaries):
    home = os.environ.get("CARGO_HOME") or os.path.expanduser("~/.cargo")
    for path in binaries.values():
        held = path.read_bytes()
        assert str(ROOT).encode() not in held and home.encode() not in held


def older_kernel():
    """To this process and all it becomes the kernel is one that knows no newer calls."""
    load, at_least, answer = 0x20, 0x35, 0x06
    steps = [(load, 0, 0, 0), (at_least, 0, 1, NEWER_CALLS), (answer, 0, 0, 0x50000 | ENOSYS), (answer, 0, 0, 0x7FFF0000)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    no_new_privileges, seccomp, by_filter = 38, 22, 2
    assert LIBC.prctl(no_new_privileges, 1, 0, 0, 0) == 0
    assert LIBC.prctl(seccomp, by_filter, program) == 0


def works(program, name):
    """A message goes through, and is there for who comes later."""
    cursor = program.publish(name, "hello")
    status, _, answer = request(program.wait_address, "GET", f"/sub/{name}?since=0")
    assert status == 200 and b'"data":"hello"' in answer and cursor.encode() in answer


def test_an_older_kernel_is_enough(static, serve, name, tmp_path):
    flags = ["--store", str(tmp_path / "store")]
    works(serve(*flags, command=[str(static)], preexec=older_kernel), name)


def test_an_empty_root_is_enough(static, serve, name, tmp_path):
    shutil.copy(static, tmp_path / "multiplexor")
    works(serve(command=["chroot", str(tmp_path), "/multiplexor"]), name)


def test_debian_11_is_enough(static, bullseye, serve, name, tmp_path):
    with roots.layer(bullseye, tmp_path / "layer") as root:
        shutil.copy(static, root.folder / "usr/bin/multiplexor")
        assert root.run("multiplexor --version").startswith("multiplexor ")
        works(serve(command=root.command("multiplexor")), name)


@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="apt-get install qemu-user")
def test_that_of_aarch64_works_under_qemu(binaries, serve, name, tmp_path):
    command = ["qemu-aarch64", str(binaries["aarch64"])]
    works(serve("--store", str(tmp_path / "store"), command=command, patience_s=120), name)


def test_the_allocator_is_our_own(static):
    """musl's has one lock for all threads; ours tells its name when asked to."""
    done = subprocess.run([static, "--version"], env={"MIMALLOC_VERBOSE": "1"}, capture_output=True, text=True, timeout=60)
    assert "mimalloc" in done.stderr
