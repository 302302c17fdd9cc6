"""Tokens signed by a public key have a budget a second: whoever shows wrong ones spends his own share of it, and no more."""

import json
import time

import pytest
import websockets.sync.client
from harness.program import Program
from harness.tokens import make_token
from harness.wire import Wire, poll
from test_jwks import Signer

CHECKS = 10
PROXY = "127.0.0.1"
FLOOD, NEWCOMER = "192.0.2.1", "198.51.100.7"


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    return Signer(tmp_path_factory.mktemp("keys"), None, "ES256")


@pytest.fixture(scope="module")
def program(signer):
    """Whoever speaks from this machine is a proxy, and names the client."""
    public = signer.file.with_suffix(".pub")
    public.write_bytes(signer.openssl("pkey", "-in", signer.file, "-pubout"))
    flags = ["--token-key", str(public), "--token-secret", "an-example-secret-of-more-than-32-characters"]
    running = Program(*flags, "--token-checks", str(CHECKS), "--proxies", PROXY, "--listen", "token")
    yield running
    running.stop()


def wrong(signer, count):
    """Different tokens with a signature that is none of theirs."""
    signed, _, signature = signer.token().rpartition(".")
    head, _, _ = signed.partition(".")
    return [f"{head}.{make_token(n=n).split('.')[1]}.{signature}" for n in range(count)]


def shown(program, client, tokens, **headers):
    """What is answered to polls with these tokens, one behind the other on one connection."""
    with Wire(program.wait_address) as wire:
        for token in tokens:
            wire.get("/sub/a?wait=0", Authorization=f"Bearer {token}", X_Forwarded_For=client, **headers)
        return [wire.response() for _ in tokens]


def codes(answers):
    return [json.loads(body).get("code", status) for status, _, body in answers]


def test_wrong_tokens_of_one_address_leave_some_for_others(program, signer):
    before = {name: program.metric(f"multiplexor_wait_{name}_total") for name in ("token_checks", "tokens_busy")}
    begun, told, tokens = time.monotonic(), [], wrong(signer, 60)
    for _ in range(5):
        told += shown(program, FLOOD, tokens)
        # Whoever has a right one comes in at once, in the same second.
        assert [status for status, *_ in shown(program, NEWCOMER, [signer.token(listen="a", sub="ann")])] == [200]
    seconds = int(time.monotonic() - begun) + 2
    checked, busy = codes(told).count("token-signature"), codes(told).count("token-busy")
    assert checked + busy == len(told) == 300
    assert 1 <= checked <= seconds * CHECKS / 2, "its share, each second"
    assert all((status, headers["retry-after"]) == (503, "1") for status, headers, _ in told if status != 401)
    assert program.metric("multiplexor_wait_tokens_busy_total") == before["tokens_busy"] + busy
    # Each newcomer's token was checked once.
    assert program.metric("multiplexor_wait_token_checks_total") == before["token_checks"] + checked + 5
    refused = [one for one in program.ask("/refused?limit=100")["refused"] if one["code"] == "token-busy"]
    assert len(refused) == 1 and refused[0]["times"] == busy and refused[0]["from"] == FLOOD


def test_right_tokens_of_one_address_are_all_taken(program, signer):
    tokens = [signer.token(listen="a", sub=f"user{n}") for n in range(5 * CHECKS)]
    assert codes(shown(program, "203.0.113.1", tokens)) == [200] * len(tokens)


def test_tokens_that_have_ended_and_those_by_a_secret_spend_nothing(program, signer):
    ended = [signer.token(exp=n, sub="ann") for n in range(17, 22)] * CHECKS
    assert set(codes(shown(program, "203.0.113.2", ended))) == {"token-expired"}
    forged = [f"{make_token(n=n)[:-5]}AAAAA" for n in range(5 * CHECKS)]
    assert set(codes(shown(program, "203.0.113.3", forged))) == {"token-signature"}


def test_the_refusal_passes_for_an_event_source(program, signer):
    until_spent(program, signer)
    with Wire(program.wait_address) as wire:
        wire.get("/sub/a", Authorization=f"Bearer {wrong(signer, 1)[0]}", X_Forwarded_For=FLOOD, Accept="text/event-stream")
        status, headers, body = wire.response()
    assert (status, headers["multiplexor-status"]) == (200, "503")
    assert b"event: refused" in body and b'"token-busy"' in body


def test_a_command_with_a_wrong_token_is_told_too(program, signer):
    until_spent(program, signer)
    headers = {"X-Forwarded-For": FLOOD}
    with websockets.sync.client.connect(f"{program.ws_url}/sub/", additional_headers=headers) as socket:
        errors = []
        for n, token in enumerate(wrong(signer, 3 * CHECKS)):
            socket.send(json.dumps({"token": token, "id": n}))
        while len(errors) < 3 * CHECKS:
            told = json.loads(socket.recv(60))
            errors += [told] if "error" in told else []
    assert [told["id"] for told in errors] == list(range(3 * CHECKS))
    assert "token-busy" in {told["error"]["code"] for told in errors}


def until_spent(program, signer):
    """Spends what one address may have of this second."""
    while "token-busy" not in codes(shown(program, FLOOD, wrong(signer, CHECKS))):
        pass


def test_a_crowd_behind_one_address_that_nobody_names_has_a_share_each(signer, serve):
    public = signer.file.with_suffix(".pub")
    public.write_bytes(signer.openssl("pkey", "-in", signer.file, "-pubout"))
    program = serve("--token-key", str(public), "--token-checks", "100", "--listen", "token")
    with Wire(program.wait_address) as flood:
        for token in wrong(signer, 100):
            flood.get("/sub/a?wait=0", Authorization=f"Bearer {token}")
        told = codes([flood.response() for _ in range(100)])
    assert "token-busy" in told and "token-signature" in told
    assert poll(program, "/sub/a?wait=0", Authorization=f"Bearer {signer.token(listen='a')}")["messages"] == []
