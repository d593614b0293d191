"""WeChat Customer Service: messages are pulled, each once, in order, whatever happens."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from tests.wechat.outbound.conftest import build_app
from tests.wechat.outbound.phone import running_sandbox
from tests.wechat.platform import deliver
from tests.wechat.test_inbound_corpus import CORPUS
from wechat import inbox, intake, kf, limits, parsing
from wechat.models import InboundEvent, KfAccount, PlatformLimit, SyncRun


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with running_sandbox(tmp_path_factory.mktemp("kf")) as sandbox:
        yield sandbox


@pytest.fixture
def app(callbacks, sandbox):
    limits.forget()
    yield build_app(sandbox, "wecom")
    sandbox.clear_faults()
    limits.forget()


@pytest.fixture
def say(sandbox, app):
    """`say("a", "b")`: a new customer writes; returns the bodies of the callbacks."""
    chat = sandbox.account("wecom")["kf_accounts"][0]["open_kfid"]

    def say(*texts):
        person = sandbox.person()
        for text in texts:
            said = sandbox.ask(
                f"people/{person['id']}/kf", {"open_kfid": chat, "text": text}
            )
        pushes = {push["id"]: push for push in sandbox.ask("pushes?limit=1000")}
        body = pushes[said["pushes"][-1]]["body"].encode()
        return said["external_userid"], body

    return say


def told(app, body):
    """The callback arrives and is worked off; the account that is now due."""
    assert deliver(app, body) == (200, b"success")
    inbox.drain()
    return KfAccount.objects.get(pull_due_at__isnull=False)


def texts_of(customer):
    events = InboundEvent.objects.filter(subject=customer, kind="kf.message.text")
    return [
        json.loads(event.body)["text"]["content"] for event in events.order_by("id")
    ]


def test_a_page_of_the_stream_is_named_by_what_it_holds():
    page = json.loads((CORPUS / "kf-sync-msg.json").read_text())["msg_list"]
    named = [parsing.kf_envelope(item, b"") for item in page]
    assert [item.kind for item in named] == [
        "kf.message.text",
        "kf.message.image",
        "kf.message.location",
        "kf.servicer.text",
        "kf.event.enter_session",
        "kf.event.msg_send_fail",
        "kf.event.session_status_change",
        "kf.event.servicer_status_change",
        "kf.event.user_recall_msg",
    ]
    assert named[4].subject == "wmJ8QxCwAAb3mVtK5uYh0RnPzLsE7dGA"
    assert named[0].dedupe_key == "kf:from_msgid_4622416642169452483"


def test_a_callback_brings_the_messages_once_and_in_order(app, say):
    customer, body = say("在吗", "想退一单", "😥")
    account = told(app, body)
    assert kf.due() == [account.pk]
    assert kf.pull(account.pk) >= 3
    assert texts_of(customer) == ["在吗", "想退一单", "😥"]
    account.refresh_from_db()
    assert account.cursor
    assert (account.pull_due_at, account.lease_until, account.last_error) == (
        None,
        None,
        "",
    )
    # A cursor that is lost reads everything again and adds nothing.
    KfAccount.objects.update(cursor="", pull_due_at=timezone.now())
    kf.pull_due()
    assert texts_of(customer) == ["在吗", "想退一单", "😥"]
    inbox.drain()
    states = set(InboundEvent.objects.values_list("state", flat=True))
    assert states <= {"done", "ignored"}


def test_small_pages_are_read_to_the_end(app, say):
    PlatformLimit.objects.create(
        key="kf.sync.size", value=2, effective_from=timezone.localdate()
    )
    limits.forget()
    customer, body = say(*"abcde")
    assert kf.pull(told(app, body).pk) >= 5
    assert texts_of(customer) == list("abcde")


def test_a_refused_token_is_dropped_and_the_call_made_without(app, say):
    customer, body = say("a")
    fields = parsing.parse_xml(body)
    account = told(app, body.replace(fields["Token"].encode(), b"ENCexpired"))
    assert account.pull_token == "ENCexpired"
    kf.pull(account.pk)
    account.refresh_from_db()
    assert (account.pull_token, account.last_error) == ("", "")
    assert texts_of(customer) == ["a"]


def test_an_older_callback_does_not_bring_its_token_back(app, say):
    _, body = say("a")
    _, newer = say("b")
    told(app, newer)
    token = told(app, body).pull_token
    assert token == parsing.parse_xml(newer)["Token"]


def test_of_several_workers_one_reads_and_nothing_is_doubled(app, say):
    customer, body = say("a", "b")
    account = told(app, body)
    barrier = threading.Barrier(3)

    def pull():
        barrier.wait()
        try:
            return kf.pull(account.pk)
        finally:
            connection.close()

    with ThreadPoolExecutor(3) as pool:
        for job in [pool.submit(pull) for _ in range(3)]:
            job.result()
    assert texts_of(customer) == ["a", "b"]


def test_a_reader_that_lost_its_lease_stores_nothing(app, say):
    customer, body = say("a")
    account = told(app, body)
    assert kf._lease(account.pk, "dead worker")
    assert kf.pull(account.pk) == 0
    KfAccount.objects.update(lease_until=timezone.now())
    assert kf.pull(account.pk) >= 1
    late = {"msg_list": [{"msgid": "late"}], "next_cursor": "old", "has_more": 1}
    assert kf._store(account, "dead worker", late) == (0, True)
    account.refresh_from_db()
    assert account.cursor != "old"
    assert texts_of(customer) == ["a"]


def test_a_busy_platform_is_asked_again_and_a_standing_cursor_alarms(app, say, sandbox):
    customer, body = say("a")
    account = told(app, body)
    sandbox.fault("kf/sync_msg", "busy", 5)
    assert kf.pull(account.pk) == 0
    account.refresh_from_db()
    assert account.last_error
    assert timezone.now() < account.pull_due_at < timezone.now() + timedelta(minutes=1)
    assert intake.kf_health().ok is True
    long_ago = timezone.now() - timedelta(minutes=6)
    KfAccount.objects.update(pull_token_at=long_ago, pull_due_at=timezone.now())
    assert intake.kf_health().ok is False
    sandbox.clear_faults()
    kf.pull_due()
    assert intake.kf_health().ok is True
    assert texts_of(customer) == ["a"]


def test_quiet_accounts_are_read_without_a_callback(app, say):
    customer, body = say("a")
    kf.pull(told(app, body).pk)
    assert kf.mark_quiet_accounts() == 0
    KfAccount.objects.update(last_pulled_at=timezone.now() - timedelta(minutes=11))
    assert kf.mark_quiet_accounts() == 1
    kf.pull_due()
    assert KfAccount.objects.get().pull_due_at is None
    assert texts_of(customer) == ["a"]


def test_the_list_of_accounts_follows_the_platform(app, sandbox):
    known = sandbox.account("wecom")["kf_accounts"]
    kf.sync_accounts()
    kf.sync_accounts()
    found = set(KfAccount.objects.values_list("open_kfid", "name"))
    assert found == {(item["open_kfid"], item["name"]) for item in known}
    first, second = SyncRun.objects.filter(scope="kf.accounts").order_by("id")
    assert (first.state, first.seen, first.created) == ("done", len(known), len(known))
    assert (second.created, second.updated) == (0, 0)
    sandbox.fault("kf/account/list", "unauthorised", 5)
    kf.sync_accounts()
    assert SyncRun.objects.get(state="failed").error
