"""The run of the rules: every tag of a group put right in two statements a stretch."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Min
from django.utils import timezone
from django.utils.translation import gettext_lazy

from core import jobs, nightly, system_settings
from core.models import Job
from core.registry import PeriodicTask, periodic_tasks
from core.system_settings import Declaration, declare
from core.templatetags.console import FIGURE_NAMES
from crm import interactions
from crm.auto_tags import rules
from crm.errors import OutsideEveryController
from crm.models import Category, Member, Tag, TagCount, TagGroup
from crm.models.tags import Source
from crm.value import running as value_running
from crm.value.moments import year_before
from staff.accounts import system_staff
from staff.models import Staff

SYSTEM = "crm.auto_tags"
JOB = "crm.auto_tags"
HOUR = "crm.auto_tags_hour"
STRETCH = 20_000
CATEGORY_RULE = "90 天内该品类下单或点击 ≥2 次（同一链接一天算一次）"
CITIES = Path(__file__).parent.parent / "data" / "city_tiers.csv"

# A tag set by hand in an exclusive group keeps the rule's tag away.
_WANTED = """
WITH {people},
decided AS ({select}),
wanted AS (
    SELECT decided.member_id, tag.id AS tag_id
    FROM decided JOIN unnest(%(keys)s::text[], %(tags)s::bigint[]) AS tag (key, id)
        ON tag.key = decided.key
    WHERE NOT %(is_exclusive)s OR NOT EXISTS (
        SELECT FROM crm_membertag held JOIN crm_tag word ON word.id = held.tag_id
        WHERE held.member_id = decided.member_id AND word.group_id = %(group)s
            AND held.source <> 'auto'
    )
)
"""
_TAKE = """
DELETE FROM crm_membertag held USING (
    SELECT row.id FROM people
    JOIN crm_membertag row ON row.member_id = people.id
        AND row.tag_id = ANY(%(tags)s) AND row.source = 'auto'
    LEFT JOIN wanted ON wanted.member_id = row.member_id AND wanted.tag_id = row.tag_id
    WHERE wanted.tag_id IS NULL
) gone WHERE held.id = gone.id
"""
# What still holds is renewed in the second half of its time, not every night.
_PUT = """
INSERT INTO crm_membertag (member_id, tag_id, source, set_by_id, set_at, expires_at)
SELECT wanted.member_id, wanted.tag_id, 'auto', %(actor)s, %(now)s,
    %(now)s::timestamptz + %(days)s * interval '1 day'
FROM wanted
LEFT JOIN crm_membertag row
    ON row.member_id = wanted.member_id AND row.tag_id = wanted.tag_id
WHERE row.id IS NULL OR (row.source = 'auto' AND %(days)s::int IS NOT NULL
    AND row.expires_at < %(now)s::timestamptz + %(days)s * interval '12 hours')
ORDER BY wanted.member_id, wanted.tag_id
ON CONFLICT (member_id, tag_id) DO UPDATE SET expires_at = EXCLUDED.expires_at
"""
_COUNT = """
INSERT INTO crm_tagcount (tag_id, controller_id, members, last_set_at, counted_at)
SELECT held.tag_id, %(controller)s, count(*), max(held.set_at), %(now)s
FROM crm_membertag held JOIN crm_member member ON member.id = held.member_id
WHERE member.controller_id = %(controller)s AND member.merged_into_id IS NULL
    AND member.purged_at IS NULL
GROUP BY held.tag_id
"""
_MANY_PIECES = """
SELECT percentile_cont(0.9) WITHIN GROUP (ORDER BY pieces) FROM (
    SELECT sum(item.quantity) AS pieces
    FROM crm_order o JOIN crm_orderitem item ON item.order_id = o.id
    WHERE o.controller_id = %s AND o.placed_at > %s AND o.state IN ('paid', 'part_back')
    GROUP BY o.id LIMIT 200000
) sizes
"""

Step = Callable[[int], None]


def run_all(
    *,
    now: datetime | None = None,
    controller_id: int | None = None,
    step: Step | None = None,
) -> dict[str, int]:
    """Follow every rule for everybody, of all data controllers or of one.

    Safe to repeat and to stop: each stretch of ids is a transaction of its own, and a
    second run right after the first writes nothing. `step(n)` hears of members done and
    may raise to stop. Returns {"put", "taken"}: rows written and deleted.
    """
    now, tell = now or timezone.now(), step or (lambda _count: None)
    totals = {"put": 0, "taken": 0}
    groups = [(group, found) for group in rules.GROUPS if (found := _tags_of(group))]
    everybody = Member.objects.known()
    if controller_id is not None:
        everybody = everybody.filter(controller=controller_id)
    spans = everybody.order_by().values_list("controller_id")
    for owner, first, last in spans.annotate(Min("pk"), Max("pk")).order_by(
        "controller_id"
    ):
        shared = _parameters(owner, now)
        mine = [*groups, *_interests(owner)]
        for begin in range(first, last + 1, STRETCH):
            span = {"first": begin, "last": min(begin + STRETCH - 1, last)}
            for group, found in mine:
                given = shared | span | group.given(now)
                put, taken = _follow(group, found, given)
                totals["put"] += put
                totals["taken"] += taken
            tell(span["last"] - span["first"] + 1)
        count(owner, now=now)
    return totals


@transaction.atomic
def count(controller_id: int, *, now: datetime) -> None:
    """Count the tags of one data controller's members anew."""
    TagCount.objects.filter(controller=controller_id).delete()
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {"controller": controller_id, "now": now})


def _interests(controller_id: int) -> list[tuple[rules.Group, dict[str, Any]]]:
    """The tag of each category the data controller sells, made when it is missing."""
    group = TagGroup.objects.filter(controller=None, code="interest").first()
    sold = Category.objects.filter(products__controller=controller_id).distinct()
    if group is None or not sold:
        return []
    found: dict[int, int] = {}
    for category in sold:
        tag, _is_new = Tag.objects.get_or_create(
            group=group,
            controller_id=controller_id,
            name=f"兴趣·{category.name}"[:40],
            defaults={"rule": CATEGORY_RULE},
        )
        if not tag.is_archived:
            found[category.pk] = tag.pk
    told = {
        "group": group.pk,
        "keys": [str(pk) for pk in found],
        "tags": list(found.values()),
        "is_exclusive": group.is_exclusive,
        "days": group.expires_after_days,
    }
    return [(rules.Group("interest", (), rules.interest()), told)] if found else []


# -- the job


def start_nightly() -> bool:
    """Start tonight's job when its hour has come and the values are computed."""
    hour = int(system_settings.get(HOUR))
    return nightly.start(
        JOB, hour=hour, actor=system_staff(SYSTEM), after=value_running.JOB
    )


def start(*, actor: Staff) -> Job:
    """Follow the rules now, for the person's data controller; administrators for all.

    Raises OutsideEveryController.
    """
    if actor.is_superuser:
        return jobs.start(JOB, actor=actor)
    if actor.org_unit is None:
        raise OutsideEveryController
    return jobs.start(JOB, {"controller": actor.org_unit.controller_id}, actor=actor)


def run_job(progress: jobs.Progress) -> dict[str, Any]:
    """The job: resumable, because what is right already is not written again."""
    controller_id = progress.params.get("controller")
    rows = Member.objects.known()
    if controller_id is not None:
        rows = rows.filter(controller=controller_id)
    spans = rows.order_by().values_list("controller_id")
    edges = spans.annotate(Min("pk"), Max("pk"))
    progress.total(sum(last - first + 1 for _owner, first, last in edges))
    return run_all(controller_id=controller_id, step=progress.step)


def register() -> None:
    """Called once, in AppConfig.ready()."""
    jobs.register(JOB, gettext_lazy("Follow the tag rules"), run_job, is_resumable=True)
    FIGURE_NAMES.update(
        put=gettext_lazy("tags put on"), taken=gettext_lazy("tags taken off")
    )
    declare(
        Declaration(
            HOUR,
            gettext_lazy("Hour at which the tag rules run"),
            4,
            help_text=gettext_lazy(
                "Not before the values are computed, which they read; once a night."
            ),
            minimum=0,
            maximum=23,
        )
    )
    periodic_tasks.append(
        PeriodicTask("crm.auto_tags", "crm.tasks.start_nightly_tags", 600, "bulk")
    )


def _tags_of(group: rules.Group) -> dict[str, Any]:
    """The tags of a group as they stand: renamed ones still, archived ones not."""
    row = TagGroup.objects.filter(controller=None, code=group.code).first()
    if row is None:
        return {}
    keys = {f"{group.code}.{key}": key for key in group.keys}
    known = (
        Tag.objects.in_use()
        .filter(builtin_key__in=keys)
        .values_list("builtin_key", "pk")
    )
    found = {keys[builtin]: pk for builtin, pk in known}
    if not found:
        return {}
    return {
        "group": row.pk,
        "keys": list(found),
        "tags": list(found.values()),
        "is_exclusive": row.is_exclusive,
        "days": row.expires_after_days,
    }


def _parameters(controller_id: int, now: datetime) -> dict[str, Any]:
    today = timezone.localdate(now)
    year_ago = year_before(today)
    with connection.cursor() as cursor:
        cursor.execute(_MANY_PIECES, [controller_id, year_ago])
        many = cursor.fetchone()[0]
    tiers = _cities()
    return {
        "controller": controller_id,
        "now": now,
        "today": today,
        "year_ago": year_ago,
        "zone": settings.TIME_ZONE,
        "acts": list(interactions.acts),
        "messages": interactions.MESSAGES,
        "many_pieces": float(many or 0),
        "first_tier": tiers["1"],
        "upper_tiers": [city for tier in tiers.values() for city in tier],
        "actor": system_staff(SYSTEM).pk,
        "source": Source.AUTO,
    }


@lru_cache(maxsize=1)
def _cities() -> dict[str, list[str]]:
    """Names of cities by tier; what stands in none is a lower-tier city."""
    with CITIES.open(encoding="utf-8", newline="") as lines:
        found: dict[str, list[str]] = {}
        for row in csv.DictReader(lines):
            found.setdefault(row["tier"], []).append(row["city"])
    return found


@transaction.atomic
def _follow(
    group: rules.Group, found: dict[str, Any], given: dict[str, Any]
) -> tuple[int, int]:
    """Put the tags of one group right for one stretch: (rows put, rows taken)."""
    # Orders this run after people who tag at the same moment (crm.tagging.tag).
    TagGroup.objects.select_for_update(no_key=True).get(pk=found["group"])
    wanted = _WANTED.format(people=rules.PEOPLE, select=group.select)
    with connection.cursor() as cursor:
        cursor.execute(wanted + _TAKE, given | found)
        taken = cursor.rowcount
        cursor.execute(wanted + _PUT, given | found)
        return cursor.rowcount, taken
