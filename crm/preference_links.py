"""Links to the preference page of one member, and to the one of whoever opens it.

`<PUBLIC_URL>/p/<token>`: `<member>-<serial>-<day it ends>-<signature>`. It says nothing
of the person, ends by itself, and is void once the member's serial has grown
(`revoke`). `<PUBLIC_URL>/p/of/<token>` is the same for everybody of an account (menu,
mass messages): the platform tells who opens it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape
from django.utils.translation import gettext_lazy as _

from core import audit, signed_ids, system_settings
from core.system_settings import Declaration, declare
from crm.models import Member, Preference
from staff.models import Staff
from wechat.models import Account

# Written by people into texts; exchanged for an address before these go out.
PLACEHOLDER = "{偏好中心}"
DAYS = "preference_link_days"
_EPOCH = date(2020, 1, 1)
_MEMBER, _ACCOUNT = "crm.preferences.member", "crm.preferences.account"


def register() -> None:
    """Declare the setting; called once, in AppConfig.ready()."""
    declare(
        Declaration(
            DAYS,
            _("Days a link to the preference page works"),
            180,
            unit=_("days"),
            help_text=_("Old messages must still let people opt out: not too few."),
            minimum=1,
            maximum=730,
        )
    )


@dataclass(frozen=True)
class Opened:
    """`member` when the link is good; else `problem`: "unknown", "expired", "revoked"."""

    member: Member | None
    problem: str = ""


def address_of(member: Member, *, days: int | None = None) -> str:
    """The member's own public address, absolute; for `days`, else as in the settings."""
    serial = (
        Preference.objects.filter(member=member)
        .values_list("link_serial", flat=True)
        .first()
    )
    return addresses({member.pk: serial or 0}, days=days)[member.pk]


def addresses_of(member_ids: list[int]) -> dict[int, str]:
    """Of many members, in one question."""
    rows = Preference.objects.filter(member__in=member_ids)
    serials = dict(rows.values_list("member", "link_serial"))
    return addresses({pk: serials.get(pk, 0) for pk in member_ids})


def addresses(serials: dict[int, int], *, days: int | None = None) -> dict[int, str]:
    """By member id; `serials`: what Preference.link_serial says of each."""
    valid = int(system_settings.get(DAYS)) if days is None else days
    last = timezone.localdate() + timedelta(days=valid)
    end = (last - _EPOCH).days
    base = str(settings.PUBLIC_URL).rstrip("/")
    return {
        pk: base
        + reverse("crm_preferences", args=[signed_ids.sign(_MEMBER, pk, serial, end)])
        for pk, serial in serials.items()
    }


def address_for(account: Account) -> str:
    """The address for everybody of an account: each comes to their own page."""
    base = str(settings.PUBLIC_URL).rstrip("/")
    return base + reverse(
        "crm_preferences_of", args=[signed_ids.sign(_ACCOUNT, account.pk)]
    )


def filled(payload: dict[str, Any], address: str) -> dict[str, Any]:
    """`payload` (as content.rendering makes it) with `address` for the placeholder."""
    if "text" in payload:
        return {**payload, "text": payload["text"].replace(PLACEHOLDER, address)}
    article = payload.get("article")
    if article is None:
        return payload
    html = article["content_html"].replace(PLACEHOLDER, escape(address))
    return {**payload, "article": {**article, "content_html": html}}


def is_named_in(payload: dict[str, Any]) -> bool:
    """Whether the placeholder stands in the text or article of `payload`."""
    article = payload.get("article") or {}
    texts = (payload.get("text"), article.get("content_html"))
    return any(PLACEHOLDER in text for text in texts if text)


def fill_for(member: Member, text: str) -> str:
    """`text` with the member's own address for the placeholder."""
    if PLACEHOLDER not in text:
        return text
    return text.replace(PLACEHOLDER, address_of(member))


def open_member(token: str) -> Opened:
    """Whom a token names; who was merged meanwhile counts as whom they became."""
    ids = signed_ids.read(_MEMBER, token, 3)
    if ids is None:
        return Opened(None, "unknown")
    pk, serial, end = ids
    rows = Member.objects.select_related("controller", "merged_into__controller")
    member = rows.filter(pk=pk).first()
    if member is None:
        return Opened(None, "unknown")
    if timezone.localdate() > _EPOCH + timedelta(days=min(end, 10**6)):
        return Opened(None, "expired")
    known = Preference.objects.filter(member=pk).values_list("link_serial", flat=True)
    if serial != (known.first() or 0):
        return Opened(None, "revoked")
    member = member.merged_into or member
    if member.purged_at is not None:
        return Opened(None, "unknown")
    return Opened(member)


def open_account(token: str) -> Account | None:
    """The account whose preference page a token opens; None for a token that is none."""
    ids = signed_ids.read(_ACCOUNT, token, 1)
    if ids is None:
        return None
    return Account.objects.select_related("org_unit").filter(pk=ids[0]).first()


@transaction.atomic
def revoke(member: Member, *, actor: Staff) -> None:
    """Make every link to the member's page void that was given out so far."""
    Member.objects.select_for_update(no_key=True).get(pk=member.pk)
    # Links of the records that were merged into this one lead here too.
    for each in (*member.merged_members.all(), member):
        chosen, _made = Preference.objects.get_or_create(member=each)
        chosen.link_serial += 1
        chosen.save(update_fields=["link_serial"])
    audit.record(
        "crm.preference.links_revoked",
        member,
        actor=actor,
        after={"serial": chosen.link_serial},
    )
