"""Who rows are about: members found set-wise by what platforms and people call them.

crm.evidence decides, as it does for one person (crm.matching); here is the looking up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import connection

from crm import evidence
from crm.evidence import PHONE, Decision, Key
from crm.exchange.people import Person
from crm.identities import digest
from crm.matching import Doubt, phone_doubts
from crm.models import Tombstone


@dataclass
class Known:
    """Whom the keys of a chunk lead to, and what else those are known by."""

    members: dict[Key, list[int]] = field(default_factory=dict)
    held: dict[int, set[Key]] = field(default_factory=dict)
    gone: set[Key] = field(default_factory=set)

    def common(self) -> set[Key]:
        """Numbers so many have that they say nothing."""
        return {
            key
            for key, members in self.members.items()
            if key.kind == PHONE and len(members) > evidence.SHARED_PHONE
        }

    def gave(self, member: int, person: Person) -> None:
        """The member gets the ids of these rows: rows that follow may mean them too."""
        ids = {key for key in person.keys.values() if key.kind != PHONE}
        ids -= person.foreign
        self.held.setdefault(member, set()).update(ids)
        for key in ids:
            self.members.setdefault(key, [member])


class Verdict(NamedTuple):
    """Whom a row means; `member` None: somebody new, or `refusal` says why nobody.

    foreign: ids of the row that are somebody else's, or can't be this member's.
    """

    decision: Decision
    member: int | None = None
    refusal: str = ""
    foreign: frozenset[Key] = frozenset()

    def doubts(self) -> list[str]:
        """Codes of what the importer should know although the row is applied."""
        found = []
        kinds = {kind for _other, named_by in self.decision.others for kind in named_by}
        if kinds - {PHONE}:
            found.append("ids_of_two")
        elif kinds or evidence.is_worth_asking(self.decision.sharing):
            found.append("phone_of_other")
        if self.foreign and not kinds - {PHONE}:
            found.append("id_not_taken")
        return found

    def asks_of_refused(self) -> list[Doubt]:
        """Who shares the number of a row that says nothing else."""
        one, *others = self.decision.sharing or (0,)
        if not others or not evidence.is_worth_asking(self.decision.sharing):
            return []
        return phone_doubts(one, others)

    def asks(self, member: int) -> list[Doubt]:
        """Pairs for the review list, once the row's `member` is known."""
        one = self.decision.member or member
        named = [Doubt(one, *other) for other in self.decision.others]
        return named + phone_doubts(one, self.decision.sharing)


_NEW = Verdict(Decision())


def find(controller: int, keys: Collection[Key]) -> Known:
    """Look all keys up inside the data controller, in four statements."""
    known = Known()
    ids = [key.value for key in keys if key.kind != PHONE]
    phones = [key.value for key in keys if key.kind == PHONE]
    with connection.cursor() as cursor:
        if ids:
            _find_ids(cursor, controller, ids, known)
        if phones:
            _find_phones(cursor, controller, phones, known)
    known.held = evidence.held_by(
        {pk for each in known.members.values() for pk in each}
    )
    _find_gone(controller, keys, known)
    return known


def _find_ids(cursor: Any, controller: int, ids: list[str], known: Known) -> None:
    cursor.execute(
        "SELECT kind, account_id, value, member_id FROM crm_identity"
        " WHERE controller_id = %s AND value = ANY(%s)",
        [controller, ids],
    )
    for kind, account, value, member in cursor:
        known.members[Key(kind, account, value)] = [member]


def _find_phones(cursor: Any, controller: int, phones: list[str], known: Known) -> None:
    cursor.execute(
        "SELECT id, phone_hash FROM crm_member WHERE phone_hash = ANY(%s)"
        " AND phone_hash <> '' AND controller_id = %s"
        " AND merged_into_id IS NULL AND purged_at IS NULL ORDER BY id",
        [phones, controller],
    )
    for member, phone in cursor:
        found = known.members.setdefault(Key(PHONE, None, phone), [])
        # Beyond that a number says nothing, whoever else has it.
        if len(found) <= evidence.SHARED_PHONE:
            found.append(member)


def _find_gone(controller: int, keys: Collection[Key], known: Known) -> None:
    tombs = Tombstone.objects.filter(controller_id=controller)
    if not tombs.exists():
        return
    fresh = {
        digest(*key): key
        for key in keys
        if key.kind != PHONE and key not in known.members
    }
    found = tombs.filter(digest__in=list(fresh)).values_list("digest", flat=True)
    known.gone = {fresh[each] for each in found}


def judge(keys: Iterable[Key], known: Known) -> Verdict:
    """Whom the keys of one row mean."""
    keys = list(keys)
    if any(key in known.gone for key in keys):
        return Verdict(Decision(), refusal="purged")
    if not any(key in known.members for key in keys):
        return _NEW  # the rule says the same, and most rows are of that kind
    decision = evidence.decide(keys, known.members, known.held)
    if decision.is_undecided:
        return Verdict(decision, refusal="phone_shared")
    member = decision.member
    return Verdict(decision, member, foreign=foreign(keys, member, known))


def foreign(keys: Iterable[Key], member: int | None, known: Known) -> frozenset[Key]:
    """Which of a row's ids are not the member's to get."""
    if member is None:
        return frozenset()
    ids = [key for key in keys if key.kind != PHONE]
    taken = {key for key in ids if known.members.get(key, [member]) != [member]}
    held = known.held.get(member, ())
    return frozenset(taken | evidence.contradictions(ids, held).keys())
