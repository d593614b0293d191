"""Lists and frozen segments stay counted right while their people merge and go."""

from __future__ import annotations

from django.utils import timezone

from crm import merging, purging
from crm.models import Member, Merge, Segment, SegmentMember
from tests.conftest import build_staff
from tests.crm.test_member_pages import make_member


def test_lists_count_right_when_people_become_one_part_and_go(world):
    maker = build_staff("ops_manager", org_unit=world.brand)
    one, other, third = (make_member(world.brand, name) for name in "甲乙丙")

    def group(kind, people):
        made = Segment.objects.create(
            controller=world.brand,
            name=f"{kind}{len(people)}",
            kind=kind,
            owner=maker,
            member_count=len(people),
        )
        SegmentMember.objects.bulk_create(
            SegmentMember(segment=made, member=person) for person in people
        )
        return made

    groups = [
        group("list", [one, other, third]),
        group("list", [other]),
        group("frozen", [one, other, third]),
        group("dynamic", [one, other, third]),
    ]

    def counts():
        for each in groups:
            each.refresh_from_db()
        return [each.member_count for each in groups]

    merging.merge(one, other, actor=maker)
    assert counts() == [2, 1, 2, 3]  # the last is counted when it is computed
    merging.unmerge(Merge.objects.get(), actor=maker, reason="认错了人")
    assert counts() == [3, 1, 3, 3]
    Member.objects.filter(pk=third.pk).update(purge_due_at=timezone.now())
    purging.purge(third.pk, actor=maker)
    assert counts() == [2, 1, 2, 3]
