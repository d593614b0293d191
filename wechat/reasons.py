"""Why a message stands where it stands, in words, and what can be done about it."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from wechat.api.errors import refusal_of

Text = str | Promise

# Why a callback that came as JSON is kept and not worked off.
JSON_HINT: tuple[Text, Text] = (
    _("The account sends JSON, the console reads XML."),
    _(
        "Switch the account to XML: on the platform, under Settings and development, "
        "Basic configuration, set the data format to XML. Later callbacks are then "
        "worked off; this one stays as it is."
    ),
)

# code → (what happened, what to do)
REASONS: dict[str, tuple[Text, Text]] = {
    "expired": (
        _("It was too late: the time in which it made sense was over."),
        _("Nothing to do; look at the queue if this happens often."),
    ),
    "window_closed": (
        _("The reply window is closed: the customer must write first."),
        _("Reach the customer another way, or wait until the customer writes."),
    ),
    "window_used": (
        _("No message is left in this reply window: the customer must write first."),
        _("Reach the customer another way, or wait until the customer writes."),
    ),
    "quota_used": (
        _("Today's quota of this call is used up."),
        _("It goes on by itself at midnight."),
    ),
    "rate_used": (
        _("Too many calls in this minute."),
        _("It is tried again by itself within seconds."),
    ),
    "media_missing": (
        _("The picture is no longer there."),
        _("Send the picture again."),
    ),
    "unreachable": (
        _("The platform can't be reached."),
        _("It is tried again by itself; look at the network if it stays so."),
    ),
    "token_resting": (
        _("The platform refused the access token; a new one was fetched just now."),
        _("It is tried again by itself within seconds."),
    ),
    "erased": (
        _("The customer's data was deleted before it was sent."),
        "",
    ),
    "broken": (
        _("The console could not carry it through; the log knows why."),
        _("Tell an administrator."),
    ),
    "worker_lost": (
        _("The sender stopped before it knew the platform's answer."),
        _("Look on the customer's side, then settle it here."),
    ),
    "no_answer": (
        _("The platform took the call and did not answer in time."),
        _("Look on the customer's side, then settle it here."),
    ),
    "cut": (
        _("The connection broke before the platform's answer was complete."),
        _("Look on the customer's side, then settle it here."),
    ),
    "bad_answer": (
        _("The platform's answer can't be read."),
        _("Look on the customer's side, then settle it here."),
    ),
    "busy": (
        _("The platform was busy; it does not say what it did."),
        _("Look on the customer's side, then settle it here."),
    ),
    "treated_as_sent": (
        _("Settled by hand: treated as sent."),
        "",
    ),
    "send_again": (
        _("Settled by hand: sent again."),
        "",
    ),
}


def explain(code: str, *, is_wecom: bool) -> tuple[Text, Text]:
    """What happened and what to do, in the reader's language; ("", "") for no code."""
    if code in REASONS:
        return REASONS[code]
    if code.startswith("errcode_"):
        refusal = refusal_of(int(code.removeprefix("errcode_")), is_wecom=is_wecom)
        return refusal.text, refusal.advice
    if code.startswith("http_"):
        return (
            _("Something between us and the platform answered in its place."),
            _("Look on the customer's side, then settle it here."),
        )
    return "", ""
