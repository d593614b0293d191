"""Refusals of the desk, each with what the person can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.errors import AppError, BadInput, NotAllowed

if TYPE_CHECKING:
    from staff.models import Staff


class AlreadyClaimed(AppError):
    """Somebody has the conversation. extra: holder (user name), name."""

    code = "conversation_taken"
    message = _("Somebody else has this conversation.")

    @classmethod
    def by(cls, holder: Staff) -> AlreadyClaimed:
        text = gettext("%(name)s has this conversation.") % {"name": holder}
        return cls(text, holder=holder.username, name=str(holder))


class AtCapacity(AppError):
    """The agent has as many conversations as agreed. extra: open, capacity, agent."""

    code = "at_capacity"
    message = _("No more conversations at once: close one first.")

    @classmethod
    def of(cls, agent: Staff, *, open_count: int, capacity: int) -> AtCapacity:
        text = gettext(
            "%(name)s already serves %(open)s of %(capacity)s conversations: "
            "close one first, or have the capacity raised."
        ) % {"name": agent, "open": open_count, "capacity": capacity}
        return cls(text, agent=str(agent), open=open_count, capacity=capacity)


class AlreadyClosed(AppError):
    code = "conversation_closed"
    message = _("The conversation is closed. It opens anew when the customer writes.")


class NotClaimed(AppError):
    """It waits in the queue; whoever wants to answer accepts it first."""

    code = "not_claimed"
    message = _("Accept the conversation first, then answer.")


class NotHolder(AppError):
    """Only who has the conversation may do this. extra: holder (user name), name."""

    code = "not_holder"
    message = _("Only who has the conversation may do this.")

    @classmethod
    def but(cls, holder: Staff) -> NotHolder:
        text = gettext("%(name)s has this conversation and answers here.") % {
            "name": holder
        }
        return cls(text, holder=holder.username, name=str(holder))


class NotYourQueue(NotAllowed):
    code = "not_your_queue"
    message = _("You are not among the agents of this queue.")


class AgentUnavailable(AppError):
    """The colleague can't take it: inactive, no agent, or not of this queue."""

    code = "agent_unavailable"
    message = _("This colleague can't take conversations of this queue.")


class WindowClosed(AppError):
    """The platform's reply window is over. extra: closed_at (ISO 8601) or null."""

    code = "window_closed"
    message = _(
        "The platform allows no more messages: the reply window is closed. It opens "
        "again when the customer writes or taps the menu."
    )


class NoMessagesLeft(AppError):
    code = "no_messages_left"
    message = _(
        "All messages the platform allows are used. The customer's next message "
        "allows new ones."
    )


class CannotReplyHere(AppError):
    code = "reply_not_supported"
    message = _(
        "Customers of WeChat Customer Service can be read here; answer them in WeCom."
    )


class NotReachable(AppError):
    code = "not_reachable"
    message = _("The customer no longer follows the account and can't be reached.")


class BadReply(BadInput):
    """The answer itself can't be sent. codes: empty_reply, text_too_long, bad_picture."""

    code = "bad_reply"


class KeyReused(AppError):
    code = "idempotency_key_reused"
    message = _("This key was used for another answer.")


class RatingFixed(AppError):
    code = "rating_fixed"
    message = _("You have rated this already; it can no longer be changed.")


class RatedMeanwhile(AppError):
    code = "rated_meanwhile"
    message = _(
        "Another rating was sent from another page meanwhile, and stands. Send this one "
        "again to put it in its place."
    )
