"""Why somebody is left out of a touch, or why a touch stands still, and what one can do.

Codes of Recipient.reason and Touch.reason_code. ORDER is the precedence of exclusions:
whoever is left out for several reasons counts under the first that holds.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.registry import Text
from wechat.reasons import explain


@dataclass(frozen=True)
class Reason:
    """`label` on chips and in tables, `words` in a sentence, `advice`: what to do."""

    label: Text
    words: Text
    advice: Text = ""


ORDER = (
    "merged",
    "erased",
    "complaint",
    "test_account",
    "opted_out",
    "unreachable",
    "channel_off",
    "topic_off",
    "no_personalisation",
    "window_closed",
    "month_quota",
    "frequency_cap",
    "expired",
    "quiet_hours",
    "own_hours",
    "duplicate_person",
    "batch_too_small",
)

BY_THE_CLOCK = _("The clock")

REASONS: dict[str, Reason] = {
    "merged": Reason(
        _("Merged"),
        _("The record was merged into another one of the same person."),
        _("Nothing to do: the record that stands gets the message once."),
    ),
    "erased": Reason(
        _("Data erased"),
        _("The person's data was erased."),
        _("Nothing to do."),
    ),
    "test_account": Reason(
        _("No-marketing tag"),
        _(
            "Carries a tag that keeps out of marketing: employee, dealer, test account …"
        ),
        _("Take the tag off the member if it is wrong."),
    ),
    "opted_out": Reason(
        _("Opted out"),
        _("Wants no marketing messages."),
        _("Nothing to do: this is the customer's decision."),
    ),
    "complaint": Reason(
        pgettext_lazy("a reason to leave out", "Complaint"),
        _("Has complained: no marketing until some time after it is closed."),
        _("Settle the complaint and close it; what it is about stands on the member."),
    ),
    "channel_off": Reason(
        _("Channel refused"),
        _("Wants no marketing through this channel."),
        _("Nothing to do: this is the customer's decision."),
    ),
    "topic_off": Reason(
        _("Topic refused"),
        _("Wants nothing on this topic."),
        _("Nothing to do: this is the customer's decision."),
    ),
    "no_personalisation": Reason(
        _("No personalisation"),
        _("Wants only what everybody gets, and this audience is chosen."),
        _("Send it to everybody, or leave these people out."),
    ),
    "unreachable": Reason(
        _("Not reachable"),
        _("Does not follow this account."),
        _("Reach the person through another account they follow."),
    ),
    "window_closed": Reason(
        _("Window closed"),
        _(
            "Has not written within 48 hours of the time of sending, or no message is left."
        ),
        _("Use a mass message, or reach them when they write again."),
    ),
    "month_quota": Reason(
        _("Monthly quota used"),
        _(
            "Has got, or is about to get, all mass messages the account may send a month."
        ),
        _("Send next month, or use a customer-service message to those who write."),
    ),
    "frequency_cap": Reason(
        _("Frequency cap"),
        _(
            "Has got as many marketing messages as one person may get in a day, week or "
            "month, or as they themselves want."
        ),
        _("Send later; the caps stand in the settings."),
    ),
    "own_hours": Reason(
        _("Own hours of rest"),
        _("Does not want to be disturbed until the touch is over."),
        _("Let the touch be valid for longer: it waits for these people by itself."),
    ),
    "quiet_hours": Reason(
        _("Quiet hours"),
        _("Could only be sent in quiet hours before its time is over."),
        _("Choose another time, or let the message be valid longer."),
    ),
    "duplicate_person": Reason(
        _("Same person"),
        _("Another record of the same person, with the same phone, gets the message."),
        _("Nothing to do: the earliest record gets it."),
    ),
    "batch_too_small": Reason(
        _("Too few people"),
        _("A mass message needs at least two people, and only one was left."),
        _("Widen the audience, or write to this person alone."),
    ),
    "stopped": Reason(
        _("Stopped"),
        _("The sending was stopped before it was this person's turn."),
    ),
    "expired": Reason(
        _("Too late"),
        _("The time in which the message made sense was over."),
        _("Plan another touch if it still makes sense."),
    ),
    "overdue": Reason(
        _("Overdue"),
        _("Nothing was sent at its time: the console stood still."),
        _("Decide whether it still makes sense: send it now, or stop it."),
    ),
    "quiet_window": Reason(
        _("Quiet hours"),
        _("It is quiet hours."),
        _("Nothing to do: it goes on by itself when they are over."),
    ),
    "account_closed": Reason(
        _("Account not live"),
        _("The account is paused, revoked or was closed."),
        _("Put the account live again, then send on; or stop it."),
    ),
    "breaker_errors": Reason(
        _("Too many errors"),
        _("Too many of the last sends failed."),
        _("Look at the failed ones; send on when the cause is gone, or stop it."),
    ),
    "breaker_opt_outs": Reason(
        _("Too many opt-outs"),
        _("Too many of those who got it want no more marketing."),
        _("Look at what it says and to whom; send on only if you are sure."),
    ),
    "not_sendable": Reason(
        _("Can't be sent"),
        _("The content can't be sent this way, or its picture is gone."),
        _("Stop it and plan another touch."),
    ),
    "approval_outdated": Reason(
        _("Changed after approval"),
        _("Something that was approved has changed since."),
        _("Look it through and ask for approval again."),
    ),
    "approval_expired": Reason(
        _("Approval ran out"),
        _("Nobody decided in time, or the approval was not used in time."),
        _("Look it through and ask for approval again."),
    ),
    "refused": Reason(
        pgettext_lazy("an approval", "Refused"),
        _("A second person said no."),
        _("Change what they named and ask again."),
    ),
    "taken_back": Reason(
        _("Taken back"),
        _("The request was taken back."),
    ),
}


def label(code: str) -> Text:
    return REASONS[code].label if code in REASONS else words(code)


def words(code: str) -> Text:
    """In a sentence; also what the gateway says of a failed send."""
    if code in REASONS:
        return REASONS[code].words
    return explain(code, is_wecom=False)[0] or code


def advice(code: str) -> Text:
    if code in REASONS:
        return REASONS[code].advice
    return explain(code, is_wecom=False)[1]
