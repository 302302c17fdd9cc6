"""WebSocket frames by hand, for what no well-behaved library would send."""

import base64
import os
import struct

from .wire import Wire

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Frames:
    """A handshaken connection that speaks frames."""

    def __init__(self, program, path, **headers):
        self.wire = Wire(program.wait_address, receive_buffer=headers.pop("receive_buffer", None))
        key = base64.b64encode(os.urandom(16)).decode()
        self.wire.get(
            path,
            Upgrade="websocket",
            Connection="Upgrade",
            Sec_WebSocket_Version="13",
            Sec_WebSocket_Key=key,
            **headers,
        )
        self.status, self.headers = self.wire.head()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

    def send(self, opcode, payload=b"", fin=True, masked=True, reserved=0):
        payload = payload.encode() if isinstance(payload, str) else payload
        self.wire.send(frame(opcode, payload, fin, masked, reserved))
        return self

    def receive(self):
        """The next frame: (opcode, payload); the server's are never masked and, here, never fragments."""
        first, second = self.wire.exactly(2)
        assert first & 0x80, "a fragment"
        assert not second & 0x80, "a masked frame from the server"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self.wire.exactly(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.wire.exactly(8))
        return first & 0x0F, self.wire.exactly(length)

    def until(self, opcode):
        """The payload of the next frame of this kind; others are passed over."""
        while True:
            kind, payload = self.receive()
            if kind == opcode:
                return payload

    def close_code(self):
        """The code of the close frame that must come, followed by the end of the stream."""
        payload = self.until(CLOSE)
        return struct.unpack(">H", payload[:2])[0]


def frame(opcode, payload=b"", fin=True, masked=True, reserved=0):
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    mask_bit = 0x80 if masked else 0
    size = len(payload)
    if size < 126:
        head = struct.pack(">BB", first, mask_bit | size)
    elif size < 65536:
        head = struct.pack(">BBH", first, mask_bit | 126, size)
    else:
        head = struct.pack(">BBQ", first, mask_bit | 127, size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    keys = (mask * (size // 4 + 1))[:size]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")).to_bytes(size, "big")
    return head + mask + body
