"""Made-up members: who they are, how platforms call them, what they agreed to."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from core.encryption import encrypt
from crm.generating import names
from crm.generating.loading import Table, array, blob, text
from crm.generating.moments import Moments
from crm.generating.world import Controller, Store
from crm.models import ConsentEntry, Identity, Member, Relation
from crm.naming import placeholder, tokens
from crm.phones import TAIL_DIGITS, phone_digest, phone_tail_digest

# Over how many days they came.
DAYS = 730
NULL = "\\N"


@dataclass
class Person:
    """What the tables must know of one member; times in whole days ago."""

    key: int
    controller: Controller
    store: Store | None
    joined: int
    left: bool
    accounts: list[int] = field(default_factory=list)
    friend: bool = False
    has_phone: bool = False
    seen: tuple[int, str] = (0, "")
    paid: list[int] = field(default_factory=list)
    spent: int = 0

    @property
    def buyer(self) -> str:
        return f"buyer{self.key:010}"


def draw_person(key: int, controller: Controller, draw: random.Random) -> Person:
    """Who member `key` is: since when, at which accounts, of which store; no row yet."""
    # More came lately than long ago.
    joined = int(DAYS * draw.random() ** 1.4)
    store = draw.choice(controller.stores) if draw.random() < 0.7 else None
    person = Person(key, controller, store, joined, left=draw.random() < 0.05)
    if draw.random() < 0.8 or controller.wecom is None:
        person.accounts.append(controller.service)
    if controller.subscription and (not person.accounts or draw.random() < 0.25):
        person.accounts.append(controller.subscription)
    person.friend = bool(controller.wecom and store and draw.random() < 0.5)
    person.has_phone = draw.random() < 0.6
    return person


class People:
    """The rows of members and of what hangs on them, but history."""

    def __init__(self, moments: Moments) -> None:
        self.moments = moments
        self.members = Table(
            Member,
            *("id", "controller", "org_unit", "display_name", "is_placeholder_name"),
            *("remark", "name_tokens", "stage", "rfm", "trust", "owner", "gender"),
            *("birthday", "city", "real_name", "phone", "phone_hash"),
            *("phone_tail_hash", "is_reachable", "unreachable_at", "opted_out_at"),
            *("frozen_until", "no_personalisation", "first_seen_at", "last_seen_at"),
        )
        self.identities = Table(
            Identity,
            *("member", "controller", "kind", "account", "value", "is_following"),
            *("followed_at", "unfollowed_at", "created_at"),
        )
        self.relations = Table(
            Relation, "member", "colleague", "remark", "add_way", "state", "added_at"
        )
        self.consents = Table(
            ConsentEntry,
            *("member", "purpose", "account", "action", "source", "key", "at"),
        )
        self.tables = [self.members, self.identities, self.relations, self.consents]

    def write(self, person: Person, stage: str, draw: random.Random) -> None:
        joined = self.moments.by_day(person.joined, draw)
        guide = draw.choice(person.store.guides) if person.store else None
        opted_out = self._consents(person, draw)
        self._identities(person, joined, draw)
        if person.friend and guide:
            name = text(names.real_name(draw)) if draw.random() < 0.3 else ""
            self.relations.lines.append(
                f"{person.key}\t{guide[1]}\t{name}\t{draw.choice((1, 3, 4, 16))}"
                f"\t{'by_member' if person.left else 'active'}\t{joined}"
                + self.relations.rest
            )
        owner = guide[0] if guide and draw.random() < 0.75 else NULL
        unreachable = self.moments.text(person.seen[0], 0) if person.left else NULL
        frozen = NULL
        if draw.random() < 0.003:
            frozen = self.moments.text(-3 - int(draw.random() * 60), 0)
        self.members.lines.append(
            f"{person.key}\t{person.controller.unit}"
            f"\t{person.store.unit if person.store else NULL}"
            f"\t{self._named(person, draw)}\t{stage}\t{_rfm(person)}\t{_trust(person)}"
            f"\t{owner}\t{_profile(draw)}\t{_private(person, draw)}"
            f"\t{'f' if person.left else 't'}\t{unreachable}\t{opted_out}\t{frozen}"
            f"\t{'t' if draw.random() < 0.005 else 'f'}"
            f"\t{joined}\t{person.seen[1] or joined}" + self.members.rest
        )

    def _named(self, person: Person, draw: random.Random) -> str:
        """Name, whether made up, remark and their tokens."""
        is_known = person.friend or draw.random() < 0.55
        name = names.nickname(draw) if is_known else placeholder(f"{person.key:06}")
        remark = ""
        if draw.random() < 0.25:
            remark = names.real_name(draw) + draw.choice(("", "（老客）", "（敏感肌）"))
        found = array(tokens(name, remark))
        return f"{text(name)}\t{'f' if is_known else 't'}\t{text(remark)}\t{found}"

    def _identities(self, person: Person, joined: str, draw: random.Random) -> None:
        left = f"f\t{joined}\t{self.moments.text(person.seen[0], 3600)}"
        follows = left if person.left else f"t\t{joined}\t{NULL}"
        number, unit = person.key, person.controller.unit

        def add(kind: str, account: int | None, value: str, state: str) -> None:
            self.identities.lines.append(
                f"{number}\t{unit}\t{kind}\t{account or NULL}\t{value}\t{state}\t{joined}"
                + self.identities.rest
            )

        for account in person.accounts:
            add("openid", account, f"oG{account:04}{number:022}", follows)
        if person.friend:
            value = f"wmG{number:029}"
            add("external_userid", person.controller.wecom, value, follows)
        if len(person.accounts) + person.friend > 1:
            add("unionid", None, f"oU{number:026}", f"t\t{NULL}\t{NULL}")
        if person.paid and draw.random() < 0.5:
            add("buyer", None, person.buyer, f"t\t{NULL}\t{NULL}")

    def _consents(self, person: Person, draw: random.Random) -> str:
        """Ledger lines; when the member opted out, else null."""
        given = draw.random()
        if given > 0.33:
            return NULL
        action, days = "granted", person.joined
        if given < 0.03:
            action, days = "withdrawn", int(person.joined * draw.random())
        at = self.moments.by_day(days, draw)
        self.consents.lines.append(
            f"{person.key}\tmarketing\t{NULL}\t{action}\tmessage\tgen:{person.key}\t{at}"
            + self.consents.rest
        )
        return at if action == "withdrawn" else NULL


def _profile(draw: random.Random) -> str:
    """Gender, birthday, city."""
    gender = "f" if draw.random() < 0.7 else "m"
    birthday = NULL
    if draw.random() < 0.4:
        year, month = 1960 + int(draw.random() * 46), 1 + int(draw.random() * 12)
        birthday = f"{year}-{month:02}-{1 + int(draw.random() * 28):02}"
    city = names.CITIES[int(len(names.CITIES) * draw.random() ** 2)]
    known = draw.random()
    return (
        f"{gender if known < 0.7 else ''}\t{birthday}\t{city if known > 0.35 else ''}"
    )


def _private(person: Person, draw: random.Random) -> str:
    """Real name, phone and the phone's digests, as they lie in the database."""
    named = draw.random() < 0.25
    name = blob(encrypt(names.real_name(draw).encode()) if named else b"")
    if not person.has_phone:
        return f"{name}\t{blob(b'')}\t\t"
    phone = f"13{int(draw.random() * 10**9):09}"
    sealed = blob(encrypt(phone.encode()))
    tail = phone_tail_digest(phone[-TAIL_DIGITS:])
    return f"{name}\t{sealed}\t{phone_digest(phone)}\t{tail}"


def stage_of(person: Person) -> str:
    """A first guess by the orders; crm.value computes it by the category's cycle."""
    if not person.paid:
        return "prospect"
    last, count = min(person.paid), len(person.paid)
    if last > 240:
        return "churned"
    if last > 120:
        return "dormant"
    if last > 60:
        return "at_risk"
    if count == 1:
        return "new"
    if count > 2 and sorted(person.paid)[1] > 120 + last:
        return "won_back"
    return "loyal" if count > 6 else "growing"


def _rfm(person: Person) -> str:
    if not person.paid:
        return ""
    letters = "r" if min(person.paid) <= 90 else ""
    letters += "f" if len(person.paid) >= 4 else ""
    letters += "m" if person.spent >= 1500 else ""
    return letters or "none"


def _trust(person: Person) -> str:
    if person.friend and len(person.paid) > 4:
        return "T3"
    if len(person.paid) > 1:
        return "T2"
    return "T1" if person.has_phone or person.friend else "T0"
