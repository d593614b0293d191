"""Loop two on a running copy: three people plan, approve and answer; customers respond.

With SCREENSHOTS=1 the pages are photographed into docs/screenshots/.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Dialog, Page, expect

from campaigns.models import Campaign, Recipient, Touch
from core.models import SystemSetting
from crm import tagging
from crm.models import Identity, Tag
from service.models import AgentState, Conversation
from staff.models import Staff
from tests.conftest import build_staff
from tests.service.rehearsal import (
    Phone,
    call,
    join_service_account,
    log_in,
    new_phone,
)
from tests.stack import BASE_DIR, Stack, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.processes]

TAG = "KOC"
TEXT = "年终感恩：满 300 减 60，点这里领取 https://shop.example.com/coupon?id=7 ，有问题直接回复。"
SHOTS = Path(BASE_DIR) / "docs" / "screenshots"


@pytest.fixture
def open_page(stack: Stack, browser: Browser) -> Iterator[Any]:
    """`open_page(person)`: the page of somebody who is logged in."""
    contexts: list[Any] = []
    errors: list[str] = []

    def opened(person: Staff) -> Page:
        context = browser.new_context(
            viewport={"width": 1280, "height": 800},
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
        )
        contexts.append(context)
        log_in(context, stack, person)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: _agree(dialog))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


def _agree(dialog: Dialog) -> None:
    dialog.accept()


class Place:
    """The brand, its account, its staff, and the phones of the people it is about."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        with stack.orm():
            self.unit, self.app, self.queue = join_service_account(stack)
            for name in ("quiet_from", "quiet_until"):
                SystemSetting.objects.update_or_create(
                    key=f"campaigns.{name}", defaults={"value": "00:00"}
                )
            self.planner = self._staff("ops_specialist", "许晴")
            self.approver = self._staff("ops_manager", "陈涛")
            self.agent = self._staff("agent", "周敏")
        names = ("林小满", "陈默", "王磊", "许晴", "孙倩", "赵一")
        self.phones = {name: self._phone(name) for name in names}
        self.phones["孙倩"].say("退订")
        with stack.orm():
            self._tag_them()
            self._four_times_this_month(self.phones["赵一"])

    def _staff(self, role: str, name: str) -> Staff:
        return build_staff(role, org_unit=self.unit, display_name=name)

    def _phone(self, name: str) -> Phone:
        phone = new_phone(self.stack, self.app.slug, name)
        phone.follow()
        return phone

    def openid(self, phone: Phone) -> str:
        return phone.person["openid"][self.app.slug]

    def identity(self, phone: Phone) -> Identity:
        rows = Identity.objects.filter(value=self.openid(phone))
        return wait_until(
            rows.select_related("member").first, 30, "the follower is known"
        )

    def _tag_them(self) -> None:
        members = [self.identity(phone).member for phone in self.phones.values()]
        tagging.tag(
            [each.pk for each in members], Tag.objects.get(name=TAG), actor=self.planner
        )
        quitter = self.identity(self.phones["孙倩"]).member

        def has_opted_out() -> bool:
            quitter.refresh_from_db()
            return quitter.opted_out_at is not None

        wait_until(has_opted_out, 30, "the opt-out is known")

    def _four_times_this_month(self, phone: Phone) -> None:
        identity = self.identity(phone)
        before = Campaign.objects.create(
            org_unit=self.unit,
            name="本月四次群发",
            owner=self.planner,
            created_by=self.planner,
            live_date=timezone.localdate(),
        )
        phase = before.phases.create(kind="live", start_day=0, end_day=1)
        for number in range(4):
            touch = Touch.objects.create(
                campaign=before,
                phase=phase,
                name=f"第{number + 1}次",
                channel="mass",
                account=self.app.account,
                state="done",
                started_at=timezone.now(),
                finished_at=timezone.now(),
                created_by=self.planner,
            )
            Recipient.objects.create(
                touch=touch,
                member=identity.member,
                address=identity.value,
                state="accepted",
                contacted_at=timezone.now(),
            )


@pytest.fixture(scope="module")
def place(stack: Stack) -> Place:
    return Place(stack)


def shot(page: Page, name: str, *, width: int = 1280) -> None:
    if os.environ.get("SCREENSHOTS") == "1":
        page.set_viewport_size({"width": width, "height": 800})
        page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
        page.set_viewport_size({"width": 1280, "height": 800})


def act(page: Page, name: str) -> None:
    page.locator(f"form.cp-act:has(input[name=act][value={name}]) button").first.click()


def test_three_people_speak_once_to_the_right_ones_and_read_what_came_back(
    place: Place, open_page: Any
) -> None:
    planner, approver = open_page(place.planner), open_page(place.approver)
    campaign = plan_a_campaign(place, planner)
    write_and_review(place, planner, approver)
    touch = plan_a_touch(place, planner, campaign)
    try_on_her_own_phone(place, planner)
    approve(place, planner, approver, touch)
    send(place, planner, touch)
    customers_respond(place, open_page(place.agent))
    read_the_recap(place, approver, campaign)


def plan_a_campaign(place: Place, page: Page) -> str:
    page.goto(f"{place.stack.url}/admin/campaigns/campaign/add/?template=big_sale")
    page.locator("input[name=name]").fill("双12 年终感恩")
    day = timezone.localdate() + timedelta(days=10)
    page.locator("input[name=live_date]").fill(day.isoformat())
    page.get_by_role("button", name="创建活动").click()
    expect(page.locator(".cp-head h1")).to_have_text("双12 年终感恩")
    expect(page.get_by_text("预热").first).to_be_visible()
    shot(page, "campaign-board")
    found = re.search(r"/campaign/(\d+)/", page.url)
    assert found, page.url
    return found[1]


def write_and_review(place: Place, author: Page, reviewer: Page) -> None:
    author.goto(f"{place.stack.url}/admin/content/item/add/?kind=text")
    author.locator("#item-form [name=title]").fill("年终感恩券")
    author.locator("#item-form [name=body]").fill(TEXT)
    author.locator("button[name=then][value=submit]").click()
    expect(author.get_by_text("审核中").first).to_be_visible()
    # Who wrote it does not see the button.
    expect(author.locator("button[form=approve-form]")).to_have_count(0)
    reviewer.goto(author.url)
    reviewer.locator("button[form=approve-form]").first.click()
    expect(reviewer.get_by_text("已通过").first).to_be_visible()


def plan_a_touch(place: Place, page: Page, campaign: str) -> str:
    page.goto(f"{place.stack.url}/admin/campaigns/touch/add/?campaign={campaign}")
    page.locator("input[name=name]").fill("T-10 老客感恩券")
    account = place.app.account_id
    page.locator("select[name=way]").select_option(f"mass:{account}")
    page.locator("form.cp-form button[type=submit]").click()
    expect(page.locator("#touch-form")).to_be_visible()
    page.locator("select[name=version]").select_option(label="年终感恩券 · 文字 · v1")
    search = page.get_by_placeholder("输入标签名搜索").first
    search.fill(TAG)
    page.locator(".cp-picker-option", has_text=TAG).first.click()
    reach = page.locator("#reach")
    expect(reach).to_contain_text(re.compile(r"符合条件\s*6\s"), timeout=30_000)
    expect(reach).to_contain_text(re.compile(r"会收到\s*4\s"))
    for reason in ("已退订", "本月群发次数已满"):
        expect(reach).to_contain_text(reason)
    page.locator("#touch-form button[type=submit]").first.click()
    expect(page.get_by_text("已保存").first).to_be_visible()
    expect(reach).to_contain_text("会收到", timeout=30_000)
    shot(page, "touch-plan")
    return page.url.partition("?")[0]


def try_on_her_own_phone(place: Place, page: Page) -> None:
    hers = place.phones["许晴"]
    page.locator("#test-send button").first.click()
    hers.say(page.locator("#bind-code").inner_text())
    hers.wait_for("许晴", seconds=30)
    page.reload()
    page.locator("#test-send button").first.click()
    hers.wait_for("【测试】年终感恩", seconds=30)


def approve(place: Place, planner: Page, approver: Page, touch: str) -> None:
    planner.goto(touch)
    planner.locator("button[name=then][value=ask]").first.click()
    expect(planner.locator(".cp-head")).to_contain_text("审批中")
    expect(planner.locator("input[name=act][value=approve]")).to_have_count(0)
    approver.goto(touch)
    expect(approver.locator("#progress")).to_contain_text(re.compile(r"等待中\s*4"))
    shot(approver, "touch-approval")
    act(approver, "approve")
    expect(approver.locator(".cp-head")).to_contain_text("已批准")


def send(place: Place, page: Page, touch: str) -> None:
    page.goto(touch)
    act(page, "start")
    reached = ("林小满", "陈默", "王磊", "许晴")
    for name in reached:
        place.phones[name].wait_for("满 300 减 60", seconds=30)
    expect(page.locator("#progress")).to_contain_text(
        re.compile(r"平台已受理\s*4"), timeout=30_000
    )
    for name, phone in place.phones.items():
        marked = [text for text in phone.heard() if text.startswith("年终感恩")]
        assert len(marked) == (name in reached), (name, marked)
    page.reload()
    shot(page, "touch-sent")


def customers_respond(place: Place, desk: Page) -> None:
    clicker, asker = place.phones["林小满"], place.phones["陈默"]
    heard = next(text for text in clicker.heard() if text.startswith("年终感恩"))
    link = re.search(r"http://\S+/l/\S+", heard)
    assert link, heard
    assert "shop.example.com" not in heard
    opened = call(
        place.stack,
        f"/control/people/{clicker.person['id']}/open",
        {"url": link[0]},
    )
    assert opened["url"] == "https://shop.example.com/coupon?id=7"
    place.phones["王磊"].say("退订")
    asker.say("这张券怎么用？")
    asker.say("人工")
    desk.goto(f"{place.stack.url}/admin/workspace/")
    with place.stack.orm():
        rows = Conversation.objects.unfinished().filter(recipient=place.openid(asker))
        row = wait_until(rows.first, 30, "the conversation")
    desk.locator('.ws-tabs [data-tab-link="queue"]').click()
    desk.locator(f'.ws-row[data-id="{row.pk}"] a').click()
    desk.locator("[data-claim]").click()
    expect(desk.locator('[data-composer][data-can-reply="1"]')).to_be_visible()
    desk.locator("[data-text]").fill("下单时自动抵扣，12 月底前都能用。")
    desk.keyboard.press("Enter")
    asker.wait_for("下单时自动抵扣", seconds=30)
    place.phones["王磊"].wait_for("退订", seconds=30)


def figures(page: Page) -> dict[str, str]:
    """What the recap shows in total: {"计划": "6", …}."""
    total = page.locator("section[aria-labelledby=total] .rp-figure")
    pairs = [text.split("\n") for text in total.all_inner_texts()]
    return {lines[0].split()[0]: lines[1].strip() for lines in pairs}


def read_the_recap(place: Place, page: Page, campaign: str) -> None:
    page.goto(f"{place.stack.url}/admin/campaigns/campaign/{campaign}/change/")
    page.get_by_role("link", name=re.compile("复盘")).first.click()
    page.locator("form[action*=refresh] button").first.click()

    def has_come_back() -> bool:
        page.locator("form[action*=refresh] button").first.click()
        shown = figures(page)
        came = [shown.get(name) for name in ("会话", "退订")]
        return came == ["1", "1"] and shown.get("回复") not in (None, "0")

    wait_until(has_come_back, 60, "what people did stands in the recap")
    shown = figures(page)
    expected = {
        "计划人数": "6",
        "已发送／已受理": "4",
        "失败": "0",
        "结果未知": "0",
        "已排除": "2",
        "待发送": "0",
        "链接点开次数": "1",
        "取关": "0",
    }
    assert {key: shown.get(key) for key in expected} == expected, shown
    expect(page.locator("section[aria-labelledby=excluded]")).to_contain_text("已退订")
    shot(page, "recap")
    with page.expect_download() as download:
        page.get_by_role("link", name="PDF").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")
    with place.stack.orm():
        AgentState.objects.filter(staff=place.agent).update(status="offline")
