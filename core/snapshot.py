"""Reading what seldom changes once for many rows of work.

    with snapshot.taken():            a drain takes one per look at its queue
        …
        rules = snapshot.of(("content.rules", account.pk), read_rules)

Outside `taken()` every call reads. A snapshot lives as long as one look at a queue, well
below a second under load, so that nobody has to tell it of changes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class _Local(threading.local):
    known: dict[Hashable, Any] | None = None


_local = _Local()


@contextmanager
def taken() -> Iterator[None]:
    """Let `of` remember within this block, in this thread; blocks don't share."""
    before, _local.known = _local.known, {}
    try:
        yield
    finally:
        _local.known = before


def of(key: Hashable, read: Callable[[], T]) -> T:
    """`read()`, or what it gave before in this block under the same key.

    `read` must return what is committed, never what the running transaction made, and
    nobody may change what it returned.
    """
    if _local.known is None:
        return read()
    if key not in _local.known:
        _local.known[key] = read()
    found: T = _local.known[key]
    return found
