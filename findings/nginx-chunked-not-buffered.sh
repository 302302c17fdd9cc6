#!/usr/bin/env bash
# nginx 1.22.1 with proxy_buffering on, its default, holds the first bytes of a response back until its buffer is full or
# the response ends where that is delimited by the end of the connection; the very same bytes in chunks it passes on as they
# come. Both with proxy_http_version 1.1, and without X-Accel-Buffering.
# Seen on Debian 12 with nginx 1.22.1-9+deb12u11, 2026-11-29:
#     to the end of the connection: nothing within 3 s
#     in chunks: the first event within 3 s
# Needs apt-get, dpkg and python3. Fails if what is seen is something else.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq nginx=1.22.1-9+deb12u11 >/dev/null
dpkg -x nginx_*.deb root

cat >try.py <<'PYTHON'
import os, socket, subprocess, threading, time

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
EVENT = b"data: hello\n\n"
ANSWERS = {
    "/end": HEAD + b"\r\n" + EVENT,
    "/chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n" % (len(EVENT), EVENT),
}
backend = socket.socket()
backend.bind(("127.0.0.1", 0))
backend.listen()
kept = []


def serve():
    while True:
        stream, _ = backend.accept()
        path = stream.recv(65536).split()[1].decode()
        # Head and event in two writes, as they come from a stream that has just begun.
        head, event = ANSWERS[path].split(b"\r\n\r\n", 1)
        stream.sendall(head + b"\r\n\r\n")
        time.sleep(0.2)
        stream.sendall(event)
        kept.append(stream)


threading.Thread(target=serve, daemon=True).start()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
kinds = ["proxy", "client_body", "fastcgi", "uwsgi", "scgi"]
temporary = " ".join(f"{kind}_temp_path {os.getcwd()}/{kind};" for kind in kinds)
user = "user root;" if os.getuid() == 0 else ""
with open("nginx.conf", "w") as config:
    config.write(f"""daemon off; pid {os.getcwd()}/pid; error_log stderr crit; {user} events {{}}
http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port};
  location / {{ proxy_pass http://127.0.0.1:{backend.getsockname()[1]}; proxy_http_version 1.1; }} }} }}""")
nginx = subprocess.Popen(["root/usr/sbin/nginx", "-p", os.getcwd(), "-c", "nginx.conf"], stderr=subprocess.DEVNULL)
try:
    for _ in range(500):
        time.sleep(0.02)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
    for path, words in ("/end", "to the end of the connection"), ("/chunks", "in chunks"):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        client.settimeout(0.1)
        heard, end = b"", time.monotonic() + 3
        while EVENT not in heard and time.monotonic() < end:
            try:
                heard += client.recv(65536)
            except TimeoutError:
                pass
        print(f"{words}: {'the first event' if EVENT in heard else 'nothing'} within 3 s")
finally:
    nginx.terminate()
    nginx.wait()
PYTHON

seen=$(python3 try.py)
echo "$seen"
[[ $seen == "to the end of the connection: nothing within 3 s
in chunks: the first event within 3 s" ]] || { echo "this is not what was seen before" >&2; exit 1; }
