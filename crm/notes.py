"""What colleagues write down about a member: each writer changes only their own."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from core import audit
from crm.errors import (
    MeanwhileChanged,
    MemberGone,
    NoteNotYours,
    NoteTextMissing,
)
from crm.models import Member, Note
from crm.naming import printable
from crm.registry import on_purge
from staff.models import Staff

MAX_CHARS = 500


@transaction.atomic
def add(member: Member, text: str, *, actor: Staff) -> Note:
    """Write a note on who the member stands for now.

    Raises NoteTextMissing (empty, or more than 500 characters); MemberGone after a purge.
    """
    clean = _clean(text)
    standing = Member.objects.held(member.pk)
    if standing.purged_at is not None:
        raise MemberGone
    note = Note.objects.create(member=standing, staff=actor, text=clean)
    _keep_trail("added", note, actor=actor)
    return note


@transaction.atomic
def change(note: Note, text: str, *, revision: int, actor: Staff) -> Note:
    """Write over one's own note as read at `revision`.

    Raises NoteNotYours, NoteTextMissing, MeanwhileChanged (written over or taken away
    since it was read).
    """
    _must_be_own(note, actor)
    clean = _clean(text)
    rows = Note.objects.filter(pk=note.pk, revision=revision)
    now = timezone.now()
    if not rows.update(text=clean, changed_at=now, revision=revision + 1):
        raise MeanwhileChanged
    note.refresh_from_db()
    _keep_trail("changed", note, actor=actor)
    return note


@transaction.atomic
def remove(note: Note, *, actor: Staff) -> bool:
    """Take one's own note away; False when it was gone. Raises NoteNotYours."""
    _must_be_own(note, actor)
    if not Note.objects.filter(pk=note.pk).delete()[0]:
        return False
    _keep_trail("removed", note, actor=actor)
    return True


def _must_be_own(note: Note, actor: Staff) -> None:
    if note.staff_id != actor.pk:
        raise NoteNotYours


def _clean(text: str) -> str:
    clean = "\n".join(printable(line, MAX_CHARS + 1) for line in text.splitlines())
    clean = clean.strip()
    if not clean or len(clean) > MAX_CHARS:
        raise NoteTextMissing
    return clean


def _keep_trail(verb: str, note: Note, *, actor: Staff) -> None:
    # The words themselves are personal: the trail says only that they were written.
    audit.record(f"crm.note.{verb}", note.member, actor=actor, after={"note": note.pk})


@on_purge
def _forget(member: Member) -> None:
    Note.objects.filter(member=member).delete()
    Note.objects.filter(member__merged_into=member).delete()
