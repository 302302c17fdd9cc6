"""What deploy/ offers is right: judged by systemd, promtool and Prometheus, with the real program's words."""

import json
import pathlib
import re
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request

import pytest
from harness.program import binary, request, until

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
UNIT = DEPLOY / "systemd" / "multiplexor.service"
# The most that systemd-analyze may find of what a service could do beyond its work: 0 nothing, 10 everything.
EXPOSURE_MAX = 2.0


def run(*words, **options):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def unit(tmp_path):
    """The unit with this program in the place of the installed one."""
    there = tmp_path / UNIT.name
    there.write_text(UNIT.read_text().replace("/usr/bin/multiplexor", binary()))
    return there


def free_port():
    """A port that was free a moment ago, for programs that cannot say which one they were given."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_systemd_reads_the_unit_without_a_word(unit):
    assert run("systemd-analyze", "verify", "--man=no", unit) == ""


def test_the_unit_exposes_next_to_nothing(unit):
    said = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for multiplexor\.service: ([\d.]+)", said)
    assert found and float(found[1]) <= EXPOSURE_MAX, said


def test_the_unit_leaves_the_system_calls_that_the_program_makes():
    """Those that a filter of services forgets most easily: io_uring's."""
    filters = " ".join(re.findall(r"^SystemCallFilter=([^~].*)$", UNIT.read_text(), re.M)).split()
    assert {"@system-service", "io_uring_setup", "io_uring_enter", "io_uring_register"} <= set(filters)


def metrics(program):
    text = request(program.in_address, "GET", "/metrics")[2].decode()
    return set(re.findall(r"^# TYPE (\w+)", text, re.M))


def named(text):
    return set(re.findall(r"\bmultiplexor_\w+", text))


def test_alerts_and_dashboard_ask_for_metrics_that_there_are(program):
    known = metrics(program) | {"multiplexor_tls_certificate_days_left"}  # only where there is a certificate
    asked = named((DEPLOY / "prometheus" / "multiplexor.rules.yml").read_text())
    asked |= {name for _, query in queries() for name in named(query)}
    assert asked and asked <= known, asked - known


def test_alerts_come_where_they_should_and_not_before():
    folder = DEPLOY / "prometheus"
    run("promtool", "check", "rules", "multiplexor.rules.yml", cwd=folder)
    run("promtool", "test", "rules", "multiplexor.rules.test.yml", cwd=folder)


def queries():
    """Title and query of each line of the dashboard, with Grafana's variables as it would set them."""
    for panel in json.loads((DEPLOY / "grafana" / "multiplexor.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "5s").replace("$instance", ".*")


@pytest.fixture
def prometheus(program, tmp_path):
    """A real Prometheus that reads the program as deploy/prometheus/scrape.yml says, each half second."""
    settings = (DEPLOY / "prometheus" / "scrape.yml").read_text().replace("127.0.0.1:10010", program.ins[0])
    settings = "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\n" + settings
    (tmp_path / "prometheus.yml").write_text(settings)
    run("promtool", "check", "config", tmp_path / "prometheus.yml")
    address = f"127.0.0.1:{free_port()}"
    words = [shutil.which("prometheus"), f"--config.file={tmp_path}/prometheus.yml", f"--web.listen-address={address}"]
    words += [f"--storage.tsdb.path={tmp_path}/data", "--log.level=error"]
    running = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield address
    running.terminate()
    running.wait(30)


def ask(address, query):
    url = f"http://{address}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]["result"]


def is_read(address):
    try:
        return bool(ask(address, "count_over_time(multiplexor_uptime_seconds[5s]) >= 4"))
    except OSError:
        return False


def test_each_line_of_the_dashboard_has_figures_from_a_real_prometheus(program, prometheus, name):
    program.publish(name, "hello")
    until(lambda: is_read(prometheus), "Prometheus has read the program", patience_s=60)
    # A code that nobody was refused for has no line yet.
    empty = [(title, query) for title, query in queries() if not ask(prometheus, query) and "denied" not in query]
    assert not empty
