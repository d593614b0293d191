"""The one rule of who is meant, and that both ways of asking it agree."""

from __future__ import annotations

import random
from itertools import pairwise
from types import SimpleNamespace

import pytest

from crm import evidence, matching
from crm.evidence import PHONE, STRENGTH, Decision, Key
from crm.exchange import known
from crm.models import Identity
from crm.phones import phone_digest
from tests.crm.test_matching import identify, make


@pytest.mark.parametrize(("strong", "weak"), list(pairwise((*STRENGTH, PHONE))))
def test_the_stronger_decides_and_the_weaker_is_asked_about(
    strong: str, weak: str
) -> None:
    one, other = Key(strong, 1, "a"), Key(weak, 1, "b")
    decision = evidence.decide([other, one], {one: [1], other: [2]}, {})
    assert decision == Decision(1, strong, others=((2, (weak,)),))


@pytest.mark.parametrize(
    ("same", "held", "ids", "expected"),
    [
        ([1], "", "", Decision(1, PHONE)),
        ([1], "u", "", Decision(1, PHONE)),
        ([1], "", "v", Decision(1, PHONE)),
        ([1], "u", "v", Decision(sharing=(1,))),
        ([1, 2], "", "", Decision(sharing=(1, 2), is_undecided=True)),
        ([1, 2], "", "v", Decision(sharing=(1, 2), is_undecided=True)),
        ([1, 2], "u", "v", Decision(sharing=(1, 2))),
        ([1, 2, 3], "", "", Decision(sharing=(1, 2, 3), is_undecided=True)),
        ([1, 2, 3], "", "v", Decision(sharing=(1, 2, 3))),
    ],
)
def test_a_number_decides_when_one_has_it_and_nothing_contradicts(
    same: list[int], held: str, ids: str, expected: Decision
) -> None:
    """`held`: the UnionID all of them have; `ids`: the one that is told."""
    phone = Key(PHONE, None, "p")
    keys = [phone, *(Key("unionid", None, each) for each in ids)]
    theirs = {member: {Key("unionid", None, each) for each in held} for member in same}
    assert evidence.decide(keys, {phone: same}, theirs) == expected


def _people(world: SimpleNamespace, dice: random.Random) -> None:
    for unit, count in ((world.brand, 14), (world.dealer, 4)):
        members = [
            make(unit, f"客{n}", dice.choice(["", *PHONES])) for n in range(count)
        ]
        for kind, account in _places(world):
            for number in range(4):
                if dice.random() < 0.8:
                    who = dice.choice(members)
                    identify(who, kind, f"{kind[0]}{number}", account)


PHONES = [f"1380000000{n}" for n in range(8)]


def _places(world: SimpleNamespace) -> list[tuple[str, object]]:
    return [
        ("unionid", None),
        ("openid", world.service),
        ("openid", world.sub),
        ("external_userid", world.wecom),
        ("buyer", None),
    ]


def test_one_person_and_the_rows_of_a_file_are_found_alike(
    world: SimpleNamespace,
) -> None:
    dice = random.Random(5)
    _people(world, dice)
    rows = [_row(world, dice) for _turn in range(60)]
    chunk = known.find(world.brand.pk, {key for row in rows for key in _keys(row)})
    seen = set()
    for row in rows:
        found = matching.find_by(world.brand, **row)
        verdict = known.judge(_keys(row), chunk)
        member = found.member.pk if found.member else None
        assert (verdict.member, verdict.decision.by) == (member, found.by), row
        others = {other for other, _kinds in verdict.decision.others}
        rivals = others if member else set(verdict.decision.sharing)
        assert rivals == {each.pk for each in found.conflicts}, row
        seen.add((found.by, bool(rivals), verdict.refusal))
    assert {by for by, _rivals, _refusal in seen} == {"", PHONE, *map(str, STRENGTH)}
    assert {("", True, "phone_shared"), ("", False, "")} <= seen


def _row(world: SimpleNamespace, dice: random.Random) -> dict[str, object]:
    account = dice.choice([world.service, world.sub, *[world.wecom] * 2])
    place = "external_userid" if account == world.wecom else "openid"
    told = {
        kind: f"{kind[0]}{dice.randrange(6)}" for kind in ("unionid", place, "buyer")
    }
    row: dict[str, object] = {
        kind: value for kind, value in told.items() if dice.random() < 0.3
    }
    if dice.random() < 0.7:
        row["phone"] = dice.choice(PHONES)
    return row | {"account": account}


def _keys(row: dict[str, object]) -> list[Key]:
    keys = []
    for kind, value in row.items():
        if kind == PHONE:
            keys.append(Key(PHONE, None, phone_digest(str(value))))
        elif kind != "account":
            is_placed = kind in ("openid", "external_userid")
            account = row["account"].pk if is_placed else None  # type: ignore[attr-defined]
            keys.append(Key(Identity.Kind(kind), account, str(value)))
    return keys
