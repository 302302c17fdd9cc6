"""The example of webhooks: a table of who is online that is right, whatever is killed when."""

import json
import os
import random
import signal
import subprocess
import sys
import time

from harness.program import ROOT, Program, free_port, request, until
from harness.receiver import SECRET
from harness.tokens import SECRET as TOKENS
from harness.tokens import make_token
from harness.wire import Sse

APP = ROOT / "examples" / "online-users" / "app.py"


class Application:
    def __init__(self, folder, port, line):
        self.port, self.folder, self.line = port, folder, line
        self.start()

    def start(self):
        said = {"MULTIPLEXOR": self.line, "MULTIPLEXOR_WEBHOOK_SECRET": SECRET, "PORT": str(self.port), "DATABASE": f"{self.folder}/online.db"}
        clean = {key: value for key, value in os.environ.items() if not key.startswith("MULTIPLEXOR")}
        self.process = subprocess.Popen([sys.executable, str(APP)], env=clean | said, stdout=subprocess.PIPE, text=True)
        assert "who is online" in self.process.stdout.readline()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def table(self):
        status, _, body = request(("127.0.0.1", self.port), "GET", "/")
        assert status == 200
        return {one["user"] for one in json.loads(body)["online_users"]}


class Server:
    """A program with a store on ports that stay the same."""

    def __init__(self, folder, app_port, store=True):
        self.ports = [free_port(), free_port()]
        self.file = folder / "online.toml"
        self.file.write_text(f'[[webhook]]\nurl = "http://127.0.0.1:{app_port}/"\nsecret = "{SECRET}"\nevents = ["user.online", "user.offline"]\n')
        self.flags = ["--store", str(folder / "store")] if store else []
        self.start()

    def start(self):
        wait, line = self.ports
        self.program = Program(
            "--wait", f"127.0.0.1:{wait}", "--in", f"127.0.0.1:{line}", "--config", str(self.file), "--token-secret", TOKENS,
            "--presence-grace", "1s", *self.flags, ports=False,
        )

    def kill(self):
        self.program.process.send_signal(signal.SIGKILL)
        self.program.process.wait()


class Crowd:
    """Users who are there or not."""

    def __init__(self, server):
        self.server, self.streams = server, {}

    def come(self, user):
        self.streams[user] = Sse(self.server.program, f"/sse/{user}?token={make_token(sub=user)}")
        self.streams[user].block()

    def go(self, user):
        self.streams.pop(user).wire.close()

    def come_back(self):
        """All come back, as their browsers do, when the server is there again."""
        for user in list(self.streams):
            self.go(user)
            self.come(user)


def check_churn(tmp_path, rounds, seed, store=True):
    chance = random.Random(seed)
    app_port = free_port()
    server = Server(tmp_path, app_port, store)
    app = Application(tmp_path, app_port, server.program.in_url)
    crowd = Crowd(server)
    try:
        for _ in range(rounds):
            for user in (f"user{number}" for number in range(12)):
                if chance.random() < 0.4:
                    crowd.go(user) if user in crowd.streams else crowd.come(user)
            what = chance.choice(["app", "server", "both", "nothing"])
            if what in ("app", "both"):
                app.kill()
            if what in ("server", "both"):
                time.sleep(chance.random() / 2)
                server.kill()
                server.start()
                crowd.come_back()
            if what in ("app", "both"):
                app.start()
            until(lambda: app.table() == set(crowd.streams), f"after {what}, the table is right: {app.table()} {set(crowd.streams)}", 90)
    finally:
        app.kill()
        for user in list(crowd.streams):
            crowd.go(user)
        server.kill()


def test_the_table_is_right_whatever_is_killed_when(tmp_path):
    check_churn(tmp_path, 5, 11)


def test_it_is_right_without_a_store_too(tmp_path):
    check_churn(tmp_path, 3, 5, store=False)


def test_nobody_else_can_write_into_it(tmp_path):
    app = Application(tmp_path, free_port(), "http://127.0.0.1:1")
    try:
        body = json.dumps({"events": [{"type": "user.online", "user": "eve", "time": 1, "cursor": "a"}]}).encode()
        forged = {"webhook-id": "x", "webhook-timestamp": str(int(time.time())), "webhook-signature": "v1,AAAA"}
        assert request(("127.0.0.1", app.port), "POST", "/", body, forged)[0] == 400
        assert app.table() == set()
    finally:
        app.kill()
