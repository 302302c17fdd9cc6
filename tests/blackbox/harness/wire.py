"""A TCP connection on which a test says exactly the bytes it wants, and readers of what comes back."""

import json
import socket

from .program import PATIENCE_S


# What stands in the head of every answer that holds what publishers wrote.
GUARDS = (
    "X-Content-Type-Options: nosniff\r\nContent-Security-Policy: sandbox\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
)


class Wire:
    """A connection; every read waits, with patience."""

    def __init__(self, address, patience_s=PATIENCE_S, receive_buffer=None, source=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            self.socket.bind((source, 0))
        self.socket.settimeout(patience_s)
        self.socket.connect(address)
        self.buffer = b""
        self.chunks = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)
        return self

    def more(self):
        """Reads once; False at the end of the stream (a reset is an end too)."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.buffer += self.chunks.feed(data) if self.chunks else data
        return bool(data)

    def until(self, mark):
        """All up to and including `mark`; fails at an earlier end."""
        while mark not in self.buffer:
            assert self.more(), f"ended before {mark!r}: {self.buffer!r}"
        at = self.buffer.index(mark) + len(mark)
        taken, self.buffer = self.buffer[:at], self.buffer[at:]
        return taken

    def exactly(self, count):
        while len(self.buffer) < count:
            assert self.more(), f"ended before {count} bytes: {self.buffer!r}"
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def rest(self):
        """All up to the end of the stream."""
        while self.more():
            pass
        taken, self.buffer = self.buffer, b""
        return taken

    def head(self):
        """The head of a response: status, headers (names in lower case). What follows in chunks is read without them."""
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, *_ = lines[0].split(" ")
        assert version == "HTTP/1.1", lines[0]
        headers = dict(line.split(":", 1) for line in lines[1:] if line)
        headers = {name.lower(): value.strip() for name, value in headers.items()}
        if headers.get("transfer-encoding") == "chunked":
            self.chunks = Chunks()
            self.buffer = self.chunks.feed(self.buffer)
        return int(status), headers

    def response(self, bodiless=False):
        """A complete response: status, headers, body."""
        status, headers = self.head()
        if bodiless or status in (204, 304):
            return status, headers, b""
        assert "transfer-encoding" not in headers, headers
        if "content-length" in headers:
            return status, headers, self.exactly(int(headers["content-length"]))
        return status, headers, self.rest()

    def get(self, path, method="GET", body=b"", **headers):
        """Sends a request; the answer is read with `response` or `head`."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return self.send("\r\n".join([*lines, "", ""]).encode() + body)


class Chunks:
    """A body in chunks: what is in them. `ended`: the last one has come."""

    def __init__(self):
        self.raw, self.left, self.ended = b"", 0, False

    def feed(self, raw):
        self.raw += raw
        data = b""
        while not self.ended:
            if not self.left:
                size, end, rest = self.raw.partition(b"\r\n")
                if not end:
                    break
                self.left, self.raw = int(size, 16), rest
                self.ended = not self.left
                continue
            part, rest = self.raw[: self.left], self.raw[self.left :]
            if len(part) == self.left:
                if len(rest) < 2:
                    break
                assert rest[:2] == b"\r\n", rest
                rest = rest[2:]
            if not part:
                break
            data, self.left, self.raw = data + part, self.left - len(part), rest
        return data


class Sse:
    """An event stream, read event by event as an EventSource would."""

    def __init__(self, program, path, **headers):
        headers.setdefault("Accept", "text/event-stream")
        receive_buffer = headers.pop("receive_buffer", None)
        self.wire = Wire(program.wait_address, receive_buffer=receive_buffer).get(path, **headers)
        self.status, self.headers = self.wire.head()
        self.last_id = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

    def block(self):
        """The fields of the next block, as (name, value) pairs."""
        lines = self.wire.until(b"\n\n").decode().split("\n")
        fields = [line.partition(":") for line in lines if line]
        return [(name, value.removeprefix(" ")) for name, _, value in fields]

    def event(self):
        """The next event but those with a cursor alone: (event, data); ids are noted on the way."""
        while True:
            fields = self.block()
            ids = [value for name, value in fields if name == "id"]
            if ids:
                self.last_id = ids[-1]
            data = [value for name, value in fields if name == "data"]
            event = ([value for name, value in fields if name == "event"] or ["message"])[-1]
            if data and event != "cursor":
                return event, "\n".join(data)

    def datas(self, count):
        """The data of the next `count` messages, marks left out."""
        return [self.event()[1] for _ in range(count)]


def is_cursor(item):
    """Whether an object says nothing but where a client is, and who."""
    return item.keys() <= {"cursor", "connection"}


class Lines:
    """An endless stream of JSON objects, one a line."""

    def __init__(self, program, path, body=None, **headers):
        headers.setdefault("Accept", "application/x-ndjson")
        method = "POST" if body else "GET"
        self.wire = Wire(program.wait_address).get(path, method=method, body=body or b"", **headers)
        self.status, self.headers = self.wire.head()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

    def object(self):
        return json.loads(self.wire.until(b"\n"))

    def message(self):
        """The next object with data."""
        while True:
            item = self.object()
            if "data" in item:
                return item


def poll(program, path, body=None, **headers):
    """One long poll: its document."""
    with Wire(program.wait_address) as wire:
        method = "POST" if body is not None else "GET"
        wire.get(path, method=method, body=body or b"", **headers)
        status, _, answer = wire.response()
    assert status == 200, (status, answer)
    return json.loads(answer)


def datas(messages):
    return [message["data"] for message in messages]
