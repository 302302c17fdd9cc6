#!/usr/bin/env bash
# PyPI sseclient-py 1.9.0, against httpx-sse 0.4.3. By the HTML standard (9.2.6) an event that has no empty line behind it when the
# stream ends is dropped. sseclient-py gives it to the application, with its id: a message that lost its connection in the middle
# arrives cut short and looks whole, and who resumes by that id never gets the rest.
# Seen: sseclient-py "half 2 of 10" with id b; httpx-sse only the first event.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check sseclient-py==1.9.0 httpx-sse==0.4.3 httpx==0.28.1
cat >finding.py <<'PY'
import socket
import threading

import httpx
import httpx_sse
import sseclient

STREAM = b"id: a\ndata: whole\n\nid: b\ndata: half 2 of 10"


def serve(listener):
    while True:
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + STREAM)
        connection.close()


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=[listener], daemon=True).start()
url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
with httpx.stream("GET", url) as response:
    for event in sseclient.SSEClient(response.iter_bytes()).events():
        print("sseclient-py:", event.id, event.data)
with httpx.Client() as client, httpx_sse.connect_sse(client, "GET", url) as source:
    for event in source.iter_sse():
        print("httpx-sse:", event.id, event.data)
PY
seen=$(venv/bin/python finding.py)
echo "$seen"
[[ $seen == "sseclient-py: a whole
sseclient-py: b half 2 of 10
httpx-sse: a whole" ]]
