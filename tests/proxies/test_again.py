"""The lines of docs/proxies.md that keep a bare EventSource: while nobody is behind the proxy, it says "come again"."""

import http.client

import fleet
import pytest
from harness.pages import blocks

# By proxy: what stands in its block, and the line of its file behind which that belongs.
LINES = {
    fleet.Nginx: ("= @again", "        listen 80;\n"),
    fleet.HAProxy: ("txn.accept", "\nbackend push\n"),
    fleet.Caddy: ("handle_errors", "push.example {\n"),
    fleet.Envoy: ("local_reply_config", "                use_remote_address: true\n"),
}


def with_lines(kind):
    mark, line = LINES[kind]
    [block] = [block for block in blocks() if block.page == "proxies.md" and mark in block.text]

    def change(text):
        assert text.count(line) == 1
        return text.replace(line, line + block.text)

    return change


@pytest.mark.parametrize("kind", LINES, ids=lambda kind: kind.__name__)
def test_who_asks_for_events_is_told_to_come_again(kind, fronts):
    if not kind.there():
        pytest.skip(f"{kind.program} is not here; tests/install.sh proxies installs it")
    proxy = fronts(kind, f"127.0.0.1:{fleet.free_port()}", change=with_lines(kind))
    for accept, status in ("text/event-stream", {200}), ("*/*", {502, 503}):
        connection = http.client.HTTPConnection(*proxy.address, timeout=fleet.PATIENCE_S)
        connection.request("GET", "/sub/news", headers={"Accept": accept})
        answer = connection.getresponse()
        body = answer.read().decode()
        assert answer.status in status, (accept, body)
        if answer.status == 200:
            assert answer.getheader("Content-Type").startswith("text/event-stream")
            assert answer.getheader("Access-Control-Allow-Origin") == "*"
            # Fields that an event stream knows would be taken for what they say.
            fields = {line.partition(":")[0] for line in body.splitlines()} - {""}
            assert not fields & {"data", "event", "id"}, body


@pytest.mark.parametrize("kind", LINES, ids=lambda kind: kind.__name__)
def test_where_the_program_is_there_the_lines_change_nothing(kind, program, fronts):
    if not kind.there():
        pytest.skip(f"{kind.program} is not here; tests/install.sh proxies installs it")
    proxy = fronts(kind, program.waits[0], change=with_lines(kind))
    connection = http.client.HTTPConnection(*proxy.address, timeout=fleet.PATIENCE_S)
    connection.request("GET", "/sub/news?since=0", headers={"Accept": "text/event-stream"})
    answer = connection.getresponse()
    assert (answer.status, b"event: cursor" in answer.read1()) == (200, True)
