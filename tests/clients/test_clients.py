"""Libraries as their READMEs show them; those that are quick to install, and that docs/clients.md says what was seen."""

import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import run  # noqa: E402
import table  # noqa: E402
from libraries import LIBRARIES  # noqa: E402

QUICK = [library for library in LIBRARIES if library.quick]


@pytest.fixture(scope="module")
def facts():
    subprocess.run([pathlib.Path(__file__).parent / "install.sh", "quick"], check=True)
    facts, missing = run.run("quick")
    if missing:
        print("not installed:", *missing)
    return facts


def test_the_page_says_what_was_seen():
    assert table.PAGE.read_text() == table.page(table.seen()), "run tests/clients/run.py all --write"


def test_all_that_is_known_was_seen_at_the_version_that_is_pinned():
    seen = table.seen()
    assert {library.key: library.version() for library in LIBRARIES} == {key: fact["version"] for key, fact in seen.items()}


def test_a_fact_that_gets_worse_is_told():
    before = {"a": {"version": "1", "live": "at once", "cut": "exact", "largest": 900_000, "empty": 0}}
    for name, value in {"live": "late or never", "cut": "ends (X); exact with since=", "largest": 60_000, "empty": 1}.items():
        now = {"a": before["a"] | {name: value}}
        assert len(table.worse(before, now)) == 1 and not table.worse(now, before), name


@pytest.mark.alone
def test_each_library_sees_what_it_saw(facts):
    assert table.worse(table.seen(), facts) == []


@pytest.mark.alone
@pytest.mark.parametrize("key", [library.key for library in QUICK])
def test_a_library_works_as_its_readme_shows(facts, key):
    if key not in facts:
        pytest.skip("not installed")
    library = next(one for one in QUICK if one.key == key)
    known = table.seen()[key]
    assert table.works(library, facts[key]) == table.works(library, known), facts[key]
