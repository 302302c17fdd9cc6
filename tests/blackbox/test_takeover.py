"""Requests that are not ours go to the application, which answers them or lets us hold the client."""

import http.client
import json
import re
import socket
import threading

import pytest
import websockets.sync.client
from harness import front
from harness.program import ROOT, Program, free_port, request, until
from harness.upstream import Application, Php
from harness.wire import Wire

LOGIN = "<?php session_start(); $_SESSION['user'] = $_GET['user'];"
PAGE = """<?php
setcookie('a', '1'); setcookie('b', '2');
header('X-Method: ' . $_SERVER['REQUEST_METHOD']);
http_response_code(201);
echo json_encode(['post' => $_POST, 'get' => $_GET, 'host' => $_SERVER['HTTP_HOST'],
    'from' => $_SERVER['HTTP_X_FORWARDED_FOR'], 'cookie' => $_COOKIE]);
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("takeover")
    # The five lines are those of the documentation.
    text = (ROOT / "docs" / "access.md").read_text()
    feed = next(block for block in re.findall(r"```php\n(.*?)```", text, re.S) if "Multiplexor-Channels" in block)
    php = Php(folder, feed=feed, page=PAGE, login=LOGIN)
    program = Program("--takeover", php.url, "--listen", "token")
    yield program
    program.stop()
    php.stop()


def ask(program, path, method="GET", body=None, **headers):
    return request(program.wait_address, method, path, body, headers)


def sign_in(program, user):
    """The cookie of somebody signed in at the application, by way of us."""
    status, told, _ = ask(program, f"/login.php?user={user}")
    assert status == 200
    return told["set-cookie"].partition(";")[0]


def stream(program, cookie, accept):
    client = socket.create_connection(program.wait_address, timeout=60)
    client.sendall(
        f"GET /feed.php HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\nAccept: {accept}\r\n\r\n".encode()
    )
    return client


def test_five_lines_of_php_hold_a_client(site):
    with stream(site, sign_in(site, "ann"), "text/event-stream") as client:
        site.until_waiting("user.ann")
        assert site.waiting("news") == 1
        site.publish("user.ann", "hello")
        told = b""
        while b"hello" not in told:
            told += client.recv(65536)
    assert b"Content-Type: text/event-stream" in told and b"user.ann" in told, told
    assert b"multiplexor-channels" not in told.lower()


def test_a_client_is_held_in_the_transport_it_asks_for(site):
    cookie = sign_in(site, "eve")
    url = "ws://{}:{}/feed.php".format(*site.wait_address)
    with (
        websockets.sync.client.connect(url, additional_headers={"Cookie": cookie}) as socket_,
        stream(site, cookie, "application/x-ndjson") as lines,
    ):
        until(lambda: site.waiting("user.eve") == 2, "both are held")
        site.publish("user.eve", "hello")
        assert "cursor" in json.loads(socket_.recv(60))
        assert json.loads(socket_.recv(60))["data"] == "hello"
        # What the application did not name stays closed.
        socket_.send(json.dumps({"subscribe": ["user.ann"]}))
        assert json.loads(socket_.recv(60))["error"]["code"] in ("credentials", "grant")
        told = b""
        while b"hello" not in told:
            told += lines.recv(65536)
    assert b"application/x-ndjson" in told


def test_a_websocket_that_is_not_held_gets_the_answer_of_the_application(site):
    url = "ws://{}:{}/feed.php".format(*site.wait_address)
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        websockets.sync.client.connect(url)
    assert refused.value.response.status_code == 401


def test_a_foreign_page_opens_no_websocket_by_a_cookie(site):
    url = "ws://{}:{}/feed.php".format(*site.wait_address)
    shown = {"Cookie": sign_in(site, "fay")}
    with pytest.raises(websockets.exceptions.InvalidStatus) as refused:
        websockets.sync.client.connect(url, additional_headers=shown, origin="https://evil.example")
    assert refused.value.response.status_code == 403
    own = "http://{}:{}".format(*site.wait_address)
    with websockets.sync.client.connect(url, additional_headers=shown, origin=own):
        site.until_waiting("user.fay")


def test_a_poll_is_held_and_goes_on_where_it_was(site):
    first = site.publish("user.bob", "one")
    site.publish("user.bob", "two")
    status, _, body = ask(site, f"/feed.php?since={first}", Cookie=sign_in(site, "bob"))
    assert status == 200 and [message["data"] for message in json.loads(body)["messages"]] == ["two"]


def test_what_names_no_channels_is_answered_by_the_application(site):
    status, _, body = ask(site, "/feed.php")
    assert (status, body) == (401, b"")
    form = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": "s=1", "Connection": "keep-alive"}
    connection = http.client.HTTPConnection(*site.wait_address, timeout=60)
    for n in range(3):
        connection.request("POST", f"/page.php?n={n}", f"x={n}", form)
        response = connection.getresponse()
        said = json.loads(response.read())
        assert response.status == 201 and response.getheader("X-Method") == "POST"
        assert len(response.headers.get_all("Set-Cookie")) == 2
        assert (said["post"], said["get"], said["cookie"]) == ({"x": str(n)}, {"n": str(n)}, {"s": "1"})
        assert said["from"] == "127.0.0.1" and said["host"] == "{}:{}".format(*site.wait_address)
    connection.close()
    assert ask(site, "/page.php", "HEAD")[0] == 201
    assert ask(site, "/nowhere.php")[0] == 404


def test_our_own_paths_stay_ours(site, name):
    assert json.loads(ask(site, f"/sub/{name}?since=0")[2])["code"] == "credentials"
    assert ask(site, "/healthz")[2] == b"ok\n"
    assert b"WAIT line" in ask(site, "/")[2]


def test_only_paths_of_the_prefix_are_passed_on():
    application = Application(lambda path, headers: (200, {}, path.encode()))
    program = Program("--takeover", application.url, "--takeover-prefix", "/app/")
    assert ask(program, "/app/x?y=z")[2] == b"/app/x?y=z"
    assert ask(program, "/other")[0] == 404
    assert ask(program, "/other/../x")[0] == 404
    assert len(application.requests) == 1
    program.stop()
    application.stop()


# Other writings of a step upwards, and of what a step may end with.
UPWARDS = ["..", ".", "%2E%2e", "..%2fx", "a/..%5cx", "..;", "..;v=1", "%252e%252e", "%25252e.", "..%c0%af", "%c0%ae.", "..%00"]
UPWARDS += ["..%20", "..%3b", "..%3fx", "..%255c", "...", "%ef%bc%8e%ef%bc%8e", "..%ef%bc%8fx", "%e2%80%a5", "..\\x"]


def test_a_path_that_may_leave_the_prefix_is_refused():
    application = Application(lambda path, headers: (200, {}, path.encode()))
    program = Program("--takeover", application.url, "--takeover-prefix", "/app/")
    for step in UPWARDS:
        for path in (f"/app/{step}/x", f"/app/a/{step}"):
            status, _, body = ask(program, path)
            assert (status, json.loads(body)["code"]) == (400, "path"), path
    for path in ("/app/%zz", "/app/%", "/app/%0a", "/app/%ff"):
        assert json.loads(ask(program, path)[2])["code"] == "path", path
    assert application.requests == []
    kept = ["/app/a.b/..c/c..", "/app/a;v=1/x", "/app/100%25", "/app/caf%C3%A9", "/app/a%2Fb", "/app/a%252Fb", "/app//x?y=../.."]
    assert [ask(program, path)[2].decode() for path in kept] == kept
    program.stop()
    application.stop()


def test_trace_and_connect_are_refused():
    application = Application(lambda path, headers: (200, {}, b""))
    program = Program("--takeover", application.url)
    for method in ("TRACE", "CONNECT", "TRACK", "trace"):
        with Wire(program.wait_address).get("/app/x", method=method) as wire:
            status, headers, body = wire.response()
        assert (status, json.loads(body)["code"]) == (405, "method") and "GET" in headers["allow"]
    assert application.requests == []
    program.stop()
    application.stop()


@pytest.mark.parametrize("dialect", ["multiplexor", "realplexor"])
def test_the_prefix_wins_over_the_words_of_old(dialect, tmp_path):
    """An application may have a parameter or a cookie of that name, and long requests."""
    application = Application(lambda path, headers: (200, {}, f"{path} {headers.get('Cookie', '')[:20]}".encode()))
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(f'[[wait]]\naddress = "127.0.0.1:0"\ndialect = "{dialect}"\n')
    flags = ("--config", str(settings), "--in", "127.0.0.1:0", "--takeover", application.url, "--takeover-prefix", "/app/")
    program = Program(*flags, ports=False)
    assert ask(program, "/app/x?identifier=a;")[2] == b"/app/x?identifier=a; "
    assert ask(program, "/app/x", Cookie="identifier=a; b=1")[2] == b"/app/x identifier=a; b=1"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    long = "identifier=a&text=" + "x" * 200_000
    assert ask(program, "/app/form", "POST", long, **form)[2] == b"/app/form "
    assert application.requests[-1][3] == long.encode()
    assert ask(program, "/app/x", Cookie="a=" + "x" * 8_000)[0] == 200
    absolute = Wire(program.wait_address).get("http://localhost/app/y?identifier=a;")
    assert absolute.response()[2] == b"/app/y?identifier=a; "
    # All else is as ever.
    with Wire(program.wait_address).send(b"GET /other?identifier=a; HTTP/1.1\r\nHost: a\r\n\r\n") as old:
        program.until_waiting("a")
        old.close()
    program.stop()
    application.stop()


# Where the proxies of these tests come from, so that nobody else is taken for one.
PROXY = "127.0.0.5"


def nginx_appends(server):
    lines = 'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header Forwarded "$http_forwarded, for=$remote_addr";'
    return front.nginx(server, f"proxy_bind {PROXY}; {lines}")


def haproxy_adds(server):
    lines = "option forwardfor\n  http-request add-header Forwarded for=%[src]"
    return front.haproxy(server, lines, f"source {PROXY}")


@pytest.mark.parametrize("proxy", [nginx_appends, haproxy_adds])
def test_the_application_is_told_what_proxies_in_front_said(fronts, proxy):
    got = []
    application = Application(lambda path, headers: (got.append(headers), (200, {}, b""))[1])
    program = Program("--takeover", application.url)
    address = fronts(proxy, program.waits[0]).address
    said = {"X-Forwarded-For": "9.9.9.9", "Forwarded": "for=9.9.9.9;proto=http"}
    with Wire(address, source="127.0.0.2").get("/x", Connection="X-Forwarded-For, Forwarded", **said) as wire:
        assert wire.response()[0] == 200
    [way], [forwarded] = got[0].get_all("X-Forwarded-For"), got[0].get_all("Forwarded")
    assert way == f"9.9.9.9, 127.0.0.2, {PROXY}"
    assert forwarded == f"for=9.9.9.9;proto=http, for=127.0.0.2, for={PROXY}"
    program.stop()
    application.stop()


def haproxy_protocol(server):
    return front.haproxy(server, options=f"send-proxy-v2 source {PROXY}", mode="tcp")


def nginx_protocol(server):
    return front.nginx_stream(server, f"proxy_protocol on; proxy_bind {PROXY};")


@pytest.mark.parametrize("proxy", [haproxy_protocol, nginx_protocol])
def test_the_application_is_told_the_address_that_the_proxy_protocol_says(fronts, proxy):
    got = []
    application = Application(lambda path, headers: (got.append(headers), (200, {}, b""))[1])
    program = Program("--takeover", application.url, "--proxies", PROXY, "--proxies-say", "proxy-protocol")
    address = fronts(proxy, program.waits[0]).address
    for said in ({}, {"X-Forwarded-For": '9.9.9.9, "', "Forwarded": 'for="'}):
        with Wire(address, source="127.0.0.2").get("/x", **said) as wire:
            assert wire.response()[0] == 200
    assert [headers.get_all("X-Forwarded-For") for headers in got] == [["127.0.0.2"], ['9.9.9.9, ", 127.0.0.2']]
    # What cannot be read would hide what stands behind it.
    assert [headers.get_all("Forwarded") for headers in got] == [None, ["for=127.0.0.2"]]
    program.stop()
    application.stop()


def test_cookies_in_several_lines_are_one_for_the_application():
    got = []
    application = Application(lambda path, headers: (got.append(headers), (200, {}, b""))[1])
    program = Program("--takeover", application.url)
    with Wire(program.wait_address) as wire:
        wire.send(b"GET /x HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\nAccept: */*\r\nCookie: b=2\r\n\r\n")
        assert wire.response()[0] == 200
    assert got[0].get_all("Cookie") == ["a=1; b=2"]
    program.stop()
    application.stop()


def test_what_is_between_neighbours_stays_there():
    application = Application(lambda path, headers: (200, {"Keep-Alive": "5", "X-Kept": "1"}, b"x"))
    program = Program("--takeover", application.url)
    sent = {"Connection": "close, X-Hop", "X-Hop": "1", "X-Sent": "1", "X-Forwarded-For": "10.0.0.1"}
    _, told, _ = ask(program, "/x", **{**sent})
    got = {name.lower(): value for name, value in application.requests[0][2].items()}
    assert "x-hop" not in got and got["x-sent"] == "1" and got["x-forwarded-for"] == "10.0.0.1, 127.0.0.1"
    assert "keep-alive" not in told and told["x-kept"] == "1" and told["connection"] == "close"
    program.stop()
    application.stop()


def judged(status, headers, **said):
    """What a client is told where the application answers so: the status, and the code of the problem."""
    application = Application(lambda path, asked: (status, headers, b""))
    program = Program("--takeover", application.url)
    told, _, body = ask(program, "/x", **said)
    program.stop()
    application.stop()
    return told, json.loads(body)["code"]


@pytest.mark.parametrize("names", ["", "a,,b", "$reserved", "\xff", ",".join(map(str, range(1001)))])
def test_names_that_are_none_are_told(names):
    assert judged(200, {"Multiplexor-Channels": names}) == (502, "takeover-channels")


@pytest.mark.parametrize("lasts", ["", "abc", "0.5", "-1", "2s", "9" * 30])
def test_a_time_that_is_none_holds_nobody(lasts):
    headers = {"Multiplexor-Channels": "a", "Multiplexor-Lasts": lasts}
    assert judged(200, headers, Accept="text/event-stream") == (502, "takeover")


def test_another_protocol_that_nobody_asked_for_is_not_passed_on():
    assert judged(101, {"Upgrade": "foo", "Connection": "Upgrade"}) == (502, "takeover")


def test_who_is_held_for_a_time_is_told_the_end():
    application = Application(lambda path, headers: (200, {"Multiplexor-Channels": "a", "Multiplexor-Lasts": "1"}, b""))
    program = Program("--takeover", application.url)
    with socket.create_connection(program.wait_address, timeout=60) as client:
        client.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
        told = b"".join(iter(lambda: client.recv(65536), b""))
    assert told.endswith(b"event: expired\ndata: {}\n\n\r\n0\r\n\r\n"), told
    program.stop()
    application.stop()


def test_an_application_that_is_dead_slow_or_endless():
    dead = Program("--takeover", f"http://127.0.0.1:{free_port()}")
    status, _, body = ask(dead, "/x")
    assert (status, json.loads(body)["code"]) == (502, "takeover")
    assert dead.ask("/stats")["asked"]["pages_failed"] == 1
    dead.stop()
    never = threading.Event()

    def hang(path, headers):
        never.wait(60)
        return 200, {}, b""

    application = Application(hang)
    slow = Program("--takeover", application.url, "--takeover-timeout", "200ms")
    status, _, body = ask(slow, "/x")
    assert (status, json.loads(body)["code"]) == (504, "takeover-timeout")
    never.set()
    slow.stop()
    application.stop()


def test_an_answer_has_a_mebibyte_at_the_most():
    application = Application(lambda path, headers: (200, {}, b"x" * int(path[1:])))
    program = Program("--takeover", application.url)
    assert len(ask(program, f"/{1 << 20}")[2]) == 1 << 20
    status, _, body = ask(program, f"/{(1 << 20) + 1}")
    assert (status, json.loads(body)["code"]) == (502, "takeover")
    program.stop()
    application.stop()


def test_no_more_requests_than_its_limit_are_under_way():
    go_on = threading.Event()

    def wait(path, headers):
        go_on.wait(60)
        return 200, {}, b"x"

    application = Application(wait)
    program = Program("--takeover", application.url, "--takeover-calls", "2")
    clients = [socket.create_connection(program.wait_address, timeout=60) for _ in range(6)]
    for client in clients:
        client.sendall(b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    until(lambda: program.ask("/stats")["asked"]["pages_failed"] == 2, "two are refused")
    until(lambda: application.now == 2, "two are under way")
    go_on.set()
    statuses = sorted(b"".join(iter(lambda: client.recv(65536), b""))[9:12] for client in clients)
    assert statuses == [b"200"] * 4 + [b"503"] * 2, "two are under way, two wait"
    assert application.most == 2
    until(lambda: program.ask("/stats")["asked"]["pages_passed"] == 4, "it is counted")
    program.stop()
    application.stop()


def test_requests_of_one_address_that_are_under_way_keep_no_newcomer_out():
    go_on = threading.Event()

    def answer(path, headers):
        if path == "/slow":
            go_on.wait(60)
        return 200, {}, path.encode()

    application = Application(answer)
    program = Program("--takeover", application.url, "--takeover-calls", "8", "--proxies", "127.0.0.1")
    flood = [Wire(program.wait_address).get("/slow", X_Forwarded_For="192.0.2.1") for _ in range(40)]
    until(lambda: program.ask("/stats")["asked"]["pages_failed"] == 28, "what neither goes nor waits is refused")
    until(lambda: application.now == 4, "half of all is under way")
    for client in ("198.51.100.1", "198.51.100.2"):
        with Wire(program.wait_address).get("/quick", X_Forwarded_For=client) as newcomer:
            assert newcomer.response()[::2] == (200, b"/quick"), "while the others wait"
    assert application.now == 4
    go_on.set()
    told = [wire.response() for wire in flood]
    assert sorted(status for status, *_ in told) == [200] * 12 + [503] * 28
    assert {json.loads(body)["code"] for status, _, body in told if status == 503} == {"takeover-busy"}
    program.stop()
    application.stop()


def test_who_waits_for_the_application_waits_no_longer_than_it_may_take():
    go_on = threading.Event()
    application = Application(lambda path, headers: (go_on.wait(60), (200, {}, b"x"))[1])
    program = Program("--takeover", application.url, "--takeover-calls", "1", "--takeover-timeout", "1s")
    wires = [Wire(program.wait_address).get(f"/{n}") for n in range(2)]
    told = [(status, json.loads(body)["code"]) for status, _, body in (wire.response() for wire in wires)]
    # The other one had its time as well, or none was left for it.
    assert (504, "takeover-timeout") in told and set(told) <= {(504, "takeover-timeout"), (503, "takeover-busy")}
    go_on.set()
    program.stop()
    application.stop()
