"""Reading colleagues and contacts: whole passes, broken ones, and who is gone."""

from __future__ import annotations

from typing import Any

import pytest

from crm.models import Identity, Relation
from tests.wechat.outbound.phone import Sandbox
from wechat import directory
from wechat.models import App, Colleague, SeenContact, SyncRun


@pytest.fixture
def friend(wecom_app: App, sandbox: Sandbox) -> dict[str, Any]:
    person = sandbox.person()
    userid = sandbox.account("wecom")["colleagues"][0]["userid"]
    sandbox.ask(f"people/{person['id']}/add", {"colleague": userid})
    return {**person, "userid": userid}


def relation_of(friend: dict[str, Any]) -> Relation:
    return Relation.objects.get(
        colleague__userid=friend["userid"],
        member__identities__value=friend["external_userid"],
    )


def test_a_pass_makes_the_people_callbacks_missed(
    wecom_app: App, friend: dict[str, Any], sandbox: Sandbox
) -> None:
    run = directory.sync_contacts(wecom_app)
    assert (run.state, run.error, run.missing) == ("done", "", 0)
    assert run.seen >= 1
    relation = relation_of(friend)
    assert relation.state == Relation.State.ACTIVE
    assert relation.member.display_name == friend["name"]
    assert Identity.objects.filter(kind="unionid", value=friend["unionid"]).exists()
    names = {each["name"] for each in sandbox.account("wecom")["colleagues"]}
    assert set(Colleague.objects.values_list("name", flat=True)) <= names
    assert not SeenContact.objects.exists()


def test_only_a_complete_pass_ends_friendships(
    wecom_app: App, friend: dict[str, Any], sandbox: Sandbox
) -> None:
    directory.sync_contacts(wecom_app)
    sandbox.ask(f"people/{friend['id']}/delete", {"colleague": friend["userid"]})
    path = "externalcontact/batch/get_by_user"
    sandbox.fault(path, "http_502")
    broken = directory.sync_contacts(wecom_app)
    assert broken.state == "failed"
    assert broken.error
    assert relation_of(friend).state == Relation.State.ACTIVE
    whole = directory.sync_contacts(wecom_app)
    assert (whole.pk, whole.state, whole.missing) == (broken.pk, "done", 1)
    assert relation_of(friend).state != Relation.State.ACTIVE


def test_a_pass_that_runs_elsewhere_is_left_alone(
    wecom_app: App, sandbox: Sandbox
) -> None:
    running = directory._claim(wecom_app)
    assert running is not None
    before = sandbox.last_call()
    assert directory.sync_contacts(wecom_app).pk == running.pk
    assert sandbox.calls("externalcontact", before) == []
    assert SyncRun.objects.count() == 1
