"""`multiplexor doctor`: this machine, and the way through nginx and HAProxy, set up well and badly."""

import json
import subprocess

import httpx
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


def lines_for(report, name):
    """The lines that are to be pasted against this."""
    found = [finding for finding in report["findings"] if finding["name"] == name and finding.get("remedies")]
    return "\n".join(line for finding in found for remedy in finding["remedies"] for line in remedy["lines"])


def text_of(report, name):
    return "\n".join(finding["text"] for finding in report["findings"] if finding["name"] == name)


def test_a_crowd_stops_where_nginx_has_no_more_connections(program, fronts):
    few = front.nginx(program.waits[0], UPGRADES, events="worker_connections 32;")
    try:
        status, report, _ = doctor(few.url, "--crowd", "40")
    finally:
        few.stop()
    [finding] = [finding for finding in report["findings"] if finding["name"] == "crowd"]
    assert (status, problems(report)) == (1, {"crowd"}), report
    # Two for each client, and some for nginx itself.
    assert 0 < finding["connections"] <= 16
    assert "could wait at once; the next one was closed without an answer" in finding["text"]
    assert "worker_connections" in lines_for(report, "crowd")


def test_a_crowd_stops_where_haproxy_queues(program, haproxy):
    # Who was there before must have gone when the crowd comes.
    url = haproxy(program, "option abortonclose\n  default-server maxconn 12\n  timeout queue 500ms")
    status, report, _ = doctor(url, "--crowd", "16")
    assert (status, problems(report)) == (1, {"crowd"}), report
    assert "could wait at once; the next one got 503" in text_of(report, "crowd")
    [finding] = [finding for finding in report["findings"] if finding["name"] == "crowd"]
    assert 0 < finding["connections"] <= 12
    assert "maxconn" in lines_for(report, "crowd")


def test_a_crowd_that_the_server_itself_refuses_is_told_as_such(serve):
    program = serve("--address-connections", "20")
    status, report, _ = doctor(program.wait_url, "--crowd", "30")
    assert (status, problems(report)) == (1, {"crowd-refused"}), report
    assert "address_connections" in text_of(report, "crowd-refused")
    assert not lines_for(report, "crowd-refused")


def test_a_crowd_that_fits_is_fine(program, haproxy):
    status, report, _ = doctor(haproxy(program, ""), "--crowd", "50")
    assert (status, problems(report)) == (0, set()), report
    assert text_of(report, "crowd").startswith("crowd: 50 waited at once")


def test_more_than_this_shell_may_open_is_told_before():
    command = ["prlimit", "--nofile=64:64", binary(), "doctor", "http://127.0.0.1:1", "--crowd", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "raise `ulimit -n`" in done.stderr


def test_names_that_nginx_decodes_are_found_out(program, fronts):
    decodes = fronts(front.nginx, f"{program.waits[0]}/", UPGRADES, direct=True)
    status, report, _ = doctor(decodes.url)
    assert (status, problems(report)) == (0, set()), report
    assert "become another channel" in text_of(report, "names")
    assert "$request_uri" in lines_for(report, "names")


def test_an_age_of_0_is_no_hit_and_one_of_more_is_told(program, nginx):
    for age, found in ("0", ""), ("7", "7 s old"):
        status, report, _ = doctor(nginx(program, f"{UPGRADES} add_header Age {age};"))
        assert (status, problems(report)) == (0, set()), report
        assert found in text_of(report, "reached")
        assert '"no-store" and not' not in text_of(report, "reached")


def test_a_host_that_is_not_passed_is_found_out(serve, nginx):
    program = serve("--token-secret", "0123456789abcdef0123456789abcdef")
    status, report, _ = doctor(nginx(program, UPGRADES))
    assert (status, problems(report)) == (1, {"host"}), report
    assert "proxy_set_header Host $http_host;" in lines_for(report, "host")
    status, report, _ = doctor(nginx(program, f"{UPGRADES} proxy_set_header Host $http_host;"))
    assert (status, problems(report)) == (0, set()), report


# The proxy asks from an address that is not the doctor's, as a proxy does.
AT_9 = "proxy_bind 127.0.0.9;"


@pytest.mark.parametrize("line, found", [("", {"address"}), ("proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;", set())])
def test_an_address_that_a_client_makes_up_is_found_out(serve, fronts, line, found):
    program = serve("--proxies", "127.0.0.9", "--proxies-say", "x-forwarded-for")
    one = fronts(front.nginx, program.waits[0], f"{UPGRADES} {AT_9} {line}", block="listen 127.0.0.9:PORT;")
    status, report, _ = doctor(one.url.replace("127.0.0.1", "127.0.0.9"))
    assert (status, problems(report)) == (len(found), found), report
    if found:
        assert "proxy_set_header X-Forwarded-For" in lines_for(report, "address")
    else:
        assert text_of(report, "address") == "address: the server takes this client for 127.0.0.1"


def test_nobody_learns_the_address_of_a_proxy(serve):
    program = serve("--proxies", "127.0.0.1", "--proxies-say", "x-forwarded-for")
    for said, told in ("6.6.6.6", "6.6.6.6"), ("127.0.0.1", None), ("who", None), (None, None):
        headers = {"X-Forwarded-For": said} if said else {}
        answer = httpx.get(f"{program.wait_url}/healthz", headers=headers)
        assert (answer.status_code, answer.headers.get("Multiplexor-Address")) == (200, told), said


def test_how_soon_a_leaving_is_heard_of_is_told(serve, haproxy):
    program = serve("--heartbeat", "1h", "--poll-timeout", "1h")
    inside = ["--server", f"http://{program.ins[0]}"]
    status, report, _ = doctor(haproxy(program, "option abortonclose"), *inside)
    assert (status, text_of(report, "leaving").count("the server heard of it after")) == (0, 2), report
    status, report, _ = doctor(haproxy(program, ""), *inside)
    assert "had not heard of it after 3s" in text_of(report, "leaving"), report
    assert lines_for(report, "leaving-poll") == lines_for(report, "leaving") == "option abortonclose"


def test_an_in_line_that_is_another_servers_is_told(serve, program):
    other = serve()
    _, report, _ = doctor(program.wait_url, "--server", f"http://{other.ins[0]}")
    assert "is --server the one behind this URL?" in text_of(report, "leaving")


def test_a_handshake_that_failed_is_told_once(serve, nginx):
    program = serve("--heartbeat", "1s", "--poll-timeout", "2s")
    _, report, _ = doctor(nginx(program, "", version="1.0"), "--patience", "3s")
    assert problems(report) == {"websocket"}, report
    told = [finding["text"] for finding in report["findings"] if "WebSocket" in finding["text"]]
    assert told == ["WebSocket: the headers Upgrade and Connection were not passed on"]
