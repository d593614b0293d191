"""Writes to a member by people who work here, and looking members up."""

from __future__ import annotations

from django.db import models, transaction
from django.http import QueryDict
from django.utils import timezone

from core import audit
from crm import timeline
from crm.models import Member
from crm.naming import printable, tokens
from crm.narrowing import asked_keys, conditions
from crm.phones import TAIL_DIGITS
from crm.phones import phone_digest as phone_digest
from crm.phones import phone_tail_digest as phone_tail_digest
from crm.searching import search
from staff.models import Staff

# Keys of the list's query string that say how to show it, not whom.
_PAGING = ("p", "o", "e")


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


def look_up(
    rows: models.QuerySet[Member], text: str, staff: Staff | None = None
) -> models.QuerySet[Member]:
    """Narrow `rows` to what a person typed into the search box (crm.searching)."""
    found = search(text, staff)
    return rows if found is None else rows.filter(found)


def selection(staff: Staff, query: str) -> models.QuerySet[Member]:
    """The members a query string of the member list asks for, in the person's scope.

    Filters and search are those of the list; what the person may not see, or what is no
    value of a filter, selects nobody; so does a key that is no filter, for nobody meant
    everybody. The order is the list's.
    """
    rows = Member.objects.visible_to(staff).known()
    asked = QueryDict(query.removeprefix("?"))
    if not set(asked) <= {*asked_keys(), *_PAGING}:
        return rows.none()
    for condition in conditions(staff, asked):
        rows = rows.filter(condition.holds)
    return rows


def set_phone(member: Member, phone: str) -> None:
    """Set the phone with its look-up hashes on the instance; the caller saves it."""
    digits = "".join(char for char in phone if char.isascii() and char.isdigit())
    member.phone = digits
    member.phone_hash = phone_digest(digits) if digits else ""
    member.phone_tail_hash = phone_tail_digest(digits[-TAIL_DIGITS:]) if digits else ""
