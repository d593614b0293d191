"""A merge taken back: everything as it was, and what came since with whom it belongs to."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from campaigns.models import Recipient
from core.models import AuditEntry
from crm import (
    complaints,
    consent,
    journal,
    merging,
    purging,
    registry,
    reviews,
    tagging,
)
from crm.errors import (
    AlreadyUndone,
    LaterMergeStands,
    NotUndoable,
    ReasonMissing,
)
from crm.models import (
    ConsentEntry,
    Event,
    Identity,
    MatchReview,
    Member,
    MemberTag,
    Merge,
    MergeStep,
    Order,
    Relation,
    Segment,
    SegmentMember,
    StageChange,
    Tag,
    TagGroup,
)
from crm.models.consents import NO_END
from service.models import Conversation
from staff.accounts import system_staff
from tests.core.worlds import World
from tests.crm.merges import differences, dump
from wechat.models import Colleague


def undo(merge, actor=None, reason="认错了人"):
    return merging.unmerge(merge, actor=actor or system_staff("test"), reason=reason)


def only_merge():
    return Merge.objects.standing().get()


def two_members(world, deliver):
    deliver(world.service, "mp.event.subscribe", "o1")
    deliver(world.sub, "mp.message.text", "o2", Content="在吗")
    return Member.objects.order_by("pk")


def test_an_undone_merge_leaves_no_trace_but_history(world, deliver):
    kept, gone = two_members(world, deliver)
    actor = system_staff("test")
    gone.display_name, gone.is_placeholder_name = "林小满", False
    gone.phone, gone.phone_hash = "13812345678", "x"
    gone.save()
    before = dump(kept, gone)
    merging.merge(kept, gone, actor=actor)
    assert dump(kept, gone) != before

    back = undo(only_merge())

    assert back == gone
    assert back.merged_into is None
    assert dump(kept, gone) == before
    assert Event.objects.filter(kind="unmerged").count() == 2
    trail = AuditEntry.objects.filter(action="crm.member.unmerged")
    assert set(trail.values_list("reason", flat=True)) == {"认错了人"}
    merge = Merge.objects.get()
    assert merge.undone_by == actor
    assert merge.undone_at is not None
    assert reviews.are_apart(kept, gone)


def test_undoing_needs_a_reason_and_happens_once(world, deliver):
    kept, gone = two_members(world, deliver)
    merging.merge(kept, gone, actor=system_staff("test"))
    merge = only_merge()
    with pytest.raises(ReasonMissing):
        undo(merge, reason="  ")
    undo(merge)
    with pytest.raises(AlreadyUndone):
        undo(merge)


def test_merges_come_apart_in_the_reverse_order_only(world, deliver):
    kept, gone = two_members(world, deliver)
    deliver(world.service, "mp.event.subscribe", "o3")
    third = Member.objects.order_by("pk").last()
    actor = system_staff("test")
    before = dump(kept, gone, third)
    merging.merge(kept, gone, actor=actor)
    first = only_merge()
    merging.merge(third, kept, actor=actor)
    second = Merge.objects.exclude(pk=first.pk).get()
    gone.refresh_from_db()
    assert gone.merged_into == third
    with pytest.raises(LaterMergeStands) as refusal:
        undo(first)
    assert refusal.value.extra["merge"] == second.pk
    undo(second)
    undo(first)
    assert dump(kept, gone, third) == before


def test_what_somebody_changed_since_stays_as_they_left_it(world, deliver):
    kept, gone = two_members(world, deliver)
    Member.objects.filter(pk=gone.pk).update(remark="老客", city="上海")
    merging.merge(kept, gone, actor=system_staff("test"))
    Member.objects.filter(pk=kept.pk).update(remark="周姐介绍")
    undo(only_merge())
    kept.refresh_from_db()
    assert (kept.remark, kept.city) == ("周姐介绍", "")


def test_what_came_since_follows_the_identity(world, deliver):
    kept, gone = two_members(world, deliver)
    merging.merge(kept, gone, actor=system_staff("test"))
    later = timezone.now() + timedelta(seconds=2)
    deliver(world.sub, "mp.message.text", "o2", Content="我是二号", at=later)
    deliver(world.service, "mp.message.text", "o1", Content="我是一号", at=later)
    deliver(world.sub, "mp.event.unsubscribe", "o2", at=later + timedelta(seconds=2))

    undo(only_merge())

    said = Event.objects.filter(
        kind="message.text", at__gte=later.replace(microsecond=0)
    )
    assert said.get(account=world.sub).member == gone
    assert said.get(account=world.service).member == kept
    gone.refresh_from_db()
    kept.refresh_from_db()
    assert not gone.is_reachable
    assert gone.purge_due_at is not None
    assert kept.is_reachable
    assert kept.purge_due_at is None


def test_two_addresses_of_one_account_are_told_by_the_callback(world, deliver):
    deliver(world.service, "mp.event.subscribe", "o1")
    deliver(world.service, "mp.event.subscribe", "o2")
    kept, gone = Member.objects.order_by("pk")
    merging.merge(kept, gone, actor=system_staff("test"))
    deliver(world.service, "mp.message.text", "o2", Content="二")
    deliver(world.service, "mp.message.text", "o1", Content="一")
    undo(only_merge())
    members = Event.objects.filter(kind="message.text").order_by("id")
    assert [event.member for event in members] == [gone, kept]


def test_a_refusal_nobody_can_place_holds_for_both(world, deliver):
    kept, gone = two_members(world, deliver)
    actor = system_staff("test")
    merging.merge(kept, gone, actor=actor)
    consent.withdraw(kept, actor=actor, at=timezone.now(), key="k", source="staff")
    undo(only_merge())
    for member in (kept, gone):
        member.refresh_from_db()
        assert member.opted_out_at is not None
    assert ConsentEntry.objects.count() == 2


def test_a_purged_person_cannot_be_taken_apart_and_the_steps_are_gone(world, deliver):
    kept, gone = two_members(world, deliver)
    merging.merge(kept, gone, actor=system_staff("test"))
    assert MergeStep.objects.exists()
    Member.objects.filter(pk=kept.pk).update(purge_due_at=timezone.now())
    assert purging.purge(kept.pk, actor=system_staff("test"))
    assert not MergeStep.objects.exists()
    with pytest.raises(NotUndoable):
        undo(only_merge())


def test_pairs_that_only_the_merges_had_settled_are_asked_about_again(world, deliver):
    for number in (1, 2, 3):
        deliver(world.service, "mp.message.text", f"o{number}", Content="一")
    one, other, third = Member.objects.order_by("pk")
    row = reviews.put_on(other, third, speaks_for=["phone"], against=[])
    actor = system_staff("test")
    merging.merge(one, other, actor=actor)
    merging.merge(one, third, actor=actor)
    row.refresh_from_db()
    assert row.state == "merged"
    undo(Merge.objects.order_by("-pk").first())
    row.refresh_from_db()
    assert row.state == "merged"  # one and third are apart, and other is one
    undo(Merge.objects.order_by("pk").first())
    row.refresh_from_db()
    assert (row.state, row.decided_by) == ("open", None)
    # Of what was taken apart by hand nobody asks.
    assert list(MatchReview.objects.open()) == [row]


def test_a_complaint_closed_meanwhile_thaws_whose_it_was(world, deliver):
    kept, gone = two_members(world, deliver)
    actor = system_staff("test")
    complaint = complaints.begin(gone, reason="差评", actor=actor)
    merging.merge(kept, gone, actor=actor)
    complaint.refresh_from_db()
    complaints.close(complaint, outcome="已补发", actor=actor)
    other = complaints.begin(kept, reason="又来了", actor=actor)
    undo(only_merge())
    kept.refresh_from_db()
    gone.refresh_from_db()
    assert gone.frozen_until < timezone.now() + timedelta(days=31)
    assert kept.frozen_until == NO_END  # what came since stays with the kept record
    complaints.close(other, outcome="好了", actor=actor)


def test_what_an_undone_merge_knew_goes_with_either_of_the_two(world, deliver):
    kept, gone = two_members(world, deliver)
    merging.merge(kept, gone, actor=system_staff("test"))
    undo(only_merge())
    assert MergeStep.objects.exists()
    Member.objects.filter(pk=gone.pk).update(purge_due_at=timezone.now())
    assert purging.purge(gone.pk, actor=system_staff("test"))
    assert not MergeStep.objects.exists()


def test_steps_hold_nothing_in_clear(world, deliver):
    kept, gone = two_members(world, deliver)
    Member.objects.filter(pk=gone.pk).update(phone="13812345678", remark="老客")
    merging.merge(kept, gone, actor=system_staff("test"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(rows::text, '') FROM crm_mergestep")
        stored = cursor.fetchone()[0]
    assert "13812345678" not in stored
    assert "老客" not in stored


# -- every table, also those to come


STAY = {"crm.Merge", "crm.MatchReview"}


def _tables():
    return [
        model
        for model in apps.get_models()
        if journal.member_fields(model) and model is not Member
    ]


def test_every_table_of_members_is_carried_over_and_back(db):
    """A row in each table with a foreign key to Member; a new table can't be forgotten."""
    world = World("Alpha")
    kept = world.row(Member)
    gone = world.make(Member)
    for model in _tables():
        if model._meta.label not in STAY and not _is_kept_by_itself(model):
            (field, *_more) = journal.member_fields(model)
            world.make(model, **{field: gone})
    before = dump(kept, gone)
    assert sum(len(rows) for rows in before.values()) >= len(_tables()) - 4

    merging.merge(kept, gone, actor=world.viewer)

    left = {
        model._meta.label
        for model in _tables()
        for field in journal.member_fields(model)
        if model._base_manager.filter(**{field: gone}).exists()
    }
    # Said to both: each row tells to whom, and the other one is kept as left out. A
    # preference stays with whom its links were given to.
    assert left <= STAY | {"crm.TagSet", "campaigns.Recipient", "crm.Preference"}
    undo(only_merge(), world.viewer)
    assert dump(kept, gone) == before


def _is_kept_by_itself(model):
    """Written by a trigger, or counted from other rows."""
    label = model._meta.label_lower
    return label == "crm.tagset" or label in registry.derived_tables


# -- any sequence


def _settle_in(world, people, draw):
    """Rows of every kind that meets its like in a merge, spread over the people."""
    actor, now = system_staff("test"), timezone.now()
    group = TagGroup.objects.create(code="g", name="g", is_exclusive=True)
    free = TagGroup.objects.create(code="f", name="f")
    tags = [
        Tag.objects.create(group=g, name=str(i)) for g in (group, free) for i in (1, 2)
    ]
    colleagues = [
        Colleague.objects.create(account=world.wecom, userid=f"u{i}") for i in range(2)
    ]
    listed = Segment.objects.create(
        controller=world.brand, name="名单", kind="list", owner=actor
    )
    filler = World("Filler")
    touch = filler.row(apps.get_model("campaigns.Touch"))
    for number, member in enumerate(people):
        for tag in draw.sample(tags, 2):
            tagging.tag([member.pk], tag, actor=actor)
        colleague = draw.choice(colleagues)
        added = now - timedelta(days=draw.randint(1, 90))
        Relation.objects.create(member=member, colleague=colleague, added_at=added)
        state = draw.choice(["waiting", "excluded", "sent"])
        Recipient.objects.create(
            touch=touch, member=member, address=f"a{number}", state=state
        )
        Order.objects.create(
            controller=world.brand,
            member=member,
            shop="s",
            code=f"{number}",
            amount=Decimal("9.90"),
        )
        if draw.random() < 0.6:
            SegmentMember.objects.create(segment=listed, member=member)
        if draw.random() < 0.5:
            key = f"k{number}"
            consent.withdraw(member, actor=actor, at=now, key=key, source="staff")
        StageChange.objects.create(member=member, before="new", after="loyal")
        _open_conversation(world, filler, member, draw)
        if draw.random() < 0.5:
            member.refresh_from_db()
            member.remark, member.gender = f"备注{number}", draw.choice("fm")
            member.phone = f"1380000000{number}"
            member.save()


def _open_conversation(world, filler, member, draw):
    queue = filler.row(apps.get_model("service.Queue"))
    app = world.service.apps.get()
    conversation = Conversation.objects.create(
        app=app,
        member=member,
        recipient=f"r{member.pk}",
        queue=queue,
        waiting_since=timezone.now() - timedelta(minutes=draw.randint(1, 50)),
    )
    conversation.messages.create(direction="in", text="在吗")


@pytest.mark.parametrize("seed", [0, 2])
def test_any_sequence_of_merges_undone_restores_the_start(world, deliver, seed):
    draw = random.Random(seed)
    accounts = [world.service, world.sub]
    for number in range(6):
        deliver(draw.choice(accounts), "mp.message.text", f"o{number}", Content="一")
    people = list(Member.objects.order_by("pk"))
    _settle_in(world, people, draw)
    actor = system_staff("test")
    start = dump(*people)
    undone = []
    for _ in range(14):
        standing = list(Merge.objects.standing().order_by("-pk"))
        if standing and draw.random() < 0.35:
            merge = draw.choice(standing)
            if not merging.later_merges(merge).exists():
                undo(merge)
                undone.append(merge)
            continue
        one, other = draw.sample(people, 2)
        merging.merge(one, other, actor=actor)
    assert undone
    while (last := Merge.objects.standing().order_by("-pk").first()) is not None:
        undo(last)
    end = dump(*people)
    assert differences(start, end) == []
    assert not MatchReview.objects.open().exists()
    assert MemberTag.objects.count() == sum(
        len(row.tag_ids) for row in apps.get_model("crm.TagSet").objects.all()
    )
    assert Identity.objects.filter(member__merged_into__isnull=False).count() == 0
