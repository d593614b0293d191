"""Accounts and outbox as people work with them in the admin."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.models import AuditEntry, Job
from staff.models import Approval, OrgUnit, Staff
from tests.wechat.outbound.phone import Sandbox
from wechat import holding, limits, resolving, sending, windows
from wechat.models import Account, App, OutboundMessage, PlatformLimit, VerifyFile

SECRET = "canary-secret-3f9a1c"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


@pytest.fixture
def brand(app: App) -> OrgUnit:
    return app.account.org_unit


@pytest.fixture
def admin(make_staff: Callable[..., Staff], client: Client) -> Client:
    client.force_login(make_staff("administrator", is_superuser=True))
    return client


@pytest.fixture
def manager(make_staff: Callable[..., Staff], brand: OrgUnit) -> Staff:
    return make_staff("ops_manager", org_unit=brand)


def change_url(account: Account) -> str:
    return reverse("admin:wechat_account_change", args=[account.pk])


def form_of(account: Account, app: App, **changed: Any) -> dict[str, Any]:
    """The account's form as a browser would send it back."""
    data: dict[str, Any] = {
        "name": account.name,
        "slug": account.slug,
        "kind": account.kind,
        "role": account.role,
        "org_unit": account.org_unit_id,
        "original_id": account.original_id,
        "charter_value": account.charter_value,
        "charter_audience": account.charter_audience,
        "charter_goal": account.charter_goal,
        "charter_owner": account.charter_owner_id or "",
        "is_sandbox": "on" if account.is_sandbox else "",
        "api_base_url": account.api_base_url,
        "apps-TOTAL_FORMS": 1,
        "apps-INITIAL_FORMS": 1,
        "apps-0-id": app.pk,
        "apps-0-account": account.pk,
        "apps-0-name": app.name,
        "apps-0-slug": app.slug,
        "apps-0-app_id": app.app_id,
        "apps-0-agent_id": app.agent_id,
        "apps-0-mode": app.mode,
        "apps-0-is_active": "on",
        "verify_files-TOTAL_FORMS": 0,
        "verify_files-INITIAL_FORMS": 0,
    }
    return data | changed


def test_a_secret_goes_in_and_never_comes_out(admin: Client, app: App) -> None:
    url = change_url(app.account)
    answer = admin.post(
        url,
        form_of(
            app.account,
            app,
            **{"apps-0-new_secret": SECRET, "apps-0-new_aes_key": AES_KEY},
        ),
    )
    assert answer.status_code == 302, answer.context["errors"]
    app.refresh_from_db()
    assert (app.secret, app.aes_key) == (SECRET, AES_KEY)
    history = reverse("admin:wechat_account_history", args=[app.account_id])
    for page in (url, history):
        assert SECRET not in admin.get(page).content.decode()
    for entry in AuditEntry.objects.all():
        assert SECRET not in str((entry.before, entry.after, entry.target_label))
    assert AuditEntry.objects.filter(action="wechat.app.secrets_changed").exists()


def test_an_empty_secret_keeps_the_old_one_and_a_bad_key_is_refused(
    admin: Client, app: App
) -> None:
    before = app.secret
    url = change_url(app.account)
    assert admin.post(url, form_of(app.account, app)).status_code == 302
    bad = admin.post(
        url, form_of(app.account, app, **{"apps-0-new_aes_key": "too short"})
    )
    assert bad.status_code == 200
    assert "43" in bad.content.decode()
    app.refresh_from_db()
    assert app.secret == before


def test_going_live_names_what_is_missing_until_the_charter_stands(
    client: Client, manager: Staff, app: App
) -> None:
    Account.objects.update(state="draft")
    client.force_login(manager)
    go = reverse("admin:wechat_account_go_live", args=[app.account_id])
    refused = client.post(go, follow=True)
    texts = [str(message) for message in refused.context["messages"]]
    assert len(texts) == 5
    assert Account.objects.get().state == "draft"
    Account.objects.update(
        charter_value="v", charter_audience="a", charter_goal="g", charter_owner=manager
    )
    client.post(go)
    assert Account.objects.get().state == "live"
    client.post(reverse("admin:wechat_account_pause", args=[app.account_id]))
    assert Account.objects.get().state == "paused"
    client.post(reverse("admin:wechat_account_resume", args=[app.account_id]))
    assert Account.objects.get().state == "live"
    assert client.get(go).status_code == 403


def test_the_connection_check_says_line_by_line_what_works(
    client: Client, manager: Staff, app: App
) -> None:
    client.force_login(manager)
    check = reverse("admin:wechat_app_check", args=[app.account_id, app.pk])
    page = client.post(check, follow=True).content.decode()
    app.refresh_from_db()
    tones = {line["what"]: line["tone"] for line in app.last_check["lines"]}
    assert tones.pop("Callbacks") == "part"
    assert set(tones.values()) == {"good"}, app.last_check
    assert len(tones) == 7
    assert app.callback_path in page


def test_the_check_names_the_code_and_what_to_do_and_lifts_the_hold_later(
    client: Client, manager: Staff, app: App, sandbox: Sandbox
) -> None:
    client.force_login(manager)
    App.objects.update(held_reason="errcode_40164")
    check = reverse("admin:wechat_app_check", args=[app.account_id, app.pk])
    sandbox.fault("stable_token", "ip")
    client.post(check)
    app.refresh_from_db()
    token = app.last_check["lines"][0]
    assert (token["tone"], token["errcode"]) == ("bad", 40164)
    assert token["advice"]
    assert app.held_reason == "errcode_40164"
    sandbox.fault("user/get", "unauthorised")
    client.post(check)
    app.refresh_from_db()
    assert app.last_check["lines"][1]["errcode"] == 48001
    assert app.held_reason == ""


def test_a_check_that_passes_ends_a_wait_for_the_platform(
    client: Client, manager: Staff, app: App
) -> None:
    holding.hold(app, "errcode_45009", timezone.now() + timedelta(hours=1))
    client.force_login(manager)
    client.post(reverse("admin:wechat_app_check", args=[app.account_id, app.pk]))
    app.refresh_from_db()
    assert (app.held_reason, app.held_until) == ("", None)


def test_a_wecom_corp_is_checked_by_its_own_calls(
    client: Client, make_staff: Callable[..., Staff], wecom_app: App
) -> None:
    client.force_login(make_staff("ops_manager", org_unit=wecom_app.account.org_unit))
    check = reverse("admin:wechat_app_check", args=[wecom_app.account_id, wecom_app.pk])
    client.post(check)
    wecom_app.refresh_from_db()
    lines = wecom_app.last_check["lines"]
    assert [line["tone"] for line in lines[:4]] == ["good"] * 4, lines


def test_contacts_are_read_as_a_job_with_its_page(
    client: Client, make_staff: Callable[..., Staff], wecom_app: App
) -> None:
    from core import jobs

    client.force_login(make_staff("ops_manager", org_unit=wecom_app.account.org_unit))
    sync = reverse("admin:wechat_account_sync", args=[wecom_app.account_id])
    answer = client.post(sync)
    job = Job.objects.get()
    assert answer["Location"] == reverse("admin:job", args=[job.pk])
    jobs.drain(seconds=10)
    job.refresh_from_db()
    assert (job.state, job.error) == ("done", "")


def test_a_verify_file_is_uploaded_and_a_strange_one_refused(
    admin: Client, app: App
) -> None:
    url = change_url(app.account)

    def upload(name: str, content: bytes) -> Any:
        return admin.post(
            url,
            form_of(
                app.account,
                app,
                **{
                    "verify_files-TOTAL_FORMS": 1,
                    "verify_files-0-account": app.account_id,
                    "verify_files-0-upload": SimpleUploadedFile(name, content),
                },
            ),
        )

    assert upload("evil.html", b"<script>").status_code == 200
    assert upload("MP_verify_a.txt", b"x" * 65).status_code == 200
    assert upload("MP_verify_Ab3.txt", b"Ab3\n").status_code == 302
    assert VerifyFile.objects.get().content == "Ab3"


def test_a_new_dated_limit_counts_from_its_day(admin: Client, app: App) -> None:
    limits.load_builtin()
    url = reverse("admin:wechat_platformlimit_add")
    today = timezone.localdate()
    answer = admin.post(
        url,
        {
            "key": "mp.window.message.count",
            "value": 20,
            "unit": "messages",
            "effective_from": f"{today:%F}",
        },
    )
    assert answer.status_code == 302, answer.context["errors"]
    assert limits.value("mp.window.message.count") == 20
    assert limits.value("mp.window.message.count", today - timedelta(days=1)) == 5
    assert admin.post(url, {"key": "x", "value": 1}).status_code == 200
    page = admin.get(reverse("admin:wechat_platformlimit_changelist"))
    assert page.status_code == 200
    assert PlatformLimit.objects.filter(effective_from=date(2025, 1, 1)).exists()


def lost(plan: Callable[..., Any], app: App) -> OutboundMessage:
    """A message whose answer was cut off."""
    message = plan()
    claimed = sending.claim("realtime")
    assert claimed is not None
    claimed.attempt = sending._intend(claimed)
    from wechat.outcomes import Verdict, record

    assert claimed.attempt is not None
    record(claimed.attempt, Verdict("unknown", code="cut"))
    message.refresh_from_db()
    del app
    return message  # type: ignore[no-any-return]


def test_sending_again_takes_two_people_and_makes_one_new_attempt(
    client: Client,
    make_staff: Callable[..., Staff],
    manager: Staff,
    app: App,
    plan: Callable[..., Any],
    customer: dict[str, Any],
    sandbox: Sandbox,
) -> None:
    message = lost(plan, app)
    page = reverse("admin:wechat_outboundmessage_change", args=[message.pk])
    ask = reverse("admin:wechat_outboundmessage_ask", args=[message.pk])
    decide = reverse("admin:wechat_outboundmessage_decide", args=[message.pk])
    client.force_login(manager)
    assert (
        "3/4" in client.get(page).content.decode()
        or "3 in 4" in client.get(page).content.decode()
    )
    client.post(ask, {"choice": "send_again", "reason": "手机上没有"})
    client.post(decide, {"decision": "yes"})
    message.refresh_from_db()
    assert message.state == "unknown"
    second = make_staff("ops_manager", org_unit=app.account.org_unit)
    client.force_login(second)
    client.post(decide, {"decision": "yes"})
    client.post(decide, {"decision": "yes"})
    message.refresh_from_db()
    assert (message.state, message.reason_code) == ("planned", "send_again")
    sending.drain("realtime")
    message.refresh_from_db()
    assert (message.state, message.attempts) == ("sent", 2)
    assert sandbox.screen(customer, customer["slug"]) == ["您好"]
    assert windows.allowance(app, customer["to"]).left == 3
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {
        "wechat.outbound.send_again_asked",
        "wechat.outbound.send_again_approved",
    } <= actions


def test_treat_as_sent_keeps_the_place_in_the_window(
    manager: Staff,
    make_staff: Callable[..., Staff],
    app: App,
    plan: Callable[..., Any],
    customer: dict[str, Any],
) -> None:
    message = lost(plan, app)
    assert windows.allowance(app, customer["to"]).left == 4
    approval = resolving.ask(
        message, "treat_as_sent", actor=manager, reason="客户已回复"
    )
    second = make_staff("ops_manager", org_unit=app.account.org_unit)
    resolving.decide(approval, actor=second, is_yes=True)
    message.refresh_from_db()
    assert (message.state, message.reason_code) == ("sent", "treated_as_sent")
    assert windows.allowance(app, customer["to"]).left == 4


def test_a_late_answer_voids_the_request(
    manager: Staff,
    make_staff: Callable[..., Staff],
    app: App,
    plan: Callable[..., Any],
) -> None:
    from wechat.errors import DecisionOutdated
    from wechat.outcomes import Verdict, record

    message = lost(plan, app)
    approval = resolving.ask(message, "send_again", actor=manager, reason="x")
    record(message.attempt, Verdict("sent", errcode=0))
    second = make_staff("ops_manager", org_unit=app.account.org_unit)
    with pytest.raises(DecisionOutdated):
        resolving.decide(approval, actor=second, is_yes=True)
    approval.refresh_from_db()
    message.refresh_from_db()
    assert (approval.state, message.state) == (Approval.State.VOID, "sent")


def test_a_message_whose_sender_may_live_is_not_sent_again(
    manager: Staff, app: App, plan: Callable[..., Any]
) -> None:
    from wechat.errors import MayStillArrive

    message = lost(plan, app)
    OutboundMessage.objects.update(reason_code="worker_lost")
    message.refresh_from_db()
    with pytest.raises(MayStillArrive):
        resolving.ask(message, "send_again", actor=manager, reason="x")
    OutboundMessage.objects.update(owner=f"{message.owner.rpartition(':')[0]}9:1"[:64])
    host, boot, _pid, _start, thread = message.owner.split(":")
    OutboundMessage.objects.update(
        owner=f"{host}:{boot}:1:{uuid.uuid4().int % 9}:{thread}"
    )
    message.refresh_from_db()
    resolving.ask(message, "send_again", actor=manager, reason="x")


def test_a_store_sees_that_something_was_sent_but_not_what(
    client: Client,
    make_staff: Callable[..., Staff],
    manager: Staff,
    app: App,
    plan: Callable[..., Any],
    customer: dict[str, Any],
) -> None:
    message = plan("只给她看的话")
    page = reverse("admin:wechat_outboundmessage_change", args=[message.pk])
    client.force_login(manager)
    assert "只给她看的话" in client.get(page).content.decode()
    store = OrgUnit.objects.create(name="店", kind="store", parent=app.account.org_unit)
    client.force_login(make_staff("ops_manager", org_unit=store))
    html = client.get(page).content.decode()
    assert "只给她看的话" not in html
    assert customer["to"] not in html
    other = OrgUnit.objects.create(name="别家", kind="brand")
    client.force_login(make_staff("ops_manager", org_unit=other))
    assert client.get(page).status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        *("account", "outboundmessage", "platformlimit", "quotause"),
        *("kfaccount", "colleague", "syncrun"),
    ],
)
def test_lists_take_the_same_few_queries_for_1_and_20_rows(
    name: str,
    admin: Client,
    app: App,
    plan: Callable[..., Any],
    django_assert_max_num_queries: Any,
) -> None:
    url = reverse(f"admin:wechat_{name}_changelist")
    limits.load_builtin()
    for number in range(20):
        plan(str(number))
        Account.objects.create(
            slug=f"a{number}", name="x", kind="service", org_unit=app.account.org_unit
        )
    with django_assert_max_num_queries(14):
        assert admin.get(url).status_code == 200
