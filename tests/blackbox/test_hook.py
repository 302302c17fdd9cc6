"""The application says who a client is: asked once for whoever shows the same, and closed where it fails."""

import asyncio
import json
import re
import socket
import threading
import time

import pytest
import websockets
from harness.authority import Authority
from harness.program import NOFILE, Program, free_port, request, until
from harness.upstream import Application, Php, slowly
from harness.wire import is_cursor

CLOSED = '[[channel]]\nmatch = "user.*"\nlisten = "token"\n[[channel]]\nmatch = "room.*"\nlisten = "token"\n'
TRANSPORTS = ["poll", "sse", "stream"]


def start(tmp_path, url, more=""):
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(f'hook = "{url}"\n{more}\n{CLOSED}')
    return Program("--config", str(settings))


def listen(program, path, headers=None, method="GET"):
    """The status of a request to listen, its headers, and its problem if it has one."""
    import http.client

    connection = http.client.HTTPConnection(*program.wait_address, timeout=60)
    try:
        connection.request(method, path, headers=headers or {})
        response = connection.getresponse()
        told = {name.lower(): value for name, value in response.getheaders()}
        body = json.loads(response.read()) if response.status >= 400 else None
        return response.status, told, body
    finally:
        connection.close()


def says(document, status=200, **headers):
    return lambda path, shown: (status, headers, json.dumps(document).encode())


WHO = """<?php
session_start();
file_put_contents(__DIR__ . '/calls', $_COOKIE['PHPSESSID'] . "\\n", FILE_APPEND);
if (!isset($_SESSION['user'])) { http_response_code(403); exit; }
$user = $_SESSION['user'];
header('Content-Type: application/json');
echo json_encode(['user' => $user, 'listen' => ["user.$user", 'room.*'], 'lasts' => 600]);
"""
SIGN_IN = "<?php session_start(); $_SESSION['user'] = $_GET['user']; echo 'hello';"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A PHP site with sessions, and a program that asks it."""
    folder = tmp_path_factory.mktemp("site")
    php = Php(folder, who=WHO, sign_in=SIGN_IN)
    php.calls = lambda: (folder / "calls").read_text().splitlines() if (folder / "calls").exists() else []
    program = start(folder, f"{php.url}/who.php", 'hook_cookies = ["PHPSESSID"]')
    yield php, program
    program.stop()
    php.stop()


def sign_in(php, user):
    """The cookie of somebody who signed in at the site."""
    status, headers, _ = request(php.address, "GET", f"/sign_in.php?user={user}")
    assert status == 200
    return re.search(r"PHPSESSID=[^;]+", headers["set-cookie"])[0]


def test_the_hook_gets_all_lines_of_a_header(tmp_path):
    """HTTP/2 in front splits cookies; and one that is no text takes nothing from the others."""
    application = Application(says({"user": "ann", "listen": "user.ann"}))
    program = start(tmp_path, application.url, 'hook_headers = ["cookie", "x-who"]\nhook_cookies = ["sid", "b"]')
    lines = ["Cookie: a=1; b=2", "X-Who: one", "Cookie: c=\xe9", "Cookie: sid=3", "X-Who: two"]
    with socket.create_connection(program.wait_address, timeout=60) as client:
        head = "\r\n".join(["GET /sub/user.ann?wait=0 HTTP/1.1", "Host: a", "Connection: close", *lines, "", ""])
        client.sendall(head.encode("latin-1"))
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    [(_, _, got, _)] = application.requests
    assert {name.lower(): value for name, value in got.items()}.items() >= {"cookie": "b=2; sid=3", "x-who": "one, two"}.items()
    program.stop()
    application.stop()


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_php_session_says_who_may_listen(site, transport):
    php, program = site
    ann = sign_in(php, "ann")
    for channel, expected, code in [
        ("user.ann", 200, None),
        ("room.1,user.ann", 200, None),
        ("user.bob", 403, "grant"),
        ("user.ann,user.bob", 403, "grant"),
    ]:
        program.publish(channel, "hello")
        status, _, problem = listen(program, f"/sub/{channel}?since=0&transport={transport}", {"Cookie": ann})
        assert (status, problem and problem["code"]) == (expected, code), channel
    status, _, problem = listen(program, f"/sub/user.ann?transport={transport}", {"Cookie": "PHPSESSID=unknown"})
    assert (status, problem["code"]) == (403, "hook-refused")
    status, _, problem = listen(program, f"/sub/user.ann?transport={transport}", {"Cookie": "other=1"})
    assert (status, problem["code"]) == (401, "credentials")


def test_who_shows_nothing_or_wants_nothing_closed_is_not_asked_about(site, name):
    php, program = site
    program.publish(name, "hello")
    before = len(php.calls())
    assert listen(program, f"/sub/{name}?since=0", {"Cookie": "PHPSESSID=whoever"})[0] == 200
    assert listen(program, "/sub/user.ann")[0] == 401
    assert len(php.calls()) == before


def test_who_shows_nothing_is_told_what_would_do(tmp_path):
    """Of tokens only where they are taken, of URLs only where a secret signs them, of cookies only where somebody looks at them."""
    keys, takeover = 'token_keys_url = "https://127.0.0.1:1/"\n', 'takeover = "http://127.0.0.1:1/"\n'
    hook, token = 'hook = "http://127.0.0.1:1/"\n', f'token_secret = "{"s" * 32}"\n'
    file = tmp_path / "multiplexor.toml"
    for settings, words, others in [
        (hook, ["sign in", "cookies"], ["token"]),
        (token, ["token", "signed URL"], ["cookie", "sign in"]),
        (keys, ["show a token"], ["signed URL", "cookie"]),
        (hook + token, ["token", "signed URL", "cookies"], []),
        (hook + keys, ["token", "cookies"], ["signed URL"]),
        (takeover, ["takeover", "no tokens and no cookies"], ["show a token", "signed URL", "sign in"]),
    ]:
        file.write_text(settings + CLOSED)
        program = Program("--config", str(file))
        status, _, problem = listen(program, "/sub/user.ann")
        assert (status, problem["code"]) == (401, "credentials")
        assert all(word in problem["detail"] for word in words), problem
        assert not any(word in problem["detail"] for word in others), problem
        program.stop()


def test_other_cookies_make_nobody_be_asked_anew(site):
    php, program = site
    cookie = sign_in(php, "ann")
    before = len(php.calls())
    program.publish("user.ann", "hello")
    for n in range(5):
        assert listen(program, "/sub/user.ann?since=0", {"Cookie": f"_ga={n}; {cookie}; b={n}"})[0] == 200
    assert len(php.calls()) == before + 1


def test_who_signs_in_is_let_in_soon(site):
    php, program = site
    _, headers, _ = request(php.address, "GET", "/who.php", headers={"Cookie": "PHPSESSID=" + "a" * 26})
    cookie = "PHPSESSID=" + "b" * 26
    program.publish("user.carol", "hello")
    path = "/sub/user.carol?since=0"
    status, _, problem = listen(program, path, {"Cookie": cookie})
    assert (status, problem["code"]) == (403, "hook-refused")
    request(php.address, "GET", "/sign_in.php?user=carol", headers={"Cookie": cookie})
    until(lambda: listen(program, path, {"Cookie": cookie})[0] == 200, "the refusal is forgotten")


def test_a_websocket_is_asked_about_at_its_beginning(site, name):
    php, program = site

    async def run(cookie):
        async with websockets.connect(f"{program.ws_url}/sub/", additional_headers={"Cookie": cookie}) as ws:
            told = []
            for channel in (name, "user.ann", "user.bob"):
                await ws.send(json.dumps({"subscribe": [channel]}))
                while True:
                    answer = json.loads(await asyncio.wait_for(ws.recv(), 60))
                    if not is_cursor(answer):
                        break
                told.append(answer.get("error", {}).get("code", "subscribed"))
            return told

    assert asyncio.run(run(sign_in(php, "ann"))) == ["subscribed", "subscribed", "grant"]
    # Whoever is refused, or nobody knows, is as anybody else.
    assert asyncio.run(run("PHPSESSID=" + "c" * 26)) == ["subscribed", "credentials", "credentials"]


def test_ten_thousand_polls_are_one_question(site):
    """Of one crowd with the same session, on several connections at once and one after the other."""
    php, program = site
    cookie = sign_in(php, "ann")
    before = len(php.calls())
    program.publish("user.ann", "hello")
    poll = f"GET /sub/user.ann?since=0 HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n".encode()

    async def client(count):
        reader, writer = await asyncio.open_connection(*program.wait_address)
        for _ in range(count):
            writer.write(poll)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            await reader.readexactly(int(re.search(rb"Content-Length: (\d+)", head)[1]))
        writer.close()

    async def run():
        await asyncio.wait_for(asyncio.gather(*(client(50) for _ in range(200))), 300)

    asyncio.run(run())
    calls = php.calls()[before:]
    assert len(calls) == 1, f"{len(calls)} calls for 10,000 polls"


def test_many_sessions_are_asked_about_a_few_at_a_time(tmp_path):
    application = Application(slowly(0.05, says({"listen": "user.*"})))
    program = start(tmp_path, application.url, 'hook_calls = 3\nhook_timeout = "60s"')
    program.publish("user.a", "hello")

    async def client(n):
        reader, writer = await asyncio.open_connection(*program.wait_address)
        writer.write(f"GET /sub/user.a?since=0 HTTP/1.1\r\nHost: a\r\nCookie: s={n % 60}\r\n\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 120)
        writer.close()
        return head[9:12]

    async def run():
        return await asyncio.gather(*(client(n) for n in range(300)))

    assert set(asyncio.run(run())) == {b"200"}
    assert len(application.requests) == 60 and application.most <= 3
    asked = program.ask("/stats")["asked"]
    assert asked["hook_calls"] == 60 and asked["hook_verdicts"] == 60
    program.stop()
    application.stop()


class Held(Application):
    """An application whose answers wait until it is told to go on."""

    def __init__(self, document):
        self.go = threading.Event()
        body = json.dumps(document).encode()
        super().__init__(lambda path, headers: (self.go.wait(60), (200, {}, body))[1])


# So many as wait, and more than a shard lets wait.
@pytest.mark.parametrize("crowd", [1_700, 2_100])
def test_a_newcomer_is_asked_about_before_the_made_up_cookies_of_another_address(tmp_path, crowd):
    application = Held({"listen": "user.*"})
    more = 'hook_calls = 2\nhook_timeout = "60s"\nproxies = ["127.0.0.1"]\nshards = 1'
    program = start(tmp_path, application.url, more)
    program.publish("user.a", "hello")
    asking = lambda: program.ask("/stats")["wait"]["asking"]
    busy = lambda: program.ask("/stats")["wait"]["problems"]

    async def ask(cookie, address):
        reader, writer = await asyncio.open_connection(*program.wait_address)
        lines = f"GET /sub/user.a?since=0 HTTP/1.1\r\nHost: a\r\nCookie: s={cookie}\r\nX-Forwarded-For: {address}\r\n\r\n"
        writer.write(lines.encode())
        return reader, writer

    async def run():
        many = [await ask(n, "198.51.100.7") for n in range(crowd)]
        await asyncio.to_thread(until, lambda: asking() == min(crowd, 2_048), "they wait")
        before = await asyncio.to_thread(busy)
        reader, writer = await ask("new", "198.51.100.8")
        if crowd < 2_048:
            await asyncio.to_thread(until, lambda: asking() == crowd + 1, "the newcomer waits, too")
        else:
            await asyncio.to_thread(until, lambda: busy() == before + 1, "one of the others made room")
        application.go.set()
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        for _, other in [*many, (reader, writer)]:
            other.close()
        return head

    assert asyncio.run(run()).startswith(b"HTTP/1.1 200 ")
    asked = [headers.get("cookie") for _, _, headers, _ in application.requests]
    # Two calls are under way, the next may be one of the others, and then it is its turn.
    assert asked.index("s=new") <= 3, asked[:10]
    program.stop()
    application.stop()


def test_the_hook_gets_what_it_is_to_get_and_no_more(tmp_path):
    application = Application(says({"listen": "user.*"}))
    program = start(tmp_path, application.url + "/who?a=b", 'hook_headers = ["cookie", "X-User"]')
    program.publish("user.a", "hello")
    sent = {"Cookie": "a=1; b=2", "X-User": "ann", "Authorization": "Bearer secret", "X-Other": "no"}
    assert listen(program, "/sub/user.a?since=0", sent)[0] == 200
    [(method, path, headers, _)] = application.requests
    assert (method, path) == ("GET", "/who?a=b")
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["cookie"] == "a=1; b=2" and headers["x-user"] == "ann"
    assert "authorization" not in headers and "x-other" not in headers
    program.stop()
    application.stop()


def refused(program, code, status=503, cookie="s=1"):
    got, told, problem = listen(program, "/sub/user.a?since=0", {"Cookie": cookie})
    assert (got, problem["code"]) == (status, code), problem
    if status == 503:
        assert int(told["retry-after"]) >= 1 and "Retry-After" in told["access-control-expose-headers"]


@pytest.mark.parametrize(
    "answer",
    [
        says([]),
        says({"listen": 7}),
        says({"listen": ["user.a"], "lasts": -1}),
        says({"listen": ["user.a"]}, status=500),
        says({"listen": ["user.a"]}, status=302, Location="/sign-in"),
        lambda path, shown: (200, {}, b"<html>sign in</html>"),
        lambda path, shown: (200, {}, b'{"listen": "user.a", "x": "' + b"x" * 100_000 + b'"}'),
        lambda path, shown: (200, {}, b""),
    ],
)
def test_a_hook_that_lies_lets_nobody_in(tmp_path, answer, name):
    application = Application(answer)
    program = start(tmp_path, application.url)
    refused(program, "hook")
    program.publish(name, "hello")
    assert listen(program, f"/sub/{name}?since=0", {"Cookie": "s=1"})[0] == 200
    assert program.ask("/stats")["asked"]["hook_failed"] == 1
    program.until_logged("the hook failed")
    assert "s=1" not in program.stderr()
    program.stop()
    application.stop()


def test_a_hook_that_is_dead_lets_nobody_in_until_it_lives(tmp_path):
    port = free_port()
    program = start(tmp_path, f"http://127.0.0.1:{port}")
    refused(program, "hook")
    refused(program, "hook")
    program.stop()


def test_a_hook_that_is_too_slow_lets_nobody_in(tmp_path):
    """It takes a connection and says nothing; others are served meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        program = start(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}", 'hook_timeout = "300ms"\nhook_calls = 1')
        program.publish("open", "hello")

        async def run():
            parked = [asyncio.create_task(asyncio.to_thread(refuse, n)) for n in range(8)]
            await asyncio.to_thread(until, lambda: program.ask("/stats")["wait"]["asking"] > 0, "somebody waits")
            assert (await asyncio.to_thread(listen, program, "/sub/open?since=0"))[0] == 200
            return await asyncio.gather(*parked)

        def refuse(n):
            status, _, problem = listen(program, "/sub/user.a", {"Cookie": f"s={n}"})
            return status, problem["code"]

        # One call at a time: whoever would have to wait longer than a call may take is told so.
        assert set(asyncio.run(run())) == {(503, "hook"), (503, "hook-busy")}
        assert program.ask("/stats")["wait"]["asking"] == 0
        program.stop()


def test_what_the_hook_says_holds_as_long_as_it_says(tmp_path):
    application = Application(says({"user": "ann", "listen": "user.*", "lasts": 1}))
    program = start(tmp_path, application.url)
    with socket.create_connection(program.wait_address, timeout=60) as client:
        client.sendall(b"GET /sub/user.a?transport=sse HTTP/1.1\r\nHost: a\r\nCookie: s=1\r\n\r\n")
        told = b"".join(iter(lambda: client.recv(65536), b""))
    assert told.endswith(b"event: expired\ndata: {}\n\n\r\n0\r\n\r\n"), told
    program.publish("user.a", "hello")
    assert listen(program, "/sub/user.a?since=0", {"Cookie": "s=1"})[0] == 200
    assert len(application.requests) == 2
    program.stop()
    application.stop()


def test_cookies_count_from_listed_pages_only(tmp_path, name):
    application = Application(says({"listen": "user.*"}))
    program = start(tmp_path, application.url, 'origins = ["https://shop.example"]')
    program.publish("user.a", "hello")
    program.publish(name, "hello")
    for origin, expected in [("https://shop.example", 200), ("https://evil.example", 403)]:
        headers = {"Cookie": "s=1", "Origin": origin}
        assert listen(program, "/sub/user.a?since=0", headers)[0] == expected
        assert listen(program, f"/sub/{name}?since=0", headers)[0] == 200
    program.stop()
    application.stop()


def test_whoever_leaves_while_he_is_asked_about_is_forgotten(tmp_path):
    application = Application(slowly(1.0, says({"listen": "user.*"})))
    program = start(tmp_path, application.url)
    for n in range(20):
        with socket.create_connection(program.wait_address, timeout=60) as client:
            client.sendall(f"GET /sub/user.a HTTP/1.1\r\nHost: a\r\nCookie: s={n}\r\n\r\n".encode())
    until(lambda: program.ask("/stats")["asked"]["hook_verdicts"] == 20, "all were asked about")
    stats = program.ask("/stats")["wait"]
    assert (stats["asking"], stats["guests"], stats["connections"]) == (0, 0, 0)
    program.stop()
    application.stop()


def test_the_program_ends_while_somebody_is_asked_about(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        program = start(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}", 'hook_timeout = "60s"')
        with socket.create_connection(program.wait_address, timeout=60) as client:
            client.sendall(b"GET /sub/user.a HTTP/1.1\r\nHost: a\r\nCookie: s=1\r\n\r\n")
            until(lambda: program.ask("/stats")["wait"]["asking"] == 1, "it is asked")
            program.stop()
            assert client.recv(65536).startswith(b"HTTP/1.1 503 ")


def test_where_the_system_had_no_certificates_at_the_start_they_are_looked_for_again(tmp_path):
    authority = Authority(tmp_path)
    application = Application(says({"user": "ann", "listen": "user.ann"}), tls=authority.issue("app", "localhost"))
    certificates, settings = tmp_path / "system.pem", tmp_path / "multiplexor.toml"
    certificates.write_text("")
    settings.write_text(f'hook = "{application.url}"\n{CLOSED}')
    program = Program("--config", str(settings), env={"SSL_CERT_FILE": str(certificates), "SSL_CERT_DIR": ""})
    program.until_logged("calls over TLS fail until the certificates are there")
    status, _, problem = listen(program, "/sub/user.ann?wait=0", {"Cookie": "a=1"})
    assert (status, problem["code"]) == (503, "hook")
    certificates.write_text(authority.certificate.read_text())
    until(lambda: listen(program, "/sub/user.ann?wait=0", {"Cookie": "a=1"})[0] == 200, "the application is asked")
    program.stop()
    application.stop()
