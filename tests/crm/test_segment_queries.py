"""What a rule means in the database, and for one member in Python: the same people."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.db import connection

from crm import segments
from crm.models import Category, Member, Product
from crm.segments import evaluating, facts, tree
from tests.conftest import build_staff
from tests.crm.segment_worlds import NOW, Rules, build_world
from tests.crm.value_worlds import add_member, add_order, stock

pytestmark = pytest.mark.django_db

RULES = 1_000
AT_ONCE = 20


def test_a_thousand_random_rules_mean_the_same_people_in_sql_and_in_python() -> None:
    world = build_world()
    members = Member.objects.filter(controller=world.brand)
    known = facts.load(list(members))
    moment = evaluating.Moment(NOW, world.paths)
    rules = Rules(world, seed=20260301)
    sizes = set()
    for _batch in range(RULES // AT_ONCE):
        given = [rules.rule() for _ in range(AT_ONCE)]
        nodes = [tree.read(rule)[0] for rule in given]
        queries = [
            segments.members_of(node, world.brand, now=NOW).order_by().values_list("pk")
            for node in nodes
        ]
        found = _together(queries)
        for rule, node, ids in zip(given, nodes, found, strict=True):
            expected = {
                pk for pk, each in known.items() if evaluating.is_in(node, each, moment)
            }
            assert ids == expected, rule
            sizes.add(len(ids))
    # Not a comparison of nobody with nobody.
    assert len(sizes) > 40


def _together(queries: list) -> list[set[int]]:
    """The ids each query finds, asked in one statement."""
    texts, params = [], []
    for query in queries:
        text, values = query.query.sql_with_params()
        texts.append(f"ARRAY({text})")
        params += values
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(texts)}", params)
        return [set(ids) for ids in cursor.fetchone()]


def test_a_category_of_ones_own_stands_for_the_shared_one_with_its_code(
    world: SimpleNamespace,
) -> None:
    shop = stock(world)
    own = Category.objects.create(controller=shop.brand, code="beauty", name="护肤")
    buyers = [add_member(shop), add_member(shop)]
    for member, code in zip(buyers, ("beauty", "own"), strict=True):
        shop.products["own"] = Product.objects.get_or_create(
            controller=shop.brand, code="own", name="own", category=own
        )[0]
        add_order(shop, member, NOW, items={code: 100})
    add_order(shop, add_member(shop), NOW, items={"apparel": 100})
    moment, known = evaluating.Moment(NOW), facts.load(buyers)
    for category in (own, shop.categories["beauty"]):
        rule = {"on": "orders", "measure": "count", "is": "gte", "value": 1}
        node = segments.parse(
            rule | {"categories": [category.pk]}, controller=shop.brand
        )
        assert set(segments.members_of(node, shop.brand, now=NOW)) == set(buyers)
        assert all(evaluating.is_in(node, each, moment) for each in known.values())
    maker = build_staff("ops_manager", org_unit=shop.brand)
    offered = segments.options("category", shop.brand, maker)["rows"]
    ids = [row["id"] for row in offered]
    assert own.pk in ids
    assert shop.categories["beauty"].pk not in ids
