"""Who may what: every source of rights, every right, every way to wait; and credentials that are worth nothing."""

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import time

import pytest
import websockets
from harness.program import Program, binary, request
from harness.tokens import SECRET, coded, make_token, signed_url
from harness.upstream import Application
from test_hook import listen

RIGHTS = ["listen", "publish", "presence", "history", "administer"]
TRANSPORTS = ["poll", "sse", "stream", "ws"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """All channels are closed; tokens, signed URLs and a hook open them. A cookie says what the hook answers."""

    def answer(path, headers):
        right = headers.get("Cookie", "").partition("right=")[2]
        return 200, {}, json.dumps({"user": "ann", right: ["room.a"]}).encode()

    application = Application(answer)
    settings = tmp_path_factory.mktemp("rights") / "multiplexor.toml"
    settings.write_text(f'listen = "token"\ntoken_secret = "{SECRET}"\nhook = "{application.url}"\n')
    program = Program("--config", str(settings))
    program.publish("room.a", "hello")
    program.publish("room.b", "hello")
    yield program
    program.stop()
    application.stop()


def waits(program, transport, path, headers=None):
    """The status with which somebody may wait so, and the code if he may not."""
    path += ("&" if "?" in path else "?") + f"since=0&transport={transport}"
    if transport != "ws":
        status, _, problem = listen(program, path, headers)
        return status, problem and problem["code"]

    async def run():
        async with websockets.connect(program.ws_url + path, additional_headers=headers):
            return 200, None

    try:
        return asyncio.run(run())
    except websockets.InvalidStatus as refused:
        return refused.response.status_code, json.loads(refused.response.body)["code"]


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("right", RIGHTS)
@pytest.mark.parametrize("source", ["token", "cookie", "header", "hook"])
def test_to_wait_takes_the_right_to_listen_and_no_other(guarded, source, right, transport):
    token = make_token(**{right: ["room.a"]})
    query, headers = "", {}
    if source == "token":
        query = f"?token={token}"
    elif source == "cookie":
        headers = {"Cookie": f"multiplexor_token={token}"}
    elif source == "header":
        headers = {"Authorization": f"Bearer {token}"}
    else:
        headers = {"Cookie": f"right={right}"}
    expected = (200, None) if right == "listen" else (403, "grant")
    assert waits(guarded, transport, f"/sub/room.a{query}", headers) == expected
    assert waits(guarded, transport, f"/sub/room.b{query}", headers) == (403, "grant")
    assert waits(guarded, transport, f"/sub/room.a,room.b{query}", headers) == (403, "grant")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_signed_url_and_nothing_at_all(guarded, transport):
    later = int(time.time()) + 60
    signed = signed_url("room.a", later)
    assert waits(guarded, transport, signed) == (200, None)
    assert waits(guarded, transport, signed.replace("room.a", "room.b")) == (401, "url-signature")
    assert waits(guarded, transport, "/sub/room.a") == (401, "credentials")


def signed(head, claims, key=SECRET, hash_=hashlib.sha256):
    text = f"{coded(json.dumps(head).encode())}.{coded(json.dumps(claims).encode())}"
    return f"{text}.{coded(hmac.new(key.encode(), text.encode(), hash_).digest())}"


def worthless():
    """Tokens that are worth nothing, by name, each with the code that says why."""
    now = int(time.time())
    good = {"exp": now + 600, "listen": "room.*"}
    hs256 = {"alg": "HS256", "typ": "JWT"}
    token = signed(hs256, good)
    head, claims, signature = token.split(".")
    other = coded(json.dumps(good | {"listen": "*"}).encode())
    flipped = bytearray(base64.urlsafe_b64decode(signature + "="))
    flipped[0] ^= 1
    return {
        "claims of another": (f"{head}.{other}.{signature}", "token-signature"),
        "one bit": (f"{head}.{claims}.{coded(bytes(flipped))}", "token-signature"),
        "no signature": (f"{head}.{claims}.", "token-signature"),
        "cut off": (f"{head}.{claims}.{coded(bytes(flipped[1:]))}", "token-signature"),
        "another key": (signed(hs256, good, key="x" * 40), "token-signature"),
        "the empty key": (signed(hs256, good, key=""), "token-signature"),
        "another hash than it says": (signed(hs256, good, hash_=hashlib.sha512), "token-signature"),
        "alg none": (f"{coded(json.dumps({'alg': 'none'}).encode())}.{claims}.", "token-algorithm"),
        "alg None": (f"{coded(json.dumps({'alg': 'None'}).encode())}.{claims}.{signature}", "token-algorithm"),
        "alg RS256 by the secret": (signed({"alg": "RS256"}, good), "token-algorithm"),
        "alg hs256": (signed({"alg": "hs256"}, good), "token-algorithm"),
        "no alg": (signed({"typ": "JWT"}, good), "token"),
        "crit": (signed(hs256 | {"crit": ["exp"]}, good), "token"),
        "two parts": (f"{head}.{claims}", "token"),
        "no base64": (f"{head}.{claims}!.{signature}", "token"),
        "no json": (signed(hs256, good).replace(head, coded(b"nonsense")), "token"),
        "a list of claims": (signed(hs256, [1]), "token-claims"),
        "no exp": (signed(hs256, {"listen": "room.*"}), "token-claims"),
        "exp a word": (signed(hs256, good | {"exp": "never"}), "token-claims"),
        "listen a number": (signed(hs256, good | {"listen": 7}), "token-claims"),
        "over": (signed(hs256, good | {"exp": now - 1}), "token-expired"),
        "over long ago": (signed(hs256, good | {"exp": -1e300}), "token-expired"),
        "not yet": (signed(hs256, good | {"nbf": now + 600}), "token-early"),
        "for somebody else": (signed(hs256, good | {"aud": "other"}), "token-audience"),
    }


@pytest.mark.parametrize("what", worthless())
def test_a_token_that_is_worth_nothing_opens_nothing(guarded, what):
    token, code = worthless()[what]
    for transport in TRANSPORTS:
        assert waits(guarded, transport, f"/sub/room.a?token={token}") == (401, code), transport
        assert waits(guarded, transport, "/sub/room.a", {"Authorization": f"Bearer {token}"}) == (401, code)
    last = guarded.ask("/refused?limit=1")["refused"][0]
    assert last["code"] == code and token not in json.dumps(last)


def test_clocks_may_be_a_little_askew(guarded):
    """Whoever makes tokens may be ahead of the server by a minute; an end is an end."""
    now = int(time.time())
    for claims, expected in [
        ({"nbf": now + 30}, (200, None)),
        ({"nbf": now + 90}, (401, "token-early")),
        ({"iat": now + 3600}, (200, None)),
        ({"exp": now - 2}, (401, "token-expired")),
    ]:
        token = make_token(listen="room.*", **claims)
        assert waits(guarded, "poll", f"/sub/room.a?token={token}") == expected, claims


@pytest.mark.parametrize("right", RIGHTS)
def test_an_api_key_may_what_it_was_given_and_no_more(tmp_path, right):
    made = json.loads(subprocess.run([binary(), "key", "make", "--json"], capture_output=True, check=True).stdout)
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(f'[[key]]\nhash = "{made["hash"]}"\nmay = ["{right}"]\nmatch = ["room.*"]\n')
    program = Program("--config", str(settings))
    for method, path, needed in [
        ("POST", "/pub/room.a", "publish"),
        ("GET", "/channels/room.a", "presence"),
        ("GET", "/channels", "presence"),
        ("GET", "/channels/room.a/history", "history"),
        ("DELETE", "/channels/room.a", "administer"),
    ]:
        for key, expected in [(made["key"], 200 if needed == right else 403), (None, 401), (made["key"] + "x", 401)]:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            status, _, body = request(program.in_address, method, path, b"x" if method == "POST" else None, headers)
            # A channel that nobody used is none that could be deleted.
            assert status == expected or (status == 404 and expected == 200), (method, path, body)
            foreign = path.replace("room.a", "hall")
            if key == made["key"] and foreign != path:
                assert request(program.in_address, method, foreign, b"x", headers)[0] == 403
    program.stop()
