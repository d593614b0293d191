"""Putting tags on members and taking them off: the one writer of MemberTag.

Everything here is set-wise, one statement for any number of members; triggers keep the
array of each member (crm.models.TagSet) in the same transaction.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core import audit
from core.registry import Text
from crm import registry, timeline
from crm.errors import TagArchived, TagInUse
from crm.models import Member, MemberTag, Tag, TagGroup
from crm.models.tags import Source
from crm.registry import on_merge, on_purge, settled
from staff.models import Staff

# Counting on would only make people wait: the words say "more than".
COUNTED_MEMBERS = 10_000
EXPIRED_BATCH = 5_000

# ORDER BY: two writers of the same people take the rows in the same order.
_ADD = """
WITH written AS (
    INSERT INTO crm_membertag (member_id, tag_id, source, set_by_id, set_at, expires_at)
    SELECT id, %(tag)s, %(source)s, %(actor)s, %(now)s, %(expires)s
    FROM crm_member
    WHERE id = ANY(%(members)s) AND merged_into_id IS NULL AND purged_at IS NULL
        AND (%(controller)s::bigint IS NULL OR controller_id = %(controller)s)
    ORDER BY id
    ON CONFLICT (member_id, tag_id) DO UPDATE
    SET source = EXCLUDED.source, set_by_id = EXCLUDED.set_by_id,
        set_at = EXCLUDED.set_at, expires_at = EXCLUDED.expires_at
    WHERE crm_membertag.expires_at IS NOT NULL
        OR crm_membertag.source = 'auto' AND EXCLUDED.source <> 'auto'
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) FROM written
"""


@transaction.atomic
def tag(
    members: Sequence[int], given: Tag, *, actor: Staff, source: str = Source.MANUAL
) -> int:
    """Put a tag on the members with these ids; how many did not carry it before.

    The caller narrows the ids to what the person may see. Members of another data
    controller, merged and purged ones are left out. Of an exclusive group the tag takes
    the place of the others; where the group's tags expire, their time starts anew. What a
    rule had put on is theirs from now on who say it: no rule takes it off any more.
    Raises TagArchived.
    """
    # The group's row orders writers of an exclusive group; the tag's keeps it from
    # being deleted meanwhile.
    group = TagGroup.objects.select_for_update(no_key=True).get(pk=given.group_id)
    held = Tag.objects.select_for_update(no_key=True).get(pk=given.pk)
    if held.is_archived:
        raise TagArchived
    if group.is_exclusive:
        others = MemberTag.objects.filter(tag__group=group).exclude(tag=held)
        if held.controller_id is not None:
            others = others.filter(member__controller=held.controller_id)
        others.filter(member__in=list(members)).delete()
    now, days = timezone.now(), group.expires_after_days
    with connection.cursor() as cursor:
        cursor.execute(
            _ADD,
            {
                "tag": held.pk,
                "source": source,
                "actor": actor.pk,
                "now": now,
                "expires": now + timedelta(days=days) if days else None,
                "members": list(members),
                "controller": held.controller_id,
            },
        )
        added = int(cursor.fetchone()[0])
    if added:
        _keep_trail("tagged", members, held, added, actor=actor)
        registry.tell_tagged(members, held, actor=actor)
    return added


# Of an exclusive group the last tag a member is given here is the one that stays.
_PAIRS = """
WITH given AS (
    SELECT pair.member_id, pair.tag_id, pair.place, kind.id AS group_id,
        kind.is_exclusive, kind.expires_after_days
    FROM unnest(%(members)s::bigint[], %(tags)s::bigint[])
        WITH ORDINALITY AS pair (member_id, tag_id, place)
    JOIN crm_tag word ON word.id = pair.tag_id AND word.archived_at IS NULL
    JOIN crm_taggroup kind ON kind.id = word.group_id
), wanted AS (
    SELECT DISTINCT ON (member_id, CASE WHEN is_exclusive THEN -group_id ELSE tag_id END)
        member_id, tag_id, group_id, is_exclusive, expires_after_days
    FROM given
    ORDER BY member_id, CASE WHEN is_exclusive THEN -group_id ELSE tag_id END, place DESC
)
"""
# The fence (OFFSET 0) keeps it at the few tags of each member: read by tag, with all who
# carry it, this takes the square of a file's rows.
_DISPLACE = f"""{_PAIRS}
DELETE FROM crm_membertag WHERE id = ANY (ARRAY(
    SELECT held.id FROM wanted, LATERAL (
        SELECT own.id, own.tag_id, word.group_id
        FROM crm_membertag own JOIN crm_tag word ON word.id = own.tag_id
        WHERE own.member_id = wanted.member_id OFFSET 0
    ) held
    WHERE wanted.is_exclusive AND held.group_id = wanted.group_id
        AND held.tag_id <> wanted.tag_id
))
"""  # noqa: S608
_ADD_PAIRS = f"""{_PAIRS}, written AS (
    INSERT INTO crm_membertag (member_id, tag_id, source, set_by_id, set_at, expires_at)
    SELECT member_id, tag_id, %(source)s, %(actor)s, %(now)s,
        %(now)s::timestamptz + expires_after_days * interval '1 day'
    FROM wanted ORDER BY member_id, tag_id
    ON CONFLICT (member_id, tag_id) DO UPDATE
    SET source = EXCLUDED.source, set_by_id = EXCLUDED.set_by_id,
        set_at = EXCLUDED.set_at, expires_at = EXCLUDED.expires_at
    WHERE crm_membertag.expires_at IS NOT NULL
        OR crm_membertag.source = 'auto' AND EXCLUDED.source <> 'auto'
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) FROM written
"""  # noqa: S608


@transaction.atomic
def tag_pairs(
    pairs: Sequence[tuple[int, int]], *, actor: Staff, source: str = Source.MANUAL
) -> int:
    """Put many tags on many members, as (member id, tag id); how many are new.

    As `tag`, but nothing is looked at again: the caller has found members and tags in
    one data controller, and keeps the trail. Archived tags are left out.
    """
    wanted = sorted({tag for _member, tag in pairs})
    groups = TagGroup.objects.filter(tags__in=wanted).order_by("pk")
    list(groups.select_for_update(no_key=True, of=("self",)).values_list("pk"))
    tags = Tag.objects.filter(pk__in=wanted).order_by("pk")
    list(tags.select_for_update(no_key=True).values_list("pk"))
    given: dict[str, Any] = {
        "members": [member for member, _tag in pairs],
        "tags": [tag for _member, tag in pairs],
        "source": source,
        "actor": actor.pk,
        "now": timezone.now(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_DISPLACE, given)
        cursor.execute(_ADD_PAIRS, given)
        return int(cursor.fetchone()[0])


@transaction.atomic
def untag(members: Sequence[int], taken: Tag, *, actor: Staff) -> int:
    """Take a tag off the members with these ids; how many carried it.

    What people take off stays in the history; of what rules do only the present counts.
    """
    rows = MemberTag.objects.filter(tag=taken, member__in=list(members))
    carriers = list(rows.select_for_update().values_list("member", flat=True))
    removed = rows.delete()[0]
    if removed and not actor.is_system:
        now = timezone.now()
        timeline.write_many(
            carriers,
            kind="tag.removed",
            at=now,
            key=f"untagged:{taken.pk}:{now.timestamp()}",
            data={"tag": taken.name, "by": str(actor)},
        )
    if removed:
        _keep_trail("untagged", members, taken, removed, actor=actor)
        registry.tell_untagged(members, taken, actor=actor)
    return removed


_FOLLOW_TAKE = """
DELETE FROM crm_membertag held
USING unnest(%(members)s::bigint[], %(tags)s::bigint[]) AS wanted (member_id, tag_id)
WHERE held.member_id = wanted.member_id AND held.tag_id = ANY(%(among)s)
    AND held.tag_id IS DISTINCT FROM wanted.tag_id
"""
_FOLLOW_ADD = """
INSERT INTO crm_membertag (member_id, tag_id, source, set_by_id, set_at, expires_at)
SELECT wanted.member_id, wanted.tag_id, %(source)s, %(actor)s, %(now)s, NULL
FROM unnest(%(members)s::bigint[], %(tags)s::bigint[]) AS wanted (member_id, tag_id)
WHERE wanted.tag_id IS NOT NULL
ORDER BY wanted.member_id
ON CONFLICT (member_id, tag_id) DO NOTHING
"""


@transaction.atomic
def follow(
    among: Sequence[int], wanted: Mapping[int, int | None], *, actor: Staff
) -> None:
    """Have members carry exactly the tag of `among` that a figure says, or none.

    For exclusive groups that follow something else (stage, RFM segment), whose own log is
    the trail. `wanted`: member id → tag id, members of one data controller that the caller
    holds locked or computes alone. Rows that are right already are left alone.
    """
    if not wanted or not among:
        return
    params: dict[str, Any] = {
        "members": list(wanted),
        "tags": list(wanted.values()),
        "among": list(among),
        "source": Source.AUTO,
        "actor": actor.pk,
        "now": timezone.now(),
    }
    with connection.cursor() as cursor:
        cursor.execute(_FOLLOW_TAKE, params)
        cursor.execute(_FOLLOW_ADD, params)


def _keep_trail(
    verb: str, members: Sequence[int], what: Tag, count: int, *, actor: Staff
) -> None:
    """One line: on the member when it is one, else on the tag with how many."""
    if len(members) == 1:
        target = Member.objects.get(pk=members[0])
        audit.record(f"crm.member.{verb}", target, actor=actor, after={"tag": what.pk})
    else:
        audit.record(
            f"crm.tag.{verb}",
            what,
            actor=actor,
            after={"members": count},
            label=what.name,
        )


def expire(seconds: float = 60.0) -> int:
    """Take off what has run out, in batches, for at most `seconds`."""
    deadline, removed = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        due = MemberTag.objects.expired().order_by("member_id", "id")
        pks = list(due.values_list("pk", flat=True)[:EXPIRED_BATCH])
        if not pks:
            break
        # Given anew meanwhile: then it no longer counts as expired.
        removed += MemberTag.objects.expired().filter(pk__in=pks).delete()[0]
    return removed


# -- tags themselves


def uses_of(what: Tag) -> list[Text]:
    """Why the tag can't be deleted, one sentence each; empty when nothing uses it."""
    found: list[Text] = []
    carried = MemberTag.objects.filter(tag=what)[: COUNTED_MEMBERS + 1].count()
    if carried > COUNTED_MEMBERS:
        words = _("More than %(count)s members carry it.")
        found.append(words % {"count": f"{COUNTED_MEMBERS:,}"})
    elif carried:
        found.append(
            ngettext(
                "%(count)s member carries it.", "%(count)s members carry it.", carried
            )
            % {"count": f"{carried:,}"}
        )
    for uses in registry.tag_uses:
        found += uses(what)
    if what.builtin_key:
        found.append(_("It is one of the built-in tags."))
    return found


@transaction.atomic
def delete(what: Tag) -> None:
    """Delete a tag nobody uses. Raises TagInUse with every use; archive it instead."""
    held = Tag.objects.select_for_update().get(pk=what.pk)
    uses = uses_of(held)
    if uses:
        raise TagInUse(" ".join(str(use) for use in uses))
    held.delete()


def archive(what: Tag, *, actor: Staff) -> bool:
    """Take the tag off every list to choose from; who carries it keeps it."""
    return _set_archived(what, True, actor=actor)


def restore(what: Tag, *, actor: Staff) -> bool:
    """Offer an archived tag again; False when it was not archived (any more)."""
    return _set_archived(what, False, actor=actor)


@transaction.atomic
def _set_archived(what: Tag, wanted: bool, *, actor: Staff) -> bool:
    at = timezone.now() if wanted else None
    rows = Tag.objects.filter(pk=what.pk, archived_at__isnull=wanted)
    if not rows.update(archived_at=at):
        return False
    what.archived_at = at
    verb = "archived" if wanted else "restored"
    audit.record(f"crm.tag.{verb}", what, actor=actor, label=what.name)
    return True


# -- people who become one, and people who are forgotten


settled("crm.membertag")


@on_merge
def _follow_merge(primary: Member, duplicate: Member, actor: Staff) -> None:
    """What the duplicate carried goes over; where both know, the kept record wins."""
    kept = list(primary.member_tags.select_related("tag"))
    groups = {row.tag.group_id for row in kept}
    known = Q(tag__in=[row.tag_id for row in kept])
    double = known | Q(tag__group__is_exclusive=True, tag__group__in=groups)
    duplicate.member_tags.filter(double).delete()
    duplicate.member_tags.update(member=primary)


@on_purge
def _forget(member: Member) -> None:
    MemberTag.objects.filter(member=member).delete()
    MemberTag.objects.filter(member__merged_into=member).delete()
