"""A touch to a million people by mass calls, and single messages a second.

Everything is real: the worker feeds and sends, the sandbox is the platform. The limits
are bare loops that make the same HTTP calls and change the same rows. Rate limits of the
platform are lifted on both sides for the comparison; the first case says how long it
takes with them (60 calls a minute).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import multiprocessing
import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from bench import harness
from bench.people import World, add_members, build_world, new_touch, writers
from bench.traffic import call
from tests.stack import Stack, wait_until

PEOPLE = 1_000_000  # by mass calls, at scale 1
BATCH = 10_000
MESSAGES = 5_000  # single ones, at scale 1: so many people × PER_PERSON
PER_PERSON = 5
PROCESSES = 2
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
FREE = {
    # The bare loop says as much again to the same people.
    "allow_message": [2 * PER_PERSON, 172_800],
    "minutely": {"/cgi-bin/message/mass/send": 10**6},
    "mass_sends_per_day": 10**6,
    "mass_finish_seconds": 0,
}


@dataclass
class Meter:
    """CPU seconds and the largest resident size of process trees, while it runs."""

    roots: list[int]
    peak_bytes: int = 0
    cpu_seconds: dict[int, float] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Meter:
        self.begun = self._cpu()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self.seconds = self._cpu() - self.begun

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            size = sum(_resident(pid) for pid in self._pids())
            self.peak_bytes = max(self.peak_bytes, size)

    def _pids(self) -> list[int]:
        from bench.chaos import children_of

        return [pid for root in self.roots for pid in (root, *children_of(root))]

    def _cpu(self) -> float:
        return sum(_cpu_seconds(pid) for pid in self._pids())


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _cpu_seconds(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(stat[11]) + int(stat[12])) / TICKS


def main() -> None:
    given = harness.arguments("send")
    people = max(2 * BATCH, int(PEOPLE * given.scale))
    messages = max(500, int(MESSAGES * given.scale))
    environment = {
        "WORKER_CONCURRENCY": str(PROCESSES),
        "DEMO": "1",
    }
    with harness.copy("send", **environment) as stack:
        stack.start("sandbox")
        stack.wait_sandbox()
        world = build_world(stack)
        mass = _mass(stack, world, people, is_limited=given.scale >= 1)
        single = _single(stack, world, messages)
    harness.report("send", given.scale, [*mass, single])


# -- ours


@dataclass
class Used:
    """What a run took: wall seconds, CPU seconds by part, the worker's largest size."""

    seconds: float
    cpu: dict[str, float]
    peak_bytes: int


def _run(stack: Stack, world: World, touches: list[Any]) -> Used:
    """Start them and wait until all are done."""
    from campaigns import sending
    from campaigns.models import Touch

    pks = [touch.pk for touch in touches]
    parts = ("worker", "postgres", "sandbox")
    with contextlib.ExitStack() as opened:
        meters = {
            name: opened.enter_context(Meter([stack.pid(name)])) for name in parts
        }
        begun = time.perf_counter()
        for touch in touches:
            sending.start(touch, actor=world.boss)
        open_ones = Touch.objects.filter(pk__in=pks).exclude(state="done")
        wait_until(lambda: not open_ones.exists(), 1800, "every touch is done")
        seconds = time.perf_counter() - begun
    return Used(
        seconds,
        {name: meter.seconds for name, meter in meters.items()},
        meters["worker"].peak_bytes,
    )


# -- mass calls


def _mass(
    stack: Stack, world: World, people: int, *, is_limited: bool
) -> list[harness.Case]:
    add_members(world, [f"o_bench_{number:09}" for number in range(people)])
    stack.start("worker")
    cases = []
    if is_limited:
        call("POST", f"{world.sandbox}/control/limits", {"mass_sends_per_day": 10**6})
        touch = new_touch(world, "mass", "with the rate", batch_size=BATCH)
        used = _run(stack, world, [touch])
        _say("mass, 60 calls a minute", people, used)
        cases.append(
            harness.Case(
                "mass, 60 calls a minute",
                "s",
                used.seconds,
                120,
                bigger_is_better=False,
            )
        )
    _lift_limits(world)
    touch = new_touch(world, "mass", "without a rate", batch_size=BATCH)
    used = _run(stack, world, [touch])
    _say("mass", people, used)
    _check(touch, "accepted", people)
    bare = _bare_mass(stack, touch)
    cases.append(harness.Case("mass", "people/s", people / used.seconds, people / bare))
    return cases


def _lift_limits(world: World) -> None:
    from django.utils import timezone

    from wechat.models import PlatformLimit

    call("POST", f"{world.sandbox}/control/limits", FREE)
    PlatformLimit.objects.update_or_create(
        key="mp.mass.minute",
        effective_from=timezone.localdate(),
        defaults={"value": 10**6, "unit": "calls a minute"},
    )
    time.sleep(11)  # every process's copy of the limits is older than that then


def _say(name: str, count: int, used: Used) -> None:
    cpu = ", ".join(f"{part} {seconds:.1f}" for part, seconds in used.cpu.items())
    print(
        f"{name}: {count} in {used.seconds:.1f} s ({count / used.seconds:.0f}/s), "
        f"CPU seconds: {cpu}; worker at most {used.peak_bytes / 2**20:.0f} MB resident",
        flush=True,
    )


def _check(touch: Any, state: str, count: int) -> None:
    from campaigns import counts

    told = counts.of([touch.pk])[touch.pk]
    if getattr(told, state) != count:
        raise SystemExit(f"{told} is not {count} {state}")


def _bare_mass(stack: Stack, touch: Any) -> float:
    """Seconds of a loop over the same people: call, then change the same rows."""
    with psycopg.connect(stack.database_url) as link:
        link.execute("DROP TABLE IF EXISTS bare_recipient")
        link.execute(
            "CREATE TABLE bare_recipient (LIKE campaigns_recipient INCLUDING ALL)"
        )
        link.execute(
            "INSERT INTO bare_recipient SELECT * FROM campaigns_recipient "
            "WHERE touch_id = %s",
            [touch.pk],
        )
        link.execute(
            "UPDATE bare_recipient SET state = 'waiting', batch_id = NULL, "
            "contacted_at = NULL"
        )
        link.commit()
        link.autocommit = True
        link.execute("VACUUM ANALYZE bare_recipient")
        host, port, path = _address("message/mass/send")
        begun = time.perf_counter()
        number = 0
        while True:
            rows = link.execute(
                "SELECT id, address FROM bare_recipient WHERE state = 'waiting' "
                "ORDER BY id LIMIT %s",
                [BATCH],
            ).fetchall()
            if not rows:
                return time.perf_counter() - begun
            body = {
                "touser": [address for _pk, address in rows],
                "msgtype": "text",
                "text": {"content": "bare"},
                "clientmsgid": f"bare{number}",
            }
            _post(host, port, path, body)
            link.execute(
                "UPDATE bare_recipient SET state = 'accepted', contacted_at = now() "
                "WHERE id = ANY(%s)",
                [[pk for pk, _address in rows]],
            )
            number += 1


def _post(host: str, port: int, path: str, body: dict[str, Any]) -> None:
    """One POST on a connection of its own, as ours are."""
    link = http.client.HTTPConnection(host, port, timeout=60)
    link.request("POST", path, json.dumps(body, ensure_ascii=False).encode())
    answer = json.loads(link.getresponse().read())
    link.close()
    if answer.get("errcode"):
        raise SystemExit(f"the sandbox refuses: {answer}")


def _address(path: str) -> tuple[str, int, str]:
    """Host, port and path with a token of one call of our account."""
    from wechat import tokens
    from wechat.models import App

    app = App.objects.select_related("account").get()
    base = urlsplit(app.account.api_base_url)
    token = tokens.current(app).value
    return (
        str(base.hostname),
        int(base.port or 80),
        f"{base.path}/cgi-bin/{path}?access_token={token}",
    )


# -- single messages


def _single(stack: Stack, world: World, messages: int) -> harness.Case:
    people = messages // PER_PERSON
    stack.stop("worker")
    _forget_people()
    add_members(world, writers(world, people))
    touches = [
        new_touch(world, "custom", f"single {number}") for number in range(PER_PERSON)
    ]
    stack.start("worker")
    used = _run(stack, world, touches)
    _say("single", people * PER_PERSON, used)
    for touch in touches:
        _check(touch, "sent", people)
    stack.stop("worker")
    bare = _bare_single(stack, world)
    return harness.Case(
        "single",
        "messages/s",
        people * PER_PERSON / used.seconds,
        people * PER_PERSON / bare,
    )


def _forget_people() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bare_recipient")
        cursor.execute("TRUNCATE crm_member CASCADE")


CHANGE = """
WITH noted AS (
    UPDATE wechat_outboundmessage SET finished_at = now() WHERE id = %s RETURNING id
)
UPDATE campaigns_recipient SET contacted_at = now() FROM noted
WHERE message_id = noted.id AND campaigns_recipient.id = %s
"""


def _bare_single(stack: Stack, world: World) -> float:
    """Seconds of as many processes that post and change the same two rows each."""
    from wechat.models import OutboundMessage

    rows = list(
        OutboundMessage.objects.filter(purpose="campaigns.touch")
        .exclude(recipient="")
        .filter(state="sent")
        .values_list("pk", "reference", "recipient", "payload__text")
    )
    address = _address("message/custom/send")
    work = [
        (stack.database_url, address, rows[part::PROCESSES])
        for part in range(PROCESSES)
    ]
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        pool.map(_ready, [stack.database_url] * PROCESSES)
        begun = time.perf_counter()
        pool.map(_bare_loop, work, chunksize=1)
        return time.perf_counter() - begun


def _ready(url: str) -> None:
    psycopg.connect(url).close()


def _bare_loop(work: tuple[str, tuple[Any, ...], list[tuple[Any, ...]]]) -> None:
    url, (host, port, path), rows = work
    with psycopg.connect(url, autocommit=True) as link:
        for pk, reference, recipient, text in rows:
            body = {
                "touser": recipient,
                "msgtype": "text",
                "text": {"content": text},
            }
            _post(host, port, path, body)
            link.execute(CHANGE, [pk, int(reference)])


if __name__ == "__main__":
    main()
