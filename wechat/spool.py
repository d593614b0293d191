"""Callbacks on disk while PostgreSQL is away.

One encrypted file per callback below SPOOL_DIR, durable before the platform hears
`success`: written under another name, fsynced, renamed, folder fsynced. Whoever drains
may do so twice: storing is idempotent, and a file goes only after its row is committed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
import uuid
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from core.encryption import Undecryptable, decrypt, encrypt

logger = logging.getLogger(__name__)

SUFFIX = ".event"
BAD_SUFFIX = ".bad"


@dataclass(frozen=True)
class Received:
    """A verified callback, ready to be stored; `body` is decrypted."""

    app_id: int
    dedupe_key: str
    kind: str
    subject: str
    body: bytes
    received_at: datetime
    state: str = "new"
    hint: str = ""


class Refused(Exception):
    """The database refuses this one record; others may pass."""


def write_durably(path: Path, content: bytes) -> None:
    """Create or replace `path` so that a power cut leaves the old or the new content.

    Raises OSError.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def put(received: Received) -> None:
    """Keep one callback; when this returns, it survives a power cut. Raises OSError."""
    record = asdict(received) | {
        "body": b64encode(received.body).decode(),
        "received_at": received.received_at.isoformat(),
    }
    name = f"{time.time_ns():020d}-{uuid.uuid4().hex}{SUFFIX}"
    write_durably(settings.SPOOL_DIR / name, encrypt(json.dumps(record).encode()))


def depth() -> tuple[int, int]:
    """How many callbacks wait on disk, and how many of those cannot be read."""
    names = _names()
    bad = sum(name.endswith(BAD_SUFFIX) for name in names)
    return sum(name.endswith(SUFFIX) for name in names) + bad, bad


def drain(store: Callable[[Received], object]) -> int:
    """Hand every waiting callback to `store`, oldest first; returns how many went.

    `store` commits the row before it returns. An exception other than Refused ends the
    drain: the database is still away and the files stay.
    """
    done = 0
    for name in sorted(name for name in _names() if name.endswith(SUFFIX)):
        path = settings.SPOOL_DIR / name
        try:
            store(_read(path))
        except FileNotFoundError:
            continue  # another process was faster
        except (Undecryptable, ValueError, KeyError, TypeError, Refused):
            logger.exception("Spooled callback %s cannot be stored; kept aside", name)
            with contextlib.suppress(FileNotFoundError):
                path.rename(path.with_suffix(BAD_SUFFIX))
            continue
        path.unlink(missing_ok=True)
        done += 1
    return done


def _read(path: Path) -> Received:
    record = json.loads(decrypt(path.read_bytes()))
    record["body"] = b64decode(record["body"])
    record["received_at"] = datetime.fromisoformat(record["received_at"])
    return Received(**record)


def _names() -> list[str]:
    try:
        return os.listdir(settings.SPOOL_DIR)
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_writable() -> bool:
    """Whether a callback could be kept on this machine's disk now."""
    folder = Path(settings.SPOOL_DIR)
    while not folder.exists():
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
