"""What the program's private memory is: for itself and for each idle connection."""

import base64
import json
import os
import resource
import socket
import ssl
import time
import zlib

import pytest
from harness.authority import Authority
from harness.program import Program, request, until
from harness.upstream import Application
from harness.wire import Chunks
from test_tokens import SECRET, make_token

FEW, MANY = 4_000, 12_000
FIXED_BYTES_MAX = 16 << 20
# What the program may keep for itself when it has been busy: pages that are used in part, and the like.
LEFT_BYTES_MAX = 2 << 20
# The part of a crowd's memory that may be kept a minute after all have left; tables of names keep more than others.
KEPT_SHARE_MAX = {"shared": 0.1, "own": 0.25}
# All on one channel; each on a channel of its own, with a name of 16 bytes and no history. The same where they show
# tokens (one for all; one of its own for each, which is who it is, what it may, and when that ends), and where it is
# known besides from where each comes, and how many each address and each user has.
BYTES_A_CONNECTION_MAX = {"shared": 200, "own": 450}
LIMITS = [
    *["--connections-limit", "1000000", "--address-connections", "1000000"],
    *["--address-requests", "1000000", "--user-connections", "1000000", "--user-requests", "1000000"],
]
HOOK_AND_LIMITS = ["--hook", "http://127.0.0.1:1/who", *LIMITS]
# With all limits, where the application is asked about each, whose word is remembered: each is somebody else, on one channel
# or on a channel of its own. What calls leave in pages that are used in part varies by a hundred bytes.
BYTES_A_VISITOR_MAX = {"shared": 300, "own": 600}
# So many come at once where the application is asked about each; more than wait for its word may be refused.
ASKED_AT_ONCE = 1_000
CROWDS_MAX = 3
# After so long all is given back that tokens needed to be checked.
GIVEN_BACK_S = 40
CODINGS = {
    "http": "Accept-Encoding: gzip\r\n",
    "ws": "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n",
}
# All on one channel, through TLS; fewer, since each needs a handshake.
TLS_FEW, TLS_MANY = 1_000, 4_000
TLS_BYTES_A_CONNECTION_MAX = 2_048
# The same for those who listen in the words of Realplexor, of whom one cursor more is known.
REALPLEXOR_BYTES_A_CONNECTION_MAX = {"shared": 200, "own": 500}
HEADS = {
    "poll": "",
    "sse": "Accept: text/event-stream\r\n",
    "stream": "Accept: application/x-ndjson\r\n",
    "ws": "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Key: {base64.b64encode(bytes(16)).decode()}\r\n",
}
BATCH_ITEMS = 100
# Long enough to be compressed.
WORDS = "all of you " * 40


def memory(pid, *kinds):
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        return sum(int(line.split()[1]) for line in lines if line.startswith(kinds)) << 10


def private_bytes(pid):
    return memory(pid, "Private")


def settled(pid):
    """Private memory when it no longer changes."""
    last = private_bytes(pid)
    deadline = time.monotonic() + 20
    while True:
        time.sleep(0.3)
        now = private_bytes(pid)
        if now == last or time.monotonic() > deadline:
            return now
        last = now


def least(pid, seconds=3):
    """The least private memory within a while: what is no longer needed is given back every two seconds."""
    least, deadline = private_bytes(pid), time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(0.2)
        least = min(least, private_bytes(pid))
    return least


class Crowd:
    """A program, and many who wait on it: all on one channel, or each on its own."""

    # What they say beside the channel.
    query = ""

    def __init__(self, transport, channels, *flags, compressed=False, context=None, ports=True, addresses="one"):
        hour = ["--poll-timeout", "1h", "--heartbeat", "1h", "--request-timeout", "1h", "--classic-wait-timeout", "1h"]
        self.transport, self.channels, self.compressed, self.sockets = transport, channels, compressed, {}
        self.context, self.addresses = context, addresses
        self.limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        if self.limit[1] < MANY + 200:
            pytest.skip(f"the hard limit of open files is {self.limit[1]}, this needs {MANY + 200}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.limit[1], self.limit[1]))
        self.program = Program(*hour, *flags, "--shards", "2", ports=ports)
        self.pid = self.program.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in self.sockets.values():
            one.close()
        self.program.stop(60)
        resource.setrlimit(resource.RLIMIT_NOFILE, self.limit)

    def name(self, number):
        return f"user.{number:011}" if self.channels == "own" else "crowd"

    def come(self, numbers):
        for number in numbers:
            # Each from an address of its own, where it is told so.
            source = (f"127.1.{number >> 8}.{number & 255}", 0) if self.addresses == "own" else None
            one = socket.create_connection(self.program.wait_address, 60, source)
            if self.context:
                one = self.context.wrap_socket(one, server_hostname="localhost")
            self.sockets[number] = one
            self.ask(number)
        self.until_all_wait()

    def grow(self, few=FEW, many=MANY, measure=settled):
        """Few come, then the others: the program's bytes when it was empty and when all are there, and what each who came later cost."""
        empty = measure(self.pid)
        self.come(range(few))
        before = measure(self.pid)
        self.come(range(few, many))
        after = measure(self.pid)
        return empty, after, (after - before) / (many - few)

    def shown(self, number):
        """What a client shows of itself."""
        return ""

    def ask(self, number):
        if self.transport == "realplexor":
            name = self.name(number).replace(".", "_")
            return self.sockets[number].sendall(f"GET /?identifier=0:{name} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        takes = CODINGS["ws" if self.transport == "ws" else "http"] if self.compressed else ""
        head = f"GET /sub/{self.name(number)}{self.query} HTTP/1.1\r\nHost: localhost\r\n"
        head += f"{HEADS[self.transport]}{takes}{self.shown(number)}\r\n"
        return self.sockets[number].sendall(head.encode())

    def until_all_wait(self):
        count = len(self.sockets)
        until(lambda: self.program.ask("/stats")["subscriptions"] == count, f"{count} wait", 120)

    def leave(self):
        for one in self.sockets.values():
            one.close()
        self.sockets.clear()
        until(lambda: self.program.ask("/stats")["subscriptions"] == 0, "nobody waits", 120)

    def hear(self, words):
        """Everybody is told something that is not kept; those who poll ask again."""
        names = sorted({self.name(number) for number in self.sockets})
        items = [json.dumps({"channel": name, "data": words, "ttl": 0}) for name in names]
        # In batches of the size that applications send: what one of all leaves in pages of the allocator is not measured here.
        for start in range(0, len(items), BATCH_ITEMS):
            body = "\n".join(items[start : start + BATCH_ITEMS]).encode()
            status, _, _ = request(self.program.in_address, "POST", "/pub", body, patience_s=120)
            assert status == 200
        for number, one in self.sockets.items():
            heard = b""
            while not self.is_said(words.encode(), heard):
                data = one.recv(4096)
                assert data, heard
                heard += data
            if self.transport == "poll":
                self.ask(number)
        self.until_all_wait()

    def is_said(self, words, heard):
        """Whether these bytes, from the head of an answer on, say so."""
        if not self.compressed:
            return words in heard
        head, _, body = heard.partition(b"\r\n\r\n")
        if self.transport == "ws":
            # The cursor comes first; it is too short to be compressed.
            assert b"permessage-deflate" in head or not body
            at = 2 + body[1] if len(body) > 1 else 0
            return len(body) > at + 1 and words in zlib.decompressobj(wbits=-15).decompress(body[at + 2 :])
        assert b"Content-Encoding: gzip" in head or not body
        if b"Transfer-Encoding: chunked" in head:
            body = Chunks().feed(body)
        return words in zlib.decompressobj(wbits=31).decompress(body)


@pytest.mark.alone
@pytest.mark.parametrize("channels", BYTES_A_CONNECTION_MAX)
@pytest.mark.parametrize("transport", HEADS)
def test_an_idle_connection_costs_no_more_than_its_bytes(transport, channels, capsys):
    measure_idle(transport, channels, False, capsys)


@pytest.mark.alone
@pytest.mark.parametrize("transport", HEADS)
def test_compression_costs_a_connection_nothing(transport, capsys):
    measure_idle(transport, "shared", True, capsys)


def measure_idle(transport, channels, compressed, capsys):
    """What a connection costs, before everybody is told something and afterwards."""
    most = BYTES_A_CONNECTION_MAX[channels]
    with Crowd(transport, channels, compressed=compressed) as crowd:
        empty, many, slope = crowd.grow()
        whole = (many - empty) / MANY
        with capsys.disabled():
            how = f"{transport}, {channels}{', compressed' if compressed else ''}"
            print(f"\n{how}: {slope:.0f} bytes for each idle connection, {whole:.0f} of all")
        assert max(whole, slope) <= most
        crowd.hear(WORDS)
        # What the broadcast needed is given back within seconds.
        enough = empty + most * MANY + LEFT_BYTES_MAX
        until(lambda: private_bytes(crowd.pid) <= enough, f"the crowd costs {most} bytes each again", 60)


@pytest.mark.alone
@pytest.mark.parametrize("transport", ["sse", "ws"])
def test_a_backlog_of_several_pages_leaves_nothing_with_a_connection(transport, capsys):
    most = BYTES_A_CONNECTION_MAX["shared"]
    with Crowd(transport, "shared") as crowd:
        items = [json.dumps({"channel": "crowd", "data": "x"})] * 100
        assert request(crowd.program.in_address, "POST", "/pub", "\n".join(items).encode())[0] == 200
        empty, crowd.query = settled(crowd.pid), "?since=0"
        crowd.come(range(MANY))
        until(lambda: private_bytes(crowd.pid) <= empty + most * MANY, f"the crowd costs {most} bytes each", 60)
        with capsys.disabled():
            whole = (least(crowd.pid) - empty) / MANY
            print(f"\n{transport}, after a backlog: {whole:.0f} bytes for each idle connection")


@pytest.mark.alone
@pytest.mark.parametrize("channels", REALPLEXOR_BYTES_A_CONNECTION_MAX)
def test_an_idle_listener_of_realplexor_costs_little_more(channels, tmp_path, capsys):
    listener = '[{ address = "127.0.0.1:0", dialect = "realplexor" }]'
    (tmp_path / "realplexor.toml").write_text(f"wait = {listener}\nin = {listener}\n")
    flags = ["--config", str(tmp_path / "realplexor.toml")]
    with Crowd("realplexor", channels, *flags, ports=False) as crowd:
        *_, slope = crowd.grow()
        with capsys.disabled():
            print(f"\nrealplexor, {channels}: {slope:.0f} bytes for each idle connection")
        assert slope <= REALPLEXOR_BYTES_A_CONNECTION_MAX[channels]


# Half a minute each; `make soak` has the others, too.
LEAVING = [("sse", "shared"), ("ws", "shared"), ("poll", "shared"), ("sse", "own")]
if os.environ.get("TESTS_MULTIPLEXOR_SLOW"):
    LEAVING += [("stream", "shared"), ("poll", "own")]


@pytest.mark.alone
@pytest.mark.parametrize(("transport", "channels"), LEAVING)
def test_a_broadcast_leaves_nothing_with_a_connection_and_a_crowd_that_left_nothing(transport, channels, capsys):
    most = BYTES_A_CONNECTION_MAX[channels]
    with Crowd(transport, channels, "--grace", "1s", "--resume-window", "1s", "--history-age", "1s") as crowd:
        # What the program needs once, whoever comes, is not the crowd's.
        crowd.come(range(FEW))
        crowd.hear("first of all")
        crowd.leave()
        empty = least(crowd.pid)
        crowd.come(range(FEW))
        crowd.hear("few of you")
        few = least(crowd.pid)
        crowd.come(range(FEW, MANY))
        crowd.hear("all of you")
        enough = few + most * (MANY - FEW)
        until(lambda: private_bytes(crowd.pid) <= enough, f"those who came later cost {most} bytes each", 60)
        many = least(crowd.pid)
        crowd.leave()
        enough = empty + KEPT_SHARE_MAX[channels] * (many - empty)
        until(lambda: private_bytes(crowd.pid) <= enough, f"{enough:.0f} bytes, after {many} and {empty} before", 60)
        with capsys.disabled():
            told, kept = (many - few) / (MANY - FEW), (private_bytes(crowd.pid) - empty) / (many - empty)
            print(f"\n{transport}, {channels}: {told:.0f} bytes each after a broadcast, {kept:.0%} kept after all left")


@pytest.mark.alone
@pytest.mark.parametrize("addresses", ["one", "own"])
def test_counting_connections_by_address_costs_little(addresses, capsys):
    most = BYTES_A_CONNECTION_MAX["shared"]
    flags = ["--address-connections", "1000000", "--address-requests", "1000000", "--proxies", "10.0.0.0/8"]
    with Crowd("sse", "shared", *flags, addresses=addresses) as crowd:
        empty, many, slope = crowd.grow()
        whole = (many - empty) / MANY
        with capsys.disabled():
            print(f"\nfrom {addresses} address: {slope:.0f} bytes for each idle connection, {whole:.0f} of all")
        assert slope <= most
        # Tables of addresses that have just doubled are half empty, and what the program needs once is there, too.
        assert many <= empty + most * MANY + LEFT_BYTES_MAX
        crowd.leave()
        enough = empty + KEPT_SHARE_MAX["shared"] * (many - empty) + LEFT_BYTES_MAX
        until(lambda: private_bytes(crowd.pid) <= enough, "nothing is left of them", 60)


@pytest.mark.alone
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_an_idle_connection_of_tls_keeps_little_but_its_keys(version, tmp_path, capsys):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server", "localhost")
    context = ssl.create_default_context(cafile=str(authority.certificate))
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    flags = ["--tls-certificate", str(certificate), "--tls-key", str(key)]
    with Crowd("sse", "shared", *flags, context=context) as crowd:
        # Handshakes leave what is given back some seconds later, and how much that is depends on who else computes.
        *_, slope = crowd.grow(TLS_FEW, TLS_MANY, least)
        with capsys.disabled():
            print(f"\n{version}: {slope:.0f} bytes for each idle connection")
        assert slope <= TLS_BYTES_A_CONNECTION_MAX


class Guests(Crowd):
    """A crowd that shows tokens: one for all on one channel, or each its own on a channel of its own."""

    def __init__(self, channels, *flags):
        super().__init__("sse", channels, "--listen", "token", "--token-secret", SECRET, *flags)

    def shown(self, number):
        user = f"{number}" if self.channels == "own" else "everybody"
        token = make_token(sub=user, listen=[self.name(number)], exp=2**32)
        return f"Authorization: Bearer {token}\r\n"


class Visitors(Crowd):
    """A crowd that shows cookies, each its own, by which the application knows it."""

    def __init__(self, channels, application, *flags):
        super().__init__("sse", channels, "--listen", "token", "--hook", application.url, *flags)

    def shown(self, number):
        return f"Cookie: session={zlib.crc32(b'%d' % number):032x}; name={self.name(number)}; user={number}\r\n"

    def come(self, numbers):
        for first in range(numbers.start, numbers.stop, ASKED_AT_ONCE):
            super().come(range(first, min(first + ASKED_AT_ONCE, numbers.stop)))


def who(_, headers):
    """The application's word: whoever it is may listen to the channel of the cookie."""
    said = dict(pair.split("=") for pair in headers["Cookie"].split("; "))
    return 200, {}, json.dumps({"user": said["user"], "listen": said["name"], "lasts": 86_400}).encode()


@pytest.mark.alone
@pytest.mark.parametrize("channels", BYTES_A_VISITOR_MAX)
def test_the_application_s_word_on_each_costs_an_idle_connection_no_more_than_its_bytes(channels, capsys):
    most = BYTES_A_VISITOR_MAX[channels]
    application = Application(who)
    # What calls leave in pages that are used in part is chance, so the least of several crowds counts.
    for _ in range(CROWDS_MAX):
        cost = visitor_bytes(channels, application, capsys)
        if cost <= most:
            break
    application.stop()
    assert cost <= most


def visitor_bytes(channels, application, capsys):
    """Bytes for each visitor of a crowd, when what the calls needed was given back."""
    with Visitors(channels, application, *LIMITS) as crowd:
        _, many, slope = crowd.grow()
        given_back = (many - least(crowd.pid)) / (MANY - FEW)
        with capsys.disabled():
            print(f"\nhook, {channels}, with limits: {slope:.0f} bytes for each idle connection, {slope - given_back:.0f} in the end")
        assert crowd.program.ask("/stats")["wait"]["guests"] == MANY
    return slope - given_back


@pytest.mark.alone
@pytest.mark.parametrize("channels", BYTES_A_CONNECTION_MAX)
@pytest.mark.parametrize("limits", ["", "with hook and limits"])
def test_credentials_cost_an_idle_connection_no_more_than_their_bytes(channels, limits, capsys):
    most = BYTES_A_CONNECTION_MAX[channels]
    # As with what calls leave: pages that are used in part are chance, so the least of several crowds counts.
    for _ in range(CROWDS_MAX):
        cost = guest_bytes(channels, limits, capsys)
        if cost <= most:
            break
    assert cost <= most


def guest_bytes(channels, limits, capsys):
    """Bytes for each who shows a token, when what checking them needed was given back: within half a minute at the latest."""
    enough = BYTES_A_CONNECTION_MAX[channels] * (MANY - FEW)
    with Guests(channels, *(HOOK_AND_LIMITS if limits else [])) as crowd:
        crowd.come(range(FEW))
        few = least(crowd.pid, 10)
        crowd.come(range(FEW, MANY))
        cost = private_bytes(crowd.pid) - few
        deadline = time.monotonic() + GIVEN_BACK_S
        while cost > enough and time.monotonic() < deadline:
            cost = min(cost, least(crowd.pid, 1) - few)
        with capsys.disabled():
            print(f"\ntoken, {channels}{limits and ', '}{limits}: {cost / (MANY - FEW):.0f} bytes for each idle connection")
        assert crowd.program.ask("/stats")["wait"]["guests"] == MANY
    return cost / (MANY - FEW)


@pytest.mark.alone
def test_the_program_itself_is_small(capsys):
    program = Program("--shards", "2")
    try:
        item = json.dumps({"channel": "news", "data": "x" * 100}) + "\n"
        for _ in range(2):
            status, _, _ = request(program.in_address, "POST", "/pub", item.encode() * 10_000, patience_s=120)
            assert status == 200
        until(lambda: memory(program.pid, "Rss") <= FIXED_BYTES_MAX, "it has few MiB again", 60)
        with capsys.disabled():
            print(f"\nthe program itself: {memory(program.pid, 'Rss') >> 10} KiB")
    finally:
        program.stop()
