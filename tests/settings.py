"""Settings of the test run: the real ones, on servers of its own.

Imported before anything of Django, in every process of the run: the first one starts
PostgreSQL and Redis in a temporary folder and tells the others by the environment.
"""

import atexit
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from privatedomain import embedded
from tests.cluster import MIGRATED, migrated_cluster

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")


def _start_servers() -> None:
    folder = Path(tempfile.mkdtemp(prefix="privatedomain-tests-"))
    folder.chmod(0o711)  # the servers' own user must be able to enter
    postgres = embedded.prepare_postgres(
        folder, is_durable=False, copy_of=migrated_cluster()
    )
    redis = embedded.prepare_redis(folder)
    running = [embedded.start(postgres), embedded.start(redis)]
    postgres.ensure_database()
    # For tests.emptying; what runs in production may not do this.
    postgres.run_sql(
        f"GRANT SET ON PARAMETER session_replication_role TO {embedded.DATABASE}"
    )

    def stop() -> None:
        for process in running:
            embedded.stop(process)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(stop)
    # Every process a test starts would compile the project anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ.update(
        TEST_SERVERS=str(folder),
        DATABASE_URL=postgres.url,
        REDIS_URL=redis.url,
        DJANGO_ALLOW_ASYNC_UNSAFE="1",  # Playwright's loop runs in the test's thread
        DB_POOLED="0",
        DEBUG="0",
        DEMO="0",
        PLAIN_STATIC="1",
        SECRET_KEY=secrets.token_urlsafe(64),
        FIELD_KEYS="jT4UGj0oLDnYLzvWqmQzoczy7MCw_PzjHn2A3mWLdD0=",
        SEARCH_KEY=secrets.token_urlsafe(48),
    )
    for name in ("PORT", "LIVE_PORT", "SANDBOX_PORT", "PUBLIC_URL"):
        os.environ.pop(name, None)


if "TEST_SERVERS" not in os.environ:
    _start_servers()

_folder = Path(os.environ["TEST_SERVERS"]) / WORKER
_number = 1 if WORKER == "main" else 2 + int(WORKER.removeprefix("gw"))
os.environ["REDIS_URL"] = f"{os.environ['REDIS_URL'].rpartition('/')[0]}/{_number}"
os.environ["DATA_DIR"] = str(_folder)
os.environ["INSTANCE"] = f"test-{WORKER}"
for _name in ("media", "spool", "logs"):
    (_folder / _name).mkdir(parents=True, exist_ok=True)

from privatedomain.settings import *  # noqa: E402, F403

# Others would not see what a test has not committed.
SEGMENTS_AT_ONCE = 1
DATABASES["default"]["TEST"] = {"TEMPLATE": MIGRATED, "MIGRATE": False}  # noqa: F405
# The real hash takes 50 ms by design, which every login of every test would pay.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
if "pytest" not in sys.modules:
    raise RuntimeError("tests.settings is for pytest; processes use the real settings.")
