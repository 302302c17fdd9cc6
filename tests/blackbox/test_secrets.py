"""No secret comes out: not in the log at any level, in refusals, numbers or lists, while all are used and refused."""

import json
import re
import subprocess
import time
import urllib.parse

import websockets.sync.client
from harness.program import Program, binary, request, until
from harness.tokens import SECRET, coded, make_token, signed_url
from harness.upstream import Application

COOKIE = "multiplexor_sign_in"
# An application that is stopped answers no more on connections that are kept.
CLOSE = {"Connection": "close"}


def make_key():
    made = subprocess.run([binary(), "key", "make", "--json"], capture_output=True, check=True)
    return json.loads(made.stdout)["key"]


class Scene:
    """A program, an application behind it, all secrets that were shown, and all refusals that came back."""

    def __init__(self, folder, *flags):
        self.key, self.stranger = make_key(), make_key()
        self.secrets = {"key": self.key, "unknown key": self.stranger, "token_secret": SECRET}
        self.refusals, self.codes = [], set()
        self.application = Application(self.answer)
        hook = self.secret("hook's URL", "hook-url-secret-6Yx0")
        upstream = self.application.url
        settings = folder / "multiplexor.toml"
        settings.write_text(
            f'token_secret = "{SECRET}"\nhook = "{upstream}/who?secret={hook}"\nhook_timeout = "500ms"\n'
            f'hook_headers = ["cookie", "authorization", "x-session"]\n'
            f'takeover = "{upstream}"\ntakeover_prefix = "/app/"\ntoken_keys_url = "{upstream}/keys?secret={hook}"\n'
            '[[channel]]\nmatch = "user.*"\nlisten = "token"\n'
        )
        self.flags = ["--config", str(settings)]
        self.env = {"MULTIPLEXOR_KEY": self.key}
        self.program = Program(*self.flags, *flags, env=self.env)

    def secret(self, what, value):
        self.secrets[what] = value
        return value

    def answer(self, path, headers):
        """What the application says depends on the last word of the cookie, so that each way of failing is had."""
        last = (headers.get("Cookie") or headers.get("X-Session") or "")[-5:]
        if path.startswith("/app/"):
            return {"late.": 500}.get(last, 403), CLOSE, b"no"
        if last == "late.":
            time.sleep(1)
        status = {"deny.": 403, "fail.": 500}.get(last, 200)
        return status, CLOSE, b"garbage" if last == "junk." else json.dumps({"listen": ["user.*"]}).encode()

    def ask(self, address, method, path, body=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        status, told, answer = request(address, method, path, body, headers)
        if status >= 400:
            self.refusals.append(f"{told} {answer.decode()}")
            self.codes.add(json.loads(answer)["code"] if answer.startswith(b"{") else status)
        return status, told, answer

    def publish(self, **headers):
        return self.ask(self.program.in_address, "POST", "/pub/user.1", b"x", **headers)[0]

    def poll(self, path, **headers):
        joined = "&" if "?" in path else "?"
        return self.ask(self.program.wait_address, "GET", f"{path}{joined}transport=poll&wait=0", **headers)[0]

    def with_keys(self):
        assert self.publish(Authorization=f"Bearer {self.key}") == 200
        for wrong in [f"Bearer {self.stranger}", f"Basic {self.key}", self.key, f"Bearer {self.key}x", f"Bearer  {self.stranger}\t"]:
            assert self.publish(Authorization=wrong) == 401
        ours = {"Sec_Fetch_Site": "same-origin"}
        status, told, _ = self.ask(self.program.in_address, "POST", "/sign-in", f"key={self.key}", **ours)
        assert status == 200
        ticket = self.secret("sign-in cookie", re.search(f"{COOKIE}=([^;]+)", told["set-cookie"])[1])
        forged = self.secret("forged sign-in cookie", coded(b"forged-sign-in-cookie-of-a-sort"))
        assert self.publish(Cookie=f"{COOKIE}={ticket}", **ours) == 200
        assert self.publish(Cookie=f"{COOKIE}={forged}", **ours) == 401
        assert self.publish(Cookie=f"{COOKIE}={ticket}", Sec_Fetch_Site="cross-site") == 403
        for body in [f"key={self.stranger}", f"key={self.key}&" + "x" * 2_000, self.key]:
            assert self.ask(self.program.in_address, "POST", "/sign-in", body)[0] >= 400
        assert self.ask(self.program.in_address, "POST", "/sign-out", Cookie=f"{COOKIE}={ticket}", **ours)[0] == 204
        assert self.publish(Cookie=f"{COOKIE}={ticket}", **ours) == 401

    def with_tokens(self):
        head, payload, signature = make_token(sub="ann", listen="user.1").split(".")
        ended = make_token(sub="ann", listen="user.1", exp=int(time.time()) - 5)
        unsigned = f"{coded(json.dumps({'alg': 'none'}).encode())}.{payload}."
        unknown = f"{coded(json.dumps({'alg': 'RS256', 'kid': 'who'}).encode())}.{payload}.{signature}"
        tokens = {
            "token": f"{head}.{payload}.{signature}",
            "ended token": ended,
            "forged token": f"{head}.{payload}.{signature[::-1]}",
            "token of an unknown key": unknown,
            "unsigned token": unsigned,
            "half a token": f"{head}.{payload}",
            "other token": make_token(sub="ann", listen="user.2"),
        }
        for what, token in tokens.items():
            for part in token.split(".")[1:]:
                if part:
                    self.secret(f"{what}: {part[:6]}…", part)
            expected = {200} if what == "token" else {401, 403, 503}
            assert self.poll(f"/sub/user.1?token={token}") in expected, what
            assert self.poll("/sub/user.1", Authorization=f"Bearer {token}") in expected, what
            assert self.poll("/sub/user.1", Cookie=f"multiplexor_token={token}") in expected, what
            self.websocket(token)
            assert self.poll(f"/sub/a,,b?token={token}") == 400
            assert self.poll(f"/nothing/?token={token}") in {400, 401, 404}

    def websocket(self, token):
        url = f"{self.program.ws_url}/sub/user.1?transport=ws"
        try:
            with websockets.sync.client.connect(url, subprotocols=["multiplexor", f"bearer.{token}"]) as client:
                client.send(json.dumps({"token": token[:-2], "id": 1}))
                self.refusals.append(client.recv(timeout=30))
        except websockets.exceptions.InvalidStatus as refused:
            self.refusals.append(f"{refused.response.headers} {refused.response.body}")
        with websockets.sync.client.connect(f"{self.program.ws_url}/sub/open?transport=ws") as client:
            client.send(json.dumps({"token": token, "id": 1}))
            client.send(json.dumps({"subscribe": ["user.1"], "id": 2}))
            client.send(json.dumps({"token": token + "x", "id": 3}))
            for _ in range(4):
                try:
                    self.refusals.append(client.recv(timeout=30))
                except websockets.exceptions.ConnectionClosed as closed:
                    self.refusals.append(str(closed))
                    break

    def with_signatures(self):
        now = int(time.time())
        for what, expires, is_right in [("right", now + 60, True), ("ended", now - 60, True), ("forged", now + 60, False)]:
            url = signed_url("user.1" if is_right else "user.2", expires)
            signature = self.secret(f"signature, {what}", url.split("v2.")[1])
            status = self.poll(f"/sub/user.1?expires={expires}&signature=v2.{signature}")
            assert status == 200 if what == "right" else status in {401, 403}

    def with_sessions(self):
        for number, last in enumerate(["good.", "deny.", "fail.", "junk.", "late."]):
            for header in ["Cookie", "Authorization", "X-Session"]:
                value = self.secret(f"{header} of the hook, {last}", f"session-secret-{header}-{number}-{last}")
                shown = {"Cookie": f"PHPSESSID={value}"}.get(header, value)
                # Authorization decides nothing in the application, so it lets everybody in who shows it.
                status = self.poll("/sub/user.1", **{header.replace("-", "_"): shown})
                assert status in {200, 401, 403, 503}, (header, last)
                self.ask(self.program.wait_address, "GET", f"/app/x?token={value}", **{header.replace("-", "_"): shown})
        self.application.stop()
        gone = self.secret("session while the application is gone", "session-secret-gone")
        assert self.poll("/sub/user.1", Cookie=f"PHPSESSID={gone}") == 503
        assert self.ask(self.program.wait_address, "GET", f"/app/x?token={gone}", Cookie=f"a={gone}")[0] == 502

    def everything_that_tells(self):
        shown = {"Authorization": f"Bearer {self.key}"}
        told = {}
        for path in ["/refused", "/metrics", "/stats", "/channels", "/openapi.json", "/session"]:
            status, _, answer = request(self.program.in_address, "GET", path, None, shown)
            assert status == 200, path
            told[path] = answer.decode()
        for command in [
            ["doctor", "--json", "--pid", str(self.program.pid)],
            ["doctor", "--json", "--patience", "100ms", self.program.wait_url],
            ["config", *self.flags],
            ["config", "--json", *self.flags],
        ]:
            done = subprocess.run([binary(), *command], capture_output=True, timeout=120, env=self.env)
            told[" ".join(command[:2])] = (done.stdout + done.stderr).decode()
        told["refusals"] = "\n".join(map(str, self.refusals))
        return told

    def stop(self):
        self.program.stop()
        return self.program.stdout() + self.program.stderr()


def test_no_secret_comes_out_whatever_becomes_of_it(tmp_path):
    scene = Scene(tmp_path, "--log-level", "trace")
    try:
        scene.with_keys()
        scene.with_tokens()
        scene.with_signatures()
        scene.with_sessions()
        told = scene.everything_that_tells()
    finally:
        log = scene.stop()
    told["log"] = log
    assert len(told["log"].splitlines()) > 100 and len(scene.refusals) > 60, "much was refused, and logged"
    assert {"api-key", "sign-in", "cross-site", "grant", "hook", "hook-refused", "takeover"} <= scene.codes, scene.codes
    for where, text in told.items():
        assert text, where
        for what, secret in scene.secrets.items():
            # `config` shows settings, of which only those named secret are.
            if what == "hook's URL" and where.startswith("config"):
                continue
            for written in {secret, urllib.parse.quote(secret, safe=""), secret.lower()}:
                place = text.find(written)
                assert place < 0, (where, what, text[max(0, place - 200) : place + 200])


def test_a_password_in_a_url_is_refused_and_not_repeated():
    done = subprocess.run([binary(), "--hook", "http://user:hunter2@127.0.0.1/"], capture_output=True, timeout=60)
    assert done.returncode == 2 and b"without a password" in done.stderr
    assert b"hunter2" not in done.stdout + done.stderr
