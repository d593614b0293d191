"""The virtual clock: the machine's, plus an offset that the control API may move."""

import time

from sandbox import options


def offset() -> float:
    """Seconds that the virtual clock is ahead of the machine's."""
    return float(options.get("clock_offset_seconds"))


def now() -> float:
    """Virtual Unix time in seconds."""
    return time.time() + offset()


def set_offset(seconds: float) -> None:
    options.put("clock_offset_seconds", seconds)
