"""The PHP of examples/ does what its page needs, and says so where it cannot."""

import json
import os
import pathlib
import re
import subprocess
import urllib.parse

import pytest
from harness.program import ROOT, request, until

EXAMPLES = pathlib.Path(ROOT) / "examples"
README = (ROOT / "README.md").read_text()
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Site:
    """An example served by PHP itself, which publishes to a line of one's choice."""

    def __init__(self, folder, line):
        # Without php.ini, as in many containers, PHP writes its warnings into answers.
        command = ["php", "-d", "display_errors=1", "-S", "127.0.0.1:0", "-t", str(EXAMPLES / folder)]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("MULTIPLEXOR")}
        self.process = subprocess.Popen(
            command, env=clean | {"MULTIPLEXOR": line}, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        begun = self.process.stderr.readline()
        assert "started" in begun, begun
        host, port = begun.split("(http://")[1].split(")")[0].rsplit(":", 1)
        self.address = host, int(port)

    def post(self, page, **said):
        return request(self.address, "POST", f"/{page}", urllib.parse.urlencode(said).encode(), FORM)[0]


@pytest.fixture
def sites():
    started = []

    def start(folder, line):
        started.append(Site(folder, line))
        return started[-1]

    yield start
    for site in started:
        site.process.terminate()
        site.process.wait()
        site.process.stderr.close()


def last(program, channel):
    return program.ask(f"/channels/{urllib.parse.quote(channel)}/history")["messages"][-1]["data"]


def test_what_is_said_in_the_chat_is_published(program, sites):
    site = sites("chat", program.in_url)
    assert site.post("say.php", text="hello <b>") == 200
    assert last(program, "chat") == {"text": "hello <b>"}


def test_a_notification_reaches_the_one_it_is_for(program, sites):
    site = sites("notifications", program.in_url)
    assert site.post("send.php", to="Ann", text="hi") == 200
    assert last(program, "user.Ann") == {"from": "", "text": "hi"}
    status, _, body = request(site.address, "GET", "/online.php")
    assert (status, json.loads(body)) == (200, [])


@pytest.mark.parametrize("folder, page", [("chat", "say.php"), ("notifications", "send.php"), ("notifications", "online.php")])
def test_a_page_is_told_where_the_line_does_not_answer(sites, folder, page):
    site = sites(folder, "http://127.0.0.1:1")
    assert site.post(page, to="Ann", text="hi") == 502


def test_the_script_of_the_readme_tells_its_page_as_well(program, sites, tmp_path):
    [say] = [code for code in re.findall(r"^```php\n(.*?)^```", README, re.MULTILINE | re.DOTALL) if "_POST" in code]
    for line, status in {program.ins[0]: 200, "127.0.0.1:1": 502}.items():
        (tmp_path / "say.php").write_text(say.replace("127.0.0.1:10010", line))
        assert sites(tmp_path, "").post("say.php", text="hello") == status
    assert last(program, "chat") == {"text": "hello"}


@pytest.mark.parametrize("folder, page", [("chat", "say.php"), ("notifications", "send.php")])
def test_a_page_is_told_where_the_line_refuses(serve, sites, folder, page):
    program = serve("--payload-limit", "5")
    site = sites(folder, program.in_url)
    assert site.post(page, to="Ann", text="more than five bytes") == 502
    until(lambda: program.metric("multiplexor_in_refused_total"), "the refusal is counted")
