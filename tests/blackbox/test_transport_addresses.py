"""Addresses for one transport, which cannot be had wrong; and WebSocket handshakes that lost something on the way."""

import json
import subprocess
import time

import pytest
from harness.frames import TEXT, Frames
from harness.program import binary, request
from harness.tokens import SECRET, make_token, signed_url
from harness.upstream import Application
from harness.wire import Lines, Sse, Wire, poll

WHATEVER = ["*/*", "text/event-stream", "application/x-ndjson", "application/json"]
KEY = {"Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec_WebSocket_Version": "13"}
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade"}


def first_message(frames):
    while "data" not in (told := json.loads(frames.until(TEXT))):
        pass
    return told["data"]


@pytest.mark.parametrize("accept", WHATEVER)
def test_each_address_has_its_transport_whatever_is_accepted(program, name, accept):
    program.publish(name, "hello")
    with Sse(program, f"/sse/{name}?since=0", Accept=accept) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        assert events.event() == ("message", "hello")
    with Lines(program, f"/stream/{name}?since=0", Accept=accept) as lines:
        assert lines.message()["data"] == "hello"
    with Frames(program, f"/ws/{name}?since=0", Accept=accept) as frames:
        assert frames.status == 101 and first_message(frames) == "hello"
    status, _, body = request(program.wait_address, "GET", f"/poll/{name}?since=0", headers={"Accept": accept})
    assert status == 200 and json.loads(body)["messages"][0]["data"] == "hello"


def test_several_channels_bodies_and_parameters_are_as_always(program, name):
    other = name + ".other"
    program.publish(name, "1")
    program.publish(other, "2")
    with Sse(program, f"/sse/{name},{other}?tail=1") as events:
        assert [json.loads(data)["data"] for data in events.datas(2)] == [1, 2]
    with Lines(program, "/stream/?tail=1", body=f"{name},{other}".encode()) as lines:
        assert [lines.message()["data"] for _ in range(2)] == [1, 2]
    with Frames(program, "/ws/") as frames:
        frames.send(TEXT, json.dumps({"subscribe": [name], "tail": 1, "id": 1}))
        while "subscribed" not in (told := json.loads(frames.until(TEXT))):
            pass
        assert told["messages"][0]["data"] == 1


@pytest.mark.parametrize(
    "path, headers, word",
    [
        ("/sse/{}?transport=poll", {}, "say /poll/ in place of /sse/"),
        ("/poll/{}?transport=ws", {}, "say /ws/ in place of /poll/"),
        ("/ws/{}?transport=sse", KEY | UPGRADE, "say /sse/ in place of /ws/"),
        ("/stream/{}", KEY | UPGRADE, "say /ws/ in place of /stream/"),
    ],
)
def test_what_contradicts_the_address_is_refused(program, name, path, headers, word):
    with Wire(program.wait_address) as wire:
        status, _, body = wire.get(path.format(name), **headers).response()
    problem = json.loads(body)
    assert (status, problem["code"]) == (400, "transport") and word in problem["detail"]


@pytest.mark.parametrize("path", ["/sub", "/sse", "/stream", "/poll", "/ws"])
def test_an_address_without_a_channel_says_so(program, path):
    status, _, body = request(program.wait_address, "GET", path)
    problem = json.loads(body)
    assert (status, problem["code"]) == (400, "channel-list") and f"{path}/NAME" in problem["detail"]


def test_a_handshake_whose_upgrade_was_dropped_is_told_so_at_once(program, name):
    """A proxy that is not told of WebSockets passes the key on and drops what is for one hop."""
    before = program.metric("multiplexor_wait_waits_total")
    for path in [f"/sub/{name}", f"/ws/{name}", "/sub/", f"/sub/{name}?transport=ws"]:
        with Wire(program.wait_address) as wire:
            status, headers, body = wire.get(path, **KEY).response()
        assert status == 426 and headers["upgrade"] == "websocket"
        assert json.loads(body)["code"] == "upgrade" and "where a proxy on the way made it so" in json.loads(body)["detail"]
    assert program.metric("multiplexor_wait_waits_total") == before, "it is no long poll"
    with Wire(program.wait_address) as wire:
        status, _, body = wire.get(f"/ws/{name}").response()
    assert status == 426 and "needs a handshake" in json.loads(body)["detail"]


def test_whoever_names_another_transport_needs_no_upgrade(program, name):
    program.publish(name, "hello")
    with Sse(program, f"/sse/{name}?since=0", **KEY) as events:
        assert events.event() == ("message", "hello")
    assert poll(program, f"/sub/{name}?transport=poll&since=0")["messages"]


def test_closed_channels_are_closed_at_all_addresses(tmp_path, serve, name):
    settings = tmp_path / "multiplexor.toml"
    settings.write_text(f'token_secret = "{SECRET}"\nlisten = "token"\n')
    program = serve("--config", str(settings))
    program.publish(name, "hello")
    token, url = make_token(listen=[name]), signed_url(name, int(time.time()) + 60)
    for address in ["sse", "stream", "poll", "ws"]:
        headers = KEY | UPGRADE if address == "ws" else {}
        for path, allowed in [
            (f"/{address}/{name}?since=0&errors=status", False),
            (f"/{address}/{name}?since=0&token={token}", True),
            (url.replace("/sub/", f"/{address}/") + "&since=0", True),
            (url.replace("/sub/", f"/{address}/").replace(name, name + "x") + "&since=0", False),
        ]:
            with Wire(program.wait_address) as wire:
                status, _ = wire.get(path, **headers).head()
            assert status == ({True: 101 if headers else 200, False: status if status in (401, 403) else 0}[allowed]), path
    env = {"MULTIPLEXOR_TOKEN_SECRET": SECRET}
    for transport in ["sse", "stream", "poll", "ws"]:
        signed = subprocess.run([binary(), "url", "sign", name, "--transport", transport], capture_output=True, env=env)
        path = signed.stdout.decode().strip()
        assert path.startswith(f"/{transport}/{name}?")
        checked = subprocess.run([binary(), "url", "check", path], capture_output=True, env=env)
        assert checked.returncode == 0, checked.stderr


def test_an_event_stream_hears_a_refusal_that_passes(serve, name):
    program = serve("--connections-limit", "1")
    with Sse(program, f"/sse/{name}"):
        program.until_waiting(name)
        with Wire(program.wait_address) as wire:
            status, headers = wire.get(f"/sse/{name}").head()
            assert (status, headers["multiplexor-status"]) == (200, "503")
        with Wire(program.wait_address) as wire:
            assert wire.get(f"/stream/{name}").head()[0] == 503


def test_they_are_behind_the_prefix_and_in_front_of_the_application(serve, name):
    application = Application(lambda path, headers: (200, {}, b"the application's"))
    try:
        program = serve("--wait-prefix", "/push", "--takeover", application.url)
        program.publish(name, "hello")
        with Sse(program, f"/push/sse/{name}?since=0", Accept="*/*") as events:
            assert events.event() == ("message", "hello")
        assert request(program.wait_address, "GET", f"/sse/{name}")[2] == b"the application's"
        program = serve("--takeover", application.url)
        program.publish(name, "hello")
        with Sse(program, f"/sse/{name}?since=0", Accept="*/*") as events:
            assert events.event() == ("message", "hello")
        for path in ["/ws", "/streams/a", "/polls"]:
            assert request(program.wait_address, "GET", path)[2] == b"the application's"
    finally:
        application.stop()
