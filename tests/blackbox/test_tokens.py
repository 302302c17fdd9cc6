"""Who may listen: closed channels, tokens, signed URLs, on every transport."""

import asyncio
import json
import socket
import subprocess
import time

import pytest
import websockets
from harness.program import request, until
from harness.tokens import SECRET, coded, mac, make_token

TRANSPORTS = ["poll", "sse", "stream"]


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A program in which all channels that begin with user. are closed."""
    from harness.program import Program

    settings = tmp_path_factory.mktemp("tokens") / "multiplexor.toml"
    closing = "".join(f'[[channel]]\nmatch = "{match}"\nlisten = "token"\n' for match in ("user.*", "user_*"))
    settings.write_text(f'token_secret = "{SECRET}"\n{closing}')
    running = Program("--config", str(settings))
    yield running
    assert SECRET not in running.stdout() + running.stderr()
    running.stop()


def listen(program, path, headers=None):
    """The status of a request to listen, and what comes of it until there is the first line of a body."""
    with socket.create_connection(program.wait_address, timeout=30) as client:
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n".encode())
        read = b""
        while b"\r\n\r\n" not in read:
            more = client.recv(65536)
            assert more, read
            read += more
        head, body = read.split(b"\r\n\r\n", 1)
        status = int(head[9:12])
        if status != 200:
            while more := client.recv(65536):
                body += more
            return status, json.loads(body)
        return status, None


def allowed(program, path, headers=None):
    return listen(program, path, headers)[0] == 200


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_closed_channel_is_for_those_with_a_token_for_it(closed, transport, name):
    closed.publish(f"user.{name}", "hello")
    path = f"/sub/user.{name}?since=0&transport={transport}"
    for claims, expected in [
        ({"listen": [f"user.{name}"]}, 200),
        ({"listen": "user.*"}, 200),
        ({"listen": [f"*.{name}"]}, 200),
        ({"listen": ["user.other"]}, 403),
        ({"publish": [f"user.{name}"]}, 403),
        ({"listen": [f"user.{name}"], "exp": int(time.time()) - 1}, 401),
        ({"listen": [f"user.{name}"], "nbf": int(time.time()) + 3600}, 401),
    ]:
        token = make_token(**claims)
        for where in (f"{path}&token={token}", path):
            headers = {} if where != path else {"Authorization": f"Bearer {token}"}
            status, problem = listen(closed, where, headers)
            assert status == expected, (claims, problem)
            assert problem is None or token not in problem["detail"]
    status, problem = listen(closed, path)
    assert (status, problem["code"]) == (401, "credentials")
    assert f"user.{name}" in problem["detail"]


def test_open_channels_stay_open(closed, name):
    closed.publish(name, "hello")
    assert allowed(closed, f"/sub/{name}?since=0")
    assert listen(closed, f"/sub/{name},user.{name}?since=0")[0] == 401
    # Credentials that are wrong are told, whatever they are shown for.
    assert listen(closed, f"/sub/{name}?since=0&token=nonsense")[1]["code"] == "token"


def test_a_cookie_may_hold_the_token(closed, name):
    closed.publish(f"user.{name}", "hello")
    headers = {"Cookie": f"a=b; multiplexor_token={make_token(listen=[f'user.{name}'])}"}
    path = f"/sub/user.{name}?since=0"
    assert allowed(closed, path, headers)
    assert allowed(closed, path, headers | {"Origin": "http://localhost"})
    # A page of another site does not act for whoever has the cookie; one that knows the token may show it.
    status, problem = listen(closed, path, headers | {"Origin": "https://evil.example"})
    assert (status, problem["code"]) == (403, "origin")
    token = make_token(listen=[f"user.{name}"])
    assert allowed(closed, f"{path}&token={token}", {"Origin": "https://other.example"})


def test_a_websocket_of_another_site_gets_nothing_by_a_cookie(closed, name):
    async def talk(ws):
        return await ask(ws, {"ping": 1})

    headers = {"Cookie": f"multiplexor_token={make_token(listen=['user.*'])}"}
    path = f"/sub/user.{name}"
    assert over_websocket(closed, talk, path, additional_headers=headers) == {"pong": 1}
    with pytest.raises(websockets.InvalidStatus) as refused:
        over_websocket(closed, talk, path, additional_headers=headers, origin="https://evil.example")
    assert refused.value.response.status_code == 403


def test_where_no_tokens_are_known_none_are_looked_at(serve, name):
    program = serve()
    program.publish(name, "hello")
    assert allowed(program, f"/sub/{name}?since=0&token=nonsense", {"Authorization": "Bearer nonsense"})


def test_to_close_channels_for_all_is_refused_at_the_start():
    from harness.program import binary

    done = subprocess.run([binary(), "--listen", "token"], capture_output=True, env={})
    assert done.returncode == 2 and b"token_secret" in done.stderr


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_signed_url_is_good_for_its_names_and_its_time(closed, transport, name):
    closed.publish(f"user.{name}", "hello")
    path, later = f"user.{name}", int(time.time()) + 60
    signature = mac(f"{path}\n{later}")
    end = f"&since=0&transport={transport}"
    assert allowed(closed, f"/sub/{path}?expires={later}&signature={signature}{end}")
    for wrong, code in [
        (f"/sub/user.other?expires={later}&signature={signature}", "url-signature"),
        (f"/sub/{path},b?expires={later}&signature={signature}", "url-signature"),
        (f"/sub/{path}?expires={later + 1}&signature={signature}", "url-signature"),
        (f"/sub/{path}?signature={signature}", "url-signature"),
        (f"/sub/{path}?expires=17&signature={mac(path + chr(10) + '17')}", "url-expired"),
    ]:
        status, problem = listen(closed, wrong + end)
        assert (status, problem["code"]) == (401, code), wrong


def test_php_signs_a_url_in_three_lines(closed):
    closed.publish("user.42", "hello")
    script = f"""
      $names = 'user.42'; $expires = time() + 3600;
      $signature = rtrim(strtr(base64_encode(hash_hmac('sha256', "$names\\n$expires", '{SECRET}', true)), '+/', '-_'), '=');
      echo "/sub/$names?expires=$expires&signature=$signature";
    """
    url = subprocess.run(["php", "-r", script], capture_output=True, check=True).stdout.decode()
    assert allowed(closed, url + "&since=0")
    assert not allowed(closed, url + "x&since=0")


def by_hand(*arguments):
    """What a command says; the secret comes by the variable of the server."""
    from harness.program import binary

    env = {"MULTIPLEXOR_TOKEN_SECRET": SECRET}
    done = subprocess.run([binary(), *arguments], capture_output=True, env=env, timeout=60)
    return done.returncode, done.stdout.decode().strip(), done.stderr.decode()


def test_tokens_and_urls_are_made_and_checked_by_hand(closed, name):
    closed.publish(f"user.{name}", "hello")
    _, token, _ = by_hand("token", "make", f"user.{name}", "--sub", "ann", "--lasts", "60")
    assert allowed(closed, f"/sub/user.{name}?since=0&token={token}")
    code, told, _ = by_hand("token", "check", token)
    assert code == 0 and told.startswith("good for ann, until 20")
    code, _, told = by_hand("token", "check", make_token(exp=17))
    assert code == 1 and "token-expired" in told
    _, url, _ = by_hand("url", "sign", f"user.{name}")
    assert allowed(closed, url + "&since=0")
    assert by_hand("url", "check", url)[0] == 0
    code, _, told = by_hand("url", "check", closed.wait_url + url + "x")
    assert code == 1 and "url-signature" in told


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_when_the_token_ends_so_does_the_wait(closed, transport, name):
    token = make_token(listen=["user.*"], exp=int(time.time()) + 2)
    with socket.create_connection(closed.wait_address, timeout=30) as client:
        path = f"/sub/user.{name}?transport={transport}&token={token}"
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        told = b"".join(iter(lambda: client.recv(65536), b""))
    assert told.startswith(b"HTTP/1.1 200")
    if transport == "sse":
        assert told.endswith(b"event: expired\ndata: {}\n\n"), told
    if transport == "stream":
        assert told.endswith(b'{"expired":true}\n'), told
    if transport == "poll":
        assert b'"messages":[]' in told
    until(lambda: closed.waiting(f"user.{name}") == 0, "nobody waits any more")


def over_websocket(program, talk, path="/sub/", **options):
    async def run():
        async with websockets.connect(program.ws_url + path, **options) as socket_:
            return await asyncio.wait_for(talk(socket_), 60)

    return asyncio.run(run())


async def ask(ws, command):
    await ws.send(json.dumps(command))
    while True:
        answer = json.loads(await ws.recv())
        if "cursor" not in answer:
            return answer


def test_each_command_of_a_websocket_is_judged(closed, name):
    async def talk(ws):
        assert ws.subprotocol == "multiplexor"
        assert "subscribed" in await ask(ws, {"subscribe": [f"user.{name}", name]})
        answer = await ask(ws, {"subscribe": ["user.other"], "id": 7})
        assert (answer["error"]["code"], answer["id"]) == ("grant", 7)

    token = make_token(listen=[f"user.{name}"])
    over_websocket(closed, talk, subprotocols=["multiplexor", f"bearer.{token}"])


def test_a_websocket_may_show_its_token_later_and_renew_it(closed, name):
    async def talk(ws):
        assert (await ask(ws, {"subscribe": [f"user.{name}"]}))["error"]["code"] == "credentials"
        soon = int(time.time()) + 2
        answer = await ask(ws, {"token": make_token(sub="ann", listen=["user.*"], exp=soon), "id": 1})
        assert answer == {"renewed": True, "expires": soon, "id": 1}
        assert "subscribed" in await ask(ws, {"subscribe": [f"user.{name}"]})
        for claims, code in [({"sub": "bob", "listen": "user.*"}, "token-user"), ({"sub": "ann"}, "grant")]:
            assert (await ask(ws, {"token": make_token(**claims)}))["error"]["code"] == code
        assert (await ask(ws, {"token": "x"}))["error"]["code"] == "token"
        assert (await ask(ws, {"token": make_token(sub="ann", listen=["user.*"], exp=soon + 3)}))["renewed"]
        told = []
        with pytest.raises(websockets.ConnectionClosedError) as closing:
            while True:
                told.append(json.loads(await ws.recv()))
        assert time.time() >= soon + 3
        assert closing.value.rcvd.code == 1008 and told[-1] == {"expired": True}

    over_websocket(closed, talk)


def test_clients_of_2009_hear_nothing_of_closed_channels(closed):
    before = closed.ask("/stats")["wait"]["denied"]
    with socket.create_connection(closed.wait_address, timeout=30) as old:
        old.sendall(b"identifier=user_42;")
        # Whoever may wait is told nothing for a long time; here the end comes at once, with nothing in it.
        told = b"".join(iter(lambda: old.recv(100), b""))
    assert told == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    assert closed.ask("/stats")["wait"]["denied"] == before + 1
    assert closed.waiting("user_42") == 0


def test_refusals_and_guests_are_counted(closed, name):
    before = closed.ask("/stats")["wait"]["denied"]
    assert not allowed(closed, f"/sub/user.{name}")
    until(lambda: closed.ask("/stats")["wait"]["denied"] == before + 1, "it is counted")
    status, _, text = request(closed.in_address, "GET", "/metrics")
    assert status == 200 and b"multiplexor_wait_denied_total" in text
