"""Content over the API: the same rows as on the pages."""

from __future__ import annotations

import pytest

from content import items, slots
from tests.api.conftest import client_of
from tests.content.world import later

ITEMS = "/api/v1/content/items"


@pytest.fixture
def analyst(newsroom, make_staff):
    return client_of(make_staff("analyst", org_unit=newsroom.brand))


def test_an_item_tells_its_versions_slots_and_addresses(analyst, newsroom):
    version = newsroom.approved()
    slots.schedule(version, newsroom.account, later(), actor=newsroom.writer)
    items.edit(version.item, content={"body": "新话"}, actor=newsroom.writer)

    told = analyst.get(f"{ITEMS}/{version.item_id}").json()

    assert [(v["number"], v["state"]) for v in told["versions"]] == [
        *((2, "draft"), (1, "approved"))
    ]
    assert told["versions"][1]["approved_by"] == newsroom.manager.username
    assert [(s["version"], s["account"]) for s in told["slots"]] == [(1, "linjian")]
    assert told["links"] == []
    assert told["state"] == "draft"


def test_the_list_is_filtered_and_costs_the_same_for_many(
    analyst, newsroom, django_assert_num_queries
):
    newsroom.item()
    analyst.get(ITEMS)
    with django_assert_num_queries(3):
        assert len(analyst.get(ITEMS).json()["results"]) == 1
    for _number in range(9):
        newsroom.item()
    newsroom.submitted()
    with django_assert_num_queries(3):
        assert len(analyst.get(ITEMS).json()["results"]) == 11
    waiting = analyst.get(ITEMS, {"state": "in_review"}).json()["results"]
    assert [row["state"] for row in waiting] == ["in_review"]
    assert analyst.get(ITEMS, {"state": "lost"}).status_code == 400


def test_a_dealer_finds_nothing_of_the_brand(newsroom, make_staff):
    item = newsroom.item()
    dealer = client_of(make_staff("dealer", org_unit=newsroom.dealer))
    assert dealer.get(ITEMS).json()["results"] == []
    assert dealer.get(f"{ITEMS}/{item.pk}").status_code == 404
