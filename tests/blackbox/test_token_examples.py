"""The lines of examples/tokens make tokens, in PHP, Python, Ruby and Node: what the server takes, and what it does not."""

import base64
import json
import os
import subprocess
import sys

import pytest
from harness.program import ROOT, request

TOKENS = ROOT / "examples" / "tokens"
SECRET = "s" * 32
CLOSED = {"MULTIPLEXOR_LISTEN": "token", "MULTIPLEXOR_TOKEN_SECRET": SECRET}
LANGUAGES = {"php": ["php", "-n"], "py": [sys.executable], "rb": ["ruby"], "mjs": ["node"]}
USER, CHANNELS = 'é "b"/\\', ["user.é/b", "room.*"]


@pytest.fixture(scope="module")
def tokens():
    """By language: what its file prints, as its last comment says to call it."""
    env = os.environ | {"MULTIPLEXOR_TOKEN_SECRET": SECRET, "LC_ALL": "C.UTF-8"}
    words = {end: [*command, str(TOKENS / f"token.{end}"), USER, *CHANNELS] for end, command in LANGUAGES.items()}
    running = {end: subprocess.Popen(line, env=env, stdout=subprocess.PIPE, text=True) for end, line in words.items()}
    return {end: process.communicate(timeout=60)[0].strip() for end, process in running.items()}


@pytest.mark.parametrize("end", LANGUAGES)
def test_without_a_secret_none_is_made(end):
    """An empty one would sign, too, and the server would only say that the signature is wrong."""
    env = os.environ | {"MULTIPLEXOR_TOKEN_SECRET": "", "LC_ALL": "C.UTF-8"}
    words = [*LANGUAGES[end], str(TOKENS / f"token.{end}"), USER, *CHANNELS]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode and "The secret is empty" in done.stdout + done.stderr


def claims(token):
    middle = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))


def test_all_languages_say_the_same(tokens):
    assert len(tokens) == len(list(TOKENS.glob("token.*")))
    for end, token in tokens.items():
        said = claims(token)
        assert said.pop("exp") - said.pop("iat") == 3600, end
        assert said == {"sub": USER, "listen": CHANNELS}, end


def test_the_server_takes_them_for_what_they_name_and_for_no_more(serve, tokens):
    program = serve(env=CLOSED)
    for end, token in tokens.items():
        for channel, status in {"room.7": 200, "user.%C3%A9%2Fb": 200, "user.other": 403}.items():
            found, _, body = request(program.wait_address, "GET", f"/sub/{channel}?wait=0&token={token}")
            assert found == status, (end, channel, body)
        head, middle, mac = token.split(".")
        forged = f"{head}.{middle}.{mac[:-2]}{'AA' if mac[-2:] != 'AA' else 'QQ'}"
        assert request(program.wait_address, "GET", f"/sub/room.7?wait=0&token={forged}")[0] == 401, end
