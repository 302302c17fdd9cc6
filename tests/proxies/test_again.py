"""The lines of docs/proxies.md that keep a bare EventSource: while nobody is behind the proxy, it says "come again"."""

import http.client
import socket
import subprocess

import fleet
import pytest
from harness.pages import blocks
from harness.program import fresh_name, until
from listeners import KINDS, Listener

# By proxy: what stands in its block, and the line of its file behind which that belongs.
LINES = {
    fleet.Nginx: ("= @again", "        listen 80;\n"),
    fleet.HAProxy: ("txn.accept", "\nbackend push\n"),
    fleet.Caddy: ("handle_errors", "push.example {\n"),
    fleet.Envoy: ("local_reply_config", "                use_remote_address: true\n"),
    fleet.Apache: ("SetHandler send-as-is", "<VirtualHost *:80>\n"),
    fleet.Varnish: ("sub vcl_synth", "    .first_byte_timeout = 75s;\n}\n"),
    fleet.Lighttpd: ("server.error-handler", '"port" => "8088" ) ) )\n'),
    fleet.Squid: ("http_reply_access", "never_direct allow all\n"),
    fleet.H2o: ("mruby.handler", "      /:\n"),
}
# What the page says to type, and where that goes by it.
FILES = {
    fleet.Apache: ("> /etc/apache2/again.asis", "/etc/apache2"),
    fleet.Lighttpd: ("> /var/www/html/again.events", "/var/www/html"),
}
# What `a2enmod` does.
MODULES = {fleet.Apache: ["alias", "asis"]}


def block_with(mark):
    [block] = [block for block in blocks() if block.page == "proxies.md" and mark in block.text]
    return block.text


@pytest.fixture(params=LINES, ids=lambda kind: kind.__name__)
def kind(request):
    if not request.param.there():
        pytest.skip(f"{request.param.program} is not here; tests/install.sh proxies installs it")
    return request.param


@pytest.fixture
def with_lines(kind, fronts):
    """Starts the proxy with its lines."""
    mark, line = LINES[kind]

    def change(text):
        assert text.count(line) == 1
        load = [f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in MODULES.get(kind, [])]
        return "".join(load) + text.replace(line, line + block_with(mark))

    def start(upstream):
        proxy = fronts(kind, upstream, change=change)
        if kind in FILES:
            mark, folder = FILES[kind]
            subprocess.run(block_with(mark).replace(folder, proxy.folder.name), shell=True, check=True)
        return proxy

    return start


def ask(proxy, accept):
    connection = http.client.HTTPConnection(*proxy.address, timeout=fleet.PATIENCE_S)
    connection.request("GET", "/sub/news?since=0", headers={"Accept": accept})
    return connection.getresponse()


def is_served(proxy):
    answer = ask(proxy, "text/event-stream")
    # For as long as a proxy holds the server for lost, it says what it said before.
    assert answer.status == 200
    return b"event: cursor" in answer.read1()


def test_who_asks_for_events_is_told_to_come_again(with_lines, serve):
    # A port that is taken, and where nobody listens, is nobody else's meanwhile.
    place = socket.socket()
    place.bind(("127.0.0.1", 0))
    upstream = f"127.0.0.1:{place.getsockname()[1]}"
    proxy = with_lines(upstream)
    for accept, status in ("text/event-stream", {200}), ("*/*", {502, 503}):
        answer = ask(proxy, accept)
        body = answer.read().decode()
        assert answer.status in status, (accept, answer.status, body)
        if answer.status == 200:
            assert answer.getheader("Content-Type").startswith("text/event-stream")
            assert answer.getheader("Access-Control-Allow-Origin") == "*"
            # Fields that an event stream knows would be taken for what they say.
            fields = {line.partition(":")[0] for line in body.splitlines()} - {""}
            assert not fields & {"data", "event", "id"}, body
    place.close()
    serve("--wait", upstream, "--in", "127.0.0.1:0", ports=False)
    until(lambda: is_served(proxy), "who comes again is served")


def test_where_the_program_is_there_the_lines_change_nothing(with_lines, program):
    proxy = with_lines(program.waits[0])
    waiting = [Listener(proxy, fresh_name(f"{how}//%2F/../"), how, cursor="0") for how in KINDS]
    for listener in waiting:
        program.publish(listener.channel, "hello")
        until(lambda: listener.heard, f"{listener.kind} hears: {listener.statuses}")
        assert listener.heard == ["hello"]
        listener.stop()
