"""The crowd tells what is missing: nothing with the real program, all that a faulty server does wrong."""

import contextlib
import html.parser
import json
import os
import pathlib
import pty
import re
import socket
import subprocess
import threading

import pytest
from harness.program import Program, binary, until
from harness.tokens import SECRET, make_token

CLIENTS = 300


def bench(waits, publishes, *arguments, patience="10"):
    """What `multiplexor bench` reports, and whether it was content."""
    command = [binary(), "bench", "--json", "--url", waits, "--publish", publishes, "--patience", patience]
    done = subprocess.run([*command, "--settle", "0.2", *arguments], capture_output=True, timeout=120)
    assert done.stdout, done.stderr.decode()
    report = json.loads(done.stdout)
    assert (done.returncode == 0) == report["ok"]
    return report


def of_program(program, *arguments, since="", at="/pub/{ch}"):
    return bench(f"{program.wait_url}/sub/{{ch}}{since}", program.in_url + at, *arguments)


def total(report, what):
    return sum(step[what] for step in report["steps"])


@pytest.mark.parametrize("transport", ["sse", "ws", "stream", "poll"])
def test_nothing_is_missing_from_the_real_program(program, transport):
    arguments = ["--transport", transport, "--pid", str(program.pid), "--workers", "2"]
    steps = [f"join={CLIENTS}", "send=20", "send=4@20", "idle=0.1"]
    report = of_program(program, *arguments, *steps, since="?since={cursor}" if transport == "poll" else "")
    assert report["ok"], report
    join, burst, paced, idle = report["steps"]
    assert (join["standing"], burst["delivered"], paced["delivered"]) == (CLIENTS, 20 * CLIENTS, 4 * CLIENTS)
    assert burst["latency_ms"]["count"] == 20 * CLIENTS
    assert burst["first_ms"]["count"] == CLIENTS
    assert burst["last_receiver_ms"]["count"] == 20
    assert burst["published"]["answered"] == 20
    assert burst["bytes_per_delivery"] >= 100
    assert idle["memory"]["private"] > 0
    assert idle["wall_s"] < 10, "nothing is waited for, and patience is 10 s"
    assert join["cpu_us_per_connection"] > 0


def test_each_client_can_have_a_channel(program):
    arguments = ["--channels", "each", "--scatter", "--name-len", "16"]
    report = of_program(program, *arguments, f"join={CLIENTS}", f"send={3 * CLIENTS}/16")
    assert report["ok"], report
    assert report["steps"][1]["delivered"] == 3 * CLIENTS


@pytest.mark.parametrize("transport", ["sse", "ws", "stream"])
def test_who_comes_back_gets_what_was_missed(program, transport):
    steps = [f"join={CLIENTS}", "leave=100", "send=20", "back", "leave=50", "send=5", "back", "send=1"]
    report = of_program(program, "--transport", transport, *steps, since="?since={cursor}")
    assert report["ok"], report
    assert total(report, "delivered") == 26 * CLIENTS
    assert [step["standing"] for step in report["steps"][:4]] == [CLIENTS, 0, 0, CLIENTS]


def test_who_stopped_reading_is_checked_afterwards(program):
    report = of_program(program, f"join={CLIENTS}", "pause", "send=10", "resume")
    assert report["ok"], report
    assert [step["delivered"] for step in report["steps"]] == [0, 0, 0, 10 * CLIENTS]


@pytest.mark.parametrize("transport", ["sse", "poll"])
def test_some_can_stop_reading_while_others_go_on(program, transport):
    steps = [f"join={CLIENTS}", "pause=30%", "send=10@100", "resume", "send=2@20"]
    report = of_program(program, "--transport", transport, *steps, since="?since={cursor}" if transport == "poll" else "")
    assert report["ok"], report
    join, pause, meanwhile, resume, after = (step["delivered"] for step in report["steps"])
    assert (join, pause, after) == (0, 0, 2 * CLIENTS)
    assert 5 * CLIENTS < meanwhile < 10 * CLIENTS
    assert meanwhile + resume == 10 * CLIENTS


@pytest.mark.parametrize("transport", ["sse", "ws", "stream", "poll"])
def test_who_loads_the_page_again_is_back_at_once_and_hears_all(program, transport):
    steps = [f"join={CLIENTS}", f"reload={2 * CLIENTS}", "send=5", f"reload={CLIENTS}@2000", "send=5"]
    arguments = ["--transport", transport, "--workers", "2", "--pid", str(program.pid), *steps]
    report = of_program(program, *arguments, since="?since={cursor}" if transport == "poll" else "")
    assert report["ok"], report
    join, again, _, paced, _ = report["steps"]
    assert [step["standing"] for step in (join, again, paced)] == [CLIENTS] * 3
    assert (again["joined"], paced["joined"], total(report, "delivered")) == (2 * CLIENTS, CLIENTS, 10 * CLIENTS)
    assert paced["wall_s"] > 0.1 and again["cpu_us_per_connection"] > 0


def test_each_client_shows_its_own_token(serve, tmp_path):
    program = serve("--token-secret", SECRET)
    file = tmp_path / "tokens"
    file.write_text("\n".join(make_token(sub=f"user{n}") for n in range(CLIENTS)))
    arguments = ["--values", str(file), "--workers", "2", f"join={CLIENTS}", "enter"]
    command = [binary(), "bench", "--url", program.wait_url + "/sub/{ch}?token={value}", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as crowd:
        while b"waiting for a line" not in crowd.stderr.readline():
            assert crowd.poll() is None
        users = program.ask("/users?limit=1000")["users"]
        assert sorted(one["user"] for one in users) == sorted(f"user{n}" for n in range(CLIENTS))
        crowd.communicate(b"\n")
    assert crowd.returncode == 0
    status, _, told = run("join=1", "--values", str(tmp_path / "none"), "--url", program.wait_url + "/sub/{ch}")
    assert status == 2 and "No such file" in told


def test_messages_can_be_said_as_pages_say_them(serve, tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text('[[channel]]\nmatch = "c*"\npublish = "open"\n')
    program = serve("--config", str(rules), "--connection-messages", "0", "--client-messages", "0")
    pages = program.wait_url.replace("http:", "ws:")
    # So many channels that nobody says anything on one while another message to it is on its way.
    arguments = ["--channels", "each", f"join={CLIENTS}", f"send={CLIENTS}/4", "send=40~400", "--transport", "ws"]
    report = bench(program.wait_url + "/sub/{ch}", f"{pages}/ws/", *arguments)
    assert report["ok"], [step["error"] for step in report["steps"]]
    assert [step["delivered"] for step in report["steps"]] == [0, CLIENTS, 40]
    closed = [*arguments, "--body", '{"publish":"other","data":"{payload}"}']
    report = bench(program.wait_url + "/sub/{ch}", f"{pages}/ws/", *closed, patience="0.5")
    assert report["steps"][1]["published"]["refused"] == CLIENTS and '"status":403' in report["steps"][1]["error"]
    status, _, told = run("batch=9/3", "--publish", f"{pages}/ws/")
    assert status == 2 and "a WebSocket has none of" in told


def test_batches_reach_their_channels(program):
    item = '{"channel":"{ch}","data":"{payload}"}\n'
    arguments = ["--channels", "10", "--body", item, "--type", "application/x-ndjson"]
    report = of_program(program, *arguments, "join=20", "batch=1000/100", at="/pub")
    assert report["ok"], report
    assert report["steps"][1]["delivered"] == 2000


FAULTS = {
    # What the server does with every tenth message, and what must be told of 3 clients and 50 messages.
    "drop": {"lost": 15},
    "double": {"doubled": 15},
    # The last of them comes at once.
    "swap": {"disordered": 12},
    "stray": {"astray": 10},
    "hang up": {"closed": 3},
    "refuse": {"failed": 3},
    "split": {},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_faulty_server_does_is_told(fault):
    with faulty_server(fault) as address:
        url = f"http://127.0.0.1:{address}"
        channels = "3" if fault == "stray" else "1"
        arguments = ["--channels", channels, "join=3", "send=50"]
        report = bench(f"{url}/sub/{{ch}}", f"{url}/pub/{{ch}}", *arguments, patience="1")
    told = {what: total(report, what) for what in ("lost", "doubled", "disordered", "astray", "closed", "failed")}
    expected = dict.fromkeys(told, 0) | FAULTS[fault]
    if fault == "hang up":
        # Those who were hung up on miss what came after that.
        told["lost"] = 0
    assert told == expected, report
    assert report["ok"] == (fault == "split")


# A scenario, a transport, and of 200 clients how many messages come in all.
SCENARIOS = [
    ("idle", "ws", 0),
    ("fanout", "sse", 60 * 200),
    ("unicast", "stream", 21_500),
    ("churn", "poll", 30 * 200),
    ("reload", "ws", 0),
    ("storm", "sse", 21 * 200),
    ("storm", "poll", 21 * 200),
    ("slow", "ws", 60 * 200),
]


@pytest.mark.parametrize(("scenario", "transport", "delivered"), SCENARIOS)
def test_a_scenario_runs_against_a_server_of_its_own(scenario, transport, delivered):
    status, report, told = run(scenario, "--self", "--clients", "200", "--transport", transport, "--json")
    assert (status, report["scenario"], report["ok"]) == (0, scenario, True), (report, told)
    if scenario == "churn":
        # Who polls has a cursor when it was answered once, and misses nothing from then on.
        assert report["total"]["delivered"] >= delivered * 0.8
    else:
        assert report["total"]["delivered"] == delivered
    assert report["total"]["connected"] == 200
    assert report["timeline"][-1]["memory"] > 0
    assert report["timeline"][-1]["delivered"] == report["total"]["delivered"]
    nobody_listens_at(report["url"])


@pytest.mark.parametrize("transport", ["sse", "ws", "stream", "poll"])
def test_compressed_messages_are_understood(transport):
    words = ["join=50", "send=10", "leave=50", "send=5", "back", "--self", "--transport", transport, "--json"]
    words += ["--body", json.dumps({"mark": "{payload}", "words": "again and " * 40}), "--type", "application/json"]
    costs = []
    for how in ([], ["--compressed"]):
        status, report, told = run(*words, *how)
        assert (status, report["total"]["delivered"]) == (0, 15 * 50), (report, told)
        costs.append(report["steps"][1]["bytes_per_delivery"])
    assert costs[1] < costs[0] / 2


def test_the_table_says_what_was_lost():
    with faulty_server("drop") as port:
        url = f"http://127.0.0.1:{port}"
        steps = ["join=3", "send=50", "--patience", "1", "--url", f"{url}/sub/{{ch}}", "--publish", f"{url}/pub/{{ch}}"]
        done = subprocess.run([binary(), "bench", *steps], capture_output=True, timeout=60, text=True)
    assert done.returncode == 1
    assert "Not all is well: 15 lost." in done.stdout
    assert "send=50" in done.stderr, "who waits is told of each step"


def test_a_server_that_does_not_answer_is_told():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        report = bench(f"{url}/sub/{{ch}}", f"{url}/pub/{{ch}}", "join=5", patience="0.5")
    assert (report["ok"], report["steps"][0]["unanswered"]) == (False, 5)


def test_a_server_that_is_not_there_is_told():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        status, _, told = run("join=5", "--url", f"{url}/sub/{{ch}}")
    assert status == 2
    assert f"nobody answers at {url}" in told and "Connection refused" in told


REFUSED = {
    "jump=3": 'step "jump=3" is not understood; see multiplexor bench --help',
    "storms": 'there is no scenario "storms"; there are idle, fanout, unicast, churn, reload, storm, slow',
    "join=1 idle": "idle is a scenario, which comes first",
    "join=1 --clients 3": "join=N",
    "idle --clients 0": "--clients",
    "idle --self --url http://127.0.0.1": "cannot be used with",
    "idle --transport carrier": "there are sse, ws, stream and poll",
    "idle --self=--shards=none": "the server of --self does not start",
    "idle --self --html /no/such/folder/page.html": "--html",
    "idle --self --header x": "NAME: VALUE",
    "idle --self --patience=-1": "not negative",
    "idle --self --clients 9000000": "multiplexor doctor",
    "idle --pid 4194305": "no such process",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_run_is_refused_with_advice(program, words):
    there = [] if "--self" in words else ["--url", program.wait_url, "--publish", program.in_url]
    status, _, told = run(*words.split(), *there)
    assert status == 2
    assert REFUSED[words] in told


def test_few_open_files_only_take_more_processes():
    few = ["prlimit", "--nofile=300:300"]
    status, report, told = run("join=500", "send=3", "--self", "--json", before=few)
    assert (status, report["workers"], report["total"]["delivered"]) == (0, 3, 1500), told
    status, _, told = run("fanout", "--self", "--clients", "500000", before=few)
    assert status == 2
    assert "each may open only 300 files; multiplexor doctor" in told


def test_its_server_ends_with_it_however_that_is():
    # The crowd waits for a line that never comes.
    command = [binary(), "bench", "--self", "join=10", "enter"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as bench:
        lines = iter(bench.stderr.readline, b"")
        assert any(b"waiting for a line" in line for line in lines)
        children = pathlib.Path(f"/proc/{bench.pid}/task/{bench.pid}/children").read_text().split()
        assert len(children) == 2, "a server, and a process full of clients"
        bench.kill()
    until(lambda: not any(runs(child) for child in children), "all have ended")


def runs(pid):
    """Whether a process does; one that has ended and was not waited for yet has no command line."""
    try:
        return bool(pathlib.Path(f"/proc/{pid}/cmdline").read_bytes())
    except OSError:
        return False


def test_headers_reach_the_server():
    made = json.loads(subprocess.run([binary(), "key", "make", "--json"], capture_output=True, check=True).stdout)
    program = Program(env={"MULTIPLEXOR_KEY": made["hash"]})
    try:
        where = ["--url", program.wait_url + "/sub/{ch}", "--publish", program.in_url + "/pub/{ch}", "--json"]
        status, report, _ = run("join=2", "send=2", *where, "--patience", "0.5")
        assert (status, report["steps"][1]["published"]["refused"]) == (1, 2)
        status, report, _ = run("join=2", "send=2", *where, "--publish-header", f"Authorization: Bearer {made['key']}")
        assert (status, report["total"]["delivered"]) == (0, 4)
    finally:
        program.stop()


def test_a_terminal_shows_a_bar():
    mine, theirs = pty.openpty()
    command = [binary(), "bench", "--self", "join=50", "idle=0.5", "--settle", "0"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=theirs) as bench:
        os.close(theirs)
        seen = b""
        with contextlib.suppress(OSError):
            while data := os.read(mine, 65536):
                seen += data
    os.close(mine)
    assert bench.returncode == 0
    assert "━".encode() in seen and b"idle=0.5" in seen


def test_the_page_needs_nothing_else(tmp_path):
    page = tmp_path / "page.html"
    status, _, told = run("join=50", "send=20@50", "send=5", "--self", "--html", str(page))
    assert status == 0, told
    text = page.read_text()
    assert "Nothing is missing" in text and text.count("<svg ") == 5
    found = Found()
    found.feed(text)
    assert found.open == [] and found.asked == []


class Found(html.parser.HTMLParser):
    """What a page asks for, and which of its elements are not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.asked = [], []

    def handle_starttag(self, tag, attributes):
        self.asked += [value for name, value in attributes if name in ("src", "href", "srcset", "action")]
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            assert "url(" not in data and "@import" not in data


def run(*words, before=()):
    """The exit status of the crowd, its JSON if it prints some, and what it says on standard error."""
    done = subprocess.run([*before, binary(), "bench", *words, "--settle", "0.2"], capture_output=True, timeout=120)
    report = json.loads(done.stdout) if done.stdout.startswith(b"{") else None
    return done.returncode, report, done.stderr.decode()


def nobody_listens_at(url):
    host, port = url.split("/")[2].split(":")
    with socket.socket() as one:
        assert one.connect_ex((host, int(port))) != 0, "its server has ended"


@contextlib.contextmanager
def faulty_server(fault):
    """Serves everybody in threads, and does `fault` with every tenth message. Yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = Faulty(fault)
    taking = threading.Thread(target=server.take, args=[listener])
    taking.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        taking.join()
        listener.close()
        for one in server.everybody:
            one.close()


class Faulty:
    def __init__(self, fault):
        self.fault, self.waiting, self.everybody, self.held, self.count = fault, [], [], None, 0

    def take(self, listener):
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            self.everybody.append(one)
            threading.Thread(target=self.serve, args=[one], daemon=True).start()

    def serve(self, one):
        with contextlib.suppress(OSError):
            bytes_ = b""
            while data := one.recv(65536):
                bytes_ += data
                while request := self.whole(bytes_):
                    bytes_ = bytes_[len(request) :]
                    self.answer(one, request)

    def whole(self, bytes_):
        """The first request, if all of it is there."""
        head, end, _ = bytes_.partition(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        total_len = len(head) + 4 + int(length[1] if length else 0)
        return bytes_[:total_len] if end and len(bytes_) >= total_len else b""

    def answer(self, one, request):
        name = request.split()[1].rpartition(b"/")[2]
        if request.startswith(b"POST"):
            self.count += 1
            self.publish(name, request.partition(b"\r\n\r\n")[2], self.count % 10 == 0)
            one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        elif self.fault == "refuse":
            one.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")
        else:
            self.waiting.append((name, one))
            one.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")

    def publish(self, channel, message, is_tenth):
        frame = b"data: " + message + b"\n\n"
        if self.fault == "swap" and (is_tenth or self.held):
            # Each tenth comes after the one that follows it; the last one comes at once.
            frame, self.held = (b"", frame) if is_tenth and self.count < 50 else (frame + (self.held or b""), None)
        if is_tenth and self.fault in ("drop", "double"):
            frame = frame * 2 if self.fault == "double" else b""
        for name, one in self.waiting:
            if name != channel and not (is_tenth and self.fault == "stray"):
                continue
            with contextlib.suppress(OSError):
                if is_tenth and self.fault == "hang up":
                    one.shutdown(socket.SHUT_RDWR)
                elif self.fault == "split":
                    for at in range(0, len(frame), 7):
                        one.sendall(frame[at : at + 7])
                else:
                    one.sendall(frame)
