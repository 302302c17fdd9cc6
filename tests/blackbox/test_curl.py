"""curl, as it is pasted from the README: publish, listen over each HTTP transport, ask, be refused."""

import json
import re
import shlex
import subprocess
import threading

import pytest
from harness.program import fresh_name, until


def curl(*arguments, patience_s=60):
    """Runs curl to its end and returns what it printed."""
    done = subprocess.run(["curl", "-sS", *arguments], capture_output=True, timeout=patience_s)
    assert done.returncode == 0, (arguments, done.returncode, done.stderr.decode())
    return done.stdout.decode()


class Curl:
    """A curl that listens until it is ended."""

    def __init__(self, *arguments, command=None):
        command = command or ["curl", "-sSN", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.heard = ""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while data := self.process.stdout.read1(65536):
            self.heard += data.decode()

    def until(self, text):
        until(lambda: text in self.heard, f"curl prints {text!r}, so far {self.heard!r}")

    def end(self):
        self.process.terminate()
        self.process.wait()
        self.reader.join()


@pytest.fixture
def listen():
    """Starts listening curls, ended after the test."""
    started = []

    def start(*arguments, **options):
        started.append(Curl(*arguments, **options))
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_a_publish_is_answered_with_its_cursor_and_who_waits(program, name):
    answer = json.loads(curl("-d", "hello", f"{program.in_url}/pub/{name}"))
    assert set(answer) == {"cursor", "channels"}
    assert answer["channels"] == {name: {"waiting": 0, "online": False}}
    assert re.fullmatch(r"a[0-9A-Za-z]{7,15}", answer["cursor"])


def test_an_event_stream_has_the_message_at_once(program, name, listen):
    heard = listen("-H", "Accept: text/event-stream", f"{program.wait_url}/sub/{name}")
    program.until_waiting(name)
    cursor = program.publish(name, "hello")
    heard.until(f"id: {cursor}\ndata: hello\n\n")


def test_a_stream_has_the_message_at_once(program, name, listen):
    heard = listen("-H", "Accept: application/x-ndjson", f"{program.wait_url}/sub/{name}")
    program.until_waiting(name)
    cursor = program.publish(name, "hello")
    heard.until(f'{{"cursor":"{cursor}","channel":"{name}","data":"hello","time":')


def test_a_long_poll_has_the_message_at_once_and_ends(program, name, listen):
    heard = listen(f"{program.wait_url}/sub/{name}")
    program.until_waiting(name)
    cursor = program.publish(name, "hello")
    assert heard.process.wait(60) == 0
    heard.reader.join()
    document = json.loads(heard.heard)
    assert document["cursor"] == cursor
    assert [message["data"] for message in document["messages"]] == ["hello"]


def test_the_printed_lines_work_when_pasted(serve, listen):
    program = serve()
    pasted = [re.search(r"curl .*", line) for line in program.stdout().splitlines() if "curl " in line]
    pasted = [found.group().strip() for found in pasted]
    publishes = [line for line in pasted if "/pub/" in line]
    listens = [line for line in pasted if "/sub/" in line]
    assert publishes and listens, program.stdout()
    channel = re.search(r"/sub/([^'\"?\s]+)", listens[0]).group(1)
    heard = listen(command=["bash", "-c", "exec " + listens[0]])
    program.until_waiting(channel)
    subprocess.run(["bash", "-c", publishes[0]], check=True, capture_output=True, timeout=60)
    said = shlex.split(publishes[0])
    data = said[said.index("-d") + 1] if "-d" in said else said[said.index("--data") + 1]
    heard.until(data)


def test_since_zero_is_all_history(program, name):
    for data in ["one", "two", "three"]:
        program.publish(name, data)
    document = json.loads(curl(f"{program.wait_url}/sub/{name}?since=0"))
    assert [message["data"] for message in document["messages"]] == ["one", "two", "three"]
    assert "gap" not in document


def test_tail_is_the_last_of_each_channel(program, name):
    other = fresh_name()
    for data in ["1", "2", "3"]:
        program.publish(name, "a" + data)
        program.publish(other, "b" + data)
    document = json.loads(curl(f"{program.wait_url}/sub/{name},{other}?tail=2"))
    assert [message["data"] for message in document["messages"]] == ["a2", "b2", "a3", "b3"]


def test_an_age_reaches_back_that_far(program, name):
    program.publish(name, "recent")
    document = json.loads(curl(f"{program.wait_url}/sub/{name}?since=10m"))
    assert [message["data"] for message in document["messages"]] == ["recent"]


def test_a_cursor_gives_what_followed_it(program, name):
    first = program.publish(name, "one")
    program.publish(name, "two")
    document = json.loads(curl(f"{program.wait_url}/sub/{name}?since={first}"))
    assert [message["data"] for message in document["messages"]] == ["two"]


def test_a_message_to_two_channels_comes_once_with_both_names(program, name):
    other, third = fresh_name(), fresh_name()
    program.publish(f"{name},{other},{third}", "both")
    document = json.loads(curl(f"{program.wait_url}/sub/{name},{other}?since=0"))
    (message,) = document["messages"]
    assert message["channels"] == [name, other]
    assert "channel" not in message
    assert message["data"] == "both"


def test_json_data_is_embedded(program, name):
    program.publish(name, '{"a": [1, 2.5, null]}')
    document = json.loads(curl(f"{program.wait_url}/sub/{name}?since=0"))
    assert document["messages"][0]["data"] == {"a": [1, 2.5, None]}


def test_names_may_be_any_text(program):
    for channel in ["чат", "a b", "user.42", "a/b", "50%", "émigré?#"]:
        program.publish(channel, "to " + channel)
        quoted = subprocess.list2cmdline([]) + "".join(f"%{byte:02X}" for byte in channel.encode())
        document = json.loads(curl(f"{program.wait_url}/sub/{quoted}?since=0"))
        assert document["messages"][0]["channel"] == channel
        assert document["messages"][0]["data"] == "to " + channel


def test_post_sub_takes_the_list_as_text(program, name):
    other = fresh_name()
    program.publish(name, "one")
    program.publish(other, "two")
    url = f"{program.wait_url}/sub/?since=0"
    for body in [f"{name},{other}", f"{name}\n{other}\n", f"{name}\r\n{other}"]:
        document = json.loads(curl("--data-binary", body, "-H", "Content-Type: text/plain", url))
        assert [message["data"] for message in document["messages"]] == ["one", "two"]


def test_post_sub_takes_the_list_as_json(program, name):
    other = fresh_name()
    program.publish(name, "one")
    program.publish(other, "two")
    body = json.dumps([name, other])
    document = json.loads(
        curl("-d", body, "-H", "Content-Type: application/json", f"{program.wait_url}/sub/?since=0")
    )
    assert [message["data"] for message in document["messages"]] == ["one", "two"]


def test_post_sub_takes_a_thousand_channels(program, name):
    names = [f"{name}.{n}" for n in range(1000)]
    program.publish(names[999], "last")
    body = json.dumps(names)
    document = json.loads(
        curl("-d", body, "-H", "Content-Type: application/json", f"{program.wait_url}/sub/?since=0")
    )
    assert [message["channel"] for message in document["messages"]] == [names[999]]


def test_an_event_stream_by_post(program, name, listen):
    heard = listen("-d", name, "-H", "Accept: text/event-stream", f"{program.wait_url}/sub/")
    program.until_waiting(name)
    program.publish(name, "posted for")
    heard.until("data: posted for\n\n")


def test_head_gives_the_head_alone(program, name):
    for accept, kind in [
        ("text/event-stream", "text/event-stream"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("*/*", "application/json"),
    ]:
        head = curl("-I", "-H", f"Accept: {accept}", f"{program.wait_url}/sub/{name}")
        assert head.startswith("HTTP/1.1 200 "), head
        assert f"content-type: {kind}" in head.lower()
    assert program.waiting(name) == 0
    assert "200" in curl("-I", f"{program.wait_url}/healthz").splitlines()[0]


def test_any_page_may_read_without_credentials(program, name):
    head = curl("-I", "-H", "Origin: https://page.example", f"{program.wait_url}/sub/{name}").lower()
    assert "access-control-allow-origin: *" in head
    assert "access-control-allow-credentials" not in head


def test_a_preflight_is_answered(program, name):
    head = curl(
        "-i", "-X", "OPTIONS", f"{program.wait_url}/sub/{name}",
        "-H", "Origin: https://page.example",
        "-H", "Access-Control-Request-Method: GET",
        "-H", "Access-Control-Request-Headers: last-event-id, x-other",
    ).lower()  # fmt: skip
    assert head.startswith("http/1.1 204 ")
    assert "access-control-allow-origin: *" in head
    assert "last-event-id, x-other" in head
    assert "get" in re.search(r"access-control-allow-methods: (.*)", head).group(1)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/sub/a?since=nonsense", 400, "since"),
        ("/sub/a?tail=x", 400, "number"),
        ("/sub/a?transport=pigeon", 400, "transport"),
        ("/sub/a?transport=ws", 426, "upgrade"),
        ("/sub/a?raw=maybe", 400, "flag"),
        ("/sub/a,,b", 400, "channel-name"),
        ("/sub/$a", 400, "channel-name"),
        ("/sub/" + "x" * 256, 400, "channel-name"),
        ("/sub/%0a", 400, "channel-name"),
        ("/sub/%ff", 400, "channel-name"),
        ("/sub/", 400, "channel-list"),
        ("/pub/a", 404, "not-found"),
        ("/nothing", 404, "not-found"),
    ],
)
def test_an_error_of_the_wait_line_is_a_problem_document(program, path, status, code):
    _problem(curl("-i", "-g", f"{program.wait_url}{path}"), status, code)


@pytest.mark.parametrize(
    ("arguments", "path", "status", "code"),
    [
        (["-d", "x"], "/pub/", 400, "channel-list"),
        (["-d", "x"], "/pub/a,,b", 400, "channel-name"),
        (["-d", "x"], "/pub/$a", 400, "channel-name"),
        (["-d", "x"], "/pub/a?ttl=soon", 400, "ttl"),
        (["-d", "x", "-H", "Content-Encoding: gzip"], "/pub/a", 415, "content-encoding"),
        ([], "/pub/a", 405, "method"),
        (["-X", "DELETE"], "/stats", 405, "method"),
        ([], "/sub/a", 404, "not-found"),
        (["-H", "Host: evil.example"], "/stats", 403, "host"),
        (["-H", "Origin: https://evil.example", "-d", "x"], "/pub/a", 403, "origin"),
    ],
)
def test_an_error_of_the_in_line_is_a_problem_document(program, arguments, path, status, code):
    _problem(curl("-i", *arguments, f"{program.in_url}{path}"), status, code)


def _problem(answer, status, code):
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} "), head
    assert "content-type: application/problem+json" in head.lower()
    problem = json.loads(body)
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert len(problem["detail"]) > 20, "says what was wrong and what would be right"


def test_the_front_pages_say_what_this_is(program):
    for url in [program.wait_url, program.in_url]:
        assert "Multiplexor" in curl(url)
        assert curl(f"{url}/healthz").strip() == "ok"
