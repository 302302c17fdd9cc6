"""What the README says to paste works when pasted."""

import pathlib
import re
import subprocess

import pytest
from harness.program import ROOT, until
from harness.wire import datas, poll

README = pathlib.Path(ROOT / "README.md").read_text()
WAIT, IN = "127.0.0.1:8088", "127.0.0.1:10010"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def curl_lines():
    """Every curl command: of the shell blocks, of tables, of sentences."""
    shell = "\n".join(blocks("sh")).replace("\\\n", " ")
    lines = [line.split(" #")[0].strip() for line in shell.splitlines()]
    lines += re.findall(r"`(curl [^`]*)`", README)
    return [line for line in lines if line.startswith("curl ") and "…" not in line]


def here(text, program):
    return text.replace(WAIT, program.waits[0]).replace(IN, program.ins[0])


@pytest.mark.parametrize("line", [line for line in curl_lines() if f"{IN}/pub/" in line])
def test_a_line_that_publishes_publishes(program, line):
    done = subprocess.run(["bash", "-c", here(line, program)], capture_output=True, timeout=60)
    assert done.stdout.startswith(b'{"cursor":"'), (done.stdout, done.stderr)


@pytest.mark.parametrize("line", [line for line in curl_lines() if f"{WAIT}/sub/" in line])
def test_a_line_that_listens_hears(serve, line):
    program = serve()
    asks_history = "since=" in line or "tail=" in line
    if asks_history:
        program.publish("news", "from the readme")
    heard = subprocess.Popen(["bash", "-c", "exec " + here(line, program)], stdout=subprocess.PIPE)
    try:
        if not asks_history:
            program.until_waiting("news")
            program.publish("news", "from the readme")
        said = b""
        while b"from the readme" not in said:
            data = heard.stdout.read1(4096)
            assert data, said
            said += data
    finally:
        heard.kill()
        heard.wait()
        heard.stdout.close()


@pytest.mark.parametrize("line", [line for line in curl_lines() if f"{IN}/" in line and "/pub/" not in line])
def test_a_line_that_asks_is_answered(program, line):
    asking = subprocess.Popen(["bash", "-c", "exec " + here(line, program)], stdout=subprocess.PIPE)
    try:
        # An answer may be endless; its beginning tells whether it is one.
        said = asking.stdout.read1(4096)
        assert said and b'"status":4' not in said
    finally:
        asking.kill()
        asking.wait()
        asking.stdout.close()


@pytest.mark.parametrize("code", blocks("php"))
def test_the_php_publishes(program, code):
    channel = re.search(r"/pub/(\w+)", code).group(1)
    program.publish(channel, "something")
    before = len(poll(program, f"/sub/{channel}?since=0")["messages"])
    # `php -r` begins where a file says `<?php`.
    code = '$_POST = ["text" => "hello"];' + here(code.removeprefix("<?php\n"), program)
    subprocess.run(["php", "-n", "-r", code], check=True, timeout=60)
    messages = until(
        lambda: (found := poll(program, f"/sub/{channel}?since=0")["messages"]) and len(found) > before and found,
        "the message is there",
    )
    assert datas(messages)[-1] in ["hello", {"text": "hello"}]


def test_the_chat_is_the_one_of_the_examples():
    """That one is tried in a browser."""
    example = [line.strip() for line in (ROOT / "examples/chat/index.html").read_text().splitlines()]
    chat = next(block for block in blocks("html") if "chat" in block)
    script = [line.strip() for line in chat.split("<script>")[1].splitlines() if line.strip()]
    assert len(script) >= 9 and all(line in example for line in script)


def test_the_readme_has_lines_for_all_of_this():
    lines = curl_lines()
    assert len([line for line in lines if "/pub/" in line]) >= 1
    assert len([line for line in lines if "/sub/" in line]) >= 4
