"""Publishers and readers of a program that is killed, stopped and cut off from them; counts in and out.

Each publisher says the numbers 1, 2, 3… on its channel, one after the other, and repeats what was not answered under its
key. Each reader must hear them all, each once, in order, without a gap, however often it has to come back.
"""

import asyncio
import contextlib
import json
import random
import re
import threading

from . import real
from .program import place, until

# Somebody who is not answered tries again; long enough not to be a storm, short enough to be there soon.
AGAIN_S = 0.05
ANSWER_S = 20
# Of a cursor: its version and six digits of the epoch.
EPOCH_END = 7


class Publisher:
    """One channel's numbers."""

    def __init__(self, name, pause_s):
        self.name, self.pause_s = name, pause_s
        # What was answered, and how many answers were refusals or none at all.
        self.number, self.refused, self.unanswered = 0, 0, 0
        self.cursor = None

    async def run(self, load):
        while not load.over.is_set():
            with contextlib.suppress(OSError, EOFError, asyncio.TimeoutError):
                reader, writer = await asyncio.open_connection(*load.addresses()[0])
                try:
                    while not load.over.is_set():
                        await asyncio.wait_for(self.say(reader, writer, load), ANSWER_S)
                        await asyncio.sleep(self.pause_s)
                except (OSError, EOFError, asyncio.TimeoutError):
                    self.unanswered += 1
                finally:
                    writer.transport.abort()
            await asyncio.sleep(AGAIN_S)

    async def say(self, reader, writer, load):
        number = self.number + 1
        body = f"{self.name}:{number}:{load.filler}".encode()
        head = f"POST /pub/{self.name} HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {self.name}-{number}\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        answer = json.loads(await reader.readexactly(int(re.search(r"content-length: (\d+)", head).group(1))))
        status = int(head.split()[1])
        if status in (503, 507):
            self.refused += 1
            await asyncio.sleep(AGAIN_S)
            return
        assert status == 200, (status, answer)
        before, self.cursor = self.cursor, answer["cursor"]
        assert before is None or before[:EPOCH_END] == self.cursor[:EPOCH_END], "the order was lost"
        assert before is None or place(before) < place(self.cursor), "a publisher's places are in its order"
        load.cursors.add(self.cursor)
        self.number = number


class Reader:
    """Somebody who listens to channels, and comes back."""

    def __init__(self, names, transport, seed):
        self.client = {"names": names, "transport": transport}
        self.chance = random.Random(seed)
        # By channel, the number heard last.
        self.heard = dict.fromkeys(names, 0)
        self.count, self.connections = 0, 0

    async def run(self, load):
        cursor = "0"
        while not load.ended.is_set():
            with contextlib.suppress(OSError, asyncio.TimeoutError, StopAsyncIteration):
                connection = real.connect(load.addresses()[1], self.client, cursor, self.chance, load.within)
                async with contextlib.aclosing(connection) as items:
                    self.connections += 1
                    while not load.ended.is_set():
                        # Nobody tells a client that its server vanished: silence does.
                        cursor, item = await asyncio.wait_for(anext(items), load.silence_s)
                        if item is not None:
                            self.hear(item[1])
            await asyncio.sleep(AGAIN_S)

    def hear(self, data):
        name, number, _ = data.split(":", 2)
        before = self.heard[name]
        assert int(number) == before + 1, f"{self.client['transport']}: {number} of {name} came behind {before}"
        self.heard[name], self.count = int(number), self.count + 1

    def has_all(self, publishers):
        return all(self.heard[one.name] >= one.number for one in publishers if one.name in self.heard)


class Load:
    """All of them, in a thread of their own. `addresses()` gives the IN line's and the WAIT line's of today."""

    def __init__(self, addresses, publishers=4, readers=10, seed=1, pause_s=0.0, filler=0, visitors=0,
                 silence_s=60, within=contextlib.nullcontext):  # fmt: skip
        self.addresses, self.filler = addresses, "x" * filler
        # After how long without a word a reader comes anew; in which context its socket is made.
        self.silence_s, self.within = silence_s, within
        # Publishers are to stop; they have; readers have heard everything.
        self.over, self.said, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.cursors, self.faults, self.visits = set(), [], 0
        self.publishers = [Publisher(f"load{n}", pause_s) for n in range(publishers)]
        names = [one.name for one in self.publishers]
        kinds = list(real.SPOKEN)
        # Every other one listens to all channels at once; bare streams have no names, so each has one channel.
        self.readers = [
            Reader(names if n % 2 else [names[n % publishers]], kinds[n % len(kinds)], seed * 1000 + n)
            for n in range(readers)
        ]
        self.visitors, self.chance = visitors, random.Random(seed)
        self.thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.thread.start()

    async def _run(self):
        talking = [asyncio.create_task(self._guard(one.run(self))) for one in self.publishers]
        tasks = [asyncio.create_task(self._guard(one.run(self))) for one in self.readers]
        tasks += [asyncio.create_task(self._guard(self._visit())) for _ in range(self.visitors)]
        await asyncio.gather(*talking)
        self.said.set()
        while not self.ended.is_set():
            await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _guard(self, run):
        try:
            await run
        except Exception as fault:  # whatever it is, it is what the test is about
            self.faults.append(f"{type(fault).__name__}: {fault}")

    async def _visit(self):
        """Comes to a channel, stays a while, vanishes; again and again, on ever new channels."""
        while not self.ended.is_set():
            with contextlib.suppress(OSError, EOFError):
                self.visits += 1
                reader, writer = await asyncio.open_connection(*self.addresses()[1])
                path = f"/sub/visit{self.chance.randrange(10_000)},{self.publishers[0].name}"
                kind = self.chance.choice(["text/event-stream", "application/x-ndjson", "application/json"])
                writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {kind}\r\n\r\n".encode())
                try:
                    await asyncio.wait_for(reader.read(100), self.chance.random())
                except asyncio.TimeoutError:
                    pass
                finally:
                    writer.transport.abort()
            await asyncio.sleep(self.chance.random() * 0.2)

    def answered(self):
        """How many messages were answered by now."""
        self.check()
        return sum(one.number for one in self.publishers)

    def until_more(self, count, patience_s=60):
        """Waits until so many more were answered."""
        enough = self.answered() + count
        until(lambda: self.answered() >= enough, f"{count} more are published", patience_s)

    def check(self):
        assert not self.faults, self.faults

    def finish(self, patience_s=120):
        """Publishers stop; readers hear the rest. Gives counts, of which it has seen that they agree."""
        self.over.set()
        until(lambda: self.check() or self._has_all(), f"everybody has everything: {self.counts()}", patience_s)
        self.ended.set()
        self.thread.join(30)
        self.check()
        total = sum(one.number for one in self.publishers)
        # A repeat has the place of the first try, so every answer has a place of its own.
        assert len(self.cursors) == total, (len(self.cursors), total)
        return self.counts()

    def _has_all(self):
        return self.said.is_set() and all(reader.has_all(self.publishers) for reader in self.readers)

    def counts(self):
        return {
            "answered": sum(one.number for one in self.publishers),
            "refused": sum(one.refused for one in self.publishers),
            "unanswered": sum(one.unanswered for one in self.publishers),
            "heard": sum(reader.count for reader in self.readers),
            "connections": sum(reader.connections for reader in self.readers),
            "visits": self.visits,
        }

