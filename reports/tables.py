"""A recap's figures in words, once for the page, the print and the PDF."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns import reasons
from campaigns.models import Recap, Touch
from reports.metrics import Metric, all_metrics
from wechat.reasons import explain

# Below it a rate says nothing (domain rule of the key figures).
SMALLEST_SAMPLE = 30
# Key of the rows page → metric.
PEOPLE = {
    "planned": "T01",
    "sent": "T02",
    "failed": "T03",
    "unknown": "T04",
    "excluded": "T05",
    "waiting": "T06",
}
CLICKS = {"openings": "T07", "people": "T08"}
RESPONSES = {
    "reply": "T09",
    "conversation": "T10",
    "opt_out": "T11",
    "unfollow": "T12",
}
KEYS = {**PEOPLE, **CLICKS, **RESPONSES}
GRAINS = {
    "person": gettext_lazy("per person"),
    "known": gettext_lazy("per touch; per person where the platform told who"),
    "touch": gettext_lazy("per touch: openings, not people"),
    "none": gettext_lazy("no links"),
}


@dataclass(frozen=True)
class Figure:
    """One number of the recap. `value` None: the platform does not tell it."""

    key: str
    metric: Metric
    value: int | None
    note: str = ""


@dataclass(frozen=True)
class ReasonLine:
    state: str
    code: str
    label: Any
    advice: Any
    people: int


@dataclass(frozen=True)
class TouchLine:
    pk: int
    name: str
    channel: str
    account: str
    state: str
    grain: Any
    figures: list[Figure]


@dataclass(frozen=True)
class LinkLine:
    touch: int
    touch_name: str
    link: int
    url: str
    openings: int
    people: int | None


@dataclass(frozen=True)
class Tables:
    total: list[Figure]
    grain: Any
    touches: list[TouchLine]
    excluded: list[ReasonLine]
    failed: list[ReasonLine]
    links: list[LinkLine]
    equation: str
    untold: list[tuple[str, str]]


def of(recap: Recap) -> Tables:
    """Everything a reader of `recap` sees, in the language in force."""
    total, touches = recap.figures["total"], recap.figures["touches"]
    return Tables(
        total=figures(total),
        grain=GRAINS[total["clicks"]["grain"]],
        touches=[_touch_line(row) for row in touches],
        excluded=_reason_lines(total, "excluded"),
        failed=_reason_lines(total, "failed"),
        links=[line for row in touches for line in _link_lines(row)],
        equation=equation(total),
        untold=[
            (_("Delivered"), _delivered(total["platform"])),
            (
                _("Opened or read"),
                _("Not told by the platform for messages to single people."),
            ),
        ],
    )


def _delivered(platform: dict[str, int]) -> str:
    """What people ask for and the platform tells only of whole mass calls."""
    if not platform["told"]:
        return _(
            "Not told by the platform: of a mass send only counts come back, of a "
            "customer-service message only that it was taken."
        )
    return _(
        "By the platform's report on %(told)s of %(calls)s mass calls: %(delivered)s "
        "delivered, %(not_delivered)s not. Who they are it does not tell."
    ) % {name: f"{count:,}" for name, count in platform.items()}


def figures(counts: dict[str, Any]) -> list[Figure]:
    """The twelve figures of a touch or of all; shape of `counts`: reports.figures."""
    sent = counts["sent"] + counts["accepted"]
    people = {**counts, "sent": sent}
    metrics = all_metrics()
    found = [
        Figure(key, metrics[code], people[key], _accepted(counts, key))
        for key, code in PEOPLE.items()
    ]
    clicks = counts["clicks"]
    found.append(Figure("openings", metrics["T07"], clicks["openings"]))
    found.append(_people_who_clicked(clicks, sent))
    for key, code in RESPONSES.items():
        told = counts["responses"][key]
        is_of_people = key in ("opt_out", "unfollow")
        value = told["people"] if is_of_people else told["count"]
        note = (
            rate(value, sent)
            if is_of_people
            else _("by %(people)s people") % {"people": f"{told['people']:,}"}
            if told["count"]
            else ""
        )
        found.append(Figure(key, metrics[code], value, note))
    return found


def _accepted(counts: dict[str, Any], key: str) -> str:
    if key != "sent" or not (counts["sent"] and counts["accepted"]):
        return ""
    return _("%(sent)s sent one by one, %(accepted)s accepted in mass sends") % {
        "sent": f"{counts['sent']:,}",
        "accepted": f"{counts['accepted']:,}",
    }


def _people_who_clicked(clicks: dict[str, Any], sent: int) -> Figure:
    metric, grain = all_metrics()["T08"], clicks["grain"]
    if grain == "person":
        return Figure("people", metric, clicks["people"], rate(clicks["people"], sent))
    if grain == "none":
        return Figure("people", metric, 0, str(GRAINS["none"]))
    if grain == "known" or clicks["named"]:
        note = _("%(named)s of %(openings)s openings are somebody's we know")
        return Figure(
            "people",
            metric,
            clicks["people"],
            note % {"named": clicks["named"], "openings": clicks["openings"]},
        )
    return Figure("people", metric, None, _("Not told by the platform"))


def rate(part: int, whole: int) -> str:
    """ "3.2 % of those sent to", or that there are too few to say."""
    if not whole:
        return ""
    if whole < SMALLEST_SAMPLE:
        return _("Fewer than %(smallest)s sent: no rate") % {
            "smallest": SMALLEST_SAMPLE
        }
    return _("%(percent)s %% of those sent to") % {
        "percent": f"{100 * part / whole:.1f}"
    }


def equation(counts: dict[str, Any]) -> str:
    """ "120 = 100 + 3 + 1 + 16 + 0": everybody planned is somewhere."""
    sent = counts["sent"] + counts["accepted"]
    parts = [sent, *(counts[name] for name in ("failed", "unknown", "excluded"))]
    words = " + ".join(f"{part:,}" for part in [*parts, counts["waiting"]])
    return f"{counts['planned']:,} = {words}"


def _reason_lines(counts: dict[str, Any], state: str) -> list[ReasonLine]:
    found = counts["reasons"].get(state, {})
    return [
        ReasonLine(state, code, *_explained(code), people)
        for code, people in sorted(found.items(), key=lambda item: (-item[1], item[0]))
        if people
    ]


def _explained(code: str) -> tuple[Any, Any]:
    """Label and advice: of an exclusion, or of what the platform answered."""
    if code in reasons.REASONS:
        return reasons.label(code), reasons.advice(code)
    words, advice = explain(code, is_wecom=False)
    return words or code, advice


def _touch_line(row: dict[str, Any]) -> TouchLine:
    return TouchLine(
        pk=row["touch"],
        name=row["name"],
        channel=_choice(Touch.Channel.choices, row["channel"]),
        account=row["account"],
        state=_choice(Touch.State.choices, row["state"]),
        grain=GRAINS[row["clicks"]["grain"]],
        figures=figures(row),
    )


def _choice(choices: Sequence[tuple[str, str | Promise]], value: str) -> str:
    return str(dict(choices).get(value, value))


def _link_lines(row: dict[str, Any]) -> list[LinkLine]:
    tells_people = row["clicks"]["grain"] in ("person", "known")
    return [
        LinkLine(
            touch=row["touch"],
            touch_name=row["name"],
            link=link["link"],
            url=link["url"],
            openings=link["openings"],
            people=link["people"] if tells_people else None,
        )
        for link in row["links"]
    ]
