"""Two people at once on the same item, on real connections."""

from __future__ import annotations

from typing import Any

import pytest

from content import items, review, slots
from content.models import Item, Slot, Version
from core.errors import AppError
from core.models import AuditEntry
from staff.models import Approval
from tests.conftest import build_staff
from tests.content.world import Newsroom, build_newsroom, later, newest
from tests.service.test_races import at_once


@pytest.fixture
def newsroom(transactional_db: None) -> Newsroom:
    return build_newsroom()


def both(*deeds: Any) -> list[str]:
    """Do all at once; "" for what went through, else the code of the refusal."""
    said = ["?"] * len(deeds)

    def act(number: int) -> None:
        try:
            deeds[number]()
            said[number] = ""
        except AppError as refusal:
            said[number] = refusal.code

    at_once(len(deeds), act)
    return said


def test_of_two_reviewers_at_once_one_decides_and_the_other_is_told(newsroom) -> None:
    other = build_staff("ops_manager", org_unit=newsroom.brand)
    for _round in range(4):
        version = newsroom.submitted()
        said = both(
            lambda v=version: review.approve(v, actor=newsroom.manager),
            lambda v=version: review.give_back(v, actor=other, comment="太长"),
        )
        assert sorted(said) == ["", "not_under_review"]
        version.refresh_from_db()
        decided = Approval.objects.get(subject_id=str(version.pk))
        assert (version.state, decided.state) in {
            ("approved", "approved"),
            ("returned", "refused"),
        }


def test_words_changed_while_they_are_approved_are_never_approved_unread(
    newsroom,
) -> None:
    for _round in range(4):
        version = newsroom.submitted()
        said = both(
            lambda v=version: review.approve(v, actor=newsroom.manager, seen=v.digest),
            lambda v=version: items.edit(
                v.item, content={"body": "另一段话"}, actor=newsroom.writer
            ),
        )
        assert said[1] == ""
        version.refresh_from_db()
        last = newest(version.item)
        assert (last.number, last.state, last.body) == (2, "draft", "另一段话")
        assert version.state == ("approved" if said[0] == "" else "withdrawn")
        assert "另一段话" not in version.body
        assert not Version.objects.filter(state="approved", body="另一段话").exists()


def test_of_two_writers_who_read_the_same_draft_one_must_look_again(newsroom) -> None:
    item = newsroom.item()
    seen = newest(item).digest
    said = both(
        *(
            lambda n=n: items.edit(
                item, content={"body": f"第 {n} 稿"}, actor=newsroom.writer, seen=seen
            )
            for n in range(3)
        )
    )
    assert sorted(said) == ["", "changed_meanwhile", "changed_meanwhile"]
    assert newest(item).body == f"第 {said.index('')} 稿"
    assert item.versions.count() == 1


def test_of_two_who_move_the_same_slot_one_is_told_where_it_stands(newsroom) -> None:
    slot = slots.schedule(
        newsroom.approved(), newsroom.account, later(1), actor=newsroom.writer
    )
    times = later(2), later(3)
    said = both(
        *(
            lambda at=at: slots.move(
                slot, at, actor=newsroom.writer, seen=slot.publish_at
            )
            for at in times
        )
    )
    assert sorted(said) == ["", "changed_meanwhile"]
    assert Slot.objects.get().publish_at == times[said.index("")]


def test_a_slot_is_published_or_cancelled_never_both(newsroom) -> None:
    version = newsroom.approved()
    slot = slots.schedule(version, newsroom.account, later(1), actor=newsroom.writer)
    said = both(
        lambda: slots.publish(slot, actor=newsroom.manager),
        lambda: slots.cancel(slot, actor=newsroom.writer),
        lambda: slots.publish(slot, actor=newsroom.writer),
    )
    assert sorted(said) == ["", "not_planned", "not_planned"]
    state = Slot.objects.get().state
    assert state in {"published", "cancelled"}
    told = AuditEntry.objects.filter(action__startswith="content.slot.").count()
    assert told == 2
    expected = "published" if state == "published" else "approved"
    assert Item.objects.get().state == expected
