#!/usr/bin/env python3
"""Runs the libraries of docs/clients.md against the real program, all at once, and says what each application saw.

    run.py [quick | all] [--only WORD] [--write]

Each has a proxy of its own that cuts its connections. What was seen is compared with seen.json: a row that is worse is
an error. `--write` keeps what was seen, and writes the table.
"""

import asyncio
import contextlib
import json
import pathlib
import re
import signal
import sys
import time

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "blackbox")]

import table  # noqa: E402
from harness.program import Program  # noqa: E402
from libraries import LIBRARIES  # noqa: E402
from proxy import Proxy  # noqa: E402

# A library that says nothing for so long says nothing at all; the slowest comes back after 10 s, and waits for a JVM.
PATIENCE_S = 20
START_S = 90
# Longer than what any library was seen to bear of a silent stream by default, which is 10 s.
SILENCE_S = 13
# So many libraries run side by side.
AT_ONCE = 16
SIZES = [30_000, 60_000, 200_000, 900_000]
COMMANDS = ['{"subscribe":["%s"]}', '{"unsubscribe":["%s"]}', '{"ping":"here"}']


class Client:
    """One library at work: its process, begun anew by hand where it ends, and what its application was told."""

    def __init__(self, library, number, proxy):
        self.library, self.proxy = library, proxy
        self.channel, self.other = f"c{number}", f"d{number}"
        self.process = None
        self.lines, self.ended = [], True
        self.numbers = []
        self.last = None

    async def begin(self, channels, since=None):
        """Starts the program, and waits until the server knows it."""
        await self.kill()
        query = "&".join(filter(None, [self.library.query, since and f"since={since}"]))
        scheme = "http" if self.library.kind == "SSE" else "ws"
        url = f"{scheme}://127.0.0.1:{self.proxy.port}/{self.library.path}/{','.join(channels)}{query and '?' + query}"
        commands = [] if self.library.kind == "SSE" else [command.replace("%s", self.other) for command in COMMANDS]
        self.ended = False
        self.process = await asyncio.create_subprocess_exec(
            *map(str, self.library.command()), url, *commands,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, limit=1 << 20,
        )  # fmt: skip
        self.reading = asyncio.ensure_future(self._read(self.process))

    async def _read(self, process):
        errors = asyncio.ensure_future(process.stderr.read())
        while line := await process.stdout.readline():
            words = line.decode("utf-8", "replace").rstrip("\n").split("\t")
            self.lines.append(words)
            if words[0] in ("event", "message"):
                self.numbers += [int(number) for number in re.findall(r'"m\\*":(\d+)', words[-1])]
                if words[0] == "event":
                    self.last = words[2] or self.last
            if words[0] == "end":
                self.ended = True
        self.ended = True
        said = (await errors).decode("utf-8", "replace").strip()
        if said:
            self.lines.append(["stderr", said[-2_000:]])

    def said(self, word, since=0):
        return [words for words in self.lines[since:] if words[0] == word]

    async def hears(self, number, patience_s=PATIENCE_S):
        return await until(lambda: number in self.numbers, patience_s)

    async def kill(self):
        if self.process is None:
            return
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
                if not await until(lambda: self.process.returncode is not None, 10):
                    self.process.kill()
            await self.process.wait()
        await self.reading
        self.process = None


async def until(condition, patience_s=PATIENCE_S):
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


class Run:
    """All libraries, and the program they talk to."""

    def __init__(self, libraries, silence_s=SILENCE_S):
        self.libraries, self.silence_s = libraries, silence_s
        self.count = 0
        self.ports = []

    def start_server(self):
        """Starts the program; the second time at the same addresses."""
        flags = [f"--{line}={address}" for line, address in zip(["wait", "in"], self.ports)]
        self.program = Program(*flags, "--drain", "1s", ports=not self.ports)
        self.ports = [self.program.waits[0], self.program.ins[0]]

    async def publish(self, channel, size=0, word=""):
        """Publishes a JSON object with a number of its own, which comes back; `size` bytes, and a word."""
        number = self.count = self.count + 1
        data = f'{{"m":{number},"w":"{word}","x":"{"x" * size}"}}'
        await asyncio.to_thread(self.program.publish, channel, data)
        return number

    async def waits(self, client, channel, patience_s=START_S):
        deadline = time.monotonic() + patience_s
        while await asyncio.to_thread(self.program.waiting, channel) == 0:
            if time.monotonic() > deadline or client.ended:
                return False
            await asyncio.sleep(0.05)
        return True

    async def all(self):
        self.start_server()
        clients = []
        try:
            for number, library in enumerate(self.libraries):
                clients.append(Client(library, number, await Proxy(self.program.wait_address).start()))
            facts = await asyncio.gather(*map(self.before_the_end, clients))
            self.program.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(self.program.ended)
            marks = [len(client.lines) for client in clients]
            self.start_server()
            await asyncio.gather(*(self.after_the_end(*each) for each in zip(clients, facts, marks)))
            return {client.library.key: fact for client, fact in zip(clients, facts)}
        finally:
            for client in clients:
                await client.kill()
                await client.proxy.stop()
            await asyncio.to_thread(self.program.stop)

    async def before_the_end(self, client):
        """All that is seen while the server lives; then it listens to two channels, and waits for the end."""
        facts = {"version": client.library.version()}
        await client.begin([client.channel])
        if not await self.waits(client, client.channel):
            return facts | {"live": "never connected: " + told(client, 0)}
        facts["live"] = await self.live(client)
        facts["compression"] = compression(client)
        if client.library.kind == "SSE":
            facts["silence"] = await self.silence(client)
            facts["cut"] = await self.cut(client, reset=False)
            facts["reset"] = await self.cut(client, reset=True)
        else:
            facts["commands"] = await self.commands(client)
        facts["largest"] = await self.largest(client)
        if client.library.kind == "SSE":
            facts["channels"] = await self.channels(client)
            facts["empty"] = sum(words[1] in ("", "message") and words[-2:] == ["0", ""] for words in client.said("event"))
        else:
            client.lines.clear()
            await client.begin([client.channel])
            await until(lambda: client.said("message"))
        return facts

    async def live(self, client):
        for _ in range(5):
            if not await client.hears(await self.publish(client.channel)):
                return "late or never"
        return "at once"

    async def silence(self, client):
        connections, mark = len(client.proxy.requests), len(client.lines)
        await until(lambda: client.ended, self.silence_s)
        if client.ended:
            return "ends: " + told(client, mark)
        again = len(client.proxy.requests) - connections
        return f"comes anew {again} times" if again else "borne"

    async def cut(self, client, reset):
        """The connection is cut, two messages are missed: how the library comes back, and what it is told."""
        if client.ended:
            await client.begin([client.channel], client.last)
            await self.waits(client, client.channel)
        if not await client.hears(await self.publish(client.channel)):
            return "hears nothing"
        if client.ended:
            return "ends by itself: " + told(client, 0)
        mark, heard = len(client.lines), len(client.numbers)
        client.proxy.free.clear()
        client.proxy.cut(reset)
        missed = [await self.publish(client.channel) for _ in range(2)]
        client.proxy.free.set()
        await until(lambda: missed[-1] in client.numbers or client.ended)
        by_hand = client.ended and missed[-1] not in client.numbers
        if by_hand:
            await client.begin([client.channel], client.last)
            await client.hears(missed[-1], START_S)
        missed.append(await self.publish(client.channel))
        await client.hears(missed[-1])
        got = client.numbers[heard:]
        how = f"ends ({told(client, mark)}); " if by_hand else ""
        if got == missed:
            return how + ("exact with since=" if by_hand else "exact")
        return how + (f"{len(set(missed) - set(got))} lost, {len(got) - len(set(got))} twice" if got else "never comes back")

    async def largest(self, client):
        """The largest message that comes, of some sizes, and whether the next one comes, too."""
        if client.ended:
            await client.begin([client.channel])
            await self.waits(client, client.channel)
        largest = 0
        for size in SIZES:
            connections = len(client.proxy.requests)

            def stuck():
                """It ended, or comes again and again to the same message."""
                return client.ended or len(client.proxy.requests) > connections + 4

            numbers = [await self.publish(client.channel, size), await self.publish(client.channel)]
            await until(lambda: numbers[1] in client.numbers or stuck(), START_S)
            if not set(numbers) <= set(client.numbers):
                break
            largest = size
        return largest

    async def channels(self, client):
        await client.begin([client.channel, client.other])
        if not await self.waits(client, client.other):
            return "never connected"
        # Nobody is told of what was said before.
        await asyncio.sleep(0.2)
        heard = [await client.hears(await self.publish(channel)) for channel in [client.channel, client.other]]
        return "both" if all(heard) else "not both"

    async def commands(self, client):
        """Subscribes, hears the other channel, pings, unsubscribes, and hears it no longer."""

        async def answer(word, number):
            await self.publish(client.channel, word=f"say-{number}")
            return await until(lambda: any(word in words[-1] for words in client.said("message")))

        steps = {
            "subscribe": await answer('"subscribed"', 1) and await client.hears(await self.publish(client.other)),
            "ping": await answer('"pong"', 3),
            "unsubscribe": await answer('"unsubscribed"', 2),
        }
        silent = await self.publish(client.other)
        await client.hears(await self.publish(client.channel))
        steps["unsubscribe"] = steps["unsubscribe"] and silent not in client.numbers
        wrong = [step for step, right in steps.items() if not right]
        return "wrong: " + ", ".join(wrong) if wrong else "right"

    async def after_the_end(self, client, facts, mark):
        """The server went down, and another one is there at its address."""
        if facts["live"].startswith("never"):
            return
        await until(lambda: client.ended, 1)
        if client.library.kind == "WebSocket":
            closes = client.said("close")
            facts["drain"] = closes[0][1] if closes else "no code: " + told(client, 0)
        elif client.ended:
            facts["drain"] = "ends: " + told(client, max(0, mark - 3))
        else:
            back = await self.waits(client, client.channel, PATIENCE_S) and await client.hears(await self.publish(client.channel))
            facts["drain"] = "comes back" if back or not client.ended else "ends: " + told(client, max(0, mark - 3))
            if not back and not client.ended:
                facts["drain"] = "never comes back"


def told(client, mark):
    """What the application was told of the end, in short; times and numbers differ from run to run."""
    errors = [words for words in client.lines[mark:] if words[0] in ("error", "thrown")]
    text = " ".join(errors[-1][1:]) if errors else "no error"
    kind = re.match(r"\w+(?:Error|Exception|Timeout)\b", text)
    return kind[0] if kind else re.sub(r"[\d.:]*\d|0x[0-9a-f]+", "N", text)[:60] or "an error"


def compression(client):
    """What it was given; for WebSocket what was agreed on."""
    if client.library.kind == "SSE":
        return client.proxy.answered("content-encoding") or "none"
    return "deflate" if "permessage-deflate" in client.proxy.answered("sec-websocket-extensions") else "none"


def run(which, only=""):
    """The facts of those libraries, and those that are not installed."""
    wanted = [one for one in LIBRARIES if (which == "all" or one.quick) and only in one.key.lower()]
    there = [one for one in wanted if one.installed()]
    facts = {}
    # What takes the machine at its start (browsers, JVMs) does not keep the others waiting.
    for heavy in [False, True]:
        some = [one for one in there if (one.language in ("browser", "Java")) == heavy]
        for lot in [some[at : at + AT_ONCE] for at in range(0, len(some), AT_ONCE)]:
            facts |= asyncio.run(Run(lot, SILENCE_S if which == "all" else SILENCE_S / 2).all())
    return {one.key: facts[one.key] for one in there}, [one.key for one in wanted if one not in there]


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    only = words.pop() if "--only" in sys.argv else ""
    facts, missing = run(words[0] if words else "all", only.lower())
    for key, fact in facts.items():
        print(key, json.dumps(fact), flush=True)
    for key in missing:
        print("not installed:", key)
    known = table.seen()
    worse = table.worse(known, facts)
    for line in worse:
        print("WORSE", line)
    if "--write" in sys.argv:
        table.write(known | facts)
    elif worse:
        sys.exit(1)


if __name__ == "__main__":
    main()
