"""What of the content asks for somebody's attention: tiles of the home page."""

from __future__ import annotations

from datetime import timedelta

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from content import review
from content.models import Item, Slot, Version
from core.registry import HomeTile, Text, home_tiles
from core.templatetags.console import moment
from staff.models import Staff

LINES = 6
SOON = timedelta(days=2)
Lines = list[tuple[Text, str, int, str]]


def _page(item_id: int) -> str:
    return reverse("admin:content_item_change", args=[item_id])


def to_review(request: HttpRequest) -> Lines:
    """Versions that wait for this person's yes or no."""
    staff = request.user
    assert isinstance(staff, Staff)
    found = review.waiting_for(staff)
    return [
        (f"{version.item} · {version.submitted_by}", _page(version.item_id), 1, "part")
        for version in found[:LINES]
    ]


def to_mend(request: HttpRequest) -> Lines:
    """The person's own returned words, and slots that are late or near and not ready."""
    staff = request.user
    assert isinstance(staff, Staff)
    returned = Item.objects.filter(
        owner=staff, state=Item.State.DRAFT, versions__state=Version.State.RETURNED
    )
    returned = returned.exclude(versions__state=Version.State.DRAFT).distinct()
    lines: Lines = [
        (_("Returned: %(title)s") % {"title": item}, _page(item.pk), 1, "bad")
        for item in returned[:LINES]
    ]
    now = timezone.now()
    slots = Slot.objects.visible_to(staff).planned().filter(version__item__owner=staff)
    near = slots.between(now - timedelta(days=30), now + SOON)
    for slot in near.select_related("version__item", "account")[: LINES * 2]:
        words = {"title": slot.version.item, "at": moment(slot.publish_at)}
        if slot.is_overdue(now):
            text, tone = _("Overdue since %(at)s: %(title)s") % words, "bad"
        elif not slot.version.is_approved:
            text, tone = _("Not approved for %(at)s: %(title)s") % words, "part"
        else:
            continue
        lines.append((text, _page(slot.version.item_id), 1, tone))
    return lines[:LINES]


def register() -> None:
    """Called once, by ready()."""
    home_tiles.extend(
        (
            HomeTile(
                "content_review",
                gettext_lazy("Content waits for your review"),
                "content.approve_item",
                to_review,
                30,
            ),
            HomeTile(
                "content_mend",
                gettext_lazy("Your content needs a hand"),
                "content.submit_item",
                to_mend,
                31,
            ),
        )
    )
