"""A WebSocket of a real library, used step by step by a test that is not asynchronous."""

import asyncio
import json

import websockets


class Socket:
    """A connection whose commands are answered; its id is that which it was told."""

    def __init__(self, program, path="/sub/", **headers):
        self.loop = asyncio.new_event_loop()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connect = websockets.connect(program.ws_url + path, additional_headers=headers)
        self.socket = self.loop.run_until_complete(self._opened(connect))
        self.id = self.receive()["connection"]

    async def _opened(self, connect):
        return await connect

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.loop.run_until_complete(self.socket.close())
        self.loop.close()

    def send(self, **command):
        self.loop.run_until_complete(self.socket.send(json.dumps(command)))

    def receive(self):
        return json.loads(self.loop.run_until_complete(asyncio.wait_for(self.socket.recv(), 30)))

    def answer(self, **command):
        """Sends a command, and gives its answer; messages on the way are kept in `heard`."""
        self.heard = []
        self.send(**command, id="?")
        while True:
            item = self.receive()
            if item.get("id") == "?":
                return item
            self.heard.append(item)
