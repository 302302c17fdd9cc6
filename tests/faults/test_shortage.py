"""The system runs out of something: descriptors of the process or of the machine, memory, the size of a file."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess

import pytest
from harness.load import Load
from harness.program import Program, binary, request, until
from harness.wire import Sse, Wire

ROOMY = ["--history-messages", "100000", "--history-bytes", "64MiB", "--poll-timeout", "2s", "--heartbeat", "2s"]


def addresses(program):
    return lambda: (program.in_address, program.wait_address)


@contextlib.contextmanager
def greedy(program, count):
    """Somebody who opens connections to both lines until no more are taken, and keeps them."""
    with contextlib.ExitStack() as stack:
        for address in [program.wait_address, program.in_address] * (count // 2):
            one = stack.enter_context(socket.socket())
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(address)
        yield


def test_without_descriptors_of_its_own_it_loses_nothing_and_recovers(tmp_path, capsys):
    """EMFILE, on both lines and in the store, which begins a file now and then."""
    program = Program(
        "--store", str(tmp_path / "store"), "--store-limit", "16MiB", "--shards", "1",
        "--request-timeout", "3s", *ROOMY, nofile=80,
    )  # fmt: skip
    load = Load(addresses(program), publishers=2, readers=10, pause_s=0.002, filler=2000)
    load.until_more(50)
    segments = len(list((tmp_path / "store").glob("*.log")))
    for _ in range(3):
        with greedy(program, 300):
            # Those who have their connections go on; the others come in as soon as there is room.
            load.until_more(200, 120)
    load.until_more(200, 120)
    counts = load.finish()
    assert len(list((tmp_path / "store").glob("*.log"))) > segments, "no file was begun meanwhile"
    with capsys.disabled():
        print(f"\nEMFILE: {counts}")
    program.until_logged("accepting pauses")
    program.stop()


@pytest.mark.alone
def test_without_descriptors_of_the_machine_it_loses_nothing_and_recovers(tmp_path, capsys):
    """ENFILE. The machine's limit does not hold for root, so the program runs as somebody else."""
    limit = pathlib.Path("/proc/sys/fs/file-max")
    if not os.environ.get("TESTS_MULTIPLEXOR_ENFILE"):
        pytest.skip("lowers the limit of files of the whole machine for moments: set MULTIPLEXOR_ENFILE=1")
    if os.geteuid() or not os.access(limit, os.W_OK):
        pytest.skip("only root may lower the limit of files of the machine")
    folder, nobody = tmp_path / "store", 65534
    folder.mkdir()
    os.chown(folder, nobody, nobody)
    [os.chmod(parent, 0o755) for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent)]
    # Where anybody may run it from.
    program = pathlib.Path(tmp_path / "multiplexor")
    shutil.copy(binary(), program)
    as_nobody = ["setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups", str(program)]
    running = Program("--store", str(folder), *ROOMY, command=as_nobody)
    load = Load(addresses(running), publishers=2, readers=10, pause_s=0.002)
    load.until_more(50)
    before = limit.read_text()
    try:
        limit.write_text(str(int(pathlib.Path("/proc/sys/fs/file-nr").read_text().split()[0]) // 2))
        # Readers are cut off at random and come back: to a machine without files.
        until(lambda: "accepting pauses" in running.stderr(), "it finds that there are no more")
        load.check()
    finally:
        limit.write_text(before)
    load.until_more(200)
    counts = load.finish()
    with capsys.disabled():
        print(f"\nENFILE: {counts}")
    running.stop()


@pytest.fixture
def group():
    """A control group for memory, of version 1 or 2: makes one with a limit, and gives what puts a process into it."""
    folders = []

    def make(limit):
        for root, file in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
            folder = pathlib.Path(root) / f"multiplexor-test-{os.getpid()}-{len(folders)}"
            try:
                folder.mkdir()
                folders.append(folder)
                (folder / file).write_text(str(limit))
                return folder
            except OSError:
                continue
        pytest.skip("no control group for memory can be made here")

    yield make
    for folder in folders:
        with contextlib.suppress(OSError):
            folder.rmdir()


def within(folder):
    """What a process runs before it becomes the program."""
    return lambda: (folder / "cgroup.procs").write_text(str(os.getpid()))


def test_within_a_memory_limit_that_its_settings_fit_it_serves_whoever_does_not_read(tmp_path, group, capsys):
    limit = 96 << 20
    folder = group(limit)
    program = Program(
        "--store", str(tmp_path / "store"), "--history-budget", "16MiB", "--history-bytes", "16MiB",
        "--history-messages", "100000", "--slow-reader", "256KiB", "--store-limit", "64MiB", "--shards", "2",
        preexec=within(folder),
    )  # fmt: skip
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(Sse(program, "/sub/a", receive_buffer=4096))
        publisher = stack.enter_context(Wire(program.in_address))
        body, taken = b"x" * 50_000, 0
        for _ in range(1500):
            status = publisher.get("/pub/a", method="POST", body=body).response()[0]
            assert status in (200, 503), status
            taken += status == 200
        # Of 75 MB published history keeps 16, and a hundred who do not read cost no more than their limit.
        assert taken > 1000 and program.running()
        until(lambda: program.waiting("a") == 0, "those who do not read are closed")
    peak = folder / "memory.max_usage_in_bytes"
    if peak.exists():
        with capsys.disabled():
            print(f"\nmemory limit {limit >> 20} MiB: {taken} taken, {int(peak.read_text()) >> 20} MiB at the most")
    program.stop()


def test_killed_for_its_memory_it_has_lost_nothing(tmp_path, group, capsys):
    """A limit that is too small for what is set: the kernel kills it, which is a kill like any other."""
    flags = ["--store", str(tmp_path / "store"), "--history-budget", "64MiB", *ROOMY]
    program, kills, cursors = Program(*flags, preexec=within(group(40 << 20))), 0, {}
    for number in range(2000):
        body = f"{number}:" + "x" * 20_000
        try:
            status, _, answer = request(program.in_address, "POST", "/pub/a", body.encode())
        except OSError:
            status = 0
        if status == 200:
            cursors[number] = answer
        elif not program.running() or program.process.wait(30):
            assert program.process.returncode in (-signal.SIGKILL, -signal.SIGABRT), program.process.returncode
            kills += 1
            break
    assert kills, "it was never killed: this showed nothing"
    program = Program(*flags)
    page, numbers = {"messages": True}, []
    since = "0"
    while page["messages"]:
        page = program.ask(f"/channels/a/history?since={since}&limit=100")
        numbers += [int(message["data"].split(":")[0]) for message in page["messages"]]
        since = page["cursor"]
    with capsys.disabled():
        print(f"\nkilled for its memory after {len(cursors)} were answered; {len(numbers)} are there")
    assert numbers[: len(cursors)] == sorted(cursors) and len(numbers) <= len(cursors) + 1
    program.stop()


def test_a_limit_of_the_size_of_files_refuses_publishes_and_kills_nobody(tmp_path):
    """RLIMIT_FSIZE: the system sends SIGXFSZ, which ends a program that has not said otherwise."""
    program = Program("--store", str(tmp_path / "store"), *ROOMY, "--log-level", "warn")
    subprocess.run(["prlimit", f"--pid={program.pid}", "--fsize=300000:"], check=True)
    with Sse(program, "/sub/a") as reader:
        program.until_waiting("a")
        taken, status = 0, 200
        while status == 200:
            status, _, answer = request(program.in_address, "POST", "/pub/a", b"x" * 100_000)
            taken += status == 200
            assert taken < 10, "the limit is never reached"
        assert status in (503, 507), answer
        assert len(reader.datas(taken)) == taken
        subprocess.run(["prlimit", f"--pid={program.pid}", "--fsize=unlimited:"], check=True)
        until(lambda: request(program.in_address, "POST", "/pub/a", b"again")[0] == 200, "publishing works again")
        assert reader.event() == ("message", "again")
    program.stop()
