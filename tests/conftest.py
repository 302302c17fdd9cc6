"""Fixtures: a program shared by the tests of a file, programs of one's own, names nobody else uses."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "blackbox"))

# The program refuses variables that are named like its own and are none: those of the tests get another name in here.
for variable in [variable for variable in os.environ if variable.startswith("MULTIPLEXOR_")]:
    os.environ["TESTS_" + variable] = os.environ.pop(variable)

from harness import front  # noqa: E402
from harness.program import Program, fresh_name  # noqa: E402


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
