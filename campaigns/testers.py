"""Test sends to oneself.

A colleague proves which openid of an account is theirs by writing a code shown in the
console to the account. A test goes to that openid only, says that it is one, and is
counted nowhere: it has no recipient, and the platform's preview uses nobody's quota.
"""

from __future__ import annotations

import hmac
import re
import secrets
import unicodedata
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns import feeding, links, sending
from campaigns.models import Tester, Touch
from content import rendering
from core import audit
from core.errors import AppError
from staff.models import Staff
from wechat import mass, media, outbox, windows
from wechat.api import mp_client
from wechat.models import Account, App, OutboundMessage
from wechat.registry import Inbound, on

CODE_LIVES = timedelta(minutes=10)
CODE_DIGITS = 6
# What customers' rules never say; written as an NFKC text without spaces.
_WORDS = re.compile(r"绑定(\d{6})")
MARK = "【测试】"
PURPOSE = "campaigns.test"


class NotBound(AppError):
    code = "not_bound"
    message = gettext_lazy(
        "Your own WeChat is not bound to this account yet: bind it, then test."
    )


class NoWindow(AppError):
    code = "no_window"
    message = gettext_lazy(
        "You have no open reply window: write anything to the account, then test again."
    )


class NothingToTest(AppError):
    code = "nothing_to_test"
    message = gettext_lazy("Choose content first: there is nothing to send.")


# -- binding


def new_code(account: Account, *, actor: Staff) -> tuple[str, datetime]:
    """A code to write to `account` ("绑定 482913") and until when it is good.

    An older code of the same person ends; what is bound stays until another is.
    """
    code = f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
    until = timezone.now() + CODE_LIVES
    Tester.objects.update_or_create(
        staff=actor,
        account=account,
        defaults={"code_digest": _digest(account, code), "code_until": until},
    )
    return code, until


def binding(account: Account, staff: Staff) -> Tester | None:
    """Their binding to `account`, if they have one that is complete."""
    return (
        Tester.objects.filter(staff=staff, account=account).exclude(openid="").first()
    )


def unbind(account: Account, *, actor: Staff) -> bool:
    """Forget one's own openid; False when none was bound."""
    rows = Tester.objects.filter(staff=actor, account=account).exclude(openid="")
    with transaction.atomic():
        row = rows.first()
        if row is None or not rows.update(openid="", bound_at=None):
            return False
        audit.record("campaigns.tester.unbound", row, actor=actor, label=str(account))
    return True


def _digest(account: Account, code: str) -> str:
    text = f"{account.pk}:{code}"
    return salted_hmac("campaigns.testers", text, algorithm="sha256").hexdigest()


@on("mp.message.text")
def hear_code(inbound: Inbound) -> None:
    """Bind who writes a code that is good; the message concerns nobody else then."""
    text = unicodedata.normalize("NFKC", str(inbound.fields.get("Content", "")))
    found = _WORDS.fullmatch("".join(text.split()))
    if found is None:
        return
    digest = _digest(inbound.account, found[1])
    tester = next(
        (
            each
            for each in _open_codes(inbound)
            if hmac.compare_digest(each.code_digest, digest)
        ),
        None,
    )
    if tester is None:
        return
    inbound.context["settled"] = True
    if tester.openid == inbound.subject and tester.code_until is None:
        return  # a replay
    tester.openid, tester.bound_at = inbound.subject, timezone.now()
    tester.code_until = None
    tester.save(update_fields=["openid", "bound_at", "code_until"])
    audit.record(
        "campaigns.tester.bound", tester, actor=tester.staff, label=str(tester.account)
    )
    with translation.override(settings.LANGUAGE_CODE):
        words = _("Bound to %(who)s: tests come to this WeChat.") % {
            "who": tester.staff
        }
    _say(
        inbound.app, inbound.subject, words, f"tester:{inbound.event.pk}", tester.staff
    )


def _open_codes(inbound: Inbound) -> list[Tester]:
    rows = Tester.objects.filter(account=inbound.account, staff__is_active=True)
    good = rows.filter(code_until__gt=inbound.at)
    # A replay finds the binding it made.
    mine = rows.filter(openid=inbound.subject, code_until=None).exclude(code_digest="")
    return list((good | mine).select_related("staff", "account")[:200])


# -- sending


def send(touch: Touch, *, actor: Staff) -> None:
    """Send `touch` to the person's own openid, now.

    Raises NotBound, NoWindow (single messages), NothingToTest, PlatformError and
    sending.AccountNotLive. No transaction may be open.
    """
    tester = binding(touch.account, actor)
    if tester is None:
        raise NotBound
    if touch.version is None:
        raise NothingToTest
    app = sending.app_of(touch)
    try:
        version = feeding.version_of(touch)
        payload = rendering.payload_for(version, app=app, actor=actor)
    except media.MediaMissing:
        raise NothingToTest from None
    payload = links.tracked(payload, touch, None)
    kind = rendering.message_kind(version)
    audit.record("campaigns.touch.tested", touch, actor=actor, label=touch.name)
    if touch.channel == Touch.Channel.MASS:
        _preview(app, tester.openid, kind, payload, touch)
    else:
        _message(app, tester, kind, payload, actor)


def _preview(
    app: App, openid: str, kind: str, payload: dict[str, Any], touch: Touch
) -> None:
    client = mp_client(app)
    try:
        request = mass.request_of(app, kind, _marked(payload))
    except media.MediaMissing:
        raise NothingToTest from None
    if "text" not in payload and "article" not in payload:
        words = {"msgtype": "text", "text": {"content": f"{MARK}{touch.name}"}}
        client.mass_preview(openid, words)
    client.mass_preview(openid, request)


def _message(
    app: App, tester: Tester, kind: str, payload: dict[str, Any], actor: Staff
) -> None:
    if kind not in OutboundMessage.Kind.values:
        raise NothingToTest(_("Articles go out as mass messages only."))
    needed = 1 if kind == OutboundMessage.Kind.TEXT else 2
    if windows.allowance(app, tester.openid).left < needed:
        raise NoWindow
    key = f"{PURPOSE}:{secrets.token_hex(8)}"
    if kind != OutboundMessage.Kind.TEXT:
        _say(app, tester.openid, MARK, f"{key}:mark", actor)
    _plan(app, tester.openid, kind, _marked(payload), key, actor)


def _marked(payload: dict[str, Any]) -> dict[str, Any]:
    """What was written says that it is a test; a picture can't."""
    if "text" in payload:
        return {**payload, "text": MARK + payload["text"]}
    article = payload.get("article")
    if article is None:
        return payload
    title = (MARK + article["title"])[:64]
    return {**payload, "article": {**article, "title": title}}


def _say(app: App, openid: str, text: str, key: str, actor: Staff) -> None:
    _plan(app, openid, OutboundMessage.Kind.TEXT, {"text": text}, key, actor)


def _plan(
    app: App, openid: str, kind: str, payload: dict[str, Any], key: str, actor: Staff
) -> None:
    outbox.plan(
        app=app,
        channel=OutboundMessage.Channel.MP_CUSTOM,
        recipient=openid,
        kind=kind,
        payload=payload,
        dedupe_key=key,
        purpose=PURPOSE,
        actor=actor,
    )
