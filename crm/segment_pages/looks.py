"""The builder opened from a look at the member list."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from crm import narrowing, segment_looks
from crm.segment_looks import LeftOut
from crm.segment_looks import Look as Look
from crm.segment_looks import NotALook as NotALook
from crm.segment_pages import access
from staff.models import OrgUnit
from staff.requests import require, staff_of

# The key that carries the list's query string, escaped as one value.
LOOK = "look"


def asked(request: HttpRequest) -> QueryDict:
    return QueryDict(request.GET.get(LOOK, ""))


def controller_in(request: HttpRequest) -> int | str:
    """The id of the data controller the look is about, or ""."""
    found = segment_looks.controller_in(asked(request), staff=staff_of(request))
    return "" if found is None else found.pk


def taken(request: HttpRequest, controller: OrgUnit) -> Look | None:
    """The look as a rule; None without one. Raises NotALook, but not for a form.

    When the form comes back, what was left out stays said beside it.
    """
    if not request.GET.get(LOOK):
        return None
    staff = require(request, access.VIEW_MEMBER)
    try:
        look = segment_looks.rule_of(asked(request), controller, staff=staff)
    except NotALook:
        if request.method == "POST":
            return None  # what was typed is not lost for it
        raise
    named = segment_looks.controller_in(asked(request), staff=staff)
    if named != controller and len(access.controllers(staff)) > 1:
        why = _("A segment is of one: only members of %(name)s are in.")
        look.left_out.append(
            LeftOut(_("Members of other data controllers"), why % {"name": controller})
        )
    return look


def back(request: HttpRequest, refusal: NotALook) -> HttpResponseRedirect:
    """To the list as it was looked at, with what is wrong with the look."""
    messages.error(request, str(refusal.message))
    kept = QueryDict(mutable=True)
    for key, values in narrowing.asked_values(asked(request)).items():
        kept.setlist(key, [value for value in values if "\0" not in value])
    return HttpResponseRedirect(
        f"{reverse('admin:crm_member_changelist')}?{kept.urlencode()}"
    )
