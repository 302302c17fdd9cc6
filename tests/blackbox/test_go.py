"""A listener in Go: its net/http asks for gzip by itself, and must be given each message at once."""

import json
import os
import shutil
import subprocess

import pytest
from harness.program import PATIENCE_S
from test_curl import listen  # noqa: F401  (a fixture)

GO = shutil.which("go") or "/usr/local/go/bin/go"


@pytest.fixture(scope="module")
def listener(tmp_path_factory):
    """The program in Go, built."""
    if not os.path.exists(GO):
        pytest.skip("needs Go")
    target = tmp_path_factory.mktemp("go") / "listen"
    source = os.path.join(os.path.dirname(__file__), "go", "listen.go")
    env = os.environ | {"GOFLAGS": "-mod=mod", "GO111MODULE": "off", "CGO_ENABLED": "0"}
    subprocess.run([GO, "build", "-o", target, source], check=True, env=env, timeout=20 * PATIENCE_S)
    return target


@pytest.mark.parametrize("transport", ["sse", "stream"])
def test_a_go_program_is_told_each_message_at_once(program, name, listen, listener, transport):  # noqa: F811
    heard = listen(command=[listener, f"{program.wait_url}/sub/{name}?transport={transport}"])
    heard.until("200 uncompressed: true")
    program.until_waiting(name)
    for data in ["short", "x" * 500, "short again"]:
        program.publish(name, data)
        heard.until(data if transport == "sse" else json.dumps(data))
