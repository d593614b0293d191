"""Whether a rule holds for one member, in plain Python on loaded facts, and why.

Written apart from crm.segments.leaves on purpose: that the two agree is a test, and what
a person reads on "why is she in?" must not be the query explaining itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import singledispatch
from typing import Any

from django.utils import timezone

from crm.segments import conditions as on
from crm.segments.facts import Bought, Facts, Line
from crm.segments.params import Where
from crm.segments.tree import All, Any_, Node, Not

Number = int | Decimal


@dataclass(frozen=True)
class Moment:
    """When it is judged, and which units lie below which (paths by id)."""

    now: datetime
    paths: dict[int, str] = field(default_factory=dict)

    @property
    def today(self) -> date:
        return timezone.localdate(self.now)


@dataclass(frozen=True)
class Verdict:
    """Whether a condition holds, and the figures behind it (worded when shown)."""

    holds: bool
    facts: dict[str, Any] = field(default_factory=dict)


def is_in(node: Node, facts: Facts, moment: Moment) -> bool:
    """Whether the rule holds; merged and purged records are in nothing."""
    member = facts.member
    if member.merged_into_id is not None or member.purged_at is not None:
        return False
    return holds(node, facts, moment)


def holds(node: Node, facts: Facts, moment: Moment) -> bool:
    """Whether the tree holds for the member, merged or not; see `is_in`."""
    if isinstance(node, All):
        return all(holds(each, facts, moment) for each in node.nodes)
    if isinstance(node, Any_):
        return any(holds(each, facts, moment) for each in node.nodes)
    if isinstance(node, Not):
        return not holds(node.node, facts, moment)
    return judge(node, facts, moment).holds


@singledispatch
def judge(condition: on.Condition, facts: Facts, moment: Moment) -> Verdict:
    """The verdict of one condition."""
    raise TypeError(f"no judgement of {type(condition).__name__}")


# -- the member's own row


def _one_of(value: str, chosen: tuple[str, ...]) -> Verdict:
    return Verdict((value or on.UNKNOWN) in chosen, {"value": value})


@judge.register
def _gender(condition: on.Gender, facts: Facts, _moment: Moment) -> Verdict:
    return _one_of(facts.member.gender, condition.in_)


@judge.register
def _stage(condition: on.Stage, facts: Facts, _moment: Moment) -> Verdict:
    return _one_of(facts.member.stage, condition.in_)


@judge.register
def _rfm(condition: on.Rfm, facts: Facts, _moment: Moment) -> Verdict:
    return _one_of(facts.member.rfm, condition.in_)


@judge.register
def _trust(condition: on.Trust, facts: Facts, _moment: Moment) -> Verdict:
    return _one_of(facts.member.trust, condition.in_)


@judge.register
def _city(condition: on.City, facts: Facts, _moment: Moment) -> Verdict:
    city = facts.member.city
    found = {
        "known": city != "",
        "unknown": city == "",
        "in": city in condition.values,
        "not_in": city not in condition.values,
    }
    return Verdict(found[condition.is_], {"value": city})


@judge.register
def _birthday(condition: on.Birthday, facts: Facts, moment: Moment) -> Verdict:
    day = facts.member.birthday
    if condition.is_ in ("known", "unknown"):
        return Verdict((day is None) == (condition.is_ == "unknown"))
    if day is None:
        return Verdict(False)
    if condition.is_ == "month":
        return Verdict(day.month in condition.months, {"value": f"{day:%m-%d}"})
    waits = (_next_birthday(day, moment.today) - moment.today).days
    return Verdict(waits < (condition.days or 0), {"value": f"{day:%m-%d}"})


def _next_birthday(day: date, today: date) -> date:
    for year in (today.year, today.year + 1):
        try:
            found = day.replace(year=year)
        except ValueError:  # 29 February
            found = date(year, 3, 1)
        if found >= today:
            return found
    raise AssertionError(day)


@judge.register
def _name(condition: on.Name, facts: Facts, _moment: Moment) -> Verdict:
    text, member = condition.contains.lower(), facts.member
    found = text in member.display_name.lower() or text in member.remark.lower()
    return Verdict(found, {"value": str(member)})


@judge.register
def _phone(condition: on.Phone, facts: Facts, _moment: Moment) -> Verdict:
    return Verdict((facts.member.phone_hash != "") == condition.known)


def _lately(at: datetime, condition: on.Joined | on.Seen, moment: Moment) -> Verdict:
    is_within = moment.now - at < timedelta(days=condition.days)
    return Verdict(is_within == (condition.is_ == "within"), {"at": at})


@judge.register
def _joined(condition: on.Joined, facts: Facts, moment: Moment) -> Verdict:
    return _lately(facts.member.first_seen_at, condition, moment)


@judge.register
def _seen(condition: on.Seen, facts: Facts, moment: Moment) -> Verdict:
    return _lately(facts.member.last_seen_at, condition, moment)


@judge.register
def _store(condition: on.Store, facts: Facts, moment: Moment) -> Verdict:
    unit = facts.member.org_unit_id
    if unit is None:
        return Verdict(False, {"unit": None})
    found = unit in condition.units
    if condition.with_below:
        tops = [moment.paths.get(pk, "") for pk in condition.units]
        found = found or any(top and facts.path.startswith(top) for top in tops)
    return Verdict(found, {"unit": unit})


@judge.register
def _owner(condition: on.Owner, facts: Facts, _moment: Moment) -> Verdict:
    owner = facts.member.owner_id
    if condition.is_ == "nobody":
        return Verdict(owner is None, {"staff": owner})
    return Verdict(owner in condition.staff, {"staff": owner})


# -- what stands beside it


@judge.register
def _identity(condition: on.HasIdentity, facts: Facts, _moment: Moment) -> Verdict:
    found = [
        each
        for each in facts.identities
        if each.kind == condition.kind
        and condition.account in (None, each.account_id)
        and condition.following in (None, each.is_following)
        and each.scene.startswith(condition.scene or "")
    ]
    return Verdict(bool(found), {"count": len(found)})


@judge.register
def _relation(condition: on.HasRelation, facts: Facts, _moment: Moment) -> Verdict:
    found = [
        each
        for each in facts.relations
        if (not condition.colleagues or each.colleague_id in condition.colleagues)
        and (not condition.states or each.state in condition.states)
        and (not condition.add_ways or each.add_way in condition.add_ways)
        and condition.channel in (None, each.channel_state)
    ]
    return Verdict(bool(found), {"count": len(found)})


@judge.register
def _tags(condition: on.Tags, facts: Facts, _moment: Moment) -> Verdict:
    has = facts.tags
    found = (
        has.issuperset(condition.all)
        and (not condition.any or bool(has & set(condition.any)))
        and not has & set(condition.none)
    )
    named = {*condition.all, *condition.any, *condition.none}
    return Verdict(found, {"tags": sorted(has & named)})


@judge.register
def _in_segment(condition: on.InSegment, facts: Facts, _moment: Moment) -> Verdict:
    found = condition.segment in facts.segments
    return Verdict(found == condition.in_, {"is_in": found})


@judge.register
def _reachable(condition: on.Reachable, facts: Facts, _moment: Moment) -> Verdict:
    if condition.account is None:
        return Verdict(facts.member.is_reachable)
    follows = any(
        each.kind == "openid"
        and each.account_id == condition.account
        and each.is_following
        for each in facts.identities
    )
    return Verdict(follows or condition.account in facts.corps)


@judge.register
def _marketing(condition: on.Marketing, facts: Facts, moment: Moment) -> Verdict:
    member = facts.member
    until = member.frozen_until
    is_frozen = until is not None and until > moment.now
    found = {
        "may": member.is_reachable and member.opted_out_at is None and not is_frozen,
        "opted_out": member.opted_out_at is not None,
        "frozen": is_frozen,
    }
    return Verdict(found[condition.is_])


@judge.register
def _consent(condition: on.Consent, facts: Facts, _moment: Moment) -> Verdict:
    entries = [
        each
        for each in facts.consents
        if each.purpose == condition.purpose
        and each.channel == (condition.channel or "")
        and condition.account in (None, each.account_id)
    ]
    if not entries:
        return Verdict(condition.is_ == "unset")
    newest = max(entries, key=lambda each: (each.at, each.pk))
    told = {"action": newest.action, "at": newest.at}
    return Verdict(newest.action == condition.is_, told)


# -- figures


def _is_within(
    at: datetime | None, period: on.Orders | on.Happened, moment: Moment
) -> bool:
    if period.within_days is None and period.since is None and period.until is None:
        return True
    if at is None:
        return False
    day = timezone.localdate(at)
    if period.within_days is not None:
        return moment.now - at < timedelta(days=period.within_days)
    return (period.since is None or day >= period.since) and (
        period.until is None or day <= period.until
    )


def _compares(found: Number | None, condition: on.Orders | on.Score) -> bool:
    if found is None:
        return False
    if condition.is_ == "gte":
        return found >= condition.value
    if condition.is_ == "lte":
        return found <= condition.value
    return condition.value <= found <= (condition.to or 0)


@judge.register
def _orders(condition: on.Orders, facts: Facts, moment: Moment) -> Verdict:
    rows = [
        each
        for each in facts.orders
        if _is_within(each.paid_at, condition, moment)
        and (not condition.shops or each.shop in condition.shops)
    ]
    parts = [(each, _counted_part(each, condition)) for each in rows]
    counted = [(each, part) for each, part in parts if part is not None]
    total = sum((part for _each, part in counted), Decimal(0))
    times = [each.paid_at for each, _part in counted if each.paid_at is not None]
    last = max(times) if times else None
    figures: dict[str, Number | None] = {
        "count": len(counted),
        "amount": total,
        "average": total / len(counted) if counted else None,
        "days_since_last": (moment.now - last) // timedelta(days=1) if last else None,
    }
    told = {"count": len(counted), "amount": total, "last": last}
    return Verdict(_compares(figures[condition.measure], condition), told)


def _counted_part(order: Bought, condition: on.Orders) -> Decimal | None:
    """What of the order counts, yuan; None when nothing of it is meant."""
    if not condition.products and not condition.categories:
        return order.net
    meant = [
        item.kept
        for item in order.items
        if item.product in condition.products
        or not set(condition.categories).isdisjoint(item.categories)
    ]
    return sum(meant, Decimal(0)) if meant else None


@judge.register
def _happened(condition: on.Happened, facts: Facts, moment: Moment) -> Verdict:
    found = [
        line
        for line in facts.events
        if line.kind in condition.kinds
        and _is_within(line.at, condition, moment)
        and condition.account in (None, line.account)
        and _all_so(condition.where, line)
    ]
    often = len(found) >= condition.at_least
    told = {"count": len(found), "last": max((line.at for line in found), default=None)}
    return Verdict(often == condition.did, told)


def _all_so(wheres: Iterable[Where], line: Line) -> bool:
    return all(_is_so(where, line.data.get(where.key)) for where in wheres)


def _is_so(where: Where, found: Any) -> bool:
    if where.op == "known":
        return found is not None and found != ""
    if where.op == "contains":
        return isinstance(found, str) and str(where.value) in found
    if where.op in ("gte", "lte"):
        return _is_beyond(where, found)
    return _is_same(found, where.value) == (where.op == "eq")


def _is_beyond(where: Where, found: Any) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    exact, limit = Decimal(str(found)), Decimal(str(where.value))
    return exact >= limit if where.op == "gte" else exact <= limit


def _is_same(found: Any, value: Any) -> bool:
    if isinstance(value, bool) or isinstance(found, bool):
        return found is value
    if isinstance(value, str):
        return bool(found == value)
    return isinstance(found, int | float) and Decimal(str(found)) == value


@judge.register
def _score(condition: on.Score, facts: Facts, _moment: Moment) -> Verdict:
    value = facts.value
    found: Number | None
    if condition.of in ("interactions", "relationship"):
        found = getattr(value, condition.of) if value is not None else 0
    else:
        found = getattr(value, f"{condition.of}_score", None)
    return Verdict(_compares(found, condition), {"value": found})
