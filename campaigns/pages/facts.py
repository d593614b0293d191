"""What a touch is, in words and bars, for planners, approvers and whoever watches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns import audience
from campaigns import reasons as wording
from campaigns.models import Touch
from campaigns.touch_forms import DAY_FIELDS, TAG_FIELDS
from core.registry import Text
from crm.models import Member, Segment, Tag
from staff.models import Staff

# State of a recipient → how it is shown.
BARS: tuple[tuple[str, Text], ...] = (
    ("accepted", gettext_lazy("Accepted by the platform")),
    ("sent", gettext_lazy("Sent")),
    ("failed", gettext_lazy("Failed")),
    ("unknown", gettext_lazy("Unknown")),
    ("waiting", gettext_lazy("Waiting")),
    ("excluded", gettext_lazy("Excluded")),
)


@dataclass(frozen=True)
class Bar:
    state: str
    label: Text
    count: int
    percent: float


@dataclass(frozen=True)
class Excluded:
    code: str
    label: Text
    words: Text
    advice: Text
    count: int


def bars(counts: Any) -> list[Bar]:
    """One bar per state that holds somebody, as a share of the planned."""
    whole = max(counts.planned, 1)
    found = [(state, label, getattr(counts, state)) for state, label in BARS]
    return [
        Bar(state, label, count, 100 * count / whole)
        for state, label, count in found
        if count
    ]


def reasons(counts: Any) -> list[Excluded]:
    return excluded(counts.reasons)


def is_whole_base(touch: Touch, counts: Any) -> bool:
    """Whether what waits for approval means (nearly) everybody of the account."""
    if touch.state != Touch.State.IN_REVIEW or counts is None:
        return False
    try:
        rule = audience.parse(touch.audience, account=touch.account)
    except audience.AudienceInvalid:
        return False
    by_reason = counts.reasons | {"": counts.waiting}
    return audience.is_whole_base(rule, touch.account, by_reason)


def excluded(found: dict[str, int]) -> list[Excluded]:
    """Reasons with their words, the most frequent first."""
    return [
        Excluded(
            code, wording.label(code), wording.words(code), wording.advice(code), count
        )
        for code, count in sorted(found.items(), key=lambda pair: -pair[1])
        if count
    ]


@dataclass(frozen=True)
class Why:
    """Why a touch stands as it stands: the reason on its row, in words."""

    label: Text
    words: Text
    advice: Text


def why(touch: Touch) -> Why | None:
    code = touch.reason_code
    if not code:
        return None
    return Why(wording.label(code), wording.words(code), wording.advice(code))


@dataclass(frozen=True)
class Facts:
    """The audience of a touch in sentences; `is_everybody`: no condition narrows it."""

    sentences: list[str]
    is_everybody: bool


def of(touch: Touch, staff: Staff) -> Facts:
    """The rule in words, by the names the tags have now."""
    rule = touch.audience or {}
    wanted = {pk for name in TAG_FIELDS for pk in rule.get(name) or []}
    names = {
        tag.pk: tag.name for tag in Tag.objects.visible_to(staff).filter(pk__in=wanted)
    }
    found = [
        text % {"tags": "、".join(names.get(pk, f"#{pk}") for pk in rule[name])}
        for name, text in (
            ("tags_any", _("carries any of: %(tags)s")),
            ("tags_all", _("carries all of: %(tags)s")),
            ("tags_none", _("carries none of: %(tags)s")),
        )
        if rule.get(name)
    ]
    found = _segments(rule, staff) + found
    if rule.get("stages"):
        labels = dict(Member.Stage.choices)
        words = "、".join(str(labels.get(each, each)) for each in rule["stages"])
        found.append(_("stage: %(stages)s") % {"stages": words})
    for name, text in (
        ("seen_within_days", _("was active in the last %(days)s days")),
        ("not_seen_within_days", _("was not active in the last %(days)s days")),
    ):
        if rule.get(name):
            found.append(text % {"days": rule[name]})
    narrowing = ("segments_any", "tags_any", "tags_all", "stages", *DAY_FIELDS)
    return Facts(found, not any(rule.get(name) for name in narrowing))


def _segments(rule: dict[str, Any], staff: Staff) -> list[str]:
    seen = Segment.objects.visible_to(staff).filter(pk__in=audience.segments_in(rule))
    names = {segment.pk: segment.name for segment in seen}
    return [
        text % {"segments": "、".join(names.get(pk, f"#{pk}") for pk in rule[name])}
        for name, text in (
            ("segments_any", _("is in any of: %(segments)s")),
            ("segments_none", _("is in none of: %(segments)s")),
        )
        if rule.get(name)
    ]
