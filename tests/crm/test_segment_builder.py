"""A rule written by hand in a real browser: nested, counted, saved, asked about."""

from __future__ import annotations

import pytest
from django.utils import timezone

from core import jobs
from crm.models import Member, Segment, Tag, TagGroup
from crm.naming import tokens
from crm.tagging import tag
from tests.conftest import build_staff
from tests.crm.conftest import build_world

pytestmark = pytest.mark.browser


def build_people(world, maker):
    group = TagGroup.objects.create(controller=world.brand, code="likes", name="兴趣")
    serum = Tag.objects.create(controller=world.brand, group=group, name="精华")
    found = [
        Member.objects.create(
            controller=world.brand,
            display_name=name,
            name_tokens=tokens(name, ""),
            stage=stage,
            last_seen_at=timezone.now(),
        )
        for name, stage in (("林小满", "new"), ("周可", "new"), ("何其", "lost"))
    ]
    tag([found[0].pk, found[2].pk], serum, actor=maker)
    return found


def test_a_nested_rule_is_built_by_hand_counted_saved_and_explained(
    transactional_db, live_server, client, context
):
    world = build_world()
    maker = build_staff("ops_specialist", org_unit=world.brand)
    build_people(world, maker)
    client.force_login(maker)
    context.add_cookies(
        [
            {"name": name, "value": morsel.value, "url": live_server.url}
            for name, morsel in client.cookies.items()
        ]
    )
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{live_server.url}/admin/crm/segment/add/")
    reach = page.locator("#segment-reach")
    reach.get_by_text("3 人", exact=True).wait_for()
    assert "几乎是全部会员" in reach.inner_text()

    page.get_by_label("名称").fill("爱精华的新客")
    adders = page.get_by_label("添加条件…")
    adders.first.select_option(label="标签")
    page.get_by_role("combobox", name="标签 · 任一").fill("精")
    page.get_by_role("option", name="精华").wait_for()
    page.keyboard.press("Enter")
    reach.get_by_text("2 人", exact=True).wait_for()

    page.get_by_role("button", name="＋ 条件组").first.click()
    adders.first.select_option(label="生命周期阶段")
    stages = page.get_by_role("combobox", name="生命周期阶段 · 属于")
    stages.fill("新客")
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    adders.first.select_option(label="手机号")
    reach.get_by_text("1 人", exact=True).wait_for()
    assert "林小满" in reach.inner_text()

    page.locator("#segment-rule").press("Control+z")
    page.get_by_role("button", name="重做").click()
    page.get_by_role("button", name="保存").first.click()
    page.get_by_text("已保存，正在重新计算成员。").wait_for()
    segment = Segment.objects.get()
    assert [list(each) for each in segment.rule["all"]] == [["on", "any"], ["any"]]
    jobs.drain()

    page.locator("#segment-why-form input").fill("何其")
    page.get_by_role("button", name="查看").click()
    page.get_by_text("何其 不在其中").wait_for()
    why = page.locator("#segment-why").inner_text()
    assert "✓" in why
    assert "✗" in why
    page.goto(f"{live_server.url}/admin/crm/segment/")
    page.get_by_text("标签 任一 精华；且（生命周期阶段 是 新客").wait_for()
    assert wrong == []
