"""Looking for due work without being told: every worker, every few seconds.

Celery stops consuming when Redis hangs; rows must be worked off all the same. So each
worker process keeps one thread per registered sweep that runs it every
`settings.SWEEP_SECONDS`, whatever the broker does. Sweeps may run in many processes at
once: what they do is claimed row by row.
"""

from __future__ import annotations

import logging
import random
import sys
import threading
from collections.abc import Callable
from typing import Any

from celery.signals import worker_process_init
from django.conf import settings
from django.db import connections

logger = logging.getLogger(__name__)

SWITCH_SECONDS = 0.0005

Sweep = Callable[[], object]
_sweeps: list[tuple[str, Sweep]] = []


def register(name: str, sweep: Sweep) -> None:
    """Add a sweep, in AppConfig.ready(). It returns within some 20 s."""
    _sweeps.append((name, sweep))


def start() -> None:
    """Start one daemon thread per sweep; called in every worker process."""
    # Drains wait for PostgreSQL some twenty times per row; a thread that comes back must
    # not stand in line for the default 5 ms behind one that is computing.
    sys.setswitchinterval(SWITCH_SECONDS)
    for name, sweep in _sweeps:
        threading.Thread(
            target=_repeat, args=(name, sweep), name=f"sweep-{name}", daemon=True
        ).start()


def _repeat(name: str, sweep: Sweep) -> None:
    pause = threading.Event()
    while True:
        # Spread, so that the processes of a worker do not all look at once.
        pause.wait(settings.SWEEP_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
        try:
            sweep()
        except Exception:
            # The next turn is independent: PostgreSQL may be back by then.
            logger.exception("Sweep %s failed", name)
        finally:
            # Many threads seldom at work must not hold a connection each.
            connections.close_all()


@worker_process_init.connect
def _start_in_worker(**_: Any) -> None:
    start()
