"""The same for many members: who is left out, and jobs that go on where they stood."""

from __future__ import annotations

import threading
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from core import jobs
from core.models import AuditEntry, Job
from crm import bulk, tagging
from crm.models import (
    Event,
    Member,
    MemberTag,
    Segment,
    SegmentMember,
    Tag,
    TagGroup,
)

LIST = reverse("admin:crm_member_changelist")


def bulk_url(name):
    return reverse("admin:crm_member_bulk", args=[name])


@pytest.fixture
def manager(client, world, make_staff):
    person = make_staff("ops_manager", org_unit=world.brand, display_name="李岚")
    client.force_login(person)
    return person


@pytest.fixture
def tag(db):
    group = TagGroup.objects.create(code="level", name="等级", is_exclusive=True)
    return Tag.objects.create(group=group, name="金卡")


def make_members(unit, count, **fields):
    rows = [
        Member(controller_id=unit.controller_id, display_name=f"成员{n}", **fields)
        for n in range(count)
    ]
    return Member.objects.bulk_create(rows)


def post(client, verb, rows, target, **more):
    data = {"ids": ",".join(str(row.pk) for row in rows), "look": "", "target": target}
    return client.post(bulk_url(verb), data | more)


def run_job():
    jobs.drain()
    return Job.objects.latest("pk")


def test_an_action_of_the_list_leads_to_its_page(client, world, manager, tag):
    rows = make_members(world.brand, 2)
    chosen = {"action": "tag_selected", "_selected_action": [row.pk for row in rows]}
    response = client.post(f"{LIST}?stage__exact=prospect", chosen)
    assert response.status_code == 302
    given = parse_qs(urlsplit(response.headers["Location"]).query)
    assert given["look"] == ["stage__exact=prospect"]
    text = client.get(response.headers["Location"]).content.decode()
    assert "已选 2 位会员" in text
    assert "金卡" in text
    assert 'pd-button-primary">添加标签<' in text


def test_who_is_left_out_and_why_is_said_before_and_after(
    client, world, manager, tag, make_staff
):
    silver = Tag.objects.create(group=tag.group, name="银卡")
    plain, replaced, already, merged = make_members(world.brand, 4)
    foreign = make_members(world.dealer, 1)[0]
    tagging.tag([replaced.pk], silver, actor=manager)
    tagging.tag([already.pk], tag, actor=manager)
    Member.objects.filter(pk=merged.pk).update(merged_into=plain)
    rows = [plain, replaced, already, merged, foreign]

    look = {"ids": ",".join(str(row.pk) for row in rows), "target": tag.pk}
    preview = client.get(bulk_url("tag"), look | {"preview": "1"})
    text = preview.content.decode()
    assert "将更改 2 位会员" in text
    for words in ("已合并或已清除", "不在您的范围内", "无需更改"):
        assert words in text

    assert post(client, "tag", rows, tag.pk).status_code == 302
    job = run_job()
    assert job.state == Job.State.DONE
    assert job.result == {
        "bulk_changed": 2,
        "bulk_replaced": 1,
        "bulk_gone": 1,
        "bulk_outside": 1,
        "bulk_already": 1,
    }
    holders = set(MemberTag.objects.filter(tag=tag).values_list("member", flat=True))
    assert holders == {plain.pk, replaced.pk, already.pk}
    page = client.get(reverse("admin:job", args=[job.pk])).content.decode()
    assert "已更改的会员" in page


def test_all_that_match_the_look_are_meant_however_many_pages(
    client, world, manager, tag, monkeypatch
):
    monkeypatch.setattr(bulk, "BATCH", 7)
    loyal = make_members(world.brand, 30, stage="loyal")
    make_members(world.brand, 3)
    make_members(world.dealer, 3, stage="loyal")
    post(client, "tag", loyal[:1], tag.pk, look="stage=loyal", all="1")
    job = run_job()
    assert job.result == {"bulk_changed": 30}
    assert (job.done, job.total) == (30, 30)
    assert MemberTag.objects.filter(tag=tag).count() == 30
    # What was searched for does not outlive the work.
    assert "selection" not in job.params


def test_a_look_nobody_understands_means_nobody(client, world, manager, tag):
    make_members(world.brand, 3)
    post(client, "tag", [], tag.pk, look="stage__in=loyal", all="1")
    assert run_job().result == {"bulk_changed": 0}


def test_a_job_goes_on_where_its_worker_died(world, manager, tag, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 4)
    rows = make_members(world.brand, 10)
    selection = {"ids": [row.pk for row in rows]}
    bulk.start("crm.bulk_tag", selection, tag.pk, actor=manager, label="金卡")
    done = []
    real = tagging.tag

    def dying(pks, *args, **kwargs):
        if len(done) == 1:
            raise jobs.LostJob
        done.append(pks)
        return real(pks, *args, **kwargs)

    monkeypatch.setattr(tagging, "tag", dying)
    jobs.drain()
    monkeypatch.setattr(tagging, "tag", real)
    Job.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    job = run_job()
    assert job.result == {"bulk_changed": 10}
    assert job.done == 10
    assert MemberTag.objects.filter(tag=tag).count() == 10
    told = AuditEntry.objects.filter(action="crm.tag.tagged")
    assert sum(entry.after["members"] for entry in told) == 10


def test_a_cancelled_job_stops_between_batches(world, manager, tag, monkeypatch):
    monkeypatch.setattr(bulk, "BATCH", 2)
    monkeypatch.setattr(jobs, "WRITE_EVERY_SECONDS", 0)
    rows = make_members(world.brand, 6)
    job = bulk.start(
        "crm.bulk_tag", {"ids": [r.pk for r in rows]}, tag.pk, actor=manager, label=""
    )
    real = tagging.tag

    def cancelling(pks, *args, **kwargs):
        Job.objects.filter(pk=job.pk).update(cancel_requested_at=timezone.now())
        return real(pks, *args, **kwargs)

    monkeypatch.setattr(tagging, "tag", cancelling)
    stopped = run_job()
    assert stopped.state == Job.State.CANCELLED
    assert "selection" not in stopped.params
    assert MemberTag.objects.filter(tag=tag).count() == 2


def test_an_owner_is_assigned_inside_the_controller_only(
    client, world, manager, make_staff
):
    owner = make_staff("agent", org_unit=world.store, display_name="静安导购")
    stranger = make_staff("agent", org_unit=world.dealer)
    rows = make_members(world.brand, 3)
    assert post(client, "assign", rows, stranger.pk).status_code == 409
    post(client, "assign", rows, owner.pk)
    assert run_job().result == {"bulk_changed": 3}
    assert Member.objects.filter(owner=owner).count() == 3
    assert AuditEntry.objects.get(action="crm.member.assigned").after["members"] == 3
    lines = Event.objects.filter(kind="profile.edited")
    assert lines.count() == 3
    page = client.get(reverse("admin:crm_member_change", args=[rows[0].pk]))
    assert "归属人 · 李岚" in page.content.decode()


def test_a_tag_is_taken_off_and_the_history_remembers_it(client, world, manager, tag):
    rows = make_members(world.brand, 3)
    tagging.tag([row.pk for row in rows[:2]], tag, actor=manager)
    post(client, "untag", rows, tag.pk)
    assert run_job().result == {"bulk_changed": 2, "bulk_already": 1}
    assert not MemberTag.objects.exists()
    assert Event.objects.filter(kind="tag.removed").count() == 2
    page = client.get(reverse("admin:crm_member_change", args=[rows[0].pk]))
    assert "金卡 · 李岚" in page.content.decode()


def test_people_go_on_a_list_or_a_new_one(client, world, make_staff):
    client.force_login(make_staff("administrator", org_unit=world.brand))
    rows = make_members(world.brand, 3)
    foreign = make_members(world.dealer, 1)
    nameless = post(client, "list", rows, "new", name=" ")
    assert nameless.status_code == 409
    everybody = ",".join(str(row.pk) for row in [*rows, *foreign])
    look = {"ids": everybody, "target": "new", "preview": "1"}
    preview = client.get(bulk_url("list"), look).content.decode()
    assert "将更改 3 位会员" in preview
    assert "属于其他数据控制者" in preview
    post(client, "list", [*rows, *foreign], "new", name="回访名单")
    assert run_job().result == {"bulk_changed": 3, "bulk_other_controller": 1}
    segment = Segment.objects.get()
    assert (segment.kind, segment.member_count) == ("list", 3)
    post(client, "list", rows, segment.pk)
    assert run_job().result == {"bulk_changed": 0, "bulk_already": 3}
    assert SegmentMember.objects.count() == 3


def test_what_was_chosen_may_be_gone_when_the_job_runs(world, manager, tag):
    rows = make_members(world.brand, 1)
    selection = {"ids": [rows[0].pk]}
    bulk.start("crm.bulk_tag", selection, tag.pk, actor=manager, label="")
    tagging.archive(tag, actor=manager)
    job = run_job()
    assert job.state == Job.State.FAILED
    assert not MemberTag.objects.exists()


def test_a_right_taken_away_meanwhile_ends_the_job(world, manager, tag):
    rows = make_members(world.brand, 1)
    bulk.start(
        "crm.bulk_tag", {"ids": [rows[0].pk]}, tag.pk, actor=manager, label="金卡"
    )
    manager.groups.clear()
    assert run_job().state == Job.State.FAILED
    assert not MemberTag.objects.exists()


@pytest.mark.parametrize("name", ["tag", "untag", "assign", "list"])
def test_doing_it_to_many_needs_its_right(client, world, make_staff, name):
    client.force_login(make_staff("analyst", org_unit=world.brand))
    assert client.get(bulk_url(name)).status_code == 403
    assert client.post(bulk_url(name), {"target": "1"}).status_code == 403


def test_bad_input_keeps_what_was_chosen(client, world, manager, tag):
    rows = make_members(world.brand, 2)
    response = post(client, "tag", rows, "x")
    assert response.status_code == 409
    assert "已选 2 位会员" in response.content.decode()
    assert client.get(bulk_url("tag"), {"ids": "1,x,,９"}).status_code == 200
    assert client.get(bulk_url("nothing")).status_code == 404
    assert not Job.objects.exists()


@pytest.mark.parametrize("count", [1, 40])
def test_the_page_asks_as_often_for_many(
    client, world, manager, tag, count, django_assert_max_num_queries
):
    rows = make_members(world.brand, count)
    look = {"ids": ",".join(str(row.pk) for row in rows), "target": tag.pk}
    client.get(bulk_url("tag"), look)
    with django_assert_max_num_queries(14):
        page = client.get(bulk_url("tag"), look)
    assert page.context["preview"].changed == count


@pytest.mark.django_db(transaction=True)
def test_two_jobs_that_assign_the_same_people_end_with_one_owner(world, make_staff):
    manager = make_staff("ops_manager", org_unit=world.brand)
    owners = [make_staff("agent", org_unit=world.brand) for _n in range(2)]
    ids = [row.pk for row in make_members(world.brand, 60)]
    for owner, order in zip(owners, (ids, ids[::-1]), strict=True):
        bulk.start(
            "crm.bulk_assign", {"ids": order}, owner.pk, actor=manager, label="x"
        )
    start = threading.Barrier(2)

    def work():
        start.wait()
        jobs.drain()
        connections.close_all()

    threads = [threading.Thread(target=work) for _n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(Job.objects.values_list("state", flat=True)) == {"done"}
    assert Member.objects.filter(pk__in=ids).values("owner").distinct().count() == 1
