"""People of a file written: a whole chunk with few statements."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import connection
from django.utils.translation import gettext as _

from core.copying import Columns, next_ids
from crm import consent_loading, orders_loading, tagging, timeline
from crm.evidence import PHONE
from crm.exchange.chunks import Again, Context
from crm.exchange.people import Person
from crm.models import Identity, Member
from crm.models.tags import Source
from crm.naming import tokens
from crm.phones import TAIL_DIGITS, phone_tail_digest

# The field of a file each kind of id stands in.
IDS = {
    "openid": Identity.Kind.OPENID,
    "unionid": Identity.Kind.UNIONID,
    "external_userid": Identity.Kind.EXTERNAL_USERID,
    "buyer": Identity.Kind.BUYER,
}

Written = tuple[Person, int]


class Writer:
    """Writes people whose members are known or to be made, in the transaction at hand."""

    def __init__(self, context: Context) -> None:
        self.context = context

    def insert(self, people: list[Person], now: datetime) -> list[Written]:
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

    def update(
        self, people: list[Written], stand: dict[int, dict[str, Any]]
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

    def bind(self, people: list[Written], now: datetime) -> None:
        """Write the ids the people are known by. Raises Again when one is another's."""
        rows = [
            (member, *key)
            for person, member in people
            for key in person.keys.values()
            if key.kind != PHONE and key not in person.foreign
        ]
        if not rows:
            return
        members, kinds, accounts, ids = zip(*rows, strict=True)
        given = [list(members), list(kinds), list(accounts), list(ids)]
        with connection.cursor() as cursor:
            cursor.execute(_BIND, [*given, self.context.batch.controller_id, now, now])
            if cursor.rowcount < len(rows):  # some stand already: whose are they?
                cursor.execute(_FOREIGN, [*given, self.context.batch.controller_id])
                if cursor.fetchone()[0]:
                    raise Again
        buyers = [
            (key, pk) for pk, kind, _a, key in rows if kind == Identity.Kind.BUYER
        ]
        orders_loading.adopt_waiting(self.context.batch.controller_id, buyers)

    def put_tags(self, people: list[Written]) -> None:
        pairs = [
            (member, tag)
            for person, member in people
            for tag in person.values.get("tags", ())
        ]
        if pairs:
            actor = self.context.staff
            tagging.tag_pairs(pairs, actor=actor, source=Source.IMPORT)

    def note(
        self,
        fresh: list[Written],
        changed: list[Written],
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

    def write_consent(self, people: list[Written], now: datetime) -> None:
        batch = self.context.batch
        said = [
            consent_loading.Said(
                member,
                person.values["consent"],
                # A word of the future would outdo all that is said until then.
                min(person.values.get("consent_at", now), now),
                f"import:{batch.pk}:{person.line}",
                person.values.get("consent_evidence", ""),
            )
            for person, member in people
            if "consent" in person.values
        ]
        consent_loading.write(said, source="import")


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
    tail = _tail_digest(digits[-TAIL_DIGITS:])
    return {"phone": digits, "phone_hash": key.value, "phone_tail_hash": tail}


# There are 10,000 of them.
_tail_digest = lru_cache(maxsize=10_000)(phone_tail_digest)


def _placeholder(person: Person) -> str:
    """The made-up name of somebody a file knows by number only."""
    given = person.values
    number = next(given[name] for name in (*IDS, "phone") if name in given)
    return _("Customer · ends in %(tail)s") % {"tail": number[-TAIL_DIGITS:]}
