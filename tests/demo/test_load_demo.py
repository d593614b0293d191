"""The demo, loaded from a real sandbox."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from campaigns import counts
from campaigns.models import Touch
from content.models import AnswerRule, Item, Slot
from crm import merging
from crm.auto_tags import run_all
from crm.models import (
    Complaint,
    ConsentEntry,
    Coupon,
    Event,
    Identity,
    MatchReview,
    Member,
    MemberTag,
    Merge,
    Preference,
    Relation,
    Segment,
)
from service.models import Conversation, Queue
from staff.models import OrgUnit, SavedView, Staff
from wechat.models import Account, App, Colleague, KfAccount


@pytest.fixture
def load(db, sandbox, settings, tmp_path):
    settings.DEMO = True
    settings.SANDBOX_URL = sandbox.url
    settings.DATA_DIR = tmp_path
    call_command("sync_roles", verbosity=0)
    call_command("sync_builtin_data", verbosity=0)

    def load() -> str:
        out = io.StringIO()
        call_command("load_demo", "--quiet-phones", stdout=out)
        return out.getvalue()

    return load


def test_the_demo_fills_an_empty_copy_and_only_that(load, sandbox):
    load()

    service = App.objects.get(account__kind="service", account__state="live")
    theirs = sandbox.account("service")
    assert (service.app_id, service.secret) == (theirs["app_id"], theirs["secret"])
    assert service.account.original_id == theirs["gh_id"]
    assert service.account.api_base_url == f"{sandbox.url}/mp"
    assert service.account.has_charter
    assert Queue.objects.count() == App.objects.count() == 3
    assert KfAccount.objects.exists()
    out_of_reach = Member.objects.filter(is_reachable=False, merged_into=None)
    assert out_of_reach.exists()
    assert not out_of_reach.filter(identities__is_following=True).exists()
    assert all(c.staff is not None for c in Colleague.objects.all())
    assert AnswerRule.objects.filter(occasion="welcome").count() == 1
    for rule in AnswerRule.objects.all():
        rule.full_clean()

    assert set(Item.objects.values_list("state", flat=True)) >= {
        *("draft", "in_review", "scheduled", "published"),
    }
    assert Slot.objects.planned().count() > 4

    assert Member.objects.count() > 150
    assert Relation.objects.exists()
    assert Conversation.objects.filter(state="closed").count() > 20
    assert Event.objects.count() > 500
    assert not Identity.objects.filter(profile_due_at__isnull=False).exists()

    states = Touch.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["done", "in_review", "draft"]
    done = counts.of([Touch.objects.earliest("pk").pk]).popitem()[1]
    assert done.accepted > 10
    assert done.excluded > 0
    assert done.waiting == 0

    by_rule = MemberTag.objects.filter(tag__group__source="auto")
    by_hand = by_rule.exclude(source="auto").exclude(tag__name="好评用户")
    assert not by_hand.exists()
    groups = set(by_rule.values_list("tag__group__code", flat=True))
    assert groups >= {
        *("lifecycle", "source", "engagement", "buying", "interest", "service"),
        *("place", "contact", "campaign"),
    }
    assert run_all() == {"put": 0, "taken": 0}
    every_dealer_is_a_controller_with_members_of_its_own()
    everybody_who_looks_after_members_has_some()
    the_members_are_known_and_sorted()

    with pytest.raises(CommandError):
        load()


def the_members_are_known_and_sorted():
    """The CRM of the demo shows each of its parts at work."""
    brand = OrgUnit.objects.get(parent=None)
    segments = {each.name: each for each in Segment.objects.filter(controller=brand)}
    everybody = Member.objects.known().filter(controller=brand)
    for segment in segments.values():
        assert segment.error == "", segment.name
        assert segment.computed_at is not None, segment.name
        assert 0 < segment.member_count < everybody.count() / 2, segment.name
    kinds = [segment.kind for segment in segments.values()]
    assert sorted(kinds) == [*["dynamic"] * 5, "frozen", "list"]
    assert segments["沉睡预警待唤醒"].versions.count() == 2

    waiting = MatchReview.objects.open()
    evidence = {tuple(row.evidence["for"]) for row in waiting}
    assert evidence == {("phone", "real_name"), ("buyer",)}
    assert any(row.evidence["against"] for row in waiting)
    done = Merge.objects.standing().get()
    merging.unmerge(done, actor=done.actor, reason="看错了")

    assert set(everybody.values_list("trust", flat=True)) == {"T0", "T1", "T2", "T3"}
    stages = list(everybody.values_list("stage", flat=True))
    for stage in ("new", "growing", "loyal", "at_risk", "dormant", "churned"):
        assert stages.count(stage) > 3, stage
    assert everybody.exclude(rfm="").count() > 40
    for name in ("大促型", "尝新型", "价格敏感", "领券未核销"):
        assert everybody.filter(member_tags__tag__name=name).exists(), name
    assert everybody.filter(frozen_until__isnull=False).count() == 3
    assert Complaint.objects.open().count() == 2
    assert Preference.objects.filter(max_per_week__gt=0).exists()
    assert ConsentEntry.objects.filter(source="import").count() > 20
    assert set(Coupon.objects.values_list("state", flat=True)) == {
        *("held", "used", "void"),
    }
    assert SavedView.objects.filter(page="crm.member").count() == 2


def every_dealer_is_a_controller_with_members_of_its_own():
    dealers = OrgUnit.objects.filter(is_separate_controller=True)
    assert dealers.count() == 2
    for dealer in dealers:
        mine = Member.objects.filter(controller=dealer)
        assert mine.exists()
        values = Identity.objects.filter(member__in=mine)
        assert set(values.values_list("controller", flat=True)) == {dealer.pk}
    seen = Member.objects.visible_to(Staff.objects.get(username="dealer"))
    assert set(seen.values_list("controller__name", flat=True)) == {"杭州经销商"}


def everybody_who_looks_after_members_has_some():
    for username in ("agent", "store_manager", "community_manager", "dealer"):
        staff = Staff.objects.get(username=username)
        assert Member.objects.visible_to(staff).exists(), username


def test_a_copy_without_demo_refuses(load, settings):
    settings.DEMO = False
    with pytest.raises(CommandError):
        load()
    assert not Account.objects.exists()
