"""A touch on the pages people use: written, counted, approved, sent, stopped."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from campaigns import approving, asking, touches
from campaigns.models import Recipient, Touch
from content.models import Item, Version
from core import jobs
from core.job_pages import job_url
from core.models import Job, SystemSetting
from crm.models import Identity, Member, Tag
from staff.models import OrgUnit
from wechat.models import Account, App


def url(name, touch):
    return reverse(f"admin:campaigns_touch_{name}", args=[touch.pk])


@pytest.fixture
def account(unit):
    made = Account.objects.create(
        slug="lin", name="林间会员", kind="service", state="live", org_unit=unit
    )
    App.objects.create(account=made, slug="lin-app", app_id="wxlin", secret="s")
    SystemSetting.objects.create(key="campaigns.quiet_from", value="00:00")
    SystemSetting.objects.create(key="campaigns.quiet_until", value="00:00")
    return made


@pytest.fixture
def people(unit, account):
    """Four followers, of whom the last has opted out."""
    found = []
    for number, name in enumerate(("林小满", "陈默", "王磊", "周舟")):
        member = Member.objects.create(
            controller=unit,
            display_name=name,
            stage="growing" if number else "new",
            opted_out_at=timezone.now() if number == 3 else None,
        )
        Identity.objects.create(
            member=member,
            controller=unit,
            kind="openid",
            account=account,
            value=f"o{number}",
            is_following=True,
        )
        found.append(member)
    return found


@pytest.fixture
def version(unit, planner, approver):
    item = Item.objects.create(org_unit=unit, kind="text", title="返场", owner=planner)
    return Version.objects.create(
        item=item,
        number=1,
        body="返场到周五 https://shop.example/a",
        created_by=planner,
        author_ids=[planner.pk],
        state="approved",
        approved_by=approver,
        approved_at=timezone.now(),
        digest="d" * 64,
    )


@pytest.fixture
def touch(campaign, account, planner):
    return touches.create(
        campaign,
        name="T+1 返场",
        phase=campaign.phases.get(kind="live"),
        channel="mass",
        account=account,
        actor=planner,
    )


def typed(touch, **fields):
    """What the form of the page sends."""
    return {
        "revision": touch.revision,
        "name": touch.name,
        "phase": touch.phase_id,
        "way": f"{touch.channel}:{touch.account_id}",
        "version": touch.version_id or "",
        **fields,
    }


def act(client, touch, name, **fields):
    touch.refresh_from_db()
    data = {"act": name, "revision": touch.revision, **fields}
    answer = client.post(url("do", touch), data)
    touch.refresh_from_db()
    return answer


@pytest.fixture
def asked(browse, planner, touch, version, people):
    """Written, saved and asked for by the planner."""
    data = typed(touch, version=version.pk, then="ask")
    assert browse(planner).post(url("change", touch), data).status_code == 302
    touch.refresh_from_db()
    return touch


def test_a_touch_begins_with_campaign_account_and_channel(
    browse, planner, campaign, account
):
    client = browse(planner)
    add = reverse("admin:campaigns_touch_add")
    assert campaign.name in client.get(add).content.decode()
    shown = client.get(add, {"campaign": campaign.pk}).content.decode()
    assert f"mass:{account.pk}" in shown

    answer = client.post(
        add,
        {
            "campaign": campaign.pk,
            "name": "T-3 领券",
            "phase": campaign.phases.get(kind="warm_up").pk,
            "way": f"mass:{account.pk}",
        },
    )

    made = Touch.objects.get()
    assert answer.url == url("change", made)
    assert (made.state, made.created_by) == ("draft", planner)


def test_the_count_follows_the_form_before_anything_is_saved(
    browse, planner, touch, people
):
    client = browse(planner)
    everybody = client.post(url("audience", touch), typed(touch)).content.decode()
    narrowed = client.post(
        url("audience", touch), typed(touch, stages=["new"])
    ).content.decode()

    assert _figures(everybody) == ["4", "1", "3"]
    assert _figures(narrowed) == ["1", "0", "1"] or _figures(narrowed)[0] == "1"
    touch.refresh_from_db()
    assert touch.revision == 1


def _figures(html):
    return re.findall(r"<dd>([\d,]+)</dd>", html)


def test_what_was_typed_stays_when_it_can_not_be_saved(browse, planner, touch):
    data = typed(touch, name="新名字", batch_size="1", seen_within_days="7")
    answer = browse(planner).post(url("change", touch), data)
    assert answer.status_code == 422
    assert "新名字" in answer.content.decode()
    touch.refresh_from_db()
    assert touch.name == "T+1 返场"


@pytest.mark.parametrize("at", ["9999-12-31T23:59", "0001-01-01T00:00"])
def test_a_time_out_of_all_reason_is_refused_and_still_counted(
    browse, planner, touch, people, at
):
    client = browse(planner)
    data = typed(touch, scheduled_at=at)
    assert client.post(url("audience", touch), data).status_code == 200
    assert client.post(url("change", touch), data).status_code == 422


def test_a_save_over_an_older_look_is_refused_and_keeps_the_words(
    browse, planner, touch
):
    client = browse(planner)
    old = typed(touch, name="第二个名字")
    client.post(url("change", touch), typed(touch, name="第一个名字"))
    late = client.post(url("change", touch), old)
    assert late.status_code == 422
    assert "第二个名字" in late.content.decode()
    touch.refresh_from_db()
    assert touch.name == "第一个名字"


def test_the_form_saves_the_audience_and_shows_it_in_words(
    browse, planner, touch, version, unit
):
    from crm import taxonomy

    taxonomy.load_builtin()
    tag = Tag.objects.filter(controller=None).first()
    client = browse(planner)
    data = typed(touch, version=version.pk, tags_any=[tag.pk], stages=["new"])
    assert client.post(url("change", touch), data).status_code == 302
    touch.refresh_from_db()
    assert touch.audience["tags_any"] == [tag.pk]
    assert touch.version == version
    shown = client.get(url("change", touch)).content.decode()
    assert f'value="{tag.pk}" selected' in shown


def test_asking_fixes_the_people_and_shows_who_is_left_out(
    browse, planner, approver, asked
):
    assert asked.state == "in_review"
    shown = browse(approver).get(url("change", asked)).content.decode()
    assert "reason=opted_out" in shown
    rows = browse(approver).get(url("recipients", asked), {"reason": "opted_out"})
    assert "周舟" in rows.content.decode()
    assert "林小满" not in rows.content.decode()
    del planner


def test_a_big_audience_is_fixed_by_a_job_while_the_draft_waits(
    browse, planner, touch, version, people, monkeypatch
):
    monkeypatch.setattr(asking, "AT_ONCE", -1)
    client = browse(planner)
    first = client.post(
        url("change", touch), typed(touch, version=version.pk, then="ask")
    )
    job = Job.objects.get(kind=approving.ASKING)
    again = act(client, touch, "ask")
    assert first.url == again.url == job_url(job), "asked once, told where it stands"

    shown = client.get(url("change", touch)).content.decode()
    refused = client.post(url("change", touch), typed(touch, name="另一个名字"))
    assert job_url(job) in shown
    assert refused.status_code == 422
    assert "正在固定它的人群" in refused.content.decode()

    jobs.drain()
    touch.refresh_from_db()
    assert (touch.state, touch.planned_count) == ("in_review", 4)
    assert touch.approval.requested_by == planner
    assert url("change", touch) in client.get(job_url(job)).content.decode()


def test_a_job_that_fixes_an_audience_refuses_a_touch_that_changed(
    browse, planner, touch, version, people, monkeypatch
):
    monkeypatch.setattr(asking, "AT_ONCE", -1)
    browse(planner).post(
        url("change", touch), typed(touch, version=version.pk, then="ask")
    )
    Touch.objects.update(revision=F("revision") + 1)

    jobs.drain()

    job = Job.objects.get(kind=approving.ASKING)
    touch.refresh_from_db()
    assert (job.state, touch.state, touch.snapshot_at) == ("failed", "draft", None)
    assert job.error


def test_whoever_asked_can_not_approve_and_another_can(
    browse, make_staff, unit, planner, approver, asked
):
    assert act(browse(planner), asked, "approve").status_code == 403
    assert act(browse(approver), asked, "approve").status_code == 302
    assert asked.state == "approved"
    second = make_staff("ops_manager", org_unit=unit)
    late = act(browse(second), asked, "approve")
    assert late.status_code == 409


def test_a_refusal_needs_a_reason_and_brings_the_draft_back(browse, approver, asked):
    assert act(browse(approver), asked, "refuse").status_code == 409
    assert act(browse(approver), asked, "refuse", reason="价格写错").status_code == 302
    assert asked.state == "draft"


def test_a_change_after_the_approval_voids_it(browse, planner, approver, asked):
    act(browse(approver), asked, "approve")
    shown = browse(planner).get(url("change", asked), {"edit": "1"}).content.decode()
    assert 'id="touch-form"' in shown
    data = typed(asked, version=asked.version_id, stages=["growing"])
    assert browse(planner).post(url("change", asked), data).status_code == 302
    asked.refresh_from_db()
    assert asked.state == "draft"


def test_of_two_who_press_send_one_is_told_who_was_first(
    browse, planner, approver, asked
):
    act(browse(approver), asked, "approve")
    assert act(browse(planner), asked, "start").status_code == 302
    assert asked.state == "sending"
    late = act(browse(approver), asked, "start")
    assert late.status_code == 409
    assert str(planner) in late.content.decode()


def test_a_touch_is_paused_taken_up_and_stopped(browse, planner, approver, asked):
    client = browse(planner)
    act(browse(approver), asked, "approve")
    act(client, asked, "start")
    act(client, asked, "pause", reason="先停\0一下")
    assert asked.state == "paused"
    assert act(client, asked, "pause").status_code == 409
    act(client, asked, "resume")
    assert asked.state == "sending"
    assert act(client, asked, "stop").status_code == 409
    act(client, asked, "stop", reason="价格写错")
    assert asked.state == "stopped"


def test_the_bars_tell_every_state_and_refresh_the_page_when_it_changed(
    browse, planner, approver, asked
):
    client = browse(planner)
    fragment = client.get(url("progress", asked), {"state": "in_review"})
    assert "HX-Refresh" not in fragment.headers
    assert "state=waiting" in fragment.content.decode()
    act(browse(approver), asked, "approve")
    changed = client.get(url("progress", asked), {"state": "in_review"})
    assert changed.headers["HX-Refresh"] == "true"


def test_recipients_come_page_by_page(browse, planner, asked, people, unit):
    more = [
        Member.objects.create(controller=unit, display_name=f"会员{number}")
        for number in range(60)
    ]
    Recipient.objects.bulk_create(
        Recipient(touch=asked, member=each, address=f"x{each.pk}") for each in more
    )
    client = browse(planner)
    first = client.get(url("recipients", asked), {"state": "waiting"}).content.decode()
    after = re.search(r"after=(\d+)", first)
    assert after
    second = client.get(
        url("recipients", asked), {"state": "waiting", "after": after[1]}
    )
    assert "会员59" in second.content.decode()
    assert "会员59" not in first
    del people


def test_moving_the_live_date_takes_unsent_touches_along(
    browse, planner, approver, campaign, asked
):
    at = timezone.now() + timedelta(days=2)
    Touch.objects.filter(pk=asked.pk).update(scheduled_at=at)
    before = timezone.now() - timedelta(days=2)
    sent = Touch.objects.create(
        campaign=campaign,
        phase=asked.phase,
        name="T-8 预告",
        channel="mass",
        account=asked.account,
        state="done",
        scheduled_at=before,
        started_at=before,
        finished_at=before,
        created_by=planner,
    )
    target = (campaign.live_date + timedelta(days=5)).isoformat()
    move = reverse("admin:campaigns_campaign_move", args=[campaign.pk])
    client = browse(planner)
    assert asked.name in client.get(move, {"live_date": target}).content.decode()
    client.post(move, {"live_date": target, "revision": campaign.revision})
    asked.refresh_from_db()
    assert asked.state == "draft"
    assert asked.scheduled_at == at + timedelta(days=5)
    sent.refresh_from_db()
    assert (sent.state, sent.scheduled_at) == ("done", before), "what was sent stays"


def test_the_live_date_waits_while_a_touch_is_being_sent(
    browse, planner, approver, campaign, asked
):
    act(browse(approver), asked, "approve")
    act(browse(planner), asked, "start")
    target = (campaign.live_date + timedelta(days=5)).isoformat()
    move = reverse("admin:campaigns_campaign_move", args=[campaign.pk])
    data = {"live_date": target, "revision": campaign.revision}
    answer = browse(planner).post(move, data)
    assert answer.status_code == 409
    assert asked.name in answer.content.decode()
    campaign.refresh_from_db()
    assert campaign.live_date.isoformat() != target


def test_cancelling_the_campaign_cancels_what_has_not_begun(
    browse, planner, campaign, asked
):
    end = reverse("admin:campaigns_campaign_end", args=[campaign.pk])
    browse(planner).post(end, {"how": "cancel", "revision": 1, "reason": "库存"})
    asked.refresh_from_db()
    assert asked.state == "cancelled"


def test_binding_for_tests_shows_the_code_to_write(browse, planner, touch):
    client = browse(planner)
    shown = client.post(url("test", touch), {"what": "bind"}).content.decode()
    assert re.search(r"绑定 \d{6}", shown)
    unbound = client.post(url("test", touch), {"what": "send"}).content.decode()
    assert 'role="alert"' in unbound


def test_readers_see_a_touch_and_touch_nothing(browse, make_staff, unit, asked):
    client = browse(make_staff("analyst", org_unit=unit))
    shown = client.get(url("change", asked))
    assert shown.status_code == 200
    assert 'name="act"' not in shown.content.decode()
    for name in ("approve", "start", "cancel"):
        assert act(client, asked, name).status_code == 403
    assert client.post(url("change", asked), typed(asked)).status_code == 403


def test_another_brand_finds_nothing(browse, make_staff, asked):
    other = OrgUnit.objects.create(name="别家", kind="brand")
    client = browse(make_staff("ops_manager", org_unit=other))
    for name in ("change", "progress", "recipients"):
        assert client.get(url(name, asked)).status_code == 404
    assert act(client, asked, "approve").status_code == 404


def test_a_store_is_told_that_others_use_its_content_and_not_for_what(
    browse, make_staff, unit, touch, version
):
    store = OrgUnit.objects.create(name="静安寺店", kind="store", parent=unit)
    Item.objects.filter(pk=version.item_id).update(org_unit=store)
    Touch.objects.filter(pk=touch.pk).update(version=version)
    client = browse(make_staff("ops_specialist", org_unit=store))

    page = reverse("admin:content_item_change", args=[version.item_id])
    shown = client.get(page).content.decode()

    assert "其他单位的 1 处" in shown
    assert touch.name not in shown
