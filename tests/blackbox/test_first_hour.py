"""What docs/first-hour.md says to type, typed from the page, in its order: settings, nginx, tokens, a session, pages, a restart.

The package is not installed here, and systemd and the authority of certificates have stand-ins: tests/firsthour has the real ones.
"""

import dataclasses
import re

import pytest
from harness import place as places
from harness.program import ROOT, until

PAGE = (ROOT / "docs" / "first-hour.md").read_text()
SITE = "https://shop.example"
TRUST = "export CURL_CA_BUNDLE=/etc/letsencrypt/live/shop.example/fullchain.pem\n"

# Each starts what the unit, and Debian's one of nginx, would start.
STAND_INS = {
    "systemctl": r"""
case "$*" in
"restart multiplexor")
    mkdir -p /var/lib/multiplexor
    if pidof -q multiplexor; then kill $(pidof multiplexor); while pidof -q multiplexor; do sleep 0.05; done; fi
    [[ ! -e /etc/default/multiplexor ]] || { set -a; . /etc/default/multiplexor; set +a; }
    setsid multiplexor >/var/log/multiplexor.log 2>&1 &
    until grep -q 'IN line' /var/log/multiplexor.log; do sleep 0.05; pidof -q multiplexor || cat /var/log/multiplexor.log; done ;;
"reload nginx")
    nginx -s reload
    # Before its file is there, it has nothing on 443.
    ! grep -qs "listen 443" /etc/nginx/conf.d/shop.conf || until ss -Hltn sport = :443 | grep -q .; do sleep 0.05; done ;;
"restart nginx")
    nginx -s stop
    while [[ -e /run/nginx.pid ]]; do sleep 0.05; done
    nginx ;;
*) echo "nobody stands in for systemctl $*"; exit 1 ;;
esac""",
    "apt-get": r"""
case "$*" in
"install -y ./multiplexor_"*.deb)
    echo MULTIPLEXOR_CONFIG=/etc/multiplexor/multiplexor.toml >/etc/default/multiplexor
    touch /etc/multiplexor/multiplexor.toml
    systemctl restart multiplexor ;;
"install -y nginx certbot") nginx ;;
*) echo "nobody stands in for apt-get $*"; exit 1 ;;
esac""",
    "certbot": r"""
[[ $* == "certonly --webroot -w /var/www/html -d shop.example --deploy-hook systemctl reload nginx" ]]
D=/etc/letsencrypt/live/shop.example; mkdir -p $D
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 -subj /CN=shop.example \
  -addext subjectAltName=DNS:shop.example -keyout $D/privkey.pem -out $D/fullchain.pem
${@: -1}""",
}


@dataclasses.dataclass(frozen=True)
class Step:
    """A block of the page, and what the comment above it says to do with it: `run`, `start`, `file`, `publish`."""

    verb: str
    argument: str
    text: str


def steps(page=PAGE):
    found = re.findall(r"^(?:<!-- (\w+) ?(\S*) -->\n)?```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [Step(*each) for each in found]


# By what stands in a block: what it says when it is typed.
SAYS = {
    "-d 'hello' http": '"news":{"waiting":1,',
    "/push/healthz": "ok\n",
    "-d 'hello, page'": '"cursor":',
    "push/sub/user.ann\n": '"status":401,"code":"credentials"',
    "/opt/shop/token.mjs": "only for ann",
    "-d 'back again'": '"cursor":',
}


def typed(place, step):
    # The release is not on the network here.
    text = "".join(line for line in step.text.splitlines(True) if not line.startswith("curl -fLO "))
    said = place.run(TRUST + text.replace("curl ", "curl -sS "))
    for mark, answer in SAYS.items():
        assert mark not in step.text or answer in said, (text, said)
    if "token.mjs" in step.text:
        assert said.count('"data":"only for ann"') == 4, said


PUBLISH = {"php": "php", "py": "python3", "rb": "ruby", "mjs": "node"}


def done(place, step):
    if step.verb == "run":
        typed(place, step)
    elif step.verb == "start":
        said = place.start(step.text)
        if step.text.startswith("curl"):
            until(lambda: "event: cursor" in said(), "it subscribes")
            return said
        place.until_port(8000)
    elif step.verb in ("file", "publish"):
        path = step.argument if step.verb == "file" else f"/var/publish.{step.argument}"
        place.run(f"mkdir -p $(dirname {path})")
        place.run(f"cat > {path} <<'END OF FILE'\n{step.text}END OF FILE\n")
        if step.verb == "publish":
            place.run(f"{PUBLISH[step.argument]} {path}")
    else:
        raise AssertionError(f"no comment above this block says what is done with it: {step.text}")
    return None


@pytest.fixture
def place():
    mine = places.Place()
    mine.run("mkdir /etc/multiplexor; rm -f /etc/default/multiplexor; echo 127.0.0.1 shop.example >> /etc/hosts")
    for name, text in STAND_INS.items():
        (mine.bin / name).write_text("#!/bin/bash\nset -eu\n" + text)
        (mine.bin / name).chmod(0o755)
    yield mine
    mine.close()


def test_the_page_is_typed(place):
    *before, last = steps()
    told = [heard for step in before if (heard := done(place, step))]
    assert len(told) == 1 and "data: hello\n" in told[0]()

    opened = ["/", "/sign-in.php", "/session.html"]
    shown = place.start(f"exec node {ROOT}/tests/blackbox/node/first_hour_pages.js {SITE} {' '.join(opened)}")
    languages = [f"/: hello from {name}" for name in ("PHP", "Python", "Ruby", "Node")]
    for line in ["/: open ws", "/: hello, page", *languages, "/private.html: only for ann", "/session.html: only for ann"]:
        until(lambda line=line: line in shown(), f"a page shows {line!r}: {shown()}")
    done(place, last)
    until(lambda: "/: back again" in shown(), f"the page comes back: {shown()}")
    assert "error: " not in shown()


def test_the_page_shows_the_files_of_the_examples():
    files = {step.argument: step.text for step in steps() if step.verb == "file" and "/token." in step.argument}
    assert files == {f"/opt/shop/{path.name}": path.read_text() for path in (ROOT / "examples/tokens").glob("token.*")}


def test_each_step_says_how_long_it_takes():
    headings = re.findall(r"^## (\d.*)$", PAGE, re.MULTILINE)
    assert headings and all(re.search(r" \(\d+ minutes?\)$", heading) for heading in headings), headings
