"""Is every part well: /readyz for machines, the health page for people.

Each check is bounded: a part that hangs is named, it never hangs the answer. A check
still waiting for its part is not started a second time.
"""

from __future__ import annotations

import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from datetime import timedelta
from functools import cache, partial
from threading import Lock

from django.conf import settings
from django.db import DatabaseError, connection, connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis import Redis
from redis.exceptions import RedisError

from core.models import Heartbeat
from core.registry import HealthCheck, HealthResult, Text, health_checks

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 1.5
PROBE_SECONDS = 1.0
HEARTBEAT_MAX_AGE = timedelta(seconds=30)

_threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="health")
_waiting: dict[str, Future[HealthResult]] = {}
_lock = Lock()


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 when every required part is well, else 503 naming those that are not.

    Body: `{"ready": bool, "parts": {name: {"ok": bool | null, "text": str}}}`.
    """
    results = run([check for check in health_checks if check.required])
    parts = {
        name: {"ok": result.ok, "text": str(result.text)}
        for name, result in results.items()
    }
    is_ready = all(result.ok is not False for result in results.values())
    return JsonResponse(
        {"ready": is_ready, "parts": parts}, status=200 if is_ready else 503
    )


def run(
    checks: list[HealthCheck], seconds: float = ANSWER_SECONDS
) -> dict[str, HealthResult]:
    """Run checks at the same time, all within `seconds`."""
    deadline = time.monotonic() + seconds
    futures = {check.name: _started(check) for check in checks}
    results = {}
    for name, future in futures.items():
        try:
            results[name] = future.result(max(0.0, deadline - time.monotonic()))
        except StillWaiting:
            results[name] = HealthResult(False, _("Does not answer."))
    return results


def _started(check: HealthCheck) -> Future[HealthResult]:
    with _lock:
        future = _waiting.get(check.name)
        if future is None or future.done():
            future = _waiting[check.name] = _threads.submit(_guarded, check)
        return future


def _guarded(check: HealthCheck) -> HealthResult:
    try:
        return check.check()
    except Exception:
        # One broken check must not hide how the other parts are.
        logger.exception("Health check %s failed", check.name)
        return HealthResult(False, _("The check itself failed; see the web log."))
    finally:
        connections.close_all()


def database() -> HealthResult:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return HealthResult(False, _("PostgreSQL cannot be reached."))
    return HealthResult(True, _("PostgreSQL answers."))


def migrations() -> HealthResult:
    """Whether the database has every migration this code knows."""
    try:
        applied = set(MigrationRecorder(connection).applied_migrations())
    except DatabaseError:
        return HealthResult(None, _("Cannot be told while PostgreSQL is away."))
    missing = len(_known_migrations() - applied)
    if missing:
        text = ngettext(
            "%(count)d migration is not applied: run ./script/manage migrate.",
            "%(count)d migrations are not applied: run ./script/manage migrate.",
            missing,
        )
        return HealthResult(False, text % {"count": missing})
    return HealthResult(True, _("All migrations are applied."))


@cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    loader = MigrationLoader(None)
    return frozenset(loader.disk_migrations)


def redis() -> HealthResult:
    client = Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=PROBE_SECONDS,
        socket_connect_timeout=PROBE_SECONDS,
    )
    try:
        client.ping()
    except RedisError:
        return HealthResult(
            False, _("Redis cannot be reached: work is delayed, nothing is lost.")
        )
    finally:
        client.close()
    return HealthResult(True, _("Redis answers."))


def live() -> HealthResult:
    if _answers(settings.LIVE_HEALTH_URL):
        return HealthResult(True, _("The live process answers."))
    return HealthResult(
        False, _("The live process does not answer: open pages must be reloaded.")
    )


def sandbox() -> HealthResult:
    if not settings.DEMO:
        return HealthResult(None, _("Not used here."))
    if _answers(f"{settings.SANDBOX_URL}/control/accounts"):
        return HealthResult(True, _("The sandbox answers."))
    return HealthResult(False, _("The sandbox does not answer."))


def heartbeat(name: str) -> HealthResult:
    """Whether the process has shown life lately (`privatedomain.tasks`, `beat`)."""
    try:
        at = Heartbeat.objects.filter(name=name).values_list("at", flat=True).first()
    except DatabaseError:
        return HealthResult(None, _("Cannot be told while PostgreSQL is away."))
    if at is None:
        return HealthResult(False, _("No sign of life yet."))
    age = timezone.now() - at
    figures = {"age_seconds": round(age.total_seconds(), 1)}
    if age > HEARTBEAT_MAX_AGE:
        text = _("No sign of life for %(seconds)d s.")
        return HealthResult(False, text % {"seconds": age.total_seconds()}, figures)
    return HealthResult(True, _("Running."), figures)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PROBE_SECONDS):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def register() -> None:
    """Put the parts of a running copy on the list; called once, by ready()."""
    parts: list[tuple[str, Text, Callable[[], HealthResult]]] = [
        ("database", gettext_lazy("Database"), database),
        ("migrations", gettext_lazy("Migrations"), migrations),
        ("redis", gettext_lazy("Redis"), redis),
        ("live", gettext_lazy("Live pages"), live),
        (
            "worker-realtime",
            gettext_lazy("Worker for what is answered at once"),
            partial(heartbeat, "worker-realtime"),
        ),
        ("worker", gettext_lazy("Worker for the rest"), partial(heartbeat, "worker")),
        ("beat", gettext_lazy("Timer"), partial(heartbeat, "beat")),
        ("sandbox", gettext_lazy("Sandbox"), sandbox),
    ]
    for name, label, check in parts:
        health_checks.append(HealthCheck(name, label, check, required=True))
