"""Events a second from the inbox to done, through the real worker and all its handlers.

Half of the texts match a rule; the limit is a bare loop that claims and marks the same
rows, in as many processes, on the same PostgreSQL. Sending is held: no platform is called.
"""

from __future__ import annotations

import multiprocessing
import random
import statistics
import time
from datetime import timedelta
from typing import Any

import psycopg

from bench import harness
from tests.stack import Stack, wait_until

EVENTS = 6000  # of each round, at scale 1
PEOPLE = 2000
ROUNDS = 3
PROCESSES = 2
LONG = timedelta(days=1)
TEXTS = ["营业时间", "想问一下营业时间是几点", "昨天买的面霜能退吗", "你好呀"]
OTHERS = ["CLICK", "VIEW", "SCAN", "LOCATION", "some_future_event_2027"]
HEAD = (
    "<xml><ToUserName>gh_1</ToUserName><FromUserName>{openid}</FromUserName>"
    "<CreateTime>{second}</CreateTime>"
)


def main() -> None:
    given = harness.arguments("process")
    count = max(300, int(EVENTS * given.scale))
    ours: list[float] = []
    bare: list[float] = []
    with harness.copy("process", WORKER_CONCURRENCY=str(PROCESSES)) as stack:
        app = _app()
        _start_worker(stack)
        for turn in range(ROUNDS + 1):
            _fill(app, count, turn)
            speed = _ours(count)
            stack.stop("worker-realtime")  # it would work them off again
            _unmark()
            limit = _bare(stack, count)
            _start_worker(stack)
            print(f"round {turn}: {speed:.0f}/s of {limit:.0f}/s", flush=True)
            if turn:  # the first one only warms up
                ours.append(speed)
                bare.append(limit)
    case = harness.Case(
        name="inbox to done",
        unit="events/s",
        ours=statistics.median(ours),
        limit=statistics.median(bare),
    )
    harness.report("process", given.scale, [case])


def _app() -> Any:
    from django.db import connection
    from django.utils import timezone

    from content.models import AnswerRule
    from core.models import Instance
    from service.models import Queue
    from tests.wechat.conftest import build_app
    from wechat.models import App

    Instance.objects.update_or_create(
        pk=1, defaults={"sending_held_at": timezone.now(), "held_reason": "bench"}
    )
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE wechat_inboundevent CASCADE")
    known = App.objects.filter(slug="bench").first()
    if known is not None:
        return known
    app = build_app(slug="bench")
    Queue.objects.create(name="Bench", account=app.account)
    AnswerRule.objects.create(
        account=app.account,
        name="Hours",
        keywords=["营业时间"],
        reply_text="每天 10:00–22:00",
    )
    AnswerRule.objects.create(
        account=app.account, name="Hello", occasion="follow", reply_text="欢迎"
    )
    return app


def _start_worker(stack: Stack) -> None:
    from core.models import Heartbeat

    rows = Heartbeat.objects.filter(name="worker-realtime")
    rows.delete()
    stack.start("worker-realtime")
    wait_until(rows.exists, 120, "the worker is up")


def _fill(app: Any, count: int, turn: int) -> None:
    """Store the events as the callbacks do, not due yet."""
    from django.utils import timezone

    from wechat import parsing
    from wechat.models import InboundEvent

    chance = random.Random(turn)
    later = timezone.now() + LONG
    second = int(time.time()) - 3600 + turn * 600
    events = []
    for number in range(count):
        body = _body(chance, second + number // 20, turn * count + number).encode()
        named = parsing.envelope(parsing.parse_xml(body), body, platform="mp")
        events.append(
            InboundEvent(
                app=app,
                dedupe_key=f"{turn}.{number}",
                kind=named.kind,
                subject=named.subject,
                body=body,
                next_at=later,
            )
        )
    InboundEvent.objects.bulk_create(events, batch_size=1000)


def _body(chance: random.Random, second: int, number: int) -> str:
    openid = f"oia2TjjewbmiOUlr6X-1crb{chance.randrange(PEOPLE):05d}"
    head = HEAD.format(openid=openid, second=second)
    kind = chance.random()
    if kind < 0.70:
        return (
            f"{head}<MsgType>text</MsgType><Content>{chance.choice(TEXTS)}</Content>"
            f"<MsgId>{number}</MsgId></xml>"
        )
    event = chance.choice(["subscribe", "unsubscribe"])
    if kind >= 0.85:
        event = chance.choice(OTHERS)
    return (
        f"{head}<MsgType>event</MsgType><Event>{event}</Event>"
        f"<EventKey>{'' if kind < 0.85 else 'menu_1'}</EventKey></xml>"
    )


def _ours(count: int) -> float:
    from django.utils import timezone

    from core.doorbell import ring_now
    from wechat.models import InboundEvent
    from wechat.tasks import drain_inbox

    begun = timezone.now()
    InboundEvent.objects.waiting().update(next_at=begun)
    waiting = InboundEvent.objects.waiting()

    def is_over() -> bool:
        ring_now(drain_inbox)  # as callbacks do while they come in
        return not waiting.exists()

    wait_until(is_over, 300, "every event is worked off")
    dead = InboundEvent.objects.dead().first()
    if dead is not None:
        raise SystemExit(f"event {dead.pk} ({dead.kind}) failed: {dead.error}")
    last = InboundEvent.objects.latest("handled_at").handled_at
    assert last is not None
    return count / (last - begun).total_seconds()


def _unmark() -> None:
    from wechat.models import InboundEvent

    InboundEvent.objects.all().update(state="new", tries=0, handled_at=None)


def _bare(stack: Stack, count: int) -> float:
    from django.db import connection

    from wechat.models import InboundEvent

    connection.close()
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        urls = [stack.database_url] * PROCESSES
        pool.map(_ready, urls)
        begun = time.perf_counter()
        marked = sum(pool.map(_claim_and_mark, urls, chunksize=1))
        seconds = time.perf_counter() - begun
    assert marked == count, f"{marked} of {count}"
    InboundEvent.objects.all().delete()
    return count / seconds


def _ready(url: str) -> None:
    psycopg.connect(url).close()


CLAIM = """
SELECT id FROM wechat_inboundevent WHERE state = 'new'
ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
MARK = "UPDATE wechat_inboundevent SET state = 'done', handled_at = now() WHERE id = %s"


def _claim_and_mark(url: str) -> int:
    marked = 0
    with psycopg.connect(url, prepare_threshold=None) as link:
        while True:
            row = link.execute(CLAIM).fetchone()
            if row is None:
                return marked
            link.execute(MARK, row)
            link.commit()
            marked += 1


if __name__ == "__main__":
    main()
