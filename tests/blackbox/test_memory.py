"""What an idle connection costs: the slope of the program's private memory from 4,000 to 12,000 of them."""

import base64
import resource
import socket
import time

import pytest
from harness.program import Program, until

FEW, MANY = 4_000, 12_000
BYTES_A_CONNECTION_MAX = 400

HEADS = {
    "poll": "",
    "sse": "Accept: text/event-stream\r\n",
    "stream": "Accept: application/x-ndjson\r\n",
    "ws": "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n",
}


def private_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) << 10


def settled(pid):
    """Private memory when it no longer changes."""
    last = private_bytes(pid)
    deadline = time.monotonic() + 20
    while True:
        time.sleep(0.5)
        now = private_bytes(pid)
        if now == last or time.monotonic() > deadline:
            return now
        last = now


def connect(address, head, count):
    """So many idle connections, each after its first words."""
    request = f"GET /sub/crowd HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode()
    sockets = []
    for _ in range(count):
        one = socket.socket()
        one.settimeout(60)
        one.connect(address)
        one.sendall(request)
        sockets.append(one)
    return sockets


@pytest.mark.alone
@pytest.mark.parametrize("transport", HEADS)
def test_an_idle_connection_costs_no_more_than_its_bytes(transport, capsys):
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit[1] < MANY + 200:
        pytest.skip(f"the hard limit of open files is {limit[1]}, this needs {MANY + 200}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
    hour = ["--poll-timeout", "1h", "--heartbeat", "1h", "--request-timeout", "1h"]
    program = Program(*hour, "--shards", "2", huge_pages=False)
    sockets = []
    try:
        empty = settled(program.pid)
        figures = []
        for count in (FEW, MANY):
            sockets += connect(program.wait_address, HEADS[transport], count - len(sockets))
            until(lambda count=count: program.waiting("crowd") == count, f"{count} wait", 120)
            figures.append(settled(program.pid))
        whole = (figures[1] - empty) / MANY
        slope = (figures[1] - figures[0]) / (MANY - FEW)
        with capsys.disabled():
            print(
                f"\n{transport}: {slope:.0f} bytes of private memory for each idle connection from {FEW} to {MANY}"
            )
            print(f"{transport}: {whole:.0f} for each of all {MANY}")
        assert program.waiting("crowd") == MANY, "nobody was lost meanwhile"
        assert max(slope, whole) <= BYTES_A_CONNECTION_MAX
        program.publish("crowd", "all of you")
        for one in sockets[:: MANY // 100]:
            heard = b""
            while b"all of you" not in heard:
                data = one.recv(4096)
                assert data, heard
                heard += data
    finally:
        for one in sockets:
            one.close()
        program.stop(60)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
