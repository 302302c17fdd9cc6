"""Users for those who type or write PHP: `multiplexor users` and `end`, and what the PHP class has for it."""

import json
import subprocess

import pytest
from harness.program import Program, binary, until
from harness.tokens import SECRET, make_token
from harness.wire import Lines
from test_php_client import client, failure

SETTINGS = f"""
token_secret = "{SECRET}"
presence_grace = "1s"
[[channel]]
match = "room.*"
presence = "open"
"""


def come(program, room, user):
    info = {"info": {"name": user.upper()}} if user else {}
    lines = Lines(program, f"/stream/{room}?token={make_token(sub=user, listen=['*'], **info)}")
    assert lines.status == 200, lines.wire.rest()
    until(lambda: any(one["user"] == user for one in program.ask(f"/channels/{room}/users")["users"]), f"{user} is there")
    return lines


def run(program, *arguments):
    return subprocess.run([binary(), *arguments, "--server", program.in_url], capture_output=True, text=True, timeout=60)


def ended(lines):
    """What a stream is told last."""
    while "ended" not in (said := lines.object()):
        pass
    return said["ended"]


def test_users_of_a_channel_are_printed(peopled, room):
    with come(peopled, room, "ann"), come(peopled, room, "bob"):
        done = run(peopled, "users", "--channel", room)
        assert [line.split("  ")[1:] for line in done.stdout.splitlines()] == [["ann", '{"name":"ANN"}'], ["bob", '{"name":"BOB"}']]
        assert done.stderr == "2 users, and 0 connections without a user\n"
        done = run(peopled, "users", "--channel", room, "--json")
        assert [json.loads(line)["user"] for line in done.stdout.splitlines()] == ["ann", "bob"] and not done.stderr
    refused = run(peopled, "users", "--channel", "plain")
    assert refused.returncode == 1 and "presence" in refused.stderr


def test_end_ends_a_user_or_one_connection(peopled, room):
    with come(peopled, room, "cid") as one, come(peopled, room, "cid") as other:
        first = peopled.ask("/users/cid")["connections"][0]["id"]
        done = run(peopled, "end", "--connection", first, "--reason", "one too many")
        assert (done.returncode, done.stdout) == (0, "ended 1 connection\n"), done.stderr
        until(lambda: len(peopled.ask("/users/cid")["connections"]) == 1, "one is left")
        done = run(peopled, "end", "cid", "--reason", "out, please", "--for", "1m", "--json")
        assert json.loads(done.stdout) == {"ended": 1}
        assert sorted([ended(one)["reason"], ended(other)["reason"]]) == ["one too many", "out, please"]
    refused = run(peopled, "end", "--connection", first)
    assert refused.returncode == 1 and "refused: " in refused.stderr
    done = run(peopled, "end", "nobody")
    assert (done.returncode, done.stdout) == (0, "ended 0 connections\n")


@pytest.mark.parametrize("arguments", [[], ["ann", "--connection", "x"], ["--connection", "x", "--for", "1m"]])
def test_end_is_told_whom(peopled, arguments):
    assert run(peopled, "end", *arguments).returncode == 2


def test_php_knows_users(peopled, room):
    with come(peopled, room, "dan") as lines:
        assert {"user": "dan", "connections": 1} in [{"user": one["user"], "connections": one["connections"]} for one in client(peopled, "$push->users('d')")]
        one = client(peopled, "$push->user('dan')")
        assert one["online"] and one["connections"][0]["channels"] == [room]
        present = client(peopled, f"$push->present('{room}')")
        assert [(user["user"], user["info"]) for user in present["users"]] == [("dan", {"name": "DAN"})]
        assert (present["count"], present["anonymous"]) == (1, 0) and "more" not in present
        assert client(peopled, "$push->endUser('dan', ['reason' => 'so long', 'for' => '1m'])") == 1
        assert ended(lines) == {"reason": "so long"}
    assert client(peopled, "$push->endUser('dan')") == 0
    assert client(peopled, "$push->endConnection('nosuchid')") is False
    with come(peopled, room, "eve") as lines:
        identity = peopled.ask("/users/eve")["connections"][0]["id"]
        assert client(peopled, f"$push->endConnection('{identity}', 'bye')") is True
        assert ended(lines) == {"reason": "bye"}
    assert failure("$push->present('plain')", peopled.in_url)[3] == "presence"


def test_a_user_is_sent_to_by_hand_and_by_php(peopled, room):
    with come(peopled, room, "fay") as one, come(peopled, room, "fay") as other:
        done = run(peopled, "send", "--user", "fay", "hello, fay")
        assert (done.returncode, done.stdout) == (0, "sent\n"), done.stderr
        assert client(peopled, "$push->publishToUser('fay', ['n' => 2], ['event' => 'e'])")["channels"] == []
        for lines in (one, other):
            found = []
            while len(found) < 2:
                if (said := lines.object()).get("channel") == "$user":
                    found.append((said["data"], said.get("event")))
            assert found == [("hello, fay", None), ({"n": 2}, "e")]
    for arguments in (["--user", "fay", "a", "b"], []):
        assert run(peopled, "send", *arguments).returncode != 0


def test_php_reads_all_pages_of_those_who_are_there(tmp_path):
    (tmp_path / "many.toml").write_text(SETTINGS)
    running = Program("--config", str(tmp_path / "many.toml"))
    # They wait as long as somebody has them.
    crowd = [Lines(running, f"/stream/room.many?token={make_token(sub=f'u{n:04}', listen=['*'])}") for n in range(1_001)]
    until(lambda: running.ask("/channels/room.many/users?limit=1")["count"] == 1_001, "all are there")
    assert [one["user"] for one in client(running, "$push->present('room.many')")["users"]] == [f"u{n:04}" for n in range(1_001)]
    assert len(run(running, "users", "--channel", "room.many").stdout.splitlines()) == 1_001
    assert len(crowd) == 1_001
    running.stop()
