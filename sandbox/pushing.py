"""The push engine: a durable queue of callbacks, delivered by threads of this process.

A push that was committed is delivered even when the process is killed in between: the
row stays ``pending`` until an attempt's result is committed. One person's pushes go one
after the other unless shuffling is on; different people's go side by side.
https://developers.weixin.qq.com/doc/service/guide/product/message/Receiving_event_pushes.html
"""

import logging
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from django.db import DatabaseError, connection, transaction

from sandbox import bodies, callbacks, clock, options, world
from sandbox.models import Account, Message, Person, Push, PushAttempt

logger = logging.getLogger(__name__)
SENDERS = 12

_last_second: dict[tuple[str, ...], int] = {}


def event_second(*key: str) -> int:
    """``CreateTime`` of an event. Nobody does the very same thing twice in a second,
    and the platforms' own key for events could not tell the two apart."""
    second = max(int(clock.now()), _last_second.get(key, 0) + 1)
    _last_second[key] = second
    return second


def queue(
    account: Account,
    kind: str,
    fields: Mapping[str, Any] | str,
    person: Person | None = None,
    openid: str = "",
    *,
    after_seconds: float = 0,
) -> list[int]:
    """Commit the callback and the duplicates asked for; returns the push ids."""
    body = fields if isinstance(fields, str) else bodies.xml(fields)
    ids: list[int] = []
    for _ in range(1 + _duplicates()):
        row = Push.objects.create(
            account=account,
            person=person,
            openid=openid,
            kind=kind,
            body=body,
            copy_of=ids[0] if ids else None,
            created_at=clock.now(),
            due_real_at=_due() + after_seconds,
        )
        ids.append(row.pk)
    transaction.on_commit(engine.wake)
    return ids


def _duplicates() -> int:
    """A whole part says how many more copies, a fraction how often one more."""
    wanted = float(options.get("push_duplicates"))
    fraction = wanted - int(wanted)
    return int(wanted) + (random.random() < fraction)  # noqa: S311


def _due() -> float:
    due = time.time() + float(options.get("push_delay_seconds"))
    if options.get("push_shuffle"):
        due += random.random() * float(options.get("push_shuffle_seconds"))  # noqa: S311
    return due


class Engine:
    """Threads that deliver what is due. ``start`` is safe to call again."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._fresh = threading.Event()
        self._ready: OrderedDict[int, str] = OrderedDict()
        self._sending: dict[int, str] = {}
        self._is_started = False

    def start(self) -> None:
        with self._condition:
            if self._is_started:
                return
            self._is_started = True
        for target in [self._look, *[self._send] * SENDERS]:
            threading.Thread(target=target, name="push", daemon=True).start()

    def wake(self) -> None:
        self._fresh.set()

    def _look(self) -> None:
        """Bring due rows into memory: woken by commits, else when the next is due."""
        pause = 0.0
        while True:
            self._fresh.wait(pause)
            self._fresh.clear()
            pause = 0.5
            try:
                self._collect()
                pause = min(pause, _until_next())
            except DatabaseError:
                logger.exception("cannot read the push queue")

    def _collect(self) -> None:
        with self._condition:
            known = {*self._ready, *self._sending}
        due = (
            Push.objects.filter(
                state=Push.State.PENDING,
                due_real_at__lte=time.time(),
                account__silent_until__lte=clock.now(),
            )
            .order_by("due_real_at", "id")
            .values_list("id", "account_id", "person_id")[: len(known) + 200]
        )
        is_shuffled = bool(options.get("push_shuffle"))
        with self._condition:
            for push_id, slug, person_id in due:
                if push_id not in self._ready and push_id not in self._sending:
                    lane = f"{slug} {person_id}"
                    if is_shuffled or person_id is None:
                        lane = str(push_id)
                    self._ready[push_id] = lane
            self._condition.notify_all()

    def _take(self) -> int:
        with self._condition:
            while True:
                busy = set(self._sending.values())
                for push_id, lane in self._ready.items():
                    if lane not in busy:
                        del self._ready[push_id]
                        self._sending[push_id] = lane
                        return push_id
                self._condition.wait()

    def _send(self) -> None:
        while True:
            push_id = self._take()
            try:
                deliver(push_id)
            except DatabaseError:
                logger.exception("push %s: cannot record the attempt", push_id)
                connection.close()
                time.sleep(0.5)
            finally:
                with self._condition:
                    del self._sending[push_id]
                    self._condition.notify_all()
                self._fresh.set()


engine = Engine()


def _until_next() -> float:
    """Seconds until a push that is not due yet becomes due."""
    later = Push.objects.filter(state=Push.State.PENDING, due_real_at__gt=time.time())
    first = later.order_by("due_real_at").values_list("due_real_at", flat=True).first()
    return 60.0 if first is None else max(0.0, first - time.time())


def deliver(push_id: int) -> None:
    """One attempt, if the push is still due; its result is committed."""
    row = (
        Push.objects.select_related("account")
        .filter(pk=push_id, state=Push.State.PENDING, due_real_at__lte=time.time())
        .first()
    )
    if row is None or row.account.silent_until > clock.now():
        return
    reply = callbacks.push(row.account, row.body, row.openid)
    with world.change():
        if not Push.objects.filter(pk=push_id).exists():
            return  # the world was reset meanwhile
        PushAttempt.objects.create(
            push=row,
            at=clock.now(),
            url=reply.url,
            status=reply.status,
            answer=reply.answer[:2000],
            error=reply.error,
            milliseconds=reply.milliseconds,
        )
        row.attempts += 1
        if reply.is_accepted:
            _accepted(row)
        else:
            _refused(row)


def _accepted(row: Push) -> None:
    row.state = Push.State.DONE
    row.save(update_fields=["state", "attempts"])
    Account.objects.filter(pk=row.account_id, failed_in_a_row__gt=0).update(
        failed_in_a_row=0
    )


def _refused(row: Push) -> None:
    if row.attempts <= options.get("push_retries"):
        row.due_real_at = time.time() + float(options.get("push_retry_seconds"))
        row.save(update_fields=["attempts", "due_real_at"])
        return
    row.state = Push.State.FAILED
    row.save(update_fields=["state", "attempts"])
    account = Account.objects.get(pk=row.account_id)
    account.failed_in_a_row += 1
    if not account.is_wecom:
        _mark_failing(account)
        if row.person is not None and row.kind.startswith("message."):
            Message.objects.create(
                person=row.person,
                address=account.slug,
                sender=Message.Sender.SYSTEM,
                type="notice",
                text="该公众号提供的服务出现故障，请稍后再试",
                at=clock.now(),
            )
    account.save(update_fields=["failed_in_a_row", "silent_until"])


def _mark_failing(account: Account) -> None:
    """MarkFail: an account that failed too often hears nothing for a minute."""
    limit = int(options.get("markfail_after"))
    if limit and account.failed_in_a_row >= limit:
        account.failed_in_a_row = 0
        account.silent_until = clock.now() + float(options.get("markfail_seconds"))
