"""Signing in to the IN line with an API key: the cookie, what it is good for, and what it is not."""

import http.cookies
import json
import re
import socket
import ssl
import subprocess
import urllib.parse

import pytest
from harness.authority import Authority
from harness.program import binary, request, until
from harness.wire import Lines

COOKIE = "multiplexor_sign_in"


def make_key():
    made = subprocess.run([binary(), "key", "make", "--json"], capture_output=True, check=True)
    made = json.loads(made.stdout)
    return made["key"], made["hash"]


def sign_in(program, key, **headers):
    headers = {"Content-Type": "application/x-www-form-urlencoded"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return request(program.in_address, "POST", "/sign-in", urllib.parse.urlencode({"key": key}), headers)


def given(headers):
    """The cookie that is given: its value and what is said of it."""
    cookie = http.cookies.SimpleCookie(headers["set-cookie"])[COOKIE]
    return cookie.value, cookie


def signed_in(program, key):
    status, headers, answer = sign_in(program, key)
    assert status == 200, answer
    return given(headers)[0]


def ask(program, method, path, ticket=None, body=None, **headers):
    """A request of our own page, unless it says otherwise; its status and the code of what was wrong."""
    said = {"Sec-Fetch-Site": "same-origin"} | {k.replace("_", "-"): v for k, v in headers.items()}
    if ticket is not None:
        said["Cookie"] = f"theme=dark; {COOKIE}={ticket}"
    status, _, answer = request(program.in_address, method, path, body, {k: v for k, v in said.items() if v})
    return status, json.loads(answer)["code"] if status >= 400 else None


@pytest.fixture
def keyed(serve):
    key, digest = make_key()
    return serve(env={"MULTIPLEXOR_KEY": digest}), key


def test_whoever_shows_a_key_gets_a_cookie_that_stands_for_it(keyed, name):
    program, key = keyed
    assert ask(program, "GET", "/channels") == (401, "credentials")
    status, headers, answer = sign_in(program, key)
    ticket, cookie = given(headers)
    assert status == 200 and json.loads(answer)["session"]["match"] == ["*"]
    assert cookie["httponly"] and cookie["samesite"] == "Strict" and cookie["path"] == "/"
    assert cookie["max-age"] == str(12 * 3600) and not cookie["secure"] and not cookie["domain"]
    assert headers["cache-control"] == "no-store"
    assert len(ticket) == 43 and key not in headers["set-cookie"] and key.encode() not in answer
    with Lines(program, f"/sub/{name}"):
        assert ask(program, "POST", f"/pub/{name}", ticket, b"hello") == (200, None)
    for path in ["/channels", "/stats", "/metrics", "/refused", f"/channels/{name}/history"]:
        assert ask(program, "GET", path, ticket) == (200, None), path
    metrics = request(program.in_address, "GET", "/metrics", None, {"Authorization": f"Bearer {key}"})[2].decode()
    assert "multiplexor_in_sign_ins_total 1\n" in metrics


def test_each_sign_in_has_a_cookie_of_its_own_and_a_new_one_ends_the_old_one(keyed):
    program, key = keyed
    first, second = signed_in(program, key), signed_in(program, key)
    assert first != second
    status, headers, _ = sign_in(program, key, Cookie=f"{COOKIE}={second}")
    third = given(headers)[0]
    assert status == 200 and third not in (first, second)
    assert ask(program, "GET", "/channels", first) == (200, None)
    assert ask(program, "GET", "/channels", second) == (401, "sign-in")
    assert ask(program, "GET", "/channels", third) == (200, None)


def test_what_is_no_key_is_refused_and_told_of(keyed):
    program, key = keyed
    for wrong in ["", make_key()[0], key[:-1], key + "x", "x" * 900, "\x00"]:
        status, headers, answer = sign_in(program, wrong)
        assert status == 401 and json.loads(answer)["code"] == "api-key" and "set-cookie" not in headers, wrong
    assert sign_in(program, f" {key}\r\n")[0] == 200, "blanks that were copied with it do no harm"
    assert sign_in(program, "x" * 5_000)[0] == 413
    authorization = {"Authorization": f"Bearer {key}"}
    refused = json.loads(request(program.in_address, "GET", "/refused", None, authorization)[2])["refused"]
    assert len(refused) == 6 and {(one["code"], one["what"]) for one in refused} == {("api-key", "/sign-in")}


def test_whoever_tries_many_keys_is_told_to_wait_and_holds_up_nobody(keyed):
    program, key = keyed
    # All at once, so that a slow machine makes no difference.
    one = "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n{}\r\nkey=wrong"
    with socket.create_connection(program.in_address, timeout=30) as many:
        many.sendall((one.format("") * 199 + one.format("Connection: close\r\n")).encode())
        answers = b"".join(iter(lambda: many.recv(65536), b"")).decode()
    statuses = re.findall(r"HTTP/1\.1 (\d+)", answers)
    assert len(statuses) == 200 and set(statuses) == {"401", "429"}
    assert "retry-after: 1" in answers and '"code":"rate"' in answers
    assert sign_in(program, key)[0] == 200


def test_an_address_has_so_many_tries_a_second(serve):
    key, digest = make_key()
    program = serve("--in-address-requests", "5", env={"MULTIPLEXOR_KEY": digest})
    answers = [sign_in(program, "wrong") for _ in range(50)]
    assert {json.loads(answer)["code"] for status, _, answer in answers if status == 429} == {"address-requests"}


def test_forged_cookies_are_refused(keyed):
    program, key = keyed
    ticket = signed_in(program, key)
    other = "B" if ticket[0] != "B" else "C"
    for forged in ["", "x", key, ticket[:-1], ticket + "A", other + ticket[1:], ticket.swapcase(), "é", '"' + ticket + '"']:
        assert ask(program, "GET", "/channels", forged.encode().decode("latin-1")) == (401, "sign-in"), forged
    assert ask(program, "GET", "/channels", ticket) == (200, None)


def test_a_cookie_ends_by_itself_and_a_watch_with_it(serve):
    key, digest = make_key()
    program = serve("--sign-in-age", "5s", env={"MULTIPLEXOR_KEY": digest})
    _, headers, _ = sign_in(program, key)
    ticket, cookie = given(headers)
    assert cookie["max-age"] == "5"
    watched = request(program.in_address, "GET", "/watch?transport=sse", None, {"Cookie": f"{COOKIE}={ticket}"})
    assert watched[0] == 200, "it ends, though nobody ended it"
    assert ask(program, "GET", "/channels", ticket) == (401, "sign-in")


def test_signing_out_ends_it_on_the_server_and_what_it_watches(keyed):
    program, key = keyed
    ticket, other = signed_in(program, key), signed_in(program, key)
    with socket.create_connection(program.in_address, timeout=30) as watch:
        head = f"GET /watch?transport=stream HTTP/1.0\r\nHost: localhost\r\nCookie: {COOKIE}={ticket}\r\n\r\n"
        watch.sendall(head.encode())
        assert watch.recv(1).startswith(b"H")
        assert ask(program, "POST", "/sign-out", ticket, Sec_Fetch_Site="cross-site") == (403, "cross-site")
        status, headers, _ = request(
            program.in_address,
            "POST",
            "/sign-out",
            None,
            {"Cookie": f"{COOKIE}={ticket}", "Sec-Fetch-Site": "same-origin"},
        )
        assert status == 204 and given(headers)[0] == "" and given(headers)[1]["max-age"] == "0"
        while watch.recv(4096):
            pass
    assert ask(program, "GET", "/channels", ticket) == (401, "sign-in")
    assert ask(program, "GET", "/channels", other) == (200, None)
    assert ask(program, "POST", "/sign-out")[0] == 204, "nobody is signed in, and nobody is afterwards"


@pytest.mark.parametrize("site", ["cross-site", "same-site", None])
def test_pages_of_others_change_nothing_by_the_cookie(keyed, name, site):
    program, key = keyed
    ticket = signed_in(program, key)
    for method, path in [("POST", f"/pub/{name}"), ("POST", "/pub"), ("DELETE", f"/channels/{name}"), ("POST", "/sign-out")]:
        assert ask(program, method, path, ticket, b"x", Sec_Fetch_Site=site) == (403, "cross-site"), path
    if site:
        assert ask(program, "GET", "/channels", ticket, Sec_Fetch_Site=site) == (403, "cross-site")
        status, headers, _ = sign_in(program, key, Sec_Fetch_Site=site)
        assert status == 403 and "set-cookie" not in headers
    for origin in ["https://evil.example", "null", f"http://127.0.0.1:{program.wait_address[1]}"]:
        assert ask(program, "POST", f"/pub/{name}", ticket, b"x", Sec_Fetch_Site=site, Origin=origin) == (403, "origin")
        assert sign_in(program, key, Origin=origin)[0] == 403
    refused = json.loads(request(program.in_address, "GET", "/refused", None, {"Authorization": f"Bearer {key}"})[2])
    assert {one["code"] for one in refused["refused"]} == {"cross-site", "origin"}


def test_browsers_that_say_no_more_than_the_origin_are_believed_by_it(keyed, name):
    program, key = keyed
    ticket = signed_in(program, key)
    ours = program.in_url
    assert ask(program, "POST", f"/pub/{name}", ticket, b"x", Sec_Fetch_Site=None, Origin=ours) == (200, None)
    assert ask(program, "GET", "/channels", ticket, Sec_Fetch_Site=None) == (200, None)
    assert ask(program, "GET", "/channels", ticket, Sec_Fetch_Site="none") == (200, None), "typed in"
    assert ask(program, "POST", f"/pub/{name}", ticket, b"x", Sec_Fetch_Site="none") == (403, "cross-site")


def test_a_key_in_the_header_beats_the_cookie(keyed, name):
    program, key = keyed
    ticket = signed_in(program, key)
    wrong, right = f"Bearer {make_key()[0]}", f"Bearer {key}"
    assert ask(program, "GET", "/channels", ticket, Authorization=wrong) == (401, "api-key")
    assert ask(program, "POST", f"/pub/{name}", "forged", b"x", Authorization=right, Sec_Fetch_Site=None) == (200, None)


def test_a_sign_in_may_what_its_key_may(serve, name, tmp_path):
    key, digest = make_key()
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(f'[[key]]\nname = "shop"\nhash = "{digest}"\nmay = ["publish"]\nmatch = ["{name}.*"]\n')
    program = serve("--config", str(settings))
    ticket = signed_in(program, key)
    assert ask(program, "POST", f"/pub/{name}.1", ticket, b"x") == (200, None)
    assert ask(program, "POST", f"/pub/{name}", ticket, b"x") == (403, "grant")
    assert ask(program, "GET", "/channels", ticket) == (403, "grant")
    said = request(program.in_address, "GET", "/session", None, {"Cookie": f"{COOKIE}={ticket}"})[2]
    session = json.loads(said)["session"]
    assert (session["key"], session["may"], session["match"]) == ("shop", ["publish"], [f"{name}.*"])
    assert json.loads(request(program.in_address, "GET", "/session")[2]) == {"asks": True, "session": None}


def test_a_restart_ends_all_sign_ins_and_a_key_that_is_gone_signs_nobody_in(serve):
    (key, digest), (other, other_digest) = make_key(), make_key()
    before = serve(env={"MULTIPLEXOR_KEY": f"{digest},{other_digest}"})
    ticket = signed_in(before, key)
    after = serve(env={"MULTIPLEXOR_KEY": other_digest})
    assert ask(after, "GET", "/channels", ticket) == (401, "sign-in")
    assert sign_in(after, key)[0] == 401
    assert sign_in(after, other)[0] == 200


def test_where_no_key_is_asked_for_there_is_nothing_to_sign_in_to(serve):
    program = serve()
    status, headers, answer = sign_in(program, make_key()[0])
    assert status == 400 and json.loads(answer)["code"] == "sign-in" and "set-cookie" not in headers
    assert json.loads(request(program.in_address, "GET", "/session")[2]) == {"asks": False, "session": None}
    assert ask(program, "GET", "/channels", "whatever", Sec_Fetch_Site="same-origin") == (200, None)


def test_through_tls_the_cookie_is_for_tls_only(serve, tmp_path):
    key, digest = make_key()
    authority = Authority(tmp_path)
    certificate, private = authority.issue("server", "localhost", "127.0.0.1")
    shown = ["--tls-certificate", str(certificate), "--tls-key", str(private)]
    program = serve(*shown, "--in-tls", "on", env={"MULTIPLEXOR_KEY": digest})
    context = ssl.create_default_context(cafile=str(authority.certificate))
    body = f"key={key}"
    head = f"POST /sign-in HTTP/1.0\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    plain = socket.create_connection(program.in_address, timeout=30)
    with context.wrap_socket(plain, server_hostname="localhost") as secured:
        secured.sendall((head + body).encode())
        answer = b"".join(iter(lambda: secured.recv(4096), b"")).decode()
    assert re.search(r"(?im)^set-cookie: .*; Secure\r?$", answer), answer


def test_behind_a_proxy_that_speaks_tls_the_cookie_is_for_tls_only(keyed):
    program, key = keyed
    _, headers, _ = sign_in(program, key, Origin=f"https://127.0.0.1:{program.in_address[1]}", Sec_Fetch_Site="same-origin")
    assert given(headers)[1]["secure"]
    _, headers, _ = sign_in(program, key, Origin=program.in_url)
    assert not given(headers)[1]["secure"]


def test_the_addresses_of_signing_in_say_which_methods_they_take(keyed):
    program, _ = keyed
    for method, path in [("DELETE", "/sign-in"), ("GET", "/sign-out"), ("POST", "/session")]:
        assert ask(program, method, path) == (405, "method"), path
    status, headers, page = request(program.in_address, "GET", "/sign-in")
    assert status == 200 and headers["content-type"].startswith("text/html") and b"API key" in page
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
