"""Each figure of a member with its because, in the reader's words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.registry import Text
from crm.models import Member, MemberValue, StageChange, ValueCut
from crm.value.moments import AsOf
from crm.value.weights import plain

EVIDENCE: dict[str, Text] = {
    "talked": gettext_lazy("wrote and was answered (T1)"),
    "agreed": gettext_lazy("agreed to marketing messages (T1)"),
    "bought": gettext_lazy("bought, with no complaint (T2)"),
    "channels": gettext_lazy("reachable through several channels (T2)"),
    "advocate": gettext_lazy("bought again and speaks for us (T3)"),
}


@dataclass(frozen=True)
class Because:
    """One figure: what it is called, what it is, and why."""

    key: str
    label: str
    value: str
    because: str


def why(member: Member) -> list[Because]:
    """The member's figures with their reasons; empty before they were computed.

    Two queries: the figures and the cut-offs of the main category.
    """
    value = MemberValue.objects.select_related("category").filter(member=member).first()
    if value is None or not value.why:
        return []
    cut = ValueCut.objects.filter(
        Q(category=value.category_id)
        if value.category_id
        else Q(category__isnull=True),
        controller=member.controller_id,
    ).first()
    reading = _Reading(member, value, cut, AsOf.today())
    return [
        Because(
            "stage",
            _("Lifecycle stage"),
            str(member.get_stage_display()),
            reading.stage,
        ),
        Because("rfm", _("RFM segment"), reading.segment, reading.rfm),
        *reading.scores(),
        Because("trust", _("Trust"), member.trust, reading.trust),
        Because(
            "interactions",
            _("Interactions"),
            str(value.interactions),
            _(
                "what they did by themselves in 30 days: messages, taps and opened links"
            ),
        ),
        Because(
            "relationship",
            _("Closeness"),
            f"{value.get_bond_display()} · {plain(value.relationship)}",
            _(
                "both sides' messages, halved in weight every 30 days or as set;"
                " our answers count only as far as the customer spoke"
            ),
        ),
    ]


class _Reading:
    """The figures of one member beside the cut-offs they were held against."""

    def __init__(
        self, member: Member, value: MemberValue, cut: ValueCut | None, as_of: AsOf
    ) -> None:
        self.member, self.value, self.cut, self.as_of = member, value, cut, as_of
        last = value.last_order_at
        self.days = (
            None if last is None else (as_of.day - timezone.localdate(last)).days
        )

    @property
    def stage(self) -> str:
        words = stage_reason(
            {
                "rule": self.value.why.get("stage"),
                "days": self.days,
                "cycle": self.cut and self.cut.cycle_days,
                "limit": self.limit,
                "orders": self.value.orders_year,
                "loyal_from": self.cut and self.cut.loyal_from,
            }
        )
        if self.value.category is not None:
            category = _("main category %(name)s") % {"name": self.value.category}
            words = f"{words}（{category}）"
        if self.value.why.get("grace"):
            grace = _("a day of grace before the colder stage")
            words = f"{words}；{grace}"
        return words

    @property
    def limit(self) -> float | None:
        """The days the stage goes up to, or that were passed for it."""
        if self.cut is None or not self.cut.stage_days:
            return None
        passed = ("past_cycle", "past_dormant", "past_churned")
        rule = self.value.why.get("stage")
        place = passed.index(rule) if rule in passed else 0
        return float(self.cut.stage_days[place])

    @property
    def segment(self) -> str:
        return str(self.member.get_rfm_display()) if self.member.rfm else "–"

    @property
    def rfm(self) -> str:
        value, cut = self.value, self.cut
        if value.is_excluded:
            return stage_reason({"rule": "excluded"})
        if value.r_score is None:
            if not value.rfm_orders:
                return _("no order in the 12 months before %(day)s") % {
                    "day": self.as_of.month
                }
            if cut is not None and cut.cycle_days is None:
                return _("the main category has no repurchase cycle: no scores")
            buyers = cut.buyers if cut is not None else 0
            return _(
                "only %(count)s buyers in the category: figures without scores"
            ) % {"count": buyers}
        high = cut.high_from if cut is not None else 4
        return _("as of %(day)s: R %(r)s, F %(f)s, M %(m)s; high from %(high)s on") % {
            "day": self.as_of.month,
            "r": value.r_score,
            "f": value.f_score,
            "m": value.m_score,
            "high": high,
        }

    def scores(self) -> list[Because]:
        value, cut = self.value, self.cut
        if value.r_score is None or cut is None or value.rfm_last_on is None:
            return []
        assert value.f_score is not None
        assert value.m_score is not None
        days = (self.as_of.month - value.rfm_last_on).days
        r_words = _held(value.r_score, cut.r_days, is_below=True)
        f_words = _held(value.f_score, cut.f_orders)
        m_words = _held(value.m_score, cut.m_spend)
        recent = _("%(days)s days since the last order") % {"days": days}
        often = _("%(count)s orders in 12 months") % {"count": value.rfm_orders}
        spent = _("¥%(sum)s net in 12 months") % {"sum": f"{value.rfm_spend:,}"}
        return [
            Because("r", _("R (recency)"), str(value.r_score), f"{recent}{r_words}"),
            Because("f", _("F (frequency)"), str(value.f_score), f"{often}{f_words}"),
            Because("m", _("M (spend)"), str(value.m_score), f"{spent}{m_words}"),
        ]

    @property
    def trust(self) -> str:
        return trust_reason(self.value.why.get("trust", []))


def _held(score: int, cuts: list[Any], *, is_below: bool = False) -> str:
    """ " ≤ 60": the cut-off a score was won by; the lowest score tells what it missed."""
    sign = ("≤", ">") if is_below else ("≥", "<")
    place = 5 - score if score > 1 else 3
    if place >= len(cuts) or cuts[place] is None:
        return ""
    return f" {sign[0] if score > 1 else sign[1]} {plain(cuts[place])}"


def trust_reason(evidence: list[str]) -> str:
    """What the trust level rests on; codes nobody knows any more are left out."""
    words = [str(EVIDENCE[each]) for each in evidence if each in EVIDENCE]
    return "、".join(words) if words else _("bound, nothing more yet")


def _since(reason: dict[str, Any]) -> str:
    """How long ago they bought, beside the days their stage goes up to or begins after."""
    limit = reason.get("limit")
    if limit is None:
        return _("last order %(days)s days ago, no repurchase cycle") % reason
    facts = {
        "days": reason.get("days"),
        "sign": "≤" if (reason.get("days") or 0) <= limit else ">",
        "limit": f"{limit:g}",
        "cycle": reason.get("cycle"),
    }
    return (
        _(
            "last order %(days)s days ago %(sign)s %(limit)s days"
            " (repurchase cycle: %(cycle)s days)"
        )
        % facts
    )


_STAGE_REASONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "excluded": lambda _reason: _("colleague, dealer or test account: left out"),
    "unreachable": lambda _reason: _("no channel reaches them any more"),
    "no_orders": lambda _reason: _("bound, no paid order"),
    "past_cycle": _since,
    "past_dormant": _since,
    "past_churned": _since,
    "won_back": lambda reason: (
        f"{_('bought again after a long silence')}；{_since(reason)}"
    ),
    "loyal_orders": lambda reason: "；".join(
        (
            _since(reason),
            _("%(orders)s orders in 12 months ≥ %(loyal_from)s of the category's P75")
            % reason,
        )
    ),
    "loyal_level": lambda reason: f"{_since(reason)}；{_('top member level')}",
    "first_order": lambda reason: f"{_('first order')}；{_since(reason)}",
    "repeat": lambda reason: "；".join(
        (
            _since(reason),
            _("%(orders)s orders in 12 months < %(loyal_from)s of the loyal") % reason,
        )
    ),
}


def stage_reason(reason: dict[str, Any]) -> str:
    """The words of a stage's reason: a rule with its figures."""
    words = _STAGE_REASONS.get(str(reason.get("rule")))
    return words(reason) if words is not None else ""


def change_reason(change: StageChange) -> str:
    """Why a member moved, in words."""
    if change.ladder == StageChange.Ladder.TRUST:
        return trust_reason(change.reason.get("evidence", []))
    return stage_reason(change.reason)
