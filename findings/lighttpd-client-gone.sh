#!/usr/bin/env bash
# lighttpd 1.4.69 with mod_proxy and its default server.stream-response-body = 0 never tells the backend that the client
# of a response which does not end has gone: the backend writes on, and the client's end stays in CLOSE_WAIT. With
# server.stream-response-body = 2 the backend's connection is closed at one of the next writes.
# Seen on Debian 12 with lighttpd 1.4.69-1, 2026-11-29:
#     stream-response-body 0: client gone, 100 more events written, backend connection still open
#     stream-response-body 2: client gone, backend connection closed
# Needs apt-get, dpkg and python3. Fails if what is seen is something else.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq lighttpd=1.4.69-1 >/dev/null
dpkg -x lighttpd_*.deb root

cat >try.py <<'PYTHON'
import socket, subprocess, sys, time

setting = sys.argv[1]


def listener():
    one = socket.socket()
    one.bind(("127.0.0.1", 0))
    one.listen()
    return one


backend = listener()
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
with open("lighttpd.conf", "w") as config:
    config.write(f"""server.modules = ( "mod_proxy" )
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "/var/empty"
server.stream-response-body = {setting}
proxy.server = ( "" => ( ( "host" => "127.0.0.1", "port" => "{backend.getsockname()[1]}" ) ) )
""")
proxy = subprocess.Popen(["root/usr/sbin/lighttpd", "-D", "-m", "root/usr/lib/lighttpd", "-f", "lighttpd.conf"], stderr=subprocess.DEVNULL)
try:
    for _ in range(500):
        time.sleep(0.02)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
    client = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    # The probe may have opened nothing behind the proxy: who comes first is the client.
    stream, _ = backend.accept()
    stream.recv(65536)
    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 0\n\n")
    # What has come is read, so that the connection ends by FIN, and is not reset.
    client.settimeout(1)
    try:
        client.recv(65536)
    except TimeoutError:
        pass
    client.close()
    state = "100 more events written, backend connection still open"
    stream.settimeout(0.1)
    for n in range(100):
        try:
            stream.sendall(b"data: 1\n\n")
            if stream.recv(1) == b"":
                raise ConnectionResetError
        except TimeoutError:
            continue
        except OSError:
            state = "backend connection closed"
            break
    print(f"stream-response-body {setting}: client gone, {state}")
finally:
    proxy.terminate()
    proxy.wait()
PYTHON

seen=$(python3 try.py 0; python3 try.py 2)
echo "$seen"
[[ $seen == "stream-response-body 0: client gone, 100 more events written, backend connection still open
stream-response-body 2: client gone, backend connection closed" ]] || { echo "this is not what was seen before" >&2; exit 1; }
