"""Numbered places where a test kills the process, as a power cut would.

`CRASH_AT=K3` in the environment makes `crash_point("K3")` end the process with SIGKILL:
no handler runs, nothing is flushed. With `CRASH_FLAG=<path>` it dies only while that
file exists and removes it first, so that a process started again by its supervisor
lives. An installation with a public https address never dies here.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from django.conf import settings


def crash_point(name: str) -> None:
    """Die here when a test asked for it; costs one comparison otherwise."""
    if os.environ.get("CRASH_AT") == name and not settings.IS_HTTPS:
        _die()


def _die() -> None:
    flag = os.environ.get("CRASH_FLAG")
    if flag:
        try:
            Path(flag).unlink()
        except FileNotFoundError:
            return
    os.kill(os.getpid(), signal.SIGKILL)
