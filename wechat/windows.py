"""Reply windows: what the platform still lets us say to a person, and until when.

Each trigger opens its own allowance (customer-service messages:
https://developers.weixin.qq.com/doc/service/en/guide/product/kf/intro.html). Rows hold
the platform's time, see wechat.clock; what leaves this module is on our clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F, Q

from wechat import clock, limits
from wechat.models import App, OutboundMessage, ReplyWindow
from wechat.registry import Inbound, on

Trigger = ReplyWindow.Trigger
STANDING = """
SELECT known.*, (
    SELECT count(*) FROM wechat_outboundmessage message
    WHERE message.app_id = known.app_id AND message.recipient = known.recipient
      AND message.state IN ('planned', 'claimed')
) AS planned
FROM wechat_replywindow known
WHERE known.app_id = %s AND known.recipient = %s AND known.closes_at > %s
"""
# Platform times have whole seconds: within one it is the same event.
OPEN_ANEW = """
INSERT INTO wechat_replywindow AS known
    (app_id, recipient, trigger, opened_at, closes_at, allowed, reserved, used)
VALUES (%s, %s, %s, %s, %s, %s, 0, 0)
ON CONFLICT (app_id, recipient, trigger) DO UPDATE SET
    opened_at = excluded.opened_at, closes_at = excluded.closes_at,
    allowed = excluded.allowed, reserved = 0, used = 0
WHERE known.opened_at < excluded.opened_at - interval '500 milliseconds'
"""


@dataclass(frozen=True)
class TriggerAllowance:
    """`left` of `allowed` messages until `closes_at`."""

    left: int
    allowed: int
    closes_at: datetime


@dataclass(frozen=True)
class Allowance:
    """What is left in all, and when the last of it is gone (None: nothing is left).

    `planned`: messages to the person that wait and have no place in a window yet; known
    only of one person whose window is open.
    """

    left: int
    closes_at: datetime | None
    by_trigger: dict[str, TriggerAllowance] = field(default_factory=dict)
    planned: int = 0

    @property
    def is_open(self) -> bool:
        return self.left > 0


def allowance(app: App, recipient: str, now: datetime | None = None) -> Allowance:
    """Messages left to `recipient` through `app`, over all open windows."""
    at = clock.platform_time(app.account, now)
    return _sum(app, list(ReplyWindow.objects.raw(STANDING, [app.pk, recipient, at])))


def allowances(
    app: App, recipients: Iterable[str], now: datetime | None = None
) -> dict[str, Allowance]:
    """`allowance` of many people in one query; who has no window is left out."""
    at = clock.platform_time(app.account, now)
    rows = ReplyWindow.objects.filter(
        app=app, recipient__in=list(recipients), closes_at__gt=at
    )
    by_person: dict[str, list[ReplyWindow]] = {}
    for row in rows:
        by_person.setdefault(row.recipient, []).append(row)
    return {person: _sum(app, found) for person, found in by_person.items()}


def _sum(app: App, rows: list[ReplyWindow]) -> Allowance:
    by_trigger = {
        str(row.trigger): TriggerAllowance(
            left=max(row.allowed - row.reserved - row.used, 0),
            allowed=row.allowed,
            closes_at=clock.our_time(app.account, row.closes_at),
        )
        for row in rows
    }
    usable = [found for found in by_trigger.values() if found.left]
    return Allowance(
        left=sum(found.left for found in usable),
        closes_at=max((found.closes_at for found in usable), default=None),
        by_trigger=by_trigger,
        planned=max((getattr(row, "planned", 0) for row in rows), default=0),
    )


def open_window(app: App, recipient: str, trigger: str, at: datetime) -> None:
    """Open the allowance of `trigger` anew, `at` in our time.

    Nothing happens when a trigger as new or newer already did: a replay or a late event
    never shrinks or refills a window.
    """
    opened_at = clock.platform_time(app.account, at)
    lasts = timedelta(seconds=limits.value(f"mp.window.{trigger}.seconds"))
    closes_at = opened_at + lasts
    allowed = limits.value(f"mp.window.{trigger}.count")
    with connection.cursor() as cursor:
        cursor.execute(
            OPEN_ANEW,
            [app.pk, recipient, trigger, opened_at, closes_at, allowed],
        )


def close_windows(app: App, recipient: str, at: datetime) -> None:
    """Close what opened before `at`: the person left, or the platform said so."""
    moment = clock.platform_time(app.account, at)
    ReplyWindow.objects.filter(
        app=app, recipient=recipient, opened_at__lte=moment, closes_at__gt=moment
    ).update(closes_at=moment)


def use_up(app: App, recipient: str) -> None:
    """Believe the platform that nothing is left of the open windows."""
    at = clock.platform_time(app.account)
    ReplyWindow.objects.filter(
        app=app, recipient=recipient, closes_at__gt=at, allowed__gt=F("reserved")
    ).update(used=F("allowed") - F("reserved"))


def reserve(message: OutboundMessage, now: datetime | None = None) -> bool:
    """Take one message of the window that closes first; notes it on `message` (unsaved).

    Compare-and-set: of two senders one takes the last message, the other moves on.
    """
    at = clock.platform_time(message.app.account, now)
    rows = ReplyWindow.objects.filter(
        Q(allowed__gt=F("reserved") + F("used")),
        app=message.app_id,
        recipient=message.recipient,
        closes_at__gt=at,
    )
    for window in rows.order_by("closes_at"):
        mine = rows.filter(pk=window.pk, opened_at=window.opened_at)
        if mine.update(reserved=F("reserved") + 1):
            message.window = window.trigger
            message.window_opened_at = window.opened_at
            return True
    return False


RESERVE_MANY = """
UPDATE wechat_replywindow taken SET reserved = taken.reserved + 1
FROM (
    SELECT DISTINCT ON (recipient) id FROM wechat_replywindow
    WHERE app_id = %s AND recipient = ANY(%s) AND closes_at > %s
      AND allowed > reserved + used
    ORDER BY recipient, closes_at
) first
WHERE taken.id = first.id AND taken.allowed > taken.reserved + taken.used
RETURNING taken.recipient, taken.trigger, taken.opened_at
"""
SETTLE_MANY = """
UPDATE wechat_replywindow taken
SET reserved = taken.reserved - 1, used = taken.used + %s
FROM unnest(%s::text[], %s::text[], %s::timestamptz[])
    AS given (recipient, trigger, opened_at)
WHERE taken.app_id = %s AND taken.recipient = given.recipient
  AND taken.trigger = given.trigger AND taken.opened_at = given.opened_at
  AND taken.reserved > 0
"""


def reserve_many(app: App, messages: list[OutboundMessage]) -> None:
    """As `reserve` for many messages of one app, in one statement for most.

    A message without a window afterwards got no place.
    """
    first: dict[str, OutboundMessage] = {}
    again = []
    for message in messages:
        if message.recipient in first:
            again.append(message)
        else:
            first[message.recipient] = message
    at = clock.platform_time(app.account)
    with connection.cursor() as cursor:
        cursor.execute(RESERVE_MANY, [app.pk, list(first), at])
        for recipient, trigger, opened_at in cursor.fetchall():
            message = first[recipient]
            message.window, message.window_opened_at = trigger, opened_at
    # Of somebody's other messages, and where another sender was faster.
    again += [message for message in first.values() if not message.window]
    for message in again:
        reserve(message)


def settle_many(app: App, messages: list[OutboundMessage], *, is_used: bool) -> None:
    """As `settle` for many messages of one app, in one statement for most."""
    seen: set[tuple[str, str]] = set()
    together = []
    for message in messages:
        key = (message.recipient, message.window)
        if key in seen or message.window_opened_at is None:
            settle(message, is_used=is_used)
        else:
            seen.add(key)
            together.append(message)
    with connection.cursor() as cursor:
        cursor.execute(
            SETTLE_MANY,
            [
                int(is_used),
                [message.recipient for message in together],
                [message.window for message in together],
                [message.window_opened_at for message in together],
                app.pk,
            ],
        )


def settle(message: OutboundMessage, *, is_used: bool) -> None:
    """Turn the reservation of `message` into used, or give it back.

    A window that was opened anew meanwhile forgot the reservation: nothing to settle.
    """
    if not message.window or message.window_opened_at is None:
        return
    ReplyWindow.objects.filter(
        app=message.app_id,
        recipient=message.recipient,
        trigger=message.window,
        opened_at=message.window_opened_at,
        reserved__gt=0,
    ).update(reserved=F("reserved") - 1, used=F("used") + int(is_used))


@on("mp.message.*")
def message_opens_window(inbound: Inbound) -> None:
    # A tap on a msgmenu item arrives as a text but counts as a menu tap.
    is_tap = bool(inbound.fields.get("bizmsgmenuid"))
    trigger = Trigger.MENU if is_tap else Trigger.MESSAGE
    open_window(inbound.app, inbound.subject, trigger, inbound.at)


@on("mp.event.click", "mp.event.scancode_push", "mp.event.scancode_waitmsg")
def tap_opens_window(inbound: Inbound) -> None:
    open_window(inbound.app, inbound.subject, Trigger.MENU, inbound.at)


@on("mp.event.subscribe")
def follow_opens_window(inbound: Inbound) -> None:
    # Also with a scene: whoever follows through a code did one thing, not two.
    open_window(inbound.app, inbound.subject, Trigger.FOLLOW, inbound.at)


@on("mp.event.scan")
def scan_opens_window(inbound: Inbound) -> None:
    open_window(inbound.app, inbound.subject, Trigger.SCAN, inbound.at)


@on("mp.event.unsubscribe")
def leaving_closes_windows(inbound: Inbound) -> None:
    close_windows(inbound.app, inbound.subject, inbound.at)
