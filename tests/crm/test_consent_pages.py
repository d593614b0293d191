"""Consents and complaints as colleagues enter and read them."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.models import AuditEntry, SystemSetting
from crm import (
    complaints,
    consent,
    consent_texts,
    purging,
    revealing,
    tagging,
    taxonomy,
)
from crm.models import (
    Complaint,
    ConsentEntry,
    ConsentText,
    Event,
    Member,
    MemberTag,
    Preference,
    Tag,
    Topic,
)
from crm.models.consents import NO_END
from staff.accounts import system_staff
from tests.conftest import build_staff


@pytest.fixture
def member(world):
    consent_texts.load_builtin()
    return Member.objects.create(
        controller=world.brand, display_name="林小满", phone="13800001234"
    )


@pytest.fixture
def officer(world):
    return build_staff("privacy_officer", org_unit=world.brand)


def signed_in(staff) -> Client:
    client = Client()
    client.force_login(staff)
    return client


def page_of(member, name="change"):
    return reverse(f"admin:crm_member_{name}", args=[member.pk])


def sent(client, member, **fields):
    page = client.get(page_of(member)).content.decode()
    key = re.search(r'name="key" value="([0-9a-f]{32})"', page)[1]
    given = {"key": key, "action": "withdrawn", "subject": "marketing"}
    return given | {"evidence": "11-23 门店口头告知"} | fields


# -- entering by hand


def test_a_no_said_in_the_shop_is_entered_with_its_evidence(member, officer):
    client = signed_in(officer)
    text = ConsentText.objects.get(purpose="marketing")
    given = sent(client, member, text=str(text.pk))
    for _twice in range(2):
        answer = client.post(page_of(member, "consent"), given)
        assert answer.status_code == 302
    entry = ConsentEntry.objects.get()
    assert (entry.source, entry.evidence) == ("staff", "11-23 门店口头告知")
    assert entry.text == text
    member.refresh_from_db()
    assert member.opted_out_at is not None
    page = client.get(page_of(member)).content.decode()
    assert "同意记录" in page
    assert "11-23 门店口头告知" in page
    assert "文本 v1" in page


def test_one_channel_and_one_topic_can_be_refused_by_hand(member, officer):
    client = signed_in(officer)
    topic = Topic.objects.first()
    for subject in ("marketing:sms", f"topic:{topic.pk}", "personalisation"):
        client.post(page_of(member, "consent"), sent(client, member, subject=subject))
    chosen = Preference.objects.get()
    assert (chosen.channels_off, chosen.topics_off) == (["sms"], [topic.pk])
    member.refresh_from_db()
    assert member.no_personalisation
    assert member.opted_out_at is None


def test_what_is_missing_is_said_and_the_rest_is_kept(member, officer):
    client = signed_in(officer)
    good = sent(client, member, action="granted", evidence="客户原话")
    for fields, words in (
        ({"evidence": " "}, "凭证"),
        ({"subject": "topic:999999"}, "请选择"),
        ({"subject": "marketing:fax"}, "请选择"),
        ({"action": "x"}, "请选择"),
        ({"key": "x"}, "重新加载"),
    ):
        answer = client.post(page_of(member, "consent"), good | fields)
        assert answer.status_code == 409, fields
        page = answer.content.decode()
        assert words in page
        assert "evidence" in fields or "客户原话" in page
    assert not ConsentEntry.objects.exists()


def test_who_may_not_enter_is_refused_and_a_dealer_finds_nobody(member, world):
    agent = signed_in(build_staff("agent", org_unit=world.brand))
    assert agent.post(page_of(member, "consent"), {}).status_code == 403
    assert agent.post(page_of(member, "links"), {}).status_code == 403
    assert 'id="consents"' not in agent.get(page_of(member)).content.decode()
    dealer = signed_in(build_staff("dealer", org_unit=world.dealer))
    for name in ("consent", "complaint", "links", "reveal"):
        assert dealer.post(page_of(member, name), {}).status_code == 404


def test_links_given_out_are_made_void_from_the_page(member, officer):
    client = signed_in(officer)
    link = re.search(
        r'value="(http[^"]+/p/[^"]+)"', client.get(page_of(member)).content.decode()
    )[1]
    path = "/p/" + link.rpartition("/p/")[2]
    assert Client().get(path).status_code == 200
    client.post(page_of(member, "links"))
    assert Client().get(path).status_code == 410


# -- the ledger


def test_the_ledger_and_its_texts_only_grow(member):
    actor = system_staff("test")
    text = ConsentText.objects.get(purpose="marketing")
    told = {"actor": actor, "at": timezone.now(), "source": "staff"}
    consent.withdraw(member, key="1", evidence="原话", text=text, **told)
    entry, rows = ConsentEntry.objects.get(), ConsentEntry.objects.filter(key="1")
    other = Member.objects.create(controller=member.controller, display_name="乙")
    for change in (
        lambda: rows.update(action="granted"),
        lambda: rows.update(evidence="改过"),
        lambda: rows.update(at=timezone.now()),
        lambda: rows.update(text=None),
        lambda: rows.delete(),
        lambda: ConsentText.objects.update(body="改过"),
        lambda: ConsentText.objects.filter(purpose="profile").delete(),
    ):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
    rows.update(member=other)  # a merge
    rows.update(evidence="")  # a purge
    entry.refresh_from_db()
    assert (entry.member, entry.evidence, entry.action) == (other, "", "withdrawn")


def test_a_new_version_leaves_the_old_one_and_who_agreed_to_it(member, world):
    actor = system_staff("test")
    old = consent_texts.current(world.brand)["marketing"]
    told = {"actor": actor, "at": timezone.now(), "source": "staff"}
    consent.grant(member, key="1", text=old, **told)
    officer = signed_in(build_staff("privacy_officer", org_unit=world.brand))
    add = reverse("admin:crm_consenttext_add")
    day = timezone.localtime()
    answer = officer.post(
        add,
        {
            "purpose": "marketing",
            "body": "我们会向您发送新品消息，您可随时退订。",
            "effective_from_0": day.strftime("%Y-%m-%d"),
            "effective_from_1": day.strftime("%H:%M:%S"),
        },
    )
    assert answer.status_code == 302, answer.context["errors"]
    new = consent_texts.current(world.brand)["marketing"]
    assert (new.version, new.controller, new.made_by.is_staff) == (1, world.brand, True)
    assert consent_texts.current(world.dealer)["marketing"] == old
    assert ConsentEntry.objects.get().text == old
    ledger = reverse("admin:crm_consententry_changelist")
    assert "林小满" in officer.get(ledger, {"text__id__exact": old.pk}).content.decode()
    assert (
        "林小满"
        not in officer.get(ledger, {"text__id__exact": new.pk}).content.decode()
    )
    assert (
        officer.post(
            reverse("admin:crm_consenttext_change", args=[new.pk]), {}
        ).status_code
        == 403
    )
    assert AuditEntry.objects.filter(
        action="crm.consenttext.published", actor__is_active=True, target_id=str(new.pk)
    ).exists()


def test_a_text_that_is_not_yet_in_force_is_not_shown(world):
    consent_texts.load_builtin()
    consent_texts.publish(
        "marketing",
        "以后的话",
        controller=world.brand,
        actor=system_staff("test"),
        effective_from=timezone.now() + timedelta(days=1),
    )
    assert consent_texts.current(world.brand)["marketing"].controller is None


# -- complaints


def test_a_complaint_freezes_until_it_is_closed_and_thirty_days_more(member, world):
    taxonomy.load_builtin()
    client = signed_in(build_staff("store_manager", org_unit=world.brand))
    empty = client.post(page_of(member, "complaint"), {"reason": " "})
    assert empty.status_code == 409
    # The refused form leaves its address in the bar: opened, it shows the way back.
    opened = client.get(page_of(member, "complaint"))
    assert (opened.status_code, opened["Allow"]) == (405, "POST")
    assert f'href="{page_of(member)}"' in opened.content.decode()
    client.post(page_of(member, "complaint"), {"reason": "收到三次一样的短信"})
    member.refresh_from_db()
    assert member.frozen_until == NO_END
    assert MemberTag.objects.get().tag.name == "投诉中"
    page = client.get(page_of(member)).content.decode()
    assert "收到三次一样的短信" in page
    assert "营销冻结" in page
    complaint = Complaint.objects.get()
    done = {"close": complaint.pk, "outcome": "已道歉并补发"}
    client.post(page_of(member, "complaint"), done)
    member.refresh_from_db()
    left = member.frozen_until - timezone.now()
    assert timedelta(days=29) < left <= timedelta(days=30)
    assert not MemberTag.objects.exists()
    again = client.post(page_of(member, "complaint"), done)
    assert again.status_code == 409
    assert "已被他人关闭" in again.content.decode()
    kinds = set(Event.objects.values_list("kind", flat=True))
    assert {"complaint.opened", "complaint.closed"} <= kinds
    trail = AuditEntry.objects.filter(action__startswith="crm.complaint.")
    assert trail.count() == 2
    assert "短信" not in repr(list(trail.values_list("after", "before", "reason")))


def test_the_tag_begins_and_ends_a_complaint(member):
    taxonomy.load_builtin()
    tag, actor = Tag.objects.get(name="投诉中"), system_staff("test")
    tagging.tag([member.pk], tag, actor=actor)
    member.refresh_from_db()
    assert member.frozen_until == NO_END
    assert Complaint.objects.open().count() == 1
    tagging.untag([member.pk], tag, actor=actor)
    member.refresh_from_db()
    assert member.frozen_until < NO_END
    assert not Complaint.objects.open().exists()


def test_two_complaints_freeze_until_the_last_one_is_closed(member):
    SystemSetting.objects.create(key=complaints.FREEZE_DAYS, value=0)
    actor = system_staff("test")
    one, two = (
        complaints.begin(member, reason=reason, actor=actor, reference=reason)
        for reason in ("服务", "短信")
    )
    same = complaints.begin(member, reason="又来", actor=actor, reference="短信")
    assert same == two
    complaints.close(one, outcome="解决", actor=actor)
    member.refresh_from_db()
    assert member.frozen_until == NO_END
    complaints.close(two, outcome="解决", actor=actor)
    member.refresh_from_db()
    assert consent.may_market(member, "mass")


def test_a_purge_leaves_no_word_of_complaints_and_consents(member):
    actor = system_staff("test")
    complaints.begin(member, reason="林小姐很生气", actor=actor)
    told = {"actor": actor, "at": timezone.now(), "source": "staff"}
    consent.withdraw(member, key="1", channel="sms", evidence="林小姐说不要", **told)
    past = timezone.now() - timedelta(days=1)
    Member.objects.filter(pk=member.pk).update(purge_due_at=past)
    assert purging.purge(member.pk, actor=actor)
    kept = [
        *Complaint.objects.values_list("reason", "outcome"),
        *ConsentEntry.objects.values_list("evidence", "key"),
    ]
    assert "林" not in repr(kept)
    assert not Preference.objects.exists()
    assert ConsentEntry.objects.count() == 1


# -- looks at phone numbers


def test_past_the_limit_one_is_told_when_and_the_privacy_officer_who(
    member, world, officer
):
    SystemSetting.objects.create(key="reveals_per_hour", value=2)
    manager = build_staff("store_manager", org_unit=world.brand, display_name="店长甲")
    client = signed_in(manager)
    for reason in ("核对订单一", "核对订单二"):
        page = client.post(page_of(member, "reveal"), {"reason": reason})
        assert "13800001234" in page.content.decode()
    refused = client.post(page_of(member, "reveal"), {"reason": "还想看看"})
    assert refused.status_code == 409
    first = AuditEntry.objects.filter(action=revealing.ACTION).earliest("at").at
    free = timezone.localtime(first + timedelta(hours=1, minutes=1)).strftime("%H:%M")
    text = refused.content.decode()
    assert free in text
    assert "还想看看" in text
    assert "13800001234" not in text

    watching = signed_in(officer)
    assert "店长甲" in watching.get(reverse("admin:index")).content.decode()
    address = reverse("admin:crm_reveals")
    every = watching.get(address).content.decode()
    assert all(each in every for each in ("核对订单一", "核对订单二", "还想看看"))
    assert "13800001234" not in every

    def found(**query):
        page = watching.get(address, query)
        assert page.status_code == 200
        return [entry.reason for entry, _member in page.context["lines"]]

    assert found(outcome="refused") == ["还想看看"]
    assert found(q="订单二") == ["核对订单二"]
    assert found(who=str(officer.pk)) == []
    assert found(who="x" * 50) == []
    assert len(found(**{"from": str(timezone.localdate())})) == 3
    assert found(to="2001-01-01") == []
    assert "2026-11-23" in watching.get(address, {"from": "x"}).content.decode()
    assert client.get(address).status_code == 403
    elsewhere = build_staff("privacy_officer", org_unit=world.dealer)
    assert "核对订单" not in signed_in(elsewhere).get(address).content.decode()
