"""Merges, undoing and decisions that several people or workers make at one moment."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.utils import timezone

from core import jobs
from core.errors import AppError
from crm import complaints, matching, merging, orders, preferences, reviews
from crm.errors import AlreadyDecided, AlreadyUndone
from crm.models import Event, Identity, MatchReview, Member, Merge
from staff.accounts import system_staff
from tests.conftest import build_staff
from tests.crm.conftest import build_world, deliver_now
from tests.crm.imported import act, assign, uploaded, with_manager
from tests.crm.merges import dump
from tests.crm.test_races import at_once
from tests.stack import wait_until

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


def waiting_for_locks():
    """How many others wait for what somebody holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0]


def test_what_is_told_while_records_become_one_counts_for_who_stands(
    settings, tmp_path
):
    world, (one, other, _third) = three_members()
    place = with_manager(world, settings, tmp_path)
    actor = system_staff("test")
    text = "订单号,会员号,下单时间,金额\nF1,V1,2026-01-01,10\n"
    matching.bind_buyer(world.brand, "V1", other, actor=actor)
    batch = uploaded(place.client, text, kind="orders")
    assign(place.client, batch)
    act(place.client, batch, "begin")
    told = orders.Told(
        shop="店",
        code="R1",
        placed_at=timezone.now(),
        amount=Decimal(10),
        buyer=orders.Buyer(openid="o2", account=world.sub),
    )
    writers = [
        lambda: preferences.stop_all(other, texts={}),
        lambda: complaints.begin(other, reason="投诉", actor=actor),
        lambda: orders.record(world.brand, told, actor=actor),
        jobs.drain,
    ]
    threads = [
        threading.Thread(target=lambda work=work: (work(), connection.close()))
        for work in writers
    ]
    with transaction.atomic():
        merging.merge(one, other, actor=actor)
        for thread in threads:
            thread.start()
        wait_until(lambda: waiting_for_locks() == len(threads))
    for thread in threads:
        thread.join(20)

    one.refresh_from_db()
    assert one.opted_out_at
    assert one.frozen_until
    assert set(one.orders.values_list("code", flat=True)) == {"R1", "F1"}
    assert not other.orders.exists()
    assert not other.consent_entries.exists()
