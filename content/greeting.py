"""What an account says by itself when somebody follows it or adds a colleague."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from content.models import AnswerRule
from staff.accounts import system_staff
from wechat import limits, outbox
from wechat.models import OutboundMessage
from wechat.registry import Inbound

LATE = "late"


def greet(inbound: Inbound) -> str:
    """Plan the greeting of a new follower; returns the rule's name, "late" or "".

    The platform takes it within the minute after the follow only.
    """
    rule = _rule(inbound, AnswerRule.Occasion.FOLLOW)
    if rule is None:
        return ""
    expires_at = _expiry(inbound, "mp.window.follow.seconds")
    if expires_at is None:
        return LATE
    outbox.plan(
        app=inbound.app,
        channel=OutboundMessage.Channel.MP_CUSTOM,
        recipient=inbound.subject,
        kind=OutboundMessage.Kind.TEXT,
        payload={"text": rule.reply_text},
        dedupe_key=f"greeting:{inbound.event.pk}",
        purpose="content.greeting",
        reference=str(rule.pk),
        actor=system_staff("content.answers"),
        expires_at=expires_at,
    )
    return rule.name


def welcome(inbound: Inbound, welcome_code: str, *, dedupe_key: str) -> str:
    """Plan the welcome of a new WeCom friend; returns the rule's name, "late" or "".

    `dedupe_key` names the friendship. The code lives 20 s and works once (doc 92599).
    """
    rule = _rule(inbound, AnswerRule.Occasion.WELCOME)
    if rule is None or not welcome_code:
        return ""
    expires_at = _expiry(inbound, "wecom.welcome.seconds")
    if expires_at is None:
        return LATE
    outbox.plan(
        app=inbound.app,
        channel=OutboundMessage.Channel.WECOM_WELCOME,
        recipient=inbound.subject,
        kind=OutboundMessage.Kind.TEXT,
        payload={"welcome_code": welcome_code, "text": rule.reply_text},
        dedupe_key=dedupe_key,
        purpose="content.welcome",
        reference=str(rule.pk),
        actor=system_staff("content.answers"),
        expires_at=expires_at,
    )
    return rule.name


def _rule(inbound: Inbound, occasion: AnswerRule.Occasion) -> AnswerRule | None:
    now = timezone.now()
    rules = AnswerRule.objects.standing(inbound.account, occasion)
    return next((rule for rule in rules if rule.is_in_force(now)), None)


def _expiry(inbound: Inbound, limit: str) -> datetime | None:
    """Until when the platform takes the message; None when that has passed."""
    expires_at = inbound.at + timedelta(seconds=limits.value(limit))
    return expires_at if expires_at > timezone.now() else None
