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
    "not_live": (
        _("The account is not live, so nothing is sent."),
        _("It goes on when an administrator takes the account live."),
    ),
    "app_off": (
        _("The app is switched off, so nothing is sent."),
        _("It goes on when an administrator switches the app on."),
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
    "stopped": (
        _("It was stopped before it was sent."),
        "",
    ),
    "outdated": (
        _("It waited too long: who may receive it is looked at anew."),
        _("Nothing to do; it goes on by itself in a new batch."),
    ),
    "adopted": (
        _("The platform says it already has this mass send; that is being checked."),
        _("Nothing to do; it is asked again until it says how it went."),
    ),
    "unconfirmed": (
        _("The platform said it had this mass send, but never how it went."),
        _("Look in the platform's own list of mass sends, then settle it here."),
    ),
    "replay_over": (
        _("The platform's answer never came, and it is too late to ask again."),
        _("Look in the platform's own list of mass sends, then settle it here."),
    ),
    "mass_failed": (
        _("The platform took the mass send and did not deliver it."),
        _("Look in the platform's own console for the reason."),
    ),
    "mass_refused": (
        _("The account's administrator refused the mass send on WeChat."),
        _("Speak with the administrator, then plan it again."),
    ),
    "mass_not_confirmed": (
        _("The account's administrator did not confirm the mass send in 30 minutes."),
        _("Tell the administrator before it is sent again."),
    ),
    "mass_content": (
        _("The platform refused what the mass send says."),
        _("Change the content; the platform's own console names the reason."),
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
