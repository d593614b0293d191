"""What the platforms refuse, in words, and what follows from it.

Codes: https://developers.weixin.qq.com/doc/oplatform/developers/errCode/errCode.html and
https://developer.work.weixin.qq.com/document/path/90313. `errmsg` is never shown or
parsed: its wording changes and may quote what was sent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core.errors import AppError


class Outcome(StrEnum):
    """What a failed call did: nothing left us, the platform said no, or nobody knows."""

    NOT_SENT = "not_sent"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


class Reach(StrEnum):
    """Whom a refusal concerns, and so what stops."""

    TOKEN = "token"  # noqa: S105
    ACCOUNT = "account"
    QUOTA = "quota"
    RATE = "rate"
    RETRY = "retry"
    PERSON = "person"
    CONTENT = "content"
    UNLISTED = "unlisted"


@dataclass(frozen=True)
class Refusal:
    """`text`: what happened. `advice`: what an administrator does about it."""

    reach: Reach
    text: str | Promise
    advice: str | Promise = ""


class PlatformError(AppError):
    """A call that did not succeed. Never carries a token, a body or an errmsg.

    `errcode` is None when no well-formed answer came. `retryable`: the same call may
    work later without anybody doing anything. `remote_id`: what the platform already
    has, when it refuses a repetition (45065).
    """

    code = "platform_error"
    message = _("The platform did not accept the call.")

    def __init__(
        self,
        text: str | Promise,
        *,
        outcome: Outcome,
        code: str,
        errcode: int | None = None,
        retryable: bool = False,
        refusal: Refusal | None = None,
        http_status: int | None = None,
        remote_id: str = "",
    ) -> None:
        super().__init__(text, code=code)
        self.remote_id = remote_id
        self.outcome = outcome
        self.errcode = errcode
        self.retryable = retryable
        self.refusal = refusal or Refusal(Reach.UNLISTED, text)
        self.http_status = http_status

    @property
    def reach(self) -> Reach:
        return self.refusal.reach


_REVOKED = Refusal(
    Reach.ACCOUNT,
    _("The account withdrew our authorisation."),
    _("Have the account's administrator authorise the app again."),
)
_TOO_LONG = Refusal(Reach.CONTENT, _("The text is too long for the platform."))
_BAD_MEDIA = Refusal(Reach.CONTENT, _("The platform no longer has this picture."))
_NOT_FOLLOWING = Refusal(
    Reach.PERSON, _("The customer does not follow the account any more.")
)
_NO_CONTACT = Refusal(Reach.PERSON, _("The customer is no contact of this colleague."))
_NO_COLLEAGUE = Refusal(Reach.PERSON, _("The platform does not know this colleague."))
_NO_KF = Refusal(
    Reach.CONTENT, _("The platform does not know this customer-service account.")
)
_EMPTY = Refusal(Reach.CONTENT, _("There was nothing to send."))
_NO_SECRET = Refusal(
    Reach.ACCOUNT, _("The secret is missing."), _("Enter the secret of the app.")
)
_TOKEN = Refusal(
    Reach.TOKEN,
    _("The platform refused the access token, also a fresh one."),
    _("Look whether another system refreshes the token of this app."),
)
_IP = Refusal(
    Reach.ACCOUNT,
    _("Our IP address is not on the platform's list."),
    _("Add the outbound IP address of the console to the app's list of trusted IPs."),
)

MP: dict[int, Refusal] = {
    40001: _TOKEN,
    40014: _TOKEN,
    42001: _TOKEN,
    41001: _TOKEN,
    40003: _NOT_FOLLOWING,
    40007: _BAD_MEDIA,
    40013: Refusal(
        Reach.ACCOUNT,
        _("The platform does not know this AppID."),
        _("Compare the AppID with the one under Settings and development."),
    ),
    40033: Refusal(Reach.CONTENT, _("The text holds characters the platform refuses.")),
    40125: Refusal(
        Reach.ACCOUNT,
        _("The AppSecret is wrong."),
        _("Copy the AppSecret again; it changes whenever somebody resets it."),
    ),
    40164: _IP,
    40243: Refusal(
        Reach.ACCOUNT,
        _("The AppSecret is frozen."),
        _("Unfreeze or reset the AppSecret on the platform, then enter it here."),
    ),
    41004: _NO_SECRET,
    43004: _NOT_FOLLOWING,
    43019: Refusal(Reach.PERSON, _("The customer is on the account's black list.")),
    44002: _EMPTY,
    44004: _EMPTY,
    45002: _TOO_LONG,
    45009: Refusal(
        Reach.QUOTA,
        _("Today's quota of this call is used up."),
        _("It starts anew at midnight; an administrator may clear it on the platform."),
    ),
    45011: Refusal(Reach.RATE, _("Too many calls in this minute.")),
    40032: Refusal(Reach.CONTENT, _("The platform refuses the number of people.")),
    40059: Refusal(Reach.CONTENT, _("The platform does not know this mass send.")),
    40130: Refusal(Reach.CONTENT, _("A mass send needs two people at least.")),
    45015: Refusal(
        Reach.PERSON, _("The reply window is closed: the customer must write first.")
    ),
    45028: Refusal(Reach.QUOTA, _("No mass send is left in this period.")),
    45047: Refusal(
        Reach.PERSON,
        _("No message is left in this reply window: the customer must write first."),
    ),
    45065: Refusal(Reach.RETRY, _("The platform already has this mass send.")),
    45066: Refusal(Reach.RETRY, _("The same mass send was repeated too soon.")),
    45067: Refusal(Reach.CONTENT, _("The key of the mass send is too long.")),
    48001: Refusal(
        Reach.ACCOUNT,
        _("The account may not use this call."),
        _("The account must be verified and of a kind that has this call."),
    ),
    48002: Refusal(Reach.PERSON, _("The customer refuses messages of this account.")),
    48004: Refusal(
        Reach.ACCOUNT,
        _("The platform banned this call for the account."),
        _("Read the notice in the platform's own console."),
    ),
    50002: Refusal(Reach.PERSON, _("The customer's WeChat account is restricted.")),
    50005: _NOT_FOLLOWING,
    61003: _REVOKED,
    61004: _IP,
    61007: _REVOKED,
    61023: _REVOKED,
}

WECOM: dict[int, Refusal] = {
    40014: _TOKEN,
    42001: _TOKEN,
    41001: _TOKEN,
    # Not a token error as on the official accounts: gettoken says it of the secret.
    40001: Refusal(
        Reach.ACCOUNT,
        _("The secret of the WeCom app is wrong."),
        _("Copy the secret of the self-built app again."),
    ),
    40013: Refusal(
        Reach.ACCOUNT,
        _("The platform does not know this corp id."),
        _("Compare the corp id with the one under My enterprise."),
    ),
    41004: _NO_SECRET,
    40056: Refusal(Reach.ACCOUNT, _("The platform does not know this agent id.")),
    60020: _IP,
    48002: Refusal(
        Reach.ACCOUNT,
        _("The app may not use this call."),
        _("Add the app to the apps that may call it: Customer contact, API."),
    ),
    45009: Refusal(Reach.RATE, _("Too many calls; the platform paused us.")),
    45033: Refusal(Reach.RATE, _("Too many calls at the same time.")),
    41096: Refusal(Reach.RETRY, _("Another app is sending a welcome right now.")),
    40003: _NO_COLLEAGUE,
    60111: _NO_COLLEAGUE,
    40058: Refusal(Reach.CONTENT, _("The platform refuses what was sent.")),
    40007: _BAD_MEDIA,
    40096: _NO_CONTACT,
    41035: Refusal(Reach.PERSON, _("The customer is missing from the call.")),
    41050: Refusal(
        Reach.PERSON, _("The welcome came too late: its 20 seconds are over.")
    ),
    41051: Refusal(
        Reach.PERSON, _("The customer was welcomed already, or the chat has begun.")
    ),
    41063: Refusal(Reach.PERSON, _("The colleague can't send welcomes now.")),
    45002: _TOO_LONG,
    60011: Refusal(
        Reach.PERSON, _("The colleague is outside the app's visible range.")
    ),
    84061: _NO_CONTACT,
    95000: _NO_KF,
    95004: _NO_KF,
    95017: Refusal(
        Reach.ACCOUNT,
        _("Customer service through the API is not switched on."),
        _("Switch on API management of WeChat Customer Service in WeCom."),
    ),
}


def refusal_of(errcode: int, *, is_wecom: bool) -> Refusal:
    """What `errcode` means on that platform; unlisted codes say so."""
    known = (WECOM if is_wecom else MP).get(errcode)
    if known is not None:
        return known
    if is_wecom and 95_000 <= errcode < 96_000:
        return Refusal(Reach.PERSON, _("WeChat Customer Service refused the call."))
    return Refusal(
        Reach.UNLISTED,
        _("The platform answered with a code we do not know."),
        _("Look the code up in the platform's list of error codes."),
    )


def rejected(errcode: int, *, is_wecom: bool, remote_id: str = "") -> PlatformError:
    """The error of a well-formed answer with `errcode`; -1 means nobody knows."""
    if errcode == -1:
        return PlatformError(
            _("The platform was busy; it does not say what it did."),
            outcome=Outcome.UNKNOWN,
            code="busy",
            errcode=errcode,
            retryable=True,
        )
    refusal = refusal_of(errcode, is_wecom=is_wecom)
    waits = (Reach.TOKEN, Reach.QUOTA, Reach.RATE, Reach.RETRY)
    return PlatformError(
        refusal.text,
        outcome=Outcome.REJECTED,
        code=f"errcode_{errcode}",
        errcode=errcode,
        retryable=refusal.reach in waits,
        refusal=refusal,
        remote_id=remote_id,
    )
