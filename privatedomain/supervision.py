"""The supervisor of a running copy: its configuration and a line to talk to it.

supervisord signals main processes only, so that a stop lets running work finish; a
process that ends is started again. Every program runs under ``launcher.py``, which
clears what a killed program leaves behind.
"""

import http.client
import socket
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from pathlib import Path
from typing import Any

from privatedomain import embedded
from privatedomain.instance import BASE_DIR, Instance, write_private
from privatedomain.processes import APP_PROCESSES, processes

# A UNIX socket's path may have 107 bytes; supervisord adds its process id at first.
MAX_SOCKET_PATH = 95
STOP_SECONDS = 75
STARTING = {"STARTING", "BACKOFF", "RUNNING"}


class Supervisor:
    """One supervisord, a child of this process."""

    def __init__(self, instance: Instance, environment: dict[str, str]) -> None:
        self.instance = instance
        self.environment = environment
        self._folder = tempfile.TemporaryDirectory(prefix="privatedomain-")
        own = instance.run_dir / "supervisor.sock"
        is_short = len(str(own).encode()) <= MAX_SOCKET_PATH
        self.socket = own if is_short else Path(self._folder.name) / "supervisor.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, servers: list[embedded.Server]) -> None:
        """Start supervisord with the servers and the sandbox, not yet the console."""
        path = self.instance.run_dir / "supervisord.conf"
        write_private(path, self._configuration(servers))
        command = [
            sys.executable,
            "-m",
            "supervisor.supervisord",
            "-n",
            "-c",
            str(path),
        ]
        self._process = subprocess.Popen(  # noqa: S603
            # When this process is killed, supervisord is told to stop everything.
            embedded.launched(command),
            cwd=BASE_DIR,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # The terminal's Ctrl-C is for us, we tell the supervisor.
            start_new_session=True,
        )

    def start_console(self) -> None:
        self._call("startProcessGroup", "console", False)

    def states(self) -> dict[str, str]:
        """State name of each program, by name; empty when supervisord is away."""
        try:
            found = self._call("getAllProcessInfo")
        except OSError:
            return {}
        return {each["name"]: each["statename"] for each in found}

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop all programs, finishing running work, then supervisord."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        self._folder.cleanup()

    def _call(self, method: str, *args: Any) -> Any:
        deadline = time.monotonic() + 10
        while True:
            proxy = xmlrpc.client.ServerProxy(
                "http://supervisor", transport=_SocketTransport(self.socket)
            )
            try:
                return getattr(proxy.supervisor, method)(*args)
            except (FileNotFoundError, ConnectionRefusedError):
                if time.monotonic() > deadline or not self.is_running:
                    raise
                time.sleep(0.05)

    def _configuration(self, servers: list[embedded.Server]) -> str:
        logs = self.instance.log_dir
        parts = [
            "[unix_http_server]",
            f"file={self.socket}",
            "chmod=0700",
            "[supervisord]",
            f"logfile={logs}/supervisord.log",
            "logfile_maxbytes=5MB",
            "logfile_backups=2",
            f"pidfile={self.instance.run_dir}/supervisord.pid",
            f"directory={BASE_DIR}",
            "minfds=1024",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory="
            "supervisor.rpcinterface:make_main_rpcinterface",
        ]
        # Low priorities start first and stop last: servers outlive who uses them.
        for priority, server in enumerate(servers, start=1):
            name = type(server).__name__.lower()
            parts += self._program(name, server.argv(), priority, starts=True)
        known = processes(self.environment)
        if self.instance.is_demo:
            parts += self._program("sandbox", known["sandbox"].argv, 50, starts=True)
        parts += [
            "[group:console]",
            f"programs={','.join(APP_PROCESSES)}",
            "priority=99",
        ]
        for name in APP_PROCESSES:
            parts += self._program(name, known[name].argv, 99, starts=False)
        return "\n".join(parts) + "\n"

    def _program(
        self, name: str, argv: list[str], priority: int, *, starts: bool
    ) -> list[str]:
        command = " ".join(_quoted(word) for word in argv)
        return [
            f"[program:{name}]",
            f"command={command}",
            f"priority={priority}",
            f"autostart={str(starts).lower()}",
            "autorestart=true",
            "startsecs=1",
            # Some seconds of a port still held must not end in giving up.
            "startretries=12",
            "stopsignal=TERM",
            f"stopwaitsecs={STOP_SECONDS}",
            "stopasgroup=false",
            "killasgroup=true",
            "redirect_stderr=true",
            f"stdout_logfile={self.instance.log_dir}/{name}.log",
            "stdout_logfile_maxbytes=10MB",
            "stdout_logfile_backups=3",
        ]


def _quoted(word: str) -> str:
    """A word of a supervisord command line: it expands %, splits as a shell does."""
    word = word.replace("%", "%%")
    return word if word.isascii() and not set(word) & set(" '\"\\;") else f'"{word}"'


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("supervisor", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _SocketTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> _SocketConnection:
        return _SocketConnection(self._path)
