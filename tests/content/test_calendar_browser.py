"""A slot is dragged to another day, and the move is taken back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from content import slots
from content.models import Slot
from tests.content.world import build_newsroom

pytestmark = pytest.mark.browser


def test_a_slot_is_dragged_undone_and_opened_by_keyboard(
    transactional_db, live_server, client, context
):
    newsroom = build_newsroom()
    # Two days of one week of the month shown, both ahead.
    monday = timezone.localtime() + timedelta(days=7 - timezone.localtime().weekday())
    at = monday.replace(hour=10, minute=0, second=0, microsecond=0)
    slot = slots.schedule(
        newsroom.approved(), newsroom.account, at, actor=newsroom.writer
    )
    client.force_login(newsroom.writer)
    context.add_cookies(
        [
            {"name": name, "value": morsel.value, "url": live_server.url}
            for name, morsel in client.cookies.items()
        ]
    )
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{live_server.url}/admin/calendar/")
    page.locator(f".fc-day[data-date='{at:%Y-%m-%d}']").first.wait_for()
    tile = page.locator("[data-entry]")

    to = at + timedelta(days=3)
    tile.drag_to(page.locator(f".fc-day[data-date='{to:%Y-%m-%d}']").first)
    page.get_by_text("已移到").wait_for()
    assert Slot.objects.get().publish_at == to

    page.get_by_role("button", name="撤销").click()
    page.get_by_text("已移回原处。").wait_for()
    slot.refresh_from_db()
    assert slot.publish_at == at

    # Back in its day, the tile is drawn anew: the old one would lose the key.
    page.locator(f".fc-day[data-date='{at:%Y-%m-%d}'] [data-entry]").wait_for()
    tile.press("Enter")
    page.get_by_role("heading", name="会员日").wait_for()
    page.get_by_label("移到").fill(f"{to:%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="移动", exact=True).click()
    page.get_by_text("已移到").wait_for()
    page.keyboard.press("u")
    page.get_by_text("已移回原处。").wait_for()
    slot.refresh_from_db()
    assert slot.publish_at == at
    assert wrong == []
