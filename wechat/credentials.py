"""Tokens and keys of all apps, kept in the web process for its callbacks.

Read again every few seconds and when a signature does not match (a token was just
changed). While PostgreSQL is away the last known ones serve; a process that starts
meanwhile finds them encrypted beside the spool.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from core.encryption import Undecryptable, decrypt, encrypt
from wechat import spool, storing

logger = logging.getLogger(__name__)

FRESH_SECONDS = 5.0
# How soon after a reading an unknown slug or a bad signature causes another one.
RETRY_SECONDS = 0.1
SNAPSHOT = "apps.sealed"

READ = """
SELECT app.id, app.slug, account.kind, app.app_id, app.mode, app.token, app.aes_key
FROM wechat_app app JOIN wechat_account account ON account.id = app.account_id
WHERE app.is_active ORDER BY app.id
"""


@dataclass(frozen=True)
class Credentials:
    """`platform` is "mp" or "wecom"; `receive_id` the AppID or corp id."""

    app_pk: int
    slug: str
    platform: str
    receive_id: str
    mode: str
    token: str
    aes_key: str


class _Book:
    def __init__(self) -> None:
        self._apps: dict[str, Credentials] | None = None
        self._read_at = 0.0
        self._lock = threading.Lock()

    def find(self, slug: str, *, max_age: float) -> Credentials | None:
        apps = self._apps
        age = time.monotonic() - self._read_at
        if apps is None or age > max_age or (slug not in apps and age > RETRY_SECONDS):
            apps = self._read()
        return apps.get(slug)

    def is_older_than(self, seconds: float) -> bool:
        return time.monotonic() - self._read_at > seconds

    def _read(self) -> dict[str, Credentials]:
        # One thread reads, the others go on with what is known.
        if not self._lock.acquire(blocking=self._apps is None):
            assert self._apps is not None
            return self._apps
        try:
            self._apps = self._from_database()
        except storing.Unavailable:
            if self._apps is None:
                self._apps = _from_snapshot()
        finally:
            self._lock.release()
        self._read_at = time.monotonic()
        return self._apps

    def _from_database(self) -> dict[str, Credentials]:
        rows = storing.query(READ)
        apps = {app.slug: app for row in rows for app in _readable(row)}
        if apps != self._apps:
            _write_snapshot(apps)
        return apps


def _readable(row: tuple[Any, ...]) -> list[Credentials]:
    """The app of a row; nothing when its secrets were encrypted with a lost key."""
    try:
        return [_credentials(*row)]
    except Undecryptable:
        logger.exception("App %s takes no callbacks: its secrets can't be read", row[1])
        return []


def _credentials(  # noqa: PLR0913, RUF100
    pk: int,
    slug: str,
    kind: str,
    app_id: str,
    mode: str,
    token: bytes,
    aes_key: bytes,
) -> Credentials:
    return Credentials(
        app_pk=pk,
        slug=slug,
        platform="wecom" if kind == "wecom" else "mp",
        receive_id=app_id,
        mode=mode,
        token=decrypt(bytes(token)).decode() if token else "",
        aes_key=decrypt(bytes(aes_key)).decode() if aes_key else "",
    )


def _snapshot() -> Path:
    return Path(settings.SPOOL_DIR) / SNAPSHOT


def _write_snapshot(apps: dict[str, Credentials]) -> None:
    plain = json.dumps([asdict(app) for app in apps.values()])
    try:
        spool.write_durably(_snapshot(), encrypt(plain.encode()))
    except OSError as error:
        logger.warning("The apps cannot be kept beside the spool: %s", error)


def _from_snapshot() -> dict[str, Credentials]:
    """What an earlier process knew; raises storing.Unavailable when nothing is left."""
    try:
        known = json.loads(decrypt(_snapshot().read_bytes()))
        return {app["slug"]: Credentials(**app) for app in known}
    except (OSError, Undecryptable, ValueError, TypeError) as error:
        raise storing.Unavailable from error


_book = _Book()


def find(slug: str, *, max_age: float = FRESH_SECONDS) -> Credentials | None:
    """The active app behind a callback address; None when there is none.

    Raises storing.Unavailable when PostgreSQL is away and nothing is known.
    """
    return _book.find(slug, max_age=max_age)


def find_newer(slug: str, than: Credentials) -> Credentials | None:
    """The app as PostgreSQL has it now, when that differs from `than`."""
    if not _book.is_older_than(RETRY_SECONDS):
        return None
    found = _book.find(slug, max_age=RETRY_SECONDS)
    return found if found != than else None


def reset() -> None:
    """Know nothing, like a process that just started (tests)."""
    global _book
    _book = _Book()
