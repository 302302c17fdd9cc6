#!/usr/bin/env bash
# PyPI requests-sse 0.5.3 and aiohttp-sse-client 0.2.1. `retry: 1000` asks a client to come back after one second; these wait two, and
# ten where nothing was said, though five is documented: the first wait is doubled already. A server that staggers its clients by
# `retry` sees half of them twice as late as it planned.
# Seen: both come back 2 s after `retry: 1000`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check requests-sse==0.5.3 requests==2.34.2 aiohttp-sse-client==0.2.1 aiohttp==3.14.5
cat >finding.py <<'PY'
import asyncio
import http.server
import threading
import time

import aiohttp_sse_client.client
import requests_sse

came = []
twice = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        came.append(time.monotonic())
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"retry: 1000\ndata: hello\n\n")
        if len(came) == 2:
            twice.set()
            self.wfile.write(b"data: bye\n\n")

    def log_message(self, *_):
        pass


def by_requests(url):
    with requests_sse.EventSource(url) as source:
        for event in source:
            if event.data == "bye":
                return


def by_aiohttp(url):
    async def main():
        async with aiohttp_sse_client.client.EventSource(url) as source:
            async for event in source:
                if event.data == "bye":
                    return

    asyncio.run(main())


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
for name, listen in [("requests-sse", by_requests), ("aiohttp-sse-client", by_aiohttp)]:
    came.clear()
    listen(f"http://127.0.0.1:{server.server_address[1]}/")
    print(f"{name}: {came[1] - came[0]:.0f} s")
PY
seen=$(venv/bin/python finding.py)
echo "$seen"
[[ $seen == "requests-sse: 2 s
aiohttp-sse-client: 2 s" ]]
