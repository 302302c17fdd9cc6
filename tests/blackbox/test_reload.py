"""A reload: settings that are read anew while the program runs, and what connections that stay open have of them."""

import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest
from harness.authority import Authority
from harness.program import binary, fresh_name, request, until
from harness.tokens import SECRET, make_token
from harness.wire import Lines, Sse, Wire, poll
from test_access import make_key

SEED = int(os.environ.get("TESTS_MULTIPLEXOR_SEED", "1"))
PRESENCE = '[[channel]]\nmatch = "people*"\npresence = "open"\n'


@pytest.fixture
def set_up(serve, tmp_path):
    """Starts a program with a settings file of this text; `program.set(text)` writes another and has it taken."""

    def start(text="", *flags, **options):
        file = tmp_path / "multiplexor.toml"
        file.write_text(text)
        program = serve("--config", str(file), *flags, **options)

        def reload(text=None, key=None):
            if text is not None:
                file.write_text(text)
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            status, _, body = request(program.in_address, "POST", "/reload", None, headers)
            return status, json.loads(body)

        def change(text, *changed, waiting=(), key=None):
            status, said = reload(text, key)
            assert (status, said) == (200, {"changed": list(changed), "waiting": list(waiting)})

        program.file, program.reload, program.set = file, reload, change
        return program

    return start


def refusal(answer):
    status, _, body = answer
    return status, json.loads(body)["code"]


def sub(program, path, **headers):
    return request(program.wait_address, "GET", path, None, headers)


def test_what_has_changed_and_what_waits_is_told_by_name(set_up):
    program = set_up('poll_timeout = "9s"\n')
    program.set('poll_timeout = "9s"\n')
    program.set('poll_timeout = "8s"\nshards = 3\n', "poll_timeout", waiting=["shards"])
    told = program.ask("/settings")
    assert told["poll_timeout"] == {
        "value": "8s", "from": "file", "file": str(program.file), "line": 1, "takes_effect": "live",
    }  # fmt: skip
    assert told["shards"]["value"] == "auto" and told["shards"]["takes_effect"] == "restart"
    assert told["shards"]["waiting"]["value"] == 3
    assert (told["wait"]["from"], told["heartbeat"]["from"]) == ("flag", "default")
    assert program.metric("multiplexor_reloads_total") == 2
    assert program.metric("multiplexor_settings_waiting") == 1
    program.until_logged("they are taken when the program is started anew")
    assert 'waiting="shards"' in program.stderr()
    program.set("", "poll_timeout")
    assert "waiting" not in program.ask("/settings")["shards"]
    # A flag beats the file, as at the start.
    program.set('drain = "9s"\n')


def test_at_a_signal_the_log_tells_it(set_up):
    program = set_up()
    program.process.send_signal(signal.SIGHUP)
    program.until_logged("SIGHUP changes nothing")
    program.file.write_text('heartbeat = "3s"\n')
    program.process.send_signal(signal.SIGHUP)
    program.until_logged('changed="heartbeat"')
    assert program.ask("/settings")["heartbeat"]["value"] == "3s"


@pytest.mark.parametrize(
    "text, what",
    [
        ('poll_timeout = "9"\norigins = ["https://a.example"]\n', "give a duration from 100ms to 1h"),
        ('origins = ["https://a.example"]\npol_timeout = "9s"\n', "did you mean poll_timeout?"),
        ('origins = ["https://a.example"]\ntoken_key = ["/no/such.pem"]\n', "cannot be read"),
        ('origins = ["https://a.example"]\ntls_certificate = ["/no/such.pem"]\n', "tls_key"),
        ('origins = ["https://a.example"]\n[[channel]]\nmatch = "*"\n[[channel]]\nmatch = "a"\n', "no channel is left"),
        ('origins = ["https://a.example"]\n[[channel]]\nmatch = "a"\nlisten = "token"\n', "token"),
    ],
)
def test_where_anything_is_wrong_nothing_changes(set_up, text, what):
    program = set_up('poll_timeout = "9s"\n')
    before = program.ask("/settings")
    status, said = program.reload(text)
    assert (status, said["code"]) == (422, "settings") and what in said["detail"]
    checked = subprocess.run([binary(), "config", "check", str(program.file)], capture_output=True, text=True)
    assert checked.returncode == 1 and checked.stderr.strip() == said["detail"]
    assert program.ask("/settings") == before
    assert program.metric("multiplexor_reload_failures_total") == 1
    program.process.send_signal(signal.SIGHUP)
    program.until_logged("the settings were not taken anew; the program goes on as before")
    assert program.ask("/settings") == before
    program.file.unlink()
    assert program.reload()[0] == 422 and program.ask("/settings") == before


def test_what_waits_may_not_make_a_hole(set_up):
    """What is taken must be right beside what is not, until the program is started anew."""
    key, hashed = make_key()
    program = set_up()
    program.set(f'key = ["{hashed}"]\n', "key")
    assert refusal(request(program.in_address, "GET", "/stats")) == (401, "credentials")
    program.set("", "key", key=key)
    rule = '[[channel]]\nmatch = "a"\npublish = "open"\npublish_hook = true\n'
    status, said = program.reload('publish_hook_url = "http://127.0.0.1:1/"\n' + rule)
    assert status == 422 and "publish_hook_url" in said["detail"] and "start it anew" in said["detail"]
    assert program.ask("/settings")["channel"]["value"] == []


# What is live, on connections that stay open


def test_rules_and_history_count_at_once_and_lose_nobody(set_up):
    program = set_up()
    name = fresh_name("r")
    with Sse(program, f"/sse/{name}") as reader:
        program.until_waiting(name)
        cursors = [program.publish(name, f"m{n}") for n in range(5)]
        program.set(f'[[channel]]\nmatch = "{name}"\nhistory_messages = 2\npayload_limit = 8\n', "channel")
        assert refusal(request(program.in_address, "POST", f"/pub/{name}", b"123456789")) == (413, "payload")
        page = program.ask(f"/channels/{name}/history?since=0")
        assert [one["data"] for one in page["messages"]] == ["m3", "m4"]
        with Sse(program, f"/sse/{name}?since={cursors[0]}") as back:
            assert [back.event()[0], *back.datas(2)] == ["gap", "m3", "m4"]
        program.set('history_messages = 3\n', "history_messages", "channel")
        for n in range(5, 10):
            program.publish(name, f"m{n}, which is longer")
        page = program.ask(f"/channels/{name}/history?since=0")
        assert [one["data"][1] for one in page["messages"]] == ["7", "8", "9"]
        assert [data[1] for data in reader.datas(10)] == list("0123456789")


def test_doors_close_and_open_for_the_next_request(set_up):
    program = set_up(f'token_secret = ["{SECRET}"]\n')
    base = f'token_secret = ["{SECRET}"]\n'
    name = fresh_name("d")
    with Sse(program, f"/sse/{name}") as reader, Wire(program.wait_address) as kept:
        program.until_waiting(name)
        program.set(base + f'[[channel]]\nmatch = "{name}"\nlisten = "token"\n', "channel")
        status, _, body = kept.get(f"/sub/{name}?wait=0").response()
        assert (status, json.loads(body)["code"]) == (403, "credentials") or status == 401
        token = make_token(listen=[name])
        assert kept.get(f"/sub/{name}?wait=0&token={token}").response()[0] == 200
        program.set('token_secret = ["another-secret-of-more-than-32-characters"]\n', "token_secret", "channel")
        program.set('token_secret = ["another-secret-of-more-than-32-characters"]\nlisten = "token"\n', "listen")
        assert kept.get(f"/sub/{name}?wait=0&token={token}").response()[0] in (401, 403), "its secret is gone"
        program.publish(name, "still here")
        assert reader.datas(1) == ["still here"]
        program.set(base + 'listen = "token"\n', "token_secret")
        assert kept.get(f"/sub/{name}?wait=0&token={token}").response()[0] == 200
        assert program.ask("/stats")["wait"]["accepted"] >= 2


def test_keys_of_the_in_line_come_and_go(set_up):
    (old, old_hash), (new, new_hash) = make_key(), make_key()
    program = set_up(f'key = ["{old_hash}"]\n')
    with Wire(program.in_address) as kept:

        def status(key):
            return kept.get("/stats", Authorization=f"Bearer {key}").response()[0]

        assert (status(old), status(new)) == (200, 401)
        program.set(f'key = ["{old_hash}", "{new_hash}"]\n', "key", key=old)
        assert (status(old), status(new)) == (200, 200)
        with Wire(program.in_address) as watcher:
            watcher.get("/watch?transport=stream", Authorization=f"Bearer {old}")
            watcher.head()
            program.set(f'key = ["{new_hash}"]\n', "key", key=new)
            assert (status(old), status(new)) == (401, 200)
            while not watcher.chunks.ended:
                assert watcher.more()
        told = kept.get("/settings", Authorization=f"Bearer {new}").response()[2].decode()
        assert new_hash not in told and old_hash not in told


def test_a_heartbeat_that_is_to_come_sooner_comes_on_streams_that_are_open(set_up):
    program = set_up('heartbeat = "1h"\n')
    with Lines(program, "/sub/beats?transport=stream") as stream:
        stream.object()
        program.until_waiting("beats")
        program.set('heartbeat = "200ms"\n', "heartbeat")
        beats = [stream.object() for _ in range(3)]
        assert all(set(one) == {"cursor"} for one in beats)


def test_a_poll_has_the_time_that_is_set_when_it_comes(set_up):
    program = set_up('poll_timeout = "1h"\n')
    with Wire(program.wait_address) as kept:
        kept.get("/sub/p?wait=0").response()
        program.set('poll_timeout = "100ms"\n', "poll_timeout")
        document = json.loads(kept.get("/sub/p").response()[2])
        assert document["messages"] == []


@pytest.mark.parametrize("line", ["wait", "in"])
def test_how_long_a_request_may_take_counts_for_the_next_one(set_up, line):
    program = set_up('request_timeout = "1h"\nkeep_alive = "1h"\n')
    address = program.wait_address if line == "wait" else program.in_address
    path = "/sub/p?wait=0" if line == "wait" else "/stats"
    with Wire(address) as slow, Wire(address) as silent:
        for wire in (slow, silent):
            assert wire.get(path).response()[0] == 200
        program.set('request_timeout = "300ms"\nkeep_alive = "1s"\n', "request_timeout", "keep_alive")
        assert silent.get(path).response()[1]["keep-alive"] == "timeout=1"
        assert slow.get(path).response()[0] == 200
        slow.send("GET /stats HTTP/1.1\r\nHost:")
        assert slow.response()[0] == 408
        assert silent.rest() == b""


def test_limits_of_clients_count_for_the_next_request(set_up):
    program = set_up()
    with Wire(program.wait_address) as kept:
        kept.get("/sub/a,b,c?wait=0").response()
        program.set("channels_limit = 2\nstrict_names = \"on\"\n", "channels_limit", "strict_names")
        assert kept.get("/sub/a,b,c?wait=0").response()[0] == 400
        assert kept.get("/sub/a,b?wait=0").response()[0] == 200
        assert kept.get("/sub/a*?wait=0").response()[0] == 400


def test_origins_count_for_the_next_request(set_up):
    base = f'token_secret = ["{SECRET}"]\nlisten = "token"\n'
    program = set_up(base + 'origins = ["https://a.example"]\n')
    token = make_token(listen=["o"])
    with Wire(program.wait_address) as kept:

        def status(origin):
            return kept.get("/sub/o?wait=0", Origin=origin, Authorization=f"Bearer {token}").response()[0]

        assert (status("https://a.example"), status("https://b.example")) == (200, 403)
        program.set(base + 'origins = ["https://b.example"]\n', "origins")
        assert (status("https://a.example"), status("https://b.example")) == (403, 200)


def test_clients_may_publish_where_a_rule_says_so_now(set_up):
    program = set_up()
    name = fresh_name("c")
    with Wire(program.wait_address) as kept, Sse(program, f"/sse/{name}") as reader:
        assert kept.get(f"/pub/{name}", "POST", b"early").response()[0] in (403, 404)
        rule = f'[[channel]]\nmatch = "{name}"\npublish = "open"\n'
        program.set("client_payload_limit = 9\nconnection_messages = 2\n" + rule,
                    "client_payload_limit", "connection_messages", "channel")  # fmt: skip
        assert kept.get(f"/pub/{name}", "POST", b"too long, it is").response()[0] == 413
        sent = [kept.get(f"/pub/{name}", "POST", b"hello", Content_Type="text/plain").response()[0] for _ in range(3)]
        assert sent == [200, 200, 429]
        assert reader.datas(2) == ["hello", "hello"]
        program.set("", "client_payload_limit", "connection_messages", "channel")
        assert kept.get(f"/pub/{name}", "POST", b"late").response()[0] in (403, 404)


def test_rates_of_publishers_count_at_once(set_up):
    program = set_up()
    with Wire(program.in_address) as kept:

        def sent(count):
            return [kept.get("/pub/a", "POST", b"x").response()[0] for _ in range(count)]

        assert sent(5) == [200] * 5
        program.set("publish_rate = 1\n", "publish_rate")
        assert sent(5).count(429) >= 3
        program.set("payload_limit = 0\n".replace("0", "1"), "payload_limit", "publish_rate")
        assert sent(5) == [200] * 5
        assert kept.get("/pub/a", "POST", b"xy").response()[0] == 413
        program.set("in_address_requests = 1\n", "payload_limit", "in_address_requests")
        assert sent(9).count(429) >= 5


def test_names_of_the_in_line_count_at_once(set_up):
    program = set_up()
    headers = {"Host": "push.example"}
    assert request(program.in_address, "GET", "/stats", None, headers)[0] != 200
    program.set('in_hosts = ["push.example"]\n', "in_hosts")
    assert request(program.in_address, "GET", "/stats", None, headers)[0] == 200


def test_who_comes_is_counted_by_the_limits_of_now(set_up):
    program = set_up()
    with Sse(program, "/sse/a") as early:
        program.until_waiting("a")
        program.set("address_connections = 1\n", "address_connections")
        with Sse(program, "/sse/a") as first, Wire(program.wait_address) as second:
            assert second.get("/sub/a?wait=0").response()[0] == 429
            program.set("", "address_connections")
            with Sse(program, "/sse/a") as third:
                program.until_waiting("a", 3)
                program.publish("a", "all")
                assert [one.datas(1) for one in (early, first, third)] == [["all"]] * 3
        program.until_waiting("a", 1)
        # Those who came while there was no limit count for this one.
        program.set("connections_limit = 1\n", "connections_limit")
        with Wire(program.wait_address) as second:
            assert second.get("/sub/a?wait=0").response()[0] == 503
        program.set("", "connections_limit")
        with Sse(program, "/sse/a") as second:
            program.until_waiting("a", 2)
            assert second.status == 200


def test_the_log_says_more_or_less_at_once(set_up):
    program = set_up()
    assert "a publisher has come" not in program.stderr()
    program.set('log_level = "debug"\n', "log_level")
    program.publish("a", "x")
    program.until_logged("a publisher has come")
    program.set('log_level = "error"\n', "log_level")
    seen = program.stderr().count("a publisher has come")
    for _ in range(5):
        program.publish("a", "x")
    assert program.stderr().count("a publisher has come") <= seen + 1


def shown(program, authority):
    """The certificate that the WAIT line shows now."""
    context = ssl.create_default_context(cafile=str(authority.certificate))
    with socket.create_connection(program.wait_address) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            return secure.getpeercert(binary_form=True)


def test_other_certificates_are_shown_to_who_comes(set_up, tmp_path):
    authority = Authority(tmp_path)
    old, new = authority.issue("old", "localhost"), authority.issue("new", "localhost")

    def files(pair):
        return f'tls_certificate = ["{pair[0]}"]\ntls_key = ["{pair[1]}"]\n'

    program = set_up(files(old))
    before = shown(program, authority)
    program.set(files(new), "tls_certificate", "tls_key")
    until(lambda: shown(program, authority) != before, "the new one is shown")
    status, said = program.reload(files((old[0], new[1])))
    assert status == 422 and "key" in said["detail"]
    # Where TLS is spoken is decided at the start.
    program.set("", waiting=["tls_certificate", "tls_key"])


# What waits


def test_presence_and_the_store_wait_with_all_rules(set_up):
    program = set_up(PRESENCE)
    program.set("", waiting=["channel"])
    program.set(PRESENCE + '[[channel]]\nmatch = "b"\npayload_limit = 1\n', "channel")
    assert request(program.in_address, "POST", "/pub/b", b"xx")[0] == 413
    told = program.ask("/settings")["channel"]
    assert [one["value"]["match"] for one in told["value"]] == ["people*", "b"] and "waiting" not in told


# The command line


def test_the_command_has_the_settings_taken(set_up):
    program = set_up()

    def run(*words):
        return subprocess.run([binary(), *words], capture_output=True, text=True, timeout=60)

    server = ("--server", program.in_url)
    assert run("reload", *server).stdout == "nothing has changed\n"
    program.file.write_text('heartbeat = "9s"\nshards = 3\n')
    against = run("config", "check", str(program.file), "--against", program.in_url)
    assert "a reload would change: heartbeat\nwould wait for a restart: shards\n" in against.stdout
    assert program.ask("/settings")["heartbeat"]["value"] == "25s"
    assert run("reload", *server).stdout == "changed: heartbeat\nwaiting for a restart: shards\n"
    program.file.write_text('heartbeat = "9s"\n')
    assert "the server has these settings" in run("config", "check", str(program.file), "--against", program.in_url).stdout
    assert json.loads(run("reload", "--json", *server).stdout) == {"changed": [], "waiting": []}
    program.file.write_text("heartbeat = 9\n")
    failed = run("reload", *server)
    assert failed.returncode == 1 and "give a duration" in failed.stderr
    assert run("config", "check", str(program.file), "--against", program.in_url).returncode == 1


# The sandbox


def test_a_file_that_the_sandbox_shuts_off_is_told_so(set_up, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    certificate, _ = Authority(elsewhere).issue("server", "localhost")
    program, public = set_up(), elsewhere / "public.pem"
    subprocess.run(["openssl", "x509", "-in", str(certificate), "-pubkey", "-noout", "-out", str(public)], check=True)
    status, said = program.reload(f'token_key = ["{public}"]\n')
    if status == 200:
        pytest.skip("this kernel has no Landlock")
    assert status == 422 and "the sandbox shuts it off" in said["detail"] and "start the program anew" in said["detail"]
    here = program.file.parent / "public.pem"
    shutil.copy(public, here)
    program.set(f'token_key = ["{here}"]\n', "token_key")


# All of it at once


CHOICES = {
    "poll_timeout": ['"200ms"', '"25s"'],
    "heartbeat": ['"300ms"', '"5s"', '"25s"'],
    "history_messages": ["1000", "5000"],
    "history_age": ['"1h"', '"2h"'],
    "payload_limit": ["1000", "999000"],
    "grace": ['"0s"', '"30s"'],
    "request_timeout": ['"5s"', '"20s"'],
    "keep_alive": ['"30s"', '"75s"'],
    "compression": ['"on"', '"off"'],
    "slow_reader": ['"512KiB"', '"1MiB"'],
    "address_connections": ["0", "1000"],
    "user_requests": ["0", "1000"],
    "proxies": ['["10.0.0.0/8"]', "[]"],
    "log_level": ['"info"', '"debug"', '"warn"'],
    "origins": ['["https://a.example"]', "[]"],
    "shards": ["2", "3"],
    "nonsense": ["1"],
}


def random_settings(chance):
    lines = [
        f"{name} = {chance.choice(values)}"
        for name, values in CHOICES.items()
        if chance.random() < (0.05 if name == "nonsense" else 0.4)
    ]
    for match in chance.sample(["load.0", "load.*", "other*", "x"], chance.randrange(4)):
        lines.append(f'[[channel]]\nmatch = "{match}"\nhistory_messages = {chance.choice([500, 2000])}')
    return "\n".join(lines) + "\n"


def test_random_settings_under_load_lose_and_double_nothing(set_up):
    chance = random.Random(SEED)
    print(f"MULTIPLEXOR_SEED={SEED}")
    program = set_up()
    streams = [Sse(program, f"/sse/load.{n % 2}") for n in range(8)]
    stop = threading.Event()
    sent = {"load.0": 0, "load.1": 0}

    def publish():
        with Wire(program.in_address) as wire:
            while not stop.is_set():
                for name in sent:
                    assert wire.get(f"/pub/{name}", "POST", f"m{sent[name]}".encode()).response()[0] == 200
                    sent[name] += 1
                time.sleep(0.002)

    polled = []

    def follow():
        cursor = "0"
        while not stop.is_set() or len(polled) < sent["load.1"]:
            document = poll(program, f"/sub/load.1?since={cursor}&wait=1")
            assert not document.get("gap"), document
            polled.extend(message["data"] for message in document["messages"])
            cursor = document["cursor"]

    workers = [threading.Thread(target=work) for work in (publish, follow)]
    [worker.start() for worker in workers]
    done = 0
    for _ in range(40):
        status, said = program.reload(random_settings(chance))
        assert status in (200, 422), said
        done += status == 200
        assert all(name in CHOICES or name == "channel" for name in said.get("changed", []))
        time.sleep(chance.random() * 0.05)
    stop.set()
    [worker.join(60) for worker in workers]
    assert done > 20 and not any(worker.is_alive() for worker in workers)
    for n, stream in enumerate(streams):
        count = sent[f"load.{n % 2}"]
        assert stream.datas(count) == [f"m{m}" for m in range(count)]
        stream.wire.close()
    assert polled == [f"m{m}" for m in range(sent["load.1"])]
    assert program.metric("multiplexor_reloads_total") == done
