"""The first page: what needs me now, and nothing when there is nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core import registry
from core.models import Heartbeat, Job
from core.registry import HomeTile, NavItem
from privatedomain import navigation
from staff.models import OrgUnit
from tests.conftest import build_staff


def _page(person: Any) -> str:
    client = Client()
    client.force_login(person)
    return client.get(reverse("admin:index")).content.decode()


def _alive() -> None:
    for name in ("worker", "worker-realtime", "beat"):
        Heartbeat.objects.create(name=name, at=timezone.now())


def test_an_empty_day_is_said_kindly_with_ways_to_begin(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("privatedomain.home.home_tiles", [])
    page = _page(build_staff("agent"))
    assert "现在没有需要您处理的事" in page
    assert "pd-shortcuts" in page


def test_a_tile_shows_only_to_those_who_may_and_only_with_lines(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiles = [
        HomeTile("one", "Mine", "", lambda _r: [("Two wait", "/x/", 1234, "bad")]),
        HomeTile("two", "Secret", "core.view_health", lambda _r: [("No", "/", 1, "")]),
        HomeTile("three", "Empty", "", lambda _r: []),
    ]
    monkeypatch.setattr("privatedomain.home.home_tiles", tiles)
    page = _page(build_staff("agent"))
    assert "Two wait" in page
    assert "1,234" in page
    assert "Secret" not in page
    assert "Empty" not in page


def test_a_broken_tile_says_so_and_spoils_no_other(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_request: Any) -> Any:
        raise ZeroDivisionError

    tiles = [
        HomeTile("one", "Broken", "", broken),
        HomeTile("two", "Good", "", lambda _r: [("Fine", "/", 1, "good")]),
    ]
    monkeypatch.setattr("privatedomain.home.home_tiles", tiles)
    page = _page(build_staff("agent"))
    assert "暂时无法统计" in page
    assert "Fine" in page


def test_a_failed_job_and_a_dead_worker_stand_on_the_first_page(db: None) -> None:
    person = build_staff("administrator")
    Job.objects.create(
        kind="core.rotate_field_keys",
        state="failed",
        requested_by=person,
        finished_at=timezone.now(),
    )
    page = _page(person)
    assert "失败" in page
    assert "尚无心跳" in page
    _alive()
    assert "尚无心跳" not in _page(person)


def test_the_side_bar_shows_what_the_role_may_open_and_lights_one_line(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = _page(build_staff("agent"))
    assert reverse("admin:staff_staff_changelist") not in agent
    assert reverse("admin:system_settings") not in agent
    items = [
        NavItem("G", "Outer", "admin:jobs", ""),
        NavItem("G", "Inner", "admin:system_settings", ""),
    ]
    monkeypatch.setattr("privatedomain.navigation.nav_items", items)
    unkept = navigation.kept_menu.__wrapped__
    monkeypatch.setattr("privatedomain.navigation.kept_menu", unkept)
    chief = Client()
    chief.force_login(build_staff("administrator"))
    page = chief.get(reverse("admin:system_settings")).content.decode()
    assert page.count(' active"') == 1


def test_health_says_what_to_do_to_who_sees_the_whole_installation(db: None) -> None:
    brand = OrgUnit.objects.create(name="林间", kind="brand")
    dealer = OrgUnit.objects.create(name="经销商甲", kind="dealer", parent=brand)
    address, chief = reverse("admin:health"), Client()
    chief.force_login(build_staff("ops_manager", org_unit=brand))
    page = chief.get(address).content.decode()
    assert "请启动 worker" in page
    assert len(registry.health_checks) >= 8

    below = build_staff("ops_manager", org_unit=dealer)
    theirs = Client()
    theirs.force_login(below)
    for refused in (address, reverse("admin:health_parts")):
        answer = theirs.get(refused)
        assert answer.status_code == 403
        assert "仅供管理员和位于组织最上层的人员查看" in answer.content.decode()
    assert address in _page(build_staff("ops_manager", org_unit=brand))
    assert address not in _page(below), "neither in the side bar nor on a tile"
