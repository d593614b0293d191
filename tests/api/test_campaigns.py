"""Campaigns over the API: lists, recipients by state and reason, and the brake."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

ROOT = "/api/v1/"


@pytest.fixture
def client(api, brand):
    return api("ops_manager", brand)


def test_campaigns_and_their_touches_come_with_counts(client, brand):
    touch = brand.touch(people=3, opted_out=1)
    campaign = client.get(f"{ROOT}campaigns").json()["results"][0]
    assert campaign["live_date"]
    assert client.get(f"{ROOT}campaigns/{campaign['id']}").json() == campaign

    told = client.get(f"{ROOT}campaigns/{campaign['id']}/touches").json()["results"]
    assert [each["id"] for each in told] == [touch.pk]
    counts = told[0]["counts"]
    assert counts["planned"] == 3
    assert counts["reasons"] == {"opted_out": 1}


def test_recipients_are_filtered_by_state_and_reason(client, brand):
    touch = brand.touch(people=3, opted_out=1)
    address = f"{ROOT}touches/{touch.pk}/recipients"
    waiting = client.get(address, {"state": "waiting"}).json()["results"]
    assert len(waiting) == 2
    out = client.get(address, {"reason": "opted_out"}).json()["results"]
    assert [row["state"] for row in out] == ["excluded"]
    assert set(out[0]) == {"id", "member", "state", "reason", "contacted_at"}
    assert client.get(address, {"state": "asleep"}).status_code == 400


def test_recipients_are_read_in_a_fixed_number_of_queries_and_never_counted(
    client, brand
):
    touch = brand.touch(people=12)
    with CaptureQueriesContext(connection) as queries:
        page = client.get(f"{ROOT}touches/{touch.pk}/recipients", {"page_size": 5})
    assert page.json()["next"]
    assert len(queries) <= 6
    assert not any("COUNT(" in each["sql"] for each in queries)


def test_all_recipients_come_once_whatever_the_filter(client, brand):
    touch = brand.touch(people=12, opted_out=1)
    for query in ({}, {"state": "waiting"}, {"reason": "opted_out"}):
        address, seen = f"{ROOT}touches/{touch.pk}/recipients", []
        page = client.get(address, {**query, "page_size": 5}).json()
        while True:
            seen += [row["id"] for row in page["results"]]
            if not page["next"]:
                break
            page = client.get(page["next"]).json()
        wanted = touch.recipients.filter(**query).values_list("pk", flat=True)
        assert sorted(seen) == sorted(wanted)


def test_a_touch_is_paused_taken_up_and_stopped_and_the_loser_gets_409(client, brand):
    touch = brand.touch(people=3, opted_out=1)

    def post(verb, **body):
        return client.post(f"{ROOT}touches/{touch.pk}/{verb}", body, format="json")

    paused = post("pause", reason="价格写错")
    assert (paused.status_code, paused.json()["state"]) == (200, "paused")
    again = post("pause")
    assert again.status_code == 409
    assert again.json()["code"] == "not_in_this_state"
    assert post("stop").json()["state"] == "stopped"
    assert post("resume").status_code == 409


def test_who_only_reads_moves_nothing(api, brand):
    touch = brand.touch(people=3, opted_out=1)
    reader = api("analyst", brand)
    assert reader.get(f"{ROOT}touches/{touch.pk}/recipients").status_code == 200
    assert reader.post(f"{ROOT}touches/{touch.pk}/pause").status_code == 403


def test_another_controller_finds_nothing(api, brand, dealer):
    touch = brand.touch(people=3, opted_out=1)
    other = api("dealer", dealer)
    assert other.get(f"{ROOT}campaigns").json()["results"] == []
    for address in ("campaigns/{c}", "campaigns/{c}/touches", "touches/{t}/recipients"):
        path = ROOT + address.format(c=touch.campaign_id, t=touch.pk)
        assert other.get(path).status_code == 404
    assert other.post(f"{ROOT}touches/{touch.pk}/stop").status_code == 404
