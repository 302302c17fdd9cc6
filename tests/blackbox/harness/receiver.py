"""A receiver of webhooks that does what it is told: takes, refuses, is slow, cuts, lies, or is gone for a while."""

import json
import socket
import struct
import threading
import time

from standardwebhooks import Webhook

from .program import until
from .upstream import serving

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def status(code, *lines):
    head = "".join(f"{line}\r\n" for line in lines)
    return f"HTTP/1.1 {code} Said\r\n{head}Content-Length: 0\r\n\r\n".encode()


class Call:
    """One call as it came, whatever was answered."""

    def __init__(self, head, body):
        first, *lines = head.decode().split("\r\n")
        self.method, self.path, _ = first.split(" ")
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
        self.body = body
        self.said = json.loads(body)
        self.id = self.headers["webhook-id"]
        self.at = time.monotonic()

    @property
    def events(self):
        return self.said["events"]


class Receiver:
    """Listens; `answer(call, number)` gives the bytes to answer, or None: the connection is cut without a word."""

    def __init__(self, answer=lambda call, number: OK, secret=SECRET, port=0, tls=None):
        """`tls`: the files of a certificate for localhost and of its key."""
        self.answer, self.secret, self.tls = answer, secret, tls and serving(tls)
        self.calls, self.taken, self.lock = [], [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.open = True
        self.sockets = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"{'https://localhost' if self.tls else 'http://127.0.0.1'}:{self.port}/events"

    def _accept(self):
        while self.open:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if self.tls:
                try:
                    connection = self.tls.wrap_socket(connection, server_side=True)
                except OSError:
                    continue
            self.sockets.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as reader:
            while True:
                try:
                    head = b""
                    while not head.endswith(b"\r\n\r\n"):
                        line = reader.readline()
                        if not line:
                            return
                        head += line
                    length = int(next(line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")))
                    call = Call(head[:-4], reader.read(length))
                except (OSError, ValueError):
                    return
                # What a library of the specification finds wrong ends the test where the calls are looked at.
                Webhook(self.secret).verify(call.body, call.headers)
                with self.lock:
                    self.calls.append(call)
                    number = len(self.calls)
                said = self.answer(call, number)
                if said is None:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                if said.startswith(b"HTTP/1.1 2"):
                    with self.lock:
                        self.taken.append(call)
                try:
                    connection.sendall(said)
                except OSError:
                    return

    def stop(self):
        """Is gone; its port answers nobody."""
        if not self.open:
            return
        self.open = False
        # Whoever is blocked in `accept` would keep it open.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.sockets:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def events(self):
        """All events that were taken, each batch once: as an application has them that looks at `webhook-id`."""
        with self.lock:
            once = {call.id: call for call in self.taken}
        return [event for call in once.values() for event in call.events]

    def told(self, *types):
        """`(type, channel or user)` of the events."""
        return [
            (event["type"], event.get("user", event.get("channel")))
            for event in self.events()
            if not types or event["type"] in types
        ]

    def gaps(self):
        with self.lock:
            return len({call.id for call in self.taken if call.said.get("gap")})

    def until_told(self, *expected, patience_s=30):
        until(lambda: set(expected) <= set(self.told()), f"the receiver is told {expected}", patience_s)


def settings(path, *receivers, extra="", **words):
    """A settings file with these webhooks: receivers, or pairs of one and lines of TOML."""
    text = extra
    for number, one in enumerate(receivers):
        receiver, lines = one if isinstance(one, tuple) else (one, "")
        text += f'\n[[webhook]]\nname = "hook{number}"\nurl = "{receiver.url}"\nsecret = "{receiver.secret}"\n{lines}\n'
    path.write_text(text)
    return str(path)
