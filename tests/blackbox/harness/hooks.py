"""What tests of webhooks share: what is set, users who visit, and how each webhook is."""

import signal

from .program import request, until
from .tokens import make_token
from .wire import Sse

USERS = 'events = ["user.online", "user.offline"]'
ROOMS = '[[channel]]\nmatch = "room*"\npresence = "open"\n'
QUICK = "--presence-grace", "100ms", "--grace", "100ms"


def token(user, **claims):
    return make_token(sub=user, **claims)


def hooks(program):
    return {one["name"]: one for one in program.ask("/webhooks")["webhooks"]}


def until_idle(program, name="hook0"):
    until(lambda: hooks(program)[name]["backlog"] == {"events": 0, "bytes": 0}, "nothing waits for it")


def visit(program, channel, user):
    """A user comes to a channel and goes."""
    with Sse(program, f"/sse/{channel}?token={token(user)}"):
        program.until_waiting(channel)


def reload(program):
    return request(program.in_address, "POST", "/reload")


def kill(program):
    program.process.send_signal(signal.SIGKILL)
    program.process.wait()
