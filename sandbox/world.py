"""The one lock and transaction in which the simulated world changes.

SQLite has one writer. Waiting for it inside SQLite means sleeping up to 100 ms at a
time; waiting on a lock of the process does not.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

_lock = threading.RLock()


@contextmanager
def change() -> Iterator[None]:
    """Hold the world still and commit everything done inside at once; one change
    inside another is a part of it, without a savepoint of its own."""
    with _lock, transaction.atomic(savepoint=False):
        yield
