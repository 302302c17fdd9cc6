"""Roots of their own: folders in which programs run as on another machine, of which nothing else is seen."""

import contextlib
import os
import pathlib
import shutil
import subprocess

import pytest

BINDS = ["dev", "proc", "sys"]


def bootstrap(suite, to, *packages):
    """A Debian with apt, and these packages besides. Where it cannot be had the test is skipped, and says so.

    MULTIPLEXOR_ROOTS names a folder in which roots stand ready, by the name of `to`, for who runs this again and again.
    """
    ready = pathlib.Path(os.environ.get("TESTS_MULTIPLEXOR_ROOTS", "/nowhere")) / pathlib.Path(to).name
    if ready.is_dir():
        return ready
    if not shutil.which("mmdebstrap"):
        pytest.skip("mmdebstrap is not here: apt-get install mmdebstrap")
    command = ["mmdebstrap", "--variant=apt", *(f"--include={package}" for package in packages), suite, str(to)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    if done.returncode and "could not resolve" in done.stderr.lower():
        pytest.skip(f"no mirror of Debian can be reached: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr[-2000:]
    return pathlib.Path(to)


class Root:
    """A folder as the root of commands."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def command(self, *words):
        return ["chroot", str(self.folder), *map(str, words)]

    def run(self, text, may_fail=False, patience_s=600):
        """What these lines of a shell say in there."""
        env = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
        done = subprocess.run(
            self.command("/bin/sh", "-c", text),
            env=env | {"DEBIAN_FRONTEND": "noninteractive"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=patience_s,
        )
        assert may_fail or done.returncode == 0, f"{text}\nended with {done.returncode}: {done.stdout[-3000:]}"
        return done.stdout


@contextlib.contextmanager
def layer(lower, folder):
    """What `lower` holds, as a root of its own: what changes in there goes with the test."""
    folder = pathlib.Path(folder)
    folder.mkdir()
    options = f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work"
    mount("-t", "tmpfs", "none", folder)
    for part in ("upper", "work", "root"):
        (folder / part).mkdir()
    try:
        mount("-t", "overlay", "none", "-o", options, folder / "root")
        for bind in BINDS:
            mount("--bind", f"/{bind}", folder / "root" / bind)
        shutil.copy("/etc/resolv.conf", folder / "root/etc/resolv.conf")
        yield Root(folder / "root")
    finally:
        subprocess.run(["umount", "--recursive", "--lazy", str(folder)], check=False)


def mount(*words):
    subprocess.run(["mount", *map(str, words)], check=True)
