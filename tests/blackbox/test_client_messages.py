"""What clients say to others: by WebSocket and by POST /pub, with the rules of their channels, rights, pages, keys and rates."""

import http.client
import json
import os
import time
import urllib.parse

import pytest
import websockets
from harness.program import Program, request, until
from harness.talk import Socket
from harness.tokens import SECRET, make_token, signed_url
from harness.upstream import Application
from harness.wire import Lines, Sse, Wire, poll

ORIGIN = "https://shop.example"
SETTINGS = f"""
token_secret = "{SECRET}"
origins = ["{ORIGIN}"]
connection_messages = 0
user_messages = 0
[[channel]]
match = "open.*"
publish = "open"
[[channel]]
match = "team.*"
listen = "token"
publish = "open"
[[channel]]
match = "say.*"
publish = "token"
[[channel]]
match = "small.*"
publish = "open"
payload_limit = 100
"""


@pytest.fixture(scope="module")
def speaking(tmp_path_factory):
    settings = tmp_path_factory.mktemp("speaking") / "multiplexor.toml"
    settings.write_text(SETTINGS)
    running = Program("--config", str(settings))
    yield running
    running.stop()


@pytest.fixture
def channel(name):
    return f"open.{name}"


def post(program, names, data=b"hello", query="", method="POST", **headers):
    """Status, headers and document of a publish."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers.setdefault("Content-Type", "text/plain")
    body = data.encode() if isinstance(data, str) else data
    path = f"/pub/{urllib.parse.quote(names, safe=',')}{query}"
    status, told, answer = request(program.wait_address, method, path, body, headers)
    return status, told, json.loads(answer) if answer else None


def said(message):
    return {name: value for name, value in message.items() if name not in ("cursor", "time")}


def test_by_websocket_and_each_transport_hears_it_with_the_user(speaking, channel):
    token = make_token(sub="ann", listen="open.*")
    with (
        Sse(speaking, f"/sub/{channel}?envelope=1") as sse,
        Lines(speaking, f"/stream/{channel}") as lines,
        Socket(speaking, f"/sub/{channel}") as other,
        Socket(speaking, f"/sub/{channel}?token={token}") as ann,
    ):
        lines.object()
        before = ann.answer(ping=1)
        assert "pong" in before
        answer = ann.answer(publish=channel, data={"text": "hi"}, event="chat")
        assert answer.keys() == {"published", "cursor", "id"} and answer["published"] == channel
        expected = {"channel": channel, "event": "chat", "user": "ann", "data": {"text": "hi"}}
        # It hears itself before it is told that it has spoken.
        (own,) = ann.heard
        assert said(own) == expected and own["cursor"] == answer["cursor"]
        assert said(json.loads(sse.event()[1])) == expected
        assert said(lines.message()) == expected
        assert said(other.receive()) == expected
    (message,) = poll(speaking, f"/sub/{channel}?since=0")["messages"]
    assert said(message) == expected
    page = json.loads(request(speaking.wait_address, "GET", f"/history/{channel}")[2])
    assert said(page["messages"][0]) == expected
    assert said(speaking.ask(f"/channels/{channel}/history")["messages"][0]) == expected


def test_bare_payloads_have_no_word_for_the_user(speaking, channel):
    token = make_token(sub="ann")
    with Sse(speaking, f"/sub/{channel}") as bare:
        assert post(speaking, channel, "hello", f"?token={token}")[0] == 200
        assert bare.event() == ("message", "hello")


def test_a_publisher_of_the_in_line_has_no_user(speaking, channel):
    speaking.publish(channel, "hello")
    (message,) = poll(speaking, f"/sub/{channel}?since=0")["messages"]
    assert "user" not in message
    with Socket(speaking) as anonymous:
        anonymous.answer(publish=channel, data="hi")
    assert "user" not in poll(speaking, f"/sub/{channel}?since=0")["messages"][1]


def test_by_post_as_on_the_in_line(speaking, channel):
    token = make_token(sub="ann")
    status, headers, answer = post(
        speaking,
        f"{channel},{channel}/2",
        '{"a": 1}',
        Authorization=f"Bearer {token}",
        Content_Type="application/json",
        Multiplexor_Event="tick",
        Multiplexor_TTL="60",
    )
    assert (status, answer.keys()) == (200, {"cursor"}) and headers["multiplexor-cursor"] == answer["cursor"]
    assert "Multiplexor-Cursor" in headers["access-control-expose-headers"]
    for one in (channel, f"{channel}/2"):
        (message,) = poll(speaking, f"/sub/{urllib.parse.quote(one, safe='')}?since=0")["messages"]
        assert said(message) == {"channel": one, "event": "tick", "user": "ann", "data": {"a": 1}}


def test_what_a_ttl_of_nothing_says_is_heard_and_not_kept(speaking, channel):
    with Lines(speaking, f"/stream/{channel}") as lines, Socket(speaking) as one:
        lines.object()
        one.answer(publish=channel, data="typing", ttl=0)
        assert lines.message()["data"] == "typing"
    assert poll(speaking, f"/sub/{channel}?since=0&wait=0")["messages"] == []


def test_who_says_something_need_not_hear_it(speaking, channel):
    with Socket(speaking, f"/sub/{channel}") as one, Socket(speaking, f"/sub/{channel}") as other:
        one.answer(publish=channel, data=1, echo=False)
        one.answer(publish=channel, data=2, echo=True)
        assert [message["data"] for message in one.heard] == [2]
        assert [other.receive()["data"] for _ in range(2)] == [1, 2]
        assert post(speaking, channel, "3", Multiplexor_Except=one.id)[0] == 200
        one.answer(publish=channel, data=4)
        assert [message["data"] for message in one.heard] == [4]
        assert [other.receive()["data"] for _ in range(2)] == ["3", 4]


def test_the_connection_of_another_user_cannot_be_left_out(speaking, channel):
    ann, bob = (make_token(sub=user) for user in ("ann", "bob"))
    with Socket(speaking, f"/sub/{channel}?token={ann}") as of_ann:
        for token, expected in [(ann, (200, None)), (bob, (403, "connection"))]:
            status, _, answer = post(speaking, channel, query=f"?token={token}", Multiplexor_Except=of_ann.id)
            assert (status, answer.get("code")) == expected
        status, _, answer = post(speaking, channel, Multiplexor_Except=of_ann.id)
        assert (status, answer["code"]) == (403, "connection")
        status, _, answer = post(speaking, channel, Multiplexor_Except="nobody")
        assert (status, answer["code"]) == (400, "connection")


def test_what_is_of_the_servers_own_is_refused(speaking, channel):
    names = ["cursor", "gap", "present", "joined", "left", "subscribed", "unsubscribed", "deleted", "ended", "error"]
    with Socket(speaking) as one:
        for event in [*names, "message", "pusher:x", "pusher_internal:x", "mercure"]:
            answer = one.answer(publish=channel, data=1, event=event)
            assert (answer["error"]["status"], answer["error"]["code"]) == (400, "event"), event
            status, _, problem = post(speaking, channel, Multiplexor_Event=event)
            assert (status, problem["code"]) == (400, "event"), event
        for name in ("$all", "$user:ann", f"$presence:{channel}"):
            assert one.answer(publish=name, data=1)["error"]["code"] in ("publish", "channel-name"), name
            assert post(speaking, name)[2]["code"] in ("publish", "channel-name"), name
        assert one.answer(publish=channel, data=1, user="eve")["error"]["code"] == "command"
    assert speaking.ask("/channels?prefix=%24")["channels"] == []


@pytest.mark.parametrize("bad", ["\r\n", "\r", "\n", "\0", "\x1b", "\u2028"])
def test_nothing_breaks_out_of_its_place(speaking, channel, bad):
    """Names and events hold no control characters; users, ids and data are escaped where they stand."""
    user = 'an\u2028n"e:\u2028data: x'
    token = make_token(sub=user)
    with Sse(speaking, f"/sub/{channel}?envelope=1") as sse, Socket(speaking, f"/sub/?token={urllib.parse.quote(token)}") as one:
        if bad != "\u2028":
            assert one.answer(publish=f"{channel}{bad}x", data=1)["error"]["code"] == "channel-name"
            assert one.answer(publish=channel, data=1, event=f"e{bad}x")["error"]["code"] == "event"
            assert one.answer(publish=channel, data=1, key=f"e{bad}x")["error"]["code"] == "key"
            query = urllib.parse.urlencode({"event": f"e{bad}x"})
            assert post(speaking, channel, query=f"?{query}")[2]["code"] == "event"
        one.send(publish=channel, data=f"d{bad}d", id={"x": bad})
        assert one.receive()["id"] == {"x": bad}
        event, data = sse.event()
        assert event == "message" and len(data.splitlines()) == 1
        assert said(json.loads(data)) == {"channel": channel, "user": user, "data": f"d{bad}d"}


@pytest.mark.parametrize("way", ["ws", "post"])
def test_who_may(speaking, name, way):
    """Publish, by rule, source and way: what is allowed, and what is refused with which code."""
    later = int(time.time()) + 600
    both = {"sub": "ann", "listen": "*", "publish": "*"}
    table = {
        # channel: nothing shown, a token that grants nothing, listen, publish, both
        "open": ["-", "-", "-", "-", "-"],
        "team": ["credentials", "grant", "-", "grant", "-"],
        "say": ["credentials", "grant", "grant", "-", "-"],
        "other": ["publish"] * 5,
    }
    sources = [None, {"sub": "ann"}, {"listen": "*"}, {"publish": "*"}, both]
    for rule, expected in table.items():
        room = f"{rule}.{name}"
        for claims, code in zip(sources, expected):
            query = "" if claims is None else f"?token={make_token(**claims)}"
            assert speak(speaking, way, room, query) == code, (room, claims)
    for expired in (make_token(**both, exp=later - 1_000), "nonsense"):
        if way == "post":
            assert post(speaking, f"say.{name}", query=f"?token={expired}")[0] == 401


def speak(program, way, room, query="", **headers):
    """`-`, or the code with which it is refused."""
    if way == "post":
        status, _, answer = post(program, room, query=query, **headers)
        assert (status == 200) == ("code" not in answer)
        return answer.get("code", "-")
    try:
        with Socket(program, f"/sub/{query}", **headers) as one:
            answer = one.answer(publish=room, data="hello")
            return answer["error"]["code"] if "error" in answer else "-"
    except websockets.InvalidStatus as refused:
        return json.loads(refused.response.body)["code"]


def test_a_signed_url_listens_and_publishes_nothing_by_post(speaking, name):
    room = f"team.{name}"
    signed = signed_url(room, int(time.time()) + 60, user="ann", iat=int(time.time()))
    with Socket(speaking, signed) as one:
        assert one.answer(publish=room, data=1)["published"] == room
        assert one.heard[0]["user"] == "ann"
        assert one.answer(publish=f"team.other.{name}", data=1)["error"]["code"] == "grant"
    status, _, answer = post(speaking, room, query=signed[signed.index("?") :])
    assert (status, answer["code"]) == (401, "url-signature")


@pytest.mark.parametrize("way", ["ws", "post"])
def test_which_pages_may(speaking, channel, way):
    """Any site could have its visitors speak here: also on open channels only pages of the host itself and listed ones may."""
    host = f"http://{speaking.waits[0]}"
    for origin, site, expected in [
        (None, None, "-"),
        (host, "same-origin", "-"),
        (ORIGIN, "cross-site", "-"),
        ("https://evil.example", "cross-site", "origin"),
        ("https://evil.example", None, "origin"),
        ("null", None, "origin"),
        (None, "cross-site", "origin"),
        (None, "none", "-"),
    ]:
        headers = {name: value for name, value in [("Origin", origin), ("Sec_Fetch_Site", site)] if value}
        assert speak(speaking, way, channel, **headers) == expected, headers
        token = make_token(sub="ann")
        assert speak(speaking, way, channel, f"?token={token}", **headers) == expected, headers


def test_a_cookie_proves_no_page_by_itself(speaking, name):
    cookie = f"multiplexor_token={make_token(sub='ann', publish='say.*')}"
    host = f"http://{speaking.waits[0]}"
    for headers, expected in [
        ({}, "origin"),
        ({"Origin": host}, "-"),
        ({"Sec_Fetch_Site": "same-origin"}, "-"),
        ({"Origin": ORIGIN, "Sec_Fetch_Site": "cross-site"}, "-"),
        ({"Origin": "https://evil.example"}, "origin"),
    ]:
        assert speak(speaking, "post", f"say.{name}", Cookie=cookie, **headers) == expected, headers
    assert speak(speaking, "post", f"say.{name}") == "credentials"


def test_what_a_page_asks_before_is_answered(speaking, channel):
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-evil", "Origin": ORIGIN}
    status, headers, _ = request(speaking.wait_address, "OPTIONS", f"/pub/{channel}", headers=asked)
    allowed = headers["access-control-allow-headers"].lower().split(", ")
    assert status == 204 and headers["access-control-allow-origin"] == ORIGIN
    assert headers["access-control-allow-methods"] == "POST, OPTIONS" and headers["allow"] == "POST, OPTIONS"
    assert allowed == [
        "content-type",
        "authorization",
        "idempotency-key",
        "multiplexor-except",
        "multiplexor-event",
        "multiplexor-ttl",
    ]
    status, headers, _ = post(speaking, channel, Origin=ORIGIN)
    assert headers["access-control-allow-origin"] == ORIGIN and status == 200
    assert "multiplexor-cursor" in headers["access-control-expose-headers"].lower()


def test_types_methods_and_sizes(speaking, name, channel):
    for kind, data, expected in [
        ("application/json", "[1]", "-"),
        ("application/json; charset=utf-8", "[1]", "-"),
        ("application/cloudevents+json", "[1]", "-"),
        ("application/json", "[1", "data"),
        ("text/plain;charset=UTF-8", "x", "-"),
        ("application/octet-stream", b"\xff\x00", "-"),
        ("", b"\xff\x00", "-"),
        ("application/x-www-form-urlencoded", "a=b", "content-type"),
        ("multipart/form-data; boundary=x", "--x--", "content-type"),
        ("text/html", "<p>", "content-type"),
    ]:
        status, _, answer = post(speaking, channel, data, Content_Type=kind)
        assert answer.get("code", "-") == expected and (status == 415) == (expected == "content-type"), kind
    for method in ("GET", "PUT", "DELETE", "HEAD"):
        status, headers, _ = request(speaking.wait_address, method, f"/pub/{channel}")
        assert (status, headers["allow"]) == (405, "POST, OPTIONS"), method
    names = [f"{channel}.{n}" for n in range(11)]
    assert post(speaking, ",".join(names[:10]))[0] == 200
    assert post(speaking, ",".join(names))[2]["code"] == "channel-count"
    assert post(speaking, "")[2]["code"] == "channel-list"
    with Socket(speaking) as one:
        for room, fits in [(channel, 16 << 10), (f"small.{name}", 100)]:
            assert post(speaking, room, "x" * fits)[0] == 200
            text = os.urandom(fits).hex()[:fits]
            assert one.answer(publish=room, data=text)["published"] == room
            assert post(speaking, room, "x" * (fits + 1))[0] == 413
            assert one.answer(publish=room, data=text + "x")["error"]["code"] == "payload"
    with Wire(speaking.wait_address) as wire:
        wire.send(f"POST /pub/{channel} HTTP/1.1\r\nHost: a\r\nContent-Length: {1 << 30}\r\n\r\nx")
        assert wire.head()[0] == 413


def test_no_batches(speaking):
    assert post(speaking, "x")[2]["code"] == "publish"
    status, _, answer = request(speaking.wait_address, "POST", "/pub", b"[]", {"Content-Type": "application/json"})
    assert status == 404 and json.loads(answer)["code"] == "not-found"


def test_a_repeat_under_its_key_publishes_nothing(speaking, channel):
    ann, bob = (make_token(sub=user) for user in ("ann", "bob"))
    first = post(speaking, channel, "x", f"?token={ann}", Idempotency_Key="k")
    assert first[0] == 200
    again = post(speaking, channel, "x", f"?token={ann}", Idempotency_Key="k")
    assert again[2] == first[2]
    assert post(speaking, channel, "y", f"?token={ann}", Idempotency_Key="k")[2]["code"] == "key-reused"
    assert post(speaking, channel, "x", f"?token={bob}", Idempotency_Key="k")[2] != first[2]
    with Socket(speaking, f"/sub/?token={ann}") as one:
        # A page's own: its POST and its WebSocket are of one user.
        assert one.answer(publish=channel, data="x", key="k")["error"]["code"] == "key-reused"
        assert one.answer(publish=channel, data="z", key="w")["cursor"] == one.answer(publish=channel, data="z", key="w")["cursor"]
    with Socket(speaking) as one, Socket(speaking) as other:
        cursors = [one.answer(publish=channel, data=1, key="a")["cursor"] for _ in range(2)]
        cursors.append(other.answer(publish=channel, data=1, key="a")["cursor"])
        assert cursors[0] == cursors[1] != cursors[2], "who has no user is known by its connection"
        by_post = [post(speaking, channel, "p", Multiplexor_Except=one.id, Idempotency_Key="b")[2] for _ in range(2)]
        assert by_post[0] == by_post[1]
    # They never touch those of the IN line.
    assert speaking.post(channel, "x", Idempotency_Key="k")["cursor"] != first[2]["cursor"]
    assert [m["data"] for m in poll(speaking, f"/sub/{channel}?since=0")["messages"]] == ["x", "x", "z", 1, 1, "p", "x"]
    assert speaking.metric("multiplexor_wait_repeated_messages_total") >= 4
    assert speaking.metric("multiplexor_client_idempotency_keys") >= 5


def test_what_is_refused_is_listed_and_counted(speaking, name):
    before = speaking.metric("multiplexor_wait_denied_total")
    said_before = speaking.metric("multiplexor_wait_published_messages_total")
    token = make_token(sub="ann")
    with Socket(speaking, f"/sub/?token={token}") as one:
        one.answer(publish=f"say.{name}", data=1)
        one.answer(publish=f"open.{name}", data=1)
    assert post(speaking, f"say.{name}")[0] == 401
    by_post, by_command = speaking.ask("/refused?limit=2")["refused"]
    assert (by_command["code"], by_command["what"], by_command["who"]) == ("grant", f"say.{name}", "ann")
    assert (by_post["code"], by_post["what"]) == ("credentials", f"say.{name}")
    assert speaking.metric("multiplexor_wait_denied_total") == before + 2
    assert speaking.metric("multiplexor_wait_published_messages_total") == said_before + 1


def test_one_connection_user_address_and_all_say_so_much(tmp_path):
    """Each limit by itself, on each way."""
    for limit, code, shares in [
        ("connection_messages", "connection-messages", "connection"),
        ("user_messages", "user-messages", "user"),
        ("address_messages", "address-messages", "all"),
        ("client_messages", "client-messages", "all"),
    ]:
        settings = tmp_path / f"{limit}.toml"
        none = {"connection_messages": 0, "user_messages": 0, "address_messages": 0, "client_messages": 0}
        lines = [f"{name} = {value}" for name, value in (none | {limit: 5}).items()]
        settings.write_text(
            "\n".join([f'token_secret = "{SECRET}"', *lines, '[[channel]]\nmatch = "*"\npublish = "open"\n'])
        )
        program = Program("--config", str(settings))
        token = make_token(sub="ann")

        def burst(one, count=12):
            answers = [one.answer(publish="a", data=n, ttl=0) for n in range(count)]
            return [answer["error"]["code"] for answer in answers if "error" in answer]

        with Socket(program, f"/sub/?token={token}") as one, Socket(program, f"/sub/?token={token}") as same, Socket(program) as other:
            refused = burst(one)
            assert set(refused) == {code} and len(refused) >= 5, (limit, refused)
            if shares == "connection":
                assert len(burst(same, 3)) == 0
            if shares == "user":
                assert burst(same, 12) and burst(other, 5) == []
        status = []
        connection = http.client.HTTPConnection(*program.wait_address, timeout=30)
        for n in range(12):
            connection.request("POST", f"/pub/a?token={token}", b"x")
            response = connection.getresponse()
            status.append((response.status, response.headers["Retry-After"]))
            response.read()
        connection.close()
        assert (429, "1") in status, (limit, status)
        # A second later there is some again.
        until(lambda: post(program, "a")[0] == 200, "there is some again")
        assert program.ask("/refused?limit=1")["refused"][0]["code"] == code
        assert program.metric("multiplexor_wait_messages_refused_total") >= 10
        program.stop()


def test_a_message_counts_once_for_each_of_its_channels(tmp_path):
    """Whoever names ten channels has had what ten messages are."""
    names = ",".join(f"room.{n}" for n in range(10))
    for limit in ("connection_messages", "user_messages", "address_messages", "client_messages"):
        settings = tmp_path / f"{limit}.toml"
        none = {"connection_messages": 0, "user_messages": 0, "address_messages": 0, "client_messages": 0}
        lines = [f"{name} = {value}" for name, value in (none | {limit: 5}).items()]
        settings.write_text(
            "\n".join([f'token_secret = "{SECRET}"', *lines, '[[channel]]\nmatch = "*"\npublish = "open"\n'])
        )
        program = Program("--config", str(settings))
        connection = http.client.HTTPConnection(*program.wait_address, timeout=30)
        status = []
        for _ in range(4):
            connection.request("POST", f"/pub/{names}?token={make_token(sub='ann')}", b"x", {"Content-Type": "text/plain"})
            response = connection.getresponse()
            response.read()
            status.append(response.status)
        connection.close()
        assert status[0] == 200 and status.count(429) >= 2, (limit, status)
        program.stop()


def test_strangers_take_no_room_that_publishers_have(tmp_path):
    settings = tmp_path / "multiplexor.toml"
    rates = "connection_messages = 0\nuser_messages = 0\nclient_messages = 0\n"
    settings.write_text(f'channels_budget = "1MiB"\n{rates}[[channel]]\nmatch = "*"\npublish = "open"\n')
    program = Program("--config", str(settings))
    connection = http.client.HTTPConnection(*program.wait_address, timeout=30)
    for n in range(1_000):
        names = ",".join(f"room.{n}.{k}" for k in range(10))
        connection.request("POST", f"/pub/{names}", b"x", {"Content-Type": "text/plain"})
        response = connection.getresponse()
        answer = json.loads(response.read())
        if response.status != 200:
            break
    connection.close()
    assert (response.status, answer["code"]) == (503, "memory") and n > 300
    for n in range(200):
        program.publish(f"new.{n}", "x")
    assert post(program, "new.0")[0] == 200, "what is in use takes no more room"
    with Socket(program) as one:
        assert one.answer(publish="other", data="x")["error"]["code"] == "memory"
    program.stop()


def test_where_no_rule_says_so_the_path_is_nothing(tmp_path):
    program = Program()
    status, _, answer = post(program, "a")
    assert (status, answer["code"]) == (404, "not-found")
    status, headers, _ = request(program.wait_address, "OPTIONS", "/pub/a")
    assert headers["allow"] == "GET, HEAD, POST, OPTIONS"
    with Socket(program) as one:
        assert one.answer(publish="a", data=1)["error"]["code"] == "publish"
    program.stop()


def test_with_a_store_it_is_answered_when_it_is_kept(tmp_path):
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(f'store = "{tmp_path}/store"\n{SETTINGS}')
    program = Program("--config", str(settings))
    token = make_token(sub="ann")
    with Socket(program, f"/sub/open.a?token={token}") as one:
        cursors = [one.answer(publish="open.a", data=n, key=f"k{n}")["cursor"] for n in range(20)]
        heard = one.heard
        assert [message["data"] for message in heard] == [19] and heard[0]["user"] == "ann"
        for n in range(5):
            one.send(publish="open.a", data=f"fast {n}", id=n)
        got = [one.receive() for _ in range(10)]
        assert [item["id"] for item in got if "published" in item] == list(range(5)), "in order"
    assert all(post(program, "open.a", str(n))[0] == 200 for n in range(5))
    program.stop()
    program = Program("--config", str(settings))
    messages = poll(program, "/sub/open.a?since=0")["messages"]
    assert [message.get("user") for message in messages] == ["ann"] * 25 + [None] * 5
    assert [message["cursor"] for message in messages[:20]] == cursors
    program.stop()


def test_a_user_that_was_ended_says_nothing_more(speaking, channel):
    token = make_token(sub=f"gone.{channel}", iat=int(time.time()) - 5)
    assert speak(speaking, "post", channel, f"?token={token}") == "-"
    assert request(speaking.in_address, "DELETE", f"/users/gone.{channel}")[0] == 200
    for way in ("ws", "post"):
        assert speak(speaking, way, channel, f"?token={token}") == "user-ended", way


def test_the_hook_says_who_it_is_also_where_all_may(tmp_path):
    def answer(path, headers):
        return 200, {}, json.dumps({"user": "ann", "listen": "*", "publish": "say.*"}).encode()

    application = Application(answer)
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(f'hook = "{application.url}"\n' + SETTINGS[SETTINGS.index("[[channel]]") :])
    program = Program("--config", str(settings))
    own = {"Cookie": "sid=1", "Origin": f"http://{program.waits[0]}"}
    for room in ("open.a", "say.a"):
        assert speak(program, "post", room, **own) == "-"
        assert poll(program, "/sub/open.a?since=0")["messages"][0]["user"] == "ann"
        assert speak(program, "ws", room, **own) == "-"
    assert speak(program, "post", "open.a", Cookie="sid=1") == "origin"
    assert speak(program, "post", "say.a") == "credentials"
    program.stop()
    application.stop()


def test_the_application_keeps_what_it_had(tmp_path):
    """With takeover, /pub is the application's where its prefix covers it; behind wait_prefix all is ours."""
    application = Application(lambda path, headers: (201, {}, b"{}"))
    for more, path, expected in [
        ("", "/pub/open.a", 201),
        ('takeover_prefix = "/pub/"', "/pub/open.a", 201),
        ('takeover_prefix = "/app/"', "/pub/open.a", 200),
        ('wait_prefix = "/push"', "/push/pub/open.a", 200),
        ('wait_prefix = "/push"', "/pub/open.a", 201),
    ]:
        settings = tmp_path / "multiplexor.toml"
        settings.write_text(f'takeover = "{application.url}"\n{more}\n[[channel]]\nmatch = "*"\npublish = "open"\n')
        program = Program("--config", str(settings))
        assert request(program.wait_address, "POST", path, b"x")[0] == expected, (more, path)
        program.stop()
    application.stop()
