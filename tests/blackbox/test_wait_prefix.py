"""The WAIT line behind a path: `--wait-prefix /push` stands before all that is ours, and before nothing else."""

import json
import subprocess

import pytest
from harness import front
from harness.frames import TEXT, Frames
from harness.program import Program, binary, request
from harness.upstream import Application
from harness.wire import Lines, Sse, Wire, poll


@pytest.fixture(scope="module")
def program():
    running = Program("--wait-prefix", "/push")
    yield running
    running.stop()


def test_all_transports_are_behind_the_prefix(program, name):
    with (
        Sse(program, f"/push/sub/{name}") as events,
        Lines(program, f"/push/sub/{name}") as lines,
        Lines(program, "/push/sub/", body=name.encode()) as posted,
        Frames(program, f"/push/sub/{name}") as frames,
    ):
        program.until_waiting(name, 4)
        program.publish(name, "hello")
        assert events.event()[1] == lines.message()["data"] == posted.message()["data"] == "hello"
        while "data" not in (told := json.loads(frames.until(TEXT))):
            pass
        assert told["data"] == "hello"
    assert poll(program, f"/push/sub/{name}?since=0")["messages"][0]["data"] == "hello"


def test_probes_pages_and_the_client_are_there_too(program):
    for path, word in [("/push/healthz", b"ok"), ("/push/readyz", b"ready"), ("/push/multiplexor.js", b"Multiplexor")]:
        status, headers, body = request(program.wait_address, "GET", path)
        assert status == 200 and word in body, path
    assert request(program.wait_address, "GET", "/push/healthz")[1]["multiplexor-prefix"] == "/push"
    status, _, page = request(program.wait_address, "GET", "/push/", headers={"Accept": "text/html"})
    assert status == 200 and b"<!doctype html>" in page
    lines = request(program.wait_address, "GET", "/push/")[2].decode()
    assert "http://ADDRESS/push/sub/CHANNEL" in lines and "http://ADDRESS/push/multiplexor.js" in lines
    status, headers, _ = request(program.wait_address, "GET", "/push")
    assert (status, headers["location"]) == (308, "/push/")


@pytest.mark.parametrize(
    "path", ["/", "/sub/a", "/sub/", "/healthz", "/readyz", "/multiplexor.js", "/pushed/sub/a", "/push/push/sub/a", "/PUSH/sub/a", "//push/sub/a"]
)
def test_paths_without_it_are_nobodys(program, path):
    status, _, body = request(program.wait_address, "GET", path)
    problem = json.loads(body)
    assert (status, problem["code"]) == (404, "not-found")
    assert "/push/sub/CHANNEL" in problem["detail"]


def test_the_in_line_and_the_clients_of_2009_are_left_alone(program, name):
    ident = name.replace(".", "_")
    for path in ["/", "/sub/a", "/whatever"]:
        with Wire(program.wait_address) as wire:
            wire.get(f"{path}?identifier={ident}")
            program.until_waiting(ident)
            program.publish(ident, "as of old")
            assert b"as of old" in wire.rest()
    assert request(program.in_address, "GET", "/push/healthz")[0] == 404


def test_the_demo_and_the_banner_know_where_the_wait_line_is(program):
    assert program.ask("/demo/wait.json") == {"wait": f"{program.wait_url}/push"}
    assert f"{program.wait_url}/push/sub/news" in program.stdout()


def test_those_of_realplexor_too(tmp_path, name):
    ident = name.replace(".", "_")
    file = tmp_path / "multiplexor.toml"
    file.write_text('wait_prefix = "/push"\n[[wait]]\naddress = "127.0.0.1:0"\ndialect = "realplexor"\n[[in]]\naddress = "127.0.0.1:0"\n')
    running = Program("--config", str(file), ports=False)
    with Wire(running.wait_address) as wire:
        wire.get(f"/?identifier={ident}")
        running.until_waiting(ident)
        running.publish(ident, "as of old")
        assert b"as of old" in wire.rest()
    running.stop()


def test_what_is_not_behind_it_goes_to_the_application():
    """With a takeover the prefix says what is ours, and the rest of the paths may be the application's."""
    application = Application(lambda path, _: (200, {}, path.encode()))
    running = Program("--wait-prefix", "/push", "--takeover", application.url)
    for path in ["/", "/sub/a", "/healthz", "/pushed"]:
        assert request(running.wait_address, "GET", path)[2] == path.encode()
    assert request(running.wait_address, "GET", "/push/healthz")[2] == b"ok\n"
    assert request(running.wait_address, "GET", "/push/")[2].startswith(b"This is the WAIT line")
    running.stop()
    application.stop()


def test_nginx_passes_the_path_on_as_it_is(program, name, fronts):
    proxy = fronts(front.nginx, program.waits[0], front.UPGRADES + "proxy_buffering off;")
    program.publish(name, "hello")
    status, _, body = request(proxy.address, "GET", f"/push/sub/{name}?since=0")
    assert status == 200 and json.loads(body)["messages"][0]["data"] == "hello"


def test_the_client_of_the_command_line_takes_the_prefix_in_its_url(program, name):
    program.publish(name, "hello")
    for url in (f"{program.wait_url}/push", f"{program.wait_url}/push/"):
        listener = subprocess.Popen(
            [binary(), "listen", name, "--since", "0", "--listen-url", url], stdout=subprocess.PIPE, text=True
        )
        assert "hello" in listener.stdout.readline()
        listener.terminate()
        listener.wait()


@pytest.mark.parametrize("wrong", ["push", "/push/", "/", "/a//b", "/a/../b", "/a?b", "/a b", "/%70ush", "/" + "a" * 64])
def test_a_prefix_that_is_none_is_told(wrong):
    ended = subprocess.run([binary(), "--wait-prefix", wrong], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and "such as /push" in ended.stderr, ended.stderr
