"""GET /api/v1/members and what hangs below a member."""

import pytest

from crm import tagging
from crm.models import Tag, TagGroup
from tests.api.conftest import NOON

MEMBERS = "/api/v1/members"


@pytest.fixture
def agent(api, brand):
    return api("agent", brand)


def test_a_member_is_told_with_all_identities(agent, brand):
    member = brand.member()
    openid, unionid = member.identities.order_by("id")

    answer = agent.get(f"{MEMBERS}/{member.pk}")

    assert answer.status_code == 200
    assert answer.json() == {
        "id": member.pk,
        "display_name": "林小满",
        "stage": "prospect",
        "rfm": "",
        "trust": "T0",
        "owner": None,
        "may_be_addressed": True,
        "tags": [],
        "identities": [
            {"kind": "openid", "account": "brand", "value": openid.value},
            {"kind": "unionid", "account": None, "value": unionid.value},
        ],
    }


def test_a_member_is_told_with_tags_owner_and_whether_they_may_be_addressed(
    agent, brand
):
    member = brand.member()
    group = TagGroup.objects.create(code="care", name="关怀")
    tag = Tag.objects.create(group=group, name="送礼")
    tagging.tag([member.pk], tag, actor=agent.person)
    member.owner, member.opted_out_at = agent.person, NOON
    member.save()

    told = agent.get(f"{MEMBERS}/{member.pk}").json()

    assert told["owner"] == agent.person.pk
    assert told["may_be_addressed"] is False
    assert [(each["id"], each["name"]) for each in told["tags"]] == [(tag.pk, "送礼")]


def test_a_member_is_found_by_any_whole_identity(agent, brand):
    wanted, _other = brand.member(), brand.member()

    for identity in wanted.identities.all():
        answer = agent.get(MEMBERS, {"identity": identity.value})
        assert [row["id"] for row in answer.json()["results"]] == [wanted.pk]
    part = wanted.identities.first().value[:-1]
    assert agent.get(MEMBERS, {"identity": part}).json()["results"] == []


def test_an_identity_known_to_both_controllers_finds_only_the_own_member(
    api, brand, dealer
):
    ours, theirs = brand.member(), dealer.member()
    theirs.identities.filter(kind="unionid").update(
        value=ours.identities.get(kind="unionid").value
    )
    value = ours.identities.get(kind="unionid").value

    for side, member in ((brand, ours), (dealer, theirs)):
        answer = api("supervisor", side).get(MEMBERS, {"identity": value})
        assert [row["id"] for row in answer.json()["results"]] == [member.pk]


def test_merged_members_are_not_told(agent, brand):
    kept, merged = brand.member(), brand.member()
    merged.merged_into = kept
    merged.save(update_fields=["merged_into"])

    assert [row["id"] for row in agent.get(MEMBERS).json()["results"]] == [kept.pk]
    assert agent.get(f"{MEMBERS}/{merged.pk}").status_code == 404


def test_events_come_latest_first_with_their_account(agent, brand):
    member = brand.member()
    first = brand.event(member, data={"scene": "qr"})
    second = brand.event(member)

    rows = agent.get(f"{MEMBERS}/{member.pk}/events").json()["results"]

    assert [row["id"] for row in rows] == [second.pk, first.pk]
    assert rows[1] == {
        "id": first.pk,
        "kind": "mp.followed",
        "at": rows[1]["at"],
        "account": "brand",
        "data": {"scene": "qr"},
    }


def test_events_of_one_moment_are_each_on_exactly_one_page(agent, brand):
    member = brand.member()
    ids = [brand.event(member, at=NOON).pk for _ in range(5)]

    seen, address = [], f"{MEMBERS}/{member.pk}/events?page_size=2"
    while address:
        page = agent.get(address).json()
        seen += [row["id"] for row in page["results"]]
        address = page["next"]

    assert seen == sorted(ids, reverse=True)


def test_no_phone_leaves_through_the_api(agent, brand):
    member = brand.member(real_name="林晓曼")
    for address in (MEMBERS, f"{MEMBERS}/{member.pk}"):
        text = agent.get(address).content.decode()
        assert "13800138000" not in text
        assert "林晓曼" not in text
