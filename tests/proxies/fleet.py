"""Ten ways to stand in front of the program: each proxy runs the file in deploy/proxies that docs/proxies.md shows.

A file is run as it stands; only where it listens, where the program is, and what a test must keep in a folder of its
own are other than what a user pastes.
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time

from harness.program import ROOT, until

FILES = ROOT / "deploy" / "proxies"
TOOLS = ROOT / ".tools"
# Where the packages of tests/requirements.txt are; Envoy is one of them.
VENV = pathlib.Path(sysconfig.get_path("purelib"))
PATIENCE_S = 30
# What ends within this time ends by itself; nobody waits for clients that are still there.
GRACE_S = 1
TRIES = 3


class Proxy:
    """One running proxy, on a port of its own. What the file says about silence is `silence_s`, if that is given."""

    # The command's path, the file of deploy/proxies, and the ways to wait that it ends at the server when its client left.
    program, file, tells_at_once = "", "", {"sse", "stream", "poll", "ws"}
    # What stands before /sub/, and how often in a row it is reloaded.
    path, reloads = "", 3

    def __init__(self, upstream, silence_s=None, change=lambda text: text):
        self.upstream, self.silence_s, self.change = upstream, silence_s, change
        self.upstream_host, self.upstream_port = upstream.rsplit(":", 1)
        self.folder = tempfile.TemporaryDirectory()
        # Some become another user, who must get in.
        os.chmod(self.folder.name, 0o777)
        self.config = os.path.join(self.folder.name, self.file)
        self.log = os.path.join(self.folder.name, "log")
        self.processes = []
        # A port that was free may be somebody's when the proxy comes to it.
        until(self.begins, f"{self.file} listens", PATIENCE_S * TRIES)

    def begins(self):
        self.address = ("127.0.0.1", free_port())
        self.url = f"http://127.0.0.1:{self.port}{self.path}"
        self.write()
        self.processes.clear()
        self.start()
        until(lambda: self.listens() or self.processes[-1].poll() is not None, f"{self.file} listens")
        if self.processes[-1].poll() is None:
            return True
        text = pathlib.Path(self.log).read_text(errors="replace")
        assert "in use" in text, text
        return False

    @property
    def port(self):
        return self.address[1]

    @classmethod
    def there(cls):
        """Whether it is installed."""
        return shutil.which(cls.program) is not None

    def write(self):
        """The file, with this upstream and this port."""
        text = self.change((FILES / self.file).read_text()).replace("127.0.0.1:8088", self.upstream)
        if self.silence_s:
            text = text.replace("75s", f"{self.silence_s}s").replace("75000", f"{self.silence_s}000")
        pathlib.Path(self.config).write_text(self.adapt(text))

    def adapt(self, text):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def start(self):
        with open(self.log, "ab") as log:
            # A group of its own, which is ended as a whole.
            words = {"stdout": log, "stderr": log, "cwd": self.folder.name, "start_new_session": True}
            self.processes.append(subprocess.Popen(self.command(), **words))

    def reload(self):
        """As its service does it; clients may stay, or must come back."""
        self.processes[-1].send_signal(signal.SIGHUP)

    def listens(self):
        with socket.socket() as one:
            return one.connect_ex(self.address) == 0

    def stop(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(self.folder.name, ignore_errors=True)


class Nginx(Proxy):
    program, file = "/usr/sbin/nginx", "nginx.conf"

    def adapt(self, text):
        kinds = ["proxy", "client_body", "fastcgi", "uwsgi", "scgi"]
        folders = " ".join(f"{kind}_temp_path {self.folder.name}/{kind};" for kind in kinds)
        user = "user root; " if os.getuid() == 0 else ""
        text = text.replace("http {\n", f"http {{ access_log off; {folders}\n", 1)
        text = text.replace("listen 80;", f"listen 127.0.0.1:{self.port};")
        return f"{user}daemon off; pid {self.folder.name}/pid; error_log stderr;\n{text}"

    def command(self):
        return [self.program, "-c", self.config]


class NginxPath(Nginx):
    """The same, with the WAIT line behind /push/."""

    file, path = "nginx-path.conf", "/push"


class HAProxy(Proxy):
    program, file = "/usr/sbin/haproxy", "haproxy.cfg"

    def adapt(self, text):
        return text.replace("bind :80", f"bind 127.0.0.1:{self.port}")

    def command(self):
        return [self.program, "-W", "-db", "-f", self.config]

    def reload(self):
        self.processes[-1].send_signal(signal.SIGUSR2)


class Apache(Proxy):
    program, file, tells_at_once = "/usr/sbin/apache2", "apache.conf", {"ws"}

    def adapt(self, text):
        modules = ["mpm_event", "authz_core", "proxy", "proxy_http"]
        load = [f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules]
        first = [
            f"ServerRoot {self.folder.name}",
            f"DefaultRuntimeDir {self.folder.name}",
            f"PidFile {self.folder.name}/pid",
            f"ErrorLog {self.folder.name}/errors",
            "ServerName localhost",
            *load,
        ]
        text = text.replace("Listen 80", f"Listen 127.0.0.1:{self.port}").replace("*:80", f"*:{self.port}")
        return "\n".join([*first, text.replace("/etc/apache2", self.folder.name)])

    def command(self):
        return [self.program, "-DFOREGROUND", "-f", self.config]

    def reload(self):
        self.processes[-1].send_signal(signal.SIGUSR1)


class Varnish(Proxy):
    program, file, tells_at_once = "/usr/sbin/varnishd", "varnish.vcl", {"sse", "stream", "ws"}

    def adapt(self, text):
        text = text.replace('.host = "127.0.0.1"', f'.host = "{self.upstream_host}"')
        return text.replace('.port = "8088"', f'.port = "{self.upstream_port}"')

    def command(self):
        listens = ["-a", f"127.0.0.1:{self.port}", "-f", self.config, "-n", f"{self.folder.name}/work"]
        return [self.program, "-F", "-j", "none", *listens, "-s", "malloc,16m"]

    def reload(self):
        name = f"again{time.monotonic_ns()}"
        for words in (["vcl.load", name, self.config], ["vcl.use", name]):
            command = ["/usr/bin/varnishadm", "-n", f"{self.folder.name}/work", *words]
            subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_S)


class Lighttpd(Proxy):
    program, file, tells_at_once = "/usr/sbin/lighttpd", "lighttpd.conf", {"ws"}
    # It serves nobody new until those who are there are gone or cut: once more meanwhile is more of the same.
    reloads = 1

    def adapt(self, text):
        text = text.replace("8089", str(free_port()))
        text = text.replace("server.port = 80", f'server.port = {self.port}\nserver.bind = "127.0.0.1"')
        text = text.replace('"host" => "127.0.0.1", "port" => "8088"',
                            f'"host" => "{self.upstream_host}", "port" => "{self.upstream_port}"')
        return text.replace("/var/www/html", self.folder.name)

    def command(self):
        return [self.program, "-D", "-f", self.config]

    def reload(self):
        self.processes[-1].send_signal(signal.SIGUSR1)


class Squid(Proxy):
    program, file = "/usr/sbin/squid", "squid.conf"

    def adapt(self, text):
        # It knows one host only; the clients of these tests call it by its address.
        text = text.replace("push.example", "127.0.0.1")
        text = text.replace("http_port 80 ", f"http_port 127.0.0.1:{self.port} ")
        text = text.replace("127.0.0.1 parent 8088", f"{self.upstream_host} parent {self.upstream_port}")
        return "\n".join([
            f"pid_filename {self.folder.name}/pid",
            f"access_log none\ncache_log {self.folder.name}/log2\nlogfile_rotate 0",
            f"coredump_dir {self.folder.name}\nicp_port 0\nshutdown_lifetime 1 second\npinger_enable off",
            text,
        ])

    def command(self):
        return [self.program, "-N", "-n", f"t{self.port}", "-f", self.config]


class Caddy(Proxy):
    program, file = str(TOOLS / "caddy"), "Caddyfile"

    def adapt(self, text):
        self.admin = f"127.0.0.1:{free_port()}"
        text = text.replace("push.example", f"http://127.0.0.1:{self.port}")
        return f"{{\n\tadmin {self.admin}\n\tpersist_config off\n\tdefault_bind 127.0.0.1\n}}\n{text}"

    def command(self):
        return [self.program, "run", "--config", self.config, "--adapter", "caddyfile"]

    def reload(self):
        words = ["reload", "--force", "--config", self.config, "--adapter", "caddyfile", "--address", self.admin]
        subprocess.run([self.program, *words], check=True, capture_output=True, timeout=PATIENCE_S)


class Envoy(Proxy):
    program, file = str(VENV / "envoy" / "_bin" / "envoy"), "envoy.yaml"

    def adapt(self, text):
        text = text.replace("address: 127.0.0.1, port_value: 8088",
                            f"address: {self.upstream_host}, port_value: {self.upstream_port}")
        return text.replace("address: 0.0.0.0, port_value: 80", f"address: 127.0.0.1, port_value: {self.port}")

    def command(self):
        epoch = ["--restart-epoch", str(len(self.processes)), "--base-id", str(self.port)]
        again = ["--parent-shutdown-time-s", "3", "--drain-time-s", "1"]
        return [self.program, "-c", self.config, "--concurrency", "2", "-l", "warn", *epoch, *again]

    def reload(self):
        """The hot restart that its wrapper script does: a new one takes over, the old one ends."""
        self.start()


class H2o(Proxy):
    program, file, tells_at_once = "/usr/bin/h2o", "h2o.yaml", {"ws"}

    def adapt(self, text):
        return text.replace("listen: 80", f"listen:\n  host: 127.0.0.1\n  port: {self.port}\npid-file: {self.folder.name}/pid")

    def command(self):
        return [self.program, "-m", "master", "-c", self.config]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


ALL = [Nginx, NginxPath, HAProxy, Apache, Varnish, Lighttpd, Squid, Caddy, Envoy, H2o]

