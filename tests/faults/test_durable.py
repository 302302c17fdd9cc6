"""`durable` by pattern: which channels a store remembers over a restart, and what those who come back are told."""

import signal

import pytest
from harness import wire
from harness.program import Program


# Settings, and whether channels of these names are durable under them.
SETTINGS = {
    "the default": ("", {"cursor.x": True, "keep.x": True}),
    "some are not": (
        '[[channel]]\nmatch = "cursor.*"\ndurable = false\n',
        {"cursor.x": False, "cursor.": False, "cursor": True, "keep.x": True},
    ),
    "few are": (
        '[[channel]]\nmatch = "keep.*"\ndurable = true\n\n[[channel]]\nmatch = "*"\ndurable = false\n',
        {"keep.x": True, "keeper": False, "cursor.x": False},
    ),
    "said by another entry": (
        '[[channel]]\nmatch = "keep.*"\nhistory_messages = 3\n\n[[channel]]\nmatch = "*"\ndurable = false\n',
        {"keep.x": True, "cursor.x": False},
    ),
}


@pytest.fixture
def begin(tmp_path):
    """Starts the program with these settings, on the same store each time; `end` says how the one before ended."""
    programs = []

    def start(settings, end="stopped"):
        if programs:
            if end == "killed":
                programs[-1].process.send_signal(signal.SIGKILL)
                programs[-1].process.wait()
            else:
                programs[-1].stop()
        file = tmp_path / "multiplexor.toml"
        file.write_text(settings)
        programs.append(Program("--config", str(file), "--store", str(tmp_path / "store")))
        return programs[-1]

    yield start
    programs[-1].stop()


def poll(program, channels, since):
    """What a client that comes back with this cursor is told."""
    answer = wire.poll(program, f"/sub/{channels}?transport=poll&wait=0&since={since}")
    return [message["data"] for message in answer["messages"]], bool(answer.get("gap"))


@pytest.mark.parametrize("end", ["stopped", "killed"])
@pytest.mark.parametrize("what", SETTINGS)
def test_what_is_durable_is_there_again_and_of_the_rest_clients_are_told(begin, tmp_path, what, end):
    settings, durable = SETTINGS[what]
    program = begin(settings)
    first = {name: program.publish(name, f"first to {name}") for name in durable}
    for name in durable:
        program.publish(name, f"second to {name}")
    log = b"".join(path.read_bytes() for path in sorted((tmp_path / "store").glob("*.log")))
    for name, kept in durable.items():
        assert poll(program, name, first[name]) == ([f"second to {name}"], False), "before the restart all is there"
        assert (f"second to {name}".encode() in log) == kept, name

    program = begin(settings, end)
    for name, kept in durable.items():
        expected = ([f"second to {name}"], False) if kept else ([], True)
        assert poll(program, name, first[name]) == expected, name
        everything = program.ask(f"/channels/{name}/history")["messages"]
        assert [message["data"] for message in everything] == ([f"first to {name}", f"second to {name}"] if kept else [])


def test_a_client_of_both_kinds_gets_what_is_there_and_is_told_of_the_rest(begin):
    settings, _ = SETTINGS["some are not"]
    program = begin(settings)
    cursor = program.publish("keep.x", "one")
    program.publish("cursor.x", "two")
    program.publish("keep.x", "three")
    program = begin(settings)
    assert poll(program, "keep.x,cursor.x", cursor) == (["three"], True)
    # From here on nothing is missing in either.
    cursor = program.publish("cursor.x", "four")
    program.publish("cursor.x", "five")
    assert poll(program, "keep.x,cursor.x", cursor) == (["five"], False)


def test_a_message_to_both_kinds_is_kept_for_the_durable_one(begin):
    settings, _ = SETTINGS["some are not"]
    program = begin(settings)
    cursor = program.publish("keep.x", "1")
    program.publish("keep.x,cursor.x", "to both")
    program = begin(settings, "killed")
    assert poll(program, "keep.x", cursor) == (["to both"], False)
    assert poll(program, "cursor.x", cursor) == ([], True)


def test_what_is_not_durable_costs_the_store_nothing(begin, tmp_path):
    program = begin(SETTINGS["some are not"][0])

    def log():
        return {path.name: path.read_bytes() for path in (tmp_path / "store").glob("*.log")}

    program.publish("keep.x", "1")
    before = log()
    for number in range(50):
        program.publish("cursor.x", str(number))
    assert log() == before
    program.publish("keep.x", "2")
    assert log() != before


def test_what_was_lost_before_a_channel_became_durable_is_told(begin):
    program = begin(SETTINGS["some are not"][0])
    cursor = program.publish("cursor.x", "lost")
    program.publish("cursor.x", "lost too")
    program = begin("")
    assert poll(program, "cursor.x", cursor) == ([], True)
    kept = program.publish("cursor.x", "kept")
    program.publish("cursor.x", "kept too")
    program = begin("")
    assert poll(program, "cursor.x", cursor) == (["kept", "kept too"], True)
    assert poll(program, "cursor.x", kept) == (["kept too"], False)
