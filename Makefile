# make run and make test are all one needs; what each step does stands beside it.

PYTEST_IN = tests/.venv/bin/python -m pytest -c tests/pytest.ini
PYTEST = $(PYTEST_IN) tests/blackbox
# Tests of the real program wait more than they compute, so more of them run at once than there are processors; in pieces of
# the list, so that those of a file share what it starts.
AT_ONCE = -n 4 --dist worksteal

.PHONY: run test lint advisories unit loom ready docs blackbox together alone browser faults client quick-proxies proxies quick-clients clients soak miri fuzz bench bench-million dist dist-check dist-twice firsthour

run:
	cargo run --release

# What keeps both processors busy, or measures memory; and what waits for browsers and proxies most of the time, so that two of it
# run at once.
BUSY = lint unit loom docs together alone
WAITING = browser client faults quick-proxies quick-clients

# Everything. Installs what it needs (tests/install.sh). All parts run, whatever fails before them, and then it says so.
test:
	@tests/parts $(BUSY) -- $(WAITING)

# How the code looks, and who may know whom.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo xtask tidy
	cargo xtask layers
	cargo xtask deny
	@$(MAKE) --no-print-directory advisories

# Known weaknesses of what we depend on, by the database of RustSec, where cargo-deny is installed and the database is reached.
advisories:
	@if ! cargo deny --version >/dev/null 2>&1; then \
		echo "skipped: advisories, which need cargo install cargo-deny --locked"; \
	elif ! cargo deny fetch >/dev/null 2>&1; then \
		echo "skipped: advisories, since their database cannot be reached"; \
	else cargo deny check advisories; fi

# The crates' own tests: properties, conversations, simulations with 256 seeds each.
unit:
	cargo test --workspace --no-fail-fast

# The lock and the mailboxes in every interleaving of their threads; another build, so another folder.
loom:
	RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test -p multiplexor-exchange --release --test loom

# What the tests need, and the program that they run.
ready:
	tests/install.sh
	cargo build --release

# That the pages made of the program are its own.
docs: ready
	cargo xtask docs

# The real program, real clients, a real browser.
blackbox: docs together alone browser

together: ready
	$(PYTEST) $(AT_ONCE) -m "not alone"

# What measures memory or crowds: two at once, since they wait more than they compute, and nothing else beside them.
alone: ready
	$(PYTEST) -n 2 --dist worksteal -m alone

browser: ready
	node --test --test-force-exit --test-reporter=spec tests/blackbox/node/*.test.js

# The real program while it is killed, starved, cut off and lied to; as root, or parts of it are skipped.
faults: ready
	$(PYTEST_IN) tests/faults -n 2

# The client in Node, in Chromium and behind proxies; that its dist is what its sources build.
client: ready
	node --test --test-force-exit --test-concurrency=1 --test-reporter=spec clients/js/test/*.test.mjs

# The program behind nginx and HAProxy, by the files of deploy/proxies.
quick-proxies: ready
	$(PYTEST_IN) tests/proxies -n 2 -k "Nginx or HAProxy or page or silence"

# Behind all ten, with 75 s of silence; minutes, and Caddy is built.
proxies:
	tests/install.sh proxies
	cargo build --release
	MULTIPLEXOR_SLOW=1 $(PYTEST_IN) tests/proxies -n 2

# Client libraries as their READMEs show them, by docs/clients.md: some that are quick to install.
quick-clients: ready
	$(PYTEST_IN) tests/clients

# All of them; installs Node's, Python's, Go's, Rust's, Java's and PHP's. `tests/clients/run.py all --write` keeps what was seen.
clients: ready
	tests/clients/install.sh all
	tests/.venv/bin/python tests/clients/run.py all

# What a release publishes, into dist/: static binaries, packages, an image; installs Zig, which is the C compiler for musl.
dist:
	deploy/package/build

# That all of it is right: in an empty root, in Debian 11 and 12, under qemu; as root, or parts of it are skipped.
dist-check:
	tests/install.sh dist
	$(PYTEST_IN) tests/dist

# That a commit gives the same bytes in another folder: a clone is built there, too, and the sums compared. After `make dist`, of what is committed.
dist-twice:
	rm -rf target/twice
	git clone --quiet . target/twice
	cd target/twice && CARGO_TARGET_DIR=target deploy/package/build
	cmp dist/SHA256SUMS target/twice/dist/SHA256SUMS

# docs/first-hour.md typed on a Debian with nothing but apt, with the package of `make dist`; as root.
firsthour:
	tests/install.sh firsthour
	$(PYTEST_IN) tests/firsthour

# How many examples of each operation the description of the IN line is tried with; minutes under load.
SOAK ?= 1000
MINUTES ?= 60

# More of what is random: 10,000 seeds, the real input and the faults eight times over, the IN line against its
# description; what testssl says, and Helm; ten proxies; packages and image, installed; Miri, where a nightly compiler has it;
# 50,000 clients behind one address; ten minutes of webhooks among kills; and an hour of load, restarts and kills.
soak:
	tests/install.sh
	cargo build --release
	MULTIPLEXOR_SEEDS=10000 cargo test --release -p multiplexor-hub -p multiplexor-exchange -p multiplexor-wait -p multiplexor-store -p multiplexor-fuzz
	MULTIPLEXOR_ROUNDS=8 $(PYTEST) -k everybody_hears_every_line
	MULTIPLEXOR_SLOW=1 $(PYTEST) -m alone -k left_nothing
	MULTIPLEXOR_ROUNDS=8 MULTIPLEXOR_ENFILE=1 $(PYTEST_IN) tests/faults
	tests/soak/openapi.sh $(SOAK)
	tests/soak/testssl.sh
	tests/soak/helm.sh
	$(MAKE) proxies
	$(MAKE) clients
	$(MAKE) dist
	$(MAKE) dist-check firsthour dist-twice
	@if cargo +nightly miri --version >/dev/null 2>&1; then $(MAKE) -j2 miri; else \
		echo "skipped: make miri, which needs rustup component add miri rust-src --toolchain nightly"; fi
	tests/.venv/bin/python tests/soak/crowd.py
	UPGRADES=100 UPGRADE_CLIENTS=20 tests/.venv/bin/python -m pytest -c tests/pytest.ini tests/blackbox/test_upgrade.py -k all_transports
	tests/.venv/bin/python tests/soak/webhooks.py 10
	tests/.venv/bin/python tests/soak/soak.py $(MINUTES)

# Undefined behaviour, in what is remembered and in what strangers' bytes go through. Needs a nightly compiler with
# miri: `rustup component add miri rust-src --toolchain nightly`. `make -j2 miri` runs both crates at once.
miri: miri-hub miri-codec

# Without make's own jobs, of which a cargo inside of another knows nothing.
miri-%:
	MAKEFLAGS= MIRIFLAGS=-Zmiri-disable-isolation CARGO_TARGET_DIR=target/miri cargo +nightly miri test -p multiplexor-$* --lib

# How many seconds each target of libFuzzer runs; an hour each is half a day.
FUZZ ?= 600

# What strangers may send, for hours: docs/testing.md. Needs a nightly compiler and cargo-fuzz.
fuzz:
	fuzz/run $(FUZZ)

# What the table in bench/RESULTS.md says, anew: about twenty minutes, on a machine that does nothing else.
bench:
	bench/run

# The same with 100,000, 300,000 and 1,000,000 connections: bench/sysctl.sh first, and 20 GiB of memory.
bench-million:
	bench/run 100000 300000 1000000 aside
