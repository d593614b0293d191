"""Making a callback durable: PostgreSQL, else the spool, within two seconds.

Plain SQL on a small pool of its own, so that slow pages never starve callbacks and a
hung database never holds one: the client gives up by itself, whatever the server or a
connection pooler in between does.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import Any, TypeVar

import psycopg
from celery import Task
from django.db import connections
from psycopg.abc import PQGen
from psycopg_pool import ConnectionPool, PoolTimeout

from core.crash import crash_point
from core.doorbell import ring_now
from core.encryption import encrypt
from wechat import spool
from wechat.spool import Received, Refused

logger = logging.getLogger(__name__)

STATEMENT_SECONDS = 1.5
CONNECTION_SECONDS = 0.5
POOL_SIZE = 4
# After a failure the database is left alone for so long; then one request tries.
PAUSE_SECONDS = 1.0

INSERT = """
INSERT INTO wechat_inboundevent
    (app_id, dedupe_key, kind, subject, body, received_at, state, hint,
     tries, next_at, error)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 0, now(), '')
ON CONFLICT (app_id, dedupe_key) DO NOTHING
"""

# Django's names of what says where the database is, and libpq's.
ADDRESS = {
    "HOST": "host",
    "PORT": "port",
    "NAME": "dbname",
    "USER": "user",
    "PASSWORD": "password",
}

T = TypeVar("T")


class Unavailable(Exception):
    """PostgreSQL does not answer in time."""


class NotDurable(Exception):
    """Neither PostgreSQL nor the disk took the callback."""


class _BoundedConnection(psycopg.Connection[Any]):
    """No statement waits longer than STATEMENT_SECONDS for its answer."""

    def wait(
        self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None
    ) -> T:
        return super().wait(gen, interval, timeout or STATEMENT_SECONDS)


class _Database:
    """The pool, and a breaker in front of it."""

    def __init__(self) -> None:
        self._pool: ConnectionPool[_BoundedConnection] | None = None
        self._address: tuple[str, ...] = ()
        self._lock = threading.Lock()
        self._probe = threading.Lock()
        self._paused_until = 0.0

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.close()
            self._pool, self._paused_until = None, 0.0

    def run(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement, committed on return.

        Raises Unavailable, and psycopg.Error when the statement itself is refused.
        """
        if self._paused_until == 0.0:
            return self._run(sql, values)
        # Down a moment ago: one request probes, the others go on without.
        if time.monotonic() < self._paused_until or not self._probe.acquire(False):
            raise Unavailable
        try:
            rows = self._run(sql, values)
            self._paused_until = 0.0
            return rows
        finally:
            self._probe.release()

    def _run(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            # After a restart of the server every pooled connection is dead once.
            for _ in range(POOL_SIZE + 1):
                try:
                    return self._attempt(sql, values)
                except psycopg.OperationalError as error:
                    last = error
                    if isinstance(error, PoolTimeout | psycopg.errors._WaitTimeout):
                        break
        except psycopg.InterfaceError as error:
            last = psycopg.OperationalError(str(error))
        self._paused_until = time.monotonic() + PAUSE_SECONDS
        logger.warning("PostgreSQL is away from the callbacks: %s", last)
        raise Unavailable from last

    def _attempt(self, sql: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        with self._opened().connection(timeout=CONNECTION_SECONDS) as link:
            try:
                cursor = link.execute(sql, values)
                return cursor.fetchall() if cursor.description else []
            except psycopg.errors._WaitTimeout:
                # Do not leave a statement behind that waits for a lock.
                with contextlib.suppress(psycopg.Error):  # hung, too
                    link.cancel_safe(timeout=CONNECTION_SECONDS)
                link.close()
                raise

    def _opened(self) -> ConnectionPool[_BoundedConnection]:
        known = connections["default"].settings_dict
        address = tuple(known[name] for name in ADDRESS)
        if self._pool is not None and address == self._address:
            return self._pool
        with self._lock:
            if self._pool is None or address != self._address:
                self._pool = ConnectionPool(
                    psycopg.conninfo.make_conninfo(
                        **dict(zip(ADDRESS.values(), address, strict=True))
                    ),
                    connection_class=_BoundedConnection,
                    kwargs={
                        "autocommit": True,
                        "prepare_threshold": None,
                        "connect_timeout": 2,
                    },
                    min_size=1,
                    max_size=POOL_SIZE,
                    # Give up quickly and try anew on demand: no growing back-off.
                    reconnect_timeout=1.0,
                    open=True,
                    name="callbacks",
                )
                self._address = address
            return self._pool


class _Keeper:
    """Empties this process's own disk once PostgreSQL is back.

    The worker's sweep does it too, where both share a machine.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._has_looked = False

    def look_once(self) -> None:
        """What an earlier process left behind."""
        if not self._has_looked:
            self._has_looked = True
            self.watch()

    def watch(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="spool-keeper", daemon=True
                )
                self._thread.start()

    def _run(self) -> None:
        pause = threading.Event()
        while self._goes_on():
            try:
                if drain_spool():
                    ring_now(_drain_task())
            except Unavailable:
                logger.debug("PostgreSQL is still away, the spool waits")
            except (OSError, psycopg.Error):
                logger.exception("The spool cannot be emptied now")
            pause.wait(PAUSE_SECONDS)

    def _goes_on(self) -> bool:
        # Under the lock, so that no callback is spooled unseen as the thread ends.
        with self._lock:
            waiting, bad = spool.depth()
            if waiting == bad:
                self._thread = None
            return waiting != bad


def _drain_task() -> Task[Any, Any]:
    # The task's module imports the whole inbox, which the web needs for this only.
    from wechat.tasks import drain_inbox

    return drain_inbox


_database = _Database()
_keeper = _Keeper()


def reset() -> None:
    """Close the connections; the next use opens new ones."""
    _database.close()


def query(sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Read with the callbacks' own connections and bounds; raises Unavailable."""
    return _database.run(sql, values)


def keep(received: Received) -> None:
    """Make the callback durable and wake a worker; a known dedupe key is a success.

    Raises NotDurable: the platform must try again.
    """
    try:
        _insert(received)
    except (Unavailable, psycopg.Error) as error:
        if not isinstance(error, Unavailable):
            logger.exception("PostgreSQL refused a callback")
        _to_disk(received)
    else:
        crash_point("K11-after")
        ring_now(_drain_task())
        _keeper.look_once()


def drain_spool() -> int:
    """Move what waits on disk into PostgreSQL; returns how many.

    Raises Unavailable when PostgreSQL is still away.
    """
    count = spool.drain(_insert_or_refuse)
    if count:
        logger.info("%s spooled callbacks stored", count)
    return count


def _to_disk(received: Received) -> None:
    try:
        spool.put(received)
    except OSError as error:
        logger.exception("A callback can be kept nowhere and is left to the platform")
        raise NotDurable from error
    _keeper.watch()


def _insert(received: Received) -> None:
    values = (
        received.app_id,
        received.dedupe_key,
        received.kind,
        received.subject,
        encrypt(received.body),
        received.received_at,
        received.state,
        received.hint,
    )
    crash_point("K11-before")
    _database.run(INSERT, values)


def _insert_or_refuse(received: Received) -> None:
    try:
        _insert(received)
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        raise Refused from error
