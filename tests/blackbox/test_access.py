"""Who may do what: API keys of the IN line."""

import json
import socket
import subprocess

from harness.program import binary, request
from harness.wire import Lines


def make_key():
    made = subprocess.run([binary(), "key", "make", "--json"], capture_output=True, check=True)
    made = json.loads(made.stdout)
    return made["key"], made["hash"]


def run(program, *arguments, key=None):
    """A command line client, with a key by the variable or without one."""
    env = {"MULTIPLEXOR_KEY": key} if key else {}
    command = [binary(), *arguments, "--server", program.in_url]
    return subprocess.run(command, capture_output=True, timeout=60, env=env)


def test_with_a_key_set_every_request_needs_one(serve, name):
    key, digest = make_key()
    program = serve(env={"MULTIPLEXOR_KEY": digest})
    for headers, expected in [
        ({}, 401),
        ({"Authorization": f"Bearer {make_key()[0]}"}, 401),
        ({"Authorization": f"Bearer {key}"}, 200),
    ]:
        status, head, answer = request(program.in_address, "POST", f"/pub/{name}", b"hello", headers)
        assert status == expected, answer
        status, _, answer = request(program.in_address, "GET", "/channels", b"", headers)
        assert status == expected, answer
    assert request(program.in_address, "GET", "/healthz")[0] == 200
    assert key not in program.stdout() + program.stderr()


def test_the_key_itself_serves_as_setting_and_is_never_shown(serve):
    key, digest = make_key()
    shown = subprocess.run([binary(), "config"], capture_output=True, check=True, env={"MULTIPLEXOR_KEY": key})
    assert digest in shown.stdout.decode() and key not in shown.stdout.decode()
    wrong = subprocess.run([binary()], capture_output=True, env={"MULTIPLEXOR_KEY": "hunter2"})
    assert wrong.returncode == 2 and b"hunter2" not in wrong.stderr
    assert b"multiplexor key make" in wrong.stderr


def test_the_command_line_clients_show_their_key(serve, name):
    key, digest = make_key()
    program = serve(env={"MULTIPLEXOR_KEY": digest})
    with Lines(program, f"/sub/{name}"):
        assert run(program, "send", name, "hello", key=key).returncode == 0
        assert name in run(program, "online", key=key).stdout.decode()
    for command in (["stats"], ["history", name], ["delete", name]):
        assert run(program, *command, key=key).returncode == 0, command
        refused = run(program, *command)
        assert refused.returncode == 1 and b"asks for an API key" in refused.stderr


def test_strangers_reach_the_in_line_with_a_key_only(serve, name):
    key, digest = make_key()
    refused = subprocess.run([binary(), "--in", "0.0.0.0:0"], capture_output=True, env={})
    assert refused.returncode == 2 and b"multiplexor key make" in refused.stderr
    program = serve("--wait", "127.0.0.1:0", "--in", "0.0.0.0:0", ports=False, env={"MULTIPLEXOR_KEY": digest})
    address = ("127.0.0.1", program.in_address[1])
    headers = {"Authorization": f"Bearer {key}"}
    assert request(address, "POST", f"/pub/{name}", b"hello", headers)[0] == 200
    # The words of 2009 have no place for a key; from this machine they are heard.
    assert ask_in_2009(address) == b""
    home = serve(env={"MULTIPLEXOR_KEY": digest})
    assert ask_in_2009(home.in_address) == b"\n."


def ask_in_2009(address):
    with socket.create_connection(address, timeout=30) as old:
        old.sendall(b"ONLINE\n")
        old.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: old.recv(100), b""))


def test_a_key_of_the_file_may_what_it_says(serve, name, tmp_path):
    key, digest = make_key()
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(f'[[key]]\nname = "shop"\nhash = "{digest}"\nmay = ["publish"]\nmatch = ["{name}.*"]\n')
    program = serve("--config", str(settings))
    headers = {"Authorization": f"Bearer {key}"}
    assert request(program.in_address, "POST", f"/pub/{name}.1", b"hello", headers)[0] == 200
    status, _, answer = request(program.in_address, "POST", f"/pub/{name}", b"hello", headers)
    assert status == 403
    problem = json.loads(answer)
    assert problem["code"] == "grant" and '"shop"' in problem["detail"] and name in problem["detail"]
    assert request(program.in_address, "GET", "/channels", b"", headers)[0] == 403


def test_an_idempotency_key_is_known_by_the_api_key_it_came_with(serve, name, tmp_path):
    (shop, shop_hash), (bank, bank_hash) = make_key(), make_key()
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(
        f'[[key]]\nname = "shop"\nhash = "{shop_hash}"\nmatch = ["{name}.shop"]\n'
        f'[[key]]\nname = "bank"\nhash = "{bank_hash}"\nmatch = ["{name}.bank"]\n'
    )
    program = serve("--config", str(settings))

    def publish(key, whose, data):
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "order-1"}
        status, _, answer = request(program.in_address, "POST", f"/pub/{name}.{whose}", data, headers)
        return status, json.loads(answer)

    first = publish(shop, "shop", b"sold")
    assert first[0] == 200
    status, answer = publish(bank, "bank", b"paid")
    assert (status, list(answer["channels"])) == (200, [f"{name}.bank"]), "it is no repeat of another's"
    assert publish(shop, "shop", b"sold") == first
    status, answer = publish(bank, "bank", b"paid twice")
    assert (status, answer["code"]) == (422, "key-reused")
    assert "sold" not in json.dumps(answer) and "shop" not in json.dumps(answer)
