"""Writes to a member by people who work here, and looking members up."""

from __future__ import annotations

from django.db import models, transaction
from django.http import QueryDict
from django.utils import timezone

from core import audit
from crm import matching, merging, phones, timeline
from crm.errors import MemberGone, NotMergeable
from crm.models import Member
from crm.naming import printable, tokens
from crm.narrowing import Condition, asked_keys, conditions
from crm.phones import phone_digest as phone_digest
from crm.phones import phone_tail_digest as phone_tail_digest
from crm.recent import Recent
from staff.models import Staff

# Keys of the list's query string that say how to show it, not whom.
_PAGING = ("p", "o", "e")


@transaction.atomic
def change_remark(member: Member, remark: str, *, actor: Staff) -> bool:
    """Write what colleagues call the member; False when nothing changed.

    Raises MemberGone after a merge or purge.
    """
    clean = printable(remark)
    locked = Member.objects.select_for_update(no_key=True).get(pk=member.pk)
    if locked.merged_into_id is not None or locked.purged_at is not None:
        raise MemberGone
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
    staff: Staff, text: str, count: int, *, among: models.Q | None = None
) -> list[Member]:
    """Whom a person means by what they typed (crm.searching), seen last first.

    At most `count` members in the person's scope, of those for whom `among` holds; []
    when nothing was typed. As quick for a rare name as the member list is.
    """
    asked = QueryDict(mutable=True)
    asked["q"] = text
    met = conditions(staff, asked)
    if not met:
        return []
    if among is not None:
        met.append(Condition(among))
    keys = Recent(staff, met).ids(0, count)
    rows = Member.objects.select_related("org_unit").in_bulk(keys)
    return [rows[key] for key in keys if key in rows]


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


@transaction.atomic
def set_phone(member: Member, phone: str, *, actor: Staff, source: str) -> Member:
    """Write a member's phone as somebody gave it; "" takes it away.

    Args:
        source: who tells it: "platform" (checked by WeChat or WeCom), "member" (typed
            by them), "staff", "import", "order", "sync". crm.matching says what each
            may prove.

    Returns the member who stands: the number may show that they are somebody known, who
    is then merged, or asked about on the review list. Raises PhoneInvalid, and
    NotMergeable for who was merged or purged.
    """
    clean = phones.normalise(phone)
    merging.lock_controller(member.controller)
    locked = Member.objects.select_for_update(no_key=True).get(pk=member.pk)
    if locked.merged_into_id or locked.purged_at:
        raise NotMergeable
    if clean == locked.phone:
        return locked
    before = locked.masked_phone
    for row in (locked, member):
        phones.fill(row, clean)
    locked.save(update_fields=["phone", "phone_hash", "phone_tail_hash"])
    audit.record(
        "crm.member.phone_changed",
        locked,
        actor=actor,
        before={"phone": before},
        after={"phone": phones.mask(clean), "source": source},
    )
    return matching.settle_phone(locked, actor=actor, source=source)
