"""Who listens beside a crowd: somebody who counts joins and leaves, and an application that takes webhooks."""

import socket
import threading
import time

PATIENCE_S = 120


class Witness:
    """Waits on a channel by Server-Sent Events, and counts what it is told of users."""

    def __init__(self, url):
        host, _, path = url.removeprefix("http://").partition("/")
        address, port = host.split(":")
        self.counts = {"joined": 0, "left": 0}
        self._socket = socket.create_connection((address, int(port)))
        self._socket.sendall(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n".encode())
        self._told = b""
        # The list comes first: who is in it is no news.
        while b"event: present" not in self._told:
            self._told += self._read()
        self._thread = threading.Thread(target=self._count, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def until(self, is_done):
        """Waits until it has been told enough."""
        end = time.monotonic() + PATIENCE_S
        while not is_done():
            if time.monotonic() > end or not self._thread.is_alive():
                raise RuntimeError(f"a witness was told no more than {self.counts}")
            time.sleep(0.05)

    def _read(self):
        if data := self._socket.recv(1 << 20):
            return data
        raise RuntimeError(f"a witness was sent away: {self._told[-500:]}")

    def _count(self):
        rest = b""
        while data := self._socket.recv(1 << 20):
            # A line may come in two parts; so nothing is counted before its end is there.
            whole, end, rest = (rest + data).rpartition(b"\n")
            for event in self.counts:
                self.counts[event] += (whole + end).count(b"event: %s\n" % event.encode())


class Receiver:
    """An application that takes webhooks, and answers each call after `delay_s`; while it is held, not at all.

    What is sent again because it was held for too long counts once.
    """

    def __init__(self, delay_s, held=False):
        self.delay_s, self.events, self.calls, self.last = delay_s, 0, 0, 0.0
        self._goes_on, self._taken = threading.Event(), set()
        if not held:
            self._goes_on.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._goes_on.set()
        self._listener.close()

    def go_on(self):
        """Calls are answered from now on; when that was."""
        self._goes_on.set()
        return time.monotonic()

    def until(self, count):
        """Waits until it has taken so many events; when it had."""
        end = time.monotonic() + PATIENCE_S
        while self.events < count:
            if time.monotonic() > end:
                raise RuntimeError(f"a receiver got no more than {self.events} events of {count}")
            time.sleep(0.001)
        return self.last

    def _accept(self):
        try:
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=[connection], daemon=True).start()
        except OSError:
            return

    def _serve(self, connection):
        data = bytearray()
        with connection:
            while True:
                while (end := data.find(b"\r\n\r\n")) < 0:
                    if not (more := connection.recv(1 << 20)):
                        return
                    data += more
                head = bytes(data[:end]).lower()
                length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                while len(data) < end + 4 + length:
                    data += connection.recv(1 << 20)
                body, data = bytes(data[end + 4 : end + 4 + length]), data[end + 4 + length :]
                time.sleep(self.delay_s)
                self._goes_on.wait()
                connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                batch = head.partition(b"\r\nwebhook-id: ")[2].partition(b"\r\n")[0]
                if batch not in self._taken:
                    self._taken.add(batch)
                    self.calls += 1
                    self.last = time.monotonic()
                    self.events += body.count(b'{"type":"')
