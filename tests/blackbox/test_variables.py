"""A misspelt setting is told with the right name, wherever it stands; what orchestrators make is left alone."""

import os
import subprocess

import pytest
from harness.program import binary, request


def run(*arguments, **variables):
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MULTIPLEXOR")}
    return subprocess.run(
        [binary(), *arguments], env=clean | variables, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize(
    "wrong, right",
    [
        ("MULTIPLEXOR_POLL_TIMOUT", "MULTIPLEXOR_POLL_TIMEOUT"),
        ("MULTIPLEXOR_WIAT", "MULTIPLEXOR_WAIT"),
        ("MULTIPLEXOR_HISTORY_MESSAGE", "MULTIPLEXOR_HISTORY_MESSAGES"),
        ("MULTIPLEXOR_CONFG", "MULTIPLEXOR_CONFIG"),
        ("multiplexor_wait", "MULTIPLEXOR_WAIT"),
    ],
)
def test_a_misspelt_variable_keeps_a_server_from_starting_and_is_told_with_the_nearest_name(wrong, right):
    for command in ([], ["serve"], ["config"], ["realplexor"]):
        ended = run(*command, **{wrong: "secret-value"})
        assert ended.returncode == 2, (command, ended.stdout)
        assert f"{wrong} is set, and no setting has that name; did you mean {right}?" in ended.stderr, ended.stderr
        assert "secret-value" not in ended.stderr


def test_a_client_warns_of_a_misspelt_variable_and_does_its_work(program, name):
    wrong = {"MULTIPLEXOR_POLL_TIMOUT": "5s", "MULTIPLEXOR_SERVER": program.in_url}
    for command in (["send", name, "hello"], ["online"], ["history", name], ["stats"], ["delete", name]):
        ended = run(*command, **wrong)
        assert ended.returncode == 0, (command, ended.stderr)
        assert "multiplexor: MULTIPLEXOR_POLL_TIMOUT is set" in ended.stderr, (command, ended)
        assert command == ["online"] or ended.stdout, command
        assert "did you mean MULTIPLEXOR_POLL_TIMEOUT?" in ended.stderr
    assert "MULTIPLEXOR_TOKN is set" in run("token", "make", name, "--token-secret", "s" * 32, MULTIPLEXOR_TOKN="x").stderr
    for command in (["key", "make"], ["completion", "bash"], ["man"], ["config", "--default"]):
        ended = run(*command, MULTIPLEXOR_POLL_TIMOUT="5s")
        assert (ended.returncode, ended.stderr) == (0, ""), "what reads no variables has nothing to say of them"


def test_several_are_told_at_once_and_one_that_is_like_nothing_too():
    ended = run("config", MULTIPLEXOR_QUITE_ANOTHER="1", MULTIPLEXOR_SHARD="1")
    assert ended.returncode == 2
    assert "MULTIPLEXOR_QUITE_ANOTHER is set" in ended.stderr and "did you mean MULTIPLEXOR_SHARDS?" in ended.stderr


def test_a_variable_of_a_client_is_no_surprise_to_the_server():
    """Whoever has both in one environment has both."""
    assert run("config", MULTIPLEXOR_SERVER="http://a", MULTIPLEXOR_LISTEN_URL="http://b").returncode == 0


def test_an_empty_variable_counts_as_none():
    assert run("config", MULTIPLEXOR_POLL_TIMOUT="").returncode == 0


def test_what_orchestrators_make_is_left_alone(serve):
    made = {
        "MULTIPLEXOR_SERVICE_HOST": "10.0.0.1",
        "MULTIPLEXOR_SERVICE_PORT": "8088",
        "MULTIPLEXOR_SERVICE_PORT_HTTP": "8088",
        "MULTIPLEXOR_PORT": "tcp://10.0.0.1:8088",
        "MULTIPLEXOR_PORT_8088_TCP": "tcp://10.0.0.1:8088",
        "MULTIPLEXOR_PORT_8088_TCP_PROTO": "tcp",
        "MULTIPLEXOR_PORT_8088_TCP_PORT": "8088",
        "MULTIPLEXOR_PORT_8088_TCP_ADDR": "10.0.0.1",
        "MULTIPLEXOR_WAIT_SERVICE_HOST": "10.0.0.2",
        "MULTIPLEXOR_WAIT_PORT_80_UDP_ADDR": "10.0.0.2",
    }
    program = serve(env=made)
    assert request(program.in_address, "GET", "/readyz")[0] == 200


def test_misspelt_flags_and_keys_of_a_file_are_told_alike(tmp_path):
    ended = run("--poll-timout", "5s")
    assert ended.returncode == 2 and "--poll-timeout" in ended.stderr, ended.stderr
    file = tmp_path / "multiplexor.toml"
    file.write_text('poll_timout = "5s"\n[[channel]]\nmatch = "a"\nhistory_mesages = 1\n')
    ended = run("config", "check", str(file))
    assert ended.returncode == 1
    assert "did you mean poll_timeout?" in ended.stderr and "did you mean history_messages?" in ended.stderr
    assert run("--config", str(file)).returncode == 2
