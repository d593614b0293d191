"""Campaigns from a template, on the pages people plan with."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, GateItem, Task
from core.models import AuditEntry
from staff.models import OrgUnit

NEW = reverse("admin:campaigns_campaign_add")


def board(campaign):
    return reverse("admin:campaigns_campaign_change", args=[campaign.pk])


def page(name, campaign):
    return reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk])


def given(template, unit, owner, **fields):
    live = timezone.localdate() + timedelta(days=20)
    return {
        "template": template,
        "name": "秋冬焕新",
        "org_unit": unit.pk,
        "live_date": live.isoformat(),
        "owner": owner.pk,
        **fields,
    }


@pytest.mark.parametrize(
    ("code", "tasks"),
    [("big_sale", 12), ("product_launch", 10), ("store_anniversary", 10), ("blank", 0)],
)
def test_a_campaign_is_made_from_each_template(
    browse, planner, unit, templates, code, tasks
):
    client = browse(planner)
    shown = client.get(NEW, {"template": code})
    assert shown.status_code == 200

    answer = client.post(NEW, given(code, unit, planner))

    made = Campaign.objects.get()
    assert answer.url == board(made)
    assert made.phases.count() == 3
    assert made.tasks.count() == tasks
    assert bool(made.gate_items.count()) is (code != "blank")
    assert AuditEntry.objects.filter(action="campaigns.campaign.created").exists()
    assert client.get(board(made)).status_code == 200


def test_tasks_before_the_warm_up_belong_to_it(campaign):
    first = campaign.tasks.get(step=1)
    assert (first.start_day, first.phase.kind) == (-30, "warm_up")
    assert campaign.tasks.get(step=9).phase.kind == "live"
    assert campaign.tasks.get(step=12).phase.kind == "recap"


def test_bad_input_keeps_what_was_typed(browse, planner, unit, templates):
    answer = browse(planner).post(
        NEW, given("big_sale", unit, planner, name="秋冬焕新", live_date="2100-01-01")
    )
    assert answer.status_code == 422
    assert "秋冬焕新" in answer.content.decode()
    assert not Campaign.objects.exists()


def test_a_unit_of_somebody_else_is_no_choice(browse, planner, unit, templates):
    other = OrgUnit.objects.create(name="别家", kind="brand")
    answer = browse(planner).post(NEW, given("big_sale", other, planner))
    assert answer.status_code == 422
    assert not Campaign.objects.exists()


def test_a_task_that_wants_proof_is_done_only_with_it(browse, planner, campaign):
    task = campaign.tasks.get(step=1)
    address = reverse("admin:campaign_task_state", args=[task.pk])
    client = browse(planner)

    refused = client.post(address, {"state": "done", "seen": "todo", "proof": " "})
    assert refused.status_code == 422
    done = client.post(
        address, {"state": "done", "seen": "todo", "proof": "签字第 7 页"}
    )

    assert done.status_code == 302
    task.refresh_from_db()
    assert (task.state, task.proof, task.done_by) == ("done", "签字第 7 页", planner)


def test_who_looked_before_somebody_else_changed_the_task_is_told(
    browse, planner, campaign
):
    task = campaign.tasks.get(step=2)
    address = reverse("admin:campaign_task_state", args=[task.pk])
    client = browse(planner)
    client.post(address, {"state": "doing", "seen": "todo"})

    late = client.post(address, {"state": "skipped", "seen": "todo"})

    assert late.status_code == 422
    task.refresh_from_db()
    assert task.state == "doing"


def test_the_assignee_works_on_the_task_though_not_a_planner(
    browse, make_staff, planner, campaign, unit
):
    chief = make_staff("supervisor", org_unit=unit)
    task = campaign.tasks.get(step=6)
    state = reverse("admin:campaign_task_state", args=[task.pk])
    assert (
        browse(chief).post(state, {"state": "doing", "seen": "todo"}).status_code == 403
    )

    assign = reverse("admin:campaign_task_assign", args=[task.pk])
    assert browse(planner).post(assign, {"assignee": chief.pk}).status_code == 302
    assert (
        browse(chief).post(state, {"state": "doing", "seen": "todo"}).status_code == 302
    )
    home = browse(chief).get(reverse("admin:home_tiles")).content.decode()
    assert task.title in home


def test_a_late_task_stands_on_top_of_the_board_and_of_the_home_page(
    browse, planner, campaign
):
    task = campaign.tasks.get(step=1)
    Task.objects.filter(pk=task.pk).update(assignee=planner)
    client = browse(planner)
    assert "pd-note-warn" in client.get(board(campaign)).content.decode()
    assert task.title in client.get(reverse("admin:home_tiles")).content.decode()


def test_a_gate_point_is_ticked_with_a_note_and_taken_back(browse, planner, campaign):
    point = campaign.gate_items.filter(code="G1").first()
    address = reverse("admin:campaign_gate_point", args=[point.pk])
    client = browse(planner)

    client.post(address, {"tick": "1", "note": "值班表已发群"})
    point.refresh_from_db()
    assert (point.done_by, point.note) == (planner, "值班表已发群")
    assert client.post(address, {"tick": "1"}).status_code == 409

    client.post(address, {"tick": "0"})
    point.refresh_from_db()
    assert (point.done_at, point.note) == (None, "")
    verbs = AuditEntry.objects.filter(target_type="campaigns.gateitem")
    assert verbs.count() == 2


def test_moving_the_live_date_shows_first_and_moves_phases_and_tasks(
    browse, planner, campaign
):
    client = browse(planner)
    before = campaign.tasks.get(step=2).starts_on
    target = (campaign.live_date + timedelta(days=3)).isoformat()
    assert client.get(page("move", campaign), {"live_date": target}).status_code == 200

    data = {"live_date": target, "revision": campaign.revision}
    assert client.post(page("move", campaign), data).status_code == 302

    campaign.refresh_from_db()
    moved = Task.objects.get(campaign=campaign, step=2)
    assert moved.starts_on == before + timedelta(days=3)
    assert GateItem.objects.filter(campaign=campaign)[0].due_on.isoformat() < target
    stale = client.post(page("move", campaign), data)
    assert stale.status_code == 409


def test_a_campaign_is_started_and_closed_and_then_kept(browse, planner, campaign):
    client = browse(planner)
    client.post(page("start", campaign), {"revision": 1})
    campaign.refresh_from_db()
    assert campaign.state == "running"
    assert client.post(page("start", campaign), {"revision": 1}).status_code == 409

    shown = client.get(page("end", campaign)).content.decode()
    assert str(campaign.gate_items.count()) in shown
    client.post(page("end", campaign), {"how": "close", "revision": 2})
    campaign.refresh_from_db()
    assert campaign.state == "closed"

    point = campaign.gate_items.first()
    address = reverse("admin:campaign_gate_point", args=[point.pk])
    assert client.post(address, {"tick": "1"}).status_code == 409


def test_cancelling_wants_a_reason(browse, planner, campaign):
    client = browse(planner)
    data = {"how": "cancel", "revision": 1}
    assert client.post(page("end", campaign), data).status_code == 409
    client.post(page("end", campaign), {**data, "reason": "库存不足"})
    campaign.refresh_from_db()
    assert campaign.state == "cancelled"


def test_a_name_changed_over_an_old_look_is_refused(browse, planner, campaign):
    client = browse(planner)
    data = {"name": "双11 焕新", "owner": planner.pk, "revision": 1}
    assert client.post(page("edit", campaign), data).status_code == 302
    late = client.post(page("edit", campaign), {**data, "name": "别的"})
    assert late.status_code == 422
    campaign.refresh_from_db()
    assert campaign.name == "双11 焕新"


def test_readers_see_the_board_and_change_nothing(browse, make_staff, campaign, unit):
    client = browse(make_staff("analyst", org_unit=unit))
    assert client.get(board(campaign)).status_code == 200
    for name in ("move", "edit", "end"):
        assert client.get(page(name, campaign)).status_code == 403
    agent = browse(make_staff("agent", org_unit=unit))
    assert agent.get(board(campaign)).status_code == 403


def test_the_phases_stand_on_the_content_calendar(planner, campaign):
    from content.registry import bands_between

    first = campaign.live_date - timedelta(days=1)
    found = bands_between(planner, first, campaign.live_date)
    assert [band.kind for band in found] == ["warm_up", "live"]
    assert found[0].url == board(campaign)
    late = campaign.live_date + timedelta(days=400)
    assert bands_between(planner, late, late) == []
