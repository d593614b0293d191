"""How far an item is, told from its versions and slots; and the lock every write takes.

Whoever writes to an item, its versions or its slots holds the item's row first.
"""

from __future__ import annotations

from django.utils import timezone

from content.errors import IsArchived
from content.models import Item, Slot, Version


def locked(item_id: int) -> Item:
    """The item, locked until the transaction ends."""
    rows = Item.objects.select_related("org_unit")
    return rows.select_for_update(no_key=True, of=("self",)).get(pk=item_id)


def locked_alive(item_id: int) -> Item:
    """The same; raises IsArchived."""
    item = locked(item_id)
    if item.is_archived:
        raise IsArchived
    return item


def newest(item: Item) -> Version:
    version = item.versions.select_related("item", "picture").order_by("-number")[0]
    version.item = item
    return version


def refresh(item: Item) -> None:
    """Write down how far the locked item is."""
    item.state = _told_by(item)
    item.changed_at = timezone.now()
    item.save(update_fields=["state", "changed_at"])


def _told_by(item: Item) -> Item.State:
    if item.is_archived:
        return Item.State.ARCHIVED
    latest = item.versions.order_by("-number").values_list("state", flat=True)[0]
    if latest == Version.State.IN_REVIEW:
        return Item.State.IN_REVIEW
    if latest != Version.State.APPROVED:
        return Item.State.DRAFT
    approved = Slot.objects.filter(
        version__item=item, version__state=Version.State.APPROVED
    )
    if approved.planned().exists():
        return Item.State.SCHEDULED
    if approved.published().exists():
        return Item.State.PUBLISHED
    return Item.State.APPROVED
