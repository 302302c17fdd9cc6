"""Fixtures: a program shared by the tests of a file, programs of one's own, names nobody else uses."""

import ctypes
import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "blackbox"))

# The program refuses variables that are named like its own and are none: those of the tests get another name in here.
for variable in [variable for variable in os.environ if variable.startswith("MULTIPLEXOR_")]:
    os.environ["TESTS_" + variable] = os.environ.pop(variable)

from harness import front  # noqa: E402
from harness.hooks import QUICK, ROOMS  # noqa: E402
from harness.program import Program, fresh_name, until  # noqa: E402
from harness.receiver import Receiver, settings  # noqa: E402
from harness.tokens import SECRET as TOKENS  # noqa: E402

PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


@pytest.fixture(scope="session", autouse=True)
def nothing_stays_behind():
    """What tests start ends with them. Whose parent has ended is ours from then on, so nobody gets away."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before = descendants()
    yield
    try:
        until(lambda: not descendants().keys() - before.keys(), "all that the tests started has ended")
    except AssertionError:
        left = {pid: line for pid, line in descendants().items() if pid not in before}
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        raise AssertionError(f"tests left processes behind: {left}") from None


def descendants():
    """Processes below this one that run, by their ids, with their command lines. Python's own helpers are no tests'."""
    found, parents = {}, [os.getpid()]
    while parents:
        parent = parents.pop()
        for task in pathlib.Path(f"/proc/{parent}/task").glob("*"):
            try:
                children = (task / "children").read_text().split()
            except OSError:
                continue
            for child in map(int, children):
                try:
                    line = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                except OSError:
                    continue
                parents.append(child)
                # What has ended and was not waited for has no command line.
                if line and "multiprocessing" not in line and "execnet" not in line:
                    found[child] = line
    return found


@pytest.fixture(scope="module")
def program():
    """One program with its defaults, for all tests of a file that do not mind each other."""
    running = Program()
    yield running
    running.stop()


@pytest.fixture
def serve():
    """Starts programs with flags; each must end cleanly when the test is over."""
    started = []

    def start(*flags, **options):
        started.append(Program(*flags, **options))
        return started[-1]

    yield start
    failures = []
    for running in started:
        try:
            running.stop()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, failures


@pytest.fixture
def name():
    """A channel that only this test uses."""
    return fresh_name()


@pytest.fixture
def fronts():
    """Starts proxies: `fronts(front.nginx, …)`, or another one of `harness/front.py`."""
    started = []

    def start(kind, *arguments, **words) -> front.Front:
        started.append(kind(*arguments, **words))
        return started[-1]

    yield start
    for running in started:
        running.stop()


@pytest.fixture
def receive():
    """Starts receivers of webhooks."""
    started = []

    def start(*arguments, **words):
        started.append(Receiver(*arguments, **words))
        return started[-1]

    yield start
    for receiver in started:
        receiver.stop()


@pytest.fixture
def hooked(serve, tmp_path):
    """Starts a program with these webhooks, in a file that can be written anew."""

    def start(*receivers, extra=ROOMS, flags=QUICK, **options):
        file = settings(tmp_path / "hooks.toml", *receivers, extra=extra)
        program = serve("--config", file, "--token-secret", TOKENS, *flags, **options)
        program.file = tmp_path / "hooks.toml"
        return program

    return start


@pytest.fixture(scope="module")
def peopled(request, tmp_path_factory):
    """One program with the settings of a file of tests about users, `SETTINGS`, for all of these tests."""
    settings = tmp_path_factory.mktemp("peopled") / "multiplexor.toml"
    settings.write_text(request.module.SETTINGS)
    running = Program("--config", str(settings))
    yield running
    running.stop()


@pytest.fixture
def room(name):
    """A channel of one test, of those that have presence."""
    return f"room.{name}"
