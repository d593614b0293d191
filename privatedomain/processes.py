"""The processes of a running copy, one list for the supervisor, tests and faults.

python -m privatedomain.processes NAME    becomes that process (for systemd)
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from privatedomain.embedded import launched

BASE_DIR = Path(__file__).resolve().parent.parent
WORKERS = {"worker-realtime": "realtime", "worker": "default,bulk,reports"}
APP_PROCESSES = ("web", "live", "worker-realtime", "worker", "beat")


@dataclass(frozen=True)
class Process:
    """``argv`` runs in BASE_DIR with the copy's environment, under the launcher."""

    name: str
    program: tuple[str, ...]

    @property
    def argv(self) -> list[str]:
        return launched([sys.executable, "-m", *self.program])


def processes(environment: dict[str, str]) -> dict[str, Process]:
    """Every process by name; the sandbox too, whether it is wanted or not."""
    found = [
        Process("web", _web(environment)),
        Process("live", _live(environment)),
        *(Process(name, _worker(name, environment)) for name in WORKERS),
        Process("beat", ("celery", "-A", "privatedomain", "beat", "--pidfile=")),
        Process("sandbox", ("sandbox",)),
    ]
    return {process.name: process for process in found}


def _web(environment: dict[str, str]) -> tuple[str, ...]:
    return (
        "granian",
        *("--interface", "wsgi", "--no-ws"),
        *("--host", environment.get("BIND_HOST", "127.0.0.1")),
        *("--port", environment["PORT"]),
        *("--workers", environment.get("WEB_WORKERS", "2")),
        *("--blocking-threads", environment.get("WEB_THREADS", "8")),
        *("--respawn-failed-workers", "--workers-kill-timeout", "30"),
        "privatedomain.wsgi:application",
    )


def _live(environment: dict[str, str]) -> tuple[str, ...]:
    return (
        "uvicorn",
        *("--host", environment.get("BIND_HOST", "127.0.0.1")),
        *("--port", environment["LIVE_PORT"]),
        *("--lifespan", "on", "--no-access-log"),
        # Open pages hold their socket for hours: do not wait for them.
        *("--timeout-graceful-shutdown", "3"),
        "privatedomain.asgi:application",
    )


def _worker(name: str, environment: dict[str, str]) -> tuple[str, ...]:
    concurrency = environment.get(
        "WORKER_CONCURRENCY", str(min(os.cpu_count() or 2, 4))
    )
    return (
        *("celery", "-A", "privatedomain", "worker", "--loglevel", "INFO"),
        *("-Q", WORKERS[name], "-n", f"{name}-{environment['PORT']}@%h"),
        *("--concurrency", concurrency, "--pool", environment.get("POOL", "prefork")),
        # One database of rows is the queue: workers need not know each other.
        *("--without-mingle", "--without-gossip", "--without-heartbeat"),
    )


def main(argv: list[str]) -> None:
    """Become the named process; exits with an error when there is none of that name."""
    defaults = {"PORT": "8000", "LIVE_PORT": "8002", "SANDBOX_PORT": "8001"}
    known = processes(defaults | dict(os.environ))
    if len(argv) != 1 or argv[0] not in known:
        names = ",".join(known)
        sys.exit(f"usage: python -m privatedomain.processes {{{names}}}")
    # No launcher: systemd itself clears what a killed process leaves behind.
    os.execv(sys.executable, [sys.executable, "-m", *known[argv[0]].program])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
