"""The application is asked about what clients publish: it lets it be said, says something else, or refuses; silence is a refusal."""

import base64
import hashlib
import hmac
import json
import subprocess
import threading
import time

import pytest
from harness.program import Program, binary, free_port, request, until
from harness.talk import Socket
from harness.tokens import SECRET, make_token
from harness.upstream import Application
from harness.wire import poll

SIGNED_WITH = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RULES = '[[channel]]\nmatch = "asked.*"\npublish = "open"\npublish_hook = true\n[[channel]]\nmatch = "free.*"\npublish = "open"\n'


def start(tmp_path, url, more=""):
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(
        f'token_secret = "{SECRET}"\npublish_hook_url = "{url}"\nconnection_messages = 0\nuser_messages = 0\n{more}\n{RULES}'
    )
    return Program("--config", str(settings))


def moderate(path, headers, body):
    """What the message itself asks for."""
    data = json.loads(body)["data"]
    wish = data if isinstance(data, str) else ""
    if wish.startswith("status "):
        return int(wish.split()[1]), {"Location": "/elsewhere"}, b"{}"
    if wish.startswith("body "):
        return 200, {}, wish[5:].encode()
    if wish.startswith("no: "):
        return 403, {}, json.dumps({"detail": wish[4:]}).encode()
    return 200, {}, b"" if wish == "nothing" else b"{}"


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    application = Application(moderate)
    program = start(tmp_path_factory.mktemp("asked"), application.url, f'publish_hook_secret = "{SIGNED_WITH}"')
    yield program, application
    program.stop()
    application.stop()


@pytest.fixture
def channel(name):
    return f"asked.{name}"


def say(program, way, channel, data, query="", **options):
    """How it went: `-`, or status, code and detail."""
    if way == "ws":
        with Socket(program, f"/sub/{query}") as one:
            answer = one.answer(publish=channel, data=data, **options)
            problem = answer.get("error")
    else:
        status, _, answer = request(program.wait_address, "POST", f"/pub/{channel}{query}", data.encode(), {"Content-Type": "text/plain"})
        problem = json.loads(answer) if status != 200 else None
    return (problem["status"], problem["code"], problem["detail"]) if problem else "-"


def kept(program, channel):
    return [message["data"] for message in poll(program, f"/sub/{channel}?since=0&wait=0")["messages"]]


def test_it_is_told_who_says_what_and_where_and_can_check_that_we_ask(asked, channel):
    program, application = asked
    token = make_token(sub='an"n')
    before = time.time()
    with Socket(program, f"/sub/?token={token}") as one:
        assert one.answer(publish=channel, data={"a": [1]}, event="chat")["published"] == channel
        id = one.id
    method, path, headers, body = application.requests[-1]
    headers = {name.lower(): value for name, value in headers.items()}
    told = json.loads(body)
    assert (method, path, headers["content-type"]) == ("POST", "/", "application/json")
    assert abs(told.pop("time") - before) < 60
    assert told == {"user": 'an"n', "connection": id, "channel": channel, "event": "chat", "data": {"a": [1]}}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(SIGNED_WITH.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    ids = [request[2]["webhook-id"] for request in application.requests]
    assert len(set(ids)) == len(ids)
    say(program, "post", channel, "x")
    assert "user" not in json.loads(application.requests[-1][3])


@pytest.mark.parametrize("way", ["ws", "post"])
def test_what_its_answers_mean(asked, channel, way):
    program, _ = asked
    silence = (503, "publish-hook", "the application was asked about the message, and gave no good answer; try again soon")
    for wish, expected, said in [
        ("nothing", "-", ["nothing"]),
        ("plain", "-", ["plain"]),
        ('body {"data": "other"}', "-", ["other"]),
        ('body {"data": {"a":1}}', "-", [{"a": 1}]),
        ("no: no links, please", (403, "publish-hook", "no links, please"), []),
        ("no: " + "x" * 300, (403, "publish-hook", "x" * 200), []),
        ("no: a\r\nb", (403, "publish-hook", "a  b"), []),
        ("body []", silence, []),
        ("body <html>", silence, []),
        ('body {"dta": 1}', silence, []),
        *[(f"status {status}", silence, []) for status in (201, 301, 307, 401, 404, 500)],
    ]:
        before = kept(program, channel)
        assert say(program, way, channel, wish) == expected, wish
        assert kept(program, channel) == before + said, wish
    assert not [path for _, path, _, _ in asked[1].requests if path != "/"], "redirects are not followed"


def test_it_is_asked_where_a_rule_says_so_and_nowhere_else(asked, name, channel):
    program, application = asked
    before = len(application.requests)
    assert say(program, "ws", f"free.{name}", "no: x") == "-"
    program.publish(channel, "no: x")
    assert say(program, "ws", f"other.{name}", "x")[1] == "publish"
    assert say(program, "post", f"{channel},free.{name}", "x")[:2] == (400, "channel-list")
    assert len(application.requests) == before


def test_what_it_refuses_may_come_again_under_its_key(asked, channel):
    program, application = asked
    with Socket(program) as one:
        assert one.answer(publish=channel, data="no: x", key="k")["error"]["code"] == "publish-hook"
        assert one.answer(publish=channel, data="y", key="k")["published"] == channel
        before = len(application.requests)
        assert one.answer(publish=channel, data="y", key="k")["published"] == channel
        assert len(application.requests) == before and kept(program, channel) == ["y"]


def test_what_it_says_is_counted_and_listed(asked, channel):
    program, _ = asked
    calls, refused = (program.metric(f"multiplexor_publish_hook_{name}_total") for name in ("calls", "refused"))
    say(program, "ws", channel, "no: rude")
    say(program, "ws", channel, "kind")
    assert program.metric("multiplexor_publish_hook_calls_total") == calls + 2
    assert program.metric("multiplexor_publish_hook_refused_total") == refused + 1
    assert program.ask("/refused?limit=1")["refused"][0]["code"] == "publish-hook"


class Gate:
    """An application that answers when it is let."""

    def __init__(self):
        self.open, self.arrived, self.lock = threading.Event(), [], threading.Lock()

    def answer(self):
        def answer(path, headers, body):
            with self.lock:
                self.arrived.append(json.loads(body)["data"])
            self.open.wait(30)
            return 200, {}, b""

        return answer


@pytest.fixture
def slow(tmp_path):
    gate = Gate()
    application = Application(gate.answer())
    program = start(tmp_path, application.url, 'hook_timeout = "20s"\npublish_hook_calls = 4')
    yield program, application, gate
    gate.open.set()
    program.stop()
    application.stop()


def test_one_of_a_sender_at_a_time_eight_wait_and_their_order_is_kept(slow):
    program, application, gate = slow
    token = make_token(sub="ann")
    with Socket(program, f"/sub/asked.a?token={token}") as one, Socket(program, f"/sub/?token={token}") as same:
        for n in range(12):
            one.send(publish="asked.a", data=n, id=n)
        # The first is under way, eight wait, and the others are refused at once.
        refused = [one.receive() for _ in range(3)]
        assert [(item["id"], item["error"]["status"], item["error"]["code"]) for item in refused] == [
            (n, 429, "publish-hook-busy") for n in (9, 10, 11)
        ]
        assert same.answer(publish="asked.a", data="x")["error"]["code"] == "publish-hook-busy", "another tab of ann"
        with Socket(program) as bob:
            bob.send(publish="asked.a", data="bob", id=1)
            until(lambda: gate.arrived == [0, "bob"], "bob's is asked about meanwhile")
            gate.open.set()
            while "published" not in bob.receive():
                pass
        answers = [item for item in (one.receive() for _ in range(19)) if "published" in item]
        assert [item["id"] for item in answers] == list(range(9))
    assert [data for data in kept(program, "asked.a") if data != "bob"] == list(range(9))
    assert [data for data in gate.arrived if data != "bob"] == list(range(9))


def test_so_many_calls_at_once(slow):
    program, application, gate = slow
    sockets = [Socket(program) for _ in range(8)]
    for n, one in enumerate(sockets):
        one.send(publish="asked.a", data=n, id=n)
    until(lambda: len(gate.arrived) == 4, "four are asked about")
    time.sleep(0.2)
    assert len(gate.arrived) == 4 and program.metric("multiplexor_publish_hook_calls_total") == 4
    gate.open.set()
    assert sorted(one.receive()["id"] for one in sockets) == list(range(8))
    assert application.most == 4
    for one in sockets:
        one.__exit__()


def test_the_same_key_while_it_is_asked_about(slow):
    program, _, gate = slow
    with Socket(program) as one:
        one.send(publish="asked.a", data=1, key="k", id=1)
        until(lambda: gate.arrived == [1], "it is asked about")
        assert one.answer(publish="asked.a", data=1, key="k")["error"]["code"] == "publish-hook-busy"
        assert one.answer(publish="asked.a", data=2, key="k")["error"]["code"] == "key-reused"
        gate.open.set()
        first = one.receive()
        assert one.answer(publish="asked.a", data=1, key="k")["cursor"] == first["cursor"]


@pytest.mark.parametrize("way", ["ws", "post"])
def test_silence_is_a_refusal(tmp_path, way):
    gate = Gate()
    application = Application(gate.answer())
    program = start(tmp_path, application.url, 'hook_timeout = "200ms"')
    assert say(program, way, "asked.a", "x")[:2] == (503, "publish-hook")
    gate.open.set()
    until(lambda: say(program, way, "asked.a", "y") == "-", "it answers again")
    assert "x" not in kept(program, "asked.a")
    program.until_logged("the hook for messages answers again")
    application.stop()
    program.stop()
    program = start(tmp_path, f"http://127.0.0.1:{free_port()}/")
    assert say(program, way, "asked.a", "z")[:2] == (503, "publish-hook")
    program.stop()


def test_who_leaves_meanwhile(slow):
    """What was said by WebSocket is said, though its page was closed; a request that was given up is not."""
    program, _, gate = slow
    with Socket(program) as one:
        one.send(publish="asked.a", data="by command")
        until(lambda: gate.arrived, "it is asked about")
    gate.open.set()
    until(lambda: kept(program, "asked.a") == ["by command"], "it is said")


def test_who_is_ended_meanwhile_says_nothing(slow):
    """Neither by command nor by request, whatever the application says then."""
    program, _, gate = slow
    ann, bob = (make_token(sub=user, iat=int(time.time()) - 5) for user in ("ann", "bob"))
    answers = []
    by_request = threading.Thread(target=lambda: answers.append(say(program, "post", "asked.a", "by request", f"?token={bob}")))
    with Socket(program, f"/sub/?token={ann}") as one:
        one.send(publish="asked.a", data="by command", key="k")
        by_request.start()
        until(lambda: sorted(gate.arrived) == ["by command", "by request"], "both are asked about")
        for user in ("ann", "bob"):
            assert request(program.in_address, "DELETE", f"/users/{user}")[0] == 200
        gate.open.set()
        by_request.join()
        assert [answer[:2] for answer in answers] == [(403, "user-ended")]
        assert say(program, "ws", "asked.a", "after") == "-"
    assert kept(program, "asked.a") == ["after"]


def test_the_hook_is_the_default_and_without_any_the_settings_are_refused(tmp_path):
    application = Application(lambda path, headers: (200, {}, b""))
    settings = tmp_path / "hook.toml"
    settings.write_text(f'hook = "{application.url}/who"\n{RULES}')
    program = Program("--config", str(settings))
    assert say(program, "ws", "asked.a", "x") == "-"
    assert [(method, path) for method, path, _, _ in application.requests] == [("POST", "/who")]
    assert "webhook-signature" not in application.requests[0][2]
    program.stop()
    application.stop()
    settings.write_text(RULES)
    checked = subprocess.run([binary(), "config", "check", str(settings)], capture_output=True, text=True)
    assert checked.returncode != 0 and "nobody to ask; set publish_hook_url" in checked.stdout + checked.stderr
