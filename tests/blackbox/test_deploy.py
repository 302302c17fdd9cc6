"""What deploy/ offers is right: judged by systemd, promtool, Prometheus, schemas of Compose and Kubernetes, with the real program's words."""

import fnmatch
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tomllib
import urllib.parse
import urllib.request

import jsonschema
import kubernetes_validate
import pytest
import yaml
from harness.program import binary, request, until

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
VERSION = tomllib.loads((DEPLOY.parent / "Cargo.toml").read_text())["workspace"]["package"]["version"]
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
    assert {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp"} <= set(filters)


def metrics(program):
    text = request(program.in_address, "GET", "/metrics")[2].decode()
    kinds = re.findall(r"^# TYPE (\w+) (\w+)", text, re.M)
    parts = {f"{name}_{part}" for name, kind in kinds if kind == "histogram" for part in ("bucket", "sum", "count")}
    return {name for name, _ in kinds} | parts


def test_metrics_are_written_as_prometheus_wants_them(program):
    said = request(program.in_address, "GET", "/metrics")[2]
    judged = subprocess.run(["promtool", "check", "metrics"], input=said, capture_output=True, check=False)
    assert judged.returncode == 0, judged.stderr.decode()


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


CHART = DEPLOY / "helm" / "multiplexor"
KINDS = ["Deployment", "Service", "NetworkPolicy"]
# By name: what somebody sets of the chart, and which documents are made then.
CHARTS = {
    "plain": ({}, KINDS),
    "whole": (
        {
            "settings": 'history_messages = 20\n\n[[channel]]\nmatch = "user.*"\nlisten = "token"\n',
            "ingress": {"host": "shop.example", "className": "nginx", "tlsSecret": "shop-tls", "annotations": {"a.example/b": "c"}},
            "store": {"size": "2Gi", "storageClass": "fast"},
        },
        [*KINDS, "ConfigMap", "PersistentVolumeClaim", "Ingress"],
    ),
    "root": ({"ingress": {"host": "push.example", "path": "/"}, "image": {"tag": "1.2.3"}}, [*KINDS, "Ingress"]),
}


def chart_yaml(name):
    return yaml.safe_load((CHART / name).read_text())


def with_defaults(defaults, given):
    """As Helm puts values together."""
    both = dict(defaults)
    for key, value in given.items():
        both[key] = with_defaults(both[key], value) if isinstance(value, dict) and isinstance(both.get(key), dict) else value
    return both


@pytest.fixture(scope="module")
def render(tmp_path_factory):
    """What the chart makes of values: by Helm where it is installed, else by Go's templates, of which Helm's are."""
    helm, go = shutil.which("helm"), shutil.which("go") or "/usr/local/go/bin/go"
    folder = tmp_path_factory.mktemp("chart")
    if not helm and not os.path.exists(go):
        pytest.skip("needs Helm or Go")
    if not helm:
        env = os.environ | {"GO111MODULE": "off", "CGO_ENABLED": "0"}
        source = pathlib.Path(__file__).parent / "go" / "chart.go"
        subprocess.run([go, "build", "-o", folder / "chart", source], check=True, env=env, timeout=600)

    def made(values):
        if helm:
            (folder / "values.json").write_text(json.dumps(values))
            # A Helm that `go install` made takes every cluster for one of 1.20.
            words = ["--namespace", "shop", "--kube-version", "1.30.0", "--values", folder / "values.json"]
            said = run(helm, "template", "push", CHART, *words)
        else:
            release = {"Name": "push", "Namespace": "shop"}
            chart = {"AppVersion": chart_yaml("Chart.yaml")["appVersion"]}
            given = {"Values": with_defaults(chart_yaml("values.yaml"), values), "Release": release, "Chart": chart}
            said = run(folder / "chart", CHART, input=json.dumps(given))
        return [document for document in yaml.safe_load_all(said) if document]

    return made


def valid(documents):
    for document in documents:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("values, kinds", CHARTS.values(), ids=CHARTS)
def test_kubernetes_takes_what_the_chart_makes(render, values, kinds):
    documents = render(values)
    assert sorted(document["kind"] for document in documents) == sorted(kinds)
    valid(documents)


def test_the_chart_takes_only_values_that_it_knows():
    schema = json.loads((CHART / "values.schema.json").read_text())
    for values, _ in CHARTS.values():
        jsonschema.validate(with_defaults(chart_yaml("values.yaml"), values), schema)
    for wrong in [{"ingres": {}}, {"ingress": {"path": "push"}}, {"store": {"size": "much"}}, {"secret": ""}]:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(with_defaults(chart_yaml("values.yaml"), wrong), schema)


def test_charts_and_images_are_of_this_version():
    chart = chart_yaml("Chart.yaml")
    assert chart["version"] == chart["appVersion"] == VERSION
    for file in ["compose.yaml", "kubernetes/multiplexor.yaml"]:
        assert f"image: ghcr.io/multiplexor/multiplexor:{VERSION}\n" in (DEPLOY / file).read_text(), file


def test_the_image_is_the_static_binary_with_its_licences_and_nothing_else():
    """By reading: nothing here builds images from a Dockerfile."""
    lines = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if line and not line.startswith("#")]
    said = [line.split(" ", 1) for line in lines]
    assert [word for word, _ in said] == ["FROM", "ARG", "COPY", "COPY", "USER", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT"]
    licences = said.pop(3)[1].split()
    assert licences == ["dist/multiplexor-*-THIRD-PARTY.txt", "/THIRD-PARTY.txt"]
    words = dict(said)
    name, arch = words["ARG"].split("=")
    source, target = words["COPY"].replace(f"${{{name}}}", arch).split()
    built = f"dist/multiplexor-{VERSION}-linux-{arch}"
    others = [f"dist/multiplexor-{VERSION}-linux-aarch64", f"dist/multiplexor_{VERSION}_amd64.deb", f"dist/multiplexor-{VERSION}-image.tar"]
    assert [file for file in [built, *others] if fnmatch.fnmatch(file, source)] == [built]
    assert (words["FROM"], json.loads(words["ENTRYPOINT"])) == ("scratch", [target])
    *_, kept, of_others = (DEPLOY / "Dockerfile.dockerignore").read_text().split()
    assert fnmatch.fnmatch(built, kept.removeprefix("!")) and of_others == f"!{licences[0]}"


def test_compose_takes_what_deploy_has():
    run(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_kubernetes_takes_what_deploy_has():
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "multiplexor.yaml").read_text()))
    assert [document["kind"] for document in documents] == KINDS
    valid(documents)


def test_kubernetes_knows_the_service_by_all_its_names():
    documents = list(yaml.safe_load_all((DEPLOY / "kubernetes" / "multiplexor.yaml").read_text()))
    hosts = of_container(documents)[1]["MULTIPLEXOR_IN_HOSTS"].split(",")
    assert hosts == ["multiplexor" + rest for rest in ("", ".default", ".default.svc", ".default.svc.cluster.local")]


def test_no_pod_says_that_it_can_be_scraped_without_a_key():
    """Annotations that are asked for by the names of prometheus.io bring no key, and the NetworkPolicy lets nobody in by them."""
    for file in ["kubernetes/multiplexor.yaml", "helm/multiplexor/templates/deployment.yaml"]:
        assert "prometheus.io/" not in (DEPLOY / file).read_text(), file


def test_prometheus_takes_the_job_for_a_cluster(tmp_path):
    [job] = re.findall(r"^```yaml\n(scrape_configs:.*?)^```$", (DEPLOY / "README.md").read_text(), re.M | re.S)
    (tmp_path / "prometheus.yml").write_text(job.replace("/etc/prometheus/secrets/multiplexor", str(tmp_path)))
    (tmp_path / "key").write_text("mpx_")
    run("promtool", "check", "config", tmp_path / "prometheus.yml")


def test_a_key_of_prometheus_reads_the_metrics_and_publishes_nothing(serve, tmp_path):
    made = json.loads(run(binary(), "key", "make", "--json"))
    [settings] = re.findall(r"^```toml\n(\[\[key\]\].*?)^```$", (DEPLOY / "README.md").read_text(), re.M | re.S)
    (tmp_path / "multiplexor.toml").write_text(re.sub(r"sha256:\w+", made["hash"], settings))
    program = serve(env={"MULTIPLEXOR_CONFIG": str(tmp_path / "multiplexor.toml")})
    asked = {"Authorization": f"Bearer {made['key']}"}
    assert request(program.in_address, "GET", "/metrics", headers=asked)[0] == 200
    assert request(program.in_address, "POST", "/pub/news", b"x", asked)[0] == 403
    assert request(program.in_address, "GET", "/metrics")[0] == 401


def of_container(documents):
    [deployment] = [document for document in documents if document["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    # A secret that is there, or a value.
    return container, {each["name"]: each.get("value", "s" * 40) for each in container["env"]}


def starts_with(serve, given, path=""):
    """The program takes these variables, is ready where probes ask, and is published to by its name and key."""
    made = json.loads(run(binary(), "key", "make", "--json"))
    address = {"MULTIPLEXOR_WAIT": "127.0.0.1:0", "MULTIPLEXOR_IN": "0.0.0.0:0"}
    program = serve(ports=False, env=given | address | {"MULTIPLEXOR_KEY": made["hash"]})
    there = ("127.0.0.1", program.in_address[1])
    for host in given["MULTIPLEXOR_IN_HOSTS"].split(","):
        asked = {"Host": f"{host}:10010", "Authorization": f"Bearer {made['key']}"}
        assert request(there, "POST", "/pub/news", b"x", asked)[0] == 200
    assert request(there, "POST", "/pub/news", b"x", {"Host": host})[0] == 401
    until(lambda: request(program.wait_address, "GET", f"{path}/readyz")[0] == 200, "it is ready")
    assert request(program.wait_address, "GET", f"{path}/healthz")[0] == 200


def test_the_program_starts_with_what_compose_sets(serve):
    starts_with(serve, yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["multiplexor"]["environment"])


def test_the_program_starts_with_what_kubernetes_sets(serve):
    documents = yaml.safe_load_all((DEPLOY / "kubernetes" / "multiplexor.yaml").read_text())
    starts_with(serve, of_container(documents)[1])


@pytest.mark.parametrize("values", [values for values, _ in CHARTS.values()], ids=CHARTS)
def test_the_program_starts_with_what_the_chart_sets(serve, render, tmp_path, values):
    documents = render(values)
    container, given = of_container(documents)
    if "MULTIPLEXOR_CONFIG" in given:
        [settings] = [document["data"] for document in documents if document["kind"] == "ConfigMap"]
        (tmp_path / "multiplexor.toml").write_text(settings["multiplexor.toml"])
        given |= {"MULTIPLEXOR_CONFIG": str(tmp_path / "multiplexor.toml"), "MULTIPLEXOR_STORE": str(tmp_path / "store")}
    ready = container["readinessProbe"]["httpGet"]["path"].removesuffix("/readyz")
    assert container["livenessProbe"]["httpGet"]["path"] == f"{ready}/healthz"
    starts_with(serve, given, ready)
