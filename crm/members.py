"""Writes to a member by people who work here, and looking members up."""

from __future__ import annotations

from django.db import models, transaction
from django.utils import timezone

from core import audit
from core.encryption import blind_index
from crm import timeline
from crm.models import Identity, Member
from crm.naming import fragment_tokens, printable, tokens
from staff.models import Staff

# Shorter values are fragments of names; the platforms' ids are longer.
_SHORTEST_ID = 10
_PHONE_DIGITS, _TAIL_DIGITS = 11, 4


@transaction.atomic
def change_remark(member: Member, remark: str, *, actor: Staff) -> bool:
    """Write what colleagues call the member; False when nothing changed."""
    clean = printable(remark)
    locked = Member.objects.select_for_update(no_key=True).get(pk=member.pk)
    if clean == locked.remark:
        return False
    locked.remark = member.remark = clean
    locked.name_tokens = tokens(locked.display_name, clean)
    locked.save(update_fields=["remark", "name_tokens"])
    now = timezone.now()
    timeline.write(
        member=locked,
        kind="remark",
        at=now,
        key=f"remark:{locked.pk}:{now.timestamp()}",
        data={"remark": clean},
    )
    # The words themselves are personal: the trail says only that they changed.
    audit.record("crm.member.remark_changed", locked, actor=actor)
    return True


def phone_digest(phone: str) -> str:
    return blind_index(phone, purpose="phone")


def phone_tail_digest(tail: str) -> str:
    return blind_index(tail, purpose="phone_tail")


def look_up(rows: models.QuerySet[Member], text: str) -> models.QuerySet[Member]:
    """Narrow `rows` to what a person typed into the search box.

    "#417" and a number of up to 10 digits: the member's id; a platform id (openid,
    unionid, external_userid): exactly that; 11 digits: the full phone; 4 digits also
    the end of a phone; anything else: a fragment of name or remark, from one character.
    """
    wanted = text.strip()
    if not wanted:
        return rows
    number = wanted.removeprefix("#")
    found = models.Q(name_tokens__contains=fragment_tokens(wanted))
    if number.isascii() and number.isdigit():
        if len(number) <= 10:
            found |= models.Q(pk=int(number))
        # The partial indexes hold only members with a phone.
        if len(number) == _PHONE_DIGITS:
            has_phone = ~models.Q(phone_hash="")
            found |= has_phone & models.Q(phone_hash=phone_digest(number))
        if len(number) == _TAIL_DIGITS:
            has_phone = ~models.Q(phone_tail_hash="")
            found |= has_phone & models.Q(phone_tail_hash=phone_tail_digest(number))
    elif len(wanted) >= _SHORTEST_ID and wanted.isascii() and " " not in wanted:
        # Read first: a subquery under OR would scan the whole table.
        owners = Identity.objects.filter(value=wanted).values_list("member", flat=True)
        found |= models.Q(pk__in=list(owners[:100]))
    return rows.filter(found)


def set_phone(member: Member, phone: str) -> None:
    """Set the phone with its look-up hashes on the instance; the caller saves it."""
    digits = "".join(char for char in phone if char.isascii() and char.isdigit())
    member.phone = digits
    member.phone_hash = phone_digest(digits) if digits else ""
    member.phone_tail_hash = phone_tail_digest(digits[-_TAIL_DIGITS:]) if digits else ""
