"""clients/php: the modern class against the real program, as its README says, and with the errors it promises."""

import itertools
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import tomllib

import pytest
from harness.program import ROOT, Program, until
from harness.wire import Lines, datas, poll
from test_access import make_key

CLIENT = ROOT / "clients/php"
README = pathlib.Path(CLIENT / "README.md").read_text()


def php(code, *arguments, check=True):
    """Runs PHP with its notices as errors, and gives what it printed."""
    strict = "error_reporting(E_ALL); set_error_handler(function ($n, $m) { if (error_reporting() & $n) die(\"notice: $m\"); });"
    command = ["php", "-n", "-d", "display_errors=stderr", "-r", strict + code, "--", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=90, cwd=CLIENT)
    said = done.stdout.decode()
    assert "notice: " not in said and (done.returncode == 0 or not check), (said, done.stderr)
    return said


def client(program, code, options="[]"):
    """Runs code with $push, prints what it gives as JSON."""
    start = "require 'Multiplexor.php'; use Multiplexor\\Client;"
    return json.loads(php(f"{start} $push = new Client($argv[1], {options}); echo json_encode({code});", program.in_url))


def failure(code, url, options="[]"):
    """The class and the words of the exception that code throws."""
    code = (
        f"require 'Multiplexor.php'; try {{ $push = new Multiplexor\\Client($argv[1], {options}); {code}; }}"
        "catch (Throwable $e) { echo json_encode([get_class($e), $e->getMessage(), $e->status ?? 0, $e->problem ?? '']); }"
    )
    return json.loads(php(code, url))


def snippets():
    return re.findall(r"^```php\n<\?php\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("code", [code for code in snippets() if "Dklab" not in code])
def test_the_readme_runs(program, code):
    program.publish("news", "hello")
    with Lines(program, "/sub/user.42"):
        code = code.replace("Client()", "Client('http://127.0.0.1:10010')")
        said = php(code.replace("127.0.0.1:10010", program.ins[0]))
    assert "Fatal" not in said
    if "watch" in code:
        assert said == "user.42 is here\n"
    if "online('user.')" in code:
        assert said.startswith("user.42: 1\n")
        assert '"hello"' in said


def test_what_is_published_arrives(program, name):
    for data, expected in [
        ("'grüße'", "grüße"),
        ("['n' => 1, 'x' => 1.0, 'u' => 'ü/']", {"n": 1, "x": 1.0, "u": "ü/"}),
        ("12", 12),
        ("null", None),
        ("true", True),
        ("[]", []),
    ]:
        client(program, f"$push->publish('{name}', {data})")
        assert datas(poll(program, f"/sub/{name}?tail=1")["messages"]) == [expected]
    answer = client(program, f"$push->publish(['{name}', '{name}/ü b'], \"\\xff\\x00\", ['event' => 'a b', 'ttl' => 60.5])")
    assert list(answer["channels"]) == [name, f"{name}/ü b"]
    history = client(program, f"array_map(fn($m) => [bin2hex($m['data']), $m['event']], $push->history('{name}/ü b')['messages'])")
    assert history == [["ff00", "a b"]]


def test_a_batch_is_answered_item_by_item(program, name):
    answers = client(
        program,
        f"$push->batch([['channel' => '{name}', 'data' => 'a'], ['channel' => '', 'data' => 1],"
        f"['channel' => '{name}', 'data' => \"\\xff\"]])",
    )
    assert [list(answer)[0] for answer in answers] == ["cursor", "error", "cursor"]
    assert client(program, "$push->batch([])") == []
    assert client(program, f"bin2hex($push->history('{name}', ['tail' => 1])['messages'][0]['data'])") == "ff"


def test_history_comes_in_pages(program, name):
    for n in range(5):
        program.publish(name, str(n))
    code = f"""(function () use ($push) {{
        $all = []; $since = 0;
        do {{ $page = $push->history('{name}', ['since' => $since, 'limit' => 2]); $since = $page['cursor'];
             $all[] = array_column($page['messages'], 'data'); }} while ($page['more']);
        return [$all, $page['gap']];
    }})()"""
    assert client(program, code) == [[[0, 1], [2, 3], [4]], False]


def test_everybody_online_is_told(program, name):
    with Lines(program, f"/sub/{name}.a,{name}.b"):
        online = client(program, f"$push->online('{name}')")
        assert online == [{"name": f"{name}.{n}", "waiting": 1, "online": True} for n in "ab"]
        assert client(program, f"$push->channel('{name}.a')['waiting']") == 1
        assert client(program, f"$push->delete('{name}.a')") is True
    assert client(program, f"[$push->channel('{name}.no'), $push->delete('{name}.no')]") == [
        {"name": f"{name}.no", "waiting": 0, "online": False, "history": {"messages": 0, "bytes": 0}},
        False,
    ]


def test_a_string_is_text_and_a_message_may_be_taken_back(program, name):
    cursor = client(program, f"$push->publish('{name}', '{{\"n\": 1}}')['cursor']")
    client(program, f"$push->publish('{name}', ['n' => 1.5])")
    client(program, f"$push->batch([['channel' => '{name}', 'data' => '[1]'], ['channel' => '{name}', 'data' => '[1]', 'json' => true]])")
    assert client(program, f"array_column($push->history('{name}')['messages'], 'data')") == ['{"n": 1}', {"n": 1.5}, "[1]", [1]]
    assert client(program, f"$push->deleteMessage('{name}', '{cursor}')") is True
    assert client(program, f"$push->deleteMessage('{name}', '{cursor}')") is False
    assert client(program, f"count($push->history('{name}')['messages'])") == 3


def test_watching_goes_on_over_a_server_that_was_away(name):
    code = """require 'Multiplexor.php';
        foreach ((new Multiplexor\\Client($argv[1]))->watch(null, $argv[2]) as $change) {
            echo isset($change['gap']) ? "gap\\n" : $change['channel'] . "\\n"; flush();
        }"""
    first = Program()
    watching = subprocess.Popen(
        ["php", "-n", "-r", code, "--", first.in_url, name], stdout=subprocess.PIPE, cwd=CLIENT
    )
    try:
        # A change may come before the watcher has begun: so one comes after the other until one is heard.
        changes = itertools.count(1)
        while not select.select([watching.stdout], [], [], 0.01)[0]:
            with Lines(first, f"/sub/{name}.{next(changes)}"):
                pass
        assert watching.stdout.readline().decode().startswith(f"{name}.")
        port = first.in_address[1]
        first.stop()
        second = Program("--wait", "127.0.0.1:0", "--in", f"127.0.0.1:{port}", ports=False)
        try:
            with Lines(second, f"/sub/{name}.again"):
                while (line := watching.stdout.readline().decode().strip()) != f"{name}.again":
                    assert line == "gap" or line.startswith(f"{name}."), line
        finally:
            second.stop()
    finally:
        watching.send_signal(signal.SIGKILL)
        watching.wait()
        watching.stdout.close()


def test_a_key_is_shown(serve, name):
    key, digest = make_key()
    program = serve(env={"MULTIPLEXOR_KEY": digest})
    assert "cursor" in client(program, f"$push->publish('{name}', 1)", f"['key' => '{key}']")
    kind, words, status, problem = failure(f"$push->publish('{name}', 1)", program.in_url)
    assert (kind, status) == ("Multiplexor\\Refused", 401) and "API key" in words and problem


def test_a_second_try_under_the_same_key_publishes_nothing(program, name):
    code = f"[$push->publish('{name}', 1, ['key' => '{name}']), $push->publish('{name}', 1, ['key' => '{name}'])]"
    first, second = client(program, code)
    assert first == second
    assert len(poll(program, f"/sub/{name}?since=0")["messages"]) == 1


def test_refusals_are_told_in_the_words_of_the_server(program):
    kind, words, status, problem = failure("$push->publish('a', 'b', ['ttl' => 'soon'])", program.in_url)
    assert (kind, status, problem) == ("Multiplexor\\Refused", 400, "ttl")
    assert words == 'ttl is "soon"; give seconds, such as 60 or 0.5, or 0 to keep nothing'
    kind, words, status, _ = failure("$push->online()", program.wait_url)
    assert (kind, status) == ("Multiplexor\\Refused", 404)


def test_no_answer_is_told():
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert failure("$push->publish('a', 'b')", url)[:2] == [
            "Multiplexor\\Unreachable",
            f"no answer from {url}: Connection refused",
        ]
        nobody.listen()
        kind, words, *_ = failure("$push->publish('a', 'b')", url, "['timeout' => 0.2]")
        assert kind == "Multiplexor\\Unreachable" and words.startswith(f"no answer from {url}"), words


@pytest.mark.parametrize(
    "answer, expected",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "broke off"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnope", "is no JSON of Multiplexor"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "within 0.2 s"),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "with the status 302"),
    ],
)
def test_an_answer_that_is_none_is_told(answer, expected):
    with socket.create_server(("127.0.0.1", 0)) as server:
        start = (
            "require 'Multiplexor.php'; $push = new Multiplexor\\Client($argv[1], ['timeout' => 0.2]);"
            "try { $push->online(); } catch (Multiplexor\\Exception $e) { echo $e->getMessage(); }"
        )
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        asking = subprocess.Popen(["php", "-n", "-r", start, "--", url], stdout=subprocess.PIPE, cwd=CLIENT)
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)
            if expected != "within 0.2 s":
                connection.shutdown(socket.SHUT_WR)
            said = asking.communicate(timeout=60)[0].decode()
    assert expected in said, said


@pytest.mark.parametrize(
    "code, expected",
    [
        ("$push->publish('a', 'b', ['tll' => 5])", 'a message has no option "tll"; it may have event, ttl, type, key'),
        ("$push->publish('', 'b')", 'a channel has no name; give one such as "news"'),
        ("$push->publish([], 'b')", 'a channel has no name; give one such as "news"'),
        ("$push->publish('a', 'b', ['type' => \"a\\r\\nX: y\"])", "type has a line end"),
        ("$push->publish('a', [\"\\xff\"])", "the data cannot be written as JSON: Malformed UTF-8"),
        ("new Multiplexor\\Client('localhost:10010')", 'the address of the server is "localhost:10010"; give a URL'),
        ("new Multiplexor\\Client('http://a', ['timeout' => 0])", "timeout is 0; give seconds, such as 10 or 0.5"),
    ],
)
def test_wrong_use_is_told_before_anything_is_sent(code, expected):
    kind, words, *_ = failure(code, "http://127.0.0.1:1")
    assert kind == "InvalidArgumentException" and words.startswith(expected), words


def test_composer_finds_nothing_to_say():
    done = subprocess.run(
        ["composer", "validate", "--strict", "--no-interaction", "--no-plugins"],
        capture_output=True,
        cwd=CLIENT,
        env={"PATH": os.environ["PATH"], "COMPOSER_ALLOW_SUPERUSER": "1", "HOME": "/nonexistent"},
    )
    assert done.returncode == 0, done.stdout + done.stderr


PROJECT = {
    "repositories": [
        {"type": "path", "url": str(CLIENT), "options": {"symlink": False, "versions": {"multiplexor/client": "0.1.0"}}},
        {"packagist.org": False},
    ],
    "require": {"multiplexor/client": "^0.1"},
}


def test_composer_installs_both_classes(program, tmp_path):
    (tmp_path / "composer.json").write_text(json.dumps(PROJECT))
    env = {"PATH": os.environ["PATH"], "COMPOSER_ALLOW_SUPERUSER": "1", "COMPOSER_HOME": str(tmp_path / "home")}
    command = ["composer", "install", "--no-interaction", "--no-plugins"]
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=env, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    code = "require 'vendor/autoload.php'; new Dklab_Realplexor('127.0.0.1', 1); $push = new Multiplexor\\Client($argv[1]);"
    code += "echo $push->publish('news', 'hello')['cursor'];"
    run = subprocess.run(["php", "-n", "-r", code, "--", program.in_url], capture_output=True, cwd=tmp_path, text=True)
    assert run.stdout and run.returncode == 0, run.stdout + run.stderr


def test_composer_installs_it_from_a_clone_as_the_readme_says(tmp_path):
    [typed] = re.findall(r"^```sh\n(composer .*?)^```$", (CLIENT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "composer.json").write_text(json.dumps({"repositories": {"packagist.org": False}}))
    env = {"PATH": os.environ["PATH"], "COMPOSER_ALLOW_SUPERUSER": "1", "COMPOSER_HOME": str(tmp_path / "home")}
    script = "set -e\n" + typed.replace("/path/to/multiplexor/clients/php", str(CLIENT))
    done = subprocess.run(["bash", "-c", script], capture_output=True, cwd=tmp_path, env=env, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    code = "require 'vendor/autoload.php'; echo get_class(new Multiplexor\\Client());"
    run = subprocess.run(["php", "-n", "-r", code], capture_output=True, cwd=tmp_path, text=True)
    assert run.stdout == "Multiplexor\\Client", run.stdout + run.stderr


def test_the_package_says_where_it_lives_and_under_which_licences():
    said = json.loads((CLIENT / "composer.json").read_text())
    home = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["repository"]
    assert said["homepage"] == home and said["support"]["source"] == f"{home}/tree/main/clients/php"
    for name in ["LICENSE-MIT", "LICENSE-APACHE"]:
        assert (CLIENT / name).read_text() == (ROOT / name).read_text()


def test_history_is_read_backwards(program, name):
    cursors = [program.publish(name, f"m{n}") for n in range(5)]
    page = client(program, f"$push->history('{name}', ['before' => '{cursors[4]}', 'limit' => 3])")
    assert (datas(page["messages"]), page["cursor"], page["more"]) == (["m1", "m2", "m3"], cursors[1], True)
