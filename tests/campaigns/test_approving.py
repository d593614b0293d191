"""A second person says yes to exactly one thing; whatever changes it takes the yes away."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from campaigns import approving, audience, snapshots, touches
from campaigns.errors import ChangedMeanwhile, FieldProblems, NotInThisState
from campaigns.models import Campaign, Recipient, Touch
from content import items as content_items
from content.errors import StillUsed
from content.models import Item, Version
from core.models import AuditEntry
from crm import tagging
from crm.errors import TagInUse
from staff.models import Approval
from tests.campaigns.audiences import build_audience, draft, make_member, morning, put
from tests.campaigns.returning import build_side
from tests.conftest import build_staff
from tests.crm.test_races import at_once
from wechat.models import Account


def build():
    world = build_audience()
    side = world.side
    world.planner = build_staff("ops_specialist", org_unit=side.unit)
    world.approver = build_staff("ops_manager", org_unit=side.unit)
    world.members = [make_member(side) for _number in range(3)]
    world.version = approved_version(world)
    return world


def approved_version(world, body="上新了", kind="text"):
    side = world.side
    item = Item.objects.create(
        org_unit=side.unit, kind=kind, title=body, owner=side.owner
    )
    return Version.objects.create(
        item=item,
        number=1,
        body=body,
        created_by=side.owner,
        digest=body,
        state="approved",
        approved_by=world.approver,
        approved_at=timezone.now(),
    )


def plan(world, **fields):
    fields = {
        "name": "上新通知",
        "phase": world.side.phase,
        "channel": "mass",
        "account": world.account,
        "version": world.version,
        "scheduled_at": morning(),
        **fields,
    }
    return touches.create(world.side.campaign, actor=world.planner, **fields)


def approved(world, **fields):
    touch = plan(world, **fields)
    approving.ask(touch, actor=world.planner)
    return approving.decide(touch, actor=world.approver, is_yes=True)


@pytest.fixture
def world(db):
    return build()


def test_asking_freezes_people_and_digest_and_a_second_person_decides(world):
    touch = plan(world)
    asked = approving.ask(touch, actor=world.planner)
    assert touch.state == "in_review"
    assert touch.planned_count == Recipient.objects.filter(touch=touch).count() == 3
    assert asked.digest == touch.digest == approving.digest_of(touch)
    assert asked.summary.startswith("【全量发送】")
    assert approving.waiting_for(world.approver) == [touch]

    done = approving.decide(touch, actor=world.approver, is_yes=True, reason="可以发")

    assert done.state == "approved"
    assert approving.is_current(done)
    asked.refresh_from_db()
    assert (asked.state, asked.approver) == ("approved", world.approver)
    assert list(
        AuditEntry.objects.filter(action__startswith="campaigns.touch")
        .order_by("pk")
        .values_list("action", flat=True)
    ) == [
        f"campaigns.touch.{each}" for each in ("created", "approval_asked", "approved")
    ]


def test_nobody_approves_what_they_planned_or_asked_for(world):
    boss = build_staff("administrator", org_unit=world.side.unit)
    touch = plan(world)
    approving.ask(touch, actor=boss)
    for person in (boss, world.planner):
        person.is_superuser = True
        with pytest.raises(approving.SecondPersonNeeded):
            approving.decide(touch, actor=person, is_yes=True)
    assert Approval.objects.get().state == "requested"


def test_a_yes_to_an_older_request_is_no_yes_to_the_newer_one(world):
    touch = plan(world)
    approving.ask(touch, actor=world.planner)
    read = Touch.objects.get(pk=touch.pk)
    touches.update(touch, touch.revision, actor=world.planner, batch_size=99)
    approving.ask(touch, actor=world.planner)
    with pytest.raises(ChangedMeanwhile):
        approving.decide(read, actor=world.approver, is_yes=True)
    assert approving.decide(touch, actor=world.approver, is_yes=True).batch_size == 99


def test_without_the_right_or_out_of_scope_nobody_approves(world):
    touch = plan(world)
    approving.ask(touch, actor=world.planner)
    colleague = build_staff("ops_specialist", org_unit=world.side.unit)
    other = build_staff("ops_manager", org_unit=build_side("dealer").unit)
    for person in (colleague, other):
        with pytest.raises(approving.MayNotApprove):
            approving.decide(touch, actor=person, is_yes=True)
    assert approving.waiting_for(colleague) == approving.waiting_for(other) == []


def test_a_no_takes_it_back_to_draft_with_the_words(world):
    touch = plan(world)
    approving.ask(touch, actor=world.planner)
    done = approving.decide(touch, actor=world.approver, is_yes=False, reason="太晚")
    assert (done.state, done.reason_code, done.reason) == ("draft", "refused", "太晚")
    assert not Recipient.objects.filter(touch=touch).exists()
    assert Approval.objects.get().state == "refused"
    approving.ask(touch, actor=world.planner)
    assert (
        approving.decide(touch, actor=world.approver, is_yes=True).state == "approved"
    )


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("version", "approved"),
        ("audience", "approved"),
        ("scheduled_at", "approved"),
        ("valid_until", "in_review"),
        ("batch_size", "in_review"),
        ("channel", "in_review"),
    ],
)
def test_any_change_of_what_was_approved_voids_it(world, change, state):
    touch = plan(world)
    approving.ask(touch, actor=world.planner)
    if state == "approved":
        approving.decide(touch, actor=world.approver, is_yes=True)
    put(world.members[0], world.tags[0])
    values = {
        "version": approved_version(world, "改过的"),
        "audience": {"tags_any": [world.tags[0].pk]},
        "scheduled_at": morning(2),
        "valid_until": morning(2),
        "batch_size": 50,
        "channel": "custom",
    }
    touch.refresh_from_db()
    changed = touches.update(
        touch, touch.revision, actor=world.planner, **{change: values[change]}
    )
    assert (changed.state, changed.reason_code) == ("draft", "approval_outdated")
    assert (changed.digest, changed.planned_count) == ("", 0)
    assert Approval.objects.get().state == "void"
    entry = AuditEntry.objects.get(action="campaigns.touch.approval_voided")
    assert (entry.before, entry.actor) == ({"state": state}, world.planner)
    with pytest.raises(approving.RequestOver):
        approving.decide(touch, actor=world.approver, is_yes=True)


def test_words_edited_after_the_approval_are_another_version_and_not_sent(world):
    touch = approved(world)
    item = world.version.item
    content_items.edit(item, content={"body": "改过的话"}, actor=world.planner)
    touch = Touch.objects.get(pk=touch.pk)
    assert approving.is_current(touch)
    assert (touch.version, touch.version.body) == (world.version, "上新了")
    newest = item.versions.order_by("-number")[0]
    with pytest.raises(FieldProblems) as refused:
        touches.update(touch, touch.revision, actor=world.planner, version=newest)
    assert "version" in refused.value.extra["fields"]
    # The version itself can't be rewritten behind the page either.
    with pytest.raises(DatabaseError), transaction.atomic():
        Version.objects.filter(pk=world.version.pk).update(body="偷改的话")


def test_a_new_name_or_the_same_values_leave_the_approval(world):
    touch = approved(world)
    same = {name: getattr(touch, name) for name in touches.APPROVED_FIELDS}
    kept = touches.update(
        touch, touch.revision, actor=world.planner, name="新名字", **same
    )
    assert (kept.state, kept.name) == ("approved", "新名字")
    assert approving.is_current(kept)


def test_moving_the_date_voids_too_and_cancelling_ends_it(world):
    touch = approved(world)
    moved = touches.move(touch, timedelta(days=2), actor=world.planner)
    assert (moved.state, moved.scheduled_at) == ("draft", morning(3))
    approving.ask(touch, actor=world.planner)
    gone = touches.cancel(touch, actor=world.planner, reason="不发了")
    assert gone.state == "cancelled"
    assert not Recipient.objects.filter(touch=touch).exists()
    assert set(Approval.objects.values_list("state", flat=True)) == {"void"}
    with pytest.raises(NotInThisState):
        touches.cancel(touch, actor=world.planner)
    with pytest.raises(NotInThisState):
        approving.ask(touch, actor=world.planner)


def test_whatever_changed_behind_the_pages_is_seen_before_the_start(world):
    touch = approved(world)
    Touch.objects.filter(pk=touch.pk).update(batch_size=77)
    touch.refresh_from_db()
    assert approving.digest_of(touch) != touch.digest
    assert not approving.is_current(touch)


def test_a_yes_to_something_that_changed_meanwhile_is_void(world):
    touch = plan(world)
    approving.ask(touch, actor=world.planner)
    Touch.objects.filter(pk=touch.pk).update(audience={"stages": ["new"]})
    with pytest.raises(approving.ChangedSinceAsked):
        approving.decide(touch, actor=world.approver, is_yes=True)
    touch.refresh_from_db()
    assert touch.state == "draft"
    assert Approval.objects.get().state == "void"


def test_an_account_that_was_paused_meanwhile_can_be_mended(world):
    touch = plan(world)
    approving.ask(touch, actor=world.planner)
    Account.objects.filter(pk=world.account.pk).update(state="paused")
    with pytest.raises(approving.NotReady, match="账号未上线"):
        approving.decide(touch, actor=world.approver, is_yes=True)
    Account.objects.filter(pk=world.account.pk).update(state="live")
    assert (
        approving.decide(touch, actor=world.approver, is_yes=True).state == "approved"
    )


def test_who_asks_too_early_is_told_everything_that_is_missing(world):
    Account.objects.filter(pk=world.account.pk).update(state="paused")
    touch = plan(world, version=None)
    with pytest.raises(approving.NotReady) as refused:
        approving.ask(touch, actor=world.planner)
    assert len(refused.value.extra["problems"]) == 2
    touch.refresh_from_db()
    assert touch.state == "draft"


def test_a_touch_nobody_would_get_says_why(world):
    for member in world.members:
        member.identities.update(is_following=False)
    touch = plan(world)
    with pytest.raises(approving.NotReady, match="触达 3"):
        approving.ask(touch, actor=world.planner)
    assert not Recipient.objects.exists()


def test_requests_and_approvals_run_out(world):
    asked, used = plan(world), approved(world)
    approving.ask(asked, actor=world.planner)
    Approval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(approving.RequestOver):
        approving.decide(asked, actor=world.approver, is_yes=True)
    used.refresh_from_db()
    assert not approving.is_current(used)
    assert approving.expire() == 2
    assert set(Touch.objects.values_list("state", "reason_code")) == {
        ("draft", "approval_expired")
    }


def test_a_touch_takes_only_what_its_account_and_campaign_allow(world):
    foreign = build_side("dealer")
    picture = approved_version(world, "图文", kind="article")
    cases = {
        "account": {"account": foreign.account},
        "phase": {"phase": foreign.phase},
        "version": {"version": picture, "channel": "custom"},
        "audience": {"audience": {"tags_any": [99999999]}},
        "scheduled_at": {"scheduled_at": timezone.now() - timedelta(days=1)},
        "valid_until": {"valid_until": morning() - timedelta(hours=1)},
        "batch_size": {"batch_size": 1},
        "name": {"name": " "},
    }
    for field, values in cases.items():
        with pytest.raises(FieldProblems) as refused:
            plan(world, **values)
        assert list(refused.value.extra["fields"]) == [field]
    Account.objects.filter(pk=world.account.pk).update(kind="subscription")
    world.account.refresh_from_db()
    with pytest.raises(FieldProblems) as refused:
        plan(world)
    assert list(refused.value.extra["fields"]) == ["channel"]
    assert not Touch.objects.exists()


def test_what_is_written_over_an_old_page_is_refused(world):
    touch = plan(world)
    touches.update(touch, touch.revision, actor=world.planner, name="一")
    with pytest.raises(ChangedMeanwhile):
        touches.update(touch, touch.revision, actor=world.planner, name="二")
    touch.refresh_from_db()
    assert touch.name == "一"


def test_what_has_begun_or_belongs_to_a_closed_campaign_stays_as_it_is(world):
    touch = approved(world)
    Touch.objects.filter(pk=touch.pk).update(state="sending", started_at=timezone.now())
    with pytest.raises(NotInThisState, match="已开始发送"):
        touches.update(touch, touch.revision, actor=world.planner, name="二")
    with pytest.raises(NotInThisState):
        touches.cancel(touch, actor=world.planner)
    other = draft(world.side)
    Campaign.objects.update(state="closed")
    with pytest.raises(NotInThisState, match="活动已结束"):
        touches.update(other, other.revision, actor=world.planner, name="二")
    with pytest.raises(NotInThisState, match="活动已结束"):
        plan(world)


def test_tags_and_content_of_a_touch_are_not_deleted(world):
    touch = plan(world, audience={"tags_none": [world.tags[0].pk]})
    with pytest.raises(TagInUse, match="上新通知"):
        tagging.delete(world.tags[0])
    with pytest.raises(StillUsed, match="上新通知"):
        content_items.delete(world.version.item, actor=world.planner)
    touches.cancel(touch, actor=world.planner)
    tagging.delete(world.tags[0])


def test_an_audience_is_stored_in_one_shape(world):
    touch = plan(world, audience={"stages": ["loyal", "new"]})
    assert touch.audience == audience.Rule(stages=("new", "loyal")).as_json()


# -- several people at once


@pytest.mark.usefixtures("transactional_db")
def test_of_two_approvers_at_once_one_decides():
    world = build()
    other = build_staff("ops_manager", org_unit=world.side.unit)
    touch = plan(world)
    approving.ask(touch, actor=world.planner)

    def decide(person, is_yes):
        def act():
            try:
                approving.decide(touch, actor=person, is_yes=is_yes)
            except approving.RequestOver:
                return 0
            return 1

        return act

    assert sum(at_once(decide(world.approver, True), decide(other, False))) == 1
    touch.refresh_from_db()
    asked = Approval.objects.get()
    assert (touch.state, asked.state) in (
        ("approved", "approved"),
        ("draft", "refused"),
    )


@pytest.mark.usefixtures("transactional_db")
def test_an_edit_while_somebody_approves_never_leaves_an_approved_other_thing():
    world = build()
    other = approved_version(world, "另一版")
    for _round in range(3):
        touch = plan(world)
        approving.ask(touch, actor=world.planner)

        def edit(touch=touch):
            try:
                touches.update(
                    touch, touch.revision, actor=world.planner, version=other
                )
            except ChangedMeanwhile:
                return "late"
            return "edited"

        def yes(touch=touch):
            try:
                approving.decide(touch, actor=world.approver, is_yes=True)
            except (approving.RequestOver, approving.ChangedSinceAsked):
                return "void"
            return "approved"

        found = at_once(edit, yes)
        touch.refresh_from_db()
        assert found in (["edited", "void"], ["late", "approved"])
        assert touch.state == {"void": "draft", "approved": "approved"}[found[1]]
        assert approving.is_current(touch) == (found[1] == "approved")
        touches.cancel(touch, actor=world.planner)


@pytest.mark.usefixtures("transactional_db")
def test_asked_twice_at_once_is_asked_once_with_one_snapshot():
    world = build()
    touch = plan(world)

    def ask():
        try:
            approving.ask(Touch.objects.get(pk=touch.pk), actor=world.planner)
        except NotInThisState:
            return 0
        return 1

    assert sum(at_once(ask, ask, ask)) == 1
    assert Recipient.objects.filter(touch=touch).count() == 3
    assert Approval.objects.count() == 1


def test_the_snapshot_of_an_approved_touch_can_be_taken_by_nobody_else(world):
    touch = approved(world)
    make_member(world.side)
    snapshots.take(touch)
    touch.refresh_from_db()
    assert not approving.is_current(touch)
