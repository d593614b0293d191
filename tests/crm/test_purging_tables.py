"""What becomes of each table that knows members when one is forgotten: none undecided.

The same table stands in docs/privacy.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.utils import timezone

from crm import journal, purging
from crm.models import Member, Order
from staff.accounts import system_staff
from tests.core.worlds import World

DOCUMENT = Path(__file__).parents[2] / "docs" / "privacy.md"
GONE = {
    *("crm.Identity", "crm.MemberTag", "crm.TagSet", "crm.Preference", "crm.Note"),
    *("crm.MatchReview", "crm.SegmentMember", "crm.MemberValue", "crm.StageChange"),
    *("crm.ValueDue", "crm.Nearby", "crm.Coupon", "service.MissCount"),
}
# Label → columns with codes of ours, which say nothing of the person.
ANONYMOUS: dict[str, set[str]] = {
    "crm.Member": set(),
    "crm.Relation": set(),
    "crm.Event": {"kind", "key"},
    "crm.ConsentEntry": {"source", "key"},
    "crm.Complaint": set(),
    "crm.Merge": set(),
    "crm.Order": {"shop", "code"},
    "campaigns.Recipient": {"reason"},
    "campaigns.Response": {"source"},
    "service.Conversation": set(),
    "reports.MemberDay": set(),
    "reports.Recount": set(),
}
# Written by triggers, or counted from others.
BY_THEMSELVES = {"crm.TagSet", "reports.MemberDay", "reports.Recount", "crm.ValueDue"}


def tables() -> list[Any]:
    return [each for each in apps.get_models() if journal.member_fields(each)]


def test_somebody_decided_about_every_table_that_knows_members():
    found = {model._meta.label for model in tables()}
    assert found == GONE | ANONYMOUS.keys()
    assert not GONE & ANONYMOUS.keys()
    document = DOCUMENT.read_text()
    assert [label for label in sorted(found) if f"`{label}`" not in document] == []


@pytest.mark.django_db
def test_a_purge_leaves_no_word_of_the_person_in_any_table():
    world = World("Alpha")
    member = world.make(Member)
    made: dict[str, list[Any]] = {}
    for model in tables():
        label = model._meta.label
        if model is Member or label in BY_THEMSELVES:
            continue
        (field, *_more) = journal.member_fields(model)
        made[label] = [world.make(model, **{field: member}).pk]
    Member.objects.filter(pk=member.pk).update(purge_due_at=timezone.now())

    assert purging.purge(member.pk, actor=system_staff("test"))

    member.refresh_from_db()
    assert (member.gender, member.birthday, member.city) == ("", None, "")
    for model in tables():
        label = model._meta.label
        if label in GONE:
            for field in journal.member_fields(model):
                assert not model._base_manager.filter(**{field: member}).exists(), label
            continue
        rows = model._base_manager.filter(pk__in=made.get(label, [member.pk]))
        texts = [name for name in words_of(model) if name not in ANONYMOUS[label]]
        said = repr(list(rows.values_list(*texts))) if texts else ""
        assert "Alpha" not in said, f"{label}: {said}"
    order = Order.objects.get(pk__in=made["crm.Order"])
    assert order.member is None
    assert order.amount is not None
    assert order.code


def words_of(model: type[models.Model]) -> list[str]:
    kinds = (models.CharField, models.TextField, models.JSONField)
    return [
        field.name
        for field in model._meta.concrete_fields
        if isinstance(field, kinds) and not field.choices
    ]


@pytest.mark.django_db
def test_no_table_without_a_foreign_key_keeps_a_name_of_the_member(django_db_blocker):
    """Columns called member in tables Django does not know would be forgotten too."""
    known = {model._meta.db_table for model in tables()}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name FROM information_schema.columns"
            " WHERE column_name = 'member_id' AND table_schema = 'public'"
        )
        found = {name for (name,) in cursor.fetchall()}
    unknown = {name for name in found - known if not name.startswith("crm_event_")}
    assert unknown == set()
