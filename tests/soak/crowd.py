"""A crowd behind one loopback address: an nginx in front that nobody told the program of, and all are served.

    tests/.venv/bin/python tests/soak/crowd.py [CLIENTS]

The settings are the defaults. Only the shards are as many as the limit of open files asks for, which holds for each of
them, and so are nginx's workers; several addresses listen, since a pair of addresses has no more than 28,000 ports.
Ends with 1 if a client was refused, lost its connection, or did not hear every message.
"""

import argparse
import json
import math
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "blackbox"))

from harness.front import NGINX, Front  # noqa: E402
from harness.program import NOFILE, Program, binary  # noqa: E402

CLIENTS = 50_000
# Of the open files that a process may have, so many are for clients; the kernel does not spread them quite evenly.
USED = 0.8
PORTS_PER_ADDRESS = 20_000
STEPS = ["idle=30", "send=3", "leave=20", "back", "send=3"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clients", nargs="?", type=int, default=CLIENTS)
    clients = parser.parse_args().clients
    shards = max(2, math.ceil(clients / (NOFILE * USED)))
    workers = max(2, math.ceil(2 * clients / (NOFILE * USED)))
    addresses = math.ceil(clients / PORTS_PER_ADDRESS)
    program = Program("--shards", str(shards), *["--wait", "127.0.0.1:0"] * (addresses - 1))
    proxy = Front([NGINX, "-c"], nginx(program.waits, workers))
    print(f"{clients} clients, {workers} workers of nginx, {shards} shards, at {', '.join(program.waits)}", flush=True)
    try:
        told = crowd(clients, f"{proxy.url}/sub/{{ch}}", f"{program.in_url}/pub/{{ch}}", program.pid)
        counts = {name: program.metric(f"multiplexor_wait_{name}_total") for name in REFUSALS}
        counts["accept_pauses"] = program.metric("multiplexor_wait_accept_pauses_total")
        if told:
            print(pathlib.Path(proxy.log).read_text(errors="replace")[:4_000], program.stderr()[:2_000], sep="\n")
    finally:
        proxy.stop()
        program.stop()
    print(json.dumps({"refused": counts}))
    sys.exit(1 if told or any(counts.values()) else 0)


# What must stay at 0: nobody is refused for an address, nor closed for being one of many.
REFUSALS = ["problems", "connections_refused", "requests_refused", "memory_refused", "slow_readers", "request_timeouts"]


def crowd(clients, url, publish, pid):
    """What became of them, as `bench` tells it; 0 if nothing was wrong."""
    where = ["--url", url, "--publish", publish, "--pid", str(pid), "--patience", "120", "--connect-rate", "2000"]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MULTIPLEXOR_")}
    return subprocess.run([binary(), "bench", f"join={clients}", *STEPS, *where], env=clean).returncode


def nginx(servers, workers):
    to = " ".join(f"server {server} max_fails=0;" for server in servers)
    # As root it would leave to another user, who may not enter the folder.
    return f"""daemon off; worker_processes {workers}; worker_rlimit_nofile {NOFILE}; pid FOLDER/pid; error_log stderr;
        user root; events {{ worker_connections {NOFILE}; }}
        http {{ access_log off; upstream all {{ {to} }}
          proxy_temp_path FOLDER/proxy; client_body_temp_path FOLDER/client_body; fastcgi_temp_path FOLDER/fastcgi;
          uwsgi_temp_path FOLDER/uwsgi; scgi_temp_path FOLDER/scgi;
          server {{ listen 127.0.0.1:PORT reuseport backlog=4096; location / {{
            proxy_pass http://all; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }} }} }}"""


if __name__ == "__main__":
    main()
