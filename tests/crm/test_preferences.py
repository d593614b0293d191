"""The public preference page: the member's own hands on what we send."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.models import AuditEntry, SystemSetting
from crm import (
    consent,
    consent_texts,
    merging,
    preference_links,
    preference_views,
    public_pages,
    quiet_hours,
)
from crm.models import ConsentEntry, Event, Identity, Member, Preference, Topic
from staff.accounts import system_staff
from tests.conftest import build_staff

ALL_ON = {"do": "save", "often": "0", "personal": "1"}


@pytest.fixture(autouse=True)
def _fresh_counts() -> None:
    cache.clear()


@pytest.fixture
def member(world):
    consent_texts.load_builtin()
    return make(world, "林小满", "13800001234")


def make(world, name: str, phone: str = "") -> Member:
    made = Member.objects.create(
        controller=world.brand, display_name=name, phone=phone, phone_hash=phone
    )
    Identity.objects.create(
        member=made,
        controller=world.brand,
        kind="openid",
        account=world.service,
        value=f"openid-of-{made.pk}",
    )
    return made


def path_of(member: Member) -> str:
    return urlsplit(preference_links.address_of(member)).path


def everything_on(member: Member) -> dict[str, Any]:
    topics = [str(pk) for pk in Topic.objects.values_list("pk", flat=True)]
    return {**ALL_ON, "topic": topics, "channel": ["mass", "custom", "sms", "phone"]}


def texts_in(page: Any) -> str:
    return re.search(r'name="texts" value="([0-9.]+)"', page.content.decode())[1]


def test_the_page_says_what_we_know_masked_in_chinese_and_keeps_nothing(member):
    page = Client(headers={"accept-language": "en"}).get(path_of(member))
    text = page.content.decode()
    assert page.status_code == 200
    assert "消息偏好" in text
    assert "退订全部" in text
    assert "林**" in text
    assert "138****1234" in text
    for secret in ("林小满", "13800001234", "openid-of-"):
        assert secret not in text
    assert not page.cookies
    assert page["X-Robots-Tag"].startswith("noindex")
    assert page["Cache-Control"] == "no-store"
    assert page["Referrer-Policy"] == "same-origin"
    assert "openid" not in path_of(member)
    assert "138" not in path_of(member)


def test_one_tap_stops_everything_and_another_starts_it_again(member):
    browser, path = Client(enforce_csrf_checks=True), path_of(member)
    texts = texts_in(browser.get(path))
    browser.post(path, {"do": "stop", "texts": texts})
    member.refresh_from_db()
    assert member.opted_out_at is not None
    entry = ConsentEntry.objects.get()
    assert (entry.action, entry.source) == ("withdrawn", "preferences")
    assert entry.text.purpose == "marketing"
    assert "已退订" in browser.get(path).content.decode()
    browser.post(path, {"do": "stop", "texts": texts})  # a replay changes nothing
    assert ConsentEntry.objects.count() == 1
    browser.post(path, {"do": "start", "texts": texts})
    member.refresh_from_db()
    assert member.opted_out_at is None


def test_starting_again_also_takes_back_a_no_to_one_account(member, world):
    told = {"actor": system_staff("test"), "source": "message"}
    at = timezone.now() - timedelta(days=1)
    consent.withdraw(member, at=at, key="1", account=world.service, **told)
    Client().post(path_of(member), {"do": "start"})
    newest = ConsentEntry.objects.first()
    assert (newest.action, newest.account) == ("granted", world.service)


def test_every_switch_is_an_entry_with_the_text_and_nothing_else_changes(member):
    browser, path = Client(), path_of(member)
    topic = Topic.objects.get(name="优惠活动")
    wanted = everything_on(member) | {"texts": texts_in(browser.get(path))}
    browser.post(path, wanted)
    assert not ConsentEntry.objects.exists()  # all was on already

    wanted["topic"].remove(str(topic.pk))
    wanted["channel"].remove("sms")
    answer = browser.post(path, wanted | {"often": "2", "personal": ""}, follow=True)
    assert "已保存" in answer.content.decode()

    found = {
        (each.purpose, each.channel, each.topic_id, each.action, each.max_per_week)
        for each in ConsentEntry.objects.all()
    }
    assert found == {
        ("marketing", "sms", None, "withdrawn", None),
        ("topic", "", topic.pk, "withdrawn", None),
        ("frequency", "", None, "limited", 2),
        ("personalisation", "", None, "withdrawn", None),
    }
    for entry in ConsentEntry.objects.select_related("text"):
        assert entry.text.purpose == entry.purpose
    chosen = Preference.objects.get()
    assert chosen.channels_off == ["sms"]
    assert chosen.topics_off == [topic.pk]
    assert chosen.max_per_week == 2
    member.refresh_from_db()
    assert member.no_personalisation
    assert member.opted_out_at is None
    assert Event.objects.filter(kind__startswith="consent.").count() == 4
    assert AuditEntry.objects.filter(action__startswith="crm.consent.").count() == 4

    browser.post(path, wanted | {"often": "2", "personal": ""})
    assert ConsentEntry.objects.count() == 4
    browser.post(path, everything_on(member))
    chosen.refresh_from_db()
    member.refresh_from_db()
    assert (chosen.channels_off, chosen.topics_off) == ([], [])
    assert chosen.max_per_week is None
    assert not member.no_personalisation


def test_the_version_that_was_shown_is_the_one_agreed_to(member, world):
    browser, path = Client(), path_of(member)
    shown = texts_in(browser.get(path))
    actor = system_staff("test")
    consent_texts.publish("marketing", "新的说明", controller=world.brand, actor=actor)
    assert "新的说明" in browser.get(path).content.decode()
    browser.post(path, {"do": "stop", "texts": shown})
    assert ConsentEntry.objects.get().text.version == 1
    assert ConsentEntry.objects.get().text.controller is None


def test_a_dealers_text_and_topics_are_not_the_brands(member, world):
    actor = system_staff("test")
    consent_texts.publish(
        "marketing", "经销商的话", controller=world.dealer, actor=actor
    )
    theirs = Topic.objects.create(controller=world.dealer, name="经销商的主题")
    path = path_of(member)
    page = Client().get(path).content.decode()
    assert "经销商的" not in page
    Client().post(path, everything_on(member) | {"topic": [str(theirs.pk)]})
    assert not ConsentEntry.objects.filter(topic=theirs).exists()


def test_only_the_link_of_a_member_chooses_for_them(member, world):
    other = make(world, "王五")
    mine, theirs = path_of(member), path_of(other)
    head, _dash, rest = mine.partition("-")
    forged = [
        mine[:-1] + ("A" if mine[-1] != "A" else "B"),
        f"{theirs.partition('-')[0]}-{rest}",
        *(theirs + "x", "/p/x", "/p/-", "/p/---", "/p/" + "9" * 300, "/p/会员"),
        *("/p/", "/p/%00", "/p/of/x", "/p/of/x/who", head),
    ]
    client = Client(raise_request_exception=False)
    for path in forged:
        for answer in (client.get(path), client.post(path, {"do": "stop"})):
            assert answer.status_code in (400, 404, 405, 429), path
    assert not ConsentEntry.objects.exists()
    client.post(theirs, {"do": "stop"})
    member.refresh_from_db()
    assert member.opted_out_at is None


def test_what_the_page_never_sends_changes_nothing_and_says_so(member):
    for sent in (
        {"do": "save"},
        {"do": "save", "often": "99"},
        {"do": "save", "often": "１"},
        {"do": "save", "often": "0", "topic": "x"},
        {"do": "save", "often": "0", "topic": "-1"},
        {"do": "\x00", "often": "\x00"},
    ):
        answer = Client().post(path_of(member), sent)
        assert answer.status_code == 400, sent
        assert "重新选择" in answer.content.decode()
    assert not ConsentEntry.objects.exists()


def test_looking_changes_nothing(member):
    client, path = Client(), path_of(member)
    assert client.head(path + "?do=stop").status_code == 200
    assert client.get(path, {"do": "stop"}).status_code == 200
    assert client.put(path).status_code == 405
    assert client.delete(path).status_code == 405
    assert not ConsentEntry.objects.exists()
    assert not Preference.objects.exists()


def test_a_link_ends_by_itself(member, monkeypatch):
    SystemSetting.objects.create(key=preference_links.DAYS, value=3)
    path, today = path_of(member), timezone.localdate()
    for later, status in ((3, 200), (4, 410)):
        monkeypatch.setattr(
            preference_links.timezone,
            "localdate",
            lambda *_args, days=later: today + timedelta(days=days),
        )
        assert Client().get(path).status_code == status
    assert Client().post(path, {"do": "stop"}).status_code == 410
    assert not ConsentEntry.objects.exists()


def test_revoked_links_are_void_and_new_ones_work(member):
    path = path_of(member)
    preference_links.revoke(member, actor=system_staff("test"))
    assert Client().get(path).status_code == 410
    assert Client().get(path_of(member)).status_code == 200


def test_the_link_of_a_merged_record_leads_to_who_stands_and_a_purged_one_nowhere(
    member, world
):
    other = make(world, "小满")
    path = path_of(other)
    merging.merge(member, other, actor=system_staff("test"))
    Client().post(path, {"do": "stop"})
    member.refresh_from_db()
    assert member.opted_out_at is not None
    # Void for all links of a member at once are also those of the merged record.
    preference_links.revoke(member, actor=system_staff("test"))
    assert Client().get(path).status_code == 410
    path = path_of(member)
    Member.objects.filter(pk=member.pk).update(purged_at=timezone.now())
    assert Client().get(path).status_code == 404


def test_nobody_asks_ten_thousand_times(member, monkeypatch):
    monkeypatch.setattr(preference_views, "PER_MEMBER", 5)
    monkeypatch.setattr(preference_views, "WRONG_PER_ADDRESS", 5)
    client, path = Client(), path_of(member)
    answers = [client.get(path).status_code for _number in range(12)]
    assert answers == [200] * 5 + [429] * 7
    wrong = [client.get("/p/a-b-c-d").status_code for _number in range(12)]
    assert wrong == [404] * 5 + [429] * 7
    monkeypatch.setattr(public_pages, "PER_ADDRESS", 30)
    other = [client.get("/p/of/x").status_code for _number in range(10)]
    assert other[-1] == 429
    assert client.get("/p/of/x", REMOTE_ADDR="198.51.100.9").status_code == 404


def test_outside_wechat_the_accounts_link_says_where_to_open_it(world):
    path = urlsplit(preference_links.address_for(world.service)).path
    page = Client().get(path)
    assert "微信" in page.content.decode()
    assert (
        "请在微信中打开" in Client().get(path + "/who?code=1&state=x").content.decode()
    )


def test_the_placeholder_becomes_the_persons_own_address(member):
    text = preference_links.fill_for(member, "设置：{偏好中心}。")
    assert text == f"设置：{preference_links.address_of(member)}。"
    payload = {"article": {"title": "t", "content_html": "<p>{偏好中心}</p>"}}
    filled = preference_links.filled(payload, "https://x/p/1")
    assert filled["article"]["content_html"] == "<p>https://x/p/1</p>"


def test_hours_of_rest_are_chosen_on_the_page_and_shown_to_colleagues(member, world):
    browser, path = Client(), path_of(member)
    wanted = everything_on(member)

    def chosen():
        row = Preference.objects.filter(member=member).first()
        return row and str(quiet_hours.of(row.quiet_from, row.quiet_until) or "")

    browser.post(path, wanted | {"quiet": "21:00–09:00"})
    assert chosen() == "21:00–09:00"
    browser.post(path, wanted)  # a page from before says nothing of hours
    assert chosen() == "21:00–09:00"
    own = {"quiet": "own", "quiet_from": "13:30", "quiet_until": "15:00"}
    browser.post(path, wanted | own)
    assert chosen() == "13:30–15:00"
    assert 'value="13:30"' in browser.get(path).content.decode()
    for wrong in ({"quiet_until": "13:30"}, {"quiet_from": "25:00"}, {"quiet": "x"}):
        assert browser.post(path, wanted | own | wrong).status_code == 400
    assert chosen() == "13:30–15:00"
    again = browser.post(path, ALL_ON | own | {"often": "2", "quiet_until": "13:30"})
    text = again.content.decode()  # what was sent with the mistake stands
    assert text.count('value="13:30"') == 2
    assert 'name="often" value="2" checked' in text
    assert not re.search(r'name="topic" value="\d+" checked', text)
    entries = ConsentEntry.objects.filter(purpose="quiet_hours")
    assert [each.what_words for each in entries] == [
        "勿扰时段 · 13:30–15:00",
        "勿扰时段 · 21:00–09:00",
    ]

    staff = Client()
    staff.force_login(build_staff("ops_manager", org_unit=world.brand))
    page = staff.get(reverse("admin:crm_member_change", args=[member.pk]))
    assert "勿扰时段 13:30–15:00" in page.content.decode()

    browser.post(path, wanted | {"quiet": ""})
    assert chosen() == ""
    assert entries.all()[0].action == "granted"
