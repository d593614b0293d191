"""Segments put together by hand: people named by what colleagues paste, and taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from core.errors import BadInput
from crm.members import phone_digest
from crm.models import Identity, Member, Segment, SegmentMember
from crm.models.people import MemberQuerySet
from crm.registry import on_merge
from crm.segments.errors import NotThatKind, SegmentArchived
from staff.models import Staff

MAX_PASTED = 20_000
# Signs people put between what they copy out of a table or a chat.
_BETWEEN = re.compile(r"[\s,;，；、|]+")
_PHONE_DIGITS, _MOST_ID_DIGITS = 11, 10

_ADD = """
INSERT INTO crm_segmentmember (segment_id, member_id)
SELECT %s, unnest(%s::bigint[]) ON CONFLICT DO NOTHING
"""
_COPY = """
INSERT INTO crm_segmentmember (segment_id, member_id)
SELECT %s, member_id FROM crm_segmentmember WHERE segment_id = %s
ON CONFLICT DO NOTHING
"""
_FOLLOW = """
INSERT INTO crm_segmentmember (segment_id, member_id)
SELECT segment_id, %s FROM crm_segmentmember WHERE member_id = %s
ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True)
class Added:
    """`unknown`: what was pasted and names nobody the person may see."""

    added: int
    already: int
    unknown: list[str]


def find(text: str, members: MemberQuerySet) -> tuple[list[int], list[str]]:
    """(ids, what named nobody) of pasted numbers, phones and platform ids, of `members`.

    "#417" and up to 10 digits are the member's number, 11 digits a phone, the rest an
    openid, unionid or external_userid. Raises BadInput for more than MAX_PASTED.
    """
    words = list(dict.fromkeys(word for word in _BETWEEN.split(text) if word))
    if len(words) > MAX_PASTED:
        most = _("At most %(count)s at once; a longer list can be imported.")
        raise BadInput(most % {"count": f"{MAX_PASTED:,}"})
    found: dict[str, list[int]] = {}
    numbers = {word: int(word.lstrip("#")) for word in words if _is_number(word)}
    by_number = set(
        members.filter(pk__in=numbers.values()).values_list("pk", flat=True)
    )
    for word, number in numbers.items():
        found[word] = [number] if number in by_number else []
    _find_phones([word for word in words if _is_phone(word)], members, found)
    _find_ids([word for word in words if word not in found], members, found)
    pks = sorted({pk for each in found.values() for pk in each})
    return pks, [word for word in words if not found.get(word)]


def add(segment: Segment, text: str, *, actor: Staff) -> Added:
    """Put who is named in `text` on the list.

    Raises BadInput, NotThatKind, SegmentArchived.
    """
    _require_list(segment)
    members = Member.objects.visible_to(actor).known()
    pks, unknown = find(text, members.filter(controller=segment.controller))
    with transaction.atomic():
        held = locked(segment)
        added = add_ids(held, pks)
        if added:
            _tell(held, "people_added", added, actor)
    return Added(added, len(pks) - added, unknown)


def add_ids(held: Segment, members: Sequence[int]) -> int:
    """Put members on a list whose row is locked; how many are new."""
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [held.pk, sorted(members)])
        added = int(cursor.rowcount)
    if added:
        _count(held)
    return added


def remove(segment: Segment, members: Iterable[int], *, actor: Staff) -> int:
    """Take off the list whom `actor` may see of `members`; how many were on it."""
    _require_list(segment)
    seen = Member.objects.visible_to(actor).filter(pk__in=list(members))
    with transaction.atomic():
        held = locked(segment)
        rows = SegmentMember.objects.filter(segment=held, member__in=seen)
        removed = rows.delete()[0]
        if removed:
            _count(held)
            _tell(held, "people_removed", removed, actor)
    return removed


def copy_people(source: Segment, target: Segment) -> None:
    """Put everybody of `source` on the list `target`, as they stand."""
    with connection.cursor() as cursor:
        cursor.execute(_COPY, [target.pk, source.pk])
    _count(target)


@on_merge
def _follow_merge(primary: Member, duplicate: Member, actor: Staff) -> None:
    """Where the duplicate was in, the one who stands is in."""
    with connection.cursor() as cursor:
        cursor.execute(_FOLLOW, [primary.pk, duplicate.pk])
    SegmentMember.objects.filter(member=duplicate).delete()


def start_empty(segment: Segment) -> None:
    """Write down that a new list holds nobody."""
    _count(segment)


def locked(segment: Segment) -> Segment:
    """The row of a list that is to be changed. Raises SegmentArchived."""
    held = Segment.objects.select_for_update(no_key=True).get(pk=segment.pk)
    if held.archived_at is not None:
        raise SegmentArchived
    return held


def _require_list(segment: Segment) -> None:
    if segment.kind != Segment.Kind.LIST:
        raise NotThatKind(_("Only a list is put together by hand."))


def _count(held: Segment) -> None:
    held.member_count = SegmentMember.objects.filter(segment=held).count()
    held.computed_at, held.computed_version = timezone.now(), held.version
    held.save(update_fields=["member_count", "computed_at", "computed_version"])


def _tell(held: Segment, verb: str, count: int, actor: Staff) -> None:
    audit.record(
        f"crm.segment.{verb}",
        held,
        actor=actor,
        after={"members": count},
        label=held.name,
    )


def _is_number(word: str) -> bool:
    digits = word.removeprefix("#")
    return digits.isascii() and digits.isdigit() and len(digits) <= _MOST_ID_DIGITS


def _is_phone(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) == _PHONE_DIGITS


def _find_phones(
    phones: list[str], members: MemberQuerySet, found: dict[str, list[int]]
) -> None:
    digests = {phone_digest(phone): phone for phone in phones}
    found.update({phone: [] for phone in phones})
    rows = members.exclude(phone_hash="").filter(phone_hash__in=digests)
    for pk, digest in rows.values_list("pk", "phone_hash"):
        found[digests[digest]].append(pk)


def _find_ids(
    values: list[str], members: MemberQuerySet, found: dict[str, list[int]]
) -> None:
    found.update({value: [] for value in values})
    rows = Identity.objects.filter(value__in=values, member__in=members)
    for value, pk in rows.values_list("value", "member"):
        found[value].append(pk)
