"""docs/first-hour.md typed on a Debian with apt and a language, and nothing else: the package of `make dist`, the real nginx, and
pages in Chromium and Firefox by each transport. How long each step took is printed, beside what its heading says."""

import os
import pathlib
import re
import sys
import time

import pytest
from harness import place as places
from harness.program import ROOT, until

sys.path.insert(0, str(ROOT / "tests" / "dist"))

import roots  # noqa: E402
import test_first_hour as page  # noqa: E402

HERE = pathlib.Path(__file__).parent
DIST = pathlib.Path(os.environ.get("TESTS_MULTIPLEXOR_DIST") or ROOT / "dist")
PACKAGE = "multiplexor_*_amd64.deb"
# What the machine of somebody who has such an application has already.
THERE = ["bash", "ca-certificates", "curl", "openssl", "php-cli", "python3", "ruby", "nodejs"]
PATIENCE_S = 900
# That each step is done in its time is asked where MULTIPLEXOR_IN_TIME is set: a machine that is busy elsewhere is no error of the page.
IN_TIME = "TESTS_MULTIPLEXOR_IN_TIME" in os.environ
TRANSPORTS = ["ws", "sse", "poll"]


class CleanDebian(places.Place):
    """A place of its own, with a Debian in it, in which everything is typed; browsers run beside it, in the same network."""

    def __init__(self, lower):
        self.lower = lower
        super().__init__()

    def _furnish(self):
        super()._furnish()
        over, self.root = self.folder / "debian", self.folder / "root"
        lines = [f"mkdir {over} {self.root}", f"mount -t tmpfs none {over}", f"mkdir {over}/upper {over}/work"]
        lines.append(f"mount -t overlay none -o lowerdir={self.lower},upperdir={over}/upper,workdir={over}/work {self.root}")
        lines += [f"mount -t proc none {self.root}/proc", f"mount --rbind /dev {self.root}/dev"]
        # Debian starts services when it installs them: here systemctl does, which is no systemd.
        lines.append(f"printf '#!/bin/sh\\nexit 101\\n' > {self.root}/usr/sbin/policy-rc.d; chmod +x {self.root}/usr/sbin/policy-rc.d")
        lines.append(f"cp /etc/resolv.conf {self.root}/etc/; cp {HERE}/systemctl {HERE}/certbot {self.root}/usr/local/bin/")
        lines.append(f"cp {next(DIST.glob(PACKAGE))} {self.root}/root/")
        lines.append(f"tee -a /etc/hosts {self.root}/etc/hosts <<< '127.0.0.1 localhost shop.example'")
        self.beside("set -e\n" + "\n".join(lines))

    def beside(self, text):
        """Says it outside of the Debian."""
        command, self._command = self._command, super()._command
        try:
            return super().run(text)
        finally:
            self._command = command

    def start_beside(self, text):
        command, self._command = self._command, super()._command
        try:
            return super().start(text)
        finally:
            self._command = command

    def _command(self, text):
        if not hasattr(self, "root"):
            return super()._command(text)
        enter, env = super()._command("")
        # Packages come from the network of the machine; all else has a network of its own.
        enter = [word for word in enter[: enter.index("bash")] if word != "--net" or "apt-get" not in text]
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        inside = {"PATH": path, "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        return [*enter, "/usr/sbin/chroot", str(self.root), "/bin/bash", "-c", f"set -e; cd /root\n{text}"], inside

    def run(self, text, may_fail=False, patience_s=PATIENCE_S):
        return super().run(text, may_fail, patience_s)

    def until_port(self, port):
        until(lambda: self.beside(f"ss -Hltn sport = :{port}").strip(), f"somebody listens on port {port}")


@pytest.fixture(scope="module")
def debian(tmp_path_factory):
    if os.geteuid() or os.uname().machine != "x86_64" or not list(DIST.glob(PACKAGE)):
        pytest.skip("this needs root, x86_64, and make dist")
    lower = roots.bootstrap("bookworm", tmp_path_factory.mktemp("root") / "with-languages", *THERE)
    place = CleanDebian(lower)
    place.run("apt-get -qq update")
    yield place
    place.close()


def sections():
    """Heading, minutes that it says, and steps."""
    parts = re.split(r"^## (\d+\. .*) \((\d+) minutes?\)$", page.PAGE, flags=re.MULTILINE)[1:]
    for heading, minutes, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        # Other headings end it.
        yield heading, int(minutes), page.steps(re.split(r"^## ", text, flags=re.MULTILINE)[0])


def services(place, text):
    """What Debian's systemd would have started when a package came."""
    if "multiplexor_" in text:
        place.run("systemctl start multiplexor")
    if "install -y nginx" in text:
        place.run("nginx")


def typed(place, heading, minutes, steps):
    began = time.monotonic()
    told = []
    for step in steps:
        if heard := page.done(place, step):
            told.append(heard)
        if step.verb == "run":
            services(place, step.text)
    took = time.monotonic() - began
    print(f"{heading}: {took:.0f} s of {minutes} min")
    assert not IN_TIME or took <= 60 * minutes
    return told


def opened(place):
    """The pages, and the first one again by each transport alone; in both browsers, where they stay open."""
    for transport in TRANSPORTS:
        place.run(f"cd /var/www/shop && sed 's/tail: 5/&, transports: [\"{transport}\"]/' index.html > {transport}.html")
    paths = ["/", "/sign-in.php", "/session.html", *(f"/{transport}.html" for transport in TRANSPORTS)]
    return place.start_beside(f"exec node {HERE}/pages.mjs {page.SITE} {' '.join(paths)}")


def shows(shown, *lines):
    for line in lines:
        for browser in ("Chromium", "Firefox"):
            text = f"{browser} {line}\n"
            until(lambda text=text: text in shown(), f"a page shows {text!r}: {shown()}", patience_s=120)


def test_the_first_hour_on_a_clean_debian(debian):
    *before, last = sections()
    told = [heard for section in before for heard in typed(debian, *section)]
    assert len(told) == 1 and "data: hello\n" in told[0]()
    assert debian.run("stat -c %U /proc/$(pidof multiplexor)") == "multiplexor\n"

    shown = opened(debian)
    shows(shown, "/: open ws", "/private.html: only for ann", "/session.html: only for ann")
    for transport in TRANSPORTS:
        shows(shown, f"/{transport}.html: open {transport}", f"/{transport}.html: hello from PHP")
    debian.run("curl -sS -d 'to all of you' http://127.0.0.1:10010/pub/news")
    shows(shown, *(f"/{transport}.html: to all of you" for transport in TRANSPORTS))
    assert " error: " not in shown()

    typed(debian, *last)
    shows(shown, "/: back again", *(f"/{transport}.html: back again" for transport in TRANSPORTS))
