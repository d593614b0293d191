"""Who may call what, and that nobody reaches rows of another controller or store."""

from __future__ import annotations

import pytest
from django.urls import get_resolver

from campaigns.models import Touch
from staff.models import OrgUnit
from staff.roles import ROLES
from tests.api.conftest import client_of, make_side

ROOT = "/api/v1/"
READ_MEMBERS = ("members", "members/{member}", "members/{member}/events")
READ_ORDERS = ("products", "orders", "orders/{order}", "coupons")
SELL = ("orders/{order}/refunds",)
READ_SEGMENTS = (
    *("segments", "segments/estimate", "segments/{segment}"),
    *("segments/{segment}/members", "segments/{segment}/why?member={member}"),
)
READ_TALK = (
    "conversations",
    "conversations/{conversation}",
    "conversations/{conversation}/messages",
)
READ_CONTENT = ("content/items", "content/items/{item}")
RECAP = ("campaigns/{campaign}/recap",)
GATEWAY = ("inbox", "outbox")
ANSWER = tuple(
    f"conversations/{{conversation}}/{verb}" for verb in ("claim", "reply", "close")
)
READ_CAMPAIGNS = (
    *("campaigns", "campaigns/{campaign}", "campaigns/{campaign}/touches"),
    "touches/{touch}/recipients",
)
BRAKE = tuple(f"touches/{{touch}}/{verb}" for verb in ("pause", "resume", "stop"))
EVERYTHING = {
    *(*READ_MEMBERS, *READ_TALK, *READ_CONTENT, *GATEWAY, *ANSWER, *RECAP),
    *(*READ_CAMPAIGNS, *BRAKE, *READ_ORDERS, *SELL, *READ_SEGMENTS),
    "accounts",
}
ALLOWED = {
    "administrator": EVERYTHING,
    "privacy_officer": {
        *(*READ_MEMBERS, *READ_SEGMENTS, *READ_ORDERS, *READ_CAMPAIGNS),
        "accounts",
    },
    "ops_specialist": {
        *READ_SEGMENTS,
        *(*READ_MEMBERS, *READ_ORDERS, *READ_CONTENT, *READ_CAMPAIGNS, *BRAKE, *RECAP),
        "accounts",
    },
    "community_manager": {
        *RECAP,
        *READ_SEGMENTS,
        *READ_MEMBERS,
        *READ_ORDERS,
        *READ_CONTENT,
        *READ_TALK,
        *ANSWER,
        *READ_CAMPAIGNS,
        *BRAKE,
        "accounts",
    },
    "agent": {*READ_MEMBERS, *READ_ORDERS, *READ_TALK, *ANSWER},
    "supervisor": {
        *(
            *READ_MEMBERS,
            *READ_ORDERS,
            *READ_CONTENT,
            *READ_TALK,
            *ANSWER,
            *READ_CAMPAIGNS,
        ),
        *RECAP,
    },
    "ops_manager": EVERYTHING - {*ANSWER},
    "store_manager": {
        *READ_SEGMENTS,
        *(
            *READ_MEMBERS,
            *READ_ORDERS,
            *READ_CONTENT,
            *READ_TALK,
            *ANSWER,
            *READ_CAMPAIGNS,
        ),
        *RECAP,
    },
    "dealer": EVERYTHING,
    "analyst": {
        *RECAP,
        *READ_SEGMENTS,
        *READ_MEMBERS,
        *READ_ORDERS,
        *READ_CONTENT,
        *READ_CAMPAIGNS,
        "accounts",
    },
}
POSTED = (*ANSWER, *BRAKE, *SELL, "segments/estimate")
REFUND = {"code": "R1", "amount": "1.00", "at": "2026-11-11T10:00:00+08:00"}
NOBODY = 999_999_999


@pytest.fixture
def store(brand):
    """A store of the brand with people of its own, on the brand's account."""
    return OrgUnit.objects.create(name="静安寺店", kind="store", parent=brand.unit)


def call(client, address, **ids):
    verb = client.post if address in POSTED else client.get
    extra = {"headers": {"Idempotency-Key": "k"}} if address.endswith("reply") else {}
    bodies = {"reply": {"text": "您好"}, "refunds": REFUND, "estimate": {"rule": {}}}
    body = bodies.get(address.rpartition("/")[2])
    return verb(ROOT + address.format(**ids), body, format="json", **extra)


def test_the_table_covers_every_role_and_every_address():
    assert set(ALLOWED) == {role.name for role in ROLES}
    named = {
        name
        for name in get_resolver("privatedomain.api").reverse_dict
        if isinstance(name, str)
    }
    assert len(named - {"schema"}) == len(EVERYTHING)


@pytest.mark.parametrize("role", ALLOWED)
def test_a_role_may_call_exactly_what_the_table_says(api, brand, role):
    client = api(role, brand, is_superuser=role == "administrator")
    makers = {
        "member": brand.member,
        "conversation": brand.conversation,
        "item": brand.item,
        "touch": brand.touch,
        "order": brand.order,
        "segment": brand.segment,
    }
    ids = {name: make().pk for name, make in makers.items()}
    ids["campaign"] = Touch.objects.get(pk=ids["touch"]).campaign_id
    refused, allowed = set(), set()

    for address in EVERYTHING:
        # What is done to a row must not hide what the next address answers.
        fresh = {
            name: make().pk
            for name, make in makers.items()
            if address in POSTED and f"{{{name}}}" in address
        }
        answer = call(client, address, **ids | fresh)
        (refused if answer.status_code == 403 else allowed).add(address)
        assert answer.status_code in {200, 201, 403, 409}, address

    assert allowed == ALLOWED[role]
    assert refused == EVERYTHING - ALLOWED[role]


@pytest.mark.parametrize("role", ["dealer", "agent", "supervisor", "ops_manager"])
@pytest.mark.parametrize("is_upward", [False, True])
def test_rows_of_another_controller_are_not_there(
    api, brand, dealer, role, is_upward, make_staff
):
    ours, theirs = (dealer, brand) if is_upward else (brand, dealer)
    client = api(role, ours)
    refuse_rows_of(client, role, theirs, make_staff(None, org_unit=theirs.unit))


@pytest.mark.parametrize("role", ["store_manager", "agent"])
def test_a_store_does_not_reach_the_members_of_the_brand_or_of_another_store(
    brand, store, role, make_staff
):
    other = OrgUnit.objects.create(name="徐汇店", kind="store", parent=brand.unit)
    client = client_of(make_staff(role, org_unit=store))
    own = brand.member(org_unit=store)
    for member in (brand.member(), brand.member(org_unit=other)):
        conversation = brand.conversation(member)
        order = brand.order(member, org_unit=member.org_unit)
        assert call(client, "orders/{order}", order=order.pk).status_code == 404
        assert call(client, "members/{member}", member=member.pk).status_code == 404
        for address in (*READ_TALK[1:], *ANSWER):
            answer = call(client, address, conversation=conversation.pk)
            assert answer.status_code == 404, address
    rows = call(client, "members").json()["results"]
    assert [row["id"] for row in rows] == [own.pk]


def test_two_dealers_do_not_see_each_other(api, brand, dealer, make_staff):
    unit = OrgUnit.objects.create(
        name="另一家", kind="dealer", parent=brand.unit, is_separate_controller=True
    )
    second = make_side("second", unit)
    client = api("dealer", second)

    refuse_rows_of(client, "dealer", dealer, make_staff(None, org_unit=dealer.unit))


def refuse_rows_of(client, role, theirs, writer):
    """Every list is empty, every row of theirs looks like one that never was."""
    member = theirs.member()
    theirs.event(member)
    theirs.inbound()
    theirs.outbound(writer)
    conversation = theirs.conversation(member)
    touch = theirs.touch()
    order = theirs.order(member)
    ids = {
        "member": member.pk,
        "conversation": conversation.pk,
        "item": theirs.item().pk,
        "campaign": touch.campaign_id,
        "touch": touch.pk,
        "order": order.pk,
        "segment": theirs.segment(member).pk,
    }
    nobody = dict.fromkeys(ids, NOBODY)

    for address in ALLOWED[role]:
        answer = call(client, address, **ids)
        if "{" in address:
            assert answer.status_code == 404, address
            assert answer.content == call(client, address, **nobody).content
        elif address == "segments/estimate":
            assert answer.json()["total"] == 0
        else:
            shown = answer.json()["results"]
            assert all(row.get("slug") != theirs.account.slug for row in shown)
            assert address == "accounts" or shown == []
    conversation.refresh_from_db()
    assert conversation.state == "queued"
    assert not conversation.messages.exists()
