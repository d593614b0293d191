"""What each condition asks the database: a test of the member's row, or a set of members.

Nothing here is a NULL to be negated: an unknown city is in no list of cities, and the
opposite of that holds for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import singledispatch
from math import ceil, floor
from typing import Any

from django.db.models import Q
from django.utils import timezone

from crm.kept import KEPT
from crm.models import Order, Relation
from crm.naming import fragment_tokens
from crm.segments import conditions as on
from crm.segments.params import Where
from crm.segments.sets import Own, Part, Rows, Sql, joined, negated
from crm.segments.tree import Node, conditions_of
from staff.models import OrgUnit
from wechat.models import Account

WHERE = " WHERE "
HAVING = " GROUP BY 1 HAVING "


@dataclass(frozen=True)
class Setting:
    """What conditions are judged by: the moment, and the rows their ids stand for."""

    now: datetime
    # Ids of the units below a unit, itself included; accounts that are WeCom corps.
    below: dict[int, list[int]] = field(default_factory=dict)
    corps: frozenset[int] = frozenset()

    @property
    def today(self) -> date:
        """The day of Beijing."""
        return timezone.localdate(self.now)


def setting_of(node: Node, now: datetime) -> Setting:
    """Look up what the tree needs, in two queries at most."""
    stores = [each for each in conditions_of(node) if isinstance(each, on.Store)]
    reach = [each for each in conditions_of(node) if isinstance(each, on.Reachable)]
    accounts = {each.account for each in reach if each.account is not None}
    corps = Account.objects.filter(pk__in=accounts, kind=Account.Kind.WECOM)
    return Setting(
        now=now,
        below=_below({pk for each in stores if each.with_below for pk in each.units}),
        corps=frozenset(corps.values_list("pk", flat=True))
        if accounts
        else frozenset(),
    )


def _below(units: set[int]) -> dict[int, list[int]]:
    if not units:
        return {}
    paths = dict(OrgUnit.objects.filter(pk__in=units).values_list("pk", "path"))
    under = Q(pk__in=[])
    for path in paths.values():
        under |= Q(path__startswith=path)
    rows = list(OrgUnit.objects.filter(under).values_list("pk", "path"))
    return {
        pk: [each for each, below in rows if below.startswith(path)]
        for pk, path in paths.items()
    }


@singledispatch
def leaf(condition: on.Condition, setting: Setting) -> Part:
    """The members a condition means, as a part of a query; a function a condition."""
    raise TypeError(f"no query for {type(condition).__name__}")


# -- the member's own row


def _among(column: str, values: tuple[str, ...]) -> Own:
    """`unknown` stands for the empty text."""
    stored = ["" if value == on.UNKNOWN else value for value in values]
    return Own(Sql(f"<<{column}>> = ANY(%s)", (stored,)))


@leaf.register
def _gender(condition: on.Gender, _setting: Setting) -> Part:
    return _among("gender", condition.in_)


@leaf.register
def _stage(condition: on.Stage, _setting: Setting) -> Part:
    return _among("stage", condition.in_)


@leaf.register
def _rfm(condition: on.Rfm, _setting: Setting) -> Part:
    return _among("rfm", condition.in_)


@leaf.register
def _trust(condition: on.Trust, _setting: Setting) -> Part:
    return _among("trust", condition.in_)


@leaf.register
def _city(condition: on.City, _setting: Setting) -> Part:
    named = {"known": "<<city>> <> ''", "unknown": "<<city>> = ''"}
    if condition.is_ in named:
        return Own(Sql(named[condition.is_]))
    test = Sql("<<city>> = ANY(%s)", (list(condition.values),))
    return Own(test if condition.is_ == "in" else negated(test))


@leaf.register
def _birthday(condition: on.Birthday, setting: Setting) -> Part:
    if condition.is_ in ("known", "unknown"):
        word = "NOT NULL" if condition.is_ == "known" else "NULL"
        return Own(Sql(f"<<birthday>> IS {word}"))
    if condition.is_ == "month":
        test = "extract(month FROM <<birthday>>)::int = ANY(%s)"
        values = list(condition.months)
    else:
        test = (
            "(extract(month FROM <<birthday>>) * 100"
            " + extract(day FROM <<birthday>>))::int = ANY(%s)"
        )
        values = _days_of_year(setting.today, condition.days or 1)
    return Own(Sql(f"(<<birthday>> IS NOT NULL AND {test})", (values,)))


def _days_of_year(first: date, count: int) -> list[int]:
    """Month and day as 618; 29 February is kept on 1 March where there is none."""
    found = set()
    for number in range(count):
        day = first + timedelta(days=number)
        found.add(day.month * 100 + day.day)
        if (day.month, day.day) == (3, 1) and (day - timedelta(days=1)).day == 28:
            found.add(229)
    return sorted(found)


@leaf.register
def _name(condition: on.Name, _setting: Setting) -> Part:
    """The index of name tokens finds candidates, the text itself decides."""
    text = condition.contains.lower()
    either = (
        "(strpos(lower(<<display_name>>), %s) > 0 OR strpos(lower(<<remark>>), %s) > 0)"
    )
    tokens = fragment_tokens(text)
    if not tokens:
        return Own(Sql(either, (text, text)))
    test = f"(<<name_tokens>> @> %s::varchar[] AND {either})"
    return Own(Sql(test, (tokens, text, text)))


@leaf.register
def _phone(condition: on.Phone, _setting: Setting) -> Part:
    return Own(
        Sql("<<phone_hash>> <> ''" if condition.known else "<<phone_hash>> = ''")
    )


def _lately(column: str, condition: on.Joined | on.Seen, setting: Setting) -> Own:
    since = setting.now - timedelta(days=condition.days)
    sign = ">" if condition.is_ == "within" else "<="
    return Own(Sql(f"<<{column}>> {sign} %s", (since,)))


@leaf.register
def _joined(condition: on.Joined, setting: Setting) -> Part:
    return _lately("first_seen_at", condition, setting)


@leaf.register
def _seen(condition: on.Seen, setting: Setting) -> Part:
    return _lately("last_seen_at", condition, setting)


@leaf.register
def _store(condition: on.Store, setting: Setting) -> Part:
    units = set(condition.units)
    if condition.with_below:
        units.update(pk for unit in condition.units for pk in setting.below[unit])
    test = "(<<org_unit_id>> IS NOT NULL AND <<org_unit_id>> = ANY(%s))"
    return Own(Sql(test, (sorted(units),)))


@leaf.register
def _owner(condition: on.Owner, _setting: Setting) -> Part:
    if condition.is_ == "nobody":
        return Own(Sql("<<owner_id>> IS NULL"))
    test = "(<<owner_id>> IS NOT NULL AND <<owner_id>> = ANY(%s))"
    return Own(Sql(test, (list(condition.staff),)))


# -- rows of other tables


def _select(table: str, tests: list[Sql]) -> Sql:
    found = joined(tests, "AND") if tests else Sql("true")
    text = f"SELECT member_id FROM {table} WHERE {found.text}"  # noqa: S608
    return Sql(text, found.params)


@leaf.register
def _identity(condition: on.HasIdentity, _setting: Setting) -> Part:
    tests = [Sql("kind = %s", (condition.kind,))]
    if condition.account is not None:
        tests.append(Sql("account_id = %s", (condition.account,)))
    if condition.following is not None:
        tests.append(Sql("is_following" if condition.following else "NOT is_following"))
    if condition.scene is not None:
        tests.append(Sql("starts_with(scene, %s)", (condition.scene,)))
    return Rows(_select("crm_identity", tests), HAVING)


@leaf.register
def _relation(condition: on.HasRelation, _setting: Setting) -> Part:
    tests = []
    if condition.colleagues:
        tests.append(Sql("colleague_id = ANY(%s)", (list(condition.colleagues),)))
    if condition.states:
        tests.append(Sql("state = ANY(%s)", (list(condition.states),)))
    if condition.add_ways:
        tests.append(Sql("add_way = ANY(%s)", (list(condition.add_ways),)))
    if condition.channel is not None:
        tests.append(Sql("channel_state = %s", (condition.channel,)))
    return Rows(_select("crm_relation", tests), HAVING)


@leaf.register
def _tags(condition: on.Tags, _setting: Setting) -> Part:
    source = Sql("SELECT member_id FROM crm_tagset")
    wanted = []
    if condition.all:
        wanted.append(Sql("tag_ids @> %s::bigint[]", (list(condition.all),)))
    if condition.any:
        wanted.append(Sql("tag_ids && %s::bigint[]", (list(condition.any),)))
    refused = Sql("tag_ids && %s::bigint[]", (list(condition.none),))
    if not wanted:
        return Rows(source, WHERE, refused, is_in=False)
    if condition.none:
        wanted.append(negated(refused))
    return Rows(source, WHERE, joined(wanted, "AND"))


def _period(
    column: str, period: on.Orders | on.Happened, setting: Setting
) -> list[Sql]:
    """Moments as values, so that months out of question are not even opened."""
    tests = []
    if period.within_days is not None:
        since = setting.now - timedelta(days=period.within_days)
        tests.append(Sql(f"{column} > %s", (since,)))
    if period.since is not None:
        tests.append(Sql(f"{column} >= %s", (_midnight(period.since),)))
    if period.until is not None:
        after = _midnight(period.until + timedelta(days=1))
        tests.append(Sql(f"{column} < %s", (after,)))
    return tests


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))


def _compared(
    expression: str, condition: on.Orders | on.Score, *, of_nothing: bool
) -> tuple[Sql, bool]:
    """(test, whether it is for who is in): of who has no rows, 0 is compared.

    Where 0 passes, those who do not pass are looked for and left out.
    """
    low, op = condition.value, condition.is_
    high = condition.to if condition.to is not None else low
    if op == "between":
        test = Sql(f"{expression} BETWEEN %s AND %s", (low, high))
        is_zero_in = low <= 0 <= high
    else:
        test = Sql(f"{expression} {'>=' if op == 'gte' else '<='} %s", (low,))
        is_zero_in = low <= 0 if op == "gte" else low >= 0
    if of_nothing and is_zero_in:
        return Sql(f"(NOT {test.text})", test.params), False
    return Sql(f"({test.text})", test.params), True


def _order_source(condition: on.Orders, setting: Setting) -> Sql:
    tests = [
        Sql("o.member_id IS NOT NULL"),
        Sql("o.state = ANY(%s)", (list(Order.COUNTED),)),
        *_period("o.paid_at", condition, setting),
    ]
    if condition.shops:
        tests.append(Sql("o.shop = ANY(%s)", (list(condition.shops),)))
    table = "crm_order o"
    items = []
    if condition.products:
        items.append(Sql("i.product_id = ANY(%s)", (list(condition.products),)))
    if condition.categories:
        # A category of one's own takes the place of the shared one with its code.
        chosen = (
            "SELECT sold.id FROM crm_product sold"
            " JOIN crm_category root ON root.id = sold.category_id"
            " JOIN crm_category chosen ON chosen.code = root.code"
            " WHERE chosen.id = ANY(%s)"
        )
        text = f"i.product_id = ANY(ARRAY({chosen}))"
        items.append(Sql(text, (list(condition.categories),)))
    if items:
        table += " JOIN crm_orderitem i ON i.order_id = o.id"
        tests.append(joined(items, "OR"))
    both = joined(tests, "AND")
    text = f"SELECT o.member_id FROM {table} WHERE {both.text}"  # noqa: S608
    return Sql(text, both.params)


@leaf.register
def _orders(condition: on.Orders, setting: Setting) -> Part:
    source = _order_source(condition, setting)
    of_items = bool(condition.products or condition.categories)
    count = "count(DISTINCT o.id)" if of_items else "count(*)"
    amount = f"sum({KEPT})" if of_items else "sum(o.amount - o.refunded)"
    if condition.measure == "days_since_last":
        return Rows(source, HAVING, _days_since(condition, setting))
    if condition.measure == "average":
        test, _in = _compared(f"{amount} / {count}", condition, of_nothing=False)
        return Rows(source, HAVING, test)
    figure = count if condition.measure == "count" else amount
    test, is_in = _compared(figure, condition, of_nothing=True)
    if figure == count and condition.is_ == "gte" and 0 < condition.value <= 1:
        return Rows(source, HAVING)
    return Rows(source, HAVING, test, is_in=is_in)


def _days_since(condition: on.Orders, setting: Setting) -> Sql:
    """Whole days gone by, as moments: 3 days hold until the fourth is full."""
    low = condition.value
    high = condition.to if condition.to is not None else low
    tests = []
    if condition.is_ in ("gte", "between"):
        tests.append(Sql("max(o.paid_at) <= %s", (_days_ago(ceil(low), setting),)))
    if condition.is_ in ("lte", "between"):
        tests.append(Sql("max(o.paid_at) > %s", (_days_ago(floor(high) + 1, setting),)))
    both = joined(tests, "AND")
    return Sql(f"coalesce({both.text}, false)", both.params)


def _days_ago(days: int, setting: Setting) -> datetime:
    """Long before anything was sold for more days than there are."""
    return setting.now - timedelta(days=min(days, 100 * 366))


@leaf.register
def _happened(condition: on.Happened, setting: Setting) -> Part:
    tests = [
        Sql("kind = ANY(%s)", (list(condition.kinds),)),
        *_period("at", condition, setting),
        *map(_property, condition.where),
    ]
    if condition.account is not None:
        tests.append(Sql("account_id = %s", (condition.account,)))
    test = None
    if condition.at_least > 1:
        test = Sql("count(*) >= %s", (condition.at_least,))
    return Rows(_select("crm_event", tests), HAVING, test, is_in=condition.did)


def _property(where: Where) -> Sql:
    """Of the event's data; the name travels as a value. Texts equal texts only."""
    key, value = where.key, where.value
    if where.op == "known":
        return Sql("coalesce(data ->> %s, '') <> ''", (key,))
    if where.op == "contains":
        test = (
            "(coalesce(jsonb_typeof(data -> %s), '') = 'string'"
            " AND strpos(data ->> %s, %s) > 0)"
        )
        return Sql(test, (key, key, value))
    if where.op in ("gte", "lte"):
        sign = ">=" if where.op == "gte" else "<="
        test = (
            "CASE WHEN jsonb_typeof(data -> %s) = 'number'"
            f" THEN (data ->> %s)::numeric {sign} %s ELSE false END"
        )
        return Sql(test, (key, key, value))
    equal = f"coalesce(data -> %s = to_jsonb(%s::{_type_of(value)}), false)"
    found = Sql(equal, (key, value))
    return found if where.op == "eq" else negated(found)


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "numeric" if isinstance(value, int | Decimal) else "text"


_SCORES = {
    "interactions": "interactions",
    "relationship": "relationship",
    "r": "r_score",
    "f": "f_score",
    "m": "m_score",
}


@leaf.register
def _score(condition: on.Score, _setting: Setting) -> Part:
    column = _SCORES[condition.of]
    source = Sql("SELECT member_id FROM crm_membervalue")
    is_quintile = len(condition.of) == 1
    test, is_in = _compared(column, condition, of_nothing=not is_quintile)
    if is_quintile:
        test = Sql(f"({column} IS NOT NULL AND {test.text})", test.params)
    return Rows(source, WHERE, test, is_in=is_in)


@leaf.register
def _consent(condition: on.Consent, _setting: Setting) -> Part:
    tests = [
        Sql("purpose = %s", (condition.purpose,)),
        Sql("channel = %s", (condition.channel or "",)),
    ]
    if condition.account is not None:
        tests.append(Sql("account_id = %s", (condition.account,)))
    found = joined(tests, "AND")
    if condition.is_ == "unset":
        return Rows(_select("crm_consententry", tests), HAVING, is_in=False)
    newest = (
        "SELECT DISTINCT ON (member_id) member_id, action"  # noqa: S608
        f" FROM crm_consententry WHERE {found.text} ORDER BY member_id, at DESC, id DESC"
    )
    source = Sql(f"SELECT member_id FROM ({newest}) newest", found.params)  # noqa: S608
    return Rows(source, WHERE, Sql("action = %s", (condition.is_,)))


@leaf.register
def _reachable(condition: on.Reachable, setting: Setting) -> Part:
    if condition.account is None:
        return Own(Sql("<<is_reachable>>"))
    if condition.account in setting.corps:
        friends = Sql(
            "SELECT member_id FROM crm_relation WHERE state = %s AND colleague_id"
            " IN (SELECT id FROM wechat_colleague WHERE account_id = %s)",
            (Relation.State.ACTIVE.value, condition.account),
        )
        return Rows(friends, HAVING)
    followers = Sql(
        "SELECT member_id FROM crm_identity"
        " WHERE account_id = %s AND kind = 'openid' AND is_following",
        (condition.account,),
    )
    return Rows(followers, HAVING)


@leaf.register
def _marketing(condition: on.Marketing, setting: Setting) -> Part:
    frozen = "(<<frozen_until>> IS NOT NULL AND <<frozen_until>> > %s)"
    if condition.is_ == "opted_out":
        return Own(Sql("<<opted_out_at>> IS NOT NULL"))
    if condition.is_ == "frozen":
        return Own(Sql(frozen, (setting.now,)))
    test = f"(<<is_reachable>> AND <<opted_out_at>> IS NULL AND NOT {frozen})"
    return Own(Sql(test, (setting.now,)))


@leaf.register
def _in_segment(condition: on.InSegment, _setting: Setting) -> Part:
    source = Sql(
        "SELECT member_id FROM crm_segmentmember WHERE segment_id = %s",
        (condition.segment,),
    )
    return Rows(source, HAVING, is_in=condition.in_)
