"""An application that knows who is online, by webhooks alone: a table `online_users` that is right whatever is killed when.

Plain Python, nothing to install. The server calls it; it asks the server for a list only when it is told of a gap.
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

SERVER = os.environ.get("MULTIPLEXOR", "http://127.0.0.1:10010")
SECRET = os.environ["MULTIPLEXOR_WEBHOOK_SECRET"]
PORT = int(os.environ.get("PORT", "8000"))
TABLES = """
create table if not exists online_users (user text primary key, since real);
create table if not exists calls (id text primary key, at real);
create table if not exists listed (cursor text);
"""


def is_signed(headers, body):
    """Standard Webhooks: HMAC-SHA256 over id, time and body, by the secret that the server has, too."""
    identity, seconds = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "0")
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = hmac.digest(key, f"{identity}.{seconds}.".encode() + body, hashlib.sha256)
    right = "v1," + base64.b64encode(signed).decode()
    is_right = any(hmac.compare_digest(right, one) for one in headers.get("webhook-signature", "").split(" "))
    return is_right and seconds.isdigit() and abs(time.time() - int(seconds)) < 300


def users():
    """All who are online, and the cursor from which on events complete the list: that of the first page."""
    found, first, after = [], None, None
    while first is None or after is not None:
        query = urllib.parse.urlencode({"limit": 1000} | ({"after": after} if after else {}))
        with urllib.request.urlopen(f"{SERVER}/users?{query}", timeout=10) as answer:
            page = json.load(answer)
        first, after = first or page["cursor"], page.get("next")
        found += [(one["user"], one["since"]) for one in page["users"]]
    return found, first


def is_behind(cursor, listed):
    """Whether a cursor is behind another one. Its first seven characters say in which order it counts."""
    return listed is None or cursor[:7] != listed[:7] or (len(cursor), cursor) > (len(listed), listed)


def carry_out(database, identity, said):
    """Carries out one call, in one transaction, and once: whatever is killed meanwhile, it comes again or was done."""
    with database:
        database.execute("begin immediate")
        if database.execute("select 1 from calls where id = ?", (identity,)).fetchone():
            return
        if said.get("gap"):
            found, cursor = users()
            database.execute("delete from online_users")
            database.executemany("insert or replace into online_users values (?, ?)", found)
            database.execute("delete from listed")
            database.execute("insert into listed values (?)", (cursor,))
        listed = database.execute("select cursor from listed").fetchone()
        for event in said["events"]:
            # What the list knows already is older than it.
            if not is_behind(event["cursor"], listed and listed[0]):
                continue
            if event["type"] == "user.online":
                database.execute("insert or replace into online_users values (?, ?)", (event["user"], event["time"]))
            elif event["type"] == "user.offline":
                database.execute("delete from online_users where user = ?", (event["user"],))
        database.execute("insert into calls values (?, ?)", (identity, time.time()))
        # It is tried for a day; nothing older comes again.
        database.execute("delete from calls where at < ?", (time.time() - 2 * 86400,))


class Application(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not is_signed(self.headers, body):
            return self.answer(400, {"error": "the signature is wrong"})
        try:
            carry_out(self.server.database, self.headers["webhook-id"], json.loads(body))
        except (OSError, sqlite3.Error) as error:
            # The server does not answer, or the disk is full: the call comes again.
            return self.answer(503, {"error": str(error)})
        self.answer(200, {})

    def do_GET(self):
        found = self.server.database.execute("select user, since from online_users order by user").fetchall()
        self.answer(200, {"online_users": [{"user": user, "since": since} for user, since in found]})

    def answer(self, status, said):
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        try:
            self.end_headers()
            self.wfile.write(text)
        except ConnectionError:
            pass  # Whoever asked has gone, and asks again.

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    database = sqlite3.connect(os.environ.get("DATABASE", "online.db"), isolation_level=None)
    database.executescript(TABLES)
    server = HTTPServer(("127.0.0.1", PORT), Application)
    server.database = database
    print(f"who is online: http://127.0.0.1:{server.server_address[1]}/", flush=True)
    server.serve_forever()
