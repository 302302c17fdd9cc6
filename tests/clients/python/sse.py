"""Each library for event streams in Python, as its README shows it. `sse.py LIBRARY URL` says what the application gets."""

import asyncio
import sys

from say import error, event, say


def requests(url):
    import requests

    response = requests.get(url, stream=True, headers={"Accept": "text/event-stream"})
    fields = {}
    for line in response.iter_lines(decode_unicode=True):
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        else:
            event(fields.get("event"), fields.get("id"), fields.get("data", ""))
            fields = {}


def sseclient_py_requests(url):
    import requests
    import sseclient

    response = requests.get(url, stream=True)
    for told in sseclient.SSEClient(response).events():
        event(told.event, told.id, told.data)


def sseclient_py_urllib3(url):
    import sseclient
    import urllib3

    response = urllib3.PoolManager().request("GET", url, preload_content=False)
    for told in sseclient.SSEClient(response).events():
        event(told.event, told.id, told.data)


def sseclient(url):
    from sseclient import SSEClient

    for told in SSEClient(url):
        event(told.event, told.id, told.data)


def requests_sse(url):
    from requests_sse import EventSource

    with EventSource(url, timeout=30) as source:
        for told in source:
            event(told.type, told.last_event_id, told.data)


def httpx_sse(url):
    import httpx
    from httpx_sse import connect_sse

    with httpx.Client() as client, connect_sse(client, "GET", url) as source:
        for told in source.iter_sse():
            event(told.event, told.id, told.data)


def aiosseclient(url):
    from aiosseclient import aiosseclient

    async def main():
        async for told in aiosseclient(url):
            event(told.event, told.id, told.data)

    asyncio.run(main())


def aiohttp_sse_client(url):
    from aiohttp_sse_client import client

    async def main():
        async with client.EventSource(url) as source:
            try:
                async for told in source:
                    event(told.type, told.last_event_id, told.data)
            except ConnectionError as failure:
                error(failure)

    asyncio.run(main())


if __name__ == "__main__":
    library, url = sys.argv[1:]
    try:
        globals()[library](url)
    except Exception as failure:
        error(failure)
    say("end")
