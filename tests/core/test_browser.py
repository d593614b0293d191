"""The console in a real browser: its scripts run under the policy, keys work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from staff.models import OrgUnit
from tests.conftest import build_staff

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def desk(live_server: Any, logged_in: Callable[..., Page]) -> Page:
    brand = OrgUnit.objects.create(name="林间", kind="brand")
    build_staff("administrator", username="gaoyuan", org_unit=brand)
    return logged_in(live_server.url, "gaoyuan")


def _listen(page: Page) -> list[str]:
    heard: list[str] = []
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on(
        "console",
        lambda message: heard.append(message.text) if message.type == "error" else None,
    )
    return heard


def test_no_page_scrolls_sideways_on_a_phone(desk: Page, live_server: Any) -> None:
    desk.set_viewport_size({"width": 375, "height": 740})
    for name in ("index", "health", "system_settings", "jobs", "me", "password_change"):
        desk.goto(live_server.url + reverse(f"admin:{name}"))
        assert desk.evaluate("document.documentElement.scrollWidth") <= 375, name


def test_the_command_palette_finds_a_page_by_the_keyboard(
    desk: Page, live_server: Any
) -> None:
    desk.goto(live_server.url + "/admin/me/")
    desk.keyboard.press("Control+k")
    desk.locator("#search-input-command").fill("组织架构")
    desk.locator("#search-input-command").press("End")
    expect(desk.locator("#command-results a").first).to_be_visible()
    desk.keyboard.press("ArrowDown")
    desk.keyboard.press("Enter")
    expect(desk).to_have_url(
        live_server.url + reverse("admin:staff_orgunit_changelist")
    )


def test_the_language_is_switched_in_the_menu_and_the_page_stays(
    desk: Page, live_server: Any
) -> None:
    desk.goto(live_server.url + "/admin/jobs/")
    expect(desk.locator(".pd-title")).to_have_text("后台任务")
    desk.locator("#nav-sidebar").get_by_text("administrator").click()
    desk.locator("button", has_text="English").click()
    expect(desk.locator(".pd-title")).to_have_text("Jobs")


def test_a_job_is_watched_and_cancelled(desk: Page, live_server: Any) -> None:
    desk.goto(live_server.url + reverse("admin:system_settings"))
    desk.on("dialog", lambda dialog: dialog.accept())
    desk.get_by_role("button", name="立即重新加密").click()
    expect(desk.locator("#job-progress")).to_contain_text("等待中")
    desk.get_by_role("button", name="取消任务").click()
    expect(desk.locator("#job-progress")).to_contain_text("已取消")
