"""A network of one's own: a namespace behind a pair of devices that can be cut and joined again."""

import contextlib
import ctypes
import itertools
import os
import socket
import subprocess

import pytest

CLONE_NEWNET = 0x40000000
_numbers = itertools.count(1)


class Network:
    """Two ends: `here`, the machine's, and `there`, a namespace. Sockets opened within `entered()` are there."""

    def __init__(self):
        number = (os.getpid() * 7 + next(_numbers)) % 16384
        self.name, self.device = f"mpx{number}", f"mpx{number}a"
        # Of 198.18.0.0/15, which is for tests of networks: four addresses each.
        base = (198 << 24) + (18 << 16) + number * 4
        self.here, self.there = (socket.inet_ntoa((base + n).to_bytes(4, "big")) for n in (1, 2))
        try:
            _ip("netns", "add", self.name)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespace can be made here: {getattr(error, 'stderr', error)}")
        try:
            other = f"mpx{number}b"
            _ip("link", "add", self.device, "type", "veth", "peer", "name", other, "netns", self.name)
            _ip("addr", "add", f"{self.here}/30", "dev", self.device)
            _ip("-n", self.name, "addr", "add", f"{self.there}/30", "dev", other)
            _ip("-n", self.name, "link", "set", other, "up")
            self.join()
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def cut(self):
        """From now on nothing passes, and neither end is told."""
        _ip("link", "set", self.device, "down")

    def join(self):
        _ip("link", "set", self.device, "up")

    def close(self):
        _ip("netns", "del", self.name)

    @contextlib.contextmanager
    def entered(self):
        """This thread is there; a socket stays where it was made."""
        with open("/proc/thread-self/ns/net") as home, open(f"/run/netns/{self.name}") as there:
            _enter(there)
            try:
                yield
            finally:
                _enter(home)


def _enter(namespace):
    assert ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) == 0, ctypes.get_errno()


def _ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
