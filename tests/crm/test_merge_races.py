"""Merges, undoing and decisions that several people or workers make at one moment."""

from __future__ import annotations

import pytest

from core.errors import AppError
from crm import matching, merging, reviews
from crm.errors import AlreadyDecided, AlreadyUndone
from crm.models import Event, Identity, MatchReview, Member, Merge
from staff.accounts import system_staff
from tests.conftest import build_staff
from tests.crm.conftest import build_world, deliver_now
from tests.crm.merges import dump
from tests.crm.test_races import at_once

pytestmark = pytest.mark.usefixtures("transactional_db")


def three_members():
    world = build_world()
    deliver_now(world.service, "mp.message.text", "o1", Content="一")
    deliver_now(world.sub, "mp.message.text", "o2", Content="一")
    deliver_now(world.service, "mp.message.text", "o3", Content="一")
    return world, list(Member.objects.order_by("pk"))


def tried(work):
    def run():
        try:
            return work()
        except AppError as refusal:
            return refusal

    return run


def test_of_two_colleagues_who_decide_one_wins_and_the_other_is_told():
    _world, (one, other, _third) = three_members()
    pair = reviews.put_on(one, other, speaks_for=["phone"], against=[])
    people = [build_staff("ops_manager", display_name=name) for name in "甲乙"]

    def merge():
        row = MatchReview.objects.get(pk=pair.pk)
        return matching.one_person(row, one.pk, actor=people[0])

    def part():
        row = MatchReview.objects.get(pk=pair.pk)
        return matching.two_people(row, actor=people[1])

    answers = at_once(tried(merge), tried(part), tried(merge), tried(part))

    lost = [answer for answer in answers if isinstance(answer, AlreadyDecided)]
    assert len(lost) == 3
    pair.refresh_from_db()
    assert all(refusal.extra["by"] == pair.decided_by_id for refusal in lost)
    assert Merge.objects.count() == (pair.state == "merged")


def test_merges_crossing_each_other_end_in_one_person():
    _world, (one, other, third) = three_members()
    actor = system_staff("test")
    at_once(
        lambda: merging.merge(one, other, actor=actor),
        lambda: merging.merge(other, third, actor=actor),
        lambda: merging.merge(third, one, actor=actor),
    )
    standing = Member.objects.get(merged_into=None)
    assert Identity.objects.filter(member=standing).count() == 3
    assert Merge.objects.standing().count() == 2
    assert not Event.objects.exclude(member=standing).exists()


def test_undoing_while_callbacks_arrive_and_somebody_else_undoes_too():
    world, (one, other, _third) = three_members()
    actor = system_staff("test")
    merging.merge(one, other, actor=actor)
    row = Merge.objects.get()

    def write(account, openid):
        def run():
            for number in range(8):
                deliver_now(account, "mp.message.text", openid, Content=str(number))

        return run

    def undo():
        merging.unmerge(row, actor=actor, reason="认错了人")
        return "undone"

    answers = at_once(
        write(world.service, "o1"), tried(undo), write(world.sub, "o2"), tried(undo)
    )

    assert answers.count("undone") == 1
    assert sum(isinstance(answer, AlreadyUndone) for answer in answers) == 1
    for member, account in ((one, world.service), (other, world.sub)):
        said = Event.objects.filter(member=member, kind="message.text")
        assert set(said.values_list("account", flat=True)) == {account.pk}
        assert said.count() == 9


def test_a_merge_and_an_undo_at_once_leave_a_whole_state():
    _world, (one, other, third) = three_members()
    actor = system_staff("test")
    start = dump(one, other, third)
    merging.merge(one, other, actor=actor)
    row = Merge.objects.get()
    at_once(
        tried(lambda: merging.unmerge(row, actor=actor, reason="错")),
        tried(lambda: merging.merge(one, third, actor=actor)),
    )
    # Whoever was first: undone from the newest on, the start is back.
    while (last := Merge.objects.standing().order_by("-pk").first()) is not None:
        merging.unmerge(last, actor=actor, reason="错")
    assert dump(one, other, third) == start
