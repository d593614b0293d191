"""What is so with a member, in words: the figures behind a verdict."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crm.models import ConsentEntry
from crm.segments import conditions as on
from crm.segments.conditions import Condition
from crm.segments.evaluating import Verdict

Names = Mapping[tuple[str, int], str]


def _called(names: Names, of: str, pk: int) -> str:
    return names.get((of, pk)) or f"#{pk}"


def say_facts(condition: Condition, verdict: Verdict, names: Names) -> str:
    """What is so with the member: "3 orders, 320.00 yuan, the last on 2 November"."""
    told = verdict.facts
    if isinstance(condition, on.Orders):
        return _orders(told)
    if isinstance(condition, on.Happened):
        words = ngettext("%(count)s time", "%(count)s times", told["count"])
        return _with_last([words % {"count": told["count"]}], told["last"])
    if isinstance(condition, on.Tags):
        carried = [_called(names, "tag", pk) for pk in told["tags"]]
        return (
            _("carries %(tags)s") % {"tags": _(", ").join(carried)}
            if carried
            else _("carries none of them")
        )
    if isinstance(condition, on.InSegment):
        return _("is in it") if told["is_in"] else _("is not in it")
    if isinstance(condition, on.Consent) and told:
        action = ConsentEntry.Action(told["action"]).label
        return f"{action} · {_day(told['at'])}"
    return _plain(condition, told, names)


def _plain(condition: Condition, told: dict[str, Any], names: Names) -> str:
    if "at" in told:
        return _day(told["at"])
    for of in ("unit", "staff"):
        if of in told:
            return _called(names, of, told[of]) if told[of] else _("none")
    if "count" in told:
        return _("%(count)s found") % {"count": told["count"]}
    if "value" not in told or told["value"] is None or told["value"] == "":
        return _("unknown") if "value" in told else ""
    for param in condition.params:
        for key, words in param.choices() if param.choices else ():
            if key == told["value"]:
                return str(words)
    return str(told["value"])


def _orders(told: dict[str, Any]) -> str:
    count, amount = told["count"], told["amount"]
    words = ngettext("%(count)s order", "%(count)s orders", count)
    parts = [words % {"count": count}]
    if count:
        parts.append(_("%(amount)s yuan") % {"amount": f"{Decimal(amount):,.2f}"})
    return _with_last(parts, told["last"])


def _with_last(parts: list[str], last: datetime | None) -> str:
    if last is not None:
        parts = [*parts, _("the last on %(day)s") % {"day": _day(last)}]
    return ", ".join(parts)


def _day(at: datetime) -> str:
    return str(date_format(timezone.localtime(at), "Y-m-d H:i"))
