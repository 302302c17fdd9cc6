"""A place of one's own: its network, its processes and its folders, where commands run exactly as a page says them."""

import os
import pathlib
import shlex
import shutil
import subprocess
import tempfile

import pytest

from .program import PATIENCE_S, binary, until

# Folders that pages write into: what is changed in them is seen by nobody else, and goes with the place.
FOLDERS = ["etc", "opt", "run", "var"]
NAMES = ["push.internal", "push.example"]
ADDRESSES = ["10.0.0.7"]


class Place:
    """Loopback alone, with names that pages use; a folder to be in; `multiplexor` among the commands."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mpx-place-"))
        self.work, self.bin = self.folder / "work", self.folder / "bin"
        self.work.mkdir()
        self.bin.mkdir()
        (self.bin / "multiplexor").symlink_to(pathlib.Path(binary()).resolve())
        self.count = 0
        command = ["unshare", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
        if os.geteuid():
            command.insert(1, "--map-root-user")
        self.holder = subprocess.Popen(
            [*command, "sleep", "infinity"], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            self.inside = until(self._child, "the place is there")
            self._furnish()
        except BaseException:
            self.close()
            raise

    def _child(self):
        if self.holder.poll() is not None:
            pytest.skip(f"no place of one's own can be made here: {self.holder.stderr.read().decode()}")
        children = pathlib.Path(f"/proc/{self.holder.pid}/task/{self.holder.pid}/children").read_text().split()
        # The first of its processes is there as soon as it has become what was asked for.
        name = children and pathlib.Path(f"/proc/{children[0]}/comm").read_text().strip()
        return name == "sleep" and children[0]

    def _furnish(self):
        over = self.folder / "over"
        over.mkdir()
        lines = ["set -e", "ip link set lo up", f"mount -t tmpfs none {over}"]
        lines += [f"ip addr add {address}/32 dev lo" for address in ADDRESSES]
        for folder in FOLDERS:
            upper, work = (over / f"{folder}-{part}" for part in ("upper", "work"))
            lines.append(f"mkdir {upper} {work}")
            lines.append(f"mount -t overlay none -o lowerdir=/{folder},upperdir={upper},workdir={work} /{folder}")
        lines += [f"echo 127.0.0.1 {name} >> /etc/hosts" for name in NAMES]
        self.run("\n".join(lines))

    def _command(self, text):
        enter = ["nsenter", "--target", self.inside, "--net", "--mount", "--pid"]
        if os.geteuid():
            enter += ["--user", "--preserve-credentials"]
        path = f"{self.bin}:{os.environ['PATH']}"
        line = f"cd {shlex.quote(str(self.work))}\n{text}"
        clean = {key: value for key, value in os.environ.items() if not key.startswith("MULTIPLEXOR_")}
        return [*enter, "bash", "-c", line], clean | {"PATH": path, "LC_ALL": "C.UTF-8"}

    def run(self, text, may_fail=False, patience_s=PATIENCE_S):
        """What these lines of a shell say. They must succeed."""
        command, env = self._command(text)
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=patience_s
        )
        said = done.stdout.decode("utf-8", "replace")
        assert may_fail or done.returncode == 0, f"{text}\nended with {done.returncode}: {said}"
        return said

    def start(self, text):
        """Starts these lines; gives what they have said so far, whenever it is called."""
        command, env = self._command(text)
        self.count += 1
        log = self.folder / f"said{self.count}"
        with log.open("wb") as out:
            subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        return lambda: log.read_text(errors="replace")

    def serve(self, text):
        """Starts a server, and waits until it says where it listens."""
        said = self.start(text)
        until(lambda: "IN line" in said(), f"{text} listens: {said()}")
        return said

    def until_port(self, port):
        until(lambda: self.run(f"ss -Hltn sport = :{port}").strip(), f"somebody listens on port {port}")

    def close(self):
        # All that runs there ends with the first process.
        self.holder.kill()
        self.holder.wait()
        self.holder.stderr.close()
        shutil.rmtree(self.folder, ignore_errors=True)
