"""Who may serve, and who may overrule."""

from __future__ import annotations

from service.models import Conversation, Queue
from staff.models import Staff

SUPERVISE = "service.supervise_conversation"
ANSWER = "service.answer_conversation"


def may_supervise(actor: Staff) -> bool:
    return actor.is_system or actor.has_perm(SUPERVISE)


def works_in(staff: Staff, queue: Queue) -> bool:
    """Whether the person is among the agents of the queue, or supervises it."""
    return (
        may_supervise(staff)
        or Queue.objects.worked_by(staff).filter(pk=queue.pk).exists()
    )


def may_serve(staff: Staff, conversation: Conversation) -> bool:
    """Whether a colleague can be given the conversation."""
    return (
        staff.is_active
        and not staff.is_system
        and staff.has_perm(ANSWER)
        and Conversation.objects.visible_to(staff).filter(pk=conversation.pk).exists()
        and works_in(staff, conversation.queue)
    )
