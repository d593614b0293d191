"""The box on the member page, and the page that explains the ladders and who stands where."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Max, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from core import navigation
from core.errors import AppError
from core.models import Job, JobQuerySet
from core.pages import console_page
from core.registry import Text, site_urls
from crm.models import Member, ScoreWeight, ValueCount, ValueCut
from crm.registry import Panel, add_panel
from crm.value import running, words
from crm.value.weights import keys, plain
from staff.models import Staff
from staff.requests import require

GROUP = navigation.MEMBERS
VIEW = "crm.view_member"
RECOMPUTE = "crm.add_scoreweight"

Ladder = ValueCount.Ladder
LOYALTY: dict[str, Text] = {
    "follower": gettext_lazy("Follower"),
    "member": gettext_lazy("Member (phone known)"),
    "buyer": gettext_lazy("Buyer"),
    "repeat": gettext_lazy("Repeat buyer"),
    "advocate": gettext_lazy("Advocate"),
}
_STAGE_RULES: dict[str, Text] = {
    "prospect": gettext_lazy("no paid order"),
    "new": gettext_lazy("one paid order, R ≤ 1C"),
    "growing": gettext_lazy("two orders or more, R ≤ 1C, F below the loyal"),
    "loyal": gettext_lazy("R ≤ 1C and F ≥ P75 of the category, or the top level"),
    "at_risk": gettext_lazy("1C < R ≤ 2C"),
    "dormant": gettext_lazy("2C < R ≤ 4C"),
    "churned": gettext_lazy("R > 4C, or reachable through no channel"),
    "won_back": gettext_lazy("an order after a pause of more than 2C, R ≤ 1C"),
}
_RFM_RULES: dict[str, Text] = {
    "rfm": gettext_lazy("R, F and M high"),
    "rm": gettext_lazy("R and M high, F low"),
    "fm": gettext_lazy("F and M high, R low"),
    "m": gettext_lazy("M high, R and F low"),
    "rf": gettext_lazy("R and F high, M low"),
    "r": gettext_lazy("R high, F and M low"),
    "f": gettext_lazy("F high, R and M low"),
    "none": gettext_lazy("R, F and M low"),
    "": gettext_lazy("no order in the 12 months before, or too few buyers to score"),
}
_TRUST_RULES: dict[str, Text] = {
    "T0": gettext_lazy("bound"),
    "T1": gettext_lazy("wrote and was answered, or agreed to marketing messages"),
    "T2": gettext_lazy("bought without complaint, or talks on several channels"),
    "T3": gettext_lazy("bought again and speaks for us (KOC, contributor, praise)"),
}
_LOYALTY_RULES: dict[str, Text] = {
    "follower": gettext_lazy("bound to an account"),
    "member": gettext_lazy("left a phone number"),
    "buyer": gettext_lazy("one order"),
    "repeat": gettext_lazy("two orders or more"),
    "advocate": gettext_lazy("a repeat buyer who speaks for us"),
}


@dataclass(frozen=True)
class Rung:
    """One step of a ladder, as the page draws it."""

    label: str
    rule: Text
    members: int
    # Of the ladder's members, in percent with one place; the bar is as long as it.
    share: float
    # Of this rung or above, for the loyalty ladder.
    reached: int


def _ladder(
    counts: Counter[str], labels: dict[Any, Any], rules: dict[str, Text]
) -> list[Rung]:
    total = sum(counts.values())
    found, left = [], total
    for rung, rule in rules.items():
        members = counts[rung]
        share = round(members * 100 / total, 1) if total else 0.0
        label = str(labels.get(rung, "")) or _("Without scores")
        found.append(Rung(label, rule, members, share, left))
        left -= members
    return found


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """What the ladders mean, who stands where (as counted at night), and the numbers."""
    staff = require(request, VIEW)
    rows = ValueCount.objects.visible_to(staff)
    counts: dict[str, Counter[str]] = {name: Counter() for name in Ladder.values}
    for ladder, rung, members in rows.values_list("ladder", "rung").annotate(
        sum=Sum("members")
    ):
        counts[ladder][rung] += members
    may_weigh = staff.has_perm("crm.view_scoreweight")
    context = {
        "stages": _ladder(
            counts[Ladder.STAGE], dict(Member.Stage.choices), _STAGE_RULES
        ),
        "segments": _ladder(counts[Ladder.RFM], dict(Member.Rfm.choices), _RFM_RULES),
        "trusts": _ladder(
            counts[Ladder.TRUST], dict(Member.Trust.choices), _TRUST_RULES
        ),
        "loyalty": _ladder(counts[Ladder.LOYALTY], LOYALTY, _LOYALTY_RULES),
        "total": sum(counts[Ladder.STAGE].values()),
        "as_of": rows.aggregate(at=Max("counted_at"))["at"],
        "cuts": _cuts(staff),
        "numbers": _numbers(staff) if may_weigh else None,
        "may_change": staff.has_perm(RECOMPUTE),
        "running": _under_way().visible_to(staff).first(),
    }
    return console_page(
        request,
        "crm/value/index.html",
        title=_("Lifecycle and value"),
        lead=_(
            "What stages, RFM, trust and closeness mean, and how many members stand where."
        ),
        context=context,
    )


def _cuts(staff: Staff) -> list[tuple[ValueCut, str]]:
    """Of the person's data controller, in words; who sees all sees them by controller."""
    rows = ValueCut.objects.select_related("category", "controller")
    if not staff.is_superuser:
        home = staff.org_unit
        rows = rows.filter(controller=home.controller_id if home else None)
    found = rows.filter(buyers__gt=0).order_by("controller", "-buyers")[:50]
    return [(cut, _scores(cut) if cut.is_scored else "") for cut in found]


def _scores(cut: ValueCut) -> str:
    """ "R ≤ 30 / 60 / 120 / 240 · F ≥ 9 / 6 / 3 / 2 · M ≥ …", from score 5 down to 2."""
    parts = (("R ≤", cut.r_days), ("F ≥", cut.f_orders), ("M ≥", cut.m_spend))
    return " · ".join(
        f"{sign} {' / '.join('–' if n is None else plain(n) for n in numbers)}"
        for sign, numbers in parts
    )


def _numbers(staff: Staff) -> list[tuple[str, str, ScoreWeight]]:
    """The rows in force and to come, by key."""
    names = keys()
    rows = ScoreWeight.objects.visible_to(staff).select_related(
        "category", "controller"
    )
    order = {name: place for place, name in enumerate(names)}
    found = [row for row in rows.order_by("-effective_from")[:500] if row.key in names]
    found.sort(key=lambda row: (order[row.key], row.controller_id or 0))
    return [(names[row.key].label, plain(row.value), row) for row in found]


def _under_way() -> JobQuerySet:
    """Jobs that compute values, or are about to."""
    open_states = (Job.State.QUEUED, Job.State.RUNNING)
    return Job.objects.filter(kind=running.JOB, state__in=open_states).order_by("id")


def _under_way_for(staff: Staff) -> JobQuerySet:
    """Those of them that compute the members of the person's own data controller."""
    if staff.is_superuser:
        return _under_way()
    home = staff.org_unit
    own = Q(params__controller=home.controller_id if home else None)
    return _under_way().filter(own | ~Q(params__has_key="controller"))


@require_POST
def recompute(request: HttpRequest) -> HttpResponse:
    """Start the job that works out everybody's value, unless one runs."""
    staff = require(request, RECOMPUTE)
    if _under_way_for(staff).exists():
        messages.info(request, _("Values are being computed already."))
        return redirect("admin:crm_value")
    try:
        job = running.start(actor=staff)
    except AppError as refusal:
        messages.error(request, str(refusal.message))
        return redirect("admin:crm_value")
    return redirect(reverse("admin:job", args=[job.pk]))


def panel(request: HttpRequest, member: Member) -> str:
    """The figures with their because; the steps stand in a box of their own."""
    del request
    return render_to_string("crm/value/panel.html", {"figures": words.why(member)})


def register() -> None:
    """Called once, by crm.value.setup."""
    add_panel(
        Panel(
            "value", gettext_lazy("Value and stage"), VIEW, panel, order=5, side="left"
        )
    )
    site_urls.extend(
        (
            ("value/", index, "crm_value"),
            ("value/recompute/", recompute, "crm_value_recompute"),
        )
    )
