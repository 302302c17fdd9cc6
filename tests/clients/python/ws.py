"""Each library for WebSockets in Python, as its README shows it. `ws.py LIBRARY URL COMMAND…` says what the application
gets, and sends command n where it hears `say-n`."""

import asyncio
import sys

from say import error, message, say


def asked(text, commands):
    """Says a text frame; the commands it asks for."""
    message(text)
    return [command for n, command in enumerate(commands, 1) if f"say-{n}" in text]


def websockets(url, commands):
    from websockets.asyncio.client import connect

    async def main():
        async with connect(url) as websocket:
            say("open")
            try:
                async for text in websocket:
                    for command in asked(text, commands):
                        await websocket.send(command)
            finally:
                say("close", websocket.close_code, websocket.close_reason)

    asyncio.run(main())


def websocket_client(url, commands):
    import websocket

    def on_message(socket, text):
        for command in asked(text, commands):
            socket.send(command)

    websocket.WebSocketApp(
        url,
        on_open=lambda socket: say("open"),
        on_message=on_message,
        on_error=lambda socket, failure: error(failure),
        on_close=lambda socket, code, reason: say("close", code, reason),
    ).run_forever()


def aiohttp(url, commands):
    import aiohttp

    async def main():
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            say("open")
            async for told in socket:
                for command in asked(told.data, commands):
                    await socket.send_str(command)
            say("close", socket.close_code)

    asyncio.run(main())


def httpx_ws(url, commands):
    from httpx_ws import WebSocketDisconnect, connect_ws

    try:
        with connect_ws(url) as socket:
            say("open")
            while True:
                for command in asked(socket.receive_text(), commands):
                    socket.send_text(command)
    except* WebSocketDisconnect as group:
        say("close", group.exceptions[0].code, group.exceptions[0].reason)


def trio_websocket(url, commands):
    import trio
    from trio_websocket import ConnectionClosed, open_websocket_url

    async def main():
        async with open_websocket_url(url) as socket:
            say("open")
            try:
                while True:
                    for command in asked(await socket.get_message(), commands):
                        await socket.send_message(command)
            except ConnectionClosed as closed:
                say("close", closed.reason.code if closed.reason else "", closed.reason.reason if closed.reason else "")

    trio.run(main)


def picows(url, commands):
    from picows.websockets.asyncio.client import connect

    async def main():
        async with connect(url) as websocket:
            say("open")
            try:
                while True:
                    for command in asked(await websocket.recv(), commands):
                        await websocket.send(command)
            finally:
                say("close", websocket.close_code, websocket.close_reason)

    asyncio.run(main())


def tornado(url, commands):
    from tornado.websocket import websocket_connect

    async def main():
        socket = await websocket_connect(url)
        say("open")
        while (text := await socket.read_message()) is not None:
            for command in asked(text, commands):
                await socket.write_message(command)
        say("close", socket.close_code, socket.close_reason)

    asyncio.run(main())


if __name__ == "__main__":
    library, url, *commands = sys.argv[1:]
    try:
        globals()[library](url, commands)
    except Exception as failure:
        error(failure)
    say("end")
