"""Rows of members: who each is about, then a whole chunk written with few statements."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from core.copying import Columns, next_ids
from crm import consent, orders_loading, tagging, timeline
from crm.exchange import known, values
from crm.exchange.chunks import Again, Context, Outcome
from crm.exchange.known import PHONE, Key, Known, Verdict
from crm.exchange.reading import Row
from crm.exchange.values import BadCell
from crm.models import Identity, Member
from crm.models.tags import Source
from crm.naming import tokens
from crm.phones import phone_digest, phone_tail_digest

_TAIL = 4
_IDS = {
    "openid": Identity.Kind.OPENID,
    "unionid": Identity.Kind.UNIONID,
    "external_userid": Identity.Kind.EXTERNAL_USERID,
    "buyer": Identity.Kind.BUYER,
}
# Which chosen account an id belongs to; the others are of no account.
_ACCOUNT_OF = {"openid": "account", "external_userid": "wecom_account"}


@dataclass
class Person:
    """What the rows of one person say; `line` is the first of them."""

    line: int
    values: dict[str, Any]
    keys: dict[tuple[str, int | None], Key]
    more_lines: list[int] = field(default_factory=list)

    def agrees(self, other: Person) -> bool:
        """Whether nothing both are known by differs."""
        return all(
            self.keys[kind] == key
            for kind, key in other.keys.items()
            if kind in self.keys
        )

    def join(self, other: Person, *, overwrites: bool) -> None:
        """A later row about the same person completes it, or overwrites it."""
        carried = [*self.values.get("tags", ()), *other.values.get("tags", ())]
        if overwrites:
            self.values |= other.values
        else:
            self.values = other.values | self.values
        if carried:
            self.values["tags"] = list(dict.fromkeys(carried))
        self.keys |= other.keys
        self.more_lines.append(other.line)


@dataclass
class Plan:
    """What a chunk will do: decided by reading only, then written or thrown away."""

    new: list[tuple[Person, Verdict]] = field(default_factory=list)
    found: list[tuple[Person, Verdict]] = field(default_factory=list)


class MemberRows:
    """Decides and writes rows of members (and, derived, rows of their tags)."""

    makes_members = True

    def __init__(self, context: Context) -> None:
        self.context = context
        self._reader = context.reader(self.parsers())
        if context.batch.layout["format"] == "xlsx":
            self._reader.allow_ragged()

    def parsers(self) -> dict[str, Any]:
        return {
            **self.identity_parsers(),
            "name": lambda text: values.words(text, 80),
            "remark": lambda text: values.words(text, 80),
            "real_name": lambda text: values.words(text, 80),
            "gender": values.gender,
            "birthday": values.birthday,
            "city": lambda text: values.words(text, 40),
            "store": self.context.store,
            "owner": self.context.owner,
            "tags": self.context.tags,
            "first_seen_at": values.moment,
            "consent": values.yes_or_no,
            "consent_at": values.moment,
            "consent_evidence": lambda text: values.words(text, 200),
        }

    def identity_parsers(self) -> dict[str, Any]:
        return {
            "phone": values.phone,
            **{name: self._account_checked(name) for name in _IDS},
        }

    def _account_checked(self, name: str) -> Any:
        if name in _ACCOUNT_OF and not self.context.option(_ACCOUNT_OF[name]):

            def refuse(_text: str) -> str:
                raise BadCell("needs_account")

            return refuse
        return values.identity

    # -- a chunk

    def take(self, rows: Sequence[Row]) -> Outcome:
        """Decide the rows and, unless the import is only checked, write them.

        Must run in a transaction that holds the controller's import lock. Raises Again
        when somebody else wrote one of the people meanwhile.
        """
        outcome = Outcome()
        people = self._read(rows, outcome)
        overwrites = bool(self.context.option("overwrite"))
        while people:
            together, people = _fold(people, overwrites=overwrites)
            self._round(together, outcome)
        return outcome

    def forget(self) -> None:
        """A chunk was taken back, and tags made in it with it."""
        self.context.forget_tags()

    def _read(self, rows: Sequence[Row], outcome: Outcome) -> list[Person]:
        people = []
        for row in rows:
            found, problems = self._reader.read(row)
            keys = {} if problems else self._keys(found)
            if not problems and not keys:
                problems = [BadCell("nothing_to_know_by")]
            problems = problems or self.check(found)
            if problems:
                outcome.refuse(row.line, *problems)
            else:
                people.append(Person(row.line, found, keys))
        return people

    def check(self, found: dict[str, Any]) -> list[BadCell]:
        """What is wrong between the cells of a row."""
        if found.get("consent") is True and not found.get("consent_evidence"):
            header = self._header("consent_evidence") or self._header("consent")
            return [BadCell("consent_without_evidence", header)]
        return []

    def _header(self, name: str) -> str:
        at = self.context.mapping.get(name)
        return "" if at is None else self.context.headers[at]

    def _keys(self, found: dict[str, Any]) -> dict[tuple[str, int | None], Key]:
        keys: dict[tuple[str, int | None], Key] = {}
        for name, kind in _IDS.items():
            if name in found:
                option = _ACCOUNT_OF.get(name)
                account = self.context.option(option) if option else None
                keys[kind, account] = Key(kind, account, found[name])
        if "phone" in found:
            keys[PHONE, None] = Key(PHONE, None, phone_digest(found["phone"]))
        return keys

    def _round(self, people: list[Person], outcome: Outcome) -> None:
        controller = self.context.batch.controller_id
        keys = {key for person in people for key in person.keys.values()}
        found = known.find(controller, keys)
        plan = self._plan(people, found, outcome)
        if self.context.is_dry:
            self._foresee(plan, outcome)
        else:
            self._write(plan, outcome)

    def _plan(self, people: list[Person], found: Known, outcome: Outcome) -> Plan:
        plan = Plan()
        pairs: list[tuple[int, int, Any]] = []
        for person in people:
            verdict = known.judge(person.keys.values(), found)
            if verdict.refusal:
                rivals = verdict.rivals
                pairs += [(rivals[0], other, ()) for other in rivals[1:]]
                self._refuse(person, verdict.refusal, outcome)
            elif verdict.member is not None:
                plan.found.append((person, verdict))
                pairs += [(verdict.member, other, ()) for other in verdict.rivals]
            elif self.makes_members:
                plan.new.append((person, verdict))
            else:
                self._refuse(person, "unknown_member", outcome)
        if not self.context.is_dry:
            known.raise_doubts(self.context.batch.controller_id, pairs)
        return plan

    def _refuse(self, person: Person, code: str, outcome: Outcome) -> None:
        for line in (person.line, *person.more_lines):
            outcome.refuse(line, BadCell(code))

    # -- looking ahead

    def _foresee(self, plan: Plan, outcome: Outcome) -> None:
        stand = self._standing([verdict.member for _p, verdict in plan.found])
        for person, verdict in plan.found:
            if self._is_inside(stand.get(verdict.member or 0)):
                self._tell(person, verdict, "known", outcome)
            else:
                self._refuse(person, "out_of_scope", outcome)
        for person, verdict in plan.new:
            fresh = [self.context.seen.add(key) for key in person.keys.values()]
            self._tell(person, verdict, "new" if all(fresh) else "double", outcome)

    def _tell(
        self, person: Person, verdict: Verdict, what: str, outcome: Outcome
    ) -> None:
        outcome.count(person.line, what)
        for line in person.more_lines:
            outcome.count(line, "double")
        if verdict.doubt:
            outcome.doubt(person.line, verdict.doubt)

    # -- writing

    def _write(self, plan: Plan, outcome: Outcome) -> None:
        now = timezone.now()
        stand = self._standing([verdict.member for _p, verdict in plan.found])
        inside: list[tuple[Person, int]] = []
        for person, verdict in plan.found:
            row = stand.get(verdict.member or 0)
            if row is not None and row["merged_into_id"] is not None:
                raise Again
            if row is None or not self._is_inside(row):
                self._refuse(person, "out_of_scope", outcome)
                continue
            inside.append((person, row["id"]))
            self._tell(person, verdict, "known", outcome)
        fresh = self._insert([person for person, _v in plan.new], now)
        for (person, verdict), (_p, member) in zip(plan.new, fresh, strict=True):
            self._tell(person, verdict, "new", outcome)
            pairs = [(member, each, verdict.against) for each in verdict.rivals]
            known.raise_doubts(self.context.batch.controller_id, pairs)
        changed = self._update(inside, stand)
        self._bind([*fresh, *inside], now)
        self._put_tags([*fresh, *inside])
        self._note(fresh, [each for each in inside if each[1] in changed], now)
        self._write_consent([*fresh, *inside], now)

    def _is_inside(self, row: dict[str, Any] | None) -> bool:
        return row is not None and self.context.covers(row["org_unit_id"])

    def _standing(self, members: Iterable[int | None]) -> dict[int, dict[str, Any]]:
        """The members as they stand; locked when they will be written."""
        rows = Member.objects.filter(pk__in=[pk for pk in members if pk]).order_by("pk")
        if not self.context.is_dry:
            rows = rows.select_for_update(no_key=True)
        names = (
            *("id", "org_unit_id", "display_name", "is_placeholder_name", "remark"),
            *("gender", "birthday", "city", "owner_id", "phone_hash"),
            *("merged_into_id", "purged_at", "first_seen_at", "real_name"),
        )
        return {row["id"]: row for row in rows.values(*names)}

    def _insert(self, people: list[Person], now: datetime) -> list[tuple[Person, int]]:
        if not people:
            return []
        columns = Columns.of(Member)
        ids = next_ids(Member, len(people))
        rows = (
            columns.row(id=pk, **self._new_values(person, now))
            for person, pk in zip(people, ids, strict=True)
        )
        columns.copy(rows)
        return list(zip(people, ids, strict=True))

    def _new_values(self, person: Person, now: datetime) -> dict[str, Any]:
        given = person.values
        batch = self.context.batch
        name = given.get("name", "")
        shown = name or _placeholder(person)
        seen = given.get("first_seen_at", now)
        row = {
            "controller_id": batch.controller_id,
            "org_unit_id": given.get("store", batch.org_unit_id),
            "display_name": shown,
            "is_placeholder_name": not name,
            "remark": given.get("remark", ""),
            "name_tokens": tokens(shown, given.get("remark", "")),
            "gender": given.get("gender", ""),
            "birthday": given.get("birthday"),
            "city": given.get("city", ""),
            "owner_id": given.get("owner"),
            "real_name": given.get("real_name", ""),
            "first_seen_at": seen,
            "last_seen_at": min(seen, now),
        }
        return row | _phone_values(person)

    def _update(
        self, people: list[tuple[Person, int]], stand: dict[int, dict[str, Any]]
    ) -> set[int]:
        """Fill what is empty (or, when asked for, everything); who was changed."""
        by_columns: dict[tuple[str, ...], list[tuple[Any, ...]]] = defaultdict(list)
        changed = set()
        for person, pk in people:
            new = self._changes(person, stand[pk])
            if new:
                changed.add(pk)
                by_columns[tuple(new)].append((*new.values(), pk))
        for names, rows in by_columns.items():
            assigned = ", ".join(f"{name} = %s" for name in names)
            with connection.cursor() as cursor:
                cursor.executemany(
                    f"UPDATE crm_member SET {assigned} WHERE id = %s",  # noqa: S608
                    rows,
                )
        return changed

    def _changes(self, person: Person, row: dict[str, Any]) -> dict[str, Any]:
        """Prepared values by column; an empty cell never takes anything away."""
        given, overwrites = person.values, self.context.option("overwrite")
        new: dict[str, Any] = {}
        name = given.get("name")
        is_open = row["is_placeholder_name"] or overwrites
        if name and is_open and name != row["display_name"]:
            new |= {"display_name": name, "is_placeholder_name": False}
        for key, column in _PLAIN.items():
            value = given.get(key)
            if value in (None, "") or value == row[column]:
                continue
            if overwrites or row[column] in (None, ""):
                new[column] = value
        if "first_seen_at" in given and given["first_seen_at"] < row["first_seen_at"]:
            new["first_seen_at"] = given["first_seen_at"]
        phone = _phone_values(person)
        is_open = overwrites or not row["phone_hash"]
        if phone and is_open and phone["phone_hash"] != row["phone_hash"]:
            new |= phone
        if "display_name" in new or "remark" in new:
            shown = new.get("display_name", row["display_name"])
            new["name_tokens"] = tokens(shown, new.get("remark", row["remark"]))
        # A later row of the chunk may mean the same member.
        row |= {name: value for name, value in new.items() if name in row}
        return Columns.of(Member).prepared(new)

    def _bind(self, people: list[tuple[Person, int]], now: datetime) -> None:
        """Write the ids the people are known by. Raises Again when one is another's."""
        rows = [
            (member, *key)
            for person, member in people
            for key in person.keys.values()
            if key.kind != PHONE
        ]
        if not rows:
            return
        members, kinds, accounts, ids = zip(*rows, strict=True)
        given = [list(members), list(kinds), list(accounts), list(ids)]
        with connection.cursor() as cursor:
            cursor.execute(_BIND, [*given, self.context.batch.controller_id, now, now])
            cursor.execute(_FOREIGN, [*given, self.context.batch.controller_id])
            if cursor.fetchone()[0]:
                raise Again
        buyers = [
            (key, pk) for pk, kind, _a, key in rows if kind == Identity.Kind.BUYER
        ]
        orders_loading.adopt_waiting(self.context.batch.controller_id, buyers)

    def _put_tags(self, people: list[tuple[Person, int]]) -> None:
        pairs = [
            (member, tag)
            for person, member in people
            for tag in person.values.get("tags", ())
        ]
        if pairs:
            actor = self.context.staff
            tagging.tag_pairs(pairs, actor=actor, source=Source.IMPORT)

    def _note(
        self,
        fresh: list[tuple[Person, int]],
        changed: list[tuple[Person, int]],
        now: datetime,
    ) -> None:
        batch = self.context.batch
        timeline.write_fresh(
            (
                (member, "imported", now, f"import:{batch.pk}:{person.line}", {"import": batch.pk, "file": batch.file_name[:80], "new": is_new})
                for people, is_new in ((fresh, True), (changed, False))
                for person, member in people
            )
        )  # fmt: skip

    def _write_consent(self, people: list[tuple[Person, int]], now: datetime) -> None:
        said = [each for each in people if "consent" in each[0].values]
        if not said:
            return
        members = Member.objects.in_bulk([member for _p, member in said])
        batch, actor = self.context.batch, self.context.staff
        for person, pk in said:
            write = consent.grant if person.values["consent"] else consent.withdraw
            write(
                members[pk],
                actor=actor,
                at=person.values.get("consent_at", now),
                key=f"import:{batch.pk}:{person.line}",
                source="import",
                evidence=person.values.get("consent_evidence", ""),
            )


_PLAIN = {
    "remark": "remark",
    "gender": "gender",
    "birthday": "birthday",
    "city": "city",
    "owner": "owner_id",
    "store": "org_unit_id",
    "real_name": "real_name",
}

_WANTED = """unnest(%s::bigint[], %s::text[], %s::bigint[], %s::text[])
    AS wanted (member_id, kind, account_id, value)"""
# Whether somebody follows is the platform's to say: it is asked for the profile.
_BIND = f"""
INSERT INTO crm_identity (member_id, kind, account_id, value, controller_id,
    is_following, scene, profile_due_at, profile_tries, created_at)
SELECT member_id, kind, account_id, value, v.controller_id, false, '',
    CASE WHEN account_id IS NULL THEN NULL ELSE v.due END, 0, v.at
FROM {_WANTED}, (VALUES (%s::bigint, %s::timestamptz, %s::timestamptz))
    AS v (controller_id, due, at)
ON CONFLICT DO NOTHING
"""  # noqa: S608
_FOREIGN = f"""
SELECT EXISTS (
    SELECT 1 FROM {_WANTED}
    JOIN crm_identity stands ON stands.value = wanted.value
        AND stands.kind = wanted.kind
        AND stands.account_id IS NOT DISTINCT FROM wanted.account_id
        AND stands.controller_id = %s
    WHERE stands.member_id <> wanted.member_id
)
"""  # noqa: S608


def _phone_values(person: Person) -> dict[str, Any]:
    key = person.keys.get((PHONE, None))
    if key is None:
        return {}
    digits = person.values["phone"]
    tail = phone_tail_digest(digits[-_TAIL:])
    return {"phone": digits, "phone_hash": key.value, "phone_tail_hash": tail}


def _placeholder(person: Person) -> str:
    """The made-up name of somebody a file knows by number only."""
    given = person.values
    number = next(given[name] for name in (*_IDS, "phone") if name in given)
    return _("Customer · ends in %(tail)s") % {"tail": number[-_TAIL:]}


def _fold(
    people: list[Person], *, overwrites: bool
) -> tuple[list[Person], list[Person]]:
    """Rows about one person as one; what needs those written first is left for later."""
    together: list[Person] = []
    later: list[Person] = []
    owner: dict[Key, Person] = {}
    blocked: set[Key] = set()
    for person in people:
        keys = set(person.keys.values())
        hits = {id(owner[key]): owner[key] for key in keys if key in owner}
        if keys & blocked or len(hits) > 1:
            later.append(person)
            blocked |= keys
        elif not hits:
            together.append(person)
            owner |= dict.fromkeys(keys, person)
        else:
            first = next(iter(hits.values()))
            if first.agrees(person):
                first.join(person, overwrites=overwrites)
                owner |= dict.fromkeys(keys, first)
            else:
                later.append(person)
                blocked |= keys
    return together, later
