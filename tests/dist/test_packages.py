"""The packages: installed on a clean Debian, the service started as its user by its own command, judged, and taken away."""

import gzip
import json
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from conftest import MACHINE
from harness.program import ROOT, request, until

EXPOSURE_MAX = 2.0
UNIT = "usr/lib/systemd/system/multiplexor.service"
DEB = {"x86_64": "amd64", "aarch64": "arm64"}
# What both kinds of packages have, and the mode it has.
FILES = {
    "usr/bin/multiplexor": "-rwxr-xr-x",
    UNIT: "-rw-r--r--",
    "usr/lib/sysusers.d/multiplexor.conf": "-rw-r--r--",
    "usr/share/multiplexor/sysctl.conf": "-rw-r--r--",
    "usr/share/man/man1/multiplexor.1.gz": "-rw-r--r--",
    "usr/share/bash-completion/completions/multiplexor": "-rw-r--r--",
    "usr/share/fish/vendor_completions.d/multiplexor.fish": "-rw-r--r--",
    "usr/share/doc/multiplexor/README.md": "-rw-r--r--",
    "usr/share/doc/multiplexor/docs/settings.md": "-rw-r--r--",
    "usr/share/doc/multiplexor/THIRD-PARTY.txt": "-rw-r--r--",
    "etc/default/multiplexor": "-rw-------",
    "etc/multiplexor/multiplexor.toml": "-rw-r-----",
}
SETTINGS = ["/etc/default/multiplexor", "/etc/multiplexor/multiplexor.toml"]


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def deb(dist, arch):
    return next(dist.glob(f"multiplexor_*_{DEB[arch]}.deb"))


def rpm(dist, arch):
    return next(dist.glob(f"multiplexor-*.{arch}.rpm"))


@pytest.mark.parametrize("arch", DEB)
def test_the_deb_has_all_of_it(dist, arch):
    package = deb(dist, arch)
    rows = [line.split(None, 5) for line in run("dpkg-deb", "--contents", package).splitlines()]
    modes = {name.removeprefix("./"): mode for mode, _, _, _, _, name in rows}
    assert FILES.items() <= modes.items()
    assert {owner for _, owner, *_ in rows} == {"root/root"}
    assert modes["usr/share/zsh/vendor-completions/_multiplexor"] == "-rw-r--r--"
    assert run("dpkg-deb", "--field", package, "Architecture").strip() == DEB[arch]
    assert run("dpkg-deb", "--info", package, "conffiles").split() == SETTINGS


@pytest.mark.parametrize("arch", DEB)
def test_the_rpm_has_all_of_it(dist, arch):
    package = rpm(dist, arch)
    asked = run("rpm", "-qp", "--nosignature", "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]", package)
    modes = {name.removeprefix("/"): mode for mode, name in (line.split(" ", 1) for line in asked.splitlines())}
    assert FILES.items() <= modes.items()
    assert modes["usr/share/zsh/site-functions/_multiplexor"] == "-rw-r--r--"
    assert run("rpm", "-qp", "--queryformat", "%{ARCH}", package) == arch
    assert run("rpm", "-qpc", package).split() == SETTINGS
    needs = {line.split()[0] for line in run("rpm", "-qp", "--requires", package).splitlines()}
    assert not {need for need in needs if need.startswith("lib")}


def environment(root):
    """The variables that the unit gives to its program."""
    lines = (root.folder / "etc/default/multiplexor").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def service(root, serve, **options):
    """The program as systemd would start it: the unit's command, as its user, with its variables and its folders."""
    unit = dict(re.findall(r"^(\w+)=(.*)$", (root.folder / UNIT).read_text(), re.M))
    user = unit["User"]
    for kind, folder in (("RuntimeDirectory", "run"), ("StateDirectory", "var/lib")):
        root.run(f"install -d -o {user} -g {user} -m 700 /{folder}/{unit[kind]}")
    command = ["/usr/bin/setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *shlex.split(unit["ExecStart"])]
    return serve(command=root.command(*command), env=environment(root) | {"MULTIPLEXOR_STORE": "/var/lib/multiplexor"}, **options)


def serves_as_its_user(root, serve, name):
    number = int(root.run("id -u multiplexor"))
    program = service(root, serve)
    with open(f"/proc/{program.pid}/status") as status:
        assert re.search(r"^Uid:\s+(.*)$", status.read(), re.M)[1].split() == [str(number)] * 4
    program.publish(name, "hello")
    status, _, answer = request(program.wait_address, "GET", f"/sub/{name}?since=0")
    assert status == 200 and b'"hello"' in answer
    until(lambda: any((root.folder / "var/lib/multiplexor").iterdir()), "the store is written")
    program.stop()


def install_deb(root, package):
    shutil.copy(package, root.folder / "root/multiplexor.deb")
    return root.run("apt-get install -y /root/multiplexor.deb")


def test_the_deb_is_installed_served_and_taken_away(dist, clean, serve, name):
    install_deb(clean, deb(dist, MACHINE))
    version = clean.run("multiplexor --version").split()[1]
    assert clean.run("dpkg-query -W -f '${Version}' multiplexor") == version
    assert clean.run("stat -c '%U:%G %a' /etc/multiplexor/multiplexor.toml") == "root:multiplexor 640\n"
    assert clean.run("stat -c '%U:%G %a' /etc/default/multiplexor") == "root:root 600\n"
    assert clean.run("dpkg --verify multiplexor") == ""
    assert "multi-user.target.wants" in clean.run("find /etc/systemd -name multiplexor.service")
    serves_as_its_user(clean, serve, name)

    clean.run("echo 'history_messages = 7' >> /etc/multiplexor/multiplexor.toml")
    install_deb(clean, deb(dist, MACHINE))
    clean.run("apt-get install -y --reinstall /root/multiplexor.deb && apt-get remove -y multiplexor")
    assert "history_messages = 7" in clean.run("cat /etc/multiplexor/multiplexor.toml")
    assert clean.run("ls /var/lib/multiplexor")
    clean.run("apt-get purge -y multiplexor")
    left = clean.run("find /etc /usr /var/lib -name '*multiplexor*' -not -path '/var/lib/dpkg/*' -not -path '/var/lib/systemd/*'")
    assert left == ""


def test_the_rpm_is_installed_and_served(dist, clean, serve, name):
    """By rpm itself, into a root that is none of its own kind: what it needs of the others is not asked for."""
    run("rpm", "--root", clean.folder, "--dbpath", "/var/lib/rpm", "-i", "--nodeps", "--nosignature", rpm(dist, MACHINE))
    assert clean.run("stat -c '%U:%G %a' /etc/multiplexor/multiplexor.toml") == "root:multiplexor 640\n"
    serves_as_its_user(clean, serve, name)


def test_systemd_judges_the_unit_as_it_is_packed(dist, tmp_path):
    run("dpkg-deb", "--extract", deb(dist, MACHINE), tmp_path)
    assert (tmp_path / UNIT).read_bytes() == (ROOT / "deploy/systemd/multiplexor.service").read_bytes()
    here = tmp_path / "multiplexor.service"
    here.write_text((tmp_path / UNIT).read_text().replace("/usr/bin/multiplexor", f"{tmp_path}/usr/bin/multiplexor"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", here], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout + done.stderr == ""
    said = run("systemd-analyze", "security", "--offline=true", "--no-pager", here)
    assert float(re.search(r"Overall exposure level for \S+: ([\d.]+)", said)[1]) <= EXPOSURE_MAX


def test_its_settings_are_the_defaults_as_comments(dist, tmp_path, static):
    run("dpkg-deb", "--extract", deb(dist, MACHINE), tmp_path)
    file = tmp_path / "etc/multiplexor/multiplexor.toml"
    assert all(not line or line.startswith("#") for line in file.read_text().splitlines())
    run(static, "config", "check", file)
    shown = re.sub(r"^#(?=[^ #\n])", "", file.read_text(), flags=re.M)
    assert shown == run(static, "config", "--default")


def test_the_manual_and_the_completions_are_the_programs_own(dist, tmp_path, static):
    run("dpkg-deb", "--extract", deb(dist, MACHINE), tmp_path)
    share = tmp_path / "usr/share"
    assert gzip.decompress((share / "man/man1/multiplexor.1.gz").read_bytes()).decode() == run(static, "man")
    folders = {"bash": "bash-completion/completions/multiplexor", "zsh": "zsh/vendor-completions/_multiplexor"}
    for shell, file in (folders | {"fish": "fish/vendor_completions.d/multiplexor.fish"}).items():
        assert (share / file).read_text() == run(static, "completion", shell)


def test_links_of_the_packed_pages_lead_to_what_is_packed_or_to_the_repository(dist, tmp_path):
    run("dpkg-deb", "--extract", deb(dist, MACHINE), tmp_path)
    pages = list((tmp_path / "usr/share/doc/multiplexor").rglob("*.md"))
    assert len(pages) > 20
    for page in pages:
        text = re.sub(r"^( *)```.*?^\1```$|`[^`\n]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        links = [link for link in re.findall(r"\]\(([^)\s#]+)", text) if not re.match(r"[a-z]+:", link)]
        assert not [link for link in links if not (page.parent / link).exists()], page


def test_the_licences_of_all_parts_are_handed_on(dist):
    said = next(dist.glob("*-THIRD-PARTY.txt")).read_text()
    parts = json.loads(next(dist.glob("*.cdx.json")).read_text())["components"]
    outside = [part for part in parts if not part["name"].startswith("multiplexor-")]
    assert outside and not [part["name"] for part in outside if f"{part['name']} {part['version']}" not in said]
    assert "musl" in said and "Rust's standard library" in said


def test_packed_twice_it_is_the_same_byte_for_byte(static, tmp_path):
    """From one binary, in two folders; as a release candidate, which sorts before the release."""
    made = []
    for folder in (tmp_path / "one", tmp_path / "another"):
        folder.mkdir()
        shutil.copy(static, folder / f"multiplexor-1.0.0-rc.1-linux-{MACHINE}")
        done = subprocess.run([ROOT / "deploy/package/build", "--pack", folder, MACHINE], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0].keys() == made[1].keys() and len(made[0]) == 7
    assert [name for name in made[0] if made[0][name] != made[1][name]] == []
    assert run("dpkg-deb", "--field", next(tmp_path.glob("one/*.deb")), "Version") == "1.0.0~rc.1\n"
    assert run("rpm", "-qp", "--nosignature", "--queryformat", "%{VERSION}", next(tmp_path.glob("one/*.rpm"))) == "1.0.0~rc.1"


def test_the_workflow_that_publishes_them_follows_githubs_schema():
    words = ["--builtin-schema", "vendor.github-workflows", ROOT / ".github/workflows/release.yml"]
    run(pathlib.Path(sys.executable).with_name("check-jsonschema"), *words)


def test_the_sums_are_right_and_name_everything(dist):
    run("sh", "-c", f"cd {shlex.quote(str(dist))} && sha256sum --check --strict SHA256SUMS")
    named = {line.split()[1] for line in (dist / "SHA256SUMS").read_text().splitlines()}
    assert named == {path.name for path in dist.iterdir()} - {"SHA256SUMS"}


def test_the_list_of_parts_follows_cyclonedx_and_names_what_is_linked(dist):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    text = next(dist.glob("*.cdx.json")).read_text()
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    document = json.loads(text)
    names = {part["name"] for part in document["components"]}
    assert {"rustls", "aws-lc-sys", "libmimalloc-sys", "tokio", "multiplexor-wait"} <= names
    assert not {"proptest", "loom", "serde_derive", "cc"} & names
    assert all(part["licenses"] for part in document["components"])
    outside = [part for part in document["components"] if not part["name"].startswith("multiplexor-")]
    assert all(part["hashes"][0]["alg"] == "SHA-256" for part in outside)
