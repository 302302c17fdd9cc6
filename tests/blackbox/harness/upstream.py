"""Applications that are asked: a real PHP site, and a server that does what it is told."""

import http.server
import inspect
import os
import pathlib
import socket
import subprocess
import ssl
import threading
import time

from .program import PATIENCE_S, free_port, until


class Php:
    """PHP's own server with these files."""

    def __init__(self, folder, workers=4, **files):
        for name, text in files.items():
            pathlib.Path(folder, f"{name}.php").write_text(text)
        self.port = free_port()
        self.process = subprocess.Popen(
            ["php", "-d", f"session.save_path={folder}", "-S", f"127.0.0.1:{self.port}", "-t", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PHP_CLI_SERVER_WORKERS": str(workers)},
            start_new_session=True,
        )
        until(self._answers, "PHP answers")

    def _answers(self):
        assert self.process.poll() is None, "PHP ended"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def address(self):
        return "127.0.0.1", self.port

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def stop(self):
        # The workers are of its own process group, which nobody else is in.
        os.killpg(self.process.pid, 15)
        self.process.wait(PATIENCE_S)


class Application:
    """A server whose `answer(path, headers)`, or `answer(path, headers, body)`, gives status, headers and body; all requests are kept."""

    def __init__(self, answer, tls=None):
        """`tls`: the files of a certificate for localhost and of its key."""
        application, self.tls = self, tls
        self.requests, self.most, self.now, self.lock = [], 0, 0, threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                with application.lock:
                    application.requests.append((self.command, self.path, dict(self.headers), body))
                    application.now += 1
                    application.most = max(application.most, application.now)
                try:
                    about = (self.path, self.headers, body)
                    status, headers, said = answer(*about[: len(inspect.signature(answer).parameters)])
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(said)))
                    self.end_headers()
                    self.wfile.write(said)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                finally:
                    with application.lock:
                        application.now -= 1

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_one

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 1024
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = serving(tls).wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        name = "https://localhost" if self.tls else "http://127.0.0.1"
        return f"{name}:{self.server.server_address[1]}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


def serving(tls):
    """What a server of TLS shows: the files of a certificate and of its key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*tls)
    return context


def slowly(seconds, answer):
    def slow(path, headers):
        time.sleep(seconds)
        return answer(path, headers)

    return slow
