"""What somebody at dealer A tries to get at dealer B's people, door by door.

Every refusal must read like the one for a number that nobody has: else it tells that B's
row is there. Whoever tries has a normal log-in: the dealer, a store manager below, an
agent.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from core import jobs
from core.models import Job
from crm import tagging
from crm.models import (
    ConsentEntry,
    Coupon,
    Import,
    MatchReview,
    Member,
    MemberTag,
    Note,
    Order,
    SegmentMember,
)
from staff import saved_views
from staff.models import OrgUnit
from tests.api.conftest import client_of
from tests.conftest import build_staff
from tests.crm.dealers import (
    BUYER,
    CODE,
    NOBODY,
    PHONE,
    Place,
    build_place,
    rows_of,
)

ROOT = "/api/v1/"


@pytest.fixture
def place(db: None, settings: Any, tmp_path: Any) -> Place:
    settings.DATA_DIR = tmp_path
    return build_place()


# -- selections, lists, rules


def run(client: Client, verb: str, target: Any, **asked: Any) -> dict[str, int]:
    """What came of a bulk job."""
    given = {"ids": "", "look": "", "target": target.pk, **asked}
    answer = client.post(reverse("admin:crm_member_bulk", args=[verb]), given)
    assert answer.status_code == 302, answer.content.decode()
    jobs.drain()
    return dict(Job.objects.latest("pk").result)


def test_a_selection_reaches_own_members_only_however_it_is_given(place: Place) -> None:
    client, own = place.login(), place.a.member("甲家的客")
    mine, theirs = rows_of(place.a), place.rows
    tagging.tag([place.theirs.pk], theirs["tag"], actor=theirs["staff"])
    SegmentMember.objects.create(segment=theirs["segment"], member=place.theirs)
    looks = [
        *(f"q={word}" for word in (PHONE, PHONE[-4:], BUYER, CODE, "乙家")),
        f"owner={theirs['staff'].pk}",
        f"store={place.b.unit.pk}",
        f"account={place.b.account.pk}",
        f"segment={theirs['segment'].pk}",
        f"reach=through-{place.b.account.pk}",
        *(f"{key}={theirs['tag'].pk}" for key in ("tags_any", "tags_all", "tags_none")),
    ]
    tags = reverse("admin:crm_member_bulk", args=["tag"])
    for look in looks:
        asked = {"preview": "1", "all": "1", "look": look, "target": mine["tag"].pk}
        assert client.get(tags, asked).context["preview"].looked_at == 0, look
    assert run(client, "tag", mine["tag"], all="1", look=looks[0]) == {
        "bulk_changed": 0
    }
    ids = ",".join(map(str, (own.pk, place.theirs.pk, NOBODY)))
    targets = {"tag": mine["tag"], "assign": place.dealer, "list": mine["segment"]}
    for verb, target in targets.items():
        done = run(client, verb, target, ids=ids)
        assert done == {"bulk_changed": 1, "bulk_outside": 2}, verb
    before = Job.objects.count()
    named = {"tag": "tag", "untag": "tag", "assign": "staff", "list": "segment"}
    for verb, name in named.items():
        address = reverse("admin:crm_member_bulk", args=[verb])
        given = {"ids": str(own.pk), "look": "", "target": theirs[name].pk}
        assert client.post(address, given).status_code == 409, verb
    assert Job.objects.count() == before
    place.theirs.refresh_from_db()
    assert place.theirs.owner is None
    assert MemberTag.objects.filter(member=place.theirs).count() == 1
    assert not SegmentMember.objects.filter(
        segment=mine["segment"], member=place.theirs
    ).exists()


def test_a_list_takes_nobody_of_another_dealer_by_any_name(place: Place) -> None:
    client, segment = place.login(), rows_of(place.a)["segment"]
    address = reverse("admin:crm_segment_people", args=[segment.pk])
    ids = place.theirs.identities.values_list("value", flat=True)
    named = [str(place.theirs.pk), f"#{place.theirs.pk}", PHONE, *ids]
    answer = client.post(address, {"people": "\n".join([*named, str(NOBODY)])})
    assert answer.context["told"].unknown == [*named, str(NOBODY)]
    SegmentMember.objects.create(segment=place.rows["segment"], member=place.theirs)
    client.post(address, {"remove": str(place.theirs.pk)})
    assert [row.segment for row in SegmentMember.objects.all()] == [
        place.rows["segment"]
    ]


def rules(of: str, pk: int) -> list[dict[str, Any]]:
    """Conditions that name a row."""
    count = {"on": "orders", "measure": "count", "is": "gte", "value": 0}
    return {
        "tag": [{"on": "tags", "none": [pk]}, {"on": "tags", "any": [pk]}],
        "account": [
            {"on": "identity", "kind": "openid", "account": pk},
            {"on": "reachable", "account": pk},
        ],
        "colleague": [{"on": "relation", "colleagues": [pk]}],
        "unit": [{"on": "store", "units": [pk]}],
        "staff": [{"on": "owner", "is": "in", "staff": [pk]}],
        "segment": [
            {"on": "segment", "segment": pk, "in": True},
            {"on": "segment", "segment": pk, "in": False},
        ],
        "product": [{**count, "products": [pk]}],
        "category": [{**count, "categories": [pk]}],
    }[of]


def test_a_rule_that_names_their_rows_is_refused_as_one_that_names_nothing(
    place: Place,
) -> None:
    builder = reverse("admin:crm_segment_estimate")
    clients = (place.login(), place.login("store_manager", place.store))
    for of in ("tag", "account", "colleague", "unit", "staff", "segment"):
        for number, rule in enumerate(rules(of, place.rows[of].pk)):
            told = [
                client.post(
                    builder,
                    {"rule": {"not": each}, "controller": place.b.unit.pk},
                    "application/json",
                ).json()
                for each in (rule, rules(of, NOBODY)[number])
                for client in clients
            ]
            assert told[0] == told[1] == told[2] == told[3], rule
            assert told[0]["problems"], rule


def test_segments_over_rest_name_no_row_of_another_dealer(place: Place) -> None:
    api = place.api()
    segment = place.a.segment(place.a.member())
    for of in ("product", "category", "tag", "segment"):
        for address in ("segments/estimate", "segments"):
            told = []
            for pk in (place.rows[of].pk, NOBODY):
                body = {"rule": rules(of, pk)[0]}
                body |= {} if "estimate" in address else {"name": "甲"}
                answer = api.post(ROOT + address, body, format="json")
                told.append((answer.status_code, answer.content))
            assert told[0] == told[1], address
            assert told[0][0] == 400
    for unit in (place.b.unit.pk, NOBODY):
        body = {"rule": {}, "org_unit": unit}
        answer = api.post(f"{ROOT}segments/estimate", body, format="json")
        assert answer.status_code == 400
    for member in (place.theirs.pk, NOBODY):
        why = api.get(f"{ROOT}segments/{segment.pk}/why", {"member": member})
        assert why.status_code == 404
    # Told in the list of one's own segment, their member would show.
    SegmentMember.objects.create(segment=segment, member=place.theirs)
    inside = api.get(f"{ROOT}segments/{segment.pk}/members").json()["results"]
    assert place.theirs.pk not in [row["id"] for row in inside]


# -- orders and members over REST


def test_an_order_never_finds_their_member_store_account_or_product(
    place: Place,
) -> None:
    api, path = place.api(), f"{ROOT}orders"
    told = {"shop": "mini", "code": CODE, "placed_at": "2026-11-11T10:00:00+08:00"}
    ids = dict(place.theirs.identities.values_list("kind", "value"))
    buyer = {"buyer": BUYER, "phone": PHONE, "unionid": ids["unionid"]}
    answer = api.post(path, told | {"buyer": buyer, "amount": "1.00"}, format="json")
    assert (answer.status_code, answer.json()["member"]) == (201, None)
    assert Order.objects.filter(code=CODE).count() == 2
    refused = {
        "store": ({"store": place.b.unit.pk}, {"store": NOBODY}),
        "account": (
            {"buyer": {"account": "dealer-b", "openid": ids["openid"]}},
            {"buyer": {"account": "dealer-0", "openid": ids["openid"]}},
        ),
        "product": tuple(
            {"items": [{"product": code, "quantity": 1, "amount": "1.00"}]}
            for code in (place.rows["product"].code, "P-dealer-0")
        ),
    }
    for name, pair in refused.items():
        answers = [
            api.post(path, told | {"code": "N1", **body}, format="json")
            for body in pair
        ]
        assert [each.status_code for each in answers] == [409, 409], name
        words = [json.dumps(each.json(), ensure_ascii=False) for each in answers]
        for own, word in ((place.b.unit.pk, NOBODY), ("dealer-b", "dealer-0")):
            words[0] = words[0].replace(str(own), str(word))
        assert words[0] == words[1], name
    held = {"shop": "mini", "code": "C1", "expires_at": "2026-12-31T10:00:00+08:00"}
    coupon = api.post(f"{ROOT}coupons", held | {"buyer": buyer}, format="json")
    assert (coupon.status_code, coupon.json()["member"]) == (201, None)
    Coupon.objects.create(
        controller=place.b.unit, member=place.theirs, **held | {"code": "C2"}
    )
    assert [row["code"] for row in api.get(f"{ROOT}coupons").json()["results"]] == [
        "C1"
    ]
    of_theirs = api.get(f"{ROOT}coupons", {"member": place.theirs.pk})
    assert of_theirs.json()["results"] == []
    for query in ({"member": place.theirs.pk}, {"code": CODE}):
        found = api.get(path, query).json()["results"]
        assert all(row["member"] is None for row in found)
    for value in ids.values():
        found = api.get(f"{ROOT}members", {"identity": value}).json()["results"]
        assert found == []
    place.theirs.refresh_from_db()
    assert place.theirs.orders.count() == 1


def test_a_store_does_not_take_over_an_order_of_another_store(place: Place) -> None:
    other = OrgUnit.objects.create(name="另一店", kind="store", parent=place.a.unit)
    order = place.a.order(code="S1", org_unit=other, amount=100)
    below = client_of(build_staff("dealer", org_unit=place.store))
    body = {"shop": "mini", "code": "S1", "placed_at": "2026-11-11T10:00:00+08:00"}
    answer = below.post(f"{ROOT}orders", body | {"amount": "1.00"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "order_of_other_store")
    order.refresh_from_db()
    assert (order.org_unit, order.amount) == (other, 100)


# -- pages about one member


def test_pages_about_a_member_take_no_row_of_another_dealer(place: Place) -> None:
    client, own, theirs = place.login(), place.a.member("甲客"), place.rows

    def post(address: str, *args: Any, **data: Any) -> Any:
        return client.post(reverse(f"admin:crm_{address}", args=args), data)

    named = {"owner": theirs["staff"].pk, "org_unit": theirs["unit"].pk}
    edited = post("member_edit", own.pk, **named)
    assert set(edited.context["form"].errors) == set(named)
    post("member_tags", own.pk, add=theirs["tag"].pk)
    post("member_consent", own.pk, subject=f"topic:{theirs['topic'].pk}", key="0" * 32)
    pair = {"member": own.pk, "other": place.theirs.pk, "keep": own.pk, "why": "x"}
    assert post("merge_new", **pair).status_code == 404
    assert post("merge_new", **(pair | {"member": place.theirs.pk})).status_code == 404
    review = MatchReview.objects.create(
        controller=place.a.unit, first=own, second=place.a.member()
    )
    decided = post("matchreview_decide", review.pk, keep=place.theirs.pk)
    assert decided.status_code == 404
    view = saved_views.save("crm.member", "乙的", "q=x", actor=theirs["staff"])
    renamed = post("member_saved_view", view.pk, do="rename", name="甲的")
    assert renamed.status_code == 404
    note = Note.objects.create(member=place.theirs, staff=theirs["staff"], text="x")
    assert post("member_notes", own.pk, remove=note.pk).status_code == 404
    assert post("member_notes", own.pk, note=note.pk, text="y").status_code == 404
    own.refresh_from_db()
    assert (own.owner, own.org_unit) == (None, None)
    assert not MemberTag.objects.exists()
    assert not ConsentEntry.objects.exists()
    assert Note.objects.filter(pk=note.pk).exists()


def test_an_import_reads_nothing_of_another_dealer(place: Place) -> None:
    client, theirs = place.login(), place.rows
    file = SimpleUploadedFile("m.csv", f"手机号,姓名\n{PHONE},丙\n".encode())
    client.post(reverse("admin:crm_imports"), {"kind": "members", "file": file})
    batch = Import.objects.get()
    act = reverse("admin:crm_import_act", args=[batch.pk])
    columns = {"act": "assign", "c0": "phone", "c1": "name"}
    options = {
        "account": theirs["account"],
        "wecom_account": theirs["account"],
        "tag_group": theirs["group"],
        "category": theirs["category"],
    }
    for name, row in options.items():
        assert client.post(act, columns | {name: row.pk}).status_code == 404, name
    client.post(act, columns)
    batch.refresh_from_db()
    assert batch.foreseen["new"] == 1
    client.post(act, {"act": "begin"})
    jobs.drain()
    place.theirs.refresh_from_db()
    assert place.theirs.display_name == "乙家的客"
    assert Member.objects.get(display_name="丙").controller == place.a.unit
    assert not MatchReview.objects.exists()
