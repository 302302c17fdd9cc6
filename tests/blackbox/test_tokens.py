"""Who may listen: closed channels, tokens, signed URLs, on every transport."""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time

import pytest
import websockets
from harness.program import ROOT, request, until
from harness.tokens import SECRET, coded, mac, make_token, signed_url
from harness.wire import is_cursor

TRANSPORTS = ["poll", "sse", "stream"]
# What is said in arguments is read as it was written, whatever the machine's language is.
UTF8 = os.environ | {"LC_ALL": "C.UTF-8"}


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


def test_the_good_one_of_several_cookies_counts(closed, name):
    """Browsers show those of all paths and domains, and HTTP/2 has each in a line of its own."""
    closed.publish(f"user.{name}", "hello")
    path = f"/sub/user.{name}?since=0"
    good, old = make_token(listen=[f"user.{name}"]), make_token(exp=17, listen=[f"user.{name}"])
    cookies = [f"multiplexor_token={token}" for token in (old, "nonsense", good)]
    assert allowed(closed, path, {"Cookie": "; ".join(cookies)})
    assert allowed(closed, path, {"Cookie": "a=b", "COOKIE": cookies[0], "cookie": cookies[2]})
    assert allowed(closed, path, {"Cookie": "a=\xe9", "cookie": cookies[2]})
    # Where none is good, it is told what is wrong with the first; and not all of many are tried.
    status, problem = listen(closed, path, {"Cookie": "; ".join(cookies[:2])})
    assert (status, problem["code"]) == (401, "token-expired")
    many = "; ".join(f"multiplexor_token={n}" for n in range(4))
    assert listen(closed, path, {"Cookie": f"{many}; {cookies[2]}"})[0] == 401
    # What somebody puts there on purpose beats them all.
    assert listen(closed, f"{path}&token={old}", {"Cookie": cookies[2]})[0] == 401


def test_the_cookie_has_the_name_that_is_set(serve, name):
    program = serve("--token-secret", SECRET, "--listen", "token", "--token-cookie", "__Host-push")
    program.publish(name, "hello")
    token = make_token(listen=[name])
    assert allowed(program, f"/sub/{name}?since=0", {"Cookie": f"__Host-push={token}"})
    assert listen(program, f"/sub/{name}?since=0", {"Cookie": f"multiplexor_token={token}"})[0] == 401


def test_a_name_that_no_cookie_may_have_is_told():
    from harness.program import binary

    done = subprocess.run([binary(), "--token-cookie", "a=b"], capture_output=True, env={})
    assert done.returncode == 2 and b"token_cookie" in done.stderr


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
    url = signed_url(path, later)
    end = f"&since=0&transport={transport}"
    assert allowed(closed, url + end)
    assert allowed(closed, signed_url(path, later, user="ann b", iat=later - 60) + end)
    for wrong, code in [
        (url.replace(path, "user.other"), "url-signature"),
        (url.replace(path, f"{path},b"), "url-signature"),
        (url.replace(f"={later}", f"={later + 1}"), "url-signature"),
        (url.replace(f"expires={later}&", ""), "url-signature"),
        (url.replace("=v2.", "="), "url-signature"),
        (url + "&user=ann", "url-signature"),
        (url + f"&iat={later}", "url-signature"),
        (signed_url(path, later, user="ann").replace("=ann", "=bob"), "url-signature"),
        (signed_url(path, later, method="POST"), "url-signature"),
        (signed_url(path, 17), "url-expired"),
    ]:
        status, problem = listen(closed, wrong + end)
        assert (status, problem["code"]) == (401, code), wrong


def test_it_does_not_matter_how_the_names_of_a_signed_url_are_encoded(closed, name):
    later = int(time.time()) + 60
    closed.publish(f"user.{name}.é b", "hello")
    raw = signed_url(f"user.{name}.é b", later)
    _, query = raw.split("?")
    for path in ["%C3%A9%20b", "%c3%a9%20%62"]:
        assert allowed(closed, f"/sub/user.{name}.{path}?{query}&since=0"), path
    assert listen(closed, f"/sub/user.{name}.%C3%A9?{query}")[1]["code"] == "url-signature"


def test_a_signed_url_without_names_opens_nothing(closed):
    later = int(time.time()) + 60
    old = f"/sub/?expires={later}&signature={mac(chr(10) + str(later))}"
    for url in (signed_url("", later), signed_url("", later, method="POST"), old):
        closed.publish("user.secret", "hello")
        body = b"user.secret"
        status, _, problem = request(closed.wait_address, "POST", url + "&since=0&wait=0", body)
        assert (status, json.loads(problem)["code"]) == (401, "url-signature"), url
        with pytest.raises(websockets.InvalidStatus) as refused:
            over_websocket(closed, lambda ws: ask(ws, {"subscribe": ["user.secret"]}), url)
        assert refused.value.response.status_code == 401
    # What was signed for a GET is not for a POST, which names its channels elsewhere.
    url = signed_url("user.mine", later).replace("user.mine", "")
    status, _, problem = request(closed.wait_address, "POST", url + "&since=0&wait=0", b"user.mine")
    assert (status, json.loads(problem)["code"]) == (401, "url-signature")


def test_a_signed_url_is_good_for_a_head_and_for_a_websocket(closed, name):
    url = signed_url(f"user.{name}", int(time.time()) + 60)
    closed.publish(f"user.{name}", "hello")
    assert request(closed.wait_address, "HEAD", url + "&since=0&wait=0")[0] == 200

    async def first(ws):
        while "data" not in (said := json.loads(await ws.recv())):
            pass
        return said["data"]

    assert over_websocket(closed, first, url + "&since=0") == "hello"
    # It goes on to nothing else.
    answer = over_websocket(closed, lambda ws: ask(ws, {"subscribe": ["user.other"]}), url)
    assert answer["error"]["code"] == "grant"


def test_a_signature_of_the_first_version_is_good_for_names_as_they_stand(closed, name):
    closed.publish(f"user.{name} a", "hello")
    path, later = f"user.{name}%20a", int(time.time()) + 60
    old = f"/sub/{path}?expires={later}&signature={mac(f'{path}{chr(10)}{later}')}&since=0"
    assert allowed(closed, old)
    assert listen(closed, old.replace("%20a", "%20%61"))[1]["code"] == "url-signature"
    assert listen(closed, old + "&user=ann")[1]["code"] == "url-signature"


SIGNERS = {
    "php": (["php", "-n", "-r"], "echo signed_url({names}, {expires}, '{secret}', {user});"),
    "js": (
        ["node", "--input-type=module", "-e"],
        "process.stdout.write(signedUrl({names}, {expires}, '{secret}', {user}))",
    ),
    "python": ([sys.executable, "-c"], "print(signed_url({names}, {expires}, '{secret}', {user}), end='')"),
    "ruby": (["ruby", "-e"], "print signed_url({names}, {expires}, '{secret}', {user})"),
}


def signed_as_documented(language, names, expires, user=""):
    """The URL that the lines of docs/access.md make in this language."""
    page = (ROOT / "docs/access.md").read_text()
    section = page.split("### Signed URLs")[1].split("\n### ")[0]
    code = re.search(rf"^```{language}\n(?:<\?php\n)?(.*?)^```", section, re.MULTILINE | re.DOTALL)[1]
    program, call = SIGNERS[language]
    said = {"names": json.dumps(names, ensure_ascii=False), "user": json.dumps(user, ensure_ascii=False)}
    call = call.format(expires=expires, secret=SECRET, **said)
    done = subprocess.run([*program, code + call], capture_output=True, check=True, timeout=60, env=UTF8)
    return done.stdout.decode()


def test_the_documented_lines_of_all_languages_sign_alike(closed, name):
    names, later = [f"user.{name}", "user.é b", "a/b?c%&d"], int(time.time()) + 600
    urls = {language: signed_as_documented(language, names, later) for language in SIGNERS}
    assert len(set(urls.values())) == 1, urls
    closed.publish(",".join(names), "hello")
    assert allowed(closed, urls["php"] + "&since=0")
    assert not allowed(closed, urls["php"] + "x&since=0")


@pytest.mark.parametrize("language", SIGNERS)
def test_the_documented_lines_sign_for_a_user(closed, language):
    closed.publish("user.42", "hello")
    url = signed_as_documented(language, ["user.42"], int(time.time()) + 600, "ann é+")
    assert allowed(closed, url + "&since=0")
    code, told, _ = by_hand("url", "check", url)
    assert code == 0 and "for ann é+, until 20" in told
    assert not allowed(closed, url.replace("user=ann", "user=bob") + "&since=0")


@pytest.mark.parametrize("language", SIGNERS)
def test_the_documented_lines_sign_nothing_for_whoever_has_no_channel(closed, language):
    url = signed_as_documented(language, [], int(time.time()) + 600, "ann")
    status, _, problem = request(closed.wait_address, "POST", url + "&since=0&wait=0", b"user.42")
    assert (status, json.loads(problem)["code"]) == (401, "url-signature")
    assert listen(closed, url)[0] == 400


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
    _, url, _ = by_hand("url", "sign", f"user.{name}", "user.é", "--user", "ann b")
    assert allowed(closed, url + "&since=0") and "for ann b, until" in by_hand("url", "check", url)[1]


@pytest.mark.parametrize("names", [[""], ["a", ""], ["a,"], ["$all"], ["x" * 256]])
def test_a_url_is_not_signed_for_what_is_no_channel(names):
    code, told, why = by_hand("url", "sign", *names)
    assert (code, told) == (1, "") and "channel name" in why
    assert by_hand("url", "check", f"/sub/?expires=9999999999&signature=v2.x")[0] == 1


def test_a_token_is_not_made_for_what_is_no_channel():
    code, told, why = by_hand("token", "make", "")
    assert (code, told) == (1, "") and "pattern is empty" in why


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_when_the_token_ends_so_does_the_wait(closed, transport, name):
    token = make_token(listen=["user.*"], exp=int(time.time()) + 2)
    with socket.create_connection(closed.wait_address, timeout=30) as client:
        path = f"/sub/user.{name}?transport={transport}&token={token}"
        # Without chunks, as the end of what is told is looked at.
        client.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
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
        if not is_cursor(answer):
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
