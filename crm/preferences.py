"""What a member chooses on the preference page: every change is an entry of the ledger."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from crm import consent
from crm.models import ConsentEntry, ConsentText, Identity, Member, Topic
from crm.models.consents import Channel, Purpose
from crm.quiet_hours import Hours
from staff.accounts import system_staff
from staff.models import Staff
from wechat.models import Account

SOURCE = "preferences"
WRITER = "crm.preferences"
# What can be chosen as "at most so many a week"; 0: no limit of one's own.
FREQUENCIES = (0, 1, 2, 3)
Texts = Mapping[str, ConsentText]


@dataclass(frozen=True)
class Choice:
    """All of the page at once: what is switched on."""

    channels: frozenset[str]
    topics: frozenset[int]
    max_per_week: int
    is_personal: bool
    # None: no hours of rest; heard only where the page `says_quiet`.
    quiet: Hours | None = None
    says_quiet: bool = False


def channels_of(member: Member) -> list[Channel]:
    """The channels that may ever reach the member: what is worth a switch."""
    kinds = set(member.identities.values_list("kind", flat=True))
    found: list[Channel] = []
    if Identity.Kind.OPENID in kinds or not kinds:
        found += [Channel.MASS, Channel.CUSTOM]
    if Identity.Kind.EXTERNAL_USERID in kinds:
        found.append(Channel.WECOM)
    if member.phone_hash:
        found += [Channel.SMS, Channel.PHONE]
    return found


def topics_of(member: Member) -> list[Topic]:
    """Topics the member may want or not: of their controller and shared, none archived."""
    return list(Topic.objects.of_controller(member.controller_id).in_use())


@transaction.atomic
def choose(member: Member, choice: Choice, *, texts: Texts) -> int:
    """Write what changed against what stands; how many entries.

    Only channels and topics that are offered count; sending the page twice changes
    nothing the second time. `texts`: what the member had before their eyes, by purpose.
    """
    # What is compared must not change before it is written.
    locked = Member.objects.held(member.pk)
    stands = consent.standing(locked)
    written = 0
    for channel in channels_of(locked):
        written += _switch(
            locked,
            is_on=channel in choice.channels,
            was_on=channel not in stands.channels_off,
            texts=texts,
            purpose=Purpose.MARKETING,
            channel=channel,
        )
    for topic in topics_of(locked):
        written += _switch(
            locked,
            is_on=topic.pk in choice.topics,
            was_on=topic.pk not in stands.topics_off,
            texts=texts,
            purpose=Purpose.TOPIC,
            topic=topic,
        )
    written += _switch(
        locked,
        is_on=choice.is_personal,
        was_on=not locked.no_personalisation,
        texts=texts,
        purpose=Purpose.PERSONALISATION,
    )
    if choice.says_quiet:
        written += _rest(locked, choice.quiet, stands, texts)
    return written + _limit(locked, choice.max_per_week, stands, texts)


def _switch(
    member: Member,
    *,
    is_on: bool,
    was_on: bool,
    texts: Texts,
    purpose: str,
    channel: str = "",
    topic: Topic | None = None,
) -> int:
    if is_on == was_on:
        return 0
    write = consent.grant if is_on else consent.withdraw
    words = (
        pgettext("a choice", "Switched on")
        if is_on
        else pgettext("a choice", "Switched off")
    )
    told = _told(texts, purpose, words)
    return write(member, purpose=purpose, channel=channel, topic=topic, **told)


def _limit(member: Member, wanted: int, stands: consent.Standing, texts: Texts) -> int:
    if wanted == (stands.max_per_week or 0):
        return 0
    if not wanted:
        told = _told(texts, Purpose.FREQUENCY, _("No limit any more"))
        return consent.grant(member, purpose=Purpose.FREQUENCY, **told)
    words = _("At most %(count)d a week") % {"count": wanted}
    told = _told(texts, Purpose.FREQUENCY, words)
    return consent.limit(member, max_per_week=wanted, **told)


def _rest(
    member: Member, wanted: Hours | None, stands: consent.Standing, texts: Texts
) -> int:
    if wanted == stands.quiet:
        return 0
    if wanted is None:
        told = _told(texts, Purpose.QUIET, _("No hours of rest any more"))
        return consent.grant(member, purpose=Purpose.QUIET, **told)
    words = _("Do not disturb %(hours)s") % {"hours": wanted}
    return consent.rest(member, wanted, **_told(texts, Purpose.QUIET, words))


def _told(texts: Texts, purpose: str, evidence: str) -> consent.Told:
    """Said on the page, now, with the text of the purpose before their eyes."""
    return {
        "actor": writer(),
        "at": timezone.now(),
        "key": _key(),
        "source": SOURCE,
        "evidence": evidence,
        "text": texts.get(purpose),
    }


@transaction.atomic
def stop_all(member: Member, *, texts: Texts) -> bool:
    """No marketing any more, from the next message on; False if that stood already."""
    locked = Member.objects.held(member.pk)
    if locked.opted_out_at is not None:
        return False
    told = _told(texts, Purpose.MARKETING, _("Stop everything"))
    return consent.withdraw(locked, **told)


@transaction.atomic
def start_again(member: Member, *, texts: Texts) -> bool:
    """Marketing again, also from accounts it was refused to one by one."""
    locked = Member.objects.held(member.pk)
    if locked.opted_out_at is None:
        return False
    refused: list[Account | None] = [*_refused_accounts(locked)]
    for account in refused or [None]:
        told = _told(texts, Purpose.MARKETING, _("Receive again"))
        consent.grant(locked, account=account, **told)
    return True


def _refused_accounts(member: Member) -> list[Account]:
    """Accounts whose newest word was no."""
    rows = ConsentEntry.objects.filter(
        member=member, purpose=Purpose.MARKETING, channel="", account__isnull=False
    )
    newest: dict[Account, str] = {}
    for entry in rows.select_related("account").order_by("at", "id"):
        if entry.account is not None:
            newest[entry.account] = entry.action
    withdrawn = ConsentEntry.Action.WITHDRAWN
    return [account for account, action in newest.items() if action == withdrawn]


def writer() -> Staff:
    """Who the trail names: the member, by the page."""
    return system_staff(WRITER)


def _key() -> str:
    return f"preferences:{uuid.uuid4().hex}"
