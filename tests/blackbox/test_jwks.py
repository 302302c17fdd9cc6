"""Keys for tokens that are found at a URL: fetched, cached, changed without a pause, kept when it is down."""

import json
import subprocess
import time

import pytest
from harness.program import Program, until
from harness.upstream import Application
from test_hook import listen
from test_tokens import coded

CLOSED = '[[channel]]\nmatch = "user.*"\nlisten = "token"\n'


class Signer:
    """A private key of the application, by openssl."""

    def __init__(self, folder, kid, kind):
        self.kid, self.kind, self.file = kid, kind, folder / f"{kid}.pem"
        options = {
            "RS256": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
            "EdDSA": ["-algorithm", "ed25519"],
            "ES256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        }[kind]
        self.openssl("genpkey", *options, "-out", self.file)

    def openssl(self, *arguments, **options):
        return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True, **options).stdout

    def jwk(self):
        der = self.openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")
        jwk = {"kid": self.kid, "use": "sig", "alg": self.kind}
        if self.kind == "RS256":
            text = self.openssl("rsa", "-in", self.file, "-modulus", "-noout").decode()
            return jwk | {"kty": "RSA", "n": coded(bytes.fromhex(text.split("=")[1].strip())), "e": "AQAB"}
        if self.kind == "ES256":
            return jwk | {"kty": "EC", "crv": "P-256", "x": coded(der[-64:-32]), "y": coded(der[-32:])}
        return jwk | {"kty": "OKP", "crv": "Ed25519", "x": coded(der[-32:])}

    def token(self, **claims):
        head = {"alg": self.kind, "kid": self.kid}
        claims = {"exp": int(time.time()) + 600, "listen": "user.*"} | claims
        signed = f"{coded(json.dumps(head).encode())}.{coded(json.dumps(claims).encode())}"
        if self.kind == "EdDSA":
            data = self.file.with_suffix(".data")
            data.write_text(signed)
            signature = self.openssl("pkeyutl", "-sign", "-inkey", self.file, "-rawin", "-in", data)
        else:
            signature = self.openssl("dgst", "-sha256", "-sign", self.file, input=signed.encode())
            if self.kind == "ES256":
                signature = flat(signature)
        return f"{signed}.{coded(signature)}"


def flat(der):
    """An ECDSA signature as JWS has it: two numbers of 32 bytes."""
    length = der[3]
    r, s = der[4 : 4 + length], der[6 + length :]
    return b"".join(number.lstrip(b"\0").rjust(32, b"\0") for number in (r, s))


@pytest.fixture
def publisher():
    """Publishes the keys that are in its list; `down` makes it fail."""

    def answer(path, headers):
        if application.down:
            return 500, {}, b"down"
        return 200, {"Content-Type": "application/json"}, json.dumps({"keys": application.keys}).encode()

    application = Application(answer)
    application.keys, application.down = [], False
    yield application
    application.stop()


def start(tmp_path, url, more=""):
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(f'token_keys_url = "{url}"\n{more}{CLOSED}')
    return Program("--config", str(settings))


def judged(program, token, method=None):
    program.publish("user.a", "hello")
    status, _, problem = listen(program, f"/sub/user.a?since=0&token={token}")
    return problem["code"] if problem else status


@pytest.mark.parametrize("kind", ["RS256", "ES256", "EdDSA"])
def test_a_token_is_checked_with_a_key_that_was_found(tmp_path, publisher, kind):
    signer, forger = Signer(tmp_path, "one", kind), Signer(tmp_path, "other", kind)
    publisher.keys = [signer.jwk()]
    program = start(tmp_path, publisher.url)
    assert judged(program, signer.token()) == 200
    forger.kid = "one"
    assert judged(program, forger.token()) == "token-signature"
    assert judged(program, signer.token(exp=17)) == "token-expired"
    assert listen(program, "/sub/user.b?token=" + signer.token(listen="user.a"))[0] == 403
    assert len(publisher.requests) == 1
    program.stop()


def test_a_new_key_is_found_when_a_token_names_it(tmp_path, publisher):
    old, new, never = (Signer(tmp_path, kid, "EdDSA") for kid in ("old", "new", "never"))
    publisher.keys = [old.jwk()]
    program = start(tmp_path, publisher.url)
    assert judged(program, old.token()) == 200
    publisher.keys = [new.jwk()]
    # Not asked again at once: whoever names keys that nobody has does not make us run.
    assert judged(program, never.token()) == "token-key"
    assert len(publisher.requests) == 1
    until(lambda: judged(program, new.token()) == 200, "the new key is found", patience_s=60)
    assert judged(program, old.token()) == "token-key"
    assert len(publisher.requests) <= 3
    program.stop()


def test_keys_are_kept_while_their_url_is_down(tmp_path, publisher):
    signer, unknown = Signer(tmp_path, "one", "EdDSA"), Signer(tmp_path, "two", "EdDSA")
    publisher.keys = [signer.jwk()]
    program = start(tmp_path, publisher.url)
    assert judged(program, signer.token()) == 200
    publisher.down = True
    until(lambda: judged(program, unknown.token()) and len(publisher.requests) > 1, "it is tried again", 60)
    assert judged(program, signer.token()) == 200
    until(lambda: program.ask("/stats")["asked"]["keys_failed"] >= 1, "it is counted")
    assert program.ask("/stats")["asked"]["keys_known"] == 1
    program.stop()


def test_where_no_keys_were_found_nobody_is_let_in(tmp_path, publisher):
    signer = Signer(tmp_path, "one", "EdDSA")
    publisher.down = True
    program = start(tmp_path, publisher.url)
    assert judged(program, signer.token()) == "token-key"
    publisher.down, publisher.keys = False, [signer.jwk()]
    until(lambda: judged(program, signer.token()) == 200, "the keys are found", patience_s=60)
    program.stop()


def test_keys_come_over_tls_where_the_certificate_is_good(tmp_path, publisher):
    """By a real TLS server with a certificate of an authority made for this test."""
    import functools
    import http.server
    import ssl
    import threading

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], capture_output=True, check=True)

    authority, key, cert = tmp_path / "ca.pem", tmp_path / "key.pem", tmp_path / "cert.pem"
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=authority", "-keyout", tmp_path / "ca.key", "-out", authority)  # fmt: skip
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
            "-keyout", key, "-out", tmp_path / "asked.pem")  # fmt: skip
    (tmp_path / "names").write_text("subjectAltName=DNS:localhost\n")
    openssl("x509", "-req", "-days", "2", "-in", tmp_path / "asked.pem", "-CA", authority, "-CAkey",
            tmp_path / "ca.key", "-CAcreateserial", "-extfile", tmp_path / "names", "-out", cert)  # fmt: skip
    signer = Signer(tmp_path, "one", "ES256")
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [signer.jwk()]}))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"https://localhost:{server.server_address[1]}/jwks.json"
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(f'token_keys_url = "{url}"\n{CLOSED}')
    for env, expected in [({"SSL_CERT_FILE": str(authority)}, 200), ({}, "token-key")]:
        program = Program("--config", str(settings), env=env)
        assert judged(program, signer.token()) == expected
        if expected != 200:
            program.until_logged("certificate")
        program.stop()
    server.shutdown()
