"""Rules of audiences: any JSON is one or is refused; they mean whom they say."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from django.utils import timezone, translation
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import audience, exclusions
from crm.models import Member, Tag
from staff.models import OrgUnit
from tests.campaigns.audiences import build_audience, draft, is_meant, make_member, put
from tests.campaigns.returning import build_side
from tests.conftest import build_staff


@pytest.fixture
def world(db):
    return build_audience()


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(audience.FIELDS) | st.text(max_size=6), inner, max_size=6
        )
    ),
    max_leaves=12,
)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rule=anything)
def test_any_json_is_a_rule_or_is_refused_in_words(world, rule):
    try:
        found = audience.parse(rule, account=world.account)
    except audience.AudienceInvalid:
        return
    assert audience.parse(found.as_json(), account=world.account) == found
    assert audience.members_of(found, world.account).count() == 0


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ([], "条件对象"),
        ({"tag": 1}, "tag"),
        ({"tags_any": [True]}, "编号"),
        ({"tags_any": list(range(1, 60))}, "50"),
        ({"tags_any": [2**63]}, "编号"),
        ({"tags_any": [987654321]}, "不存在"),
        ({"stages": ["vip"]}, "阶段"),
        ({"seen_within_days": 0}, "3650"),
        ({"seen_within_days": 1.5}, "3650"),
        ({"seen_within_days": 7, "not_seen_within_days": 30}, "不可能"),
    ],
)
def test_what_is_wrong_is_said(world, rule, words):
    with translation.override("zh-hans"), pytest.raises(audience.AudienceInvalid) as e:
        audience.parse(rule, account=world.account)
    assert words in " ".join(e.value.problems)


def test_a_tag_wanted_and_refused_is_a_contradiction(world):
    tag = world.tags[0].pk
    for wanted in ("tags_any", "tags_all"):
        with pytest.raises(audience.AudienceInvalid):
            audience.parse({wanted: [tag], "tags_none": [tag]}, account=world.account)


def test_tags_of_another_controller_do_not_exist_in_a_rule(world):
    other = build_side("dealer", world.side.unit)
    tag = Tag.objects.create(
        group=world.tags[0].group, name="甲的", controller=other.unit
    )
    with pytest.raises(audience.AudienceInvalid):
        audience.parse({"tags_any": [tag.pk]}, account=world.account)
    assert audience.parse({"tags_any": [tag.pk]}, account=other.account)


def random_rule(draw, tags):
    rule = {}
    for name in audience.TAG_FIELDS:
        if draw.random() < 0.5:
            rule[name] = draw.sample(tags, draw.randint(0, 3))
    if draw.random() < 0.4:
        rule["stages"] = draw.sample(Member.Stage.values, draw.randint(0, 3))
    for name in audience.DAY_FIELDS:
        if draw.random() < 0.4:
            rule[name] = draw.choice([1, 7, 30, 90])
    return rule


def test_200_random_rules_mean_the_same_people_as_plain_python(world):
    draw = random.Random(20261123)
    now = timezone.now()
    tags = [tag.pk for tag in world.tags]
    for _number in range(30):
        seen = now - timedelta(days=draw.choice([0, 3, 10, 40, 100]), minutes=1)
        member = make_member(
            world.side, stage=draw.choice(Member.Stage.values), last_seen_at=seen
        )
        put(member, *draw.sample(world.tags, draw.randint(0, 3)))
    everybody = {
        member: {row.tag_id for row in member.member_tags.all()}
        for member in Member.objects.prefetch_related("member_tags")
    }
    judged = 0
    for _number in range(200):
        rule = random_rule(draw, tags)
        try:
            found = audience.parse(rule, account=world.account)
        except audience.AudienceInvalid:
            continue
        rows = audience.members_of(found, world.account, now=now)
        expected = {m.pk for m, has in everybody.items() if is_meant(m, has, rule, now)}
        assert set(rows.values_list("pk", flat=True)) == expected, rule
        judged += 1
    assert judged > 100


def test_the_look_ahead_counts_every_reason_and_names_a_few(world):
    staff = build_staff("ops_specialist", org_unit=world.side.unit)
    reached = [make_member(world.side) for _number in range(3)]
    make_member(world.side, is_following=False)
    make_member(world.side, opted_out_at=timezone.now())
    put(make_member(world.side), world.tags[3])

    found = audience.preview(draft(world.side), staff)

    assert (found.total, found.sendable, found.is_exact) == (6, 3, True)
    assert found.excluded == {"test_account": 1, "opted_out": 1, "unreachable": 1}
    assert {each.pk for each in found.sample} == {each.pk for each in reached}
    assert found.is_whole_base


def test_a_tagged_few_are_not_the_whole_base_but_nine_of_ten_are(world):
    staff = build_staff("ops_specialist", org_unit=world.side.unit)
    everybody = [make_member(world.side) for _number in range(10)]
    few, many = world.tags[:2]
    for member in everybody[:3]:
        put(member, few)
    for member in everybody[:9]:
        put(member, many)
    rules = [{"tags_any": [tag.pk]} for tag in (few, many)]
    found = [
        audience.preview(draft(world.side, audience=rule), staff) for rule in rules
    ]
    assert [each.is_whole_base for each in found] == [False, True]
    assert [each.sendable for each in found] == [3, 9]


def test_nobody_counts_members_outside_the_scope_of_campaign_or_planner(world):
    side = world.side
    dealer = build_side("dealer", side.unit)
    store = OrgUnit.objects.create(name="店", kind="store", parent=side.unit)
    make_member(side)
    make_member(side, org_unit=store)
    make_member(dealer)
    touch = draft(side)

    of_brand = build_staff("ops_specialist", org_unit=side.unit)
    of_store = build_staff("ops_specialist", org_unit=store)
    assert audience.preview(touch, of_brand).total == 2
    assert audience.preview(touch, of_store).total == 1
    nobody = build_staff("ops_specialist", org_unit=None)
    assert audience.preview(touch, nobody).total == 0
    side.campaign.org_unit = store
    side.campaign.save()
    touch.refresh_from_db()
    assert audience.preview(touch, of_brand).total == 1


def test_a_count_that_takes_too_long_is_told_as_about(world, monkeypatch):
    staff = build_staff("ops_specialist", org_unit=world.side.unit)
    for _number in range(5):
        make_member(world.side)
    slow = "FROM judged CROSS JOIN pg_sleep(0.3)"
    text = exclusions._FIRST_OF_PERSON.replace("FROM judged", slow)
    monkeypatch.setattr(exclusions, "_FIRST_OF_PERSON", text)
    monkeypatch.setattr(audience, "EXACT_MILLISECONDS", 50)
    found = audience.preview(draft(world.side), staff)
    assert (found.total, found.sendable, found.is_exact) == (5, 5, False)
