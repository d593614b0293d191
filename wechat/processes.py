"""Who a worker is, so that its death can be proved later on the same machine."""

from __future__ import annotations

import os
import platform
import threading
from pathlib import Path


def _started(pid: int) -> str:
    """When the process began, in clock ticks since boot; "" when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return stat.rpartition(")")[2].split()[19]


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]


def identity() -> str:
    """ "<host>:<boot>:<pid>:<start>:<thread>", at most 64 characters."""
    pid = os.getpid()
    host = platform.node()[:16]
    thread = threading.get_ident() % 100_000
    return f"{host}:{_boot()}:{pid}:{_started(pid)}:{thread}"


def is_proved_dead(owner: str) -> bool:
    """True only when the process certainly ended; False also means "can't tell"."""
    parts = owner.split(":")
    if len(parts) != 5 or not parts[2].isdigit():
        return False
    host, boot, pid, started, _thread = parts
    if host != platform.node()[:16]:
        return False
    return boot != _boot() or _started(int(pid)) != started
