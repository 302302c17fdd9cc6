"""A WebSocket over HTTP/2 (RFC 8441) through Envoy: it has no key, and Envoy adds none."""

import socket
import struct

import fleet
import pytest
from harness.frames import TEXT, frame
from harness.program import until

DATA, HEADERS, SETTINGS, PING, ACK, END_HEADERS = 0, 1, 4, 6, 1, 4
# What upgrade_configs alone leaves out.
ALLOW = "upgrade_configs: [{ upgrade_type: websocket }]"


def literal(name, value):
    """A header as it is: neither indexed nor compressed (RFC 7541, section 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


class Http2:
    """Just enough of HTTP/2 by prior knowledge to say CONNECT, and to hear what comes."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=30)
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        self.say(SETTINGS, 0, 0)
        self.data, self.answered = b"", False

    def say(self, kind, flags, stream, payload=b""):
        head = struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream)
        self.socket.sendall(head + payload)

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            assert more, "the proxy ended it"
            data += more
        return data

    def hear(self):
        """One more frame."""
        head = self.exactly(9)
        kind, flags, payload = head[3], head[4], self.exactly(int.from_bytes(head[:3], "big"))
        if kind in (SETTINGS, PING) and not flags & ACK:
            self.say(kind, ACK, 0, payload if kind == PING else b"")
        elif kind == HEADERS:
            # 0x88 is `:status: 200` (RFC 7541, appendix A).
            assert payload[0] == 0x88, payload
            self.answered = True
        elif kind == DATA:
            self.data += payload
        return True


@pytest.mark.skipif(not fleet.Envoy.there(), reason="Envoy is not here; tests/install.sh proxies installs it")
def test_a_websocket_over_http_2_is_one_of_ours(program, name, fronts):
    proxy = fronts(
        fleet.Envoy,
        program.waits[0],
        change=lambda text: text.replace(ALLOW, f"http2_protocol_options: {{ allow_connect: true }}\n                {ALLOW}"),
    )
    wire = Http2(proxy.address)
    fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", f"/ws/{name}")]
    fields += [(":authority", "localhost"), ("sec-websocket-version", "13")]
    wire.say(HEADERS, END_HEADERS, 1, b"".join(literal(*field) for field in fields))
    until(lambda: wire.hear() and wire.answered, "it is answered as a WebSocket")
    program.until_waiting(name)
    program.publish(name, "hello")
    until(lambda: b"hello" in wire.data or (wire.hear() and False), "the message comes")
    wire.say(DATA, 0, 1, frame(TEXT, b'{"ping": 7}', True, True, 0))
    until(lambda: b'{"pong":7}' in wire.data or (wire.hear() and False), "what it says is heard")
