"""What was said before, page by page backwards: GET /history/NAME of the WAIT line, `before` of the IN line's history,
and who may read it."""

import gzip
import http.client
import json
import subprocess
import time
import urllib.parse

import pytest
from harness.frames import TEXT, Frames
from harness.program import Program, binary, request, until
from harness.tokens import SECRET, make_token, signed_url
from harness.upstream import Application
from harness.wire import Sse, Wire, datas, poll

SETTINGS = f"""
token_secret = "{SECRET}"
[[channel]]
match = "shut.*"
history = "off"
[[channel]]
match = "half.*"
history = "token"
[[channel]]
match = "closed.*"
listen = "token"
"""


@pytest.fixture(scope="module")
def ruled(tmp_path_factory):
    settings = tmp_path_factory.mktemp("older") / "multiplexor.toml"
    settings.write_text(SETTINGS)
    running = Program("--config", str(settings), "--origins", "https://site.example")
    yield running
    running.stop()


def quoted(name):
    return urllib.parse.quote(name, safe="")


def page(program, name, query="", **headers):
    """Status and document of a page, by the WAIT line."""
    headers = {key.replace("_", "-"): value for key, value in headers.items()}
    status, _, body = request(program.wait_address, "GET", f"/history/{quoted(name)}?{query}", headers=headers)
    return status, json.loads(body)


def by_wait(program, name, query):
    status, document = page(program, name, query)
    assert status == 200, document
    return document


def by_in(program, name, query):
    query = query if "before=" in query else f"before=&{query}"
    return program.ask(f"/channels/{quoted(name)}/history?{query}")


def refused(program, name, query="", **headers):
    status, problem = page(program, name, query, **headers)
    return status, problem.get("code")


@pytest.mark.parametrize("read", [by_wait, by_in])
def test_one_goes_back_page_by_page_and_gets_each_message_once(program, name, read):
    cursors = [program.publish(name, f"m{n}") for n in range(25)]
    program.publish(f"{name}.other", "x")
    pages, before = [], ""
    while True:
        document = read(program, name, f"limit=10{before}")
        pages.append(datas(document["messages"]))
        assert document["cursor"] == document["messages"][0]["cursor"]
        assert "gap" not in document
        if "more" not in document:
            break
        before = f"&before={document['cursor']}"
    assert pages == [[f"m{n}" for n in range(*span)] for span in [(15, 25), (5, 15), (0, 5)]]
    nothing = read(program, name, f"before={cursors[0]}")
    assert nothing == {"cursor": cursors[0], "messages": []}


def test_the_objects_are_those_that_clients_get(program, name):
    program.publish(f"{name},{name}.2", b"\xff", "?event=e")
    assert by_wait(program, name, "")["messages"] == poll(program, f"/sub/{name}?since=0")["messages"]


@pytest.mark.parametrize("read", [by_wait, by_in])
def test_history_that_reaches_no_further_is_a_gap_on_the_oldest_page(serve, name, read):
    small = serve("--history-messages", "30")
    for n in range(40):
        small.publish(name, str(n))
    newest = read(small, name, "limit=20")
    assert (newest.get("more"), newest.get("gap")) == (True, None)
    oldest = read(small, name, f"limit=20&before={newest['cursor']}")
    assert (datas(oldest["messages"]), oldest.get("more"), oldest.get("gap")) == (list(range(10, 20)), None, True)


@pytest.mark.parametrize("read", [by_wait, by_in])
def test_a_cursor_of_a_lost_order_has_nothing_before_it(program, name, read):
    program.publish(name, "x")
    document = read(program, name, "before=aXXXXXX1")
    assert (document["messages"], document["gap"], "more" in document) == ([], True, False)


@pytest.mark.parametrize("read", [by_wait, by_in])
def test_a_page_has_a_hundred_messages_and_a_quarter_of_a_mebibyte_at_most(serve, name, read):
    large = serve("--history-messages", "500", "--history-bytes", "2MiB")
    for n in range(120):
        large.publish(name, str(n))
    assert datas(read(large, name, "")["messages"]) == list(range(20, 120))
    for _ in range(4):
        large.publish(name, "x" * 100_000)
    document = read(large, name, "")
    assert [len(data) for data in datas(document["messages"])] == [100_000] * 2 and document["more"]


@pytest.mark.parametrize("query, code", [("limit=0", "number"), ("limit=101", "number"), ("limit=x", "number"), ("before=yesterday", "before")])
def test_what_cannot_be_read_is_refused_alike_on_both_lines(program, name, query, code):
    assert refused(program, name, query) == (400, code)
    query = query if "before" in query else f"before=&{query}"
    status, _, body = request(program.in_address, "GET", f"/channels/{name}/history?{query}")
    assert (status, json.loads(body)["code"]) == (400, code)


def test_one_channel_is_read_at_a_time_and_only_read(program, name):
    status, _, body = request(program.wait_address, "GET", f"/history/{name},b")
    assert (status, json.loads(body)["code"]) == (400, "channel-list")
    assert request(program.wait_address, "GET", "/history/")[0] == 400
    status, headers, _ = request(program.wait_address, "POST", f"/history/{name}", b"x")
    assert (status, headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    status, _, body = request(program.in_address, "GET", f"/channels/{name}/history?before=&since=0")
    assert (status, json.loads(body)["code"]) == (400, "before")


def test_the_head_alone_and_what_browsers_ask_before(ruled, name):
    status, headers, body = request(ruled.wait_address, "HEAD", f"/history/{name}")
    assert (status, headers["content-type"], body) == (200, "application/json", b"")
    asks = {"Origin": "https://site.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    status, headers, _ = request(ruled.wait_address, "OPTIONS", f"/history/{name}", headers=asks)
    assert (status, headers["access-control-allow-origin"]) == (204, "https://site.example")
    status, headers, _ = request(ruled.wait_address, "GET", f"/history/{name}", headers={"Origin": "https://site.example"})
    assert (headers["access-control-allow-origin"], headers["access-control-allow-credentials"]) == ("https://site.example", "true")
    status, headers, _ = request(ruled.wait_address, "GET", f"/history/{name}", headers={"Origin": "https://other.example"})
    assert (status, headers["access-control-allow-origin"]) == (200, "*")


def test_a_connection_asks_again_and_again_and_is_compressed(program, name):
    for n in range(50):
        program.publish(name, f"some text that is much like the one before it, number {n}")
    connection = http.client.HTTPConnection(*program.wait_address, timeout=60)
    pages = program.metric("multiplexor_wait_history_pages_total")
    for _ in range(3):
        connection.request("GET", f"/history/{name}", headers={"Accept-Encoding": "gzip"})
        answer = connection.getresponse()
        assert answer.headers["Content-Encoding"] == "gzip"
        assert len(json.loads(gzip.decompress(answer.read()))["messages"]) == 50
    connection.request("GET", f"/sub/{name}?wait=0&tail=1")
    assert len(json.loads(connection.getresponse().read())["messages"]) == 1
    connection.close()
    until(lambda: program.metric("multiplexor_wait_history_pages_total") == pages + 3, "pages are counted")
    assert program.waiting(name) == 0


def test_a_parameter_of_another_address_is_warned_of(program, name):
    for query in ("since=10m", "befor=x"):
        _, headers, _ = request(program.wait_address, "GET", f"/history/{name}?{query}")
        assert "multiplexor-warning" in headers, query
    assert "multiplexor-warning" not in request(program.wait_address, "GET", f"/history/{name}?limit=3&before=")[1]


def test_what_was_taken_back_is_not_read(program, name):
    cursors = [program.publish(name, f"m{n}") for n in range(3)]
    assert request(program.in_address, "DELETE", f"/channels/{name}/history/{cursors[1]}")[0] == 200
    for read in (by_wait, by_in):
        assert datas(read(program, name, "limit=2")["messages"]) == ["m0", "m2"]


def test_who_may_listen_may_read_and_nobody_else(ruled):
    cursor = ruled.publish("closed.a", "hello")
    assert refused(ruled, "closed.a") == (401, "credentials")
    for claims, expected in [
        ({"listen": ["closed.*"]}, (200, None)),
        ({"history": ["closed.*"]}, (403, "grant")),
        ({"listen": ["closed.b"]}, (403, "grant")),
    ]:
        token = make_token(**claims)
        for query, headers in [(f"token={token}", {}), ("", {"Authorization": f"Bearer {token}"}), ("", {"Cookie": f"multiplexor_token={token}"})]:
            assert refused(ruled, "closed.a", query, **headers) == expected, claims
    url = signed_url("closed.a", int(time.time()) + 60).replace("/sub/", "/history/")
    status, _, body = request(ruled.wait_address, "GET", url)
    assert (status, json.loads(body)["cursor"]) == (200, cursor)
    assert request(ruled.wait_address, "GET", url.replace("closed.a", "closed.b"))[0] == 401
    until(lambda: any(entry["what"] == "closed.a" for entry in ruled.ask("/refused")["refused"]), "it is listed")


def test_a_rule_says_who_may_read(ruled):
    ruled.publish("shut.a", "hello")
    ruled.publish("half.a", "hello")
    token = make_token(history=["half.a", "shut.a"])
    other = make_token(listen=["*"])
    assert refused(ruled, "shut.a") == (403, "history")
    assert refused(ruled, "shut.a", f"token={token}") == (403, "history")
    assert refused(ruled, "half.a") == (401, "credentials")
    assert refused(ruled, "half.a", f"token={other}") == (403, "grant")
    assert refused(ruled, "half.a", f"token={token}") == (200, None)
    for name in ("shut.a", "half.a"):
        assert len(ruled.ask(f"/channels/{name}/history")["messages"]) == 1, "keys of the IN line have rights of their own"


def statuses(program, name, query):
    found = {}
    for transport in ("poll", "sse", "stream"):
        with Wire(program.wait_address) as wire:
            wire.get(f"/sub/{name}?transport={transport}&wait=0&{query}")
            found[transport] = wire.head()[0]
    with Frames(program, f"/ws/{name}.live") as ws:
        ws.until(TEXT)
        start = dict([query.split("&")[0].split("=")])
        start = {key: int(value) if key == "tail" else value for key, value in start.items()}
        ws.send(TEXT, json.dumps({"subscribe": [name], **start}).encode())
        found["ws"] = json.loads(ws.until(TEXT)).get("error", {"status": 200})["status"]
    return found


@pytest.mark.parametrize("start", ["tail=3", "since=10m", "since=0"])
def test_the_rule_bounds_since_and_tail_by_all_transports(ruled, start):
    ruled.publish("shut.b", "hello")
    ruled.publish("half.b", "hello")
    assert set(statuses(ruled, "shut.b", start).values()) == {403}
    assert set(statuses(ruled, "half.b", start).values()) == {401}
    token = make_token(history=["half.b"])
    with Wire(ruled.wait_address) as wire:
        wire.get(f"/sub/half.b?wait=0&{start}&token={token}")
        assert wire.head()[0] == 200


def test_who_comes_back_is_let_in_and_told_of_a_gap_where_it_missed_something(ruled):
    since = ruled.publish("shut.c", "had it")
    document = poll(ruled, f"/sub/shut.c?wait=0&since={since}")
    assert (document["messages"], "gap" in document) == ([], False), "nothing was missed"
    ruled.publish("shut.c", "missed")
    ruled.publish("open.c", "told")
    document = poll(ruled, f"/sub/shut.c,open.c?since={since}")
    assert (datas(document["messages"]), document["gap"]) == (["told"], True)
    document = poll(ruled, f"/sub/shut.c?since={since}")
    assert (document["messages"], document["gap"]) == ([], True)
    assert "gap" not in poll(ruled, f"/sub/shut.c?wait=0&since={document['cursor']}")
    with Sse(ruled, f"/sub/shut.c,open.c?since={since}") as sse:
        assert sse.event() == ("gap", '{"channels":["shut.c"]}')
        assert json.loads(sse.event()[1])["data"] == "told"
        ruled.until_waiting("shut.c")
        ruled.publish("shut.c", "live")
        assert json.loads(sse.event()[1])["data"] == "live"
    with Frames(ruled, "/ws/open.c") as ws:
        ws.until(TEXT)
        ws.send(TEXT, json.dumps({"subscribe": ["shut.c"], "since": since}).encode())
        answer = json.loads(ws.until(TEXT))
        assert (answer["messages"], answer["gap"]) == ([], True)


def test_the_clients_of_old_have_no_way_to_a_closed_history(tmp_path):
    for dialect, line in [("dklab", "identifier={}\n"), ("realplexor", "identifier=0:{}\n")]:
        wait = f'wait = [{{ address = "127.0.0.1:0", dialect = "{dialect}" }}]\nin = "127.0.0.1:0"\n'
        (tmp_path / "multiplexor.toml").write_text(f'{wait}[[channel]]\nmatch = "shut_*"\nhistory = "off"\n')
        running = Program("--config", str(tmp_path / "multiplexor.toml"), ports=False)
        running.publish("shut_a", "said before")
        with Wire(running.wait_address) as wire:
            assert b"said before" not in wire.send(line.format("shut_a")).rest()
        running.stop()


def test_the_hook_is_asked_where_it_matters(tmp_path):
    answers = {"sid=yes": {"user": "ann", "history": "half.*"}, "sid=no": {"user": "bob"}}
    application = Application(lambda path, headers: (200, {}, json.dumps(answers[headers["Cookie"]]).encode()))
    (tmp_path / "multiplexor.toml").write_text(f'hook = "{application.url}"\n{SETTINGS}')
    running = Program("--config", str(tmp_path / "multiplexor.toml"))
    running.publish("half.a", "hello")
    assert refused(running, "half.a", Cookie="sid=yes") == (200, None)
    assert refused(running, "half.a", Cookie="sid=no") == (403, "grant")
    assert refused(running, "half.a") == (401, "credentials")
    assert datas(poll(running, "/sub/half.a?tail=1", Cookie="sid=yes")["messages"]) == ["hello"]
    with Wire(running.wait_address) as wire:
        wire.get("/sub/half.a?tail=1", Cookie="sid=no")
        assert wire.head()[0] == 403
    running.stop()
    application.stop()


def test_messages_for_some_only_stay_hidden(tmp_path):
    (tmp_path / "multiplexor.toml").write_text('wait = [{ address = "127.0.0.1:0", dialect = "realplexor" }]\nin = [{ address = "127.0.0.1:0", dialect = "realplexor" }]\n')
    running = Program("--config", str(tmp_path / "multiplexor.toml"), ports=False)
    said = [b"X-Realplexor: identifier=a,*friend\r\n\r\nfor friends", b"X-Realplexor: identifier=a,*a\r\n\r\nfor all of a"]
    for bytes_ in said:
        with Wire(running.in_address) as wire:
            wire.send(bytes_)
            wire.socket.shutdown(1)
            wire.rest()
    assert datas(by_wait(running, "a", "")["messages"]) == ["for all of a"]
    assert len(by_in(running, "a", "")["messages"]) == 2, "who publishes reads all of it"
    running.stop()


def test_the_address_is_the_applications_where_it_has_all_others():
    application = Application(lambda path, _: (200, {}, path.encode()))
    running = Program("--takeover", application.url)
    assert request(running.wait_address, "GET", "/history/a")[2] == b"/history/a"
    running.stop()
    running = Program("--takeover", application.url, "--takeover-prefix", "/app/")
    assert json.loads(request(running.wait_address, "GET", "/history/a")[2])["messages"] == []
    running.stop()
    running = Program("--takeover", application.url, "--wait-prefix", "/push")
    assert request(running.wait_address, "GET", "/history/a")[2] == b"/history/a"
    assert json.loads(request(running.wait_address, "GET", "/push/history/a")[2])["messages"] == []
    running.stop()
    application.stop()


def test_the_command_line_reads_backwards_and_prints_forwards(serve, name):
    many = serve("--history-messages", "1000")
    body = "\n".join(json.dumps({"channel": name, "data": f"m{n}"}) for n in range(250))
    answers = request(many.in_address, "POST", "/pub", body.encode())[2].decode().splitlines()
    before = json.loads(answers[240])["cursor"]

    def printed(*flags):
        command = [binary(), "history", name, "--server", many.in_url, "--json", *flags]
        lines = subprocess.run(command, capture_output=True, check=True).stdout.decode().splitlines()
        return datas(map(json.loads, lines))

    assert printed("--before", before) == [f"m{n}" for n in range(240)]
    assert printed("--before", before, "--tail", "130") == [f"m{n}" for n in range(110, 240)]
