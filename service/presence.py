"""Who is at their desk: open workspaces show it, by socket or by polling."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from core import live, system_settings
from service.models import AgentState, Conversation, Queue
from service.rights import ANSWER, SUPERVISE
from staff.models import Staff
from wechat.models import Media


def show(staff: Staff) -> None:
    """Note that the person's workspace is open now."""
    state = AgentState.objects.filter(staff=staff).first()
    if state is not None:
        _note(state)


live.on_presence.append(show)


def arrive(staff: Staff) -> AgentState:
    """Note that the agent sits at the workspace; their row, made the first time."""
    state, _ = AgentState.objects.get_or_create(staff=staff)
    _note(state)
    return state


def _note(state: AgentState) -> None:
    """Who was away is online again; a status somebody chose while here stays."""
    if not is_here(state) and state.status == AgentState.Status.OFFLINE:
        state.status = AgentState.Status.ONLINE
    state.heartbeat_at = timezone.now()
    state.save(update_fields=["status", "heartbeat_at"])


def mark_absent() -> int:
    """Show as offline whose workspace is closed; what they serve stays with them."""
    return (
        AgentState.objects.exclude(status=AgentState.Status.OFFLINE)
        .filter(heartbeat_at__lt=timezone.now() - _absent_after())
        .update(status=AgentState.Status.OFFLINE)
    )


def is_here(state: AgentState) -> bool:
    """Whether a workspace of theirs was open within the setting's seconds."""
    seen_at = state.heartbeat_at
    return seen_at is not None and timezone.now() - seen_at < _absent_after()


def _absent_after() -> timedelta:
    return timedelta(seconds=int(system_settings.get("service.absent_after_seconds")))


def set_status(staff: Staff, status: str) -> None:
    """Choose online, busy or offline; others see it at once."""
    AgentState.objects.filter(staff=staff).update(status=AgentState.Status(status))
    live.notify(f"staff.{staff.pk}", agent=staff.pk)


# -- who may hear of what, asked when a page subscribes


@live.subject("conversation")
def may_hear_conversation(staff: Staff, pk: int) -> bool:
    return (
        _works_here(staff)
        and Conversation.objects.readable_by(staff).filter(pk=pk).exists()
    )


@live.subject("queue")
def may_hear_queue(staff: Staff, pk: int) -> bool:
    rows = Queue.objects.visible_to(staff)
    if not staff.has_perm(SUPERVISE):
        rows = Queue.objects.worked_by(staff)
    return _works_here(staff) and rows.filter(pk=pk).exists()


def _works_here(staff: Staff) -> bool:
    return staff.has_perm(ANSWER) or staff.has_perm(SUPERVISE)


def may_see_picture(staff: Staff, media: Media) -> bool:
    """Who may read a conversation sees its pictures (wechat.media_view asks)."""
    said_in = Conversation.objects.readable_by(staff).filter(messages__media=media)
    return staff.has_perm("service.view_message") and said_in.exists()
