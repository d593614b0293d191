"""Segments over the API: made, changed over what was read, counted, explained."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import Job
from staff.models import OrgUnit
from tests.api.conftest import client_of

ROOT = "/api/v1/segments"
RULE = {"all": [{"on": "phone", "known": True}]}
# No rule of ours, but JSON.
STRANGE = [
    *(None, [], 7, "x", {"all": 1}, {"not": []}, {"on": 3}, {"any": []}),
    {"all": [{"on": "tags", "any": [2**70]}]},
    {"all": [{"on": "name", "contains": "\ud800\0"}]},
]


@pytest.fixture
def client(api, brand):
    return api("ops_specialist", brand)


def test_a_segment_is_made_read_and_changed_over_what_was_read(client, brand):
    made = client.post(ROOT, {"name": "有手机号", "rule": RULE}, format="json")
    assert made.status_code == 201, made.content
    found = made.json()
    assert found["summary"] == "手机号 已知"
    assert found["state"] == "computing"
    assert Job.objects.get().params == {"segment": found["id"]}
    address = f"{ROOT}/{found['id']}"
    assert client.get(address).json() == found

    def change(**given):
        return client.patch(address, given, format="json")

    seen = found["revision"]
    changed = change(revision=seen, rule={"not": RULE}).json()
    assert (changed["version"], changed["name"]) == (2, "有手机号")
    late = change(revision=seen, name="别名")
    assert (late.status_code, late.json()["code"]) == (409, "segment_changed")
    wrong = change(revision=changed["revision"], rule={"on": "no"})
    assert wrong.json()["extra"]["problems"][0][0] == "/on"
    taken = client.post(ROOT, {"name": "有手机号", "rule": {}}, format="json")
    assert "name" in taken.json()["extra"]["fields"]


def test_the_list_costs_the_same_however_long_and_counts_nothing(client, brand):
    def queries():
        with CaptureQueriesContext(connection) as found:
            answer = client.get(ROOT)
        assert answer.status_code == 200
        assert not any("COUNT(" in each["sql"] for each in found)
        return len(found), answer.json()["results"]

    brand.segment()
    queries()  # the use of the token is written once
    one = queries()
    for _number in range(5):
        brand.segment()
    many = queries()
    assert (one[0], len(many[1])) == (many[0], 6)
    assert one[0] <= 7


def test_any_json_is_counted_or_refused(client, brand):
    brand.member(phone_hash="x")
    answer = client.post(f"{ROOT}/estimate", {"rule": RULE}, format="json").json()
    assert answer["total"] == 1
    assert answer["is_exact"]
    assert [each["display_name"] for each in answer["sample"]] == ["林小满"]
    for rule in STRANGE:
        for address in (f"{ROOT}/estimate", ROOT):
            body = {"rule": rule} | ({"name": "奇怪"} if address == ROOT else {})
            told = client.post(
                address, json.dumps(body), content_type="application/json"
            )
            assert told.status_code in {200, 201, 400}, rule


def test_members_come_in_pages_and_why_tells_every_condition(client, brand):
    people = [brand.member(f"会员{number}") for number in range(3)]
    segment = brand.segment(*people)
    first = client.get(f"{ROOT}/{segment.pk}/members", {"page_size": 2}).json()
    assert [each["id"] for each in first["results"]] == [each.pk for each in people[:2]]
    rest = client.get(first["next"]).json()["results"]
    assert [each["id"] for each in rest] == [people[2].pk]

    stranger = brand.member("别人", phone_hash="")
    why = client.get(f"{ROOT}/{segment.pk}/why", {"member": stranger.pk}).json()
    assert (why["is_in"], why["was_in"]) == (False, False)
    assert [line["holds"] for line in why["lines"]] == [False, False]
    assert client.get(f"{ROOT}/{segment.pk}/why").status_code == 400


def test_who_only_looks_changes_nothing_and_a_dealer_meets_only_the_own(
    api, brand, dealer, make_staff
):
    member = brand.member()
    segment = brand.segment(member)
    reader = api("analyst", brand)
    assert reader.get(f"{ROOT}/{segment.pk}").status_code == 200
    named = {"name": "新", "rule": RULE}
    assert reader.post(ROOT, named, format="json").status_code == 403
    body = {"revision": "1", "name": "新"}
    changed = reader.patch(f"{ROOT}/{segment.pk}", body, format="json")
    assert changed.status_code == 403

    other = api("dealer", dealer)
    assert other.get(ROOT).json()["results"] == []
    for tail in ("", "/members", f"/why?member={member.pk}"):
        assert other.get(f"{ROOT}/{segment.pk}{tail}").status_code == 404
    changed = other.patch(f"{ROOT}/{segment.pk}", body, format="json")
    assert changed.status_code == 404
    counted = other.post(f"{ROOT}/estimate", {"rule": {}}, format="json").json()
    assert counted["total"] == 0
    theirs = {"rule": {}, "org_unit": brand.unit.pk}
    assert other.post(f"{ROOT}/estimate", theirs, format="json").status_code == 400


def test_a_store_counts_and_lists_its_own_people_in_a_segment_of_the_brand(
    brand, make_staff
):
    store = OrgUnit.objects.create(name="静安寺店", kind="store", parent=brand.unit)
    own = brand.member("自己的", org_unit=store)
    segment = brand.segment(own, brand.member("品牌的"), org_unit=store)
    client = client_of(make_staff("store_manager", org_unit=store))
    rows = client.get(f"{ROOT}/{segment.pk}/members").json()["results"]
    assert [row["id"] for row in rows] == [own.pk]
