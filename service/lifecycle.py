"""Conversations follow the person when members are merged, purged or staff leave."""

from __future__ import annotations

from django.db.models import F

from core import live
from crm.journal import Journal, Undo
from crm.models import Member
from crm.registry import on_merge, on_purge, on_unmerge, settled
from crm.returning import identities_of
from service import assignments, closing
from service.models import (
    AgentState,
    Assignment,
    Conversation,
    Message,
    MissCount,
    Praise,
    Rating,
)
from staff.accounts import system_staff
from staff.models import Staff
from wechat.models import Media

_HOW_IT_STANDS = (
    *("state", "close_reason", "closed_at"),
    *("waiting_since", "due_at", "unread_count"),
)

settled("service.conversation", "service.misscount")


@on_merge
def move_conversations(
    primary: Member, duplicate: Member, actor: Staff, journal: Journal
) -> None:
    """Give the duplicate's conversations to the primary, in the merge's transaction.

    Where both have an unfinished one on the same app, the one somebody serves stays,
    else the older; it gets the other's messages, and the other is closed as merged.
    """
    unfinished = list(
        Conversation.objects.unfinished()
        .filter(member__in=[primary, duplicate])
        .order_by("pk")
        .select_for_update(no_key=True, of=("self",))
    )
    by_app: dict[int, list[Conversation]] = {}
    for conversation in unfinished:
        by_app.setdefault(conversation.app_id, []).append(conversation)
    for both in by_app.values():
        if len(both) == 2:
            _join(*both, actor=actor, journal=journal)
    Conversation.objects.filter(member=duplicate).update(member=primary)
    MissCount.objects.filter(member=duplicate).delete()


def _join(
    older: Conversation, newer: Conversation, *, actor: Staff, journal: Journal
) -> None:
    is_newer_served = newer.assignee_id is not None and older.assignee_id is None
    kept, other = (newer, older) if is_newer_served else (older, newer)
    waits = [c.waiting_since for c in (older, newer) if c.waiting_since]
    dues = [c.due_at for c in (older, newer) if c.due_at]
    last = max(older, newer, key=lambda c: c.last_message_at)
    journal.watch(Assignment.objects.filter(conversation=other, ended_at=None))
    journal.move(other.messages.all(), "conversation", kept)
    Conversation.objects.filter(pk=kept.pk).update(
        waiting_since=min(waits, default=None),
        due_at=min(dues, default=None),
        last_message_at=last.last_message_at,
        preview=last.preview,
        recipient=last.recipient,
        unread_count=F("unread_count") + other.unread_count,
    )
    closing.finish(other, reason=Conversation.CloseReason.MERGED, actor=actor)
    live.notify(f"conversation.{kept.pk}", conversation=kept.pk)


@on_unmerge
def part_conversations(kept: Member, returning: Member, undo: Undo) -> None:
    """What was joined is two again, unless it was finished since; what was opened since
    goes with the address it is spoken on."""
    reopened, now = [], undo.now(Conversation)
    unfinished = Conversation.objects.unfinished().filter(member=kept)
    joined = unfinished.filter(opened_at__lte=undo.merge.at)
    still_open = set(joined.values_list("app_id", flat=True))
    for (pk,), target in undo.targets(Conversation).items():
        is_over = now[(pk,)]["state"] == Conversation.State.CLOSED
        if not is_over or target["state"] == Conversation.State.CLOSED:
            continue
        if target["app_id"] in still_open:
            reopened.append(pk)
            continue
        target.update({name: now[(pk,)][name] for name in _HOW_IT_STANDS})
        held = undo.targets(Assignment)
        for key in [key for key, row in held.items() if row["conversation_id"] == pk]:
            del held[key]
    undo.then(lambda: _settle(kept, returning, undo, reopened))


def _settle(kept: Member, returning: Member, undo: Undo, reopened: list[int]) -> None:
    addresses = identities_of(undo).addresses
    since = Conversation.objects.filter(member=kept, opened_at__gt=undo.merge.at)
    for row in since.select_related("app"):
        if (row.app.account_id, row.recipient) not in addresses:
            continue
        has_open = Conversation.objects.unfinished().filter(
            member=returning, app=row.app_id
        )
        if row.state == Conversation.State.CLOSED or not has_open.exists():
            Conversation.objects.filter(pk=row.pk).update(member=returning)
    for row in Conversation.objects.select_related("assignee").filter(pk__in=reopened):
        if row.assignee is not None:
            held = Conversation.objects.held_by(row.assignee).count()
            AgentState.objects.filter(staff=row.assignee).update(open_count=held)
        live.notify(f"conversation.{row.pk}", conversation=row.pk)


@on_purge
def forget(member: Member) -> None:
    """Close what is open and empty what was said; that it took place, and scores, stay."""
    actor = system_staff("service.lifecycle")
    for conversation in (
        Conversation.objects.unfinished()
        .filter(member=member)
        .order_by("pk")
        .select_for_update(no_key=True, of=("self",))
    ):
        closing.finish(conversation, reason=Conversation.CloseReason.OTHER, actor=actor)
    said = Message.objects.filter(conversation__member=member)
    Media.objects.filter(messages__in=said).update(state=Media.State.PURGED)
    said.update(text="")
    Rating.objects.filter(conversation__member=member).update(words="")
    Praise.objects.filter(conversation__member=member).update(words="")
    Conversation.objects.filter(member=member).update(preview="", recipient="")
    MissCount.objects.filter(member=member).delete()


def give_back(staff: Staff, *, actor: Staff) -> None:
    """Who is deactivated holds no conversations: they wait at the front again."""
    assignments.requeue_all_of(staff, actor=actor, because="deactivated")
    AgentState.objects.filter(staff=staff).update(
        status=AgentState.Status.OFFLINE, heartbeat_at=None
    )
