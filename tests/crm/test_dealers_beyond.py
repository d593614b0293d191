"""Dealer B's people by way of campaigns, content, conversations, open pages and jobs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import redis
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign, Task
from content.models import Slot
from core import jobs, live
from core.models import Job
from crm import tagging
from crm.models import Export, Tag, TagGroup
from crm.value import running as values
from service import assignments, conversations
from service.models import AgentState
from tests.conftest import build_staff
from tests.crm.dealers import NOBODY, Place, build_place


@pytest.fixture
def place(db: None, settings: Any, tmp_path: Any) -> Place:
    settings.DATA_DIR = tmp_path
    return build_place()


# -- campaigns, content, service


def test_planning_takes_no_row_of_another_dealer(place: Place) -> None:
    client, a, theirs = place.login(), place.a, place.rows
    touch = a.touch()
    version = place.b.item().versions.get()
    page = reverse("admin:campaigns_touch_change", args=[touch.pk])
    form = {
        "revision": touch.revision,
        "name": "改名",
        "phase": touch.phase_id,
        "way": f"mass:{a.account.pk}",
    }
    named = {
        "segments_any": theirs["segment"].pk,
        "segments_none": theirs["segment"].pk,
        "tags_any": theirs["tag"].pk,
        "tags_none": theirs["tag"].pk,
        "topic": theirs["topic"].pk,
        "version": version.pk,
        "way": f"mass:{place.b.account.pk}",
        "phase": place.b.touch().phase_id,
    }
    refused = client.post(page, form | named)
    assert set(refused.context["form"].errors) == set(named)
    shown = reverse("admin:campaigns_touch_content", args=[touch.pk])
    for pk in (version.pk, NOBODY):
        assert client.get(shown, {"version": pk}).status_code == 404
    new = reverse("admin:campaigns_campaign_add")
    body = {"template": "blank", "name": "甲的", "live_date": timezone.localdate()}
    foreign = {"org_unit": place.b.unit.pk, "owner": theirs["staff"].pk}
    refused = client.post(new, body | foreign)
    assert set(refused.context["form"].errors) == set(foreign)
    assert not Campaign.objects.filter(name="甲的").exists()
    task = Task.objects.create(
        campaign=touch.campaign,
        phase=touch.phase,
        step=1,
        title="x",
        start_day=0,
        end_day=1,
    )
    assign = reverse("admin:campaign_task_assign", args=[task.pk])
    for pk in (theirs["staff"].pk, NOBODY):
        assert client.post(assign, {"assignee": pk}).status_code == 404
    at = f"{timezone.localtime() + timedelta(days=3):%Y-%m-%dT%H:%M}"
    plan = reverse("admin:calendar_plan")
    for item, account in ((a.item(), place.b.account), (place.b.item(), a.account)):
        given = {"item": item.pk, "account": account.pk, "publish_at": at}
        assert client.post(plan, given).status_code == 400
    assert not Slot.objects.exists()
    touch.refresh_from_db()
    assert (touch.name, touch.audience) == ("返场", {})


def test_a_conversation_is_handed_to_no_agent_of_another_dealer(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only so many are looked at: a crowd elsewhere must not stand in front of them.
    monkeypatch.setattr("service.workspace.MOST_COLLEAGUES", 2)
    agent = build_staff("agent", org_unit=place.a.unit, display_name="甲客服")
    other = build_staff("agent", org_unit=place.a.unit, display_name="甲同事")
    crowd = [
        build_staff("agent", org_unit=place.b.unit, display_name=f"乙客服{n}")
        for n in range(3)
    ]
    now = timezone.now()
    for person in (agent, other, *crowd):
        at = now - timedelta(hours=person in (agent, other))
        AgentState.objects.create(staff=person, heartbeat_at=at, status="online")
    conversation = place.a.conversation(state="open", assignee=agent)
    client = Client()
    client.force_login(agent)
    menu = client.get(
        reverse("admin:workspace_colleagues", args=[conversation.pk])
    ).content.decode()
    assert "甲同事" in menu
    assert "乙客服" not in menu
    give = reverse("admin:workspace_act", args=[conversation.pk, "give"])
    told = [client.post(give, {"staff": pk}) for pk in (crowd[0].pk, NOBODY)]
    assert [each.status_code for each in told] == [409, 409]
    assert told[0].content == told[1].content
    conversation.refresh_from_db()
    assert conversation.assignee == agent


def test_no_open_page_hears_of_another_dealers_people(
    place: Place, django_capture_on_commit_callbacks: Any
) -> None:
    listening = [
        place.dealer,
        build_staff("store_manager", org_unit=place.store),
        build_staff("agent", org_unit=place.a.unit),
    ]
    conversation = place.b.conversation(place.theirs)
    listener = redis.Redis.from_url(django_settings.REDIS_URL).pubsub()
    listener.psubscribe("*__group__*")
    assert listener.get_message(timeout=5)["type"] == "psubscribe"
    job = Job.objects.create(kind=values.JOB, requested_by=place.rows["staff"])
    with django_capture_on_commit_callbacks(execute=True):
        conversations.open_or_append(
            app=place.b.app,
            member=place.theirs,
            recipient=conversation.recipient,
            said=conversations.Said(at=timezone.now(), text="在吗"),
            actor=place.rows["staff"],
        )
        supervisor = build_staff("supervisor", org_unit=place.b.unit)
        agent = build_staff("agent", org_unit=place.b.unit)
        assignments.assign(conversation, staff=agent, actor=supervisor)
        jobs.cancel(job, actor=place.rows["staff"])
    groups = set()
    while (frame := listener.get_message(timeout=0.5)) is not None:
        if frame["type"] == "pmessage":
            groups.add(frame["channel"].decode().rpartition("__group__")[2])
    listener.close()
    names = {group.partition(".")[0] for group in groups}
    assert {"conversation", "queue", "staff", "job"} <= names
    for person in listening:
        assert [each for each in groups if live.may_subscribe(person, each)] == []


# -- what an administrator leaves behind, and what everybody shares


def test_what_an_administrator_does_for_all_is_not_for_one_dealer(
    place: Place,
) -> None:
    """Their jobs count, and their files hold, members of every data controller."""
    place.a.member()
    chief = build_staff("administrator", org_unit=place.a.unit)
    officer = build_staff("ops_manager", org_unit=place.a.unit)
    desk, shown = Client(), Client()
    desk.force_login(chief)
    shown.force_login(officer)
    asked = {"kind": "members", "of": "", "reason": "all of them", "format": "csv"}
    asked |= {"column": ["id", "name"]}
    assert desk.post(reverse("admin:crm_export_new"), asked).status_code == 302
    jobs.drain()
    export = Export.objects.get()
    assert (export.state, export.rows) == ("ready", 2)
    file = reverse("admin:crm_export_file", args=[export.pk])
    assert desk.post(file).status_code == 200
    assert shown.post(file).status_code == 404
    assert "all of them" not in shown.get(reverse("admin:crm_exports")).content.decode()
    own = jobs.start(values.JOB, {"controller": place.a.unit.pk}, actor=place.dealer)
    page = reverse("admin:job", args=[export.job_id])
    assert shown.get(page).status_code == 404
    assert shown.get(reverse("admin:job", args=[own.pk])).status_code == 200


def test_computing_values_is_not_held_up_by_another_dealer(place: Place) -> None:
    jobs.start(values.JOB, {"controller": place.b.unit.pk}, actor=place.rows["staff"])
    client = place.login()
    answer = client.post(reverse("admin:crm_value_recompute"))
    mine = Job.objects.filter(requested_by=place.dealer).get()
    assert answer.url == reverse("admin:job", args=[mine.pk])
    again = client.post(reverse("admin:crm_value_recompute"))
    assert again.url == reverse("admin:crm_value")


def test_the_trail_of_a_shared_tag_tells_of_colleagues_only(place: Place) -> None:
    group = TagGroup.objects.create(code="shared", name="共用")
    tag = Tag.objects.create(group=group, name="共用标签")
    staff = place.rows["staff"]
    tagging.tag([place.theirs.pk, place.b.member().pk], tag, actor=staff)
    own = [place.a.member().pk for _n in range(3)]
    tagging.tag(own, tag, actor=place.dealer)
    address = reverse("admin:crm_tag_history", args=[tag.pk])
    page = place.login().get(address).content.decode()
    assert str(place.dealer) in page
    assert str(staff) not in page
    chief = build_staff("administrator")
    client = Client()
    client.force_login(chief)
    assert str(staff) in client.get(address).content.decode()


def test_nobody_takes_an_account_along_to_another_dealer(place: Place) -> None:
    """Jobs, drafts and the trail of the account would be seen over there."""
    person = place.rows["staff"]
    client = Client()
    client.force_login(build_staff("administrator"))
    address = reverse("admin:staff_staff_change", args=[person.pk])
    form = {
        "display_name": "乙",
        "language": "zh-hans",
        "roles": [group.pk for group in person.groups.all()],
    }
    moved = client.post(address, form | {"org_unit": place.a.unit.pk})
    assert "另一个数据控制者" in moved.content.decode()
    person.refresh_from_db()
    assert person.org_unit == place.b.unit
    below = form | {"org_unit": place.rows["unit"].pk}
    assert client.post(address, below).status_code == 302
    person.refresh_from_db()
    assert person.org_unit == place.rows["unit"]
