#!/usr/bin/env bash
# requests 2.34.2 (urllib3 2.8.0). `iter_lines()` of a response with `stream=True` looks like a way to read line by line. Of an answer
# that ends with its connection (no length, not chunked), it gives nothing until 512 bytes have come; of the same lines in
# chunks, each at once. Who tails a quiet log or event stream sees nothing, for hours.
# Seen: "close-delimited: 0 of 3 lines", "chunked: 3 of 3 lines", while the server had sent three.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check requests==2.34.2 urllib3==2.8.0
cat >finding.py <<'PY'
import socket
import threading

import requests

release = threading.Event()


def serve(listener):
    for chunked in [False, True]:
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n" + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Connection: close\r\n\r\n"))
        for n in range(3):
            line = b"line %d\n" % n
            connection.sendall(b"%x\r\n%s\r\n" % (len(line), line) if chunked else line)
        release.wait()
        connection.close()


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=[listener], daemon=True).start()
for name in ["close-delimited", "chunked"]:
    release.clear()
    got = []
    response = requests.get(f"http://127.0.0.1:{listener.getsockname()[1]}/", stream=True)

    def collect():
        try:
            for line in response.iter_lines():
                got.append(line)
        except requests.exceptions.ChunkedEncodingError:
            pass

    reader = threading.Thread(target=collect, daemon=True)
    reader.start()
    reader.join(2)
    print(f"{name}: {len(got)} of 3 lines")
    release.set()
    reader.join(5)
PY
seen=$(venv/bin/python finding.py)
echo "$seen"
[[ $seen == "close-delimited: 0 of 3 lines
chunked: 3 of 3 lines" ]]
