"""A migrated cluster that every test run copies, made anew when migrations change."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from privatedomain import embedded
from privatedomain.instance import new_secrets
from privatedomain.processes import BASE_DIR

MIGRATED = "migrated"  # the database in it
CACHE = BASE_DIR / "var" / "cache"


def migrated_cluster() -> Path:
    """The folder of a stopped cluster whose database `MIGRATED` has every migration."""
    CACHE.mkdir(parents=True, exist_ok=True)
    home = embedded.servers_home(CACHE)
    target = home / f"migrated-{_digest()}"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            for old in home.glob("migrated-*"):
                shutil.rmtree(old)
            shutil.move(_build(CACHE / "building"), target)
    return target


def _digest() -> str:
    """Changes with our migrations, and with the libraries' through the lock file."""
    digest = hashlib.sha256((BASE_DIR / "requirements.txt").read_bytes())
    for path in sorted(BASE_DIR.glob("*/migrations/*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _build(folder: Path) -> Path:
    shutil.rmtree(embedded.servers_home(folder), ignore_errors=True)
    server = embedded.prepare_postgres(folder, is_durable=False)
    process = embedded.start(server)
    try:
        server.ensure_database(MIGRATED)
        environment = {
            **os.environ,
            **new_secrets(is_demo=False),
            "DJANGO_SETTINGS_MODULE": "privatedomain.settings",
            "DATABASE_URL": server.database_url(MIGRATED),
            "DB_POOLED": "0",
        }
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v", "0"],
            cwd=BASE_DIR,
            env=environment,
            check=True,
        )
    finally:
        embedded.stop(process)
    return server.folder
