"""What the pages of docs/ say to type works as typed: each block is run here, or it is said why not.

A place of its own has the addresses, ports, names and folders that a page uses. A block that nobody runs is a failure,
so whoever writes one finds out here.
"""

import json
import re
import time

import pytest
from harness.pages import blocks
from harness.place import Place
from harness.program import ROOT, until

# test_first_hour.py types all of that page, in its order.
BLOCKS = [block for block in blocks() if block.page != "first-hour.md"]
RUN_BY_KIND = {"toml", "json", "nginx"}


def is_run_by_kind(block):
    return block.language in RUN_BY_KIND and (block.page, block.language) != ("proxies.md", "nginx")


# By page and what stands in one block of it: the function that runs it, a test elsewhere, or why nobody does.
RECIPES, ELSEWHERE, LEFT = {}, {}, {}


def recipe(page, *marks):
    def enter(run):
        for mark in marks:
            RECIPES[page, mark] = run
        run.marks = [(page, mark) for mark in marks]
        return run

    return enter


def block_with(page, mark):
    found = [block for block in BLOCKS if block.page == page and mark in block.text]
    assert len(found) == 1, f"{mark!r} stands in {len(found)} blocks of {page}; give what stands in one"
    return found[0]


@pytest.fixture
def place():
    mine = Place()
    yield mine
    mine.close()


def commands(text):
    """The commands of a block, without those parts that are for readers."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip() and not line.startswith("#")]


def until_said(said, text):
    until(lambda: text in said(), f"{text!r} is said")


def until_waiting(place, channel, scheme="http"):
    ask = f"curl -sk {scheme}://127.0.0.1:10010/channels/{channel}"
    until(lambda: '"online":true' in place.run(ask), f"somebody waits on {channel}")


# docs/access.md


@recipe("access.md", "http://push.internal:10010/pub/news")
def a_key_is_set_and_shown(place, block):
    made = dict(line.split() for line in place.run("multiplexor key make").splitlines()[:2])
    text = block.text.replace("sha256:9f2c…", made["hash"]).replace("mpx_Zx0…", made["key"])
    server, *clients = commands(text)
    place.serve(server)
    for client in clients:
        said = place.run(client)
        assert '"cursor"' in said or "waiting" in said, (client, said)
    assert '"code":"credentials"' in place.run("curl -s -d hello http://push.internal:10010/pub/news")


@recipe("access.md", "$ multiplexor key make")
def a_key_is_made(place, block):
    said = place.run("multiplexor key make")
    for name, sample in re.findall(r"^(\w+) +(\w+.)\S*…", block.text, re.MULTILINE):
        assert re.search(rf"^{name} +{sample[:4]}", said, re.MULTILINE), said


SIGN_IN = "<?php session_start(); $_SESSION['user'] = $_GET['user']; echo session_name() . '=' . session_id();"


def site(place, port, folder=".", **files):
    """PHP's own server, whose users can sign in; `files` by name."""
    home = place.work / "site" / folder
    home.mkdir(parents=True, exist_ok=True)
    (place.work / "site/sign_in.php").write_text(SIGN_IN)
    for name, text in files.items():
        (home / f"{name}.php").write_text(text)
    place.start(f"PHP_CLI_SERVER_WORKERS=4 php -d session.save_path={place.folder} -S 127.0.0.1:{port} -t site")
    place.until_port(port)
    return place.run(f"curl -s 'http://127.0.0.1:{port}/sign_in.php?user=ann'").strip()


@recipe("access.md", 'hook = "http://127.0.0.1/push/who.php"', "'listen' => [\"user.$user\"")
def the_application_says_who_a_client_is(place, settings, who):
    cookie = site(place, 80, "push", who=who.text)
    (place.work / "multiplexor.toml").write_text(settings.text)
    place.serve("multiplexor --config multiplexor.toml")
    place.run("multiplexor send user.ann hello; multiplexor send user.bob hello")
    listen = "curl -s http://127.0.0.1:8088/sub/{}?since=0 -H 'Cookie: " + cookie + "'"
    assert '"data":"hello"' in place.run(listen.format("user.ann"))
    assert '"code":"grant"' in place.run(listen.format("user.bob"))
    assert '"code":"hook-refused"' in place.run(listen.format("user.ann").replace(cookie, "PHPSESSID=x"))


@recipe("access.md", 'takeover = "http://127.0.0.1:8000"', "header(\"Multiplexor-Channels: news,user.$user\")")
def the_application_holds_a_client(place, settings, page):
    cookie = site(place, 8000, "app", wait=page.text)
    (place.work / "multiplexor.toml").write_text('listen = "token"\n' + settings.text)
    place.serve("multiplexor --config multiplexor.toml")
    place.run("multiplexor send user.ann hello")
    wait = f"curl -s -w '%{{http_code}}' 'http://127.0.0.1:8088/app/wait.php?since=0' -H 'Cookie: {cookie}'"
    assert '"data":"hello"' in place.run(wait)
    assert place.run(wait.replace(cookie, "a=b")).endswith("401")


@recipe("access.md", "curl http://127.0.0.1:10010/refused")
def refusals_are_asked_for(place, block):
    place.serve("multiplexor")
    place.run("curl -s -H 'Host: other.example' http://127.0.0.1:10010/channels")
    [ask] = commands(block.text)
    assert '"code":"host"' in place.run(ask.replace("curl", "curl -s"))


ELSEWHERE["access.md", "function signed_url(array $names"] = "test_tokens.py::test_the_documented_lines_of_all_languages_sign_alike"
ELSEWHERE["access.md", "function signedUrl(names"] = "test_tokens.py::test_the_documented_lines_of_all_languages_sign_alike"
ELSEWHERE["access.md", "multiplexor explain room.7"] = "test_explain.py::test_the_command_says_it_line_by_line"
ELSEWHERE["access.md", "def signed_url(names, expires, secret, user=\"\"):"] = "test_tokens.py::test_the_documented_lines_of_all_languages_sign_alike"
ELSEWHERE["access.md", "OpenSSL::HMAC.digest"] = "test_tokens.py::test_the_documented_lines_of_all_languages_sign_alike"


# docs/classic.md


@recipe("classic.md", "wget -q -O - ", "X-Multiplexor: identifier=u7,u9", 'fwrite($f, "ONLINE')
def the_words_of_2009(place, wait, publish, online):
    place.serve("multiplexor")
    heard = [place.start(line) for line in commands(wait.text)]
    until(lambda: '"waiting":2' in place.run("curl -s http://127.0.0.1:10010/channels/u7"), "both wait")
    (place.work / "online.php").write_text(f"{online.text} echo $answer;")
    assert place.run("php -n online.php") == "u7\n."
    (place.work / "publish.php").write_text(publish.text)
    place.run("php -n publish.php")
    for said in heard:
        until_said(said, "hello")


# docs/operations.md


@recipe("operations.md", "multiplexor config check /etc/multiplexor/multiplexor.toml")
def settings_are_checked_with_the_service_s_secrets(place, block):
    place.run("mkdir /etc/multiplexor; echo 'listen = \"token\"' > /etc/multiplexor/multiplexor.toml; : > /etc/default/multiplexor")
    assert "token_secret" in place.run(block.text, may_fail=True)
    place.run("echo MULTIPLEXOR_TOKEN_SECRET=$(openssl rand -hex 32) >> /etc/default/multiplexor")
    place.run(block.text)


# docs/protocol.md


@recipe("protocol.md", "$ curl -d hello 'http://127.0.0.1:10010/pub/news,user.42?ttl=60'")
def a_publish_says_who_waits(place, block):
    place.serve("multiplexor")
    place.start("curl -sN http://127.0.0.1:8088/sub/news?transport=sse")
    until_waiting(place, "news")
    prompt, answer = block.text.strip().splitlines()
    said = json.loads(place.run(prompt.removeprefix("$ ").replace("curl", "curl -s")))
    expected = json.loads(answer)
    expected["channels"]["news"]["waiting"] = 1
    assert said["channels"] == expected["channels"] and said["cursor"]


@recipe("protocol.md", 'await fetch("http://127.0.0.1:10010/pub/prices"')
def a_page_of_node_publishes_json(place, block):
    place.serve("multiplexor")
    (place.work / "publish.mjs").write_text(block.text)
    place.run("node publish.mjs")
    assert '"data":{' in place.run("curl -s 'http://127.0.0.1:8088/sub/prices?since=0'")


@recipe("protocol.md", "more.onclick = async ()")
def a_page_shows_older_messages(place, block):
    place.serve("multiplexor")
    lines = "\n".join(json.dumps({"channel": "chat", "data": n}) for n in range(50))
    (place.work / "lines").write_text(lines)
    place.run("curl -s --data-binary @lines http://127.0.0.1:10010/pub")
    page = f"""
import {{ Multiplexor as Client }} from "{ROOT}/clients/js/dist/multiplexor.mjs";
const [shown, more, line] = [[], {{}}, ({{ data }}) => data];
const lines = {{ append: (one) => shown.push(one), prepend: (...all) => shown.unshift(...all) }};
class Multiplexor extends Client {{ constructor(url, options) {{ super("http://127.0.0.1:8088", {{ transports: ["poll"], ...options }}); }} }}
{block.text}
while (shown.length < 20) await new Promise((then) => setTimeout(then, 10));
for (; !more.disabled; await more.onclick());
console.log(shown.join());
process.exit();
"""
    (place.work / "page.mjs").write_text(page)
    assert place.run("node page.mjs").strip() == ",".join(map(str, range(50)))


# docs/realplexor.md


@recipe("realplexor.md", '[[wait]]\naddress = "0.0.0.0:8088"', "identifier=0:news,", "*user1")
def the_words_of_realplexor(place, settings, wait, publish):
    (place.work / "multiplexor.toml").write_text(settings.text)
    place.serve("multiplexor --config multiplexor.toml")
    [line] = commands(wait.text)
    said = place.start(line.replace("curl", "curl -sN"))
    until(lambda: '"online":true' in place.run("curl -s http://127.0.0.1:10010/channels/news"), "it waits")
    (place.work / "publish.php").write_text(publish.text.replace("<?php", '<?php $data = "hello";'))
    place.run("php -n publish.php")
    # The message is for those only who listen to user1, too.
    assert '"hello"' in place.run("curl -s 'http://127.0.0.1:8088/?identifier=0:news,user1'")
    for_all = publish.text.replace("<?php", '<?php $data = "for all";').replace(",*user1", "")
    (place.work / "publish.php").write_text(for_all)
    place.run("php -n publish.php")
    until_said(said, '"for all"')
    assert '"hello"' not in said()


# docs/store.md


@recipe("store.md", "multiplexor --store /var/lib/multiplexor\n", "multiplexor store check")
def what_is_stored_is_checked(place, serve, check):
    [server] = commands(serve.text)
    place.serve(server)
    place.run("multiplexor send news hello; kill $(pidof multiplexor); while pidof multiplexor; do sleep 0.1; done")
    for line in commands(check.text):
        assert "1 message" in place.run(line) or "messages" in place.run(line), line


# docs/tls.md

CERTBOT = """#!/bin/sh
# Stands in for an authority, which would have to reach this machine by its name.
D=/etc/letsencrypt/live/push.example; mkdir -p $D
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 -subj /CN=push.example \\
  -addext subjectAltName=DNS:push.example -keyout $D/privkey.pem -out $D/fullchain.pem
"""


@recipe("tls.md", "certbot certonly")
def a_certificate_of_an_authority(place, block):
    (place.bin / "certbot").write_text(CERTBOT)
    (place.bin / "certbot").chmod(0o755)
    obtain, where, server = commands(block.text)
    assert obtain.endswith(" -d push.example")
    place.run(obtain)
    place.serve(f"{where}\n{server}")
    place.run("multiplexor send news hello")
    trust = "--cacert /etc/letsencrypt/live/push.example/fullchain.pem"
    assert '"data":"hello"' in place.run(f"curl -s {trust} https://push.example/sub/news?since=0")


@recipe("tls.md", "openssl req -x509")
def a_certificate_of_ones_own(place, block):
    make, server, listen = commands(block.text)
    place.run(make)
    place.serve(server)
    said = place.start(listen)
    until_waiting(place, "news")
    place.run("multiplexor send news hello")
    until_said(said, "data: hello")


# docs/tuning.md


@recipe("tuning.md", "prlimit --pid $$ --nofile=1048576:1048576\nmultiplexor")
def files_for_a_crowd(place, block):
    raise_limit, server = commands(block.text)
    if "failed" in place.run(raise_limit, may_fail=True):
        pytest.skip("here nobody may have as many files")
    place.serve(block.text)
    assert place.run("awk '/open files/ {print $4}' /proc/$(pidof multiplexor)/limits").strip() == "1048576"


@recipe("tuning.md", "multiplexor doctor --crowd 1000000")
def the_doctor_looks_at_a_program(place, block):
    place.serve("multiplexor")
    said = place.run(block.text, may_fail=True)
    assert said.startswith("Can this machine hold 1,000,000 connections?"), said


@recipe("tuning.md", "multiplexor --shards 67")
def more_shards(place, block):
    [server] = commands(block.text)
    place.serve(server)
    assert place.run("ls /proc/$(pidof multiplexor)/task | wc -l").strip() >= "67"


@recipe("tuning.md", "sysctl -w net.ipv4.tcp_wmem")
def less_memory_for_each_socket(place, block):
    [line] = commands(block.text)
    place.run(line)
    assert place.run("sysctl -n net.ipv4.tcp_wmem").split() == ["4096", "16384", "262144"]


@recipe("tuning.md", "sysctl -w net.ipv4.ip_local_port_range")
def more_ports(place, block):
    [line] = commands(block.text)
    place.run(line)
    assert place.run("sysctl -n net.ipv4.ip_local_port_range").split() == ["1024", "65535"]


# README.md

LISTENS = "test_readme.py::test_a_line_that_listens_hears"
PUBLISHES = "test_readme.py::test_a_line_that_publishes_publishes"
PHP = "test_readme.py::test_the_php_publishes"
ELSEWHERE |= {
    ("README.md", "# 2: subscribe"): LISTENS,
    ("README.md", "?since=10m"): LISTENS,
    ("README.md", "tick&ttl=60"): PUBLISHES,
    ("README.md", "# for Prometheus"): "test_readme.py::test_a_line_that_asks_is_answered",
    ("README.md", "# to all she has open"): "test_readme.py::test_a_line_that_asks_is_answered",
    ("protocol.md", 'publish: "room.7"'): "test_client_messages.py::test_by_websocket_and_each_transport_hears_it_with_the_user",
    ("webhooks.md", "from standardwebhooks import"): "test_webhook_manual.py::test_the_lines_for_python_in_the_manual_find_what_is_right_and_what_is_forged",
    ("webhooks.md", 'from "standardwebhooks"'): "test_webhook_manual.py::test_the_lines_for_node_in_the_manual_find_what_is_right_and_what_is_forged",
    ("webhooks.md", "hash_hmac("): "test_webhook_manual.py::test_the_lines_for_php_in_the_manual_find_what_is_right_and_what_is_forged",
    ("README.md", "json_encode($_POST)"): PHP,
    ("README.md", '"content" => "hello"'): PHP,
    ("README.md", "new Multiplexor(undefined"): "test_readme.py::test_the_chat_is_the_one_of_the_examples",
}


# docs/proxies.md

PROXIES = "../proxies/test_proxies.py::test_the_page_shows_the_files_as_they_are"
FILES = ["nginx in front", "nginx with the WAIT line", "HAProxy", "Apache", "Varnish", "lighttpd", "Squid", "Caddy", "Envoy", "h2o"]
# Each is a file of deploy/proxies, which the tests beside this one run.
ELSEWHERE |= {("proxies.md", f"# {first}"): PROXIES for first in FILES}
AGAIN = "../proxies/test_again.py::test_who_asks_for_events_is_told_to_come_again"
LINES = ["= @again", "txn.accept", "handle_errors", "local_reply_config", "SetHandler send-as-is", "> /etc/apache2/again.asis"]
LINES += ["sub vcl_synth", "server.error-handler", "> /var/www/html/again.events", "http_reply_access", "mruby.handler"]
ELSEWHERE |= {("proxies.md", mark): AGAIN for mark in LINES}


# What is not run here.

RELEASE = "a release is not on the network of a test; tests/firsthour installs what make dist builds"
MACHINE = "it would change limits of the whole machine, which other tests have, too"
FIGURES = "its figures are those of one machine at one time; test_bench.py runs the same commands"
DOCTOR = "it tells what one machine had; test_doctor.py and test_doctor_tls.py compare what is told"
LONG = "it takes minutes to hours; CONTRIBUTING.md says when it is run"

LEFT |= {
    ("README.md", "alert(message.data)"): "test_sse.py listens by EventSource in browsers, which alert to nobody",
    ("README.md", "apt-get install ./multiplexor"): RELEASE,
    ("README.md", "dnf install"): RELEASE,
    ("README.md", "docker run"): RELEASE,
    ("README.md", "chmod +x multiplexor"): RELEASE,
    ("README.md", "cargo install"): RELEASE,
    ("README.md", "make run"): "these are the commands that build this program and run this test",
    ("bench.md", "$ multiplexor bench fanout --self"): FIGURES,
    ("bench.md", "$ multiplexor bench storm --self"): FIGURES,
    ("bench.md", "$ multiplexor bench join=1000"): FIGURES,
    ("bench.md", "$ prlimit --nofile=300:300 multiplexor bench"): FIGURES,
    ("bench.md", "--publish 'http://10.0.0.7:80/pub/{ch}'"): "it measures a server that somebody else runs; test_bench.py does so",
    ("doctor.md", "$ multiplexor doctor\n"): DOCTOR,
    ("doctor.md", "$ multiplexor doctor http://127.0.0.1:19702"): DOCTOR,
    ("doctor.md", "--crowd 1000\n"): DOCTOR,
    ("doctor.md", "--server http://127.0.0.1:10010\n"): DOCTOR,
    ("doctor.md", "$ multiplexor doctor https://127.0.0.1:19774"): DOCTOR,
    ("doctor.md", "$ multiplexor doctor http://127.0.0.1:19774"): DOCTOR,
    ("performance.md", "perf record"): "it needs perf, valgrind and a person who presses Enter",
    ("security.md", "nft add table"): "it changes a firewall that this machine's kernel need not have",
    ("testing.md", "make fuzz"): LONG,
    ("testing.md", "make soak"): LONG,
    ("tuning.md", "cp deploy/sysctl.conf"): MACHINE,
    ("tuning.md", "nf_conntrack_max"): MACHINE,
    ("tuning.md", "sudo bench/sysctl.sh"): MACHINE,
    ("operations.md", "sudo multiplexor upgrade"): "it is for a service of root's; test_upgrade.py upgrades",
    ("operations.md", "systemctl enable"): "it is for systemd, which does not run here; test_deploy.py judges the unit",
    ("operations.md", "MULTIPLEXOR_CONFIG="): "it is a file of variables for that unit",
    ("tuning.md", "[Service]"): "it is for systemd, which does not run here",
}


# Files that settings of pages name.
KEYS = """mkdir -p /etc/ssl; cd /etc/ssl
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem 2>/dev/null
openssl req -x509 -key key.pem -days 30 -subj /CN=push.example -addext subjectAltName=DNS:push.example -out certificate.pem
"""

# What the package brings, or systemd before it starts the program: the service's user, its folder, and the web server's group.
PACKAGE = """getent group www-data >/dev/null || echo www-data:x:33: >> /etc/group
getent passwd multiplexor >/dev/null || echo multiplexor:x:990:990::/nonexistent:/usr/sbin/nologin >> /etc/passwd
mkdir -p /run/multiplexor
"""


def written(text):
    """Settings with what the reader is to put in."""
    return text.replace('"…"', '"' + "x" * 40 + '"')


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "toml"], ids=str)
def test_settings_of_a_page_are_right(place, block):
    text = written(block.text)
    place.run(KEYS)
    for file in set(re.findall(r'"(/etc/[^"]*\.(?:pem|key|crt))"', text)):
        kind = "key" if file.endswith("key") or "privkey" in file else "certificate"
        place.run(f"mkdir -p $(dirname {file}); cp /etc/ssl/{kind}.pem {file}")
    (place.work / "multiplexor.toml").write_text(text)
    place.run(PACKAGE)
    place.run("multiplexor config check multiplexor.toml")


NGINX = """daemon off; user root; pid nginx.pid; error_log stderr; events {{}}
http {{
  access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  server {{ listen 127.0.0.1:8000; {} }}
}}
"""


def listens_through_nginx(place, text):
    """The block leads to the WAIT line, wherever it says that is, under the path that it says."""
    [path], [target] = re.findall(r"location (/\S*)", text), re.findall(r"proxy_pass http://([^;]+);", text)
    flags = ["--wait", target if target.startswith("unix:") else target.rstrip("/")]
    if not path.startswith("/sub") and path != "/" and not target.endswith("/"):
        flags += ["--wait-prefix", path.rstrip("/")]
    place.run("mkdir -p /run/multiplexor")
    place.serve("multiplexor " + " ".join(flags))
    (place.work / "nginx.conf").write_text(NGINX.format(text))
    place.start("nginx -p . -c nginx.conf")
    place.until_port(8000)
    place.run("multiplexor send news hello")
    base = "" if path.startswith("/sub") else path.rstrip("/")
    assert '"data":"hello"' in place.run(f"curl -s 'http://127.0.0.1:8000{base}/sub/news?since=0'")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "nginx" and is_run_by_kind(block)], ids=str)
def test_a_block_of_nginx_leads_to_the_wait_line(place, block):
    listens_through_nginx(place, block.text)


def test_such_a_block_is_run_as_it_is(place):
    listens_through_nginx(place, "location /sub/ { proxy_pass http://127.0.0.1:8088; proxy_http_version 1.1; }")


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "json"], ids=str)
def test_json_of_a_page_is_some(block):
    json.loads(block.text)


@pytest.mark.parametrize("run", dict.fromkeys(RECIPES.values()), ids=lambda run: run.__name__)
def test_what_a_page_says_to_type_works(place, run):
    run(place, *(block_with(*mark) for mark in run.marks))


def test_every_block_is_run_or_it_is_said_why_not():
    known = {}
    for page, mark in [*RECIPES, *ELSEWHERE, *LEFT]:
        block = block_with(page, mark)
        assert block not in known, f"{block} is named by {known.get(block)!r} and by {mark!r}"
        known[block] = mark
    nobody = [
        f"{block}: {block.language}: {block.text.splitlines()[0]}"
        for block in BLOCKS
        if block not in known and not is_run_by_kind(block)
    ]
    assert not nobody, "nobody runs these; add a recipe, or to LEFT with the reason:\n" + "\n".join(nobody)


def test_php_begins_as_php_begins():
    """So that it is a program wherever somebody pastes it."""
    plain = [str(block) for block in blocks() if block.language == "php" and not block.text.startswith("<?php")]
    assert not plain


@pytest.mark.parametrize("name", sorted(set(ELSEWHERE.values())))
def test_the_tests_elsewhere_are_there(name):
    file, test = name.split("::")
    assert f"def {test}(" in (ROOT / "tests/blackbox" / file).read_text()
