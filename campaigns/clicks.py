"""Openings of tracked links: counted once, credited to a person where we know who it was."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from campaigns.models import LinkClick, Recipient, TrackedLink
from crm import identities, timeline

TIMELINE_KIND = "link.opened"
# Programs that look at addresses without anybody having opened them (kpi C04: link
# previews and crawlers must be left out). In lower case.
PROGRAMS = (
    *("bot", "spider", "crawl", "slurp", "preview", "facebookexternalhit", "whatsapp"),
    *("qq-url-manager", "tencent security", "headlesschecker", "monitor", "scan"),
    *("curl/", "wget/", "python-", "go-http-client", "java/", "okhttp", "libwww"),
)
SHOWN_URL_LENGTH = 120


def is_program(agent: str) -> bool:
    """Whether a User-Agent is known to be nobody's browser; so is none at all."""
    name = agent.lower()
    return not name or any(word in name for word in PROGRAMS)


def recipient_of(link: TrackedLink, pk: int) -> Recipient | None:
    """The person a link was written for; None when the row is not of its touch."""
    return (
        Recipient.objects.select_related("member")
        .filter(pk=pk, touch_id=link.touch_id)
        .first()
    )


def record(
    link: TrackedLink, *, at: datetime, recipient: Recipient | None = None
) -> LinkClick:
    """Count one opening, with its line in the person's history."""
    person = _known(recipient)
    with transaction.atomic():
        click = LinkClick.objects.create(link=link, recipient=person, at=at)
        if person is not None:
            _write_history(click, link, person)
    return click


def credit(click_id: int, link: TrackedLink, *, openid: str) -> bool:
    """Tell that an opening counted without a person was `openid`'s; at most once.

    False when the person is no recipient of the touch (a forwarded link), or the opening
    is of another link or has its person.
    """
    account = link.touch.account
    member = identities.find_member(account, openid)
    if member is None:
        return False
    recipient = _known(
        Recipient.objects.select_related("member")
        .filter(touch_id=link.touch_id, member=member)
        .first()
    )
    if recipient is None:
        return False
    with transaction.atomic():
        rows = LinkClick.objects.filter(pk=click_id, link=link, recipient=None)
        if not rows.update(recipient=recipient):
            return False
        _write_history(LinkClick.objects.get(pk=click_id), link, recipient)
    return True


def _known(recipient: Recipient | None) -> Recipient | None:
    """Of purged people nothing new is kept: their openings count without a person."""
    if recipient is None or recipient.member.purged_at is not None:
        return None
    return recipient


def _write_history(click: LinkClick, link: TrackedLink, recipient: Recipient) -> None:
    timeline.write(
        member=recipient.member,
        kind=TIMELINE_KIND,
        at=click.at,
        key=f"click:{click.pk}",
        account=link.touch.account,
        data={
            "url": link.url[:SHOWN_URL_LENGTH],
            "touch": link.touch_id,
            "name": link.touch.name,
        },
    )
