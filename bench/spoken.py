"""A fault run of campaigns: ``./script/chaos SEED --campaign``.

A touch to 3,000 people by single messages and one to 3,000 by mass calls of 50, while
workers and servers are killed and stopped, Redis is flushed, a second beat ticks, a
person pauses and goes on, and the platform takes calls without answering. Then all is
let run dry, and the sandbox's own records judge: each person at most once, and every
recipient in an end the records agree with.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any

from bench import invariants
from bench.chaos import Chaos
from bench.people import World, add_members, build_world, new_touch, writers
from bench.traffic import call
from core.errors import AppError
from privatedomain.processes import BASE_DIR, processes
from tests.stack import Stack

PEOPLE = 3000
BATCH = 50
FAULTS = (
    *("accept_then_timeout", "accept_then_cut", "accept_then_timeout", "cut"),
    *("http_502", "busy", "rate", "token_expired"),
)
PATHS = (
    *("message/mass/send", "message/mass/send", "message/custom/send"),
    "message/mass/get",
)
STANDSTILL_SECONDS = 240
ENVIRONMENT = {"MASS_REPLAY_SECONDS": "2", "WORKER_CONCURRENCY": "2"}
LIMITS = {
    "mass_retry_seconds": 1,
    "mass_sends_per_day": 10_000,
    "markfail_after": 10**9,
}


class SpokenChaos(Chaos):
    """Also a second beat, and a person who pauses and goes on."""

    def __init__(self, stack: Stack, seed: str, touches: list[Any], boss: Any) -> None:
        super().__init__(stack, seed)
        self.touches, self.boss = touches, boss
        self.second_beat: subprocess.Popen[bytes] | None = None

    def _do_something(self) -> None:
        roll = self.dice.random()
        if roll < 0.3:
            self._fault_platform()
        elif roll < 0.5:
            self._change_a_touch()
        elif roll < 0.55:
            self._toggle_second_beat()
        else:
            super()._do_something()

    def _fault_platform(self) -> None:
        fault, path = self.dice.choice(FAULTS), self.dice.choice(PATHS)
        body = {
            "path": path,
            "fault": fault,
            "times": self.dice.randint(1, 5),
            "hold_seconds": 6,
        }
        call("POST", f"{self.stack.sandbox_url}/control/faults", body)
        self._note(f"platform {fault}")

    def _toggle_second_beat(self) -> None:
        if self.second_beat is None:
            self.second_beat = subprocess.Popen(  # noqa: S603
                processes(self.stack.environment)["beat"].argv,
                cwd=BASE_DIR,
                env=self.stack.environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._note("second beat")
        else:
            self._end_second_beat()

    def _end_second_beat(self) -> None:
        if self.second_beat is not None:
            os.killpg(self.second_beat.pid, signal.SIGKILL)
            self.second_beat.wait()
            self.second_beat = None

    def heal(self) -> None:
        super().heal()
        self._end_second_beat()

    def _change_a_touch(self) -> None:
        deed = self.dice.choice(("pause", "resume", "resume"))
        if act(deed, self.dice.choice(self.touches), self.boss):
            self._note(f"{deed} a touch")


def act(deed: str, touch: Any, boss: Any) -> bool:
    """Pause, or let go whatever stands; False when it can't be done now."""
    from django.db import DatabaseError, connection

    from campaigns import sending

    try:
        touch.refresh_from_db(fields=["state"])
        if deed == "pause":
            sending.pause(touch, actor=boss, reason="chaos")
        elif touch.state == "held":
            sending.release(touch, actor=boss)
        else:
            sending.resume(touch, actor=boss)
    except AppError:
        return False
    except DatabaseError:  # PostgreSQL is away just now
        connection.close()
        return False
    return True


def run(stack: Stack, seed: str, seconds: float) -> tuple[dict[str, Any], list[str]]:
    """The whole run: figures, and every broken promise in words."""
    world, touches = _set_up(stack)
    chaos = SpokenChaos(stack, seed, touches, world.boss)
    from campaigns import sending

    for touch in touches:
        sending.start(touch, actor=world.boss)
    chaos.run(seconds)
    call("POST", f"{stack.sandbox_url}/control/push", {})
    dry = _run_dry(stack, touches, world.boss)
    problems = [] if dry is not None else ["the touches do not come to an end"]
    stack.stop(*(name for name in stack.running if name in ("worker", "beat", "web")))
    for touch in touches:
        problems += judge(stack, world, touch)
    figures = {
        "faults": dict(chaos.did),
        "dry_seconds": dry and round(dry, 1),
        "ends": {touch.channel: ends(touch) for touch in touches},
    }
    return figures, problems


def _set_up(stack: Stack) -> tuple[World, list[Any]]:
    stack.start("sandbox")
    stack.wait_sandbox()
    world = build_world(stack)
    call("POST", f"{stack.sandbox_url}/control/limits", LIMITS)
    add_members(world, writers(world, PEOPLE))
    custom = new_touch(world, "custom", "单发")
    from crm.models import Member

    known = Member.objects.count()
    body = {"count": PEOPLE, "account": world.account.slug}
    _status, made = call(
        "POST", f"{world.sandbox}/control/people/bulk", body, seconds=60
    )
    Member.objects.update(stage="loyal")
    add_members(world, made["openids"])
    mass = new_touch(
        world, "mass", "群发", batch_size=BATCH, audience={"stages": ["new"]}
    )
    assert (known, custom.planned_count, mass.planned_count) == (PEOPLE,) * 3
    call("POST", f"{stack.sandbox_url}/control/push", {})
    stack.start()
    stack.wait_ready(120)
    return world, [custom, mass]


def _run_dry(stack: Stack, touches: list[Any], boss: Any) -> float | None:
    """Seconds until every touch is done; None when nothing moves any more."""
    started = moved_at = time.monotonic()
    last: Any = None
    while time.monotonic() - moved_at < STANDSTILL_SECONDS:
        for touch in touches:
            act("resume", touch, boss)
        now = [ends(touch) for touch in touches]
        if now != last:
            last, moved_at = now, time.monotonic()
        is_over = all(touch.state == "done" for touch in touches)
        if is_over and not invariants.work_left(stack):
            return time.monotonic() - started
        time.sleep(1)
    return None


def ends(touch: Any) -> dict[str, int]:
    """Recipients by state, as the tallies say."""
    from campaigns import counts

    told = counts.of([touch.pk])[touch.pk]
    names = ("waiting", "sent", "accepted", "failed", "unknown", "excluded")
    return {name: getattr(told, name) for name in names if getattr(told, name)}


def judge(stack: Stack, world: World, touch: Any) -> list[str]:
    """What the console believes against what stands on the phones."""
    kind = "mass" if touch.channel == "mass" else "custom"
    path = f"deliveries?account={world.account.slug}&kind={kind}"
    _status, told = call("GET", f"{stack.sandbox_url}/control/{path}", seconds=120)
    arrived: dict[str, int] = told["received"]
    problems = [f"{who} got it {n} times" for who, n in arrived.items() if n > 1]
    rows = list(touch.recipients.values_list("address", "state", "reason"))
    if len(rows) != touch.planned_count:
        problems.append(f"{len(rows)} recipients of {touch.planned_count} planned")
    for address, state, reason in rows:
        is_there = address in arrived
        if state == "waiting":
            problems.append(f"{address} still waits")
        if state in ("sent", "accepted") and not is_there:
            problems.append(f"{address} is {state} and has nothing")
        if state in ("failed", "excluded") and is_there:
            problems.append(f"{address} is {state} ({reason}) and has it")
    if sum(ends(touch).values()) != touch.planned_count:
        problems.append(f"the counts say {ends(touch)} of {touch.planned_count}")
    return problems
