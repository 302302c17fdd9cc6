"""Whose pages may show credentials, and what browsers are told about it; who was refused can be asked for."""

import asyncio
import http.client
import json
import ssl
import subprocess
import time

import pytest
import websockets
from harness.authority import Authority
from harness.program import Program, binary, request, until
from harness.wire import Wire
from test_tokens import SECRET, make_token

SHOP = "https://shop.example"
EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """A program that lists one origin, and closes channels that begin with user."""
    settings = tmp_path_factory.mktemp("origins") / "multiplexor.toml"
    settings.write_text(
        f'token_secret = "{SECRET}"\norigins = ["{SHOP}", "http://localhost:3000"]\n'
        + "".join(f'[[channel]]\nmatch = "{match}"\nlisten = "token"\n' for match in ("user.*", "user_*"))
    )
    running = Program("--config", str(settings))
    yield running
    assert SECRET not in running.stdout() + running.stderr()
    running.stop()


def ask(program, path, method="GET", **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    status, told, body = request(program.wait_address, method, path, headers=headers)
    return status, told, body


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_cookie_that_a_browser_sends_for_another_site_does_not_count(listed, name, site):
    """A page's image or script, or a link, sends no Origin; the browser says from where it is."""
    channel = f"user.{name}"
    listed.publish(channel, "hello")
    token = make_token(listen=[channel])
    path, shown = f"/sub/{channel}?since=0&raw=1", {"Cookie": f"multiplexor_token={token}"}
    own = "http://{}:{}".format(*listed.wait_address)
    for headers, expected in [
        (shown | {"Sec-Fetch-Site": site}, 403),
        (shown | {"Sec-Fetch-Site": site, "Origin": own}, 403),
        (shown | {"Sec-Fetch-Site": "same-origin"}, 200),
        (shown | {"Sec-Fetch-Site": "none"}, 200),
        (shown | {"Sec-Fetch-Site": site, "Origin": SHOP}, 200),
        # Who knows the token may be anywhere.
        ({"Authorization": f"Bearer {token}", "Sec-Fetch-Site": site}, 200),
    ]:
        status, _, problem = head_of(listed, path, headers)
        assert status == expected, (headers, problem)
        assert expected == 200 or problem["code"] == "origin"


def test_an_origin_of_another_scheme_is_another(serve, name, tmp_path):
    certificate, key = Authority(tmp_path).issue("server", "localhost")
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(
        f'token_secret = "{SECRET}"\nlisten = "token"\ntls_certificate = ["{certificate}"]\ntls_key = ["{key}"]\n'
        '[[wait]]\naddress = "127.0.0.1:0"\n[[wait]]\naddress = "127.0.0.1:0"\ntls = "off"\n'
    )
    program = serve("--config", str(settings), "--in", "127.0.0.1:0", ports=False)
    program.publish(name, "hello")
    shown = {"Cookie": f"multiplexor_token={make_token(listen=[name])}", "Host": "push.example"}
    path = f"/sub/{name}?since=0"
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    secure, plain = ((host, int(port)) for host, port in (one.rsplit(":", 1) for one in program.waits))

    def status(connection, **headers):
        connection.request("GET", path, headers=shown | {name.replace("_", "-"): value for name, value in headers.items()})
        return connection.getresponse().status

    def through_tls(**headers):
        return status(http.client.HTTPSConnection(*secure, context=context, timeout=60), **headers)

    def in_the_clear(**headers):
        return status(http.client.HTTPConnection(*plain, timeout=60), **headers)

    assert through_tls(Origin="https://push.example") == 200
    assert through_tls(Origin="http://push.example") == 403
    # In the clear the program cannot know what is in front, unless that says so.
    assert in_the_clear(Origin="https://push.example") == in_the_clear(Origin="http://push.example") == 200
    assert in_the_clear(Origin="https://push.example", X_Forwarded_Proto="https") == 200
    assert in_the_clear(Origin="http://push.example", X_Forwarded_Proto="https") == 403


@pytest.mark.parametrize("transport", ["poll", "sse", "stream"])
@pytest.mark.parametrize("way", ["url", "header", "cookie", "signature"])
def test_credentials_are_shown_by_listed_pages_only(listed, transport, way, name):
    channel = f"user.{name}"
    listed.publish(channel, "hello")
    token = make_token(listen=[channel])
    path, headers = f"/sub/{channel}?since=0&transport={transport}", {}
    if way == "url":
        path += f"&token={token}"
    elif way == "header":
        headers["Authorization"] = f"Bearer {token}"
    elif way == "cookie":
        headers["Cookie"] = f"multiplexor_token={token}"
    else:
        url = subprocess.run(
            [binary(), "url", "sign", channel],
            env={"MULTIPLEXOR_TOKEN_SECRET": SECRET},
            capture_output=True,
            check=True,
        )
        path = url.stdout.decode().strip() + f"&since=0&transport={transport}"
    own = "http://{}:{}".format(*listed.wait_address)
    for origin, expected in [(None, 200), (SHOP, 200), (own, 200), (EVIL, 403), ("null", 403)]:
        given = headers | ({"Origin": origin} if origin else {})
        status, told, problem = head_of(listed, path, given)
        assert status == expected, (origin, problem)
        assert told.get("access-control-allow-origin") == (SHOP if origin == SHOP else "*"), (origin, told)
        assert (told.get("access-control-allow-credentials") == "true") == (origin == SHOP)
        assert "Origin" in told["vary"]
        if expected == 403:
            assert problem["code"] == "origin" and origin in problem["detail"] and token not in problem["detail"]


def head_of(program, path, headers):
    """Status, headers, and the problem if there is one; the connection of a stream is left."""
    import http.client

    connection = http.client.HTTPConnection(*program.wait_address, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        told = {}
        for key, value in response.getheaders():
            told[key.lower()] = ", ".join(filter(None, [told.get(key.lower()), value]))
        body = json.loads(response.read()) if response.status != 200 else None
        return response.status, told, body
    finally:
        connection.close()


def test_public_channels_are_for_all_pages(listed, name):
    listed.publish(name, "hello")
    for origin in (SHOP, EVIL, "null"):
        status, told, body = ask(listed, f"/sub/{name}?since=0", Origin=origin)
        assert status == 200 and b"hello" in body
        assert told["access-control-allow-origin"] == (SHOP if origin == SHOP else "*")


def test_a_poll_of_a_listed_page_is_answered_to_that_page(listed, name):
    """Others wait for the same message, and its bytes are shared; these are not."""

    async def poll(origin):
        reader, writer = await asyncio.open_connection(*listed.wait_address)
        writer.write(f"GET /sub/{name} HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n\r\n".encode())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        writer.close()
        return head.decode()

    async def run():
        polls = [asyncio.create_task(poll(origin)) for origin in (SHOP, EVIL, "http://localhost:3000")]
        await asyncio.to_thread(listed.until_waiting, name, 3)
        await asyncio.to_thread(listed.publish, name, "hello")
        return await asyncio.gather(*polls)

    allowed = [line for head in asyncio.run(run()) for line in head.split("\r\n") if "Allow-Origin" in line]
    assert allowed == [f"Access-Control-Allow-Origin: {origin}" for origin in (SHOP, "*", "http://localhost:3000")]


def test_a_preflight_says_who_may_send_credentials(listed):
    wanted = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    for origin, expected in [(SHOP, "true"), (EVIL, None)]:
        status, told, _ = ask(listed, "/sub/user.a", "OPTIONS", **wanted | {"Origin": origin})
        assert status == 204 and told.get("access-control-allow-credentials") == expected
        assert told["access-control-allow-headers"] == "authorization"


def test_a_websocket_is_judged_by_its_origin_too(listed, name):
    async def run(origin, subprotocols=None, then=None):
        options = {"origin": origin, "subprotocols": subprotocols}
        async with websockets.connect(f"{listed.ws_url}/sub/{'' if then else name}", **options) as ws:
            if then:
                await ws.send(json.dumps(then))
                return json.loads(await until_answer(ws))

    async def until_answer(ws):
        while True:
            told = await asyncio.wait_for(ws.recv(), 60)
            if json.loads(told).keys() & {"error", "renewed"}:
                return told

    token = make_token(listen=["user.*"])
    asyncio.run(run(SHOP, ["multiplexor", f"bearer.{token}"]))
    asyncio.run(run(EVIL))
    with pytest.raises(websockets.InvalidStatus) as refused:
        asyncio.run(run(EVIL, ["multiplexor", f"bearer.{token}"]))
    assert refused.value.response.status_code == 403
    assert asyncio.run(run(EVIL, then={"token": token}))["error"]["code"] == "origin"
    assert asyncio.run(run(SHOP, then={"token": token}))["renewed"]


def test_refusals_can_be_asked_for(listed, name):
    channel = f"user.{name}"
    token = make_token(listen=["user.other"], sub="ann")
    assert ask(listed, f"/sub/{channel}")[0] == 401
    assert ask(listed, f"/sub/{channel}?token={token}")[0] == 403
    assert ask(listed, f"/sub/{channel}?token={make_token(exp=17)}")[0] == 401
    refused = listed.ask("/refused?limit=3")["refused"]
    assert [one["code"] for one in refused] == ["token-expired", "grant", "credentials"]
    assert all(one["what"] == channel and one["from"] == "127.0.0.1" for one in refused)
    assert all(one["line"] == "wait" and abs(one["time"] - time.time()) < 60 for one in refused)
    assert refused[1]["status"] == 403 and channel in refused[1]["detail"]
    assert token not in json.dumps(refused) and "exp" in refused[0]["detail"]
    status, _, text = request(listed.in_address, "GET", "/metrics")
    assert status == 200 and b'multiplexor_denied_total{code="token-expired"}' in text


def test_refusals_of_the_in_line_are_told_to_administrators_only(tmp_path):
    made = [json.loads(subprocess.run([binary(), "key", "make", "--json"], capture_output=True).stdout) for _ in "ab"]
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(
        f'[[key]]\nname = "root"\nhash = "{made[0]["hash"]}"\n'
        f'[[key]]\nname = "shop"\nhash = "{made[1]["hash"]}"\nmay = ["publish", "presence"]\nmatch = ["order.*"]\n'
    )
    program = Program("--config", str(settings))
    root, shop = ({"Authorization": f"Bearer {key['key']}"} for key in made)
    assert request(program.in_address, "POST", "/pub/a", b"x")[0] == 401
    assert request(program.in_address, "POST", "/pub/a", b"x", shop)[0] == 403
    assert request(program.in_address, "GET", "/refused", headers=shop)[0] == 403
    status, _, body = request(program.in_address, "GET", "/refused", headers=root)
    refused = json.loads(body)["refused"]
    assert status == 200 and [one["code"] for one in refused] == ["grant", "grant", "credentials"]
    assert [one["what"] for one in refused] == ["/refused", "/pub/a", "/pub/a"]
    assert refused[1]["who"] == "shop" and refused[1]["line"] == "in" and refused[1]["from"] == "127.0.0.1"
    assert made[1]["key"] not in body.decode()
    program.stop()


@pytest.fixture(scope="module")
def below():
    """A program that lists the hosts below one, by a pattern."""
    running = Program("--token-secret", SECRET, "--listen", "token", "--origins", "https://*.shop.example,http://*.shop.example:8080")
    yield running
    running.stop()


@pytest.mark.parametrize("transport", ["poll", "sse", "stream"])
def test_pages_of_hosts_below_one_may_show_credentials_where_a_pattern_says_so(below, transport, name):
    below.publish(name, "hello")
    token = make_token(listen=[name])
    for origin, is_listed in [
        ("https://a.shop.example", True),
        ("https://a.b.shop.example", True),
        ("http://a.shop.example:8080", True),
        ("https://shop.example", False),
        ("https://ashop.example", False),
        ("https://a.shop.example.evil", False),
        ("https://a.shop.example:8080", False),
        ("http://a.shop.example", False),
        ("https://evil.example/.shop.example", False),
        ("https://*.shop.example", False),
    ]:
        headers = {"Authorization": f"Bearer {token}", "Origin": origin}
        status, told, problem = head_of(below, f"/sub/{name}?since=0&transport={transport}", headers)
        assert status == (200 if is_listed else 403), (origin, problem)
        assert told["access-control-allow-origin"] == (origin if is_listed else "*")
        assert (told.get("access-control-allow-credentials") == "true") == is_listed
        assert told["vary"].startswith("Origin")


def test_a_poll_that_waited_tells_each_page_of_a_pattern_its_own_origin(below, name):
    pages = [f"https://{page}.shop.example" for page in ("a", "b", "a.b")]
    polls = []
    for origin in pages:
        polls.append(Wire(below.wait_address).get(f"/sub/{name}", Origin=origin, Authorization=f"Bearer {make_token(listen=[name])}"))
    below.until_waiting(name, len(polls))
    below.publish(name, "hello")
    for origin, wire in zip(pages, polls):
        status, told, body = wire.response()
        assert (status, told["access-control-allow-origin"]) == (200, origin)
        assert json.loads(body)["messages"][0]["data"] == "hello"
        # The next request of the same connection is another page's, or nobody's.
        told = wire.get("/healthz").response()[1]
        assert told["access-control-allow-origin"] == "*"
        wire.close()


@pytest.mark.parametrize("wrong", ["https://*", "https://*.", "https://*shop.example", "https://a.*.example", "*.shop.example", "*"])
def test_a_pattern_that_is_none_is_told(wrong):
    done = subprocess.run([binary(), "--origins", wrong], capture_output=True, env={})
    assert done.returncode == 2 and b"https://*.shop.example" in done.stderr


def test_what_is_no_origin_is_told():
    done = subprocess.run([binary(), "--origins", "shop.example"], capture_output=True, env={})
    assert done.returncode == 2 and b"https://shop.example" in done.stderr


def test_a_refusal_of_a_client_of_2009_is_kept_too(listed):
    import socket

    with socket.create_connection(listed.wait_address, timeout=30) as old:
        old.sendall(b"identifier=user_42;")
        assert old.recv(100)
    until(lambda: listed.ask("/refused?limit=1")["refused"][0]["what"] == "user_42", "it is kept")
