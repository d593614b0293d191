"""Rows of members: who each is about, and what becomes of a chunk of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils import timezone

from crm import matching
from crm.evidence import PHONE, Key
from crm.exchange import known, values
from crm.exchange.chunks import Again, Context, Outcome
from crm.exchange.known import Known, Verdict
from crm.exchange.member_writing import IDS, Writer, Written
from crm.exchange.people import Person, fold
from crm.exchange.reading import Row
from crm.exchange.values import BadCell
from crm.matching import Doubt
from crm.models import Member
from crm.phones import phone_digest

# Which chosen account an id belongs to; the others are of no account.
_ACCOUNT_OF = {"openid": "account", "external_userid": "wecom_account"}


@dataclass
class Plan:
    """What a chunk will do: decided by reading only, then written or thrown away."""

    new: list[tuple[Person, Verdict]] = field(default_factory=list)
    found: list[tuple[Person, Verdict]] = field(default_factory=list)


class MemberRows:
    """Decides and writes rows of members (and, derived, rows of their tags)."""

    # Whether a row may make somebody, and add to what is known of who stands.
    makes_members = completes = True

    def __init__(self, context: Context) -> None:
        self.context = context
        self._writer = Writer(context)
        self._reader = context.reader(self.parsers())
        # Numbers that say nothing, found on the way.
        self._common: set[Key] = set()
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
            **{name: self._account_checked(name) for name in IDS},
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
        settled = set(self._common)
        while people:
            together, later = fold(people, overwrites=overwrites, settled=settled)
            if self.context.is_dry:
                # Nothing is written that a later row could meet.
                together, later = together + later, []
            settled |= self._round(together, outcome)
            people = later
        return outcome

    def forget(self) -> None:
        """A chunk was taken back, and tags made in it with it."""
        self.context.forget_tags()
        self._common.clear()

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
        for name, kind in IDS.items():
            if name in found:
                option = _ACCOUNT_OF.get(name)
                account = self.context.option(option) if option else None
                keys[kind, account] = Key(kind, account, found[name])
        if "phone" in found:
            keys[PHONE, None] = Key(PHONE, None, phone_digest(found["phone"]))
        return keys

    def _round(self, people: list[Person], outcome: Outcome) -> set[Key]:
        """Decide and write these; the keys that need not be waited for any more."""
        controller = self.context.batch.controller_id
        keys = {key for person in people for key in person.keys.values()}
        found = known.find(controller, keys)
        plan = self._plan(people, found, outcome)
        if self.context.is_dry:
            self._foresee(plan, outcome)
        else:
            self._write(plan, outcome)
        common, ids = (
            found.common(),
            {key for key in found.members if key.kind != PHONE},
        )
        self._common |= common
        return common | ids

    def _plan(self, people: list[Person], found: Known, outcome: Outcome) -> Plan:
        plan = Plan()
        doubts: list[Doubt] = []
        for person in people:
            verdict = known.judge(person.keys.values(), found)
            person.foreign = verdict.foreign
            if verdict.refusal:
                doubts += verdict.asks_of_refused()
                self._refuse(person, verdict.refusal, outcome)
            elif verdict.member is not None:
                plan.found.append((person, verdict))
                found.gave(verdict.member, person)
            elif self.makes_members:
                plan.new.append((person, verdict))
            else:
                self._refuse(person, "unknown_member", outcome)
        if not self.context.is_dry:
            matching.ask_about(doubts)
        return plan

    def _refuse(self, person: Person, code: str, outcome: Outcome) -> None:
        for line in person.lines:
            outcome.refuse(line, BadCell(code))

    # -- looking ahead

    def _foresee(self, plan: Plan, outcome: Outcome) -> None:
        stand = self._standing([verdict.member for _p, verdict in plan.found])
        for person, verdict in plan.found:
            row = stand.get(verdict.member or 0)
            if row is not None and self._is_inside(row):
                self._tell(person, verdict, "known", outcome)
                _heed(person, row, outcome)
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
        for code in verdict.doubts():
            outcome.doubt(person.line, code)

    # -- writing

    def _write(self, plan: Plan, outcome: Outcome) -> None:
        now = timezone.now()
        stand = self._standing([verdict.member for _p, verdict in plan.found])
        inside: list[Written] = []
        doubts: list[Doubt] = []
        for person, verdict in plan.found:
            row = stand.get(verdict.member or 0)
            if row is not None and (row["merged_into_id"] or row["purged_at"]):
                raise Again
            if row is None or not self._is_inside(row):
                self._refuse(person, "out_of_scope", outcome)
                continue
            inside.append((person, row["id"]))
            doubts += verdict.asks(row["id"])
            self._tell(person, verdict, "known", outcome)
            _heed(person, row, outcome)
        fresh = self._writer.insert([person for person, _v in plan.new], now)
        for (person, verdict), (_p, member) in zip(plan.new, fresh, strict=True):
            doubts += verdict.asks(member)
            self._tell(person, verdict, "new", outcome)
        self._add(fresh, inside, stand, now)
        # What is known of them now speaks for and against.
        matching.ask_about(doubts)

    def _add(
        self,
        fresh: list[Written],
        inside: list[Written],
        stand: dict[int, dict[str, Any]],
        now: datetime,
    ) -> None:
        """Everything but the members who are new."""
        writer = self._writer
        changed: set[int] = set()
        if self.completes:
            changed = writer.update(inside, stand)
            writer.bind([*fresh, *inside], now)
        writer.put_tags([*fresh, *inside])
        writer.note(fresh, [each for each in inside if each[1] in changed], now)
        writer.write_consent([*fresh, *inside], now)

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
            "opted_out_at",
        )
        return {row["id"]: row for row in rows.values(*names)}


def _heed(person: Person, row: dict[str, Any], outcome: Outcome) -> None:
    """A yes of no known time is not newer than the no that stands."""
    said = person.values
    if row["opted_out_at"] and said.get("consent") and "consent_at" not in said:
        del said["consent"]
        outcome.doubt(person.line, "consent_not_newer")
