"""Any JSON as the rule of a segment is a query that runs, or a 400 that says where."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm import segments
from crm.segments.conditions import CONDITIONS

ESTIMATE = "/api/v1/segments/estimate"
EXAMPLES = 60

words = st.sampled_from(
    [*CONDITIONS, "all", "any", "not", "on", "is", "in", "value", "to", "where", "key"]
) | st.text(max_size=6)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | words
)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4)
    ),
    max_leaves=10,
)


def nearly_right(seed: int, odd: Any) -> dict[str, Any]:
    """A condition as the catalogue describes it, one value of it replaced by `odd`."""
    draw = random.Random(seed)
    kind = draw.choice(list(CONDITIONS.values()))
    found: dict[str, Any] = {"on": kind.on}
    plain = {"id": 1, "ids": [1, 2], "whole": 7, "wholes": [2], "number": 2.5}
    plain |= {"text": "a", "texts": ["a", "%"], "flag": True, "date": "2026-02-28"}
    plain |= {"where": [{"key": "n", "is": "gte", "value": 1}]}
    for param in kind.params:
        if param.is_required or draw.random() < 0.5:
            known = param.known()
            value = draw.choice(known) if known else plain[param.form]
            found[param.name] = [value] if param.form == "choices" else value
    found[draw.choice([*found, "on", "more"])] = odd
    return draw.choice([found, {"not": found}, {"any": [found, {"all": [found]}]}])


rules = anything | st.builds(nearly_right, st.integers(0, 9999), anything | scalars)


@pytest.fixture
def manager(api, brand):
    return api("ops_manager", brand)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rule=rules)
def test_any_json_is_a_query_or_a_400(manager, brand, rule):
    answer = manager.post(ESTIMATE, {"rule": rule}, format="json")

    if answer.status_code == 200:
        node = segments.parse(rule, controller=brand.unit)
        assert segments.parse(segments.as_rule(node), controller=brand.unit) == node
        assert answer.json()["total"] >= 0
    else:
        assert answer.status_code == 400, answer.content
        assert answer.json()["code"] in ("segment_invalid", "bad_input", "invalid")
