"""What the platform answered, on this machine's disk before it is in the database.

A sender killed between the answer and its record leaves a line here; the reaper adopts
it, so that a message the platform took does not end as "unknown".
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

KEEP_DAYS = 3


def folder() -> Path:
    return Path(settings.DATA_DIR) / "attempts"


def append(line: dict[str, Any]) -> None:
    """Write one JSON object (ids and codes only, nothing personal) and fsync it."""
    place = folder()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = place / f"{timezone.now():%Y%m%d}-{os.getpid()}.jsonl"
    is_new = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, json.dumps(line).encode() + b"\n")
        os.fdatasync(handle)
    finally:
        os.close(handle)
    if is_new:
        _sync_folder(place)


def _sync_folder(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def find(attempts: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The lines of these attempts that stand on this machine, by attempt."""
    wanted = set(attempts)
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder().glob("*.jsonl")):
        for raw in path.read_text(errors="replace").splitlines():
            line = _parse(raw)
            if line.get("attempt") in wanted:
                found[line["attempt"]] = line
    return found


def _parse(raw: str) -> dict[str, Any]:
    try:
        line = json.loads(raw)
    except ValueError:  # the machine went down while it was written
        return {}
    return line if isinstance(line, dict) else {}


def prune() -> None:
    """Delete files whose every line was long since recorded."""
    oldest = (timezone.now() - timedelta(days=KEEP_DAYS)).timestamp()
    for path in folder().glob("*.jsonl"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
