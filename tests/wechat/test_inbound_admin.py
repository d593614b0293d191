"""The inbox page: what happened, why, what to do; replay and reveal."""

import pytest
from django.urls import reverse

from core.models import AuditEntry
from wechat.models import InboundEvent

pytestmark = pytest.mark.django_db
LIST = "admin:wechat_inboundevent_changelist"
SECRET = "可以退吗13800138000"
BODY = f"<xml><MsgType>text</MsgType><Content>{SECRET}</Content></xml>".encode()


@pytest.fixture
def app(make_app):
    return make_app()


@pytest.fixture
def manager(make_staff, app):
    return make_staff("ops_manager", org_unit=app.account.org_unit)


@pytest.fixture
def page(client, manager):
    client.force_login(manager)
    return client


def add(app, number=1, **fields):
    known = {
        "kind": "mp.message.text",
        "subject": "oia2TjjewbmiOUlr6X-1crbLOvLw",
        "body": BODY,
        "dedupe_key": f"MsgId={number}",
    }
    return InboundEvent.objects.create(app=app, **known | fields)


def url(event, verb="change"):
    return reverse(f"admin:wechat_inboundevent_{verb}", args=[event.pk])


def shown(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_says_what_happened_and_never_what_was_said(
    page, app, django_assert_max_num_queries
):
    add(app, 1, state="dead", tries=8, error="ValueError: no queue")
    add(app, 2, kind="json", state="ignored", hint="json", subject="")
    add(app, 3, kind="mp.event.some_future_event_2027", state="ignored")
    with django_assert_max_num_queries(12):
        text = shown(page.get(reverse(LIST)))
    for word in ("ValueError: no queue", "some_future_event_2027", "oia2Tj…OvLw"):
        assert word in text
    assert SECRET not in text
    assert "oia2TjjewbmiOUlr6X" not in text


def test_the_list_takes_as_many_queries_for_many_rows(
    page, app, django_assert_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    add(app)
    page.get(reverse(LIST))
    with CaptureQueriesContext(connection) as one:
        page.get(reverse(LIST))
    for number in range(2, 22):
        add(app, number)
    with django_assert_num_queries(len(one)):
        page.get(reverse(LIST))


@pytest.mark.parametrize(
    "query",
    ["state__exact=dead", "group=messages", "received=hour", "q=MsgId%3D1"],
)
def test_filters_and_search_find_the_row(page, app, query):
    event = add(app, state="dead")
    add(app, 2, kind="mp.event.subscribe", state="done")
    InboundEvent.objects.filter(dedupe_key="MsgId=2").update(
        received_at="2020-01-01T00:00:00Z"
    )
    text = shown(page.get(f"{reverse(LIST)}?{query}"))
    assert url(event) in text
    assert url(InboundEvent.objects.get(dedupe_key="MsgId=2")) not in text


def test_a_dead_event_is_replayed_by_its_button(page, app, manager):
    event = add(app, state="dead", tries=8, error="ValueError: x")
    assert url(event, "replay") in shown(page.get(url(event)))
    assert page.get(url(event, "replay")).status_code == 403
    page.post(url(event, "replay"))
    event.refresh_from_db()
    assert (event.state, event.tries) == ("new", 0)
    entry = AuditEntry.objects.get(action="wechat.inbound.replayed")
    assert (entry.actor, entry.target_id) == (manager, str(event.pk))


def test_json_says_how_to_switch_the_account_to_xml(page, app):
    event = add(app, kind="json", state="ignored", hint="json")
    text = shown(page.get(url(event)))
    assert "XML" in text
    assert url(event, "replay") not in text


def test_the_content_is_shown_once_with_a_reason_on_record(page, app, manager):
    event = add(app)
    assert SECRET not in shown(page.get(url(event)))
    page.post(url(event, "reveal"), {"reason": " "})
    assert not AuditEntry.objects.filter(action="wechat.inbound.revealed").exists()
    answer = page.post(url(event, "reveal"), {"reason": "投诉核实"})
    assert SECRET in shown(answer)
    assert "no-store" in answer["Cache-Control"]
    entry = AuditEntry.objects.get(action="wechat.inbound.revealed")
    assert (entry.actor, entry.reason) == (manager, "投诉核实")
    assert SECRET not in str(entry.after) + entry.target_label
    event = add(app, 2, body=b"", state="dead")
    page.post(url(event, "reveal"), {"reason": "投诉核实"})
    assert AuditEntry.objects.filter(action="wechat.inbound.revealed").count() == 1


def test_many_are_replayed_after_a_preview(page, app):
    dead = [add(app, number, state="dead") for number in (1, 2)]
    others = [add(app, 3, state="done"), add(app, 4, state="dead", body=b"")]
    form = {
        "action": "replay_selected",
        "_selected_action": [event.pk for event in dead + others],
    }
    assert 'name="confirmed"' in shown(page.post(reverse(LIST), form))
    assert InboundEvent.objects.dead().count() == 3
    page.post(reverse(LIST), {**form, "confirmed": "1"})
    assert set(InboundEvent.objects.dead()) == {others[1]}
    InboundEvent.objects.update(state="dead")
    every = reverse("admin:wechat_inboundevent_replay_failed")
    assert 'name="confirmed"' in shown(page.get(f"{every}?confirmed=1"))
    assert InboundEvent.objects.dead().count() == 4
    page.post(every, {"confirmed": "1"})
    assert set(InboundEvent.objects.dead()) == {others[1]}


def test_who_may_not_is_kept_out(client, app, make_app, make_staff):
    from staff.models import OrgUnit

    event = add(app, state="dead")
    for role in ("agent", "ops_specialist"):
        client.force_login(make_staff(role, org_unit=app.account.org_unit))
        assert client.get(reverse(LIST)).status_code == 403
        for verb in ("replay", "reveal"):
            assert client.post(url(event, verb), {"reason": "xx"}).status_code == 403
    dealer = OrgUnit.objects.create(
        name="Dealer",
        kind="dealer",
        parent=app.account.org_unit,
        is_separate_controller=True,
    )
    client.force_login(make_staff("dealer", org_unit=dealer))
    for verb in ("change", "replay", "reveal"):
        answer = client.post(url(event, verb), {"reason": "xx"})
        assert answer.status_code == 404
    assert url(event) not in shown(client.get(reverse(LIST)))


def test_health_and_home_name_what_failed(page, app):
    from wechat import intake

    assert intake.inbox_health().ok is True
    add(app, state="dead")
    assert intake.inbox_health().ok is False
    add(app, 2, received_at="2026-01-01T00:00:00Z")
    assert intake.inbox_health().figures["oldest_seconds"] > 60
    text = shown(page.get(reverse("admin:index")))
    assert f"{reverse(LIST)}?state__exact=dead" in text
