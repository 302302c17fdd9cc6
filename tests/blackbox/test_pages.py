"""Pages for readers: links lead to a file and a heading that there are, each page says what it is good for, and what words mean."""

import re
import subprocess
import tomllib

import pytest
from harness.program import ROOT

SAID = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]
HOME, VERSION = SAID["repository"], SAID["version"]
# What packages hold is read outside of the repository, so its links are whole addresses.
PACKED = ["clients/js/README.md", "clients/php/README.md"]


def pages():
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, check=True, text=True)
    return listed.stdout.split()


def without_code(text):
    return re.sub(r"^( *)```.*?^\1```$|`[^`\n]*`", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text):
    """Of the headings, as GitHub makes them."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return found


def leads_nowhere(page, link):
    """Why the link of a page is wrong, or nothing."""
    path, _, anchor = link.partition("#")
    ours = re.fullmatch(rf"{re.escape(HOME)}/(?:blob|tree)/main/(.*)", path)
    if ours:
        target = ROOT / ours[1]
    elif re.match(r"[a-z]+:", path):
        return None
    elif path and page in PACKED:
        return "it is read outside of the repository"
    else:
        target = (ROOT / page).parent / path if path else ROOT / page
    if not target.exists():
        return "there is no such file"
    if anchor and target.suffix == ".md" and anchor not in anchors(target.read_text()):
        return "there is no such heading"
    return None


@pytest.mark.parametrize("page", pages())
def test_links_of_a_page_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", without_code((ROOT / page).read_text()))
    assert not {link: why for link in links if (why := leads_nowhere(page, link))}


def test_the_test_finds_what_it_is_for():
    assert leads_nowhere("README.md", "docs/none.md") and leads_nowhere("README.md", "docs/tls.md#none")
    assert leads_nowhere("clients/js/README.md", "../../README.md") and leads_nowhere("README.md", f"{HOME}/blob/main/none")
    assert not leads_nowhere("README.md", "docs/tls.md#tls") and not leads_nowhere("README.md", f"{HOME}/blob/main/docs/tls.md#tls")


MANUAL = [page for page in pages() if re.fullmatch(r"docs/(?!README)\w[^/]*", page)]


@pytest.mark.parametrize("page", ["README.md", "docs/first-hour.md"])
def test_releases_are_those_of_this_version(page):
    named = re.findall(r"/releases/download/v([\d.]+)/multiplexor[_-]([\d.]+)|/multiplexor:([\d.]+)", (ROOT / page).read_text())
    assert named and {version for each in named for version in each if version} == {VERSION}


def test_a_service_that_no_package_starts_is_started_by_hand():
    """Fedora and RHEL enable no service that comes with a package, and the rpm leaves that as it is."""
    [block] = re.findall(r"^ *sudo dnf install .*\n(.*)\n", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert block.strip() == "sudo systemctl enable --now multiplexor"
    assert "systemctl enable --now multiplexor" in (ROOT / "docs/first-hour.md").read_text()
    assert "preset" in (ROOT / "deploy/package/multiplexor.spec").read_text()


def test_all_docs_are_in_the_index():
    index = (ROOT / "docs/README.md").read_text()
    assert not [page for page in MANUAL if f"({page[5:]}" not in index]


@pytest.mark.parametrize("page", MANUAL)
def test_a_page_begins_with_what_one_can_do_after_it(page):
    lines = [line for line in (ROOT / page).read_text().splitlines() if line and not line.startswith(("# ", "<!--"))]
    assert lines[0].startswith("After this page ")


@pytest.mark.parametrize("page", ["README.md", *MANUAL])
def test_the_lines_are_explained_where_they_first_appear(page):
    text = re.sub(r"\s+", " ", (ROOT / page).read_text())
    for line, word in {"WAIT line": "subscrib", "IN line": "publish"}.items():
        at = text.find(line)
        assert at < 0 or word in text[max(0, at - 120) : at + 120].lower(), (line, text[max(0, at - 120) : at + 120])
