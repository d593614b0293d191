"""To whom a touch is said: a rule, the members it means, and a look before it is fixed.

The rule is JSON in Touch.audience: {"tags_any": [ids], "tags_all": [ids], "tags_none":
[ids], "stages": ["new", …], "seen_within_days": int, "not_seen_within_days": int,
"segments_any": [ids], "segments_none": [ids]}, all of it optional and all of it to hold at
once; {} means everybody the data controller knows. A dynamic segment counts by its rule at
the moment of asking, a frozen one or a list by who is in it.
The account comes from the touch and is part of no rule: who does not follow it is
counted as not reachable, so that everybody the rule means is told of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from psycopg.errors import QueryCanceled

from campaigns import exclusions
from campaigns.models import Touch
from campaigns.reasons import ORDER
from core.errors import BadInput
from crm.models import Identity, Member, Segment, Tag, TagSet
from crm.models.people import MemberQuerySet
from crm.segments import SegmentInvalid, choosing
from crm.segments.compiling import Holds
from staff.models import OrgUnit, Staff
from wechat.models import Account

TAG_FIELDS = ("tags_any", "tags_all", "tags_none")
DAY_FIELDS = ("seen_within_days", "not_seen_within_days")
SEGMENT_FIELDS = exclusions.SEGMENT_FIELDS
FIELDS = (*TAG_FIELDS, "stages", *DAY_FIELDS, *SEGMENT_FIELDS)
MAX_TAGS = 50
MAX_SEGMENTS = 20
MAX_DAYS = 3650
_BIGGEST_ID = 2**63 - 1
# A page that counts while somebody types must answer within a second or so: up to so many
# people are counted one by one, more (or what takes longer) on a sample.
EXACT_MEMBERS = 30_000
EXACT_MILLISECONDS = 1_500
SAMPLE_MEMBERS = 4_000
SAMPLE_NAMES = 8
WHOLE_BASE_SHARE = 0.9
# Reasons under which somebody may not follow the account at all.
NOT_FOLLOWING = (
    *("merged", "erased", "complaint", "test_account", "opted_out", "unreachable"),
)

Words = str | Promise


class AudienceInvalid(BadInput):
    """The rule can't be used; `problems` says why, in a sentence per problem."""

    code = "audience_invalid"
    message = gettext_lazy("The audience can't be used.")

    def __init__(self, problems: Iterable[Words]) -> None:
        self.problems = [str(each) for each in problems]
        super().__init__(" ".join(self.problems), problems=self.problems)


@dataclass(frozen=True)
class Rule:
    """A rule that was checked; `parse` is the way to one."""

    tags_any: tuple[int, ...] = ()
    tags_all: tuple[int, ...] = ()
    tags_none: tuple[int, ...] = ()
    stages: tuple[str, ...] = ()
    seen_within_days: int | None = None
    not_seen_within_days: int | None = None
    segments_any: tuple[int, ...] = ()
    segments_none: tuple[int, ...] = ()

    @property
    def is_everybody(self) -> bool:
        return self == Rule()

    @property
    def tag_ids(self) -> set[int]:
        return {*self.tags_any, *self.tags_all, *self.tags_none}

    @property
    def segment_ids(self) -> set[int]:
        return {*self.segments_any, *self.segments_none}

    def as_json(self) -> dict[str, Any]:
        """What is stored and digested: every field, always in the same order."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in ((name, getattr(self, name)) for name in FIELDS)
        }


@dataclass
class _Reader:
    """Takes a rule apart and gathers what is wrong with it."""

    given: dict[str, Any]
    problems: list[Words] = field(default_factory=list)

    def tags(self, name: str) -> tuple[int, ...]:
        words = _("At most %(count)d tags can be chosen at one place.")
        too_many = words % {"count": MAX_TAGS}
        as_ids = _("Tags are given as a list of their ids.")
        return self._ids(name, MAX_TAGS, as_ids, too_many)

    def segments(self, name: str) -> tuple[int, ...]:
        words = _("At most %(count)d segments can be chosen at one place.")
        too_many = words % {"count": MAX_SEGMENTS}
        as_ids = _("Segments are given as a list of their ids.")
        return self._ids(name, MAX_SEGMENTS, as_ids, too_many)

    def _ids(
        self, name: str, most: int, as_ids: Words, too_many: Words
    ) -> tuple[int, ...]:
        value = self.given.get(name)
        if value is None:
            return ()
        is_list = isinstance(value, list) and all(
            type(each) is int and 0 < each <= _BIGGEST_ID for each in value
        )
        if not is_list:
            self.problems.append(as_ids)
            return ()
        if len(value) > most:
            self.problems.append(too_many)
            return ()
        return tuple(sorted(set(value)))

    def stages(self) -> tuple[str, ...]:
        value = self.given.get("stages")
        if value is None:
            return ()
        known = Member.Stage.values
        if not isinstance(value, list) or not all(
            isinstance(each, str) and each in known for each in value
        ):
            self.problems.append(_("There is no such stage of members."))
            return ()
        return tuple(stage for stage in known if stage in value)

    def days(self, name: str) -> int | None:
        value = self.given.get(name)
        if value is None:
            return None
        if type(value) is not int or not 1 <= value <= MAX_DAYS:
            words = _("Days are a whole number from 1 to %(most)d.")
            self.problems.append(words % {"most": MAX_DAYS})
            return None
        return value


def parse(rule: Any, *, account: Account) -> Rule:
    """The rule in `rule` (JSON as stored or sent); raises AudienceInvalid for anything else.

    Tags are those of the account's data controller and the shared ones.
    """
    if rule is None:
        rule = {}
    if not isinstance(rule, dict):
        raise AudienceInvalid([_("An audience is given as an object of conditions.")])
    reader = _Reader(rule)
    unknown = sorted(str(name)[:40] for name in rule.keys() - set(FIELDS))
    if unknown:
        words = _("There is no such condition: %(names)s.")
        reader.problems.append(words % {"names": ", ".join(unknown[:5])})
    found = Rule(
        tags_any=reader.tags("tags_any"),
        tags_all=reader.tags("tags_all"),
        tags_none=reader.tags("tags_none"),
        stages=reader.stages(),
        seen_within_days=reader.days("seen_within_days"),
        not_seen_within_days=reader.days("not_seen_within_days"),
        segments_any=reader.segments("segments_any"),
        segments_none=reader.segments("segments_none"),
    )
    problems = [
        *reader.problems,
        *_contradictions(found),
        *_unknown_tags(found, account),
        *_unknown_segments(found, account),
    ]
    if account.is_wecom:
        problems.append(_("Choose an official account: a WeCom corp has no followers."))
    if problems:
        raise AudienceInvalid(dict.fromkeys(str(each) for each in problems))
    return found


def segments_in(audience: Any) -> list[int]:
    """Ids of the segments a stored audience names."""
    rule = audience or {}
    return sorted({pk for name in SEGMENT_FIELDS for pk in rule.get(name) or []})


def _contradictions(rule: Rule) -> list[Words]:
    """Why nobody at all could be meant."""
    found: list[Words] = []
    refused = set(rule.tags_none)
    wanted = set(rule.tags_any)
    if refused & set(rule.tags_all) or (wanted and wanted <= refused):
        found.append(_("The same tag is wanted and refused: nobody would be left."))
    outside = set(rule.segments_none)
    if rule.segments_any and set(rule.segments_any) <= outside:
        found.append(_("The same segment is wanted and refused: nobody is left."))
    within, without = rule.seen_within_days, rule.not_seen_within_days
    if within is not None and without is not None and within <= without:
        found.append(
            _("Nobody was active in the last %(within)d days and not in %(without)d.")
            % {"within": within, "without": without}
        )
    return found


def _unknown_tags(rule: Rule, account: Account) -> list[Words]:
    wanted = rule.tag_ids
    if not wanted:
        return []
    known = Tag.objects.of_controller(account.org_unit.controller_id)
    found = set(known.filter(pk__in=wanted).values_list("pk", flat=True))
    if wanted <= found:
        return []
    return [_("A tag of the audience does not exist (any more).")]


def _unknown_segments(rule: Rule, account: Account) -> list[Words]:
    wanted = rule.segment_ids
    if not wanted:
        return []
    known = Segment.objects.filter(controller=account.org_unit.controller_id)
    found = set(known.in_use().filter(pk__in=wanted).values_list("pk", flat=True))
    if wanted <= found:
        return []
    return [_("A segment of the audience does not exist (any more).")]


def members_of(
    rule: Rule,
    account: Account,
    *,
    unit: OrgUnit | None = None,
    now: datetime | None = None,
) -> MemberQuerySet:
    """Members the rule means: of the account's data controller, below `unit` if given.

    Whether they can be reached through the account is no part of it. Raises
    AudienceInvalid when the rule of a segment can't be used any more.
    """
    rows = Member.objects.known().filter(controller_id=account.org_unit.controller_id)
    if unit is not None and unit.pk != unit.controller_id:
        rows = rows.filter(org_unit__path__startswith=unit.path)
    if rule.stages:
        rows = rows.filter(stage__in=rule.stages)
    at = now or timezone.now()
    if rule.seen_within_days is not None:
        rows = rows.filter(last_seen_at__gt=at - timedelta(days=rule.seen_within_days))
    if rule.not_seen_within_days is not None:
        before = at - timedelta(days=rule.not_seen_within_days)
        rows = rows.filter(last_seen_at__lte=before)
    if rule.segment_ids:
        rows = rows.filter(_segment_condition(rule, account, at))
    return rows.filter(_tag_conditions(rule))


def _segment_condition(rule: Rule, account: Account, at: datetime) -> Holds:
    controller = account.org_unit.controller
    assert controller is not None
    try:
        return choosing.chosen(
            any_of=rule.segments_any,
            none_of=rule.segments_none,
            controller=controller,
            now=at,
        )
    except SegmentInvalid as refusal:
        words = _("A segment of the audience can't be computed: %(why)s")
        raise AudienceInvalid([words % {"why": refusal.message}]) from refusal


def _tag_conditions(rule: Rule) -> Q:
    held = TagSet.objects.filter(member=OuterRef("pk"))
    wanted = Q()
    if rule.tags_all:
        wanted &= Q(Exists(held.filter(tag_ids__contains=list(rule.tags_all))))
    if rule.tags_any:
        wanted &= Q(Exists(held.filter(tag_ids__overlap=list(rule.tags_any))))
    if rule.tags_none:
        wanted &= ~Q(Exists(held.filter(tag_ids__overlap=list(rule.tags_none))))
    return wanted


# -- a look before it is fixed


@dataclass(frozen=True)
class Preview:
    """`total` members are meant, `sendable` would get it now, `excluded` by reason.

    Not `is_exact`: counted on a sample, shown as "about". `sample` are some of those who
    would get it; empty for who may not look at members. `is_whole_base`: see
    `is_whole_base`.
    """

    total: int
    sendable: int
    excluded: dict[str, int]
    sample: list[Member]
    as_of: datetime
    is_exact: bool
    is_whole_base: bool


def preview(touch: Touch, staff: Staff) -> Preview:
    """Count whom `touch` means, of what `staff` may see; `touch` need not be saved.

    Raises AudienceInvalid.
    """
    rule = parse(touch.audience, account=touch.account)
    members = members_of(rule, touch.account, unit=touch.campaign.org_unit)
    seen = members.filter(pk__in=Member.objects.visible_to(staff).values("pk"))
    exact = _counted(touch, seen)
    found = exact or _estimated(touch, seen)
    counts = dict(found.people)
    is_whole = is_whole_base(rule, touch.account, counts)
    total, sendable = sum(counts.values()), counts.pop("", 0)
    names = found.some if staff.has_perm("crm.view_member") else []
    return Preview(
        total=total,
        sendable=sendable,
        excluded=in_order(counts),
        sample=list(Member.objects.filter(pk__in=names)),
        as_of=timezone.now(),
        is_exact=exact is not None,
        is_whole_base=is_whole,
    )


def in_order(counts: dict[str, int]) -> dict[str, int]:
    """Counts by reason in the order in which reasons are judged, zeros left out."""
    known = {code: counts[code] for code in ORDER if counts.get(code)}
    return known | {code: n for code, n in sorted(counts.items()) if n}


def is_whole_base(rule: Rule, account: Account, counts: dict[str, int]) -> bool:
    """Whether it means (nearly) everybody who follows the account; said loudly then.

    `counts`: people by reason, "" for those who get it. Everybody: a rule without
    conditions, or one that means 90 % of the followers or more.
    """
    if rule.is_everybody:
        return True
    meant = sum(n for reason, n in counts.items() if reason not in NOT_FOLLOWING)
    followers = _followers(account)
    return followers > 0 and meant >= followers * WHOLE_BASE_SHARE


def _followers(account: Account) -> int:
    """Counted where they are few; a million as PostgreSQL expects them: pages ask often."""
    rows = Identity.objects.filter(
        account=account, kind=Identity.Kind.OPENID, is_following=True
    )
    about = expected(rows)
    return about if about > EXACT_MEMBERS else rows.count()


@dataclass(frozen=True)
class _Found:
    """`people` by reason, "" for those who get it; `some` ids of these."""

    people: dict[str, int]
    some: list[int]


def _counted(touch: Touch, members: MemberQuerySet) -> _Found | None:
    """None when there are many, or it would take too long."""
    if expected(members) > EXACT_MEMBERS:
        return None
    query = exclusions.of_rule(touch, members, is_few=True)
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {EXACT_MILLISECONDS}")
            found = _count(cursor, query)
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")
            return found
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            return None
        raise


def expected(rows: QuerySet[Any]) -> int:
    """How many PostgreSQL expects, from its statistics, without looking."""
    told = rows.order_by().values("pk").explain(format="json")
    if not told:  # Django knows that nobody is meant
        return 0
    return int(json.loads(told)[0]["Plan"]["Plan Rows"])


def _count(cursor: Any, query: exclusions.Query) -> _Found:
    cursor.execute(
        f"""{query.text} SELECT reason, count(*),
            CASE WHEN reason = '' THEN (array_agg(id))[1:{SAMPLE_NAMES}] END
        FROM verdict GROUP BY reason""",  # noqa: S608
        query.params,
    )
    rows = cursor.fetchall()
    return _Found(
        {reason: count for reason, count, _some in rows},
        [pk for _reason, _count, some in rows for pk in some or []],
    )


def _estimated(touch: Touch, members: MemberQuerySet) -> _Found:
    """The counts of a sample of members, scaled to how many there are."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT reltuples FROM pg_class WHERE oid = 'crm_member'::regclass"
        )
        share = min(1.0, SAMPLE_MEMBERS / max(cursor.fetchone()[0], 1.0))
        found = _count(cursor, exclusions.of_sample(touch, members, share * 100))
    looked_at = sum(found.people.values())
    is_all = share == 1.0 or not looked_at
    scale = 1.0 if is_all else expected(members) / looked_at
    people = {reason: round(count * scale) for reason, count in found.people.items()}
    return _Found(people, found.some)
