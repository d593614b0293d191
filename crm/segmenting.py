"""Segments as rows: made, changed, fixed, copied, archived, and lists put together.

Every change is written over the revision the person has read, and is in the trail. What
a rule means, and who is in, is crm.segments.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import audit
from core.errors import BadInput
from core.models import AuditEntry
from crm import segment_lists, segment_uses, segments
from crm.models import Segment, SegmentVersion
from crm.segments.errors import (
    NotThatKind,
    SegmentArchived,
    SegmentChanged,
    SegmentInUse,
)
from staff.models import OrgUnit, Staff

Kind = Segment.Kind
NAME_LENGTH, DESCRIPTION_LENGTH = 60, 200


class SegmentRefused(BadInput):
    """`extra["fields"]`: {field: words}, to be shown beside each."""

    message = gettext_lazy("Some of what you entered can't be used.")

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__(fields=fields)


def revision_of(segment: Segment) -> str:
    """What a change is written over: differs as soon as anything shown has changed."""
    seen = [
        *(segment.version, segment.kind, segment.name, segment.description),
        *(segment.org_unit_id, segment.archived_at is None),
    ]
    digest = hashlib.sha256(json.dumps(seen).encode()).hexdigest()
    return f"{segment.version}-{digest[:12]}"


@transaction.atomic
def create(
    controller: OrgUnit,
    *,
    actor: Staff,
    name: str,
    description: str = "",
    kind: str = Kind.DYNAMIC,
    rule: Any = None,
    org_unit: OrgUnit | None = None,
) -> Segment:
    """A dynamic segment of `rule`, or a list. Raises SegmentRefused, SegmentInvalid."""
    segment = Segment(
        controller=controller,
        org_unit=_below(controller, org_unit),
        kind=kind,
        owner=actor,
        **_words(name, description),
    )
    if kind == Kind.DYNAMIC:
        segment.rule = _checked(rule, segment)
    _save(segment)
    if kind == Kind.DYNAMIC:
        _keep_version(segment, actor)
    else:
        segment_lists.start_empty(segment)
    audit.record("crm.segment.created", segment, actor=actor, label=segment.name)
    return segment


@transaction.atomic
def update(
    segment: Segment,
    revision: str,
    *,
    actor: Staff,
    name: str,
    description: str,
    rule: Any = None,
    org_unit: OrgUnit | None = None,
) -> Segment:
    """Write over `revision`; of fixed segments and lists the rule stays as it is.

    Raises SegmentChanged, SegmentRefused, SegmentInvalid.
    """
    held = _held(segment, revision)
    before = _told(held)
    for field, value in _words(name, description).items():
        setattr(held, field, value)
    held.org_unit = _below(held.controller, org_unit)
    is_other = False
    if held.kind == Kind.DYNAMIC:
        rule = _checked(rule, held)
        is_other = rule != held.rule
        held.rule = rule
    is_other = is_other or held.org_unit_id != before["org_unit"]
    after = _told(held)
    if not is_other and after == before:
        return held
    if is_other:
        held.version += 1
        held.error, held.due_at = "", timezone.now()
    _save(held)
    if is_other:
        _keep_version(held, actor)
    audit.record(
        "crm.segment.changed",
        held,
        actor=actor,
        before={**before, "version": held.version - is_other},
        after={**after, "version": held.version},
        label=held.name,
    )
    return held


@transaction.atomic
def restore(segment: Segment, number: int, revision: str, *, actor: Staff) -> Segment:
    """Make the rule of version `number` the newest one.

    Raises SegmentChanged, SegmentInvalid when something the old rule names is gone.
    """
    held = _held(segment, revision)
    _require(held, Kind.DYNAMIC)
    old = held.versions.get(number=number)
    rule = _checked(old.rule, held)
    if rule == held.rule:
        return held
    held.rule = rule
    held.version += 1
    held.error, held.due_at = "", timezone.now()
    _save(held)
    _keep_version(held, actor)
    audit.record(
        "crm.segment.restored",
        held,
        actor=actor,
        before={"version": held.version - 1},
        after={"version": held.version, "of_version": number},
        label=held.name,
    )
    return held


@transaction.atomic
def freeze(segment: Segment, revision: str, *, actor: Staff) -> Segment:
    """Fix who is in as last computed. Raises NotThatKind when nothing is computed yet."""
    held = _held(segment, revision)
    _require(held, Kind.DYNAMIC)
    if held.computed_at is None or held.computed_version != held.version:
        raise NotThatKind(_("Let it be computed first: the rule has changed since."))
    # Since it was computed, records may have become one or been purged.
    held.member_count = held.segment_members.count()
    held.save(update_fields=["member_count"])
    return _set_kind(held, Kind.FROZEN, "frozen", actor)


@transaction.atomic
def thaw(segment: Segment, revision: str, *, actor: Staff) -> Segment:
    """Let a fixed segment follow its rule again.

    Raises SegmentInvalid when that would close a circle, or what it names is gone.
    """
    held = _held(segment, revision)
    _require(held, Kind.FROZEN)
    _checked(held.rule, held)
    return _set_kind(held, Kind.DYNAMIC, "thawed", actor)


@transaction.atomic
def copy(segment: Segment, *, actor: Staff) -> Segment:
    """A segment of one's own with the same rule, or the same people where it is fixed."""
    made = Segment(
        controller=segment.controller,
        org_unit=segment.org_unit,
        name=_free_name(segment),
        description=segment.description,
        kind=segment.kind,
        rule=segment.rule,
        owner=actor,
    )
    _save(made)
    if made.kind == Kind.DYNAMIC:
        _keep_version(made, actor)
    else:
        segment_lists.copy_people(segment, made)
    audit.record(
        "crm.segment.copied",
        made,
        actor=actor,
        after={"of": segment.pk},
        label=made.name,
    )
    return made


def archive(segment: Segment, *, actor: Staff) -> bool:
    """Take it off every list to choose from. Raises SegmentInUse while something uses it."""
    with transaction.atomic():
        held = Segment.objects.select_for_update(no_key=True).get(pk=segment.pk)
        if held.archived_at is not None:
            return False
        uses = segment_uses.of(held, actor)
        if uses:
            words = _("It is still used: %(uses)s.")
            raise SegmentInUse(words % {"uses": ", ".join(use.name for use in uses)})
        held.archived_at = timezone.now()
        held.save(update_fields=["archived_at"])
        audit.record("crm.segment.archived", held, actor=actor, label=held.name)
    return True


def bring_back(segment: Segment, *, actor: Staff) -> bool:
    """Out of the archive. Raises SegmentRefused when its name was taken meanwhile."""
    with transaction.atomic():
        held = Segment.objects.select_for_update(no_key=True).get(pk=segment.pk)
        if held.archived_at is None:
            return False
        held.archived_at = None
        _save(held)
        audit.record("crm.segment.brought_back", held, actor=actor, label=held.name)
    return True


def last_change(segment: Segment) -> AuditEntry | None:
    """The newest line of the trail about the segment: who, and when."""
    rows = AuditEntry.objects.filter(
        target_type=Segment._meta.label_lower, target_id=str(segment.pk)
    )
    return rows.select_related("actor").order_by("-id").first()


# -- steps


def _held(segment: Segment, revision: str) -> Segment:
    held = (
        Segment.objects.select_for_update(no_key=True, of=("self",))
        .select_related("controller", "org_unit")
        .get(pk=segment.pk)
    )
    if revision_of(held) != revision:
        last = last_change(held)
        who = str(last.actor) if last else ""
        words = _("%(who)s saved this segment in the meantime.") % {"who": who}
        raise SegmentChanged(words if who else None, by=who)
    if held.archived_at is not None:
        raise SegmentArchived
    return held


def _require(segment: Segment, kind: str) -> None:
    if segment.kind != kind:
        raise NotThatKind


def _words(name: str, description: str) -> dict[str, str]:
    fields = {}
    name, description = name.strip(), description.strip()
    if not name:
        fields["name"] = _("Give the segment a name.")
    elif len(name) > NAME_LENGTH:
        words = _("At most %(count)d characters.")
        fields["name"] = words % {"count": NAME_LENGTH}
    if len(description) > DESCRIPTION_LENGTH:
        words = _("At most %(count)d characters.")
        fields["description"] = words % {"count": DESCRIPTION_LENGTH}
    for field, text in (("name", name), ("description", description)):
        if not text.isprintable():
            fields[field] = _("No control characters or line breaks.")
    if fields:
        raise SegmentRefused(fields)
    return {"name": name, "description": description}


def _below(controller: OrgUnit, unit: OrgUnit | None) -> OrgUnit | None:
    """The unit that narrows the segment; the controller itself narrows nothing."""
    return None if unit is None or unit.pk == controller.pk else unit


def _checked(rule: Any, segment: Segment) -> dict[str, Any]:
    """The rule in the form in which it is stored; raises SegmentInvalid."""
    node = segments.parse(rule, controller=segment.controller, segment=segment.pk)
    return segments.as_rule(node)


def _save(segment: Segment) -> None:
    try:
        with transaction.atomic():
            segment.save()
    except IntegrityError as error:
        if "crm_segment_name" not in str(error):
            raise
        words = _("There is a segment of this name already.")
        raise SegmentRefused({"name": words}) from error


def _keep_version(segment: Segment, actor: Staff) -> None:
    SegmentVersion.objects.create(
        segment=segment, number=segment.version, rule=segment.rule, made_by=actor
    )


def _set_kind(held: Segment, kind: str, verb: str, actor: Staff) -> Segment:
    before, held.kind = held.kind, kind
    held.due_at = timezone.now()
    held.save(update_fields=["kind", "changed_at", "due_at"])
    audit.record(
        f"crm.segment.{verb}",
        held,
        actor=actor,
        before={"kind": before},
        after={"kind": kind},
        label=held.name,
    )
    return held


def _free_name(segment: Segment) -> str:
    rows = Segment.objects.filter(controller=segment.controller).in_use()
    for number in range(1, 1000):
        tail = _(" (copy)") if number == 1 else _(" (copy %d)") % number
        name = segment.name[: NAME_LENGTH - len(tail)] + tail
        if not rows.filter(name=name).exists():
            return name
    return segment.name[:NAME_LENGTH]


def _told(segment: Segment) -> dict[str, Any]:
    return {
        "name": segment.name,
        "description": segment.description,
        "org_unit": segment.org_unit_id,
    }
