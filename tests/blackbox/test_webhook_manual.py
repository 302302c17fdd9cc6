"""Webhooks: the lines of the manual that check a signature."""

import json
import re
import subprocess

import pytest
from harness.hooks import USERS, visit
from harness.program import ROOT, request
from harness.receiver import SECRET
from harness.upstream import Php
from standardwebhooks import WebhookVerificationError

MANUAL = (ROOT / "docs" / "webhooks.md").read_text()


def a_call(hooked, receive):
    receiver = receive()
    program = hooked((receiver, USERS))
    visit(program, "a", "ann")
    receiver.until_told(("user.online", "ann"))
    return next(call for call in receiver.calls if call.events)


def code(language):
    [lines] = re.findall(rf"^```{language}\n(.*?)^```", MANUAL, re.MULTILINE | re.DOTALL)
    return lines


def test_the_lines_for_python_in_the_manual_find_what_is_right_and_what_is_forged(hooked, receive):
    call, there = a_call(hooked, receive), {}
    exec(code("python"), there)
    assert there["events"](call.body, call.headers) == call.events
    with pytest.raises(WebhookVerificationError):
        there["events"](call.body.replace(b"ann", b"eve"), call.headers)


def test_the_lines_for_php_in_the_manual_find_what_is_right_and_what_is_forged(hooked, receive, tmp_path):
    call = a_call(hooked, receive)
    php = Php(tmp_path, events=code("php") + f"\necho json_encode(events('{SECRET}'));\n")
    try:
        headers = {name: value for name, value in call.headers.items() if name.startswith("webhook-")}
        status_, _, body = request(php.address, "POST", "/events.php", call.body, headers)
        assert (status_, json.loads(body)) == (200, call.events)
        two = headers | {"webhook-signature": "v1,AAAA " + headers["webhook-signature"]}
        assert request(php.address, "POST", "/events.php", call.body, two)[0] == 200
        assert request(php.address, "POST", "/events.php", call.body.replace(b"ann", b"eve"), headers)[0] == 400
    finally:
        php.stop()


NODE = """
import { pathToFileURL } from 'node:url';
const { events } = await import(pathToFileURL(process.argv[2]));
let said = '';
for await (const piece of process.stdin) said += piece;
const { body, headers } = JSON.parse(said);
console.log(JSON.stringify(events(body, headers)));
try { events(body.replace('ann', 'eve'), headers); console.log('taken') } catch (error) { console.log(error.name) }
"""


def test_the_lines_for_node_in_the_manual_find_what_is_right_and_what_is_forged(hooked, receive, tmp_path):
    call = a_call(hooked, receive)
    (tmp_path / "node_modules").symlink_to(ROOT / "tests" / "node_modules")
    (tmp_path / "manual.mjs").write_text(code("js"))
    (tmp_path / "run.mjs").write_text(NODE)
    said = json.dumps({"body": call.body.decode(), "headers": call.headers})
    command = ["node", "run.mjs", "manual.mjs"]
    done = subprocess.run(command, input=said, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    right, forged = done.stdout.splitlines()
    assert (json.loads(right), forged) == (call.events, "WebhookVerificationError"), done.stderr
