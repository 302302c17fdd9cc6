"""What sites of Dklab_Realplexor have: its PHP class as people call it, scripts that write to sockets, a cron loop."""

import asyncio
import json
import pathlib
import queue
import socket
import subprocess
import threading

import pytest
from harness.program import Program
from harness.wire import datas, poll
from test_php_client import CLIENT, php, snippets

CRYPT_SECRET = subprocess.run(["openssl", "passwd", "-6", "-salt", "saltsalt", "secret"], capture_output=True).stdout
DENIED = "Request failed: 403 Access Deined\n"


def write(path, text):
    path.write_text(text)
    return str(path)


def config(folder, users=None, more=""):
    listener = '[{ address = "127.0.0.1:0", dialect = "realplexor" }]'
    text = f"wait = {listener}\nin = {listener}\n{more}"
    if users is not None:
        text += f'realplexor_users = "{write(folder / "users", users)}"\n'
    return write(folder / "realplexor.toml", text)


@pytest.fixture(scope="module")
def realplexor(tmp_path_factory):
    running = Program("--config", config(tmp_path_factory.mktemp("realplexor")), ports=False)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """With a user joe, and without guests."""
    users = f"# users\njoe:{CRYPT_SECRET.decode().strip()}\n"
    running = Program("--config", config(tmp_path_factory.mktemp("guarded"), users), ports=False)
    yield running
    running.stop()


def raw(address, data, half_close=True):
    """What a script with fsockopen does: writes, perhaps ends its side, reads all."""
    with socket.create_connection(address, timeout=30) as old:
        old.sendall(data)
        if half_close:
            old.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: old.recv(65536), b""))


def listening(program, identifiers):
    """A client of old, which waits; gives the reply without its head when it is there."""
    client = socket.create_connection(program.wait_address, timeout=30)
    client.sendall(f"GET /?identifier={identifiers}&ncrnd=1 HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    # The head comes at once, and the filler behind it: only then is it registered.
    head = b""
    while not head.endswith(b"\r\n\r\n \r\n"):
        data = client.recv(1)
        assert data, head
        head += data

    def reply():
        with client:
            body = b"".join(iter(lambda: client.recv(65536), b""))
        return json.loads(body) if body.strip() else None

    return reply


def facade(program, code, namespace="''"):
    """Runs code with $r, the class of old, and prints what it gives as JSON."""
    start = "require 'Dklab/Realplexor.php'; $r = new Dklab_Realplexor('127.0.0.1', $argv[1]"
    made = f"{start}, {namespace});" if namespace else f"{start});"
    return php(f"{made} {code}", str(program.in_address[1]))


def failure(program, code):
    said = facade(program, f"try {{ {code} }} catch (Exception $e) {{ echo get_class($e), ': ', $e->getMessage(); }}")
    return said.split(": ", 1)


@pytest.mark.parametrize("code", [code for code in snippets() if "Dklab" in code])
def test_the_readme_runs(realplexor, code):
    reply = listening(realplexor, "demo_user1")
    said = php(code.replace("10010", str(realplexor.in_address[1])))
    assert "[0] => user1" in said and "[user1] => 1" in said and "[event] => FAKE" in said
    raw(realplexor.in_address, b"identifier=demo_user1\n\n1")
    assert reply()[0]["data"] == 1


def test_what_is_sent_arrives_as_json(realplexor):
    for code, ids, expected in [
        ("'a1', ['n' => 1, 't' => 'ü']", "a1", {"n": 1, "t": "ü"}),
        ("['a2', 'a3'], 'text'", "a2,a3", "text"),
        ("['a4' => 10, 'a5' => 20.5], [1, 2]", "0:a4,0:a5", [1, 2]),
        ("'a6', null", "a6", None),
    ]:
        reply = listening(realplexor, ids)
        assert facade(realplexor, f"$r->send({code});") == ""
        [part] = reply()
        assert part["data"] == expected
        assert list(part["ids"]) == [item.split(":")[-1] for item in ids.split(",")]
    assert part["ids"].keys() == {"a6"}
    assert raw(realplexor.wait_address, b"identifier=0:a4,0:a5\n", half_close=False).endswith(
        b'[\n  {\n    "ids": { "a4": "10", "a5": "20.5" },\n    "data": [1,2]\n  }\n]'
    )


def test_a_namespace_stands_in_front_of_every_id(realplexor):
    reply = listening(realplexor, "ns_b1")
    facade(realplexor, "$r->send('b1', 5);", "'ns_'")
    assert reply()[0]["ids"].keys() == {"ns_b1"}
    assert json.loads(facade(realplexor, "echo json_encode([$r->cmdOnline(), $r->cmdOnlineWithCounters('b')]);", "'ns_'")) == [
        ["b1"],
        {"b1": "0"},
    ]


def test_what_is_limited_reaches_those_it_is_limited_to(realplexor):
    stranger, friend = listening(realplexor, "c1,0:c2"), listening(realplexor, "c1,c_user")
    facade(realplexor, "$r->send('c1', 'for some', ['c_user', 'c_other']); $r->send('c2', 'for all');")
    assert [part["data"] for part in friend()] == ["for some"]
    assert [part["data"] for part in stranger()] == ["for all"]


def test_who_is_online_is_told(realplexor):
    replies = [listening(realplexor, "d_one"), listening(realplexor, "d_one"), listening(realplexor, "d_two")]
    code = "echo json_encode([$r->cmdOnline('d_'), $r->cmdOnlineWithCounters(['d_', 'nobody']), $r->cmdOnline(['d_t'])]);"
    assert json.loads(facade(realplexor, code)) == [
        ["d_one", "d_two"],
        {"d_one": "2", "d_two": "1"},
        ["d_two"],
    ]
    facade(realplexor, "$r->send(['d_one', 'd_two'], 1);")
    assert all(reply() for reply in replies)


def test_the_cron_loop_hears_who_comes(realplexor):
    """cmdOnline, then cmdWatch(0), then cmdWatch(last position) again and again."""
    code = """
        $online = $r->cmdOnline('e_'); [$fake] = $r->cmdWatch(0, 'e_');
        if ($online || $fake['event'] !== 'FAKE') die('not at the beginning');
        echo "ready\n"; flush(); fgets(STDIN);
        $last = $fake['pos']; $heard = [];
        while (count($heard) < 2) {
            foreach ($r->cmdWatch($last, 'e_') as $event) { $last = $event['pos']; $heard[] = $event; }
            usleep(20000);
        }
        $r->send('e_list', $r->cmdOnline('e_'));
        echo json_encode([$heard, $r->cmdWatch($last, 'e_')]);
    """
    start = "require 'Dklab/Realplexor.php'; $r = new Dklab_Realplexor('127.0.0.1', $argv[1]);"
    command = ["php", "-n", "-r", start + code, "--", str(realplexor.in_address[1])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=CLIENT) as cron:
        assert cron.stdout.readline() == b"ready\n"
        page = listening(realplexor, "e_list,e_user")
        said = cron.communicate(b"\n", timeout=60)[0]
    heard, after = json.loads(said)
    assert [(event["event"], event["id"]) for event in heard] == [("online", "e_list"), ("online", "e_user")]
    assert [int(event["pos"]) for event in heard] == sorted(int(event["pos"]) for event in heard)
    assert page()[0]["data"] == ["e_list", "e_user"]
    assert [event["event"] for event in after] in ([], ["online"])


def test_a_login_owns_what_begins_with_it(guarded):
    reply = listening(guarded, "joe_x1,0:x1")
    logon = "$r->logon('joe', 'secret');"
    assert facade(guarded, f"{logon} $r->send('x1', 1); echo json_encode($r->cmdOnline());") == '["x1"]'
    assert reply()[0]["ids"].keys() == {"joe_x1"}
    assert facade(guarded, f"{logon} echo json_encode([$r->cmdWatch(0), $r->cmdOnlineWithCounters()]);").startswith(
        '[[{"event":"FAKE"'
    )


def test_refusals_have_the_very_spelling(guarded):
    send = "$r->send('a', 1);"
    for code, text in [
        (send, "access denied for guest user"),
        ("$r->cmdOnline();", "access denied for guest user"),
        (f"$r->logon('jim', 'x'); {send}", "invalid password for login: jim"),
        (f"$r->logon('joe', 'x'); {send}", "invalid password for login: joe"),
    ]:
        assert failure(guarded, code) == ["Dklab_Realplexor_Exception", DENIED + text]


def test_what_cannot_be_sent_throws(realplexor):
    for code, text in [
        ("$r->send('a-b', 1);", 'Identifier must be alphanumeric, "a-b" given'),
        ("$r->send(['a' => 'x'], 1);", 'Cursor must be numeric, "x" given'),
        ("$r->send('a', 1, ['b c']);", 'Identifier must be alphanumeric, "b c" given'),
        ("$r->send('a', \"\\xff\");", "Data cannot be encoded as JSON: Malformed UTF-8 characters, possibly incorrectly encoded"),
        ("$r->send(\"a\\n\", 1);", 'Identifier must be alphanumeric, "a\n" given'),
        ("$r->logon('a', 'b@c');", "Login and password must have no @ and no white space"),
    ]:
        assert failure(realplexor, code) == ["Dklab_Realplexor_Exception", text]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        closed = type("Closed", (), {"in_address": nobody.getsockname()})
        assert failure(closed, "$r->send('a', 1);") == ["Dklab_Realplexor_Exception", "Error #111: Connection refused"]


@pytest.mark.parametrize(
    "answer, expected",
    [
        (b"", "fine"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "fine"),
        (b"HTTP/1.0 403 Access Deined\r\nContent-Length: 2\r\n\r\nno\n", DENIED + "no"),
        (b"hello", "Non-HTTP response received:\nhello"),
        (b"HTTP/1.1 200 OK\r\n\r\nabc", "No Content-Length header in the response headers:\nHTTP/1.1 200 OK"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", "Response length (4) is not equal to the length of its body (3)"),
    ],
)
def test_any_answer_is_read_as_the_old_class_read_it(answer, expected):
    with socket.create_server(("127.0.0.1", 0)) as server:
        heard = []

        def serve():
            connection, _ = server.accept()
            with connection:
                heard.append(b"".join(iter(lambda: connection.recv(65536), b"")))
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        program = type("Old", (), {"in_address": server.getsockname()})
        said = failure(program, "$r->send(['a' => 10, 'b' => '20.50', 'c' => 0.1], ['x' => 1], 'u'); echo 'fine';")[-1]
        thread.join()
    assert said == expected
    assert heard == [
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 7\r\n"
        b'X-Realplexor: identifier=10:a,20.50:b,0.1:c,*u\r\n\r\n{"x":1}'
    ]


SCRIPT = """
function talk($address, $bytes, $reads = true) {
    $f = fsockopen('127.0.0.1', $address, $n, $e, 5) or die("no connection: $e");
    fwrite($f, $bytes);
    if (!$reads) { fclose($f); return ''; }
    stream_socket_shutdown($f, STREAM_SHUT_WR);
    $answer = stream_get_contents($f);
    fclose($f);
    return $answer;
}
[, $in, $wait] = $argv;
"""


def script(program, code):
    return php(SCRIPT + code, str(program.in_address[1]), str(program.wait_address[1]))


def test_scripts_publish_by_any_bytes(realplexor):
    reply = listening(realplexor, "0:f1")
    # Half of the scripts close at once, and read no answer.
    assert script(realplexor, r'''talk($in, "identifier=10:f1\n\n\"xxxx\"", false);''') == ""
    assert reply()[0] == {"ids": {"f1": "10"}, "data": "xxxx"}
    assert script(realplexor, r'''echo talk($in, "DATA identifier=12:f1,2:f2\n\n{}");''') == ""
    [part] = listening(realplexor, "10:f1,0:f2")()
    assert part == {"ids": {"f1": "12", "f2": "2"}, "data": {}}


def test_scripts_wait_by_any_bytes(realplexor):
    script(realplexor, r'''talk($in, "identifier=10:g1\n\n[1,\n2]", false);''')
    code = r"""$f = fsockopen('127.0.0.1', $wait); fwrite($f, "test 1\nidentifier=0:g1\n"); echo stream_get_contents($f);"""
    answer = script(realplexor, code)
    head, body = answer.split("\r\n\r\n", 1)
    assert head.startswith("HTTP/1.1 200 OK\r\nConnection: close\r\nCache-Control: no-store, no-cache, must-revalidate\r\n")
    assert body == ' \r\n[\n  {\n    "ids": { "g1": "10" },\n    "data":\n[1,\n2]\n  }\n]'


def test_scripts_ask_by_any_bytes(realplexor):
    reply = listening(realplexor, "h_one")
    head = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nh_one 1\n"
    for asked in [r"online h_\n", r"ONLINE h_", r"POST / HTTP/1.1\r\nX-Realplexor: identifier=\r\n\r\nonline h_\n"]:
        assert script(realplexor, f'echo talk($in, "{asked}");') == head
    assert script(realplexor, r'''echo talk($in, "watch 0\n");''').split("\r\n\r\n")[1].startswith("FAKE ")
    assert script(realplexor, r'''echo talk($in, "stats\n");''').split("\r\n\r\n")[1].startswith("[data_to_send]\n")
    raw(realplexor.in_address, b"identifier=h_one\n\n1")
    assert reply()[0]["data"] == 1


def test_two_publishes_back_to_back_lose_nothing_for_a_client_of_old(realplexor):
    """It comes back with the cursor of what it got, and for the other id with none. Then it forgets all."""
    times = 1000
    heard, cursors = {"i_a": [], "i_b": []}, {}
    waits = queue.Queue()

    def client():
        while (total := sum(map(len, heard.values()))) < 2 * times:
            items = [f"{cursors[id]}:{id}" if id in cursors else id for id in heard]
            reply = listening(realplexor, ",".join(items))
            waits.put(total)
            for part in reply() or []:
                for id, cursor in part["ids"].items():
                    heard[id].append(part["data"])
                    cursors[id] = cursor
            if len(heard["i_a"]) == len(heard["i_b"]):
                cursors.clear()

    thread = threading.Thread(target=client, daemon=True)
    thread.start()
    for said in range(times):
        # Both are said when it waits and has all from before; the second one comes while it is away.
        while waits.get(timeout=60) != 2 * said:
            pass
        raw(realplexor.in_address, f"identifier=i_a\n\n{said}".encode())
        raw(realplexor.in_address, f"identifier=i_b\n\n{said}".encode())
    thread.join(60)
    assert heard == {"i_a": list(range(times)), "i_b": list(range(times))}


def test_what_is_sent_in_old_words_reaches_clients_of_today(realplexor):
    facade(realplexor, "$r->send('k1', ['n' => 1]);")
    assert datas(poll(realplexor, "/sub/k1?since=0")["messages"]) == [{"n": 1}]
    reply = listening(realplexor, "k2")
    realplexor.publish("k2", "not JSON")
    assert reply()[0]["data"] == "not JSON"


# A hash that nobody's password has, and that takes as long as it has rounds.
SLOW = "$6$rounds={}$saltsalt$" + "." * 86


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """With a user joe, whose password takes about 0.3 s of a processor to be looked at, whatever build this is."""

    def start(rounds):
        users = f"joe:{SLOW.format(rounds)}\n"
        return Program("--config", config(tmp_path_factory.mktemp("slow"), users), ports=False)

    rounds, program = 10_000, start(10_000)
    while (ticks := tried(program, "joe", "x")[1]) < 5:
        program.stop()
        rounds *= 4
        program = start(rounds)
    program.stop()
    running = start(min(30 * rounds // ticks, 5_000_000))
    yield running
    running.stop()


def logon(login, password):
    return f"X-Realplexor: identifier={login}:{password}@a\n\n1".encode()


def tried(program, login, password):
    """What is said to a login, and for how many hundredths of a second the processor was busy with it."""
    before = processor_ticks(program.pid)
    said = raw(program.in_address, logon(login, password))
    return said.replace(login.encode(), b"LOGIN"), processor_ticks(program.pid) - before


def processor_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_whoever_guesses_learns_no_login(slow):
    """Neither by what is said nor by how long it takes."""
    (wrong, wrong_ticks), (unknown, unknown_ticks) = tried(slow, "joe", "x"), tried(slow, "jim", "x")
    assert wrong == unknown and b"invalid password" in wrong
    assert unknown_ticks > wrong_ticks / 2 > 0, (wrong_ticks, unknown_ticks)


def test_what_is_longer_than_any_password_is_not_hashed(slow):
    wrong, wrong_ticks = tried(slow, "joe", "x")
    for login in ["joe", "jim"]:
        said, ticks = tried(slow, login, "x" * 129)
        assert said == wrong and ticks < wrong_ticks / 4, (ticks, wrong_ticks)


def test_who_tries_many_passwords_keeps_no_other_address_waiting(slow):
    async def run():
        answered = []

        async def tries(address):
            reader, writer = await asyncio.open_connection(*slow.in_address, local_addr=(address, 0))
            writer.write(logon("joe", "x"))
            await reader.read()
            answered.append(address)
            writer.close()

        many = [asyncio.create_task(tries("127.0.0.2")) for _ in range(40)]
        await asyncio.sleep(0.1)
        await asyncio.wait_for(tries("127.0.0.3"), 60)
        before = len(answered)
        await asyncio.wait_for(asyncio.gather(*many), 60)
        return before

    # Old programs looked at those that had come before first. The last of them are told to try again.
    assert asyncio.run(run()) < 20
