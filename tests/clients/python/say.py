"""What every program in Python says of what it hears: one line each, its words between tabs."""

import re

START_CHARS = 300


def say(*words):
    print("\t".join(re.sub(r"[\t\r\n\x85\u2028\u2029]+", " ", str("" if word is None else word)) for word in words), flush=True)


def event(name, id, data):
    say("event", name, id, len(data), data[:START_CHARS])


def message(data):
    say("message", len(data), data[:START_CHARS])


def error(error):
    say("error", f"{type(error).__name__}: {error}")
