"""The member page in a real browser."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from crm import phones, timeline
from crm.models import Member
from staff.models import OrgUnit
from tests.conftest import PASSWORD, build_staff
from tests.crm.conftest import build_world


@pytest.mark.browser
@pytest.mark.usefixtures("transactional_db")
def test_the_history_is_filtered_and_the_list_searched_without_leaving(
    live_server, page
):
    world = build_world()
    person = build_staff("ops_manager", org_unit=world.brand)
    member = Member.objects.create(controller=world.brand, display_name="林小满")
    stores = [
        OrgUnit.objects.create(name=f"长乐路店{n}", kind="store", parent=world.brand)
        for n in range(25)
    ]
    phones.fill(member, "13812345678")
    member.save()
    now = timezone.now()
    for number in range(70):
        timeline.write(
            member=member,
            kind="view" if number % 2 else "message.text",
            at=now - timedelta(hours=number),
            key=f"t:{number}",
            data={"text": f"第{number}条"},
        )
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{live_server.url}{reverse('admin:login')}")
    page.fill("input[name=username]", person.username)
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/admin/")
    address = reverse("admin:crm_member_change", args=[member.pk])
    page.goto(f"{live_server.url}{address}")

    lines = page.locator("#timeline time")
    assert lines.count() == 30
    page.get_by_text("查看更早").click()
    page.wait_for_function("document.querySelectorAll('#timeline time').length == 60")
    page.get_by_role("button", name="消息", exact=True).click()
    page.wait_for_function(
        "!document.querySelector('#timeline').textContent.includes('打开菜单链接')"
    )
    assert lines.count() == 30

    page.get_by_text("查看", exact=True).click()
    page.fill("#reason", "回电确认退货")
    page.get_by_role("button", name="查看手机号与姓名").click()
    page.get_by_text("13812345678").wait_for()

    # Our own file field is none of the theme's, whose script would look for its parts.
    page.goto(f"{live_server.url}{reverse('admin:crm_imports')}")
    given = {"name": "members.csv", "mimeType": "text/csv", "buffer": b"name\n"}
    page.set_input_files("#file", given)
    assert page.input_value("#file").endswith("members.csv")
    assert problems == []

    # The list: of many stores one is found and chosen with keys alone.
    page.goto(f"{live_server.url}{reverse('admin:crm_member_changelist')}")
    page.locator("[x-on\\:click='filterOpen = true']").first.press("Enter")
    field = page.locator("#filter-store[role=combobox]")
    field.press_sequentially("路店1")
    page.get_by_role("option", name="长乐路店1", exact=True).wait_for(state="attached")
    field.press("ArrowDown")
    marked = page.locator(".pd-combo-option[aria-selected=true]").inner_text()
    field.press("Enter")
    assert field.input_value() == marked
    field.press("Enter")
    wanted = {store.name: store.pk for store in stores}[marked]
    page.wait_for_url(f"**?*store={wanted}*")
    page.locator("[x-on\\:click='filterOpen = true']").first.press("Enter")
    assert field.input_value() == marked
    assert page.locator("select[name=store]").input_value() == str(wanted)
    assert problems == []
