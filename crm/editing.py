"""What people know of a member and write down by hand, each value once and on record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from core import audit
from crm import members, timeline
from crm.errors import MeanwhileChanged, MemberGone
from crm.models import Member
from staff.models import Staff

EDIT = "crm.change_member"
ASSIGN = "crm.assign_member"
PROFILE_FIELDS = ("gender", "birthday", "city")
ASSIGNED_FIELDS = ("owner", "org_unit")


def as_text(value: Any) -> str:
    """A value as a page carries it along: "" for nothing, the id of a row."""
    if value is None:
        return ""
    return str(value.pk if isinstance(value, models.Model) else value)


@transaction.atomic
def change(
    member: Member,
    values: Mapping[str, Any],
    *,
    seen: Mapping[str, str],
    actor: Staff,
) -> list[str]:
    """Write `values` over what the page showed (`seen`, `as_text` of each).

    Only what differs from `seen` is written; the names of those fields are returned.
    Raises MeanwhileChanged, naming the fields, when somebody else wrote another value
    into one of them since; MemberGone after a merge or purge. The caller checks rights
    and that owner and store are visible and of the member's controller.
    """
    locked = Member.objects.select_for_update(no_key=True).get(pk=member.pk)
    if locked.merged_into_id is not None or locked.purged_at is not None:
        raise MemberGone
    wanted = {
        name: value
        for name, value in values.items()
        if as_text(value) != seen.get(name, "")
    }
    stands = {name: as_text(_raw(locked, name)) for name in wanted}
    lost = [
        name
        for name, value in wanted.items()
        if stands[name] not in (seen.get(name, ""), as_text(value))
    ]
    if lost:
        raise MeanwhileChanged(fields=lost)
    changed = [name for name in wanted if stands[name] != as_text(wanted[name])]
    if not changed:
        return []
    before = {name: _masked(name, _raw(locked, name)) for name in changed}
    for name in changed:
        setattr(locked, name, wanted[name])
    locked.save(update_fields=changed)
    after = {name: _masked(name, _raw(locked, name)) for name in changed}
    audit.record("crm.member.edited", locked, actor=actor, before=before, after=after)
    _tell(locked, changed, actor)
    return changed


@transaction.atomic
def change_phone(member: Member, phone: str, *, actor: Staff) -> bool:
    """Set the phone, or take it away with ""; False when it stood already.

    The number may show that the member is somebody known (members.set_phone): then the
    two are one afterwards, or on the review list. Raises PhoneInvalid, MemberGone.
    """
    before = Member.objects.get(pk=member.pk)
    if before.merged_into_id is not None or before.purged_at is not None:
        raise MemberGone
    standing = members.set_phone(member, phone, actor=actor, source="staff")
    if standing.pk == before.pk and standing.phone == before.phone:
        return False
    _tell(standing, ["phone"], actor)
    return True


def _raw(member: Member, name: str) -> Any:
    """The value, of a relation its id, without reading the other row."""
    return getattr(member, f"{name}_id" if name in ASSIGNED_FIELDS else name)


def _masked(name: str, value: Any) -> Any:
    """What the trail keeps: ids, and of a birthday the year only."""
    if isinstance(value, date):
        return f"{value.year}-**-**"
    return value


def _tell(member: Member, names: list[str], actor: Staff) -> None:
    now = timezone.now()
    timeline.write(
        member=member,
        kind="profile.edited",
        at=now,
        key=f"edited:{member.pk}:{now.timestamp()}",
        data={"fields": names, "by": str(actor)},
    )
