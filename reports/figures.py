"""The figures of a campaign's recap, as they are kept in campaigns.Recap.figures.

{
  "total": COUNTS, "touches": [{"touch": id, "name", "channel": "mass" | "custom",
  "account": name, "state", "started_at": ISO 8601 or null, "links": [{"link": id,
  "number", "url", "openings", "people"}], **COUNTS}]
}
COUNTS = {
  "planned", "waiting", "sent", "accepted", "failed", "unknown", "excluded": people,
  "reasons": {"excluded": {code: people}, "failed": {code: people}, …},
  "clicks": {"grain": "person" | "known" | "touch" | "none", "openings", "named",
             "people"},
  "platform": {"calls", "told": mass calls and those the platform reported on,
               "delivered", "not_delivered": people, by its report},
  "responses": {"reply" | "conversation" | "opt_out" | "unfollow": {"count", "people"}}
}
`grain`: "person": every opening is somebody's; "known": a mass send of an account with web
authorisation, `named` of the openings are somebody's; "touch": openings only; "none":
nothing to open. `people` of the total counts a person once over all touches. Openings
before a touch began are tests and are left out. Of a mass call the platform reports how
many it delivered, of single people nothing; of reading nothing at all.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Coalesce

from campaigns import counts
from campaigns.models import (
    Campaign,
    LinkClick,
    Recipient,
    Response,
    Touch,
    TrackedLink,
)
from campaigns.sending import PURPOSE
from wechat.models import OutboundBatch

Counts = dict[str, Any]
STATES = [str(state) for state in Recipient.State.values]
KINDS = [str(kind) for kind in Response.Kind.values]
GRAINS = ("none", "touch", "known", "person")


def of(campaign: Campaign) -> dict[str, Any]:
    """Counted now; as many queries whatever the size of the campaign."""
    touches = list(
        campaign.touches.select_related("account")
        .exclude(state=Touch.State.CANCELLED)
        .order_by("started_at", "scheduled_at", "pk")
    )
    pks = [touch.pk for touch in touches]
    people, links, reports = _people(pks), _links(pks), _platform(pks)
    clicks, responses = _clicks(pks), _responses(pks)
    rows = [
        {
            "touch": touch.pk,
            "name": touch.name,
            "channel": touch.channel,
            "account": touch.account.name,
            "state": touch.state,
            "started_at": touch.started_at.isoformat() if touch.started_at else None,
            "links": links.get(touch.pk, []),
            **people[touch.pk],
            "clicks": {
                **clicks.get(touch.pk, {"openings": 0, "named": 0, "people": 0}),
                "grain": _grain(touch, links.get(touch.pk, []), clicks.get(touch.pk)),
            },
            "platform": reports.get(touch.pk, dict.fromkeys(_REPORTS, 0)),
            "responses": responses.get(touch.pk, _no_responses()),
        }
        for touch in touches
    ]
    return {"total": _total(rows, pks), "touches": rows}


def _no_people() -> Counts:
    return {"planned": 0, "reasons": {}, **dict.fromkeys(STATES, 0)}


def _no_responses() -> Counts:
    return {kind: {"count": 0, "people": 0} for kind in KINDS}


def _people(pks: list[int]) -> dict[int, Counts]:
    """Where each recipient of the snapshot is (campaigns.counts, never counted anew)."""
    return {
        touch: {
            "planned": found.planned,
            **{state: getattr(found, state) for state in STATES},
            "reasons": {
                state: reasons
                for state in STATES
                if (reasons := found.reasons_of(state))
            },
        }
        for touch, found in counts.of(pks).items()
    }


_REPORTS = {
    "calls": Count("pk"),
    "told": Count("sent_count"),
    "delivered": Coalesce(Sum("sent_count"), 0),
    "not_delivered": Coalesce(Sum("error_count"), 0),
}


def _platform(pks: list[int]) -> dict[int, Counts]:
    """What the platform reported of the mass calls (MASSSENDJOBFINISH, mass/get)."""
    rows: Any = (
        OutboundBatch.objects.filter(
            run__purpose=PURPOSE, run__reference__in=[str(pk) for pk in pks]
        )
        .order_by()
        .values("run__reference")
        .annotate(**_REPORTS)
    )
    return {
        int(row["run__reference"]): {name: row[name] for name in _REPORTS}
        for row in rows
    }


def counted_clicks(pks: list[int]) -> Any:
    """Openings since the touch began: earlier ones are of tests."""
    return LinkClick.objects.filter(
        link__touch__in=pks, at__gte=F("link__touch__started_at")
    )


def _links(pks: list[int]) -> dict[int, list[Counts]]:
    since_start = Q(clicks__at__gte=F("touch__started_at"))
    found: dict[int, list[Counts]] = {}
    rows = TrackedLink.objects.filter(touch__in=pks).annotate(
        openings=Count("clicks", filter=since_start),
        people=Count("clicks__recipient__member", filter=since_start, distinct=True),
    )
    for row in rows.order_by("touch", "number"):
        found.setdefault(row.touch_id, []).append(
            {
                "link": row.pk,
                "number": row.number,
                "url": row.url,
                "openings": row.openings,
                "people": row.people,
            }
        )
    return found


_CLICKS = {
    "openings": Count("pk"),
    "named": Count("recipient"),
    "people": Count("recipient__member", distinct=True),
}


def _clicks(pks: list[int]) -> dict[int, Counts]:
    rows = counted_clicks(pks).values("link__touch").annotate(**_CLICKS)
    return {
        row["link__touch"]: {name: row[name] for name in _CLICKS}
        for row in rows.order_by("link__touch")
    }


def _grain(touch: Touch, links: list[Counts], clicks: Counts | None) -> str:
    if not links:
        return "none"
    if touch.channel == Touch.Channel.CUSTOM:
        return "person"
    is_asked = touch.account.has_web_authorisation
    return "known" if is_asked or (clicks and clicks["named"]) else "touch"


_RESPONSES = {"count": Count("pk"), "people": Count("member", distinct=True)}


def _responses(pks: list[int]) -> dict[int, Counts]:
    found: dict[int, Counts] = {}
    rows = (
        Response.objects.filter(touch__in=pks)
        .order_by()
        .values_list("touch", "kind")
        .annotate(**_RESPONSES)
    )
    for touch, kind, count, people in rows:
        told = found.setdefault(touch, _no_responses())
        told[kind] = {"count": count, "people": people}
    return found


def _total(rows: list[Counts], pks: list[int]) -> Counts:
    """Sums over the touches; people who did something are counted once."""
    total = _no_people()
    for row in rows:
        for name in ("planned", *STATES):
            total[name] += row[name]
        for state, reasons in row["reasons"].items():
            found = total["reasons"].setdefault(state, {})
            for reason, people in reasons.items():
                found[reason] = found.get(reason, 0) + people
    clicks = counted_clicks(pks).aggregate(**_CLICKS)
    grains = {row["clicks"]["grain"] for row in rows} - {"none"}
    kinds = (
        Response.objects.filter(touch__in=pks)
        .order_by()
        .values_list("kind")
        .annotate(**_RESPONSES)
    )
    responses = _no_responses() | {
        kind: {"count": count, "people": people} for kind, count, people in kinds
    }
    return {
        **total,
        # As fine as the coarsest touch, so that nobody reads people where some are missing.
        "platform": {
            name: sum(row["platform"][name] for row in rows) for name in _REPORTS
        },
        "clicks": {**clicks, "grain": min(grains, key=GRAINS.index, default="none")},
        "responses": responses,
    }
