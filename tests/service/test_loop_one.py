"""Loop one on a running copy: a customer writes on the phone, an agent answers.

With SCREENSHOTS=1 the pages are photographed into docs/screenshots/.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from content.models import AnswerRule
from service import assignments
from service.models import AgentState, Conversation
from staff.accounts import deactivate
from tests.conftest import build_staff
from tests.service.rehearsal import Phone, join_service_account, log_in, new_phone
from tests.service.test_workspace import a_picture
from tests.stack import BASE_DIR, Stack, wait_until

pytestmark = [pytest.mark.browser, pytest.mark.processes]

# What is promised, and how often a machine that others use may steal a second of it.
PAGE_SECONDS, PHONE_SECONDS = 1, 2
EXCHANGES = 3
SHOTS = Path(BASE_DIR) / "docs" / "screenshots"


@dataclass
class Place:
    """The copy with its account, and who works there."""

    stack: Stack
    slug: str
    unit: Any
    app: Any
    queue: Any

    def person(self, role: str, name: str) -> Any:
        with self.stack.orm():
            return build_staff(role, org_unit=self.unit, display_name=name)

    def phone(self, name: str) -> Phone:
        phone = new_phone(self.stack, self.slug, name)
        phone.follow()
        return phone


@pytest.fixture(scope="module")
def place(stack: Stack) -> Place:
    with stack.orm():
        unit, app, queue = join_service_account(stack)
        AnswerRule.objects.get_or_create(
            account=app.account,
            name="营业时间",
            keywords=["营业"],
            reply_text="门店每天 10:00–22:00 营业，节假日照常。",
        )
    return Place(stack, app.slug, unit, app, queue)


@dataclass
class Seat:
    """Somebody at their open workspace."""

    place: Place
    person: Any
    context: BrowserContext
    page: Page

    def accept(self, phone: Phone) -> Conversation:
        """Take the phone's conversation through the page; returns its row."""
        row = self.find(phone)
        self.page.locator('.ws-tabs [data-tab-link="queue"]').click()
        self.page.locator(f'.ws-row[data-id="{row.pk}"] a').click()
        self.page.locator("[data-claim]").click()
        expect(self.page.locator('[data-composer][data-can-reply="1"]')).to_be_visible()
        return row

    def find(self, phone: Phone) -> Conversation:
        openid = phone.person["openid"][phone.slug]

        def look() -> Conversation | None:
            rows = Conversation.objects.unfinished().filter(recipient=openid)
            return rows.select_related("member").first()

        with self.place.stack.orm():
            return wait_until(look, 20, "the conversation")

    def answer(self, text: str) -> None:
        self.page.locator("[data-text]").fill(text)
        self.page.keyboard.press("Enter")

    def shot(self, name: str) -> None:
        if os.environ.get("SCREENSHOTS") == "1":
            SHOTS.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=SHOTS / f"{name}.png")


@pytest.fixture
def sit(place: Place, browser: Browser) -> Iterator[Any]:
    """`sit("agent", "周敏")`: a person at the workspace in a browser of their own."""
    contexts = []
    errors: list[str] = []

    def open_seat(role: str, name: str, width: int = 1280, height: int = 800) -> Seat:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
        )
        contexts.append(context)
        person = place.person(role, name)
        log_in(context, place.stack, person)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(f"{error} {error.stack}"))
        page.goto(f"{place.stack.url}/admin/workspace/")
        return Seat(place, person, context, page)

    yield open_seat
    for context in contexts:
        context.close()
    assert errors == []


def until_shown(page: Page, text: str) -> None:
    page.locator(".ws-lines .ws-bubble", has_text=text).wait_for(timeout=15_000)


# Notes when a bubble came to stand on the page: the test itself looks only now and then.
NOTE_ARRIVALS = """() => {
  window.arrivals = {};
  new MutationObserver(() => {
    for (const bubble of document.querySelectorAll(".ws-lines .ws-bubble p")) {
      window.arrivals[bubble.textContent] ??= Date.now() / 1000;
    }
  }).observe(document.getElementById("ws"), {childList: true, subtree: true});
}"""


def test_a_customer_writes_and_a_person_answers(
    place: Place, sit: Any, record_property: Any
) -> None:
    seat = sit("agent", "周敏")
    phone = place.phone("林小满")
    phone.say("你们几点营业？")
    phone.wait_for("10:00–22:00")
    phone.say("人工")
    expect(seat.page.locator('[data-tab-link="queue"] b.ws-hot')).to_be_visible(
        timeout=15_000
    )
    seat.accept(phone)
    expect(seat.page.locator(".ws-lines")).to_contain_text("10:00–22:00")

    seat.page.evaluate(NOTE_ARRIVALS)
    exchanges = []
    for number in range(EXCHANGES):
        exchanges.append(measure(seat, phone, number))
        if is_in_time(*exchanges[-1]):
            break
    record_property("phone_to_page_and_back", exchanges)
    assert is_in_time(*exchanges[-1]), exchanges
    last = seat.page.locator(".ws-out:not(.ws-auto)").last
    expect(last).to_have_class(re.compile("ws-tone-sent"))


def is_in_time(heard: float, reached: float) -> bool:
    return heard <= PAGE_SECONDS and reached <= PHONE_SECONDS


def measure(seat: Seat, phone: Phone, number: int) -> tuple[float, float]:
    """Seconds from the phone to the page, and from the answer to the phone."""
    question = f"第{number}个问题：面霜能退吗？"
    asked_at = time.time()
    phone.say(question)
    until_shown(seat.page, question)
    shown_at = seat.page.evaluate("text => window.arrivals[text]", question)
    answer = f"第{number}个回答：可以的，请发订单号 😊"
    seat.page.locator("[data-text]").fill(answer)
    sent_at = seat.page.evaluate("Date.now() / 1000")
    seat.page.keyboard.press("Enter")
    phone.wait_for(answer)
    return round(shown_at - asked_at, 2), round(time.time() - sent_at, 2)


def test_the_story_in_pictures(place: Place, sit: Any) -> None:
    """One whole conversation on both sides; photographed when SCREENSHOTS=1."""
    seat = sit("agent", "周敏")
    waiting = [place.phone(name) for name in ("陈一诺", "王磊")]
    phone = place.phone("林小满")
    phone.say("你们几点营业？")
    phone.wait_for("10:00–22:00")
    for other in [phone, *waiting]:
        other.say("人工")
        seat.find(other)
    seat.accept(phone)
    phone.say("我上周买的面霜想退，订单号 LJ20261118-0042")
    until_shown(seat.page, "LJ20261118-0042")
    phone.picture()
    expect(seat.page.locator(".ws-in .ws-picture img")).to_be_visible(timeout=20_000)
    seat.answer("您好，我是周敏 😊 已收到照片，马上为您登记退货。")
    phone.wait_for("马上为您登记退货")
    expect(seat.page.locator(".ws-tone-sent", has_text="马上为您登记")).to_be_visible()
    seat.page.locator("[data-note]").check()
    seat.answer("客户皮肤敏感，优先退款")
    expect(seat.page.locator(".ws-note[data-client-key]")).to_contain_text("优先退款")
    seat.page.locator("[data-note]").uncheck()
    seat.shot("workspace")
    seat.page.set_viewport_size({"width": 375, "height": 740})
    expect(seat.page.locator(".ws-left")).to_be_hidden()
    seat.shot("workspace-375")
    mirror = seat.context.new_page()
    mirror.set_viewport_size({"width": 1280, "height": 800})
    mirror.goto(place.stack.sandbox_url)
    mirror.locator("#people button", has_text="林小满").first.click()
    expect(mirror.locator(".line.account").last).to_contain_text("登记退货")
    if os.environ.get("SCREENSHOTS") == "1":
        mirror.screenshot(path=SHOTS / "phone.png")
    boss = sit("supervisor", "陈主管")
    boss.page.goto(f"{place.stack.url}/admin/workspace/team/")
    expect(boss.page.locator(".ws-team")).to_contain_text("周敏")
    boss.page.locator(".ws-row a").first.click()
    expect(boss.page.locator(".ws-bar")).to_contain_text("备注")
    boss.shot("workspace-team")


def test_pictures_go_both_ways(place: Place, sit: Any) -> None:
    seat = sit("agent", "周敏")
    phone = place.phone("陈一诺")
    phone.say("人工")
    seat.accept(phone)
    phone.picture()
    picture = seat.page.locator(".ws-in .ws-picture img")
    expect(picture).to_be_visible(timeout=15_000)
    wait_until(
        lambda: picture.evaluate("image => image.naturalWidth > 0"), 10, "it loads"
    )
    seat.page.locator("[data-picture]").set_input_files(
        {
            "name": "photo.png",
            "mimeType": "image/png",
            "buffer": a_picture(size=(320, 200)).getvalue(),
        }
    )
    expect(seat.page.locator("[data-picture-preview]")).to_be_visible()
    seat.page.locator("[data-send]").click()
    wait_until(
        lambda: any(
            line["sender"] == "account" and line["type"] == "image"
            for line in phone.screen()
        ),
        15,
        "the picture on the phone",
    )
    expect(seat.page.locator(".ws-out .ws-picture img")).to_be_visible()


def test_what_is_typed_survives_arrivals_and_a_reload(place: Place, sit: Any) -> None:
    seat = sit("agent", "周敏")
    phone = place.phone("王磊")
    phone.say("人工")
    seat.accept(phone)
    field = seat.page.locator("[data-text]")
    field.fill("写到一半的回复")
    phone.say("还在吗")
    until_shown(seat.page, "还在吗")
    expect(field).to_have_value("写到一半的回复")
    expect(field).to_be_focused()
    seat.page.reload()
    expect(field).to_have_value("写到一半的回复")


def test_reading_above_is_not_moved_by_what_arrives_below(
    place: Place, sit: Any
) -> None:
    seat = sit("agent", "周敏", height=420)
    phone = place.phone("赵雨")
    phone.say("人工")
    seat.accept(phone)
    for number in range(12):
        phone.say(f"第{number}行\n第二行\n第三行")
    until_shown(seat.page, "第11行")
    scroll = seat.page.locator("[data-scroll]")
    scroll.evaluate("box => { box.scrollTop = 60; }")
    place_of = "box => box.querySelector('.ws-in').getBoundingClientRect().top"
    before = scroll.evaluate(place_of)
    phone.say("最新的一句")
    notice = seat.page.locator("[data-new]")
    expect(notice).to_contain_text("1 条新消息", timeout=15_000)
    assert scroll.evaluate(place_of) == before
    notice.click()
    expect(notice).to_be_hidden()


def test_enter_inside_a_word_being_composed_sends_nothing(
    place: Place, sit: Any
) -> None:
    seat = sit("agent", "周敏")
    phone = place.phone("孙悦")
    phone.say("人工")
    row = seat.accept(phone)
    seat.page.locator("[data-text]").fill("nihao")
    seat.page.locator("[data-text]").evaluate(
        """field => field.dispatchEvent(new KeyboardEvent("keydown",
             {key: "Enter", isComposing: true, bubbles: true, cancelable: true}))"""
    )
    seat.page.locator("[data-text]").press("Shift+Enter")
    expect(seat.page.locator("[data-text]")).to_have_value("nihao\n")
    with place.stack.orm():
        assert not row.messages.filter(direction="out").exists()


def test_two_agents_reach_for_one_customer(place: Place, sit: Any) -> None:
    first, second = sit("agent", "周敏"), sit("agent", "李思远")
    phone = place.phone("吴桐")
    phone.say("人工")
    row = first.find(phone)
    for seat in (first, second):
        seat.page.goto(f"{place.stack.url}/admin/workspace/{row.pk}/")
        expect(seat.page.locator("[data-claim]")).to_be_visible()
    # The second page does not learn of it before the click.
    second.context.route("**/desk/**", lambda route: route.abort())
    first.page.locator("[data-claim]").click()
    expect(first.page.locator('[data-composer][data-can-reply="1"]')).to_be_visible()
    second.page.locator("[data-claim]").click()
    expect(second.page.locator(".ws-toast")).to_contain_text("周敏")
    second.context.unroute("**/desk/**")
    second.page.evaluate("window.dispatchEvent(new Event('focus'))")
    expect(second.page.locator(".ws-desk")).to_contain_text("周敏 正在接待")
    with place.stack.orm():
        row.refresh_from_db()
        assert row.assignee == first.person


def test_a_refused_answer_says_why_and_loses_nothing(place: Place, sit: Any) -> None:
    seat = sit("agent", "周敏")
    phone = place.phone("郑好")
    phone.say("人工")
    seat.accept(phone)
    long = "好" * 700
    seat.answer(long)
    expect(seat.page.locator(".ws-toast")).to_contain_text("字节")
    expect(seat.page.locator("[data-text]")).to_have_value(long)
    phone.unfollow()
    expect(seat.page.locator("[data-desk]")).to_have_attribute(
        "data-mode", "closed", timeout=15_000
    )
    expect(seat.page.locator('[data-part="bar"]')).to_contain_text("客户取消关注")


def test_who_is_deactivated_is_out_and_the_customer_waits_again(
    place: Place, sit: Any
) -> None:
    seat = sit("agent", "周敏")
    phone = place.phone("冯笑")
    phone.say("人工")
    row = seat.accept(phone)
    with place.stack.orm():
        boss = build_staff("administrator", is_superuser=True)
        deactivate(seat.person, actor=boss)
        row.refresh_from_db()
        assert (row.state, row.assignee) == ("queued", None)
        assert AgentState.objects.get(staff=seat.person).open_count == 0
    # Publishing from here reaches nobody: the socket looks at its session by itself.
    expect(seat.page).to_have_url(re.compile("/admin/login/"), timeout=20_000)


def test_without_a_socket_the_page_polls_and_loses_nothing(
    place: Place, sit: Any
) -> None:
    seat = sit("agent", "周敏")
    seat.page.add_init_script(
        "window.WebSocket = function () { throw new Error('no sockets here'); };"
    )
    phone = place.phone("蒋新")
    phone.say("人工")
    row = seat.find(phone)
    with place.stack.orm():
        assignments.claim(row, actor=seat.person)
    seat.page.goto(f"{place.stack.url}/admin/workspace/{row.pk}/")
    expect(seat.page.locator(".ws-offline")).to_be_visible()
    phone.say("没有实时连接也要看到")
    until_shown(seat.page, "没有实时连接也要看到")
    with place.stack.orm():
        assert AgentState.objects.get(staff=seat.person).heartbeat_at is not None


def test_the_list_works_by_keyboard(place: Place, sit: Any) -> None:
    seat = sit("agent", "周敏")
    phones = [place.phone(name) for name in ("何一", "何二")]
    for phone in phones:
        phone.say("人工")
        row = seat.find(phone)
        with place.stack.orm():
            assignments.claim(row, actor=seat.person)
    seat.page.reload()
    expect(seat.page.locator(".ws-row")).to_have_count(2)
    seat.page.keyboard.press("j")
    seat.page.keyboard.press("j")
    seat.page.keyboard.press("Enter")
    expect(seat.page.locator("[data-text]")).to_be_focused()
    seat.page.keyboard.press("Escape")
    seat.page.keyboard.press("/")
    expect(seat.page.locator("[data-search]")).to_be_focused()


def test_on_a_phone_it_is_one_column_with_a_way_back(place: Place, sit: Any) -> None:
    seat = sit("agent", "周敏", width=375, height=740)
    phone = place.phone("高远")
    phone.say("人工")
    seat.accept(phone)
    width = seat.page.evaluate("document.documentElement.scrollWidth")
    assert width == 375
    expect(seat.page.locator(".ws-left")).to_be_hidden()
    seat.page.locator("[data-back]").click()
    expect(seat.page.locator(".ws-left")).to_be_visible()
    expect(seat.page.locator(".ws-main")).to_be_hidden()
