"""What it costs that pages publish, and that the application is told by webhooks."""

from .crowds import wish_for
from .figures import pairs, spread
from .listeners import Receiver
from .measure import COMMANDS, Crowd, crowd, judged, measure, shlex, step
from .people import PRESENCE, RULE, USERS, of, tokens
from .rows import figure

SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ANSWER_S = 0.005
# As fast as they like: what is measured is what a message costs.
NO_LIMITS = ["--connection-messages", "0", "--user-messages", "0", "--address-messages", "0", "--client-messages", "0"]


def pages(count):
    """A message to one client after the other, said by pages over their WebSockets, and by `POST /pub` of the IN line, in turn."""
    wish = {"steps": "join=15000 send=60000/16", "transport": "ws", "channels": "each", "scatter": True}
    wish["server"] = {"flags": NO_LIMITS}
    runs = {"pages": [], "application": []}
    for turn in range(count):
        for who in sorted(runs, reverse=turn % 2):
            start = of(RULE + 'publish = "open"\n', query="")
            runs[who].append(measure(spoken(start) if who == "pages" else start, label=f"pages: said by {who}", **wish))
    cpu = lambda run: step(run, "send")["cpu_us_per_message"]  # noqa: E731
    values = pairs(list(map(cpu, runs["pages"])), list(map(cpu, runs["application"])))
    every = runs["pages"] + runs["application"]
    what = "CPU per message of a page one to one, WebSocket, 16 outstanding; POST /pub in place of the floor"
    return {"figures": [figure(what, "≤ 1.1 × POST /pub", "µs", values, every, 1.1, ratio=True)]}


def spoken(start):
    """The same program, to which pages publish."""

    def begin(**wishes):
        program = start(**wishes)
        program.publishes = program.waits.replace("http://", "ws://").replace("/sub/{ch}", "/ws/")
        return program

    return begin


def webhooks(count):
    """Everybody joins and is told of to a receiver; beside it, a message is published while a webhook has nothing to tell."""
    told, plain = [], []
    with tokens(USERS) as values:
        for _ in range(min(count, 3)):
            told.append(events(values))
            steps, label = f"idle=1 join={USERS} idle=3", "webhooks: nobody is told"
            plain.append(measure(of(PRESENCE), steps, label=label, values=values, **wish_for(USERS)))
    rates = [USERS / run["seen"]["seconds"] for run in told]
    cost = lambda run: sum(one["server_s"] for one in run["steps"][1:]) * 1e6 / USERS  # noqa: E731
    more = [cost(a) - cost(b) for a, b in zip(told, plain, strict=True)]
    batches = [USERS / run["seen"]["calls"] for run in told]
    least = figure("webhooks: events a second, one receiver that answers in 5 ms", "≥ 50,000", "/s", spread(rates), told)
    return {
        "figures": [
            least | {"met": least["ours"] >= 50_000},
            figure("webhooks: CPU an event, all told", "≤ 2 µs", "µs", spread(more), told + plain, 2),
            figure("webhooks: events a call", "", "", spread(batches), told),
            *beside(count),
        ],
    }


def events(values):
    """Joins of all, told to a receiver that answers when the last one is there; and how long that takes it then."""
    wish, label = wish_for(USERS), "webhooks: events"
    with Receiver(ANSWER_S, held=True) as receiver:
        start, flags = of(PRESENCE + hook(receiver, "user.joined")), ["--webhook-timeout", "1m"]
        with start(flags=flags, **wish.pop("server")) as program:
            words = crowd(program, f"idle=1 join={USERS} enter idle=1", values=values, **wish)
            COMMANDS[label] = (" ".join(program.command), shlex.join(words))
            with Crowd(words) as many:
                seconds = many.enter(lambda: drained(receiver))
                report = judged(many.report(), label)
        print(f"    {label}: {USERS:,} in {seconds:.2f} s, {receiver.calls} calls", flush=True)
        return report | {"seen": {"seconds": seconds, "calls": receiver.calls}}


def drained(receiver):
    """How long it takes until the last event is there, from when the receiver answers."""
    begun = receiver.go_on()
    return receiver.until(USERS) - begun


def hook(receiver, *types):
    """A webhook of these events, as the settings file has it."""
    return f'[[webhook]]\nurl = "{receiver.url}"\nsecret = "{SIGNING}"\nevents = {list(types)}\n'


def beside(count):
    """How long a publisher waits for its answer: beside a webhook that is told of other things, and without one, in turn."""
    wish = {"steps": "join=1000 send=8000~800", "channels": "each", "scatter": True}
    runs = {"with": [], "without": []}
    with Receiver(ANSWER_S) as receiver:
        for turn in range(count):
            for how in sorted(runs, reverse=turn % 2):
                text = hook(receiver, "user.joined", "user.left") if how == "with" else ""
                runs[how].append(measure(of(text, query=""), label=f"webhooks: {how} an idle one", **wish))
    every = runs["with"] + runs["without"]
    for what, get in (
        ("p99 of a publisher's answer", lambda one: one["answer_ms"]["p99"]),
        ("p99 until the message is there", lambda one: one["latency_ms"]["p99"]),
    ):
        ours, bare = ([get(step(run, "send")) for run in runs[how]] for how in ("with", "without"))
        what = f"{what}, beside an idle webhook; without in place of the floor"
        yield figure(what, "≤ 1.1 × without", "ms", pairs(ours, bare), every, 1.1, ratio=True)


ROWS = {"pages": pages, "webhooks": webhooks}
