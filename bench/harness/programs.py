"""The programs that are measured: each is started afresh for every measurement, and ended by its pid."""

import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "release"
# Reserved by bench/sysctl.sh, so that no client's own port is one of them.
PORTS = iter(range(19_500, 19_600))


class Program:
    """A running server: where clients wait, where messages go, and the process to measure."""

    def __init__(self, command, waits, publishes, folder=None, huge_pages=True):
        self.waits, self.publishes, self.folder = waits, publishes, folder
        self.command = [str(word) for word in command]
        self.process = subprocess.Popen(
            self.command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=folder,
            text=True,
            preexec_fn=None if huge_pages else _without_huge_pages,
        )
        for url in {waits, publishes}:
            self._until_open(url)

    def _until_open(self, url):
        host, port = url.split("/")[2].split(":")
        for _ in range(500):
            if self.process.poll() is not None:
                raise RuntimeError(f"{' '.join(self.command)} ended: {self.process.stderr.read()}")
            with socket.socket() as one:
                if one.connect_ex((host, int(port))) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"{' '.join(self.command)} does not listen on {url}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        if self.folder:
            shutil.rmtree(self.folder)


def _without_huge_pages():
    """For this process and what it becomes: memory is given in pages of 4 KiB, so that it can be counted."""
    pr_set_thp_disable = 41
    assert ctypes.CDLL(None).prctl(pr_set_thp_disable, 1, 0, 0, 0) == 0


def free_port():
    """A port of ours that nobody listens on."""
    global PORTS
    for port in PORTS:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) != 0:
                return port
    PORTS = iter(range(19_500, 19_600))
    return free_port()


def multiplexor(transport="sse", shards=None, flags=(), resumes=False, kept=True, program="multiplexor", **_):
    """Ours, with its defaults; what is not to be kept is published with no time to live."""
    wait, publish = free_port(), free_port()
    shards = ["--shards", shards] if shards else []
    command = [BUILT / program, "--wait", f"127.0.0.1:{wait}", "--in", f"127.0.0.1:{publish}", "--drain", "1s"]
    since = "?since={cursor}" if transport == "poll" or resumes else ""
    return Program(
        command + shards + list(flags),
        f"http://127.0.0.1:{wait}/sub/{{ch}}{since}",
        f"http://127.0.0.1:{publish}/pub/{{ch}}{'' if kept else '?ttl=0'}",
    )


def floor(transport="sse", shards=None, frame_len=0, huge_pages=True, **_):
    """The floor, with as many processes as ours has shards, and frames as long as ours."""
    port = free_port()
    command = [BUILT / "floor", "--port", port, "--members", shards or os.cpu_count()]
    command += ["--transport", transport, "--frame-len", frame_len]
    url = f"http://127.0.0.1:{port}"
    return Program(command, url + "/sub/{ch}", url + "/pub/{ch}", huge_pages=huge_pages)


def floor_one(**wishes):
    """The floor in a single process."""
    return floor(**(wishes | {"shards": 1}))


def axum(huge_pages=True, **_):
    """What one writes in an afternoon: bench/axum."""
    url = f"127.0.0.1:{free_port()}"
    return Program([BUILT / "axum-sse", url], f"http://{url}/sub/{{ch}}", f"http://{url}/pub/{{ch}}", huge_pages=huge_pages)


def nchan(huge_pages=True, **_):
    """nginx with the module of Debian, one worker."""
    port = free_port()
    folder = tempfile.mkdtemp(prefix="bench-nchan-")
    conf = (ROOT / "bench" / "nchan.conf").read_text().replace("PORT", str(port))
    (pathlib.Path(folder) / "nginx.conf").write_text(conf)
    os.chmod(folder, 0o755)
    url = f"http://127.0.0.1:{port}"
    return Program(["nginx", "-p", folder, "-c", "nginx.conf"], url + "/sub/{ch}", url + "/pub/{ch}", folder, huge_pages)


def has_nchan():
    """Whether nginx and its module are there."""
    return bool(shutil.which("nginx")) and pathlib.Path("/usr/lib/nginx/modules/ngx_nchan_module.so").exists()
