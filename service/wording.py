"""What the desk says by itself, what can be set, and the words of its history lines."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.registry import Text
from core.system_settings import Declaration, declare
from crm.timeline import Group, describe

# What asks for a rating. Not below "service.": it is no answer to anything they asked, so
# crm.vetoes holds it to what marketing is held to.
ASK_RATING = "rating.ask"
RATING_TEXT, RATING_DAYS = "service.rating_text", "service.rating_days"
# Stands in the text for the address of the page; without it the address follows.
RATING_PLACEHOLDER = "{评价链接}"
# What an automatic message is called when a page shows it.
PURPOSES: dict[str, Text] = {
    "content.answer": _("Answer of a rule"),
    "content.greeting": _("Greeting"),
    "service.hint": _("Hint"),
    "service.queued": _("Receipt"),
    "service.opted_out": _("Confirmation"),
    "service.opted_in": _("Confirmation"),
    ASK_RATING: _("Question for a rating"),
}
BY_HAND: dict[str, Text] = {
    "service.reply": _("Reply of a colleague"),
    "content.welcome": _("Welcome message"),
}
# The platform's words for kinds of messages that are not shown themselves.
KINDS: dict[str, Text] = {
    "voice": _("Voice message"),
    "video": _("Video"),
    "shortvideo": _("Video"),
    "location": _("Location"),
    "link": _("Link"),
    "file": _("File"),
    "image": _("Picture"),
    "miniprogram": _("Mini program"),
    "business_card": _("Name card"),
}


# What can be set: (key, title, default, smallest, largest, help), in seconds …
_TIMES: tuple[tuple[str, Text, int, int, int, Text], ...] = (
    (
        "service.answer_within_seconds",
        _("Answer a waiting customer within"),
        *(120, 10, 86_400),
        _("Waiting times turn amber at half of it and red after it."),
    ),
    (
        "service.absent_after_seconds",
        _("An agent counts as absent after"),
        *(90, 30, 3600),
        _("Seconds without an open workspace. Conversations stay with the agent."),
    ),
)
# … and what the desk says by itself: (key, title, default).
_TEXTS: tuple[tuple[str, Text, Text], ...] = (
    (
        "service.hint_text",
        _("When no rule answers for the first time"),
        _(
            "Sorry, I did not understand that. Put it another way, or reply "
            "“人工” and a colleague will help you."
        ),
    ),
    (
        "service.queued_text",
        _("When a customer is put into the queue"),
        _("A colleague will be with you in a moment."),
    ),
    (
        "service.opted_out_text",
        _("When a customer opts out"),
        _(
            "You will get no more marketing messages from us. Reply “恢复订阅” "
            "to have them again."
        ),
    ),
    (
        "service.opted_in_text",
        _("When a customer opts in again"),
        _("You will get our messages again. Reply “退订” at any time to stop."),
    ),
    (
        RATING_TEXT,
        _("When a conversation is closed, in queues that ask for a rating"),
        _("Thank you for writing to us. How was our service? {评价链接}"),
    ),
)


def declare_settings() -> None:
    """Called once, in AppConfig.ready()."""
    for key, label, default, minimum, maximum, help_text in _TIMES:
        declare(
            Declaration(
                key,
                label,
                default,
                unit=_("seconds"),
                help_text=help_text,
                minimum=minimum,
                maximum=maximum,
            )
        )
    declare(
        Declaration(
            RATING_DAYS,
            _("Days a link to rate a conversation works"),
            7,
            unit=_("days"),
            help_text=_("A rating given can be changed for 24 hours."),
            minimum=1,
            maximum=30,
        )
    )
    for key, label, words in _TEXTS:
        declare(Declaration(key, label, words, help_text=_("Empty: say nothing.")))


def kind_in_words(text: str) -> tuple[Text, str]:
    """Split "[voice] hello" into the kind in words and the rest."""
    kind, _bracket, detail = text.removeprefix("[").partition("]")
    return KINDS.get(kind, _("Message of a kind not shown here")), detail.strip()


def describe_history() -> None:
    describe(
        "answered",
        Group.MESSAGE,
        _("Answered by a rule"),
        icon="smart_toy",
        text=lambda data: f"{data.get('name', '')}：{data.get('text', '')}",
    )
    describe(
        "conversation.opened",
        Group.SERVICE,
        _("Conversation opened"),
        icon="forum",
        text=_number,
    )
    describe(
        "conversation.closed",
        Group.SERVICE,
        _("Conversation closed"),
        icon="task_alt",
        text=_closing,
    )
    describe(
        "conversation.rated",
        Group.SERVICE,
        _("Service rated"),
        icon="star",
        text=_rating,
    )
    describe(
        "conversation.praised",
        Group.SERVICE,
        _("Praise noted"),
        icon="favorite",
        text=lambda data: str(data.get("words", "")),
    )


def _number(data: dict[str, Any]) -> Text:
    return f"#{data.get('conversation', '')}"


def _closing(data: dict[str, Any]) -> Text:
    from service.models import Conversation

    reason = dict(Conversation.CloseReason.choices).get(str(data.get("reason")), "")
    return gettext("#%(number)s · %(reason)s") % {
        "number": data.get("conversation", ""),
        "reason": reason,
    }


def _rating(data: dict[str, Any]) -> Text:
    from service.models import Rating

    if "score" not in data:  # emptied by a purge
        return ""
    score = gettext("%(score)s of %(best)s") % {
        "score": data["score"],
        "best": Rating.BEST,
    }
    return " · ".join(filter(None, [score, str(data.get("words", ""))]))
