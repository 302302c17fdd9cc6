"""The conversation files of Realplexor, played over sockets to the real program: whole, and a byte at a time."""

import ast
import pathlib
import re
import socket

import pytest
from harness.program import Program, until
from harness.wire import Wire
from test_realplexor import HEAD, SETTINGS

ROOT = pathlib.Path(__file__).parents[2] / "crates"
# The hash is of `pw`, with the least work.
USERS = "joe:$apr1$ab.cdefg$0UUX1eMLXSgk8nNM7bfDv.\nann:plain\n"


def cases(file):
    """Title, settings, input and facts of each case without directives."""
    for text in re.split(r"^== ", (ROOT / file).read_text(), flags=re.MULTILINE)[1:]:
        title, *lines = text.rstrip().splitlines()
        settings = next((line[5:].split() for line in lines if line.startswith("with ")), [])
        words = [line[2:] for line in lines if line.startswith("> ")]
        if any(not word.startswith('"') for word in words):
            continue
        said = b"".join(
            ast.literal_eval(f"b{quoted}") * int(count or 1)
            for word in words
            for quoted, count in re.findall(r'("(?:[^"\\]|\\.)*")(?:\*(\d+))?', word)
        )
        yield title, settings, said, [line[2:] for line in lines if line.startswith("= ")]


def played(*files, pass_):
    found = [case for file in files for case in cases(file) if pass_(*case)]
    return pytest.mark.parametrize(("settings", "said", "facts"), [pytest.param(*c[1:], id=c[0]) for c in found])


def send(wire, said, step):
    wire.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        for at in range(0, len(said), step):
            wire.send(said[at : at + step])
    except OSError:
        # It was answered before it had said all.
        pass


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """By what the `users` setting says; `None`: no file. Nobody publishes to the one of clients."""
    running = {}
    for users in (None, "guests", "closed", "clients"):
        folder = tmp_path_factory.mktemp("settings")
        (folder / "users").write_text((":\n" if users == "guests" else "") + USERS)
        (folder / "multiplexor.toml").write_text(SETTINGS)
        flags = ["--realplexor-users", str(folder / "users")] if users in ("guests", "closed") else []
        flags += ["--in-hosts", "push.example"]
        running[users] = Program("--config", str(folder / "multiplexor.toml"), *flags, ports=False)
    yield running
    for program in running.values():
        program.stop()


def needs_no_state(title, settings, said, facts):
    """Whoever is online, and how much came before, is another test's."""
    asks = re.search(rb"(?i)(^|\n\r?\n)(online|watch|stats)\b", said)
    known = all(setting in ("users=guests", "users=closed") for setting in settings)
    return known and "is HTTP" not in facts and "waits" not in facts and not (asks and any("200" in f for f in facts))


@played(
    "in/tests/realplexor/1-publishing.txt",
    "in/tests/realplexor/2-credentials.txt",
    "in/tests/realplexor/3-commands.txt",
    pass_=needs_no_state,
)
def test_publishers_are_answered_byte_for_byte(programs, settings, said, facts):
    users = next((setting[6:] for setting in settings if setting.startswith("users=")), None)
    answers = [ast.literal_eval(f"b{fact[5:]}") for fact in facts if fact.startswith("says ")]
    refusals = [fact.split()[1:] for fact in facts if fact.startswith("refuses ")]
    for step in (len(said) or 1, 1):
        with Wire(programs[users].in_address) as wire:
            send(wire, said, step)
            try:
                wire.socket.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            got = wire.rest()
        if refusals:
            [[status, code]] = refusals
            assert got.startswith(f"HTTP/1.1 {status} ".encode()) and f'"code":"{code}"'.encode() in got
        else:
            assert got == b"".join(answers)


def listens(title, settings, said, facts):
    [fact, *others] = facts
    pages = "IFRAME" in fact or "SCRIPT" in fact
    return settings == ["realplexor=on"] and not others and fact.startswith("listens") and not (pages or "head only" in fact)


@played("transport/tests/conversations/6-realplexor.txt", pass_=listens)
def test_clients_listen_to_what_they_name(programs, settings, said, facts):
    """The head byte for byte; what they listen to, and from where on, is what STATS tells."""
    program = programs["clients"]
    wishes = facts[0].removeprefix("listens").removeprefix(" by HTTP").split()
    # Without a cursor it is the time of the server, which is now and then a whole second: then without a point.
    pattern = ", ".join(re.escape(w.lstrip("@")) if ":" in w else rf"\d{{10}}(?:\.\d+)?:{w}" for w in wishes)

    def pairs():
        with Wire(program.in_address) as asking:
            asking.send("stats\n").socket.shutdown(socket.SHUT_WR)
            return asking.rest().decode().split("[pairs_by_fhs]\n")[1].splitlines()

    def is_told():
        lines = pairs()
        return len(lines) == 1 and re.fullmatch(rf"\(0x[0-9A-F]+\) => {pattern}", lines[0])

    for step in (len(said), 1):
        with Wire(program.wait_address) as wire:
            send(wire, said, step)
            if not wishes:
                assert wire.rest() == b""
                continue
            head = wire.until(b"\r\n\r\n \r\n")
            told = re.sub(rb"(X-Realplexor-Cursor|Access-Control-[\w-]+|X-Content-\w+-\w+|Content-Security-Policy|Cross-Origin-[\w-]+): [^\r]+\r\n", b"", head)
            assert told == HEAD and (told == head) != ("by HTTP" in facts[0])
            until(is_told, f"{wishes} is told: {pairs()}")
        until(lambda: not pairs(), "it is gone")
