"""What an administrator does first in an empty copy, on the home page until it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, F
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from content.models import AnswerRule
from core.registry import HomeTile, Text, TileLine, home_tiles
from service.models import Queue
from staff.models import OrgUnit, Staff
from wechat.checking import BAD
from wechat.models import Account, App

# Whoever may make a brand sets the copy up.
PERMISSION = "staff.add_orgunit"


@dataclass(frozen=True)
class Step:
    text: Text
    url: str
    is_done: bool


def steps() -> list[Step]:
    """The steps in the order in which each needs the one before; two queries at most."""
    checked = App.objects.filter(last_check__has_key="lines")
    # One row to ask for: the system always has its first administrator.
    found = (
        Staff.objects.filter(is_superuser=True)
        .order_by("pk")
        .values(
            unit=Exists(OrgUnit.objects.all()),
            people=Exists(Staff.objects.working().filter(is_superuser=False)),
            app=Exists(App.objects.all()),
            works=Exists(checked.exclude(last_check__lines__contains=[{"tone": BAD}])),
            heard=Exists(App.objects.filter(last_callback_at__isnull=False)),
            live=Exists(Account.objects.live()),
            queue=Exists(Queue.objects.filter(is_active=True)),
            rule=Exists(AnswerRule.objects.filter(is_active=True)),
        )
        .first()
    )
    assert found is not None
    return _steps(found)


def _steps(found: Mapping[str, Any]) -> list[Step]:
    account = reverse("admin:wechat_account_add")
    if not all((found["app"], found["works"] or found["heard"], found["live"])):
        first = Account.objects.order_by(F("pk")).values_list("pk", flat=True).first()
        if first is not None:
            account = reverse("admin:wechat_account_change", args=[first])
    return [
        Step(_("Make your brand"), reverse("admin:staff_orgunit_add"), found["unit"]),
        Step(
            _("Add your colleagues, each with a role"),
            reverse("admin:staff_staff_add"),
            found["people"],
        ),
        Step(
            _("Connect the first account: charter, app and callback address"),
            account,
            found["app"],
        ),
        Step(_("Check the connection"), account, found["works"] or found["heard"]),
        Step(_("Put the account live"), account, found["live"]),
        Step(
            _("Make a queue, where customers wait for a colleague"),
            reverse("admin:service_queue_add"),
            found["queue"],
        ),
        Step(
            _("Write the first answer rule"),
            reverse("admin:content_answerrule_add"),
            found["rule"],
        ),
    ]


def lines(request: HttpRequest) -> list[TileLine]:
    """Each step a link, done ones ticked; nothing once all are done."""
    del request
    found = steps()
    ahead = next((step for step in found if not step.is_done), None)
    if ahead is None:
        return []
    return [
        (f"{number}. {_told(step)}", step.url, None, _tone(step, ahead))
        for number, step in enumerate(found, start=1)
    ]


def _told(step: Step) -> str:
    return _("%(step)s: done") % {"step": step.text} if step.is_done else str(step.text)


def _tone(step: Step, ahead: Step) -> str:
    if step.is_done:
        return "done"
    return "next" if step is ahead else "idle"


def register() -> None:
    """Called once, by ready()."""
    home_tiles.append(
        HomeTile("first_steps", gettext_lazy("First steps"), PERMISSION, lines, order=0)
    )
