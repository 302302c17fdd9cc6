"""`multiplexor doctor`: this machine, and the way through nginx and HAProxy, set up well and badly."""

import json
import subprocess

import pytest
from harness import front
from harness.front import UPGRADES
from harness.program import binary


def doctor(*arguments):
    """Its exit status, and the report."""
    done = subprocess.run([binary(), "doctor", "--json", *arguments], capture_output=True, timeout=120)
    return done.returncode, json.loads(done.stdout or b"null"), done.stderr.decode()


def problems(report):
    return {finding["name"] for finding in report["findings"] if finding["level"] == "problem"}


@pytest.fixture
def nginx(fronts):
    def start(program, inside, version="1.1"):
        return fronts(front.nginx, program.waits[0], inside, version).url

    return start


@pytest.fixture
def haproxy(fronts):
    def start(program, lines, timeout="75s"):
        return fronts(front.haproxy, program.waits[0], lines, timeout=timeout).url

    return start


def test_the_machine_is_looked_at():
    status, report, _ = doctor("--crowd", "1")
    assert (status, report["crowd"]) == (0, 1)
    status, report, _ = doctor("--crowd", "100000000")
    assert status == 1
    assert report["connections"] < 100_000_000
    assert any(finding.get("remedies") for finding in report["findings"])


def test_a_limit_of_open_files_is_the_limit():
    command = ["prlimit", "--nofile=116:116", binary(), "doctor", "--shards", "3", "--json"]
    done = subprocess.run(command, capture_output=True, timeout=60)
    report = json.loads(done.stdout)
    assert (done.returncode, report["connections"], report["limited_by"]) == (1, 300, "open-files")


def test_nothing_on_the_way_is_fine(program):
    status, report, _ = doctor(program.wait_url)
    assert (status, problems(report)) == (0, set()), report


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "http://127.0.0.1:1", "nonsense"])
def test_what_cannot_be_looked_at_ends_with_2(url):
    status, _, told = doctor(url)
    assert status == 2
    assert told.startswith("multiplexor: ")


def test_nginx_set_up_well_is_fine(program, nginx):
    status, report, _ = doctor(nginx(program, f"{UPGRADES} gzip off;"))
    assert (status, problems(report)) == (0, set()), report
    assert report["front"].startswith("nginx")


def test_nginx_as_it_comes_passes_no_upgrade(program, nginx):
    status, report, _ = doctor(nginx(program, "", version="1.0"))
    assert (status, problems(report)) == (1, {"websocket"}), report


def test_nginx_that_buffers_is_found_out(program, nginx):
    lines = "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"
    status, report, _ = doctor(nginx(program, lines, version="1.0"))
    buffered = {"sse-buffered", "stream-buffered", "gzip-buffered"}
    assert (status, problems(report)) == (1, buffered | {"websocket"}), report


def test_chunks_pass_an_nginx_that_buffers(program, nginx):
    lines = f"{UPGRADES} proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;"
    status, report, _ = doctor(nginx(program, lines))
    assert (status, problems(report)) == (0, set()), report


def test_nginx_that_strips_a_header_is_found_out(program, nginx):
    status, report, _ = doctor(nginx(program, f'{UPGRADES} proxy_set_header Last-Event-ID "";'))
    assert (status, problems(report)) == (1, {"last-event-id"}), report


def test_nginx_that_compresses_in_the_place_of_the_server_is_fine(program, nginx):
    lines = f'{UPGRADES} proxy_set_header Accept-Encoding ""; gzip on; gzip_types text/event-stream;'
    status, report, _ = doctor(nginx(program, lines))
    assert (status, problems(report)) == (0, set()), report


def test_nginx_with_a_short_time_out_is_found_out(serve, nginx):
    program = serve("--heartbeat", "1h", "--poll-timeout", "1h")
    status, report, _ = doctor(nginx(program, f"{UPGRADES} proxy_read_timeout 1s;"), "--patience", "1m")
    assert (status, problems(report)) == (1, {"idle"}), report
    assert len([finding for finding in report["findings"] if finding["level"] == "problem"]) == 3


def test_haproxy_set_up_well_is_fine(program, haproxy):
    status, report, _ = doctor(haproxy(program, ""))
    assert (status, problems(report)) == (0, set()), report


def test_haproxy_set_up_badly_is_found_out(program, haproxy):
    lines = "http-request del-header Upgrade\n  http-request del-header Last-Event-ID"
    status, report, _ = doctor(haproxy(program, lines))
    assert (status, problems(report)) == (1, {"websocket", "last-event-id"}), report


def test_haproxy_that_waits_for_the_body_is_found_out(program, haproxy):
    status, report, _ = doctor(haproxy(program, "http-response wait-for-body time 1m"))
    assert status == 1
    assert {"sse-buffered", "stream-buffered"} <= problems(report), report


def test_haproxy_with_a_short_time_out_is_found_out(serve, haproxy):
    program = serve("--heartbeat", "1h", "--poll-timeout", "1h")
    status, report, _ = doctor(haproxy(program, "", timeout="1s"), "--patience", "1m")
    assert (status, problems(report)) == (1, {"idle"}), report
