"""The form behind 编辑 on the member page."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from core.errors import AppError
from core.pages import console_page
from crm import editing
from crm.forms import MemberForm
from crm.models import Member
from staff.models import Staff
from staff.requests import staff_of


@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, member: Member) -> HttpResponse:
    """The form; sent, it is checked and saved, or shown again with what is wrong."""
    staff = staff_of(request)
    if not (staff.has_perm(editing.EDIT) or staff.has_perm(editing.ASSIGN)):
        raise PermissionDenied
    focus = request.GET.get("focus", "")
    form = MemberForm(member, staff, request.POST or None, focus=focus)
    if request.method != "POST":
        return _page(request, form)
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        changed = _save(form, staff)
    except AppError as refusal:
        for name in refusal.extra.get("fields", ()):
            form.add_error(name, str(refusal.message))
        if "fields" not in refusal.extra:
            form.add_error(None, str(refusal.message))
        return _page(request, form, status=409)
    if changed:
        messages.success(request, _("The profile was saved."))
    else:
        messages.info(request, _("Nothing was changed."))
    return HttpResponseRedirect(reverse("admin:crm_member_change", args=[member.pk]))


def _save(form: MemberForm, staff: Staff) -> bool:
    """The phone comes last and by itself: it may show that two members are one."""
    changed = bool(
        editing.change(form.member, form.values, seen=form.seen, actor=staff)
    )
    phone = form.cleaned_data.get("phone", "")
    if phone or form.cleaned_data.get("without_phone"):
        changed |= editing.change_phone(form.member, phone, actor=staff)
    return changed


def _page(
    request: HttpRequest, form: MemberForm, *, status: int = 200
) -> TemplateResponse:
    page = console_page(
        request,
        "crm/member_edit.html",
        title=_("Edit %(member)s") % {"member": form.member},
        above=[form.member],
        context={"form": form, "member": form.member},
        status=status,
    )
    page["Cache-Control"] = "no-store"
    return page
