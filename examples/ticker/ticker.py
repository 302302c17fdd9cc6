#!/usr/bin/env python3
"""A price ticker: serves its page, and publishes prices that go up and down."""

import json
import os
import random
import threading
import time
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LINE = os.environ.get("MULTIPLEXOR", "http://127.0.0.1:10010")
PORT = int(os.environ.get("PORT", "8000"))
PRICES = {"ACME": 128.0, "GLOBEX": 41.5, "INITECH": 9.75, "UMBRELLA": 212.3}


def publish(items):
    """All of a moment in one request."""
    body = json.dumps(items).encode()
    request = urllib.request.Request(f"{LINE}/pub", body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=5).close()


def tick():
    """Moves some of the prices and publishes those."""
    moved = random.sample(sorted(PRICES), 2)
    for name in moved:
        PRICES[name] = max(0.01, PRICES[name] * random.uniform(0.99, 1.0101))
    publish([{"channel": f"price.{name}", "data": {"price": round(PRICES[name], 2)}, "ttl": 3600} for name in moved])


def main():
    folder = Path(__file__).resolve().parent
    server = ThreadingHTTPServer(("127.0.0.1", PORT), partial(SimpleHTTPRequestHandler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"Open http://127.0.0.1:{PORT}", flush=True)
    while True:
        try:
            tick()
        except OSError as error:
            print(f"{LINE} does not take prices: {error}; trying again")
            time.sleep(2)
        time.sleep(0.25)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
