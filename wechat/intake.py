"""What the inbound half of the gateway hangs on to the console."""

from __future__ import annotations

from core import sweep
from wechat import inbox, storing


def register() -> None:
    """Called once, by ready()."""
    sweep.register("spool", _spool)
    sweep.register("inbox", inbox.drain)


def _spool() -> None:
    if storing.drain_spool():
        inbox.drain()
