"""How every part is, for people: state, since when, figures, and what to do."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.pages import console_page
from core.registry import (
    HealthCheck,
    HealthResult,
    HomeTile,
    Text,
    health_checks,
    home_tiles,
)
from privatedomain import health as parts_of
from staff.requests import require, staff_of
from staff.scope import sees_instance

PERMISSION = "core.view_health"
LOW_DISK_SHARE = 0.10
GIGABYTE = 1024**3
NEWEST_LOGS = 12

# What to do about the processes and servers of the installation itself.
ADVICE: dict[str, Text] = {
    "database": gettext_lazy(
        "Start PostgreSQL. Callbacks are kept in the spool meanwhile and lose nothing."
    ),
    "migrations": gettext_lazy("Run ./script/manage migrate, then start again."),
    "redis": gettext_lazy(
        "Start Redis. Until then work is found by looking for it every few seconds."
    ),
    "live": gettext_lazy("Start the live process; open pages poll in the meantime."),
    "worker-realtime": gettext_lazy(
        "Start worker-realtime: nothing is answered and no reply leaves without it."
    ),
    "worker": gettext_lazy("Start the worker: syncs, jobs and clean-ups wait for it."),
    "beat": gettext_lazy("Start beat: nothing happens at its time without it."),
    "sandbox": gettext_lazy("Start the sandbox, or set DEMO=0 when it is not wanted."),
}


@dataclass(frozen=True)
class Part:
    name: str
    label: Text
    result: HealthResult
    advice: Text

    @property
    def tone(self) -> str:
        if self.result.ok is None:
            return "idle"
        return "good" if self.result.ok else "bad"


def _refuse_strangers(request: HttpRequest) -> None:
    """PermissionDenied for who may not see figures of all units together."""
    if not sees_instance(require(request, PERMISSION)):
        raise PermissionDenied(
            _(
                "System health tells of the whole installation, of all units together. "
                "It is for administrators and people placed at the top of the tree."
            )
        )


def health(request: HttpRequest) -> TemplateResponse:
    _refuse_strangers(request)
    return console_page(
        request,
        "console/health.html",
        title=_("System health"),
        lead=_("Whether every part works, and what to do when one does not."),
        context=_context(),
    )


def parts(request: HttpRequest) -> TemplateResponse:
    """The table alone; the open page asks every ten seconds."""
    _refuse_strangers(request)
    return TemplateResponse(request, "console/health_parts.html", _context())


def _context() -> dict[str, Any]:
    results = parts_of.run(health_checks, seconds=3)
    found = [_part(check, results[check.name]) for check in health_checks]
    return {
        "parts": sorted(found, key=lambda part: part.tone != "bad"),
        "bad_count": sum(part.tone == "bad" for part in found),
        "as_of": timezone.now(),
        "log_dir": settings.LOG_DIR,
        "logs": _logs(),
    }


def _part(check: HealthCheck, result: HealthResult) -> Part:
    advice = check.advice or ADVICE.get(check.name, "")
    return Part(check.name, check.label, result, advice if result.ok is False else "")


def _logs() -> list[dict[str, Any]]:
    if not settings.LOG_DIR.is_dir():
        return []
    files = [
        (path.stat().st_mtime, path.name, path.stat().st_size)
        for path in settings.LOG_DIR.iterdir()
        if path.is_file()
    ]
    return [
        {"name": name, "size": size, "at": _moment(changed)}
        for changed, name, size in sorted(files, reverse=True)[:NEWEST_LOGS]
    ]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=timezone.get_current_timezone())


def disk() -> HealthResult:
    """Room on the disk that holds the data folder (spool, pictures, logs)."""
    folder = settings.DATA_DIR
    usage = shutil.disk_usage(folder if folder.exists() else folder.parent)
    free_gb = usage.free / GIGABYTE
    text = _("%(free).1f GB free of %(total).0f GB.") % {
        "free": free_gb,
        "total": usage.total / GIGABYTE,
    }
    is_low = usage.free < usage.total * LOW_DISK_SHARE and free_gb < 20
    return HealthResult(not is_low, text, {"free_gb": round(free_gb, 1)})


def home_lines(request: HttpRequest) -> list[tuple[Text, str, int, str]]:
    """Processes that show no sign of life, and a full disk: what costs one look."""
    if not sees_instance(staff_of(request)):
        return []
    quick = {"worker-realtime", "worker", "beat", "disk"}
    bad = [
        (check, result)
        for check in health_checks
        if check.name in quick and (result := check.check()).ok is False
    ]
    address = reverse("admin:health")
    return [
        (f"{check.label} · {result.text}", address, 1, "bad") for check, result in bad
    ]


def register() -> None:
    """Put the disk on the list, and what is not well on the home page; by ready()."""
    home_tiles.append(
        HomeTile("health", gettext_lazy("System health"), PERMISSION, home_lines, 1)
    )
    health_checks.append(
        HealthCheck(
            "disk",
            gettext_lazy("Disk"),
            disk,
            advice=gettext_lazy("Make room: old logs and back-ups first."),
        )
    )
