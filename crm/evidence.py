"""Whom ids and a phone mean: the one rule, for one person and for the rows of a file.

crm.matching and crm.exchange.known look up what it needs, each in its own way, and both
do what it decides (docs/adr/0014).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connection

from crm.models import Identity

PHONE = "phone"
# The strongest first: what platforms call somebody, then what a shop does. A phone is
# weaker than all of them.
STRENGTH = (
    Identity.Kind.UNIONID,
    Identity.Kind.EXTERNAL_USERID,
    Identity.Kind.OPENID,
    Identity.Kind.BUYER,
)
_RANK = {str(kind): rank for rank, kind in enumerate((*STRENGTH, PHONE))}
# Nobody has two of these at one place; a UnionID's place is the open platform.
_ONE_EACH = frozenset(str(kind) for kind in STRENGTH[:3])
# A number on more records than this is a shop's or a colleague's, not a person's.
SHARED_PHONE = 2


class Key(NamedTuple):
    """One thing somebody is known by; of a phone `value` is the keyed hash."""

    kind: str
    account: int | None
    value: str


@dataclass(frozen=True)
class Decision:
    """`member`: whom the strongest evidence names, `by` what; None when it names nobody.

    others: whom weaker evidence names instead, each with the kinds that do.
    sharing: who has the number, where it decides nothing.
    is_undecided: it may be one of those sharing the number, and nothing says which;
        without it, `member` None is somebody new.
    """

    member: int | None = None
    by: str = ""
    others: tuple[tuple[int, tuple[str, ...]], ...] = ()
    sharing: tuple[int, ...] = ()
    is_undecided: bool = False


def decide(
    keys: Collection[Key],
    named: Mapping[Key, Sequence[int]],
    held: Mapping[int, Collection[Key]],
) -> Decision:
    """Whom the keys mean.

    Args:
        keys: everything that is told of the person.
        named: the members each key leads to. An id that leads to several names nobody;
            of a phone at least SHARED_PHONE + 1 are looked up, in the order of age.
        held: the ids of the members a phone leads to.
    """
    found = [
        (key.kind, named[key][0])
        for key in sorted(keys, key=lambda key: _RANK[key.kind])
        if key.kind != PHONE and len(named.get(key, ())) == 1
    ]
    same = next((tuple(named.get(key, ())) for key in keys if key.kind == PHONE), ())
    same = same[: SHARED_PHONE + 1]
    if not found:
        return _by_phone([key for key in keys if key.kind != PHONE], same, held)
    by, member = found[0]
    if len(same) == 1:
        found.append((PHONE, same[0]))
    others: dict[int, list[str]] = {}
    for kind, other in found:
        if other != member:
            others.setdefault(other, []).append(str(kind))
    is_shared = len(same) == SHARED_PHONE and member not in same
    return Decision(
        member,
        str(by),
        tuple((other, tuple(kinds)) for other, kinds in others.items()),
        same if is_shared else (),
    )


def _by_phone(
    ids: list[Key], same: tuple[int, ...], held: Mapping[int, Collection[Key]]
) -> Decision:
    """Nobody has one of the ids: does the number say who it is?"""
    if len(same) > SHARED_PHONE:
        return Decision(sharing=same, is_undecided=not ids)
    if all(contradictions(ids, held.get(member, ())) for member in same):
        return Decision(sharing=same)
    if len(same) == 1:
        return Decision(same[0], PHONE)
    return Decision(sharing=same, is_undecided=True)


def contradictions(ids: Iterable[Key], held: Collection[Key]) -> dict[Key, str]:
    """Which of the ids can't be the holder's, who has another there: {id: why}."""
    places = {(key.kind, key.account) for key in held if key.kind in _ONE_EACH}
    return {
        key: against(key.kind)
        for key in ids
        if (key.kind, key.account) in places and key not in held
    }


def is_worth_asking(sharing: Collection[int]) -> bool:
    """Whether people are asked about who has the number, when one more has it."""
    return 0 < len(sharing) <= SHARED_PHONE


def against(kind: str) -> str:
    """The code (crm.merge_words) for two ids of the kind at one place."""
    return "unionid" if kind == Identity.Kind.UNIONID else "same_account"


def held_by(members: Collection[int]) -> dict[int, set[Key]]:
    """The ids the members are known by, in one statement."""
    found: dict[int, set[Key]] = defaultdict(set)
    if members:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT member_id, kind, account_id, value FROM crm_identity"
                " WHERE member_id = ANY(%s)",
                [list(members)],
            )
            for member, *key in cursor:
                found[member].add(Key(*key))
    return found
