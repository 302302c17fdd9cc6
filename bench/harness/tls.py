"""What TLS costs: memory of an idle connection, and CPU per delivery, with TLS and without in turn.

The crowd speaks no TLS, so the clients are Python's, fifteen thousand: only the server is measured.
"""

import base64
import json
import os
import pathlib
import selectors
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request

from .figures import pairs, spread
from .measure import private_bytes
from .programs import multiplexor
from .rows import figure

FEW, MANY = 3_000, 15_000
CLIENTS, MESSAGES = 1_000, 60


def tls(count):
    """An idle connection by TLS 1.3, by 1.2 and without; the same messages with TLS and without."""
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = pathlib.Path(folder) / "certificate.pem", pathlib.Path(folder) / "key.pem"
        make(certificate, key)
        flags = ("--tls-certificate", str(certificate), "--tls-key", str(key))
        ways = {"none": None, "1.3": context(certificate, "TLSv1_3"), "1.2": context(certificate, "TLSv1_2")}
        bytes_each = {way: [] for way in ways}
        for _ in range(min(count, 2)):
            for way, client in ways.items():
                bytes_each[way].append(memory(client, flags if client else ()))
                print(f"    idle, TLS {way}: {bytes_each[way][-1]:.0f} bytes", flush=True)
        cpu = {way: [] for way in ("none", "1.3")}
        for _ in range(count):
            for way, taken in cpu.items():
                taken.append(delivery(ways[way], flags if ways[way] else ()))
            print(f"    a delivery: {cpu['none'][-1]:.2f} us, TLS 1.3 {cpu['1.3'][-1]:.2f} us", flush=True)
    return {
        "figures": [
            figure("Memory of an idle connection, TLS 1.3", "≤ 6,144 B", "B", spread(bytes_each["1.3"]), [], 6144),
            figure("Memory of an idle connection, TLS 1.2", "≤ 6,144 B", "B", spread(bytes_each["1.2"]), [], 6144),
            figure("Memory of the same connection without TLS", "", "B", spread(bytes_each["none"]), []),
            figure("CPU per delivery, TLS 1.3; without in place of the floor", "", "µs",
                   pairs(cpu["1.3"], cpu["none"]), [], ratio=True),
        ]
    }  # fmt: skip


def make(certificate, key):
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", *curve, "-days", "30", *names, "-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)


def context(certificate, version):
    made = ssl.create_default_context(cafile=str(certificate))
    made.minimum_version = made.maximum_version = ssl.TLSVersion[version]
    return made


class Clients:
    """Many who wait on one channel, in this process."""

    def __init__(self, program, client):
        self.program, self.client, self.sockets = program, client, []
        host, port = program.waits.split("/")[2].split(":")
        self.address = host, int(port)

    def come(self, count):
        while len(self.sockets) < count:
            one = socket.create_connection(self.address, 60)
            if self.client:
                one = self.client.wrap_socket(one, server_hostname="localhost")
            one.sendall(b"GET /sub/crowd?transport=stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.sockets.append(one)
        while self.ask("/stats")["subscriptions"] < count:
            time.sleep(0.05)

    def ask(self, path, data=None):
        host = self.program.publishes.split("/")[2]
        with urllib.request.urlopen(f"http://{host}{path}", data) as answer:
            return json.loads(answer.read())

    def hear(self, mark):
        """Until everybody has read the mark."""
        with selectors.DefaultSelector() as readable:
            for one in self.sockets:
                readable.register(one, selectors.EVENT_READ)
            while readable.get_map():
                for found, _ in readable.select():
                    if mark in found.fileobj.recv(65_536):
                        readable.unregister(found.fileobj)

    def leave(self):
        for one in self.sockets:
            one.close()


def memory(client, flags):
    """Bytes of the server for each connection that idles."""
    with multiplexor(flags=(*flags, "--heartbeat", "1h")) as program:
        clients, held = Clients(program, client), []
        for count in (FEW, MANY):
            clients.come(count)
            held.append(settled(program.process.pid))
        clients.leave()
    return (held[1] - held[0]) / (MANY - FEW)


def delivery(client, flags):
    """CPU of the server for one message to one of many, in microseconds."""
    with multiplexor(flags=flags) as program:
        clients = Clients(program, client)
        clients.come(CLIENTS)
        data = base64.b64encode(os.urandom(75))
        before = cpu_ns(program.process.pid)
        for n in range(MESSAGES):
            mark = b"%s.%d." % (data, n)
            clients.ask("/pub/crowd", mark)
            clients.hear(mark)
        spent = cpu_ns(program.process.pid) - before
        clients.leave()
    return spent / 1_000 / (CLIENTS * MESSAGES)


def cpu_ns(pid):
    tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def settled(pid):
    """Private memory when it no longer changes."""
    last = 0
    while True:
        time.sleep(0.5)
        now = private_bytes(pid)
        if now == last:
            return now
        last = now


ROWS = {"tls": tls}
