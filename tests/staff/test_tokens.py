"""API tokens: shown once, kept as a digest, gone with the person."""

import pytest

from core.models import AuditEntry
from staff import tokens
from staff.models import ApiToken, Staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Staff:
    return Staff.objects.create_user("lin", password=None, display_name="林小满")


def test_a_token_is_kept_only_as_its_digest(person):
    token = tokens.issue(person, name="till", actor=person)

    row = ApiToken.objects.get()
    stored = {str(value) for value in vars(row).values()}
    assert token not in stored
    assert token.startswith(row.prefix)
    assert len(row.prefix) < 12


def test_a_token_finds_its_person(person):
    token = tokens.issue(person, name="till", actor=person)

    assert tokens.find(token).staff == person
    assert tokens.find(token + "x") is None
    assert tokens.find("") is None


def test_a_revoked_token_finds_nobody_and_is_revoked_once(person):
    token = tokens.issue(person, name="till", actor=person)
    row = ApiToken.objects.get()

    assert tokens.revoke(row, actor=person) is True
    assert tokens.revoke(row, actor=person) is False
    assert tokens.find(token) is None


def test_tokens_end_with_the_person_s_work(person):
    token = tokens.issue(person, name="till", actor=person)

    Staff.objects.filter(pk=person.pk).update(is_active=False)

    assert tokens.find(token) is None


def test_all_tokens_of_a_person_can_be_ended(person):
    other = Staff.objects.create_user("wang", password=None)
    mine = [tokens.issue(person, name=name, actor=person) for name in ("a", "b")]
    theirs = tokens.issue(other, name="a", actor=other)

    assert tokens.revoke_all(person, actor=other) == 2
    assert [tokens.find(token) for token in mine] == [None, None]
    assert tokens.find(theirs) is not None


def test_issuing_and_revoking_are_audited_without_the_token(person):
    token = tokens.issue(person, name="till", actor=person)
    tokens.revoke_all(person, actor=person)

    entries = list(AuditEntry.objects.order_by("id"))
    assert [entry.action for entry in entries] == [
        "staff.api_token.issued",
        "staff.api_token.revoked",
    ]
    assert not any(token in str(vars(entry)) for entry in entries)
