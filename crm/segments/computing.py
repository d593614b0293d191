"""Who is in a dynamic segment, written down: one query a segment, differences only.

A segment is computed when it is due: after its rule changed, after one it refers to
changed its members, and every night once the tags are put right. Segments are taken in the order in which they need
each other. What was found counts only if the rule is still the one it was found by.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, OperationalError, connection, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy, override
from django.utils.translation import gettext as _
from psycopg.errors import QueryCanceled

from core import jobs, nightly, system_settings
from core.errors import AppError
from core.models import Job
from core.registry import Text
from core.templatetags.console import FIGURE_NAMES
from crm import tagging
from crm.auto_tags import running as auto_tags
from crm.models import Member, Segment, SegmentMember, Tag
from crm.registry import on_purge, tag_uses, tag_uses_seen
from crm.segments.compiling import members_of
from crm.segments.errors import SegmentInvalid
from crm.segments.references import ids_in, parse, segments_in
from staff.models import Staff

logger = logging.getLogger(__name__)

JOB = "crm.segment_compute"
# The step of the night (core.nightly) that makes every dynamic segment due.
ROUND = "crm.segment_round"
STATEMENT_MINUTES = 10
WORK_MEMORY = "128MB"
_LOCK = 7_301_440
_NOBODY = "SELECT NULL::bigint AS id WHERE false"
# By itself, because a statement that writes rows of others is never run in parallel.
_COMPARE = """
CREATE TEMPORARY TABLE segment_changes ON COMMIT DROP AS
SELECT found.id AS comes, held.member_id AS goes
FROM ({members}) found
FULL JOIN (
    SELECT member_id FROM crm_segmentmember WHERE segment_id = %s
) held ON held.member_id = found.id
WHERE found.id IS NULL OR held.member_id IS NULL
"""
_TAKE_OUT = """
DELETE FROM crm_segmentmember USING segment_changes
WHERE segment_id = %s AND member_id = goes
"""
_PUT_IN = """
INSERT INTO crm_segmentmember (segment_id, member_id)
SELECT %s, comes FROM segment_changes WHERE comes IS NOT NULL ORDER BY comes
ON CONFLICT DO NOTHING
"""
_COUNT = "SELECT count(*) FROM crm_segmentmember WHERE segment_id = %s"


@dataclass(frozen=True)
class Result:
    """How many are in, came and went; `error`: why it could not be computed."""

    members: int = 0
    came: int = 0
    went: int = 0
    error: str = ""


class _Superseded(Exception):
    """The rule changed, or the segment is no longer dynamic: the result is void."""


def compute(
    segment: Segment, *, now: datetime | None = None, beside: bool = False
) -> Result | None:
    """Write down who is in; None when another worker is at it or the rule changed.

    `beside`: others are computed at the same time, so it takes one core only.

    A rule that can't be used, or takes too long, is told in the segment's `error`; who
    was in before stays in.
    """
    at = now or timezone.now()
    current = Segment.objects.select_related("controller", "org_unit").get(
        pk=segment.pk
    )
    if current.kind != Segment.Kind.DYNAMIC or current.archived_at is not None:
        return None
    try:
        return _compute(current, at, beside=beside)
    except _Superseded:
        return None
    except SegmentInvalid as refusal:
        return _fail(current, str(refusal.message), at)
    except OperationalError as error:
        if not isinstance(error.__cause__, QueryCanceled):
            raise
        return _fail(current, _("It took too long: the rule asks for too much."), at)


@transaction.atomic
def _compute(segment: Segment, at: datetime, *, beside: bool) -> Result | None:
    if not _locked(segment):
        return None
    node = parse(segment.rule, controller=segment.controller, segment=segment.pk)
    rows = members_of(node, segment.controller, unit=segment.org_unit, now=at)
    try:
        text, params = rows.order_by().values("id").query.sql_with_params()
    except EmptyResultSet:
        text, params = _NOBODY, ()
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_MINUTES}min'")
        cursor.execute(f"SET LOCAL work_mem = '{WORK_MEMORY}'")
        if beside:
            # Parallel workers would each group all orders for themselves.
            cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")
        cursor.execute(_COMPARE.format(members=text), [*params, segment.pk])
        result = _write(cursor, segment)
        cursor.execute("SET LOCAL statement_timeout = DEFAULT")
        cursor.execute("SET LOCAL work_mem = DEFAULT")
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = DEFAULT")
    written = _still(segment).update(
        member_count=result.members,
        computed_at=at,
        computed_version=segment.version,
        error="",
        due_at=next_night(at),
    )
    if not written:
        raise _Superseded
    if result.came or result.went:
        _wake_dependents(segment, at)
    return result


def _write(cursor: Any, segment: Segment) -> Result:
    """Put what was found different into the table of members."""
    cursor.execute(_TAKE_OUT, [segment.pk])
    went = cursor.rowcount
    cursor.execute(_PUT_IN, [segment.pk])
    came = cursor.rowcount
    cursor.execute("DROP TABLE segment_changes")
    cursor.execute(_COUNT, [segment.pk])
    return Result(cursor.fetchone()[0], came, went)


def _locked(segment: Segment) -> bool:
    """One worker at a time computes a segment, until its transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LOCK, segment.pk])
        return bool(cursor.fetchone()[0])


def _still(segment: Segment) -> Any:
    """The row, if its rule is the one that was read."""
    return Segment.objects.in_use().filter(
        pk=segment.pk, version=segment.version, kind=Segment.Kind.DYNAMIC
    )


def _fail(segment: Segment, words: str, at: datetime) -> Result:
    _still(segment).update(error=words[:300], due_at=next_night(at))
    return Result(error=words)


def _wake_dependents(segment: Segment, at: datetime) -> None:
    """Those whose rule refers to it, and which were computed before it."""
    rows = Segment.objects.in_use().filter(
        controller=segment.controller_id, kind=Segment.Kind.DYNAMIC
    )
    asked = rows.exclude(pk=segment.pk).filter(due_at__gt=at)
    needing = [
        pk
        for pk, rule in asked.values_list("pk", "rule")
        if segment.pk in segments_in(rule)
    ]
    Segment.objects.filter(pk__in=needing).update(due_at=at)


def next_night(after: datetime) -> datetime:
    """By when it is computed again at the latest, should no round come before."""
    midnight = timezone.localtime(after).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    return nightly.latest(_round_hour(), midnight + timedelta(days=1))


def _round_hour() -> int:
    return int(system_settings.get(auto_tags.HOUR))


def start_round() -> int:
    """Make every dynamic segment due, once a night, after the tags; how many were not."""
    now = timezone.now()
    with transaction.atomic():
        hour = _round_hour()
        if nightly.take_turn(ROUND, hour=hour, after=auto_tags.JOB) is None:
            return 0
        rows = Segment.objects.in_use().filter(kind=Segment.Kind.DYNAMIC)
        return rows.exclude(due_at__lte=now).update(due_at=now)


# -- many of them


def due(now: datetime | None = None) -> list[Segment]:
    """Dynamic segments to compute now, those first which others need."""
    rows = Segment.objects.in_use().filter(
        kind=Segment.Kind.DYNAMIC, due_at__lte=now or timezone.now()
    )
    return in_order(rows.order_by("pk"))


def in_order(segments: Iterable[Segment]) -> list[Segment]:
    """Every segment after those its rule refers to."""
    known = {segment.pk: segment for segment in segments}
    done: dict[int, Segment] = {}

    def place(segment: Segment, above: frozenset[int]) -> None:
        for pk in sorted(segments_in(segment.rule)):
            if pk in known and pk not in done and pk not in above:
                place(known[pk], above | {pk})
        done.setdefault(segment.pk, segment)

    for segment in known.values():
        place(segment, frozenset({segment.pk}))
    return list(done.values())


def compute_all(
    segments: Iterable[Segment], *, step: Callable[[], None] | None = None
) -> dict[int, Result | None]:
    """Compute them in the order they need each other; one that fails stops no other.

    `step` is called after each, and may raise to end the round: what is computed stays.
    """
    # What has run out is taken off first: it is no reason to be in.
    tagging.expire()
    found: dict[int, Result | None] = {}
    for level in levels(segments):
        for pk, result in _together(level):
            found[pk] = result
            if step is not None:
                step()
    return found


def levels(segments: Iterable[Segment]) -> list[list[Segment]]:
    """Those that need none of the others, then those that need only these, …"""
    depth: dict[int, int] = {}
    found: list[list[Segment]] = []
    for segment in in_order(segments):
        below = [depth[pk] for pk in segments_in(segment.rule) if pk in depth]
        place = depth[segment.pk] = max(below, default=-1) + 1
        found += [[]] if place == len(found) else []
        found[place].append(segment)
    return found


def _together(level: list[Segment]) -> Iterator[tuple[int, Result | None]]:
    """Compute them, `SEGMENTS_AT_ONCE` at a time, each on a connection of its own."""
    at_once = min(settings.SEGMENTS_AT_ONCE, len(level))
    if at_once < 2:
        yield from ((segment.pk, _one(segment)) for segment in level)
        return
    pool = ThreadPoolExecutor(at_once)
    try:
        work = {
            pool.submit(_beside, segment, get_language()): segment.pk
            for segment in level
        }
        for done in as_completed(work):
            yield work[done], done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _beside(segment: Segment, language: str | None) -> Result | None:
    try:
        with override(language):
            return _one(segment, beside=True)
    finally:
        connection.close()


def _one(segment: Segment, *, beside: bool = False) -> Result | None:
    try:
        return compute(segment, beside=beside)
    except DatabaseError:
        logger.exception("Segment %s could not be computed", segment.pk)
        return _fail(
            segment, _("An unexpected error; the log knows more."), timezone.now()
        )


def drain() -> int:
    """Compute what is due; how many segments. Any number of workers may do so at once."""
    rows = due()
    return len(compute_all(rows)) if rows else 0


# -- as work a person started


def run_job(progress: jobs.Progress) -> dict[str, Any]:
    """The job "crm.segment_compute": {"segment": id} with what it needs, or {} for all.

    Cancelled between two segments; every segment that was computed stays so.
    """
    pk = progress.params.get("segment")
    rows = Segment.objects.in_use().filter(kind=Segment.Kind.DYNAMIC)
    chosen = in_order(rows) if pk is None else list(rows.filter(pk=pk))
    progress.total(len(chosen))
    found = compute_all(chosen, step=progress.step)
    errors = [result.error for result in found.values() if result and result.error]
    if pk is not None and errors:
        raise AppError(errors[0], code="segment_invalid")
    for words in errors:
        progress.error(words)
    members = {str(key): result.members for key, result in found.items() if result}
    return {"segments": len(found), "members": members}


# -- what crm's registries are told


def register() -> None:
    """Called once, in AppConfig.ready()."""
    jobs.register(
        JOB,
        gettext_lazy("Computing segments"),
        run_job,
        is_resumable=True,
        link=_page_of,
    )
    FIGURE_NAMES["segments"] = gettext_lazy("segments")
    tag_uses.append(uses_of_tag)
    tag_uses_seen.append(tag_uses_for)


def _page_of(job: Job) -> str:
    pk = job.params.get("segment")
    if pk is None:
        return reverse("admin:crm_segment_changelist")
    return reverse("admin:crm_segment_change", args=[pk])


def uses_of_tag(tag: Tag) -> list[Text]:
    """Segments whose rule would lose its meaning with the tag."""
    rows = Segment.objects.in_use().exclude(kind=Segment.Kind.LIST)
    if tag.controller_id is not None:
        rows = rows.filter(controller=tag.controller_id)
    named = rows.order_by("pk").values_list("name", "rule")
    words = _("The segment “%(name)s” uses it.")
    found: list[Text] = [
        words % {"name": name} for name, rule in named if tag.pk in ids_in(rule, "tag")
    ]
    return found[:20]


def tag_uses_for(staff: Staff) -> dict[int, list[Text]]:
    """Every tag that rules of segments the person sees name, with those segments."""
    rows = Segment.objects.visible_to(staff).in_use().exclude(kind=Segment.Kind.LIST)
    words = _("The segment “%(name)s” uses it.")
    found: dict[int, list[Text]] = {}
    for name, rule in rows.order_by("pk").values_list("name", "rule"):
        for tag in set(ids_in(rule, "tag")):
            found.setdefault(tag, []).append(words % {"name": name})
    return found


@on_purge
def _forget(member: Member) -> None:
    SegmentMember.objects.filter(member=member).delete()
