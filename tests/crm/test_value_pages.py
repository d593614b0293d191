"""Values where people meet them: the member page, the ladders, the numbers, the night."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core import jobs
from core.models import AuditEntry, Job, JobRun
from crm import value
from crm.models import Category, Member, MemberTag, ScoreWeight, StageChange
from crm.value import running
from tests.conftest import build_staff
from tests.crm.value_worlds import add_member, add_order, noon, put, stock


@pytest.fixture
def shop(world: SimpleNamespace) -> SimpleNamespace:
    return stock(world)


def client_of(role: str, unit: Any) -> Client:
    client = Client()
    client.force_login(build_staff(role, org_unit=unit))
    return client


def text_of(response: Any) -> str:
    assert response.status_code == 200
    return str(response.content.decode())


def test_the_member_page_says_every_figure_with_its_because(
    shop: SimpleNamespace,
) -> None:
    member = add_member(shop)
    today = timezone.localdate()
    for days in (12, 20, 41, 60):
        add_order(shop, member, noon(today - timedelta(days=days)))
    value.recompute_all()
    page = text_of(
        client_of("ops_manager", shop.brand).get(
            reverse("admin:crm_member_change", args=[member.pk])
        )
    )
    assert "最近一次下单 12 天前 ≤ 60 天（回购周期 60 天）" in page
    assert "12 个月 4 单 ≥ 类目 P75" in page
    assert "潜客 → 忠诚" in page
    assert "购买过且没有投诉（T2）" in page


def test_the_ladders_count_only_what_the_person_sees(shop: SimpleNamespace) -> None:
    for unit in (shop.store, None):
        add_order(shop, add_member(shop, org_unit=unit), noon(timezone.localdate()))
    add_member(shop, controller=shop.dealer)
    value.recompute_all()
    address = reverse("admin:crm_value")

    def total(unit: Any) -> int:
        response = client_of("store_manager", unit).get(address)
        assert response.status_code == 200
        return int(response.context["total"])

    assert [total(unit) for unit in (shop.brand, shop.store, shop.dealer)] == [2, 1, 1]
    response = client_of("ops_manager", shop.brand).get(address)
    loyalty = {rung.label: rung.members for rung in response.context["loyalty"]}
    assert sum(loyalty.values()) == 2
    assert loyalty["买家"] == 2
    assert (
        client_of("store_manager", shop.brand)
        .post(reverse("admin:crm_value_recompute"))
        .status_code
        == 403
    )


def test_an_empty_copy_shows_the_rules_and_says_nothing_is_counted(
    shop: SimpleNamespace,
) -> None:
    page = text_of(client_of("ops_manager", shop.brand).get(reverse("admin:crm_value")))
    assert "尚未统计" in page
    assert "还没有买家" in page


def test_everybody_is_computed_anew_as_a_job_that_can_be_stopped(
    shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "CHUNK", 2)
    monkeypatch.setattr(jobs, "WRITE_EVERY_SECONDS", 0)
    for _ in range(5):
        add_order(shop, add_member(shop), noon(timezone.localdate()))
    client = client_of("ops_manager", shop.brand)
    response = client.post(reverse("admin:crm_value_recompute"))
    job = Job.objects.get(kind=running.JOB)
    assert response.headers["Location"] == reverse("admin:job", args=[job.pk])
    client.post(reverse("admin:crm_value_recompute"))
    assert Job.objects.filter(kind=running.JOB).count() == 1
    jobs.drain()
    job.refresh_from_db()
    assert (job.state, job.done, job.total) == ("done", 10, 10)
    assert job.result is not None
    assert job.result["moved"] == 5

    # Stopped after the first chunk, it leaves whole chunks behind and starts again.
    Member.objects.update(stage="prospect")
    client.post(reverse("admin:crm_value_recompute"))
    again = Job.objects.filter(kind=running.JOB).latest("id")
    real = running._decide

    def cancelling(*args: Any, **kwargs: Any) -> int:
        Job.objects.filter(pk=again.pk).update(cancel_requested_at=timezone.now())
        return real(*args, **kwargs)

    monkeypatch.setattr(running, "_decide", cancelling)
    jobs.drain()
    again.refresh_from_db()
    assert again.state == "cancelled"
    assert Member.objects.filter(stage="new").count() == 2


def test_the_night_starts_one_job_once_its_hour_has_come(
    shop: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.system_settings import declarations

    hour = timezone.localtime().hour
    late = declarations["value_hour"].__class__(
        "value_hour", "", hour, minimum=0, maximum=23
    )
    monkeypatch.setitem(declarations, "value_hour", late)
    assert [running.start_nightly() for _ in range(2)] == [True, False]
    assert Job.objects.filter(kind=running.JOB).count() == 1
    JobRun.objects.all().delete()
    if hour < 23:
        later = late.__class__("value_hour", "", hour + 1, minimum=0, maximum=23)
        monkeypatch.setitem(declarations, "value_hour", later)
        assert running.start_nightly() is False


def test_numbers_are_new_rows_from_a_day_on_within_bounds_and_in_the_trail(
    shop: SimpleNamespace,
) -> None:
    client = client_of("ops_manager", shop.brand)
    address = reverse("admin:crm_scoreweight_add")
    today = timezone.localdate()
    good = {"which": "stage.at_risk", "value": "1.5", "effective_from": str(today)}

    def refused(**changes: str) -> str:
        return text_of(client.post(address, good | changes))

    assert "最早从今天起" in refused(effective_from=str(today - timedelta(days=1)))
    assert "0.1 到 50" in refused(value="51")
    assert "请填整数" in refused(which="stage.loyal_orders", value="2.5")
    category = str(shop.categories["beauty"].pk)
    assert "不能按类目" in refused(which="rfm.high", value="4", category=category)
    assert client.post(address, good | {"category": category}).status_code == 302
    row = ScoreWeight.objects.get(controller=shop.brand)
    assert (row.key, row.category_id) == ("stage.at_risk", int(category))
    assert AuditEntry.objects.filter(target_id=str(row.pk)).exists()
    assert "已经存在" in refused(category=category)

    member = add_member(shop)
    add_order(shop, member, noon(today - timedelta(days=80)))
    value.recompute_all()
    assert Member.objects.get(pk=member.pk).stage == "new"  # 80 ≤ 1.5 × 60


def test_a_brand_gives_a_category_its_own_cycle_and_leaves_the_shared_one(
    shop: SimpleNamespace,
) -> None:
    client = client_of("ops_manager", shop.brand)
    fields = {"name": "护肤", "code": "beauty", "cycle_days": "45"}
    address = reverse("admin:crm_category_add")
    assert "3650" in text_of(client.post(address, fields | {"cycle_days": "99999"}))
    assert client.post(address, fields).status_code == 302
    assert Category.objects.get(controller=shop.brand).cycle_days == 45
    shared = shop.categories["beauty"]
    page = reverse("admin:crm_category_change", args=[shared.pk])
    client.post(page, {"name": "x", "cycle_days": "1"})
    shared.refresh_from_db()
    assert shared.cycle_days == 60


def test_the_tags_of_stage_and_segment_follow_and_leave_hand_made_ones(
    shop: SimpleNamespace,
) -> None:
    member = add_member(shop)
    put(shop, member, "lifecycle.Churned")
    put(shop, member, "need.Gift")
    add_order(shop, member, noon(timezone.localdate()))
    value.changed([member.pk, member.pk])
    assert running.drain() == 1
    rows = MemberTag.objects.filter(member=member).order_by("tag__builtin_key")
    assert [row.tag.builtin_key for row in rows] == [
        "lifecycle.New customer",
        "need.Gift",
    ]
    manager = client_of("ops_manager", shop.brand)
    page = text_of(manager.get(reverse("admin:crm_member_change", args=[member.pk])))
    assert f"按规则 · {rows[0].set_by}" not in page
    assert f"手动 · {rows[1].set_by}" in page
    assert StageChange.objects.filter(member=member, ladder="stage").count() == 1
    value.changed([member.pk])
    running.drain()
    assert StageChange.objects.filter(member=member, ladder="stage").count() == 1
