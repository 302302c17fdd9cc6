"""`multiplexor doctor https://…`: nginx and HAProxy with TLS and HTTP/2 in front, set up well and badly."""

import subprocess

import pytest
from harness import front as proxies
from harness.front import UPGRADES
from harness.program import PATIENCE_S
from test_curl import listen  # noqa: F401  (a fixture)
from test_doctor import doctor, problems

NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A folder: an authority's ca.pem; good.pem of it, other.pem for another host; self.pem, that signed itself."""
    folder = tmp_path_factory.mktemp("certificates")

    def openssl(words):
        subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)

    openssl(f"req -x509 {NEW_KEY} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem")
    openssl(f"req -x509 {NEW_KEY} -days 2 -subj /CN=self -addext subjectAltName=IP:127.0.0.1 -keyout self.key -out self.crt")
    for name, host in [("good", "IP:127.0.0.1"), ("other", "DNS:other.example")]:
        openssl(f"req {NEW_KEY} -subj /CN={name} -addext subjectAltName={host} -keyout {name}.key -out {name}.csr")
        signed = "-CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 2"
        openssl(f"x509 -req -in {name}.csr {signed} -out {name}.crt")
    for name in ("good", "other", "self"):
        both = (folder / f"{name}.crt").read_text() + (folder / f"{name}.key").read_text()
        (folder / f"{name}.pem").write_text(both)
    return folder


@pytest.fixture
def nginx(fronts, certificates):
    def start(program, inside=UPGRADES, certificate="good", protocols="ssl http2"):
        pair = certificates / f"{certificate}.pem"
        block = f"ssl_certificate {pair}; ssl_certificate_key {pair};"
        url = fronts(proxies.nginx, program.waits[0], inside, listen=protocols, block=block).url
        return url.replace("http:", "https:")

    return start


@pytest.fixture
def haproxy(fronts, certificates):
    def start(program, lines="", certificate="good", protocols="h2,http/1.1"):
        bind = f"ssl crt {certificates}/{certificate}.pem alpn {protocols}"
        return fronts(proxies.haproxy, program.waits[0], lines, bind=bind).url.replace("http:", "https:")

    return start


@pytest.fixture(params=["nginx", "haproxy"])
def front(request):
    """Either of them."""
    return request.getfixturevalue(request.param)


def said(report, name):
    """What the doctor says of a thing."""
    return next(finding["text"] for finding in report["findings"] if finding["name"] == name)


def test_set_up_well_it_is_fine(program, front, certificates):
    status, report, _ = doctor(front(program), "--ca", str(certificates / "ca.pem"))
    assert (status, problems(report)) == (0, set()), report
    assert "for 127.0.0.1, and trusted by " in said(report, "certificate")
    assert "HTTP/2: spoken" in said(report, "http2")


def test_a_certificate_that_nobody_trusts_is_one_problem_and_the_rest_is_looked_at(program, front):
    status, report, _ = doctor(front(program))
    assert (status, problems(report)) == (1, {"certificate"}), report
    assert "signed by nobody whom this system trusts" in said(report, "certificate")
    assert "upgraded" in said(report, "websocket")


def test_a_certificate_that_signed_itself_is_trusted_when_it_is_named(program, nginx, certificates):
    url = nginx(program, certificate="self")
    status, report, _ = doctor(url)
    assert (status, problems(report)) == (1, {"certificate"}), report
    status, report, _ = doctor(url, "--ca", str(certificates / "self.crt"))
    assert (status, problems(report)) == (0, set()), report


def test_a_certificate_of_another_host_is_told(program, nginx, certificates):
    status, report, _ = doctor(nginx(program, certificate="other"), "--ca", str(certificates / "ca.pem"))
    assert (status, problems(report)) == (1, {"certificate"}), report
    assert "not for 127.0.0.1" in said(report, "certificate")


def test_nginx_set_up_badly_is_found_out_through_tls(program, nginx, certificates):
    lines = "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"
    status, report, _ = doctor(nginx(program, lines, protocols="ssl"), "--ca", str(certificates / "ca.pem"))
    expected = {"sse-buffered", "stream-buffered", "gzip-buffered", "websocket"}
    assert (status, problems(report)) == (1, expected), report
    assert "HTTP/2: not spoken" in said(report, "http2")


def test_haproxy_set_up_badly_is_found_out_through_tls(program, haproxy, certificates):
    lines = "http-request del-header Upgrade\n  http-request del-header Last-Event-ID"
    status, report, _ = doctor(haproxy(program, lines), "--ca", str(certificates / "ca.pem"))
    assert (status, problems(report)) == (1, {"websocket", "last-event-id"}), report


def test_the_wrong_scheme_is_told(program, nginx, haproxy, certificates):
    status, _, told = doctor(program.wait_url.replace("http:", "https:"))
    assert status == 2 and "where no TLS is spoken, try http://" in told
    plain = nginx(program, protocols="")
    status, _, told = doctor(plain)
    assert status == 2 and "speaks no TLS; try http://" in told
    status, _, told = doctor(nginx(program).replace("https:", "http:"))
    assert status == 2 and "speaks TLS; give an https:// URL" in told
    status, _, told = doctor(program.wait_url.replace("http:", "https:"), "--ca", "/dev/null")
    assert status == 2 and "/dev/null has no certificate in PEM" in told


@pytest.mark.parametrize("transport", ["sse", "stream"])
def test_a_message_comes_at_once_over_http2(program, front, certificates, name, listen, transport):  # noqa: F811
    secure = ["--http2", "--cacert", str(certificates / "ca.pem"), "--max-time", str(PATIENCE_S), "--include"]
    heard = listen(*secure, f"{front(program)}/sub/{name}?transport={transport}")
    heard.until("HTTP/2 200")
    program.until_waiting(name)
    for number in range(3):
        program.publish(name, f"message {number}")
        heard.until(f"message {number}")
