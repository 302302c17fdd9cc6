"""nginx and HAProxy of Debian in front of the program, each in a folder of its own, on a free port."""

import os
import socket
import subprocess
import tempfile

from .program import free_port, until

NGINX, HAPROXY = "/usr/sbin/nginx", "/usr/sbin/haproxy"
PATIENCE_S = 30
UPGRADES = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;"


class Front:
    """A proxy that listens. PORT and FOLDER in its configuration become its own."""

    def __init__(self, command, config):
        self.folder = tempfile.TemporaryDirectory()
        self.address = "127.0.0.1", free_port()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        path = os.path.join(self.folder.name, "proxy.conf")
        with open(path, "w") as file:
            file.write(config.replace("PORT", str(self.address[1])).replace("FOLDER", self.folder.name))
        self.log = os.path.join(self.folder.name, "log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([*command, path], stdout=log, stderr=log)
        until(self.listens, "the proxy listens")

    def listens(self):
        if self.process.poll() is not None:
            with open(self.log) as log:
                raise AssertionError(log.read())
        with socket.socket() as one:
            return one.connect_ex(self.address) == 0

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self.folder.cleanup()


def nginx(server, inside="", version="1.1", beside="", listen="", block="", events="worker_connections 4096;", direct=False):
    """Passes all to `server`. What is said goes `inside` the location, `beside` the server's address, behind the
    port (`listen`), into the `block` of the server, and into that of `events`. `direct`: `server` may have a path."""
    target = server if direct else "one"
    upstream = "" if direct else f"upstream one {{ server {server}; {beside} }}"
    return _nginx(
        f"""http {{ access_log off; {_TEMPORARY} {upstream}
          server {{ listen 127.0.0.1:PORT {listen}; {block} location / {{
            proxy_pass http://{target}; proxy_http_version {version}; {inside} }} }} }}""",
        events=events,
    )


def nginx_stream(server, lines=""):
    """Passes bytes to `server`, whatever they are."""
    module = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;"
    return _nginx(f"stream {{ server {{ listen 127.0.0.1:PORT; proxy_pass {server}; {lines} }} }}", module)


def haproxy(server, lines="", options="", timeout="75s", mode="http", bind=""):
    """Passes all to `server`, its connections used by everybody; `options` stand behind the server's address, `bind`
    behind the port."""
    return Front(
        [HAPROXY, "-db", "-f"],
        f"""defaults
  mode {mode}
  timeout connect 5s
  timeout client {timeout}
  timeout server {timeout}
  timeout tunnel {timeout}
  {"http-reuse always" if mode == "http" else ""}
listen all
  bind 127.0.0.1:PORT {bind}
  {lines}
  server one {server} {options}
""",
    )


def _nginx(what, before="", events="worker_connections 4096;"):
    # As root it would leave to another user, who may not enter the folder.
    user = "user root;" if os.getuid() == 0 else ""
    first = f"daemon off; master_process off; pid FOLDER/pid; error_log stderr; {user} {before} events {{{events}}}"
    return Front([NGINX, "-c"], f"{first} {what}")


_TEMPORARY = " ".join(f"{kind}_temp_path FOLDER/{kind};" for kind in ["proxy", "client_body", "fastcgi", "uwsgi", "scgi"])
