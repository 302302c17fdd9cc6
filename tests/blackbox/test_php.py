"""PHP as Debian ships it, with nothing installed: five lines publish a message."""

import json
import subprocess

from harness.wire import datas, poll

PUBLISH = """
$options = ['method' => 'POST', 'header' => 'Content-Type: text/plain', 'content' => $argv[2]];
$context = stream_context_create(['http' => $options]);
$answer = file_get_contents($argv[1], false, $context);
if ($answer === false) exit(1);
echo $answer;
"""

LISTEN = """
$stream = fopen($argv[1], 'r', false, stream_context_create(['http' => ['timeout' => 60]]));
while (($line = fgets($stream)) !== false) {
    $item = json_decode($line);
    if (isset($item->data)) { echo $item->data; exit(0); }
}
exit(1);
"""


def php(code, *arguments):
    command = ["php", "-n", "-r", code, "--", *arguments]
    return subprocess.run(command, capture_output=True, check=True, timeout=90).stdout.decode()


def test_php_publishes(program, name):
    answer = json.loads(php(PUBLISH, f"{program.in_url}/pub/{name}", "grüße"))
    document = poll(program, f"/sub/{name}?since=0")
    assert datas(document["messages"]) == ["grüße"]
    assert document["messages"][0]["cursor"] == answer["cursor"]


def test_php_reads_a_stream(program, name):
    program.publish(name, "from history")
    assert php(LISTEN, f"{program.wait_url}/sub/{name}?transport=stream&since=0") == "from history"
