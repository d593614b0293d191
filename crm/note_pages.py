"""Notes on the member page: write one, change or take away one's own."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.errors import AppError
from crm import notes
from crm.models import Member, Note
from crm.pages import WRITE_NOTES, show_with
from staff.models import Staff


@require_POST
def write(request: HttpRequest, member: Member) -> HttpResponse:
    """`text` alone is a new note; with `note` (and its `revision`) it changes that one;
    `remove` takes the note of that id away."""
    staff = request.user
    assert isinstance(staff, Staff)  # admin_view lets nobody else through
    if not staff.has_perm(WRITE_NOTES):
        raise PermissionDenied
    try:
        words = _write(request, member, staff)
    except AppError as refusal:
        return show_with(
            request,
            member,
            status=409,
            note_error=str(refusal.message),
            note_text=request.POST.get("text", ""),
            note_in_hand=request.POST.get("note", ""),
        )
    messages.success(request, words)
    address = reverse("admin:crm_member_change", args=[member.pk])
    return HttpResponseRedirect(f"{address}#notes")


def _write(request: HttpRequest, member: Member, staff: Staff) -> str:
    text = request.POST.get("text", "")
    if request.POST.get("remove"):
        notes.remove(_note(member, request.POST["remove"]), actor=staff)
        return _("The note was taken away.")
    if request.POST.get("note"):
        revision = request.POST.get("revision", "")
        read = int(revision) if revision.isascii() and revision.isdigit() else 0
        note = _note(member, request.POST["note"])
        notes.change(note, text, revision=min(read, 2**30), actor=staff)
        return _("The note was changed.")
    notes.add(member, text, actor=staff)
    return _("The note was added.")


def _note(member: Member, text: str) -> Note:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Http404
    note = Note.objects.filter(member=member, pk=int(text)).first()
    if note is None:
        raise Http404
    return note
