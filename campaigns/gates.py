"""Gates: the checklists a campaign passes, ticked by people who put their name to it."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns.errors import FieldProblems, NotInThisState
from campaigns.models import GateItem
from core import audit
from core.errors import AppError
from staff.models import Staff

NOTE_LENGTH = 300


class AlreadyTicked(AppError):
    """Somebody ticked it first. extra: holder (user name)."""

    code = "already_ticked"


@transaction.atomic
def tick(item: GateItem, *, note: str = "", actor: Staff) -> GateItem:
    """Say that a point is met. Raises AlreadyTicked, NotInThisState, FieldProblems."""
    note = note.strip()
    if len(note) > NOTE_LENGTH:
        raise FieldProblems(
            {"note": _("At most %(count)s characters.") % {"count": NOTE_LENGTH}}
        )
    current = _locked(item)
    if current.done_at is not None:
        raise AlreadyTicked(
            _("%(name)s ticked this already.") % {"name": current.done_by},
            holder=current.done_by.username if current.done_by else "",
        )
    current.done_at, current.done_by, current.note = timezone.now(), actor, note
    current.save(update_fields=["done_at", "done_by", "note"])
    _record(current, "ticked", actor, reason=note)
    return current


@transaction.atomic
def untick(item: GateItem, *, actor: Staff) -> GateItem:
    """Take a tick back; the trail keeps who had put it. Raises NotInThisState."""
    current = _locked(item)
    if current.done_at is None:
        raise NotInThisState(_("This point is open already."))
    before = current.done_by_id
    current.done_at, current.done_by, current.note = None, None, ""
    current.save(update_fields=["done_at", "done_by", "note"])
    _record(current, "unticked", actor, before=before)
    return current


def _locked(item: GateItem) -> GateItem:
    current: GateItem = (
        GateItem.objects.select_for_update(of=("self",))
        .select_related("campaign", "done_by")
        .get(pk=item.pk)
    )
    if current.campaign.is_over:
        raise NotInThisState(
            _("The campaign is %(state)s; it is kept as it was.")
            % {"state": current.campaign.get_state_display()}
        )
    return current


def _record(
    item: GateItem,
    verb: str,
    actor: Staff,
    *,
    before: int | None = None,
    reason: str = "",
) -> None:
    audit.record(
        f"campaigns.gateitem.{verb}",
        item,
        actor=actor,
        before={"done_by": before} if before else {},
        after={"campaign": item.campaign_id, "code": item.code},
        reason=reason,
        label=f"{item.campaign.name} {item.code} {item.title}",
    )
