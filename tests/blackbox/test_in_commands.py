"""The commands that ask a running server: online, history, stats, watch, delete."""

import json
import re
import signal
import subprocess
import tempfile

from harness.program import binary, until
from harness.wire import Lines

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC"


def run(program, *arguments):
    """What a command prints on standard output; it must end well."""
    done = subprocess.run([binary(), *arguments, "--server", program.in_url], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_online_lists_who_is(program, name):
    with Lines(program, f"/sub/{name},{name}.чат"), Lines(program, f"/sub/{name}"):
        program.until_waiting(name, 2)
        assert run(program, "online", name).split() == ["2", name, "1", f"{name}.чат"]
        objects = [json.loads(line) for line in run(program, "online", f"{name}.", "--json").splitlines()]
        assert objects == [{"name": f"{name}.чат", "waiting": 1, "online": True}]
    assert run(program, "online", "nobody.has.this") == ""


def test_online_reads_all_pages(program, name):
    names = [f"{name}.{n:04}" for n in range(2500)]
    readers = [Lines(program, "/sub/", body=",".join(names[at : at + 1000]).encode()) for at in (0, 1000, 2000)]
    program.until_waiting(names[-1])
    assert run(program, "online", name).split()[1::2] == names
    for reader in readers:
        reader.wire.close()


def test_history_prints_what_is_kept(program, name):
    program.publish(name, "one", "?event=tick")
    last = program.publish(name, '{"n": 2}')
    lines = run(program, "history", name).splitlines()
    assert re.fullmatch(f"{TIME}  \\[tick\\] one", lines[0])
    assert re.fullmatch(f'{TIME}  {{"n": 2}}', lines[1])
    (message,) = map(json.loads, run(program, "history", name, "--tail", "1", "--json").splitlines())
    assert message["cursor"] == last
    assert run(program, "history", name, "--since", last) == ""


def test_history_reads_all_pages(serve, name):
    program = serve("--history-messages", "1000")
    for n in range(250):
        program.publish(name, f"m{n}")
    assert [line.split()[-1] for line in run(program, "history", name).splitlines()] == [f"m{n}" for n in range(250)]


def test_stats_are_lines_or_an_object(program):
    assert re.search(r"^history\.messages\t\d+$", run(program, "stats"), re.MULTILINE)
    assert "uptime_seconds" in json.loads(run(program, "stats", "--json"))


def test_delete_ends_a_channel(program, name):
    program.publish(name, "x")
    assert run(program, "delete", name, "--history") == f"forgot the history of {name}\n"
    assert run(program, "history", name) == ""
    with Lines(program, f"/sub/{name}"):
        program.until_waiting(name)
        assert json.loads(run(program, "delete", name, "--json")) == {"name": name, "deleted": True}
        assert program.waiting(name) == 0
    assert run(program, "delete", "nobody.has.this") == "nothing is known of nobody.has.this\n"


def test_watch_prints_who_comes_and_goes(serve, name):
    program = serve("--grace", "50ms")
    with tempfile.TemporaryFile() as out:
        watch = subprocess.Popen([binary(), "watch", name, "--since", "0", "--server", program.in_url], stdout=out)

        def printed():
            out.seek(0)
            return out.read().decode()

        with Lines(program, f"/sub/{name}"):
            until(lambda: "online" in printed(), "somebody came")
        until(lambda: "offline" in printed(), "and went")
        assert re.fullmatch(f"{TIME}  {name}: online\n{TIME}  {name}: offline\n", printed())
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(30) == 0


def test_a_refusal_is_told_in_the_words_of_the_server(program):
    done = subprocess.run(
        [binary(), "history", "$a", "--server", program.in_url], capture_output=True, timeout=60
    )
    assert done.returncode != 0
    assert "begins with $" in done.stderr.decode()
