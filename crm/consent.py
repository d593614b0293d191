"""The ledger of yes and no: withdrawn, granted and limited, and what stands now.

The ledger only grows; `standing` reads from it what stands, and `refresh` writes that to
where audiences are judged: Member.opted_out_at and no_personalisation, and Preference.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NotRequired, TypedDict, Unpack

from django.db import transaction

from core import audit
from crm import permission, quiet_hours, timeline, value
from crm.models import ConsentEntry, ConsentText, Member, Preference, Topic
from crm.models.consents import Purpose
from crm.quiet_hours import Hours
from crm.registry import on_merge, on_purge, settled
from staff.models import Staff
from wechat.models import Account

Action = ConsentEntry.Action
MARKETING = Purpose.MARKETING
_SAID = (
    *("purpose", "channel", "topic", "max_per_week", "quiet_from", "quiet_until"),
    *("account", "action", "text", "source", "at"),
)


def withdraw(
    member: Member,
    *,
    actor: Staff,
    at: datetime,
    key: str,
    source: str,
    account: Account | None = None,
    evidence: str = "",
    purpose: str = MARKETING,
    channel: str = "",
    topic: Topic | None = None,
    text: ConsentText | None = None,
) -> bool:
    """Write that the member wants no more of `purpose`; False if `key` was written.

    Args:
        at: when they said so, by the source's own time.
        key: names the source ("inbound:417"); writing it twice is one entry.
        source: how we know, of SOURCES: "message", "staff", "preferences" …
        evidence: their words, ≤ 200 characters.
        channel: of Channel; "": all of them.
        topic: with the purpose "topic".
        text: what they had before their eyes.
    """
    entry = ConsentEntry(
        purpose=purpose,
        channel=channel,
        topic=topic,
        account=account,
        action=Action.WITHDRAWN,
        text=text,
        source=source,
        evidence=evidence,
        key=key,
        at=at,
    )
    return _write(member, entry, actor=actor)


def grant(
    member: Member,
    *,
    actor: Staff,
    at: datetime,
    key: str,
    source: str,
    account: Account | None = None,
    evidence: str = "",
    purpose: str = MARKETING,
    channel: str = "",
    topic: Topic | None = None,
    text: ConsentText | None = None,
) -> bool:
    """Write that the member agrees (again) to `purpose`; arguments as for `withdraw`.

    With the purpose "frequency" or "quiet_hours": no limit of their own any more.
    """
    entry = ConsentEntry(
        purpose=purpose,
        channel=channel,
        topic=topic,
        account=account,
        action=Action.GRANTED,
        text=text,
        source=source,
        evidence=evidence,
        key=key,
        at=at,
    )
    return _write(member, entry, actor=actor)


class Told(TypedDict):
    """How we know what somebody said; as the arguments of `withdraw`."""

    actor: Staff
    at: datetime
    key: str
    source: str
    evidence: NotRequired[str]
    text: NotRequired[ConsentText | None]


def limit(member: Member, *, max_per_week: int, **told: Unpack[Told]) -> bool:
    """Write how many marketing messages a week the member wants at most."""
    return _limit(member, told, purpose=Purpose.FREQUENCY, max_per_week=max_per_week)


def rest(member: Member, hours: Hours, **told: Unpack[Told]) -> bool:
    """Write in which hours the member wants no marketing messages."""
    wanted = {"quiet_from": hours.begin, "quiet_until": hours.end}
    return _limit(member, told, purpose=Purpose.QUIET, **wanted)


def _limit(member: Member, told: Told, **wanted: Any) -> bool:
    entry = ConsentEntry(
        action=Action.LIMITED,
        text=told.get("text"),
        source=told["source"],
        evidence=told.get("evidence", ""),
        key=told["key"],
        at=told["at"],
        **wanted,
    )
    return _write(member, entry, actor=told["actor"])


@transaction.atomic
def _write(member: Member, given: ConsentEntry, *, actor: Staff) -> bool:
    # The member's row orders two entries that come at once.
    locked = Member.objects.held(member.pk)
    entry, is_new = ConsentEntry.objects.get_or_create(
        key=given.key,
        defaults={
            "member": locked,
            "evidence": given.evidence[:200],
            **{name: getattr(given, name) for name in _SAID},
        },
    )
    if not is_new:
        return False
    refresh(locked)
    member.opted_out_at = locked.opted_out_at
    member.no_personalisation = locked.no_personalisation
    if entry.purpose == Purpose.MARKETING:
        value.changed([locked.pk])
    _tell(locked, entry, actor=actor)
    return True


def _tell(member: Member, entry: ConsentEntry, *, actor: Staff) -> None:
    about = {
        name: value
        for name, value in (
            ("channel", entry.channel),
            ("topic", entry.topic.name if entry.topic else ""),
            ("max_per_week", entry.max_per_week),
            ("hours", str(quiet_hours.of(entry.quiet_from, entry.quiet_until) or "")),
        )
        if value
    }
    told = {"purpose": str(entry.purpose), "source": entry.source, **about}
    timeline.write(
        member=member,
        kind=f"consent.{entry.action}",
        at=entry.at,
        key=f"consent:{entry.pk}",
        account=entry.account,
        data=told,
    )
    audit.record(
        f"crm.consent.{entry.action}",
        member,
        actor=actor,
        after={**told, "entry": entry.pk},
    )


# -- what stands now


@dataclass
class Standing:
    """What the newest entries of a member say, each of its purpose, channel and topic."""

    opted_out_at: datetime | None = None
    no_personalisation: bool = False
    max_per_week: int | None = None
    quiet: Hours | None = None
    channels_off: list[str] = field(default_factory=list)
    topics_off: list[int] = field(default_factory=list)
    # The entry that decides, by (purpose, channel, topic id).
    entries: dict[tuple[str, str, int | None], ConsentEntry] = field(
        default_factory=dict
    )

    @property
    def is_default(self) -> bool:
        limits = self.max_per_week, self.quiet
        return not (self.channels_off or self.topics_off or any(limits))


def standing(member: Member) -> Standing:
    """Read what stands now from the whole ledger of the member."""
    found = Standing()
    rows = ConsentEntry.objects.filter(member=member).select_related("topic")
    for entry in rows.order_by("-at", "-id"):
        place = (entry.purpose, entry.channel, entry.topic_id)
        if place not in found.entries:
            found.entries[place] = entry
            _count(found, entry)
    found.channels_off.sort()
    found.topics_off.sort()
    return found


def _count(found: Standing, entry: ConsentEntry) -> None:
    is_no = entry.action == Action.WITHDRAWN
    if entry.purpose == Purpose.FREQUENCY:
        found.max_per_week = entry.max_per_week
    elif entry.purpose == Purpose.QUIET:
        found.quiet = quiet_hours.of(entry.quiet_from, entry.quiet_until)
    elif not is_no:
        return
    elif entry.purpose == Purpose.MARKETING and not entry.channel:
        found.opted_out_at = entry.at
    elif entry.purpose == Purpose.MARKETING:
        found.channels_off.append(entry.channel)
    elif entry.purpose == Purpose.TOPIC and entry.topic_id is not None:
        found.topics_off.append(entry.topic_id)
    elif entry.purpose == Purpose.PERSONALISATION:
        found.no_personalisation = True


def refresh(member: Member) -> Standing:
    """Write what the ledger says to where it is read set-wise; the caller holds the row.

    Where the ledger has no word, the columns keep what another system told us.
    """
    found = standing(member)
    if (MARKETING, "", None) in found.entries:
        member.opted_out_at = found.opted_out_at
    if (Purpose.PERSONALISATION, "", None) in found.entries:
        member.no_personalisation = found.no_personalisation
    member.save(update_fields=["opted_out_at", "no_personalisation"])
    chosen = {
        "channels_off": found.channels_off,
        "topics_off": found.topics_off,
        "max_per_week": found.max_per_week,
        "quiet_from": found.quiet.begin if found.quiet else None,
        "quiet_until": found.quiet.end if found.quiet else None,
    }
    known = Preference.objects.filter(member=member)
    if found.is_default and not known.exists():
        return found
    Preference.objects.update_or_create(member=member, defaults=chosen)
    return found


def may_market(
    member: Member,
    channel: str,
    topic: Topic | None = None,
    *,
    is_personal: bool = False,
    at: datetime | None = None,
) -> bool:
    """Whether marketing about `topic` may reach the member through `channel`.

    crm.permission says why not, and has the set-wise forms.
    """
    return not permission.refusal(
        member, channel, topic, is_personal=is_personal, at=at
    )


# -- people who become one, and people who are forgotten


# A row holds the serial of its own member's links: it never goes over.
settled("crm.preference")


@on_merge
def _follow_merge(primary: Member, duplicate: Member, _actor: Staff) -> None:
    """The entries of both stand under one name now: the newest word holds."""
    refresh(primary)


@on_purge
def _forget(member: Member) -> None:
    """What was agreed to, and when, stays as evidence of nobody; the words go."""
    ConsentEntry.objects.filter(member=member).exclude(evidence="").update(evidence="")
    people = [member.pk, *member.merged_members.values_list("pk", flat=True)]
    Preference.objects.filter(member__in=people).delete()
