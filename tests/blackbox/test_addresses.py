"""How much one address, one user, one key and all together may have; and whose a connection is behind a proxy."""

import json
import ssl
import threading

import pytest
from harness import front
from harness.authority import Authority
from harness.frames import TEXT, Frames
from harness.program import until
from harness.tokens import SECRET, make_token
from harness.wire import Wire
from test_access import make_key

# Where the proxies of these tests come from, so that nobody else is taken for one.
PROXY = "127.0.0.5"
SSE = {"Accept": "text/event-stream"}


def wait(program, name, source, address=None, **headers):
    """Somebody from there who waits, or was refused: the wire, the status, the problem's code."""
    wire = Wire(address or program.wait_address, source=source)
    wire.get(f"/sub/{name}?errors=status", **SSE, **headers)
    status, headers = wire.head()
    code = ""
    if status != 200:
        assert headers["retry-after"] == "1", headers
        code = json.loads(wire.exactly(int(headers["content-length"])))["code"]
    return wire, status, code


def refusals(program):
    """Code and address of the last refusals, the newest first."""
    return [(one["code"], one.get("from")) for one in program.ask("/refused")["refused"]]


def test_an_address_has_so_many_connections(serve, name):
    program = serve("--address-connections", "2")
    first, second, third = (wait(program, name, "127.0.0.2") for _ in range(3))
    other = wait(program, name, "127.0.0.3")
    assert [one[1:] for one in (first, second, third, other)] == [(200, ""), (200, ""), (429, "address-connections"), (200, "")]
    assert not third[0].more(), "who is refused is closed"
    assert program.metric("multiplexor_wait_connections_refused_total") == 1
    assert refusals(program) == [("address-connections", "127.0.0.2")]
    program.until_waiting(name, 3)
    first[0].close()
    program.until_waiting(name, 2)
    assert wait(program, name, "127.0.0.2")[1] == 200, "who leaves makes room"


def test_an_address_asks_so_often(serve, name):
    program = serve("--address-requests", "5")
    with Wire(program.wait_address, source="127.0.0.2") as wire:
        statuses = [wire.get("/healthz").response()[0] for _ in range(40)]
        refused = wire.get(f"/sub/{name}?transport=poll").response()
    assert 200 in statuses[:5] and statuses.count(429) >= 20
    assert refused[0] in (200, 429)
    assert wait(program, name, "127.0.0.3")[1] == 200
    assert refusals(program)[0] == ("address-requests", "127.0.0.2")
    assert program.ask("/refused")["refused"][0]["times"] == program.metric("multiplexor_wait_requests_refused_total")


def test_all_that_a_websocket_says_and_is_answered_counts(serve, name):
    program = serve("--address-requests", "5")
    with Frames(program, f"/sub/{name}") as frames:
        frames.until(TEXT)
        commands = [{"ping": 1}, {"unsubscribe": [name]}, {"token": "t"}]
        for _ in range(10):
            for command in commands:
                frames.send(TEXT, json.dumps(command))
        answers = [json.loads(frames.until(TEXT)) for _ in range(30)]
        refused = [one for one in answers if one.get("error", {}).get("code") == "address-requests"]
        assert len(refused) >= 10, answers
        assert program.metric("multiplexor_wait_requests_refused_total") == len(refused)


def test_so_many_connections_there_are_in_all(serve, name):
    program = serve("--connections-limit", "3")
    here = [wait(program, name, f"127.0.0.{n}") for n in range(2, 5)]
    assert [one[1] for one in here] == [200] * 3
    assert wait(program, name, "127.0.0.9")[1:] == (503, "connections")
    here[0][0].close()
    program.until_waiting(name, 2)
    assert wait(program, name, "127.0.0.9")[1] == 200


def test_a_user_waits_on_so_many_connections(serve, name):
    program = serve("--user-connections", "1", "--token-secret", SECRET, "--history-messages", "10")
    tokens = {user: make_token(sub=user, listen=["*"]) for user in ("anna", "boris")}
    show = {user: {"Authorization": f"Bearer {text}"} for user, text in tokens.items()}
    first = wait(program, name, "127.0.0.2", **show["anna"])
    second = wait(program, name, "127.0.0.3", **show["anna"])
    other = wait(program, name, "127.0.0.2", **show["boris"])
    nobody = [wait(program, name, "127.0.0.2")[1] for _ in range(3)]
    assert [one[1:] for one in (first, second, other)] == [(200, ""), (429, "user-connections"), (200, "")]
    assert nobody == [200] * 3
    first[0].close()
    until(lambda: program.metric("multiplexor_wait_guests") == 1, "she has left")
    assert wait(program, name, "127.0.0.3", **show["anna"])[1] == 200


def haproxy_v1(server):
    return front.haproxy(server, options=f"send-proxy source {PROXY}", mode="tcp")


def haproxy_v2(server):
    return front.haproxy(server, options=f"send-proxy-v2 source {PROXY}", mode="tcp")


def nginx_protocol(server):
    return front.nginx_stream(server, f"proxy_protocol on; proxy_bind {PROXY};")


PROTOCOLS = [haproxy_v1, haproxy_v2, nginx_protocol]
PROTOCOL = ["--proxies", PROXY, "--proxies-say", "proxy-protocol"]


@pytest.mark.parametrize("proxy", PROTOCOLS)
def test_the_proxy_protocol_says_whose_a_connection_is(serve, fronts, name, proxy):
    program = serve(*PROTOCOL, "--address-connections", "1")
    address = fronts(proxy, program.waits[0]).address
    kept = [wait(program, name, source, address) for source in ("127.0.0.2", "127.0.0.2", "127.0.0.3")]
    assert [one[1:] for one in kept] == [(200, ""), (429, "address-connections"), (200, "")]
    assert refusals(program) == [("address-connections", "127.0.0.2")]


def test_the_proxy_protocol_comes_before_tls(serve, fronts, name, tmp_path):
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server", "localhost")
    program = serve(*PROTOCOL, "--address-connections", "1", "--tls-certificate", str(certificate), "--tls-key", str(key))
    address = fronts(haproxy_v2, program.waits[0]).address
    context = ssl.create_default_context(cafile=str(authority.certificate))

    def secure(source):
        wire = Wire(address, source=source)
        wire.socket = context.wrap_socket(wire.socket, server_hostname="localhost")
        return wire

    first = secure("127.0.0.2").get(f"/sub/{name}", **SSE)
    assert first.head()[0] == 200
    # One too many is not worth a handshake.
    with pytest.raises((ssl.SSLError, ConnectionError, OSError)):
        secure("127.0.0.2")
    assert secure("127.0.0.3").get(f"/sub/{name}", **SSE).head()[0] == 200


def test_a_proxy_that_does_not_say_is_closed_and_a_stranger_is_not_believed(serve, name):
    program = serve(*PROTOCOL, "--address-connections", "1", "--request-timeout", "2s")
    with Wire(program.wait_address, source=PROXY).get("/healthz") as wire:
        assert wire.rest() == b""
    assert program.metric("multiplexor_wait_proxy_faults_total") == 1
    with Wire(program.wait_address, source="127.0.0.2") as wire:
        wire.send("PROXY TCP4 127.0.0.9 127.0.0.1 1 2\r\n").get("/healthz")
        assert b"200 OK" not in wire.rest()


def nginx_for(server):
    return front.nginx(server, f"proxy_bind {PROXY}; proxy_buffering off; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;")


def haproxy_for(server):
    return front.haproxy(server, "option forwardfor", f"source {PROXY}")


def nginx_forwarded(server):
    return front.nginx(server, f'proxy_bind {PROXY}; proxy_buffering off; proxy_set_header Forwarded "for=$remote_addr";')


@pytest.mark.parametrize(
    ("way", "proxy"), [("x-forwarded-for", nginx_for), ("x-forwarded-for", haproxy_for), ("forwarded", nginx_forwarded)]
)
def test_a_header_says_whose_a_request_is(serve, fronts, name, way, proxy):
    program = serve("--proxies", f"{PROXY},10.0.0.0/8", "--proxies-say", way, "--address-connections", "1")
    address = fronts(proxy, program.waits[0]).address
    # Whatever the client itself says of that is not believed.
    lie = {"X-Forwarded-For": "10.9.9.9, 127.0.0.77", "Forwarded": "for=127.0.0.77"}
    kept = [wait(program, name, source, address, **lie) for source in ("127.0.0.2", "127.0.0.2", "127.0.0.3")]
    assert [one[1:] for one in kept] == [(200, ""), (429, "address-connections"), (200, "")]
    assert refusals(program) == [("address-connections", "127.0.0.2")]
    program.until_waiting(name, 2)
    kept[0][0].close()
    # HAProxy looks after a client that has left when there is something for it.
    until(lambda: program.publish(name, "x") and program.waiting(name) == 1, "one has left")
    assert wait(program, name, "127.0.0.2", address)[1] == 200


@pytest.mark.parametrize("lie", ['"', '"9.9.9.9', "x", "", 'for="', "unknown"])
@pytest.mark.parametrize("proxy", [nginx_for, haproxy_for])
def test_what_a_client_writes_before_its_proxy_switches_no_limit_off(serve, fronts, name, proxy, lie):
    program = serve("--proxies", PROXY, "--address-connections", "3")
    address = fronts(proxy, program.waits[0]).address
    kept = [wait(program, name, "127.0.0.2", address, **{"X-Forwarded-For": lie}) for _ in range(10)]
    assert [one[1] for one in kept].count(200) == 3
    assert wait(program, name, "127.0.0.3", address)[1] == 200
    assert refusals(program)[0] == ("address-connections", "127.0.0.2")
    assert program.metric("multiplexor_wait_proxy_unreadable_total") == 0


def nginx_appends_forwarded(server):
    return front.nginx(server, f'proxy_bind {PROXY}; proxy_buffering off; proxy_set_header Forwarded "$http_forwarded, for=$remote_addr";')


def test_whom_a_header_hides_counts_for_the_proxy(serve, fronts, name):
    program = serve("--proxies", PROXY, "--proxies-say", "forwarded", "--address-connections", "3")
    address = fronts(nginx_appends_forwarded, program.waits[0]).address
    kept = [wait(program, name, "127.0.0.2", address, Forwarded='for="') for _ in range(10)]
    assert [one[1] for one in kept].count(200) == 3
    assert refusals(program)[0] == ("address-connections", PROXY)
    assert program.metric("multiplexor_wait_proxy_unreadable_total") == 10
    # Others are told apart as ever; and whoever is hidden is no other client.
    assert wait(program, name, "127.0.0.2", address, Forwarded="for=9.9.9.9")[1] == 200


def test_a_header_says_whose_a_client_of_old_is(serve, fronts, name):
    name = name.replace(".", "_")
    program = serve("--proxies", PROXY, "--address-connections", "2")
    address = fronts(nginx_for, program.waits[0]).address

    def waits(source):
        return Wire(address, source=source).send(f"GET /?identifier={name}; HTTP/1.1\r\nHost: a\r\n\r\n".encode())

    kept = [waits("127.0.0.2") for _ in range(5)]
    until(lambda: program.metric("multiplexor_wait_requests_refused_total") == 3, "three are refused")
    assert program.waiting(name) == 2
    kept.append(waits("127.0.0.3"))
    program.until_waiting(name, 3)
    program.publish(name, "x")
    program.until_waiting(name, 0)
    kept.append(waits("127.0.0.2"))
    program.until_waiting(name, 1)


def publish(program, name, source, address=None, **headers):
    with Wire(address or program.in_address, source=source) as wire:
        status, headers, body = wire.get(f"/pub/{name}", method="POST", body=b"x", **headers).response()
        return status, json.loads(body), headers


def code(document):
    return document["code"]


def test_a_publisher_goes_wild(serve, name):
    program = serve("--address-publish-rate", "5", "--publish-rate", "1000")
    statuses = [publish(program, name, "127.0.0.2")[0] for _ in range(20)]
    assert 5 <= statuses.count(200) < 20
    status, document, headers = publish_until(program, name, "127.0.0.2", 429)
    assert (code(document), headers["retry-after"]) == ("address-publishes", "1")
    assert publish(program, name, "127.0.0.3")[0] == 200
    # A batch is so many messages, whoever counts them.
    items = json.dumps([{"channel": name, "data": n} for n in range(20)])
    with Wire(program.in_address, source="127.0.0.4") as wire:
        _, _, body = wire.get("/pub", method="POST", body=items.encode(), Content_Type="application/json").response()
    answers = json.loads(body)
    assert ["error" in one for one in answers] == [False] * 5 + [True] * 15
    assert program.metric("multiplexor_denied_total") > 0


def publish_until(program, name, source, status):
    """Publishes until the answer has that status."""
    answers = []

    def tried():
        answers.append(publish(program, name, source))
        return answers[-1][0] == status

    until(tried, f"a publish is answered with {status}")
    return answers[-1]


def test_a_key_publishes_and_asks_so_often(serve, name):
    (key, digest), (other, other_digest) = make_key(), make_key()
    program = serve("--key", f"{digest},{other_digest}", "--key-publish-rate", "3", "--key-requests", "30")

    def tried(key, count):
        return [publish(program, name, "127.0.0.2", Authorization=f"Bearer {key}")[:2] for _ in range(count)]

    told = tried(key, 60)
    assert [status for status, _ in told[:3]] == [200] * 3
    assert {code(document) for status, document in told if status == 429} == {"key-publishes", "key-requests"}
    assert tried(other, 1)[0][0] == 200, "another key has its own, though it has the same name"


def test_an_address_asks_the_in_line_so_often(serve):
    program = serve("--in-address-requests", "5")

    def ask(path):
        with Wire(program.in_address, source="127.0.0.2") as wire:
            return wire.get(path).response()[0]

    assert {ask("/channels") for _ in range(20)} == {200, 429}
    assert {ask("/healthz") for _ in range(20)} == {200}, "a probe is always answered"
    assert program.metric("multiplexor_in_requests_total") > 20


@pytest.mark.parametrize("proxy", PROTOCOLS)
def test_the_proxy_protocol_on_the_in_line(serve, fronts, name, proxy):
    program = serve("--in-proxies", PROXY, "--proxies-say", "proxy-protocol", "--address-publish-rate", "1")
    address = fronts(proxy, program.ins[0]).address
    assert publish(program, name, "127.0.0.2", address)[0] == 200
    assert code(publish_until_passed(program, name, "127.0.0.2", address)) == "address-publishes"
    assert publish(program, name, "127.0.0.3", address)[0] == 200
    assert ("address-publishes", "127.0.0.2") in refusals(program)


def publish_until_passed(program, name, source, address):
    answers = []

    def tried():
        answers.append(publish(program, name, source, address))
        return answers[-1][0] == 429

    until(tried, "one too many")
    return answers[-1][1]


def test_a_header_says_whose_a_publish_is(serve, fronts, name):
    program = serve("--in-proxies", PROXY, "--address-publish-rate", "1")
    address = fronts(front.nginx, program.ins[0], f"proxy_bind {PROXY}; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr;").address
    assert publish(program, name, "127.0.0.2", address)[0] == 200
    publish_until_passed(program, name, "127.0.0.2", address)
    assert publish(program, name, "127.0.0.3", address)[0] == 200
    assert ("address-publishes", "127.0.0.2") in refusals(program)


def test_whom_a_header_hides_on_the_in_line_counts_for_the_proxy(serve, name):
    program = serve("--in-proxies", PROXY, "--address-publish-rate", "1", "--proxies-say", "forwarded")
    # A proxy that says nothing counts for nobody.
    assert {publish(program, name, PROXY)[0] for _ in range(20)} == {200}

    def hidden():
        return publish(program, name, PROXY, Forwarded='for="')[0]

    until(lambda: hidden() == 429, "one too many")
    assert ("address-publishes", PROXY) in refusals(program)
    assert publish(program, name, PROXY, Forwarded='for=", for=127.0.0.3')[0] in (200, 429)
    assert publish(program, name, PROXY, Forwarded="for=127.0.0.3")[0] == 200
    assert program.metric("multiplexor_in_proxy_unreadable_total") >= 2


def test_a_flood_from_one_address_harms_nobody_else(serve, name):
    program = serve("--address-connections", "50", "--address-requests", "100", "--shards", "2")
    good = [wait(program, name, f"127.0.1.{n}") for n in range(1, 21)]
    assert {one[1] for one in good} == {200}
    stop, made = threading.Event(), []

    def flood():
        held = []
        while not stop.is_set():
            try:
                wire = Wire(program.wait_address, source="127.0.0.66", patience_s=5)
                wire.get(f"/sub/{name}?since=0", **SSE)
                held.append(wire)
            except OSError:
                pass
            made.append(1)
            if len(held) > 300:
                held.pop(0).close()
        for wire in held:
            wire.close()

    floods = [threading.Thread(target=flood) for _ in range(4)]
    for one in floods:
        one.start()
    try:
        until(lambda: program.metric("multiplexor_wait_connections_refused_total") > 500, "the flood is refused")
        for n in range(20):
            program.publish(name, f"message {n}")
        for wire, _, _ in good:
            wire.until(b"data: message 19\n")
        # Newcomers from elsewhere are let in, too.
        assert wait(program, name, "127.0.2.1")[1] == 200
    finally:
        stop.set()
        for one in floods:
            one.join()
    assert program.waiting(name) <= 50 + 21


def test_a_crowd_behind_a_proxy_that_nobody_told_us_of_is_served(program, fronts, name):
    """All come from one address of this machine; with 50,000, it is tests/soak/crowd.py."""
    address = fronts(front.nginx, program.waits[0], 'proxy_set_header Connection ""; proxy_buffering off;').address
    crowd = [Wire(address).get(f"/sub/{name}", **SSE) for _ in range(500)]
    for wire in crowd:
        assert wire.head()[0] == 200
    program.until_waiting(name, len(crowd))
    program.publish(name, "hello")
    for wire in crowd:
        wire.until(b"data: hello\n\n")
    # Each comes again, with a name that nobody else has.
    polls = [Wire(address).get(f"/sub/{name}.{n}?wait=0") for n in range(len(crowd))]
    assert {wire.response()[0] for wire in polls} == {200}
    for wire in crowd + polls:
        wire.close()
    assert refusals(program) == []
