"""TLS on both lines: with curl, openssl, httpx and websockets; certificates that change; who gets it wrong."""

import json
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import threading

import httpx
import pytest
import websockets.sync.client
from harness.authority import Authority
from harness.program import Program, binary, request, until

PATIENCE_S = 30


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def shown(authority):
    """The certificate of the server, as flags."""
    certificate, key = authority.issue("server", "localhost", "127.0.0.1", "push.example", "*.wild.example")
    return ["--tls-certificate", str(certificate), "--tls-key", str(key)]


@pytest.fixture(scope="module")
def program(shown):
    running = Program(*shown)
    yield running
    running.stop()


def url(program):
    return f"https://localhost:{program.wait_address[1]}"


def trusting(authority, **options):
    context = ssl.create_default_context(cafile=str(authority.certificate))
    for name, value in options.items():
        setattr(context, name, value)
    return context


def connect(program, context, name="localhost"):
    return context.wrap_socket(socket.create_connection(program.wait_address, PATIENCE_S), server_hostname=name)


def metrics(program, context=None):
    """Every metric, summed over its labels."""
    found = {}
    for line in httpx.get(f"http://{program.ins[0]}/metrics").text.splitlines():
        if not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            name = name.split("{")[0]
            found[name] = found.get(name, 0) + float(value)
    return found


def s_client(program, authority, *flags, said="", address=None):
    host, port = address or program.wait_address
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-CAfile", str(authority.certificate), *flags]
    done = subprocess.run(command, input=said, capture_output=True, text=True, timeout=PATIENCE_S)
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl_listens_over_tls(program, authority, name, version):
    command = ["curl", "-sSN", "--cacert", authority.certificate, f"--tlsv{version}", "--tls-max", version]
    command += ["-H", "Accept: text/event-stream", f"{url(program)}/sub/{name}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as curl:
        program.until_waiting(name)
        program.publish(name, "over TLS")
        assert "data: over TLS\n" in iter(curl.stdout)
        curl.terminate()


def test_every_transport_of_python_works(program, authority, name):
    context = trusting(authority)
    with httpx.Client(verify=context, timeout=PATIENCE_S) as client:
        with client.stream("GET", f"{url(program)}/sub/{name}?transport=stream") as stream:
            program.until_waiting(name)
            cursor = program.publish(name, "x" * 100_000)
            lines = (json.loads(line) for line in stream.iter_lines())
            assert next(line for line in lines if "data" in line)["data"] == "x" * 100_000
        polled = client.get(f"{url(program)}/sub/{name}?tail=1").json()
        assert polled["cursor"] == cursor
    address = url(program).replace("https", "wss") + f"/sub/{name}?tail=1"
    with websockets.sync.client.connect(address, ssl=context) as ws:
        while "data" not in (heard := json.loads(ws.recv(PATIENCE_S))):
            pass
        assert heard["cursor"] == cursor
        ws.send(json.dumps({"ping": 7}))
        while (heard := json.loads(ws.recv(PATIENCE_S))) != {"pong": 7}:
            pass


def test_old_versions_are_refused_and_counted(program, authority):
    before = metrics(program)["multiplexor_wait_tls_incompatible_total"]
    told = s_client(program, authority, "-tls1_1", "-cipher", "ALL:@SECLEVEL=0")
    assert "alert handshake failure" in told or "alert protocol version" in told, told
    assert metrics(program)["multiplexor_wait_tls_incompatible_total"] == before + 1
    for version in ["-tls1_2", "-tls1_3"]:
        assert "Verify return code: 0 (ok)" in s_client(program, authority, version)


def test_a_client_comes_back_by_its_ticket(program, authority, tmp_path):
    before = metrics(program)["multiplexor_wait_tls_resumptions_total"]
    for n, version in enumerate(["-tls1_2", "-tls1_3"]):
        ticket = str(tmp_path / f"ticket{n}")
        ask = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        told = s_client(program, authority, version, "-sess_out", ticket, "-ign_eof", said=ask)
        assert "New, TLS" in told and "200 OK" in told
        assert "Reused, TLS" in s_client(program, authority, version, "-sess_in", ticket, "-ign_eof", said=ask)
    assert metrics(program)["multiplexor_wait_tls_resumptions_total"] == before + 2


def test_a_client_may_renew_keys_and_not_renegotiate(program, authority):
    ask = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    # s_client takes lines: K renews both keys, R begins anew.
    host, port = program.wait_address
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-quiet", "-no_ign_eof"]
    command += ["-CAfile", str(authority.certificate)]
    for version, letter, answers in [("-tls1_3", "K\n", 2), ("-tls1_2", "R\n", 1)]:
        with subprocess.Popen(
            [*command[:4], version, *command[6:]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as client:  # fmt: skip
            seen = b""

            def read_until(word, client=client):
                nonlocal seen
                while word not in seen:
                    data = os.read(client.stdout.fileno(), 4096)
                    if not data:
                        return False
                    seen += data
                seen = seen.split(word, 1)[1]
                return True

            client.stdin.write(ask.encode())
            client.stdin.flush()
            assert read_until(b"200 OK")
            client.stdin.write(letter.encode())
            client.stdin.flush()
            if answers == 2:
                assert read_until(b"KEYUPDATE")
                client.stdin.write(ask.encode())
                client.stdin.flush()
                assert read_until(b"200 OK")
                client.terminate()
            else:
                assert not read_until(b"never said"), "it is over"


def test_a_certificate_is_found_by_its_name(authority, serve):
    flags = []
    for number, (name, rsa) in enumerate([("one.example", False), ("two.example", False), ("one.example", True)]):
        certificate, key = authority.issue(f"named{number}", name, f"*.{name}", rsa=rsa)
        flags += ["--tls-certificate", str(certificate), "--tls-key", str(key)]
    program = serve(*flags)
    for asked, expected in [
        ("one.example", "one.example"),
        ("a.one.example", "one.example"),
        ("TWO.example", "two.example"),
        ("a.b.two.example", "one.example"),
        ("nobody.example", "one.example"),
    ]:
        assert f"CN={expected}" in s_client(program, authority, "-servername", asked).replace(" ", ""), asked
    assert "CN=one.example" in s_client(program, authority, "-noservername").replace(" ", "")
    # Who can do RSA only gets the certificate with such a key.
    told = s_client(program, authority, "-servername", "one.example", "-sigalgs", "RSA-PSS+SHA256")
    assert "rsaEncryption" in told or "RSA-PSS" in told or "rsa_pss" in told.lower(), told


def test_http_where_tls_is_spoken_is_told(program, authority):
    before = metrics(program)
    status, _, body = request(program.wait_address, "GET", "/sub/a")
    assert (status, b"use https://" in body) == (400, True)
    now = metrics(program)
    for counted in ("multiplexor_wait_tls_plain_http_total", "multiplexor_wait_problems_total"):
        assert now[counted] == before[counted] + 1, counted


def test_tls_where_http_is_spoken_is_closed_and_counted(authority, serve):
    program = serve()
    for address in [program.wait_address, program.in_address]:
        with pytest.raises(ssl.SSLError), socket.create_connection(address, PATIENCE_S) as plain:
            trusting(authority).wrap_socket(plain, server_hostname="localhost")
    now = metrics(program)
    assert now["multiplexor_wait_tls_misplaced_total"] == now["multiplexor_in_tls_misplaced_total"] == 1
    assert program.stderr().count("spoke TLS") == 2


def test_who_distrusts_us_is_counted(program, name):
    before = metrics(program)["multiplexor_wait_tls_refused_total"]
    with pytest.raises(ssl.SSLCertVerificationError):
        connect(program, ssl.create_default_context())
    until(lambda: metrics(program)["multiplexor_wait_tls_refused_total"] == before + 1, "it is counted")


def test_new_files_are_shown_and_broken_ones_are_not(authority, serve, tmp_path, name):
    certificate, key = tmp_path / "fullchain.pem", tmp_path / "privkey.pem"

    def put(file, *names, **options):
        for source, target in zip(authority.issue(file, *names, **options), (certificate, key), strict=True):
            # As certbot does it: the link changes.
            new = tmp_path / f"new-{target.name}"
            new.symlink_to(source)
            new.replace(target)

    put("first", "localhost", days=10)
    program = serve("--tls-certificate", str(certificate), "--tls-key", str(key))
    program.until_logged("expires soon")
    assert 9 < metrics(program)["multiplexor_tls_certificate_days_left"] <= 10
    live = connect(program, trusting(authority))
    live.sendall(f"GET /sub/{name}?transport=stream&raw=1 HTTP/1.0\r\nHost: a\r\n\r\n".encode())
    program.until_waiting(name)

    put("second", "localhost", days=20)
    until(lambda: metrics(program)["multiplexor_tls_reloads_total"] == 1, "the new ones are read")
    assert 19 < metrics(program)["multiplexor_tls_certificate_days_left"] <= 20

    key.unlink()
    shutil.copy(authority.issue("third", "localhost")[1], key)
    until(lambda: metrics(program)["multiplexor_tls_reload_failures_total"] == 1, "the wrong key is found")
    program.until_logged("is not that of the certificate")
    with connect(program, trusting(authority)) as again:
        assert again.getpeercert()["subject"] == ((("commonName", "localhost"),),)
    program.publish(name, "still here")
    heard = b""
    while b"still here" not in heard:
        heard += live.recv(4096)
    live.close()


def ending(*flags):
    """What a program says that cannot start."""
    lines = ["--wait", "127.0.0.1:0", "--in", "127.0.0.1:0"]
    done = subprocess.run([binary(), *lines, *flags], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode != 0
    return done.stderr


def test_wrong_files_are_told_at_the_start(authority, tmp_path):
    certificate, key = map(str, authority.issue("right", "localhost"))
    other = str(authority.issue("other", "localhost")[1])
    text = tmp_path / "text.pem"
    text.write_text("no certificate\n")
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    pair = ["--tls-certificate", certificate, "--tls-key"]
    assert "no-such-file cannot be read: No such file" in ending(*pair, "no-such-file")
    assert "is not that of the certificate" in ending(*pair, other)
    assert f"{text} has no private key in PEM" in ending(*pair, str(text))
    assert f"{text} has no certificate in PEM" in ending("--tls-certificate", str(text), "--tls-key", key)
    assert "cannot be used" in ending("--tls-certificate", str(broken), "--tls-key", key)
    assert "1 of tls_certificate and 0 of tls_key" in ending("--tls-certificate", certificate)
    assert "in_tls is on, but there is no certificate" in ending("--in-tls", "on")
    assert "the IN line speaks no TLS" in ending(*pair, key, "--client-ca", certificate)


def test_an_expired_certificate_is_told_and_shown(authority, serve):
    certificate, key = authority.issue("expired", "localhost", days=-1)
    program = serve("--tls-certificate", str(certificate), "--tls-key", str(key))
    program.until_logged("this certificate has expired")
    assert metrics(program)["multiplexor_tls_certificate_days_left"] < 0
    assert "certificate has expired" in s_client(program, authority)


def test_the_in_line_speaks_tls_and_knows_clients(authority, shown, serve, tmp_path, name):
    app = authority.issue("app", "app.example", client=True)
    pinned = authority.issue("pinned", "pinned.example", client=True)
    nobody = authority.issue("nobody", "nobody.example", client=True)
    mark = subprocess.run(
        ["openssl", "x509", "-in", pinned[0], "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True
    ).stdout.split("=")[1].strip()  # fmt: skip
    settings = tmp_path / "settings.toml"
    settings.write_text(
        f'client_ca = "{authority.certificate}"\nin_tls = "on"\n'
        f'[[key]]\nname = "app"\ncertificate = "app.example"\nmay = "publish"\nmatch = "{name}"\n'
        f'[[key]]\nname = "pinned"\ncertificate = "sha256:{mark}"\n'
    )
    # With a key it may listen anywhere.
    program = serve("--config", str(settings), *shown)
    base = f"https://localhost:{program.in_address[1]}"

    def client(pair=None):
        context = trusting(authority)
        if pair:
            context.load_cert_chain(*map(str, pair))
        return httpx.Client(verify=context, base_url=base, timeout=PATIENCE_S)

    with client(app) as one, client(pinned) as two, client(nobody) as three, client() as four:
        assert one.post(f"/pub/{name}", content="a").status_code == 200
        assert one.post("/pub/other", content="a").status_code == 403
        assert one.get("/channels").status_code == 403
        assert two.post("/pub/other", content="a").status_code == 200
        assert two.get("/channels").status_code == 200
        assert two.post("/pub", json={"channel": "other", "data": 1}).status_code == 200
        for stranger in (three, four):
            assert stranger.post(f"/pub/{name}", content="a").status_code == 401
            assert stranger.get("/channels").status_code == 401
    # Many requests at once, read ahead of the service.
    context = trusting(authority)
    context.load_cert_chain(*map(str, app))
    with socket.create_connection(program.in_address, PATIENCE_S) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secured:
            ask = f"POST /pub/{name} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx".encode()
            secured.sendall(ask * 200)
            answers = b""
            while answers.count(b"HTTP/1.1 200 OK") < 200:
                data = secured.recv(65_536)
                assert data, answers[-500:]
                answers += data
    status, _, body = request(program.in_address, "GET", "/healthz")
    assert (status, b"use https://" in body) == (400, True)


def test_http_where_the_in_line_speaks_tls_is_counted_and_logged(authority, shown, serve):
    program = serve(*shown, "--in-tls", "on")
    assert request(program.in_address, "GET", "/healthz")[0] == 400
    with httpx.Client(verify=trusting(authority)) as client:
        told = client.get(f"https://localhost:{program.in_address[1]}/stats").json()["in"]["refused"]
    assert told == {"tls": 1}
    assert 'code="tls"' in program.stderr() or '"code":"tls"' in program.stderr(), program.stderr()


def test_the_words_of_2009_come_through_tls(authority, shown, serve):
    program = serve(*shown, "--in-tls", "on")
    context = trusting(authority)
    with connect(program, context) as waiting:
        waiting.sendall(b"GET /?identifier=old HTTP/1.1\r\nHost: a\r\n\r\n")
        plain = socket.create_connection(program.in_address, PATIENCE_S)

        def online():
            with httpx.Client(verify=context) as client:
                answer = client.get(f"https://localhost:{program.in_address[1]}/channels/old")
            return answer.status_code == 200 and answer.json()["waiting"]

        until(online, "it waits")
        with context.wrap_socket(plain, server_hostname="localhost") as publisher:
            publisher.sendall(b"X-Multiplexor: identifier=old\r\n\r\nhello of old")
            publisher.unwrap()
        heard = b""
        while data := waiting.recv(4096):
            heard += data
    assert heard.endswith(b"hello of old")


def test_a_flood_of_handshakes_leaves_who_waits_unharmed(program, authority, name):
    """Strangers begin handshakes and leave them, over and over, while others wait; these miss nothing."""
    context = trusting(authority)
    readers = [connect(program, context) for _ in range(5)]
    for reader in readers:
        reader.sendall(f"GET /sub/{name}?transport=stream&raw=1 HTTP/1.0\r\nHost: a\r\n\r\n".encode())
    program.until_waiting(name, 5)
    memory, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = trusting(authority).wrap_bio(memory, out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    hello, over, begun = out.read(), threading.Event(), []

    def flood():
        while not over.is_set():
            strangers = [socket.create_connection(program.wait_address, PATIENCE_S) for _ in range(50)]
            for stranger in strangers:
                stranger.sendall(hello)
            begun.extend(1 for stranger in strangers if stranger.recv(1))
            for stranger in strangers:
                stranger.close()

    floods = [threading.Thread(target=flood) for _ in range(2)]
    for thread in floods:
        thread.start()
    try:
        until(lambda: len(begun) > 100, "the flood runs")
        for n in range(50):
            program.publish(name, f"{n}.")
        for reader in readers:
            heard = b""
            while b"49.\n" not in heard:
                heard += reader.recv(65_536)
            assert b"".join(b"%d.\n" % n for n in range(50)) in heard
        ran = len(begun)
        until(lambda: len(begun) > ran, "the flood still runs")
    finally:
        over.set()
        for thread in floods:
            thread.join()
        for reader in readers:
            reader.close()
    until(lambda: metrics(program)["multiplexor_wait_tls_left_total"] > 100, "they are counted")


def test_an_end_is_a_clean_one(program, authority):
    with connect(program, trusting(authority)) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        heard = b""
        # Without close_notify, this would raise.
        while data := client.recv(4096):
            heard += data
        assert b"200 OK" in heard


def test_the_command_line_speaks_tls(authority, shown, serve, tmp_path, name):
    program = serve(*shown, "--in-tls", "on")
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MULTIPLEXOR_")}
    port, authority_file = program.in_address[1], str(authority.certificate)
    ask = [binary(), "stats", "--server", f"https://localhost:{port}"]
    done = subprocess.run([*ask, "--ca", authority_file], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    untrusted = subprocess.run(ask, capture_output=True, text=True, env=environment)
    assert untrusted.returncode != 0 and "certificate" in untrusted.stderr, untrusted.stderr
    command = [binary(), "listen", name, "--listen-url", url(program), "--ca", authority_file]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as listener:
        send = [binary(), "send", name, "hello", "--server", f"https://localhost:{port}", "--ca", authority_file]

        def waits():
            with httpx.Client(verify=trusting(authority)) as client:
                answer = client.get(f"https://localhost:{port}/channels/{name}")
            return answer.status_code == 200 and answer.json()["waiting"]

        until(waits, "it listens")
        assert subprocess.run(send, env=environment).returncode == 0
        assert listener.stdout.readline() == f"{name}: hello\n"
        listener.terminate()
    assert pathlib.Path(authority_file).exists()
