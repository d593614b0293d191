"""What a shop calls a member, taken off again on the member page."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from core.errors import AppError
from crm import matching, pages
from crm.models import Member
from staff.requests import require

# Who somebody is: the right of those who put records together and take them apart.
UNBIND = "crm.merge_member"


@require_POST
def unbind(request: HttpRequest, member: Member) -> HttpResponse:
    """`buyer` is somebody else, for a `reason`, on record."""
    actor = require(request, UNBIND)
    buyer, reason = request.POST.get("buyer", ""), request.POST.get("reason", "")
    try:
        waiting = matching.unbind_buyer(member, buyer, actor=actor, reason=reason)
    except AppError as error:
        return pages.show_with(
            request, member, status=409, unbound=buyer, unbind_error=error.message
        )
    if waiting is None:
        messages.info(request, _("The member is not bound to this buyer id any more."))
    else:
        words = ngettext(
            "The buyer id was taken off; %(count)d order waits for its buyer again.",
            "The buyer id was taken off; %(count)d orders wait for their buyer again.",
            len(waiting),
        )
        messages.success(request, words % {"count": len(waiting)})
    return HttpResponseRedirect(reverse("admin:crm_member_change", args=[member.pk]))
