"""Who somebody is, by whatever a shop, a file or a person tells of them.

Everything stays inside one data controller. What proves two records to be one person
merges them, what only suggests it goes to the review list (docs/adr/0014).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from core import audit
from crm import evidence, merging, reviews, value
from crm.errors import AlreadyDecided, DifferentControllers, ReasonMissing
from crm.evidence import PHONE, SHARED_PHONE, Key
from crm.models import Coupon, Identity, MatchReview, Member, Order
from crm.phones import phone_digest
from staff.models import OrgUnit, Staff
from wechat.models import Account

_PLATFORM_KINDS = (Identity.Kind.OPENID, Identity.Kind.EXTERNAL_USERID)
# Who tells a number. Only the platform has checked that it is the person's own.
PROVEN_SOURCES = {"platform"}
# Colleagues and shops may complete a record nobody is reached through.
BUSINESS_SOURCES = {"staff", "import", "order", "sync"}


@dataclass(frozen=True)
class Found:
    """`member`: who it is, None when unknown or when a phone is shared by several.

    `by`: what decided ("unionid", …). `conflicts`: others whom weaker evidence names;
    each pair is on the review list.
    """

    member: Member | None
    by: str = ""
    conflicts: tuple[Member, ...] = ()


def find_by(
    controller: OrgUnit,
    *,
    openid: str = "",
    account: Account | None = None,
    unionid: str = "",
    external_userid: str = "",
    phone: str = "",
    buyer: str = "",
) -> Found:
    """The member whom these name, the strongest evidence first. Never merges.

    `openid` needs its `account` (another of the controller has its own openids); `phone`
    as crm.phones.normalise gives it. Evidence that names different members decides for
    the strongest and puts the pair on the review list.
    """
    values = {
        Identity.Kind.UNIONID: unionid,
        Identity.Kind.EXTERNAL_USERID: external_userid,
        Identity.Kind.OPENID: openid,
        Identity.Kind.BUYER: buyer,
    }
    place = account.pk if account else None
    ids = [
        Key(kind, place if kind in _PLATFORM_KINDS else None, value)
        for kind, value in values.items()
        if value
    ]
    found = {key: list(_by_id(controller, key)[:2]) for key in ids}
    if phone:
        key = Key(PHONE, None, phone_digest(phone))
        found[key] = list(_by_phone(controller, key)[: SHARED_PHONE + 1])
    people = {member.pk: member for members in found.values() for member in members}
    decision = evidence.decide(
        found.keys(),
        {key: [member.pk for member in members] for key, members in found.items()},
        evidence.held_by(people.keys()) if phone and ids else {},
    )
    if decision.member is None:
        return Found(None, conflicts=tuple(people[pk] for pk in decision.sharing))
    ask_about(Doubt(decision.member, *other) for other in decision.others)
    others = tuple(people[other] for other, _kinds in decision.others)
    return Found(people[decision.member], decision.by, others)


def _by_id(controller: OrgUnit, key: Key) -> QuerySet[Member]:
    rows = Identity.objects.filter(
        controller=controller, kind=key.kind, value=key.value
    )
    if key.account is not None:
        rows = rows.filter(account=key.account)
    return Member.objects.filter(pk__in=rows.values("member"))


def _by_phone(controller: OrgUnit, key: Key) -> QuerySet[Member]:
    rows = Member.objects.known().filter(controller=controller)
    # The partial index holds only members with a phone.
    return rows.exclude(phone_hash="").filter(phone_hash=key.value).order_by("pk")


# -- evidence


class Doubt(NamedTuple):
    """Two members who may be one, and the codes of what was told about them."""

    one: int
    other: int
    speaks_for: tuple[str, ...]
    against: tuple[str, ...] = ()


def ask_about(doubts: Iterable[Doubt]) -> None:
    """Weigh each pair and put it on the review list, unless it was decided."""
    doubts = list(doubts)
    pks = {pk for doubt in doubts for pk in doubt[:2]}
    if not pks:
        return
    people = Member.objects.only(*_WEIGHED).in_bulk(pks)
    held = evidence.held_by(pks)
    pairs = []
    for doubt in doubts:
        one, other = people[doubt.one], people[doubt.other]
        speaks_for, against = _weigh(one, other, held)
        pairs.append(
            reviews.Pair(
                one,
                other,
                [*doubt.speaks_for, *speaks_for],
                [*doubt.against, *against],
            )
        )
    reviews.put_all_on(pairs)


_WEIGHED = (
    *("controller", "phone_hash", "real_name", "birthday", "gender"),
    *("display_name", "is_placeholder_name"),
)


def weigh(one: Member, other: Member) -> tuple[list[str], list[str]]:
    """Codes of what speaks for one person and of what speaks against."""
    return _weigh(one, other, evidence.held_by([one.pk, other.pk]))


def _weigh(
    one: Member, other: Member, held: Mapping[int, Collection[Key]]
) -> tuple[list[str], list[str]]:
    speaks_for: list[str] = []
    against: list[str] = []
    if one.phone_hash and one.phone_hash == other.phone_hash:
        speaks_for.append(PHONE)
    for name in ("real_name", "birthday", "gender"):
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine and theirs:
            if mine != theirs:
                against.append(name)
            elif name != "gender":
                speaks_for.append(name)
    has_names = not (one.is_placeholder_name or other.is_placeholder_name)
    if has_names and one.display_name == other.display_name:
        speaks_for.append("display_name")
    clashes = evidence.contradictions(held.get(one.pk, ()), held.get(other.pk, ()))
    return speaks_for, against + sorted(set(clashes.values()))


def _is_bare(member: Member) -> bool:
    """Known to a shop or a file only: no platform reaches anybody by this record."""
    kinds = (*_PLATFORM_KINDS, Identity.Kind.UNIONID)
    return not member.identities.filter(kind__in=kinds).exists()


# -- phones


def settle_phone(member: Member, *, actor: Staff, source: str) -> Member:
    """Look whether the number of `member` shows them to be somebody known.

    Returns the member who stands. Merges when exactly one other record has the number,
    nothing contradicts, and either the platform proved it or a colleague or shop
    completes a record that nobody is reached through. Else the pair is put on the
    review list. Inside a transaction only.
    """
    if not member.phone_hash or member.merged_into_id or member.purged_at:
        return member
    merging.lock_controller(member.controller)
    same = Member.objects.known().filter(
        controller=member.controller_id, phone_hash=member.phone_hash
    )
    others = list(same.exclude(pk=member.pk).order_by("pk")[: SHARED_PHONE + 1])
    if len(others) >= SHARED_PHONE:
        return _ask_about_shared(member, others)
    if not others or reviews.are_apart(member, others[0]):
        return member
    other = others[0]
    speaks_for, against = weigh(member, other)
    is_proven = source in PROVEN_SOURCES
    completes = source in BUSINESS_SOURCES and (_is_bare(member) or _is_bare(other))
    if against or not (is_proven or completes):
        reviews.put_on(member, other, speaks_for=speaks_for, against=against)
        return member
    kept, gone = _who_stays(member, other)
    return merging.merge(kept, gone, actor=actor, why="phone")


def _ask_about_shared(member: Member, others: list[Member]) -> Member:
    """Up to the limit every pair is asked about; beyond it the number says nothing."""
    ask_about(phone_doubts(member.pk, [other.pk for other in others]))
    return member


def phone_doubts(member: int, sharing: Sequence[int]) -> list[Doubt]:
    """Whom to ask about when one more member has the number of these."""
    if not evidence.is_worth_asking(sharing):
        return []
    against = ("shared_phone",) if len(sharing) == SHARED_PHONE else ()
    return [Doubt(member, other, (PHONE,), against) for other in sharing]


def _who_stays(one: Member, other: Member) -> tuple[Member, Member]:
    """Whom a platform reaches, else who was known first."""
    both = sorted((one, other), key=lambda m: (_is_bare(m), m.first_seen_at, m.pk))
    return both[0], both[1]


# -- buyers of shops


@transaction.atomic
def bind_buyer(
    controller: OrgUnit, buyer: str, member: Member, *, actor: Staff
) -> list[int] | None:
    """Note what a shop calls the member and hand them what waited for it.

    Returns the ids of the orders; None when the shop's buyer is known as somebody else:
    then the pair is on the review list. Raises DifferentControllers.
    """
    if member.controller_id != controller.pk:
        raise DifferentControllers
    try:
        with transaction.atomic():
            Identity.objects.create(
                member=member,
                controller=controller,
                kind=Identity.Kind.BUYER,
                value=buyer,
                is_following=False,
            )
    except IntegrityError:
        known = find_by(controller, buyer=buyer).member
        if known is not None and known.pk != member.pk:
            ask_about([Doubt(known.pk, member.pk, (Identity.Kind.BUYER.value,))])
            return None
    else:
        audit.record("crm.member.buyer_bound", member, actor=actor)
    waiting = Order.objects.filter(
        controller=controller, buyer=buyer, member__isnull=True
    ).exclude(buyer="")
    pks = list(waiting.order_by("pk").select_for_update().values_list("pk", flat=True))
    Order.objects.filter(pk__in=pks).update(member=member)
    held = Coupon.objects.filter(
        controller=controller, buyer=buyer, member__isnull=True
    ).exclude(buyer="")
    held.update(member=member)
    return pks


@transaction.atomic
def unbind_buyer(
    member: Member, buyer: str, *, actor: Staff, reason: str
) -> list[int] | None:
    """The shop's buyer is not this member: what they bought waits again.

    Returns the ids of the orders; None when the member is not bound to that buyer (any
    more). Raises ReasonMissing.
    """
    reason = reason.strip()
    if not reason:
        raise ReasonMissing(_("Say why the buyer id is not this member's."))
    identity = (
        Identity.objects.select_for_update(of=("self",))
        .filter(member=member, kind=Identity.Kind.BUYER, value=buyer)
        .first()
    )
    if identity is None:
        return None
    rows = Order.objects.filter(
        controller=identity.controller_id, buyer=buyer, member=member
    )
    pks = list(rows.order_by("pk").select_for_update().values_list("pk", flat=True))
    Order.objects.filter(pk__in=pks).update(member=None)
    Coupon.objects.filter(member=member, buyer=buyer).update(member=None)
    audit.record("crm.member.buyer_unbound", member, actor=actor, reason=reason)
    identity.delete()
    value.changed([member.pk])
    return pks


# -- what people decide


@transaction.atomic
def one_person(review: MatchReview, keep: int, *, actor: Staff) -> Member:
    """Merge the pair into the record `keep`, the id of a side as it stands.

    Raises AlreadyDecided with who it was, and what `merging.merge` raises.
    """
    merging.lock_controller(review.controller)
    if not reviews.decide_merged(review, actor=actor):
        raise AlreadyDecided.by(_fresh(review))
    one, other = reviews.standing_sides(review)
    kept, gone = (one, other) if one.pk == keep else (other, one)
    return merging.merge(kept, gone, actor=actor, why="review")


@transaction.atomic
def two_people(review: MatchReview, *, actor: Staff) -> None:
    """Never raise the pair again. Raises AlreadyDecided with who it was."""
    if not reviews.decide_apart(review, actor=actor):
        raise AlreadyDecided.by(_fresh(review))


def _fresh(review: MatchReview) -> MatchReview:
    return MatchReview.objects.select_related("decided_by").get(pk=review.pk)


def pairs_about(member: Member, staff: Staff) -> QuerySet[MatchReview]:
    """Open pairs with this member on a side, those the person may see."""
    rows = MatchReview.objects.visible_to(staff).open()
    return rows.filter(Q(first=member) | Q(second=member))
