"""The lines of Realplexor, byte for byte: sockets, PHP and curl as they spoke to the servers of old."""

import json
import re
import socket
import subprocess
import threading

import pytest
from harness.program import Program, binary, fresh_name, request, until
from harness.wire import GUARDS, Sse, Wire

HEAD = (
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-store, no-cache, must-revalidate\r\n"
    b"Expires: Mon, 26 Jul 1997 05:00:00 GMT\r\nContent-Type: text/javascript; charset=utf-8\r\n\r\n \r\n"
)
CURSOR = r"\d{10}\.\d{14}"
SETTINGS = """
[[wait]]
address = "127.0.0.1:0"
dialect = "realplexor"
[[wait]]
address = "127.0.0.1:0"
[[in]]
address = "127.0.0.1:0"
dialect = "realplexor"
[[in]]
address = "127.0.0.1:0"
"""


def start(folder, *flags, above="", below=""):
    """A program whose first listeners speak Realplexor, and whose second ones the dialect of 2009."""
    file = folder / "multiplexor.toml"
    file.write_text(above + SETTINGS + below)
    return Program("--config", str(file), *flags, ports=False)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    running = start(tmp_path_factory.mktemp("settings"))
    yield running
    running.stop()


@pytest.fixture
def ident():
    """An id that only this test uses."""
    return fresh_name().replace(".", "_")


def say(program, data):
    """Says these bytes on the IN line and ends the connection; returns the answer."""
    with Wire(program.in_address) as wire:
        wire.send(data).socket.shutdown(socket.SHUT_WR)
        return wire.rest()


def publish(program, ids, data):
    assert say(program, f"X-Realplexor: identifier={ids}\r\n\r\n{data}") == b""


def listen(program, ids, known=None):
    """A client that listens without HTTP, and is known to."""
    wire = Wire(program.wait_address).send(f"identifier={ids}\n")
    assert wire.exactly(len(HEAD)) == HEAD
    if known:
        until(lambda: program.waiting(known) > 0, f"somebody listens to {known}")
    return wire


def parts(text):
    """What a client makes of a reply: ids with cursors, and data."""
    return [(part["ids"], part["data"]) for part in json.loads(text[text.index(b"[") :])]


def second(program, line):
    host, port = (program.waits if line == "wait" else program.ins)[1].rsplit(":", 1)
    return host, int(port)


def test_the_example_of_the_protocol(program, ident):
    with listen(program, f"5:{ident},other", ident) as wire:
        publish(program, f"7.5:{ident}", '{"n":1}')
        assert wire.rest().decode() == (
            f'[\n  {{\n    "ids": {{ "{ident}": "7.5" }},\n    "data": {{"n":1}}\n  }}\n]'
        )


def test_one_message_for_several_ids_is_one_part_and_two_are_two(program, ident):
    publish(program, f"10:{ident}b,3:{ident}a,{ident}c", "1\n2")
    publish(program, f"4:{ident}a", '"x"')
    with listen(program, f"0:{ident}b,0:{ident}a") as wire:
        assert wire.rest().decode() == (
            f'[\n  {{\n    "ids": {{ "{ident}a": "3", "{ident}b": "10" }},\n    "data":\n1\n2\n  }},\n'
            f'  {{\n    "ids": {{ "{ident}a": "4" }},\n    "data": "x"\n  }}\n]'
        )


def test_a_cursor_of_the_server_ascends_and_is_where_to_go_on(program, ident):
    seen, cursor = [], "0"
    for n in range(5):
        publish(program, ident, n)
        with listen(program, f"{cursor}:{ident}") as wire:
            [(ids, data)] = parts(wire.rest())
        assert data == n and re.fullmatch(CURSOR, ids[ident])
        cursor = ids[ident]
        seen.append(cursor)
    assert seen == sorted(seen) and len(set(seen)) == 5


def test_explicit_cursors_are_numbers_of_any_length(program, ident):
    long = "9" * 40 + ".00000000000000000000001"
    for cursor in ["007", "5.10", long]:
        publish(program, f"{cursor}:{ident}", json.dumps(cursor))
    with listen(program, f"5.1:{ident}") as wire:
        assert [ids[ident] for ids, _ in parts(wire.rest())] == ["007", long]
    with listen(program, f"{long[:-1]}:{ident}") as wire:
        assert [ids[ident] for ids, _ in parts(wire.rest())] == [long]


def test_a_listener_gets_only_what_is_greater(program, ident):
    with listen(program, f"5:{ident},{ident}n", ident) as wire:
        for cursor in ["4", "5", "5.0"]:
            publish(program, f"{cursor}:{ident},{cursor}:{ident}n", '"too small"')
        publish(program, f"5.000001:{ident}", '"now"')
        assert parts(wire.rest()) == [({ident: "5.000001"}, "now")]


def test_limited_messages_are_for_those_who_listen_to_the_limit_too(program, ident):
    with (
        listen(program, f"{ident},{ident}u", f"{ident}u") as one,
        listen(program, f"{ident},{ident}v", f"{ident}v") as other,
        Sse(program, f"/sub/{ident}") as native,
        Sse(program, f"/sub/{ident},{ident}u") as allowed,
    ):
        program.until_waiting(ident, 4)
        publish(program, f"{ident},*{ident}u", '"secret"')
        [(ids, data)] = parts(one.rest())
        assert (list(ids), data) == ([ident], "secret")
        assert json.loads(allowed.event()[1])["data"] == "secret"
        publish(program, ident, '"all"')
        assert [data for _, data in parts(other.rest())] == ["all"]
        assert native.event()[1] == '"all"'
    with listen(program, f"0:{ident}") as wire:
        assert [data for _, data in parts(wire.rest())] == ["all"]


def test_two_messages_to_two_ids_without_cursors_are_never_lost(program, ident):
    """What the servers of old lost each time: B, between the reply with A and the next request."""
    a, b = f"{ident}a", f"{ident}b"
    cursors, got, wire = {a: "", b: ""}, [], listen(program, f"{a},{b}", a)
    for n in range(1_000):
        with Wire(program.in_address) as one, Wire(program.in_address) as two:
            for publisher, name in ((one, a), (two, b)):
                publisher.send(f"identifier={name}\n\n{n}").socket.shutdown(socket.SHUT_WR)
            one.rest(), two.rest()
        while len(got) < 2 * n + 2:
            for ids, data in parts(wire.rest()):
                [(name, cursor)] = ids.items()
                cursors[name] = cursor
                got.append((data, name))
            wire.close()
            # As a page that just began: of B it may still have no cursor.
            if n % 2 == 0 and len(got) % 2:
                cursors = {name: cursor if name == got[-1][1] else "" for name, cursor in cursors.items()}
            listed = ",".join(f"{cursor}:{name}" if cursor else name for name, cursor in cursors.items())
            wire = listen(program, listed)
    wire.close()
    assert sorted(got) == [(n, name) for n in range(1_000) for name in (a, b)]


def test_an_id_that_a_page_adds_is_listened_to_from_now_on(program, ident):
    a, b, new = f"{ident}a", f"{ident}b", f"{ident}new"
    with listen(program, f"{a},{b}", b) as wire:
        publish(program, a, 1)
        [(ids, _)] = parts(wire.rest())
        assert re.fullmatch(CURSOR + r"\d{10}", ids[a])
    publish(program, f"{b},{new}", '"between"')
    with listen(program, f"{ids[a]}:{a},{b},{new}") as wire:
        [(ids, data)] = parts(wire.rest())
        assert (list(ids), data) == ([b], "between")


def test_a_client_that_speaks_http_is_told_from_where_it_listens(program, ident):
    with Wire(program.wait_address).get(f"/?identifier={ident}&ncrnd=1", Origin="http://a") as wire:
        status, headers = wire.head()
        cursor = headers["x-realplexor-cursor"]
        assert status == 200 and re.fullmatch(CURSOR, cursor)
        assert headers["access-control-allow-origin"] == "*"
        assert headers["access-control-expose-headers"] == "X-Realplexor-Cursor"
    publish(program, ident, 1)
    with listen(program, f"{cursor}:{ident}") as wire:
        assert [data for _, data in parts(wire.rest())] == [1]
    with Wire(program.wait_address).get(f"/?identifier={ident}", method="HEAD") as wire:
        assert wire.head()[0] == 200 and wire.rest() == b""
    with Wire(program.wait_address).get(f"/?identifier={ident}", method="OPTIONS") as wire:
        status, headers = wire.head()
        assert (status, headers["access-control-allow-methods"]) == (204, "GET, POST, HEAD, OPTIONS")


def test_a_large_reply_arrives_whole(tmp_path, ident):
    running = start(tmp_path, "--realplexor-in-limit", "16MiB", "--history-bytes", "16MiB")
    try:
        data = json.dumps("x" * 5_000_000)
        with listen(running, ident, ident) as wire:
            publish(running, ident, data)
            [(_, got)] = parts(wire.rest())
            assert len(got) == 5_000_000
        with listen(running, f"0:{ident}") as wire:
            assert len(parts(wire.rest())[0][1]) == 5_000_000
    finally:
        running.stop()


def test_a_time_out_is_a_blank_body_and_input_puts_it_off(tmp_path, ident):
    running = start(tmp_path, "--classic-wait-timeout", "1s")
    try:
        with listen(running, ident) as wire:
            assert wire.rest() == b""
        with listen(running, ident, ident) as wire:
            for _ in range(6):
                threading.Event().wait(0.4)
                wire.send("x")
            publish(running, ident, 1)
            assert [data for _, data in parts(wire.rest())] == [1]
    finally:
        running.stop()


def test_nothing_that_fits_is_the_end(program):
    for ids in ["", "a..b", ":x", "1:*a"]:
        with Wire(program.wait_address).send(f"identifier={ids}\n") as wire:
            assert wire.rest() == b""


def test_the_page_and_the_library(program):
    for name, kind in [("IFRAME", b"text/html"), ("SCRIPT", b"text/javascript")]:
        with Wire(program.wait_address).send(f"identifier=5:{name},other\n") as wire:
            head, body = wire.rest().split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        assert lines[:3] == [
            b"HTTP/1.1 200 OK",
            b"Connection: close",
            b"Content-Type: " + kind + b"; charset=utf-8",
        ]
        assert re.fullmatch(rb"Last-Modified: \w{3}, [ \d]\d \w{3} \d{4} [\d:]{8} GMT", lines[3])
        assert lines[4:] == [b"Cache-Control: public, max-age=3600"]
        assert body and b"$" + b"WAIT_TIMEOUT" not in body and b"undefined-" not in body


def test_whoever_has_a_page_is_not_sent_it_again(program):
    path = "/any/where?identifier=SCRIPT&v=2"
    status, headers, library = request(program.wait_address, "GET", path)
    assert status == 200 and b"Dklab_Realplexor" in library
    assert headers["origin-agent-cluster"] == "?0" and headers["access-control-allow-origin"] == "*"
    for tags in (headers["etag"], f'"other", W/{headers["etag"]}', "*"):
        status, again, body = request(program.wait_address, "GET", path, headers={"If-None-Match": tags})
        assert (status, body, again["etag"], again["cache-control"]) == (
            304,
            b"",
            headers["etag"],
            "public, max-age=3600",
        )
    status, _, body = request(program.wait_address, "GET", path, headers={"If-None-Match": '"other"'})
    assert (status, body) == (200, library)
    # Whoever speaks no HTTP is told what it always was, and no more.
    with Wire(program.wait_address).send("identifier=SCRIPT\nIf-None-Match: *\n\n") as wire:
        assert wire.rest().endswith(b"Cache-Control: public, max-age=3600\r\n\r\n" + library)


def test_pages_of_ones_own_have_their_variables(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("$WAIT_TIMEOUT $IDENTIFIER $JS_WAIT_RECONNECT_DELAY $JS_MAX_BOUNCES $JS_WAIT_URI $X_1 $ $1 $$")
    running = start(tmp_path, "--realplexor-iframe-file", str(page), "--realplexor-iframe-id", "LOADER")
    try:
        with Wire(running.wait_address).send("identifier=LOADER\n") as wire:
            body = wire.rest().split(b"\r\n\r\n", 1)[1]
        assert body == b"300 identifier 0.01 10 / undefined-X_1 $ $1 $$"
    finally:
        running.stop()


def test_what_is_said_on_any_line_reaches_clients_of_all(program, ident):
    """The table of docs/realplexor.md, in all directions."""
    wait2009, in2009 = second(program, "wait"), second(program, "in")

    def all_get(send, native, old, new):
        with (
            Sse(program, f"/sub/{ident}") as today,
            Wire(wait2009).send(f"identifier={ident}\n") as of_2009,
            listen(program, ident) as of_realplexor,
        ):
            program.until_waiting(ident, 3)
            send()
            assert today.event()[1] == native
            assert of_2009.rest().decode() == old
            text = of_realplexor.rest().decode()
            assert re.sub(CURSOR, "C", text) == (
                f'[\n  {{\n    "ids": {{ "{ident}": "{new[0]}" }},\n    "data":{new[1]}\n  }}\n]'
            )

    def of_2009(kind, data):
        return (
            f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
            f"Connection: close\r\n{GUARDS}X-Multiplexor: identifier={ident}\r\n\r\n{data}"
        )

    text = "text/plain; charset=utf-8"
    all_get(lambda: program.publish(ident, "hello"), "hello", of_2009(text, "hello"), ("C", ' "hello"'))
    all_get(lambda: program.publish(ident, '{"n":1}'), '{"n":1}', of_2009(text, '{"n":1}'), ("C", ' {"n":1}'))
    whole = f"HTTP/1.1 200 OK\nX-Multiplexor: identifier={ident}\n\nf()"

    def by_2009():
        with Wire(in2009).send(whole) as wire:
            wire.socket.shutdown(socket.SHUT_WR)
            wire.rest()

    all_get(by_2009, "f()", whole, ("C", ' "f()"'))
    all_get(
        lambda: publish(program, f"99999999999:{ident}", "not json"),
        "not json",
        of_2009(text, "not json"),
        ("99999999999", " not json"),
    )


def test_names_that_are_no_ids_are_invisible(program):
    with Sse(program, "/sub/a.b-c"):
        program.until_waiting("a.b-c")
        assert b"a.b-c" not in say(program, "online\n")


def test_closed_channels_stay_closed(tmp_path, ident):
    secret = "0123456789abcdef0123456789abcdef"
    below = '[[channel]]\nmatch = "closed_*"\nlisten = "token"\n'
    running = start(tmp_path, "--token-secret", secret, below=below)
    try:
        publish(running, f"1:closed_{ident}", '"secret"')
        with listen(running, f"0:closed_{ident}") as wire:
            assert wire.rest() == b""
        publish(running, f"1:{ident}", '"open"')
        with listen(running, f"0:closed_{ident},0:{ident}") as wire:
            assert [data for _, data in parts(wire.rest())] == ["open"]
    finally:
        running.stop()


def test_with_api_keys_the_line_is_closed_but_to_logins(tmp_path, ident):
    users = tmp_path / "users"
    users.write_text("joe:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
    key = subprocess.run([binary(), "key", "make"], capture_output=True, check=True)
    hashed = re.search(rb"sha256:[0-9a-f]{64}", key.stdout + key.stderr)[0].decode()
    for flags, opened in [((), False), (("--realplexor-users", str(users)), True)]:
        file = tmp_path / "keys.toml"
        file.write_text(SETTINGS.replace('[[in]]\naddress = "127.0.0.1:0"', '[[in]]\naddress = "0.0.0.0:0"', 1))
        running = Program("--config", str(file), "--key", hashed, *flags, ports=False)
        try:
            address = ("127.0.0.1", running.in_address[1])
            with Wire(address) as wire:
                wire.send(f"identifier=joe:secret@0.5:joe_{ident}\n\n1").socket.shutdown(socket.SHUT_WR)
                wire.rest()
            with listen(running, f"0:joe_{ident}") as wire:
                if not opened:
                    wire.socket.settimeout(0.5)
                    with pytest.raises(TimeoutError):
                        wire.more()
                else:
                    assert [data for _, data in parts(wire.rest())] == [1]
                    with Wire(address) as guest:
                        guest.send(f"identifier={ident}\n\n1")
                        assert b"403 Access Deined" in guest.rest()
        finally:
            running.stop()


PHP = r"""
function ask($address, $list, $body) {
    $f = stream_socket_client("tcp://$address", $errno, $errstr, 5) or exit(1);
    fwrite($f, "POST / HTTP/1.1\r\nHost: push.local\r\nContent-Length: " . strlen($body) . "\r\n" .
        "X-Realplexor: identifier=$list\r\n\r\n$body");
    stream_socket_shutdown($f, STREAM_SHUT_WR);
    return stream_get_contents($f);
}
echo json_encode(array(
    ask($argv[1], "$argv[2],3:$argv[2]x", '{"a":1}'),
    ask($argv[1], "", "online $argv[2]\n"),
    ask($argv[1], "", "watch 0\n"),
));
"""


def test_php_publishes_and_asks(program, ident):
    with listen(program, ident, ident) as wire:
        answer = subprocess.run(
            ["php", "-n", "-r", PHP, "--", program.ins[0], ident], capture_output=True, check=True, timeout=60
        ).stdout
        assert [data for _, data in parts(wire.rest())] == [{"a": 1}]
    published, online, watched = json.loads(answer)
    assert published == "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    assert re.fullmatch(
        rf"HTTP/1\.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: \d+\r\n\r\n{ident} [01]\n", online
    )
    assert re.search(r"\r\n\r\nFAKE \d+:FAKE\n$", watched)


def test_curl_gets_an_answer_though_it_ends_nothing(program, ident):
    with listen(program, ident, ident) as wire:
        command = ["curl", "-sS", "-w", "%{http_code}", "-H", f"X-Realplexor: identifier={ident}"]
        command += ["-d", '"hello"', f"http://{program.ins[0]}/"]
        assert subprocess.run(command, capture_output=True, check=True, timeout=60).stdout == b"200"
        assert [data for _, data in parts(wire.rest())] == ["hello"]


def test_a_large_body_that_waits_to_be_told_to_go_on(program, ident):
    command = ["curl", "-sS", "-w", "%{http_code}", "-H", f"X-Realplexor: identifier=1:{ident}"]
    command += ["-H", "Expect: 100-continue", "--data-binary", "@-", f"http://{program.ins[0]}/"]
    done = subprocess.run(command, input=b'"' + b"x" * 150_000 + b'"', capture_output=True, check=True, timeout=60)
    assert done.stdout == b"200"
    done = subprocess.run(command, input=b"x" * 300_000, capture_output=True, timeout=60)
    assert done.stdout.endswith(b"413")


def test_clients_come_and_go_and_whoever_watches_is_told(tmp_path, ident):
    running = start(tmp_path, "--grace", "300ms")
    try:
        answer = say(running, "watch 0\n\n")
        before = int(re.search(rb"FAKE (\d+):FAKE", answer)[1])
        assert before == 10
        with listen(running, ident, ident):
            assert answer_body(say(running, "online\n")) == f"{ident} 1\n"
            assert answer_body(say(running, f"watch {before}\n")) == f"online {before + 1}:{ident}\n"
        until(lambda: answer_body(say(running, "online\n")) == "", "it is offline")
        assert re.fullmatch(rf"offline \d+:{ident}\n", answer_body(say(running, f"watch {before}\n")))
    finally:
        running.stop()


def answer_body(answer):
    return answer.split(b"\r\n\r\n", 1)[1].decode()


def test_stats_say_who_listens_to_what(program, ident):
    a, b = f"{ident}a", f"{ident}b"
    handle = r"\(0x[0-9A-F]+\)"
    with (
        listen(program, f"5:{a},7.5:{b}"),
        listen(program, f"9:{b}"),
        listen(program, f"9:{b}"),
        listen(program, f"9:{b}"),
        Sse(program, f"/sub/{a}"),
    ):
        program.until_waiting(a, 2)
        program.until_waiting(b, 4)
        sections = answer_body(say(program, "stats\n")).split("\n\n")
    names = [section.split("\n")[0] for section in sections]
    assert names == ["[data_to_send]", "[connected_fhs]", "[online_timers]", "[cleanup_timers]", "[pairs_by_fhs]"]
    connected = dict(re.findall(rf"^(\w+) => ({handle}(?:, {handle})*)$", sections[1], re.MULTILINE))
    pairs = dict(re.findall(rf"^({handle}) => (.*)$", sections[4], re.MULTILINE))
    assert len(set(connected[a].split(", "))) == 2 and len(set(connected[b].split(", "))) == 4
    assert sorted(pairs[one] for one in connected[b].split(", ")) == [f"5:{a}, 7.5:{b}", *[f"9:{b}"] * 3]
    # A client of today has a number that names nobody.
    assert [pairs.get(one) for one in connected[a].split(", ")] == [f"5:{a}, 7.5:{b}", None]


def test_what_is_held_rotates_and_is_cleaned(tmp_path, ident):
    above = 'history_messages = 2\nhistory_age = "3s"\nhistory_renew = "on"\n'
    running = start(tmp_path, above=above)
    try:
        for cursor in ["9", "10", "3"]:
            publish(running, f"{cursor}:{ident}", cursor)
        with listen(running, f"0:{ident}") as wire:
            assert [data for _, data in parts(wire.rest())] == [9, 10]
        until(lambda: b"9: 1b" not in say(running, "stats\n"), "it is cleaned")
        with listen(running, f"0:{ident}", ident):
            pass
    finally:
        running.stop()


def test_a_half_close_is_a_disconnect_but_what_was_due_comes_first(program, ident):
    publish(program, f"1:{ident}", 1)
    with Wire(program.wait_address).send(f"identifier=0:{ident}\n") as wire:
        wire.socket.shutdown(socket.SHUT_WR)
        assert [data for _, data in parts(wire.rest())] == [1]
    with listen(program, f"{ident}2", f"{ident}2") as wire:
        wire.socket.shutdown(socket.SHUT_WR)
        assert wire.rest() == b""
    until(lambda: program.waiting(f"{ident}2") == 0, "it is gone")


def test_native_paths_are_native_on_the_same_ports(program, ident):
    status, _, body = request(program.wait_address, "GET", "/healthz")
    assert (status, body) == (200, b"ok\n")
    assert program.publish(ident, "x")
    status, _, body = request(program.wait_address, "GET", "/nowhere")
    assert status == 404 and json.loads(body)["code"] == "not-found"
