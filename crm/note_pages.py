"""Notes on the member page: write one, change or take away one's own."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.errors import AppError
from core.ids import one_of
from crm import notes
from crm.models import Member, Note
from crm.pages import WRITE_NOTES, show_with
from staff.models import Staff
from staff.requests import require


@require_POST
def write(request: HttpRequest, member: Member) -> HttpResponse:
    """`text` alone is a new note; with `note` (and its `revision`) it changes that one;
    `remove` takes the note of that id away."""
    staff = require(request, WRITE_NOTES)
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
    return one_of(Note.objects.filter(member=member), text)
