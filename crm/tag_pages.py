"""Tags where people meet them: on the member page, in the list, for a selection."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.errors import AppError
from core.ids import as_id
from crm import tagging
from crm.models import Member, MemberTag, Tag, TagGroup
from crm.models.tags import Source
from crm.value.states import RFM_TAGS, STAGE_TAGS
from staff.models import Staff
from staff.requests import require, staff_of

TAG = "crm.tag_member"
# Put right every night, whoever set them (crm.tagging.follow).
FOLLOWING = {*STAGE_TAGS.values(), *RFM_TAGS.values()}


def choices(staff: Staff) -> list[tuple[TagGroup, list[Tag]]]:
    """Tags to choose from, by group, archived ones left out."""
    rows = (
        Tag.objects.visible_to(staff)
        .in_use()
        .select_related("group")
        .order_by("group_id", "id")
    )
    return [(group, list(tags)) for group, tags in groupby(rows, lambda tag: tag.group)]


def context_of(request: HttpRequest, member: Member) -> dict[str, Any]:
    """What crm/member_tags.html shows."""
    staff = staff_of(request)
    may_tag = staff.has_perm(TAG) and member.purged_at is None
    rows = MemberTag.objects.filter(member=member).in_order()
    return {
        "member_tags": rows.select_related("tag__group", "set_by"),
        "may_tag": may_tag,
        "tag_choices": choices(staff) if may_tag else [],
    }


@require_POST
def change(request: HttpRequest, member: Member) -> HttpResponse:
    """Add the tag `add` or take off the tag `remove`."""
    staff = require(request, TAG)
    taken = request.POST.get("remove", "")
    tag = _tag(staff, taken or request.POST.get("add", ""))
    if tag is None:
        messages.error(request, _("Choose a tag."))
        return _back(member)
    try:
        words = (_untag if taken else _add)(member, tag, staff)
    except AppError as refusal:
        messages.error(request, str(refusal.message))
        return _back(member)
    if words:
        messages.success(request, words)
    else:
        messages.info(request, _("Nothing was changed."))
    return _back(member)


def _add(member: Member, tag: Tag, staff: Staff) -> str:
    """What was done, in words; "" for nothing."""
    was_ruled = _is_by_rule(member, tag)
    done = tagging.tag([member.pk], tag, actor=staff)
    if done and tag.builtin_key in FOLLOWING:
        return _(
            "The tag was added. Its group follows what the member's orders say: the next "
            "run of the night puts it right again."
        )
    if done:
        return _("The tag was added.")
    return _("The tag counts as set by hand now.") if was_ruled else ""


def _untag(member: Member, tag: Tag, staff: Staff) -> str:
    was_ruled = _is_by_rule(member, tag)
    if not tagging.untag([member.pk], tag, actor=staff):
        return ""
    if was_ruled:
        return _(
            "The tag was removed. A rule had put it on: while the rule holds, the next run "
            "of the night puts it on again."
        )
    return _("The tag was removed.")


def _is_by_rule(member: Member, tag: Tag) -> bool:
    rows = MemberTag.objects.filter(member=member, tag=tag, source=Source.AUTO)
    row = rows.select_related("set_by").first()
    return row is not None and row.set_by.is_system


def _tag(staff: Staff, text: str) -> Tag | None:
    pk = as_id(text)
    return None if pk is None else Tag.objects.visible_to(staff).filter(pk=pk).first()


def _back(member: Member) -> HttpResponse:
    return HttpResponseRedirect(
        f"{reverse('admin:crm_member_change', args=[member.pk])}#tags"
    )
