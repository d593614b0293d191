"""Who rows are about: members found set-wise by what the platforms and people call them.

The same order of belief as crm.matching: an id of a platform or shop says who it is; a
phone does when exactly one member has it and no UnionID speaks against it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import connection

from crm.identities import digest
from crm.models import Identity, MatchReview, Tombstone

PHONE = "phone"


class Key(NamedTuple):
    """One thing somebody is known by; of a phone `value` is the keyed hash."""

    kind: str
    account: int | None
    value: str


@dataclass
class Known:
    """Whom the keys of a chunk lead to."""

    identities: dict[Key, int] = field(default_factory=dict)
    phones: dict[str, list[int]] = field(default_factory=dict)
    # Of members found by phone only, which of them the phone alone must not join.
    unionids: dict[int, set[str]] = field(default_factory=dict)
    gone: set[Key] = field(default_factory=set)


class Verdict(NamedTuple):
    """`member` None: nobody yet. `pairs`: doubts (one, other or None for the new one)."""

    member: int | None
    refusal: str = ""
    doubt: str = ""
    rivals: tuple[int, ...] = ()
    against: tuple[str, ...] = ()


def find(controller: int, keys: Collection[Key]) -> Known:
    """Look all keys up inside the data controller, in three statements."""
    known = Known()
    ids = [key.value for key in keys if key.kind != PHONE]
    phones = [key.value for key in keys if key.kind == PHONE]
    with connection.cursor() as cursor:
        if ids:
            _find_identities(cursor, controller, ids, known)
        if phones:
            _find_phones(cursor, controller, phones, known)
    _find_gone(controller, keys, known)
    return known


def _find_identities(
    cursor: Any, controller: int, ids: list[str], known: Known
) -> None:
    cursor.execute(
        "SELECT kind, account_id, value, member_id FROM crm_identity"
        " WHERE controller_id = %s AND value = ANY(%s)",
        [controller, ids],
    )
    for kind, account, value, member in cursor:
        known.identities[Key(kind, account, value)] = member


def _find_phones(cursor: Any, controller: int, phones: list[str], known: Known) -> None:
    cursor.execute(
        "SELECT id, phone_hash FROM crm_member WHERE phone_hash = ANY(%s)"
        " AND phone_hash <> '' AND controller_id = %s"
        " AND merged_into_id IS NULL AND purged_at IS NULL ORDER BY id",
        [phones, controller],
    )
    found = defaultdict(list)
    for member, phone in cursor:
        found[phone].append(member)
    known.phones = dict(found)
    members = [member for each in found.values() for member in each]
    if not members:
        return
    cursor.execute(
        "SELECT member_id, value FROM crm_identity"
        " WHERE member_id = ANY(%s) AND kind = %s",
        [members, Identity.Kind.UNIONID],
    )
    for member, value in cursor:
        known.unionids.setdefault(member, set()).add(value)


def _find_gone(controller: int, keys: Collection[Key], known: Known) -> None:
    tombs = Tombstone.objects.filter(controller_id=controller)
    if not tombs.exists():
        return
    fresh = {
        digest(*key): key
        for key in keys
        if key.kind != PHONE and key not in known.identities
    }
    found = tombs.filter(digest__in=list(fresh)).values_list("digest", flat=True)
    known.gone = {fresh[each] for each in found}


def judge(keys: Iterable[Key], known: Known) -> Verdict:
    """Whom the keys of one row mean."""
    keys = list(keys)
    if any(key in known.gone for key in keys):
        return Verdict(None, refusal="purged")
    by_id = {known.identities[key] for key in keys if key in known.identities}
    phone = next((key.value for key in keys if key.kind == PHONE), None)
    by_phone = known.phones.get(phone or "", [])
    if len(by_id) > 1:
        return Verdict(None, refusal="two_members", rivals=tuple(sorted(by_id)))
    if by_id:
        member = by_id.pop()
        rivals = tuple(each for each in by_phone if each != member)
        doubt = "phone_of_other" if rivals and member not in by_phone else ""
        return Verdict(member, doubt=doubt, rivals=rivals if doubt else ())
    if len(by_phone) > 1:
        return Verdict(None, refusal="two_members", rivals=tuple(by_phone))
    if not by_phone:
        return Verdict(None)
    unionids = {key.value for key in keys if key.kind == Identity.Kind.UNIONID}
    other = known.unionids.get(by_phone[0], set())
    if unionids and other and not unionids & other:
        rivals, against = (by_phone[0],), ("unionid",)
        return Verdict(None, doubt="phone_of_other", rivals=rivals, against=against)
    return Verdict(by_phone[0])


def raise_doubts(controller: int, pairs: Iterable[tuple[int, int, Any]]) -> None:
    """Put pairs (one, other, against) on the list of possible duplicates, each once."""
    MatchReview.objects.bulk_create(
        [
            MatchReview(
                controller_id=controller,
                first_id=min(one, other),
                second_id=max(one, other),
                evidence={"for": ["phone"], "against": list(against)},
            )
            for one, other, against in pairs
            if one != other
        ],
        ignore_conflicts=True,
    )
