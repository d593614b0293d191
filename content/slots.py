"""The calendar's places: plan, move, cancel, publish. One writer at a time per item."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from content import registry, states
from content.errors import (
    CannotSchedule,
    ChangedMeanwhile,
    NotApproved,
    NotPlanned,
)
from content.models import Item, MarketingDay, Slot, Version
from core import audit
from staff.models import Staff
from wechat.models import Account

# A person who plans for "now" has just spent a moment with the form.
GRACE = timedelta(minutes=2)
# What goes out so much earlier or later than planned is still what was planned.
SAME_PLACE = timedelta(hours=12)
FARTHEST = timedelta(days=366 * 2)
DEAD = (Version.State.RETURNED, Version.State.WITHDRAWN)


@transaction.atomic
def schedule(
    version: Version,
    account: Account,
    publish_at: datetime,
    *,
    actor: Staff,
    note: str = "",
) -> Slot:
    """Plan a version on an account. Raises CannotSchedule, IsArchived.

    A version nobody approved yet may be planned; it can't go out before it is.
    """
    item = states.locked_alive(version.item_id)
    version = item.versions.get(pk=version.pk)
    if version.state in DEAD:
        raise CannotSchedule(_("This version was taken back; plan the newest one."))
    _check_rights(item)
    _check_account(item, account)
    _check_time(publish_at)
    same = Slot.objects.planned().filter(
        version__item=item, account=account, publish_at=publish_at
    )
    if same.exists():
        raise CannotSchedule(_("It stands there already."))
    slot = Slot.objects.create(
        version=version,
        account=account,
        publish_at=publish_at,
        note=note[:200],
        created_by=actor,
    )
    states.refresh(item)
    _record("content.slot.planned", slot, actor, after=_place(slot))
    return slot


@transaction.atomic
def move(
    slot: Slot, publish_at: datetime, *, actor: Staff, seen: datetime | None = None
) -> Slot:
    """Plan it for another time. `seen`: the time the person had before them.

    Raises NotPlanned, ChangedMeanwhile, CannotSchedule. Undo is a move back.
    """
    _item, found = _locked(slot)
    if seen is not None and seen != found.publish_at:
        raise ChangedMeanwhile(
            _("Somebody moved it to %(at)s meanwhile.")
            % {"at": _said(found.publish_at)}
        )
    if publish_at == found.publish_at:
        return found
    if found.is_overdue(timezone.now()):
        raise CannotSchedule(
            _("Its time has passed. Publish or cancel it, and plan a new slot.")
        )
    _check_time(publish_at)
    _ask(found, publish_at)
    before = _place(found)
    found.publish_at, found.changed_at = publish_at, timezone.now()
    found.save(update_fields=["publish_at", "changed_at"])
    _record("content.slot.moved", found, actor, before=before, after=_place(found))
    registry.tell_slot_changed(found, actor=actor)
    return found


@transaction.atomic
def exchange(slot: Slot, version: Version, *, actor: Staff) -> Slot:
    """Say another version of the same item in this place. Raises NotPlanned,
    CannotSchedule."""
    item, found = _locked(slot)
    other = Version.objects.get(pk=version.pk, item_id=found.version.item_id)
    if other.pk == found.version_id:
        return found
    if other.state in DEAD:
        raise CannotSchedule(_("This version was taken back; plan the newest one."))
    _ask(found, found.publish_at)
    before = _place(found)
    found.version, found.changed_at = other, timezone.now()
    found.save(update_fields=["version", "changed_at"])
    states.refresh(item)
    _record("content.slot.exchanged", found, actor, before=before, after=_place(found))
    registry.tell_slot_changed(found, actor=actor)
    return found


@transaction.atomic
def cancel(slot: Slot, *, actor: Staff, reason: str = "") -> Slot:
    """Give the place up. Raises NotPlanned, CannotSchedule."""
    item, found = _locked(slot)
    _ask(found, None)
    _end(found, Slot.State.CANCELLED)
    states.refresh(item)
    _record("content.slot.cancelled", found, actor, after=_place(found), reason=reason)
    registry.tell_slot_changed(found, actor=actor)
    return found


@transaction.atomic
def publish(slot: Slot, *, actor: Staff) -> Slot:
    """Note that it went out: by a campaign's touch, or by hand on the platform.

    Raises NotPlanned, NotApproved.
    """
    item, found = _locked(slot)
    if not found.version.is_approved:
        raise NotApproved
    _end(found, Slot.State.PUBLISHED)
    states.refresh(item)
    _record("content.slot.published", found, actor, after=_place(found))
    return found


@transaction.atomic
def went_out(version: Version, account: Account, at: datetime, *, actor: Staff) -> Slot:
    """Note that an app above sent a version: in the slot planned for that time of the
    day, else in one of its own. Safe to repeat for the same `at`."""
    item = states.locked(version.item_id)
    rows = Slot.objects.filter(version=version, account=account)
    known = rows.published().filter(publish_at=at).first()
    if known is not None:
        return known
    near = rows.planned().between(at - SAME_PLACE, at + SAME_PLACE)
    slot = near.order_by("publish_at").first()
    slot = slot or Slot(version=version, account=account, created_by=actor)
    slot.state, slot.publish_at, slot.ended_at = (
        Slot.State.PUBLISHED,
        at,
        timezone.now(),
    )
    slot.changed_at = slot.ended_at
    slot.save()
    states.refresh(item)
    _record("content.slot.published", slot, actor, after=_place(slot))
    return slot


def advice(account: Account, publish_at: datetime) -> list[str]:
    """What the planner should know of the place, and may overrule."""
    day = timezone.localdate(publish_at)
    found = [
        _("%(day)s is a day of silence: nothing that sells goes out.") % {"day": quiet}
        for quiet in MarketingDay.objects.between(day, day).filter(
            kind=MarketingDay.Kind.QUIET
        )
    ]
    start = timezone.localtime(publish_at).replace(hour=0, minute=0, second=0)
    others = Slot.objects.planned().filter(account=account)
    count = others.between(start, start + timedelta(days=1)).count()
    if count > 1 and account.kind == Account.Kind.SUBSCRIPTION:
        found.append(
            _("%(account)s takes one mass send a day; %(count)s slots stand there.")
            % {"account": account, "count": count}
        )
    return found


def _locked(slot: Slot) -> tuple[Item, Slot]:
    item_id = Slot.objects.values_list("version__item_id", flat=True).get(pk=slot.pk)
    item = states.locked(item_id)
    rows = Slot.objects.select_related("version__item", "account")
    found = rows.select_for_update(no_key=True, of=("self",)).get(pk=slot.pk)
    if not found.is_planned:
        raise NotPlanned
    return item, found


def _ask(slot: Slot, publish_at: datetime | None) -> None:
    refusal = registry.objection(slot, publish_at)
    if refusal:
        raise CannotSchedule(refusal)


def _end(slot: Slot, state: Slot.State) -> None:
    slot.state, slot.ended_at = state, timezone.now()
    slot.changed_at = slot.ended_at
    slot.save(update_fields=["state", "ended_at", "changed_at"])


def _check_rights(item: Item) -> None:
    if item.rights == Item.Rights.UNKNOWN:
        raise CannotSchedule(
            _("The rights are not cleared: say whose work it is before planning it.")
        )


def _check_account(item: Item, account: Account) -> None:
    if account.org_unit.controller_id != item.org_unit.controller_id:
        raise CannotSchedule(_("The account belongs to another company."))
    if account.state == Account.State.REVOKED:
        raise CannotSchedule(_("The account was revoked."))
    if account.is_wecom and item.kind == Item.Kind.ARTICLE:
        raise CannotSchedule(_("Articles go out on official accounts only."))


def _check_time(publish_at: datetime) -> None:
    now = timezone.now()
    if publish_at < now - GRACE:
        raise CannotSchedule(_("This time has passed."))
    if publish_at > now + FARTHEST:
        raise CannotSchedule(_("Plan at most two years ahead."))


def _place(slot: Slot) -> dict[str, object]:
    return {
        "version": slot.version.number,
        "account": slot.account.slug,
        "publish_at": slot.publish_at.isoformat(),
    }


def _said(at: datetime) -> str:
    return f"{timezone.localtime(at):%m-%d %H:%M}"


def _record(
    action: str,
    slot: Slot,
    actor: Staff,
    *,
    before: dict[str, object] | None = None,
    after: dict[str, object] | None = None,
    reason: str = "",
) -> None:
    item = slot.version.item
    audit.record(
        action,
        item,
        actor=actor,
        before=before,
        after=after,
        reason=reason,
        label=item.title,
    )
