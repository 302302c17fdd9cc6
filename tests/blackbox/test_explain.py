"""Why a client is refused: `POST /explain` and `multiplexor explain` say what the WAIT line itself answers, and keep nothing of it."""

import json
import subprocess
import time

import pytest
from harness.program import Program, binary, request
from harness.tokens import SECRET, coded, mac, make_token, signed_url
from test_access import make_key
from test_hook import listen

SETTINGS = f"""
listen = "token"
token_secret = "{SECRET}"
origins = ["https://shop.example", "https://*.shop.example"]
log_level = "debug"
[[channel]]
match = "open.*"
listen = "open"
publish = "open"
[[channel]]
match = "room.*"
history = "token"
presence = "token"
publish = "token"
"""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    settings = tmp_path_factory.mktemp("explain") / "multiplexor.toml"
    settings.write_text(SETTINGS)
    program = Program("--config", str(settings))
    yield program
    program.stop()


def explain(program, headers=None, **words):
    status, _, answer = request(program.in_address, "POST", "/explain", json.dumps(words).encode(), headers or {})
    return status, json.loads(answer)


def explained(program, **words):
    status, answer = explain(program, **words)
    assert status == 200, answer
    # 20 a second.
    time.sleep(0.05)
    return answer


def other_secret(token):
    return token[:-4] + "AAAA"


NOW = int(time.time())
LATER = NOW + 3600
TOKENS = {
    "fine": make_token(sub="ann", listen=["room.*"], exp=LATER),
    "expired": make_token(sub="ann", listen=["room.*"], exp=NOW - 5),
    "early": make_token(sub="ann", listen=["room.*"], nbf=NOW + 600, exp=LATER),
    "endless": f"{coded(b'{}')}.{coded(b'{}')}.x",
    "forged": other_secret(make_token(sub="ann", listen=["room.*"], exp=LATER)),
    "audience": make_token(sub="ann", listen=["room.*"], aud="somebody", exp=LATER),
    "elsewhere": make_token(sub="ann", listen=["hall.*"], exp=LATER),
    "nothing": make_token(sub="ann", exp=LATER),
    "control": make_token(sub="a\nb", listen=["room.*"], exp=LATER),
    "no token": "hello",
}


@pytest.mark.parametrize("which", TOKENS)
def test_it_says_what_the_wait_line_says(guarded, which):
    token = TOKENS[which]
    for channel in ("room.1", "open.1"):
        status, _, problem = listen(guarded, f"/sub/{channel}?wait=0&token={token}")
        answer = explained(guarded, token=token, channel=channel)
        assert answer["allowed"] == (status == 200), (answer, problem)
        assert answer.get("code") == (problem and problem["code"]), (answer, problem)
        assert [step["what"] for step in answer["steps"]][0] == "token"
        assert answer["steps"][-1]["what"] == ("right" if answer["steps"][0]["ok"] else "rule")


def test_signed_urls_are_judged_as_they_stand(guarded):
    fine, other = signed_url("room.1,room.2", LATER), signed_url("room.1", NOW - 9)
    for url, expected in ((fine, None), (other, "url-expired"), (fine.replace("room.2", "room.3"), "url-signature")):
        status, _, problem = listen(guarded, url + "&wait=0")
        for before in ("", "https://push.example/push", "wss://push.example"):
            answer = explained(guarded, url=before + url)
            assert (answer["allowed"], answer.get("code")) == (status == 200, expected), answer
        assert (problem and problem["code"]) == expected
    assert explained(guarded, url=fine)["steps"][0]["what"] == "url"
    assert explain(guarded, url="https://push.example/other?x=1")[0] == 400


@pytest.mark.parametrize(
    ("right", "grants", "code"),
    [
        ("publish", {}, "grant"),
        ("publish", {"publish": ["room.*"]}, None),
        ("history", {"listen": ["room.*"]}, "grant"),
        ("history", {"listen": ["room.*"], "history": ["room.*"]}, None),
        ("presence", {"listen": ["room.*"]}, "presence"),
        ("presence", {"listen": ["room.*"], "presence": ["room.*"]}, None),
    ],
)
def test_each_right_is_asked_for_by_itself(guarded, right, grants, code):
    answer = explained(guarded, token=make_token(sub="ann", **grants), channel="room.1", right=right)
    assert (answer["allowed"], answer.get("code")) == (code is None, code), answer


def test_without_credentials_it_is_said_what_would_be_right(guarded):
    answer = explained(guarded, channel="room.1")
    assert (answer["allowed"], answer["code"]) == (False, "credentials") and "show a token" in answer["detail"]
    rule = answer["steps"][0]
    assert rule["what"] == "rule" and '"room.*"' in rule["detail"] and "history token" in rule["detail"]
    assert explained(guarded, channel="open.1")["allowed"]
    assert "no [[channel]] matches" in explained(guarded, channel="hall")["steps"][0]["detail"]


def test_origins_are_explained(guarded):
    for origin, allowed in (("https://shop.example", True), ("https://a.shop.example", True), ("https://evil.example", False)):
        answer = explained(guarded, origin=origin, token=TOKENS["fine"], channel="room.1")
        assert (answer["allowed"], answer.get("code")) == (allowed, None if allowed else "origin"), answer
        status, _, problem = listen(guarded, f"/sub/room.1?wait=0&token={TOKENS['fine']}", {"Origin": origin})
        assert (status == 200) == allowed, problem
    assert explain(guarded, origin="shop.example")[1]["code"] == "origin"


def test_an_ended_user_is_told_apart(guarded):
    token = make_token(sub="eve", listen=["room.*"], iat=NOW - 60)
    assert explained(guarded, token=token, channel="room.1")["allowed"]
    assert request(guarded.in_address, "DELETE", "/users/eve?for=1m")[0] == 200
    answer = explained(guarded, token=token, channel="room.1")
    assert (answer["allowed"], answer["code"]) == (False, "user-ended")
    assert [step["what"] for step in answer["steps"] if not step["ok"]] == ["user"]


def test_what_a_wrong_token_says_is_called_unproven_and_info_is_not_told(guarded):
    token = other_secret(make_token(sub="ann", info={"name": "Ann Private"}))
    answer = explained(guarded, token=token)
    claims = next(step["detail"] for step in answer["steps"] if step["what"] == "claims")
    assert "unproven" in claims and '"ann"' in claims and "Private" not in json.dumps(answer) and SECRET not in json.dumps(answer)
    assert mac(token.rsplit(".", 1)[0]) not in json.dumps(answer), "the right signature is never told"


def test_nothing_is_made_counted_or_logged(guarded):
    before = guarded.ask("/stats")
    marker = make_token(sub="remember-me", listen=["made.up"])
    for token in (marker, other_secret(marker)):
        explained(guarded, token=token, channel="made.up")
        explained(guarded, url=f"/sub/made.up?token={token}")
    after = guarded.ask("/stats")
    for line, name in (("wait", "denied"), ("wait", "problems"), ("wait", "token_checks")):
        assert before[line].get(name) == after[line].get(name), name
    assert all(one["name"] != "made.up" for one in guarded.ask("/channels?all=1")["channels"])
    assert not any("made.up" in json.dumps(one) for one in guarded.ask("/refused")["refused"])
    log = guarded.stderr()
    assert "/explain" in log and "remember-me" not in log and marker not in log and "made.up" not in log


@pytest.mark.parametrize(
    ("body", "part"),
    [
        (b"", "cannot be read"),
        (b"{}", "about nothing"),
        (b'{"token": 7}', "cannot be read"),
        (b'{"tokn": "x"}', "cannot be read"),
        (b'{"token": "x", "url": "/sub/a"}', "both"),
        (b'{"channel": "a", "right": "administer"}', "right"),
        (b'{"channel": "a,b"}', "comma"),
        (b'{"channel": "' + b"a" * 20_000 + b'"}', "more than"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(guarded, body, part):
    status, _, answer = request(guarded.in_address, "POST", "/explain", body)
    assert status in (400, 413) and part in json.loads(answer)["detail"], answer
    time.sleep(0.05)


def test_a_key_of_some_channels_asks_about_these(tmp_path, serve):
    keys = {name: make_key() for name in ("all", "some")}
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(
        SETTINGS
        + f'[[key]]\nname = "all"\nhash = "{keys["all"][1]}"\nmay = ["administer"]\n'
        + f'[[key]]\nname = "some"\nhash = "{keys["some"][1]}"\nmay = ["administer"]\nmatch = "room.*"\n'
    )
    program = serve("--config", str(settings))
    bearer = lambda name: {"Authorization": f"Bearer {keys[name][0]}"}  # noqa: E731
    assert explain(program, bearer("all"), token=TOKENS["fine"])[0] == 200
    assert explain(program, bearer("some"), token=TOKENS["fine"], channel="room.1")[0] == 200
    for words in ({"token": TOKENS["fine"]}, {"channel": "hall"}, {"url": signed_url("room.1,hall", LATER)}):
        assert explain(program, bearer("some"), **words)[1]["code"] == "grant"
    assert explain(program, channel="room.1")[0] == 401


def run(program, *arguments, **options):
    return subprocess.run([binary(), "explain", *arguments, "--server", program.in_url], capture_output=True, text=True, timeout=60, **options)


def test_the_command_says_it_line_by_line(guarded):
    done = run(guarded, "room.1", "--token", "-", input=TOKENS["fine"] + "\n")
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "allowed", done
    assert [line.split()[:2] for line in done.stdout.splitlines()[:-1]] == [["ok", "token"], ["ok", "user"], ["ok", "rule"], ["ok", "right"]]
    done = run(guarded, "room.1", "--token", TOKENS["expired"], "--json")
    assert done.returncode == 1 and json.loads(done.stdout)["code"] == "token-expired"
    done = run(guarded, "room.1", "--right", "publish", "--origin", "https://shop.example")
    assert done.returncode == 1 and done.stdout.splitlines()[-1] == "refused: credentials", done
    done = run(guarded)
    assert done.returncode == 2 and "--token" in done.stderr
