"""A running copy for tests that need real processes: start, stop and kill each.

The processes run the real settings on a database of their own, so that what they
commit does not meet the rollbacks of other tests.

    stack.start("worker", LEASE_SECONDS="1", CRASH_AT="K5")   environment per start
    stack.kill("worker")                                      kill -9 of its main process
    with stack.orm():                                         the ORM on its database
        OutboundMessage.objects.count()
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from privatedomain import embedded
from privatedomain.processes import APP_PROCESSES, BASE_DIR, processes

T = TypeVar("T")
START_SECONDS = 30.0
STOP_SECONDS = 30.0
READY_PAUSE = 0.3


def wait_until(
    condition: Callable[[], T],
    seconds: float = 10.0,
    what: str = "",
    *,
    every: float = 0.05,
) -> T:
    """Poll until the condition is true; returns its value, fails after the time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or condition}")
        time.sleep(every)


@dataclass
class Stack:
    """One copy; nothing runs until it is started.

    ``postgres`` and ``redis`` are set for a stack with servers of its own.
    """

    data_dir: Path
    environment: dict[str, str]
    db_blocker: Any
    postgres: embedded.Postgres | None = None
    redis: embedded.Redis | None = None
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.environment['PORT']}"

    @property
    def live_url(self) -> str:
        return f"ws://127.0.0.1:{self.environment['LIVE_PORT']}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.environment['SANDBOX_PORT']}"

    @property
    def database_url(self) -> str:
        return self.environment["DATABASE_URL"]

    @property
    def redis_url(self) -> str:
        return self.environment["REDIS_URL"]

    # -- processes

    def start(self, *names: str, **extra: str) -> None:
        """Start processes (all of the console when none is named), not waiting.

        Args:
            names: web, live, worker-realtime, worker, beat, sandbox, postgres, redis.
            extra: environment for this start only, for example ``POOL="solo"``.
        """
        for name in names or APP_PROCESSES:
            assert name not in self.running, f"{name} runs already"
            environment = self.environment | extra
            server = {"postgres": self.postgres, "redis": self.redis}.get(name)
            if server is not None:
                self.running[name] = embedded.start(server)
                continue
            with self.log(name).open("ab") as log:
                self.running[name] = subprocess.Popen(
                    processes(environment)[name].argv,
                    cwd=BASE_DIR,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def stop(self, *names: str) -> None:
        """SIGTERM and wait, finishing running work; all when none is named."""
        servers = [name for name in ("redis", "postgres") if name in self.running]
        chosen = names or [n for n in self.running if n not in servers] + servers
        for name in chosen:
            self.running[name].terminate()
            if name in servers:
                self.running.pop(name).wait(STOP_SECONDS)
        for name in chosen:
            if name in self.running:
                self.running.pop(name).wait(STOP_SECONDS)

    def kill(self, name: str) -> None:
        """kill -9 of the main process; returns when all of it is gone."""
        os.kill(self.pid(name), signal.SIGKILL)
        self.running.pop(name).wait(STOP_SECONDS)

    def wait_end(self, name: str, seconds: float = 20.0) -> int:
        """Wait for a process to end by itself (a crash point); its exit code."""
        return self.running.pop(name).wait(seconds)

    def pid(self, name: str) -> int:
        """The main process: the launcher's only child of its own."""
        launcher = self.running[name].pid
        children = Path(f"/proc/{launcher}/task/{launcher}/children")
        return int(
            wait_until(children.read_text, what=f"{name} has a process").split()[0]
        )

    def is_running(self, name: str) -> bool:
        return name in self.running and self.running[name].poll() is None

    def log(self, name: str) -> Path:
        return self.data_dir / "logs" / f"{name}.log"

    # -- questions

    def get(self, path: str, seconds: float = 5.0) -> tuple[int, bytes]:
        """Status and body of a GET on the console; (0, b"") when nobody answers."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=seconds) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def readyz(self) -> tuple[int, dict[str, Any]]:
        status, body = self.get("/readyz")
        return status, json.loads(body) if body else {}

    def wait_ready(self, seconds: float = START_SECONDS) -> None:
        """Wait until /readyz is 200: everything is started."""
        with self._logs_on_failure():
            # Each look asks every part of the copy.
            wait_until(
                lambda: self.readyz()[0] == 200, seconds, "ready", every=READY_PAUSE
            )

    def wait_web(self, seconds: float = START_SECONDS) -> None:
        """Wait until the web process answers, whatever it says."""
        with self._logs_on_failure():
            wait_until(lambda: self.get("/readyz")[0], seconds, "web answers")

    def wait_sandbox(self, seconds: float = START_SECONDS) -> None:
        def answers() -> bool:
            with contextlib.suppress(OSError):
                address = f"{self.sandbox_url}/control/accounts"
                return urllib.request.urlopen(address, timeout=5).status == 200
            return False

        with self._logs_on_failure():
            wait_until(answers, seconds, "sandbox answers")

    # -- data

    def manage(self, *args: str, seconds: float = 120.0, **extra: str) -> str:
        """Run a management command on this copy; returns its output."""
        answer = subprocess.run(
            [sys.executable, "manage.py", *args],
            cwd=BASE_DIR,
            env=self.environment | extra,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return answer.stdout

    @contextlib.contextmanager
    def orm(self) -> Iterator[None]:
        """Point this process's ORM at the stack's database; every write is committed."""
        from django.db import connection

        from privatedomain.settings import database

        kept = dict(connection.settings_dict)
        with self.db_blocker.unblock():
            connection.close()
            connection.settings_dict.update(database(self.database_url))
            try:
                yield
            finally:
                connection.close()
                connection.settings_dict.clear()
                connection.settings_dict.update(kept)

    @contextlib.contextmanager
    def _logs_on_failure(self) -> Iterator[None]:
        try:
            yield
        except AssertionError as error:
            tails = [
                f"--- {path.name}\n" + path.read_text(errors="replace")[-1500:]
                for path in sorted((self.data_dir / "logs").glob("*.log"))
            ]
            raise AssertionError("\n".join([str(error), *tails])) from error
