"""Long random fault runs: ``./script/chaos SEED [--minutes M]``.

A whole copy with the sandbox under real traffic, while its processes are killed and
stopped, PostgreSQL is killed, Redis is killed, flushed and hung, and the platform
misbehaves, duplicates and shuffles. Which fault comes when follows from the seed. At
the end everything is let run dry and `bench.invariants` judges. The last line is one
JSON object; exit code 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from bench import harness, invariants
from bench.traffic import Traffic, call
from privatedomain import embedded
from privatedomain.instance import BASE_DIR
from privatedomain.processes import APP_PROCESSES
from tests.stack import Stack

KILLED = ("web", "live", "worker-realtime", "worker", "beat")
SANDBOX_FAULTS = (
    *("busy", "token_invalid", "token_expired", "rate", "http_502", "html", "cut"),
    *("slow:2", "accept_then_timeout", "accept_then_cut"),
)
FAULTED_PATHS = ("message/custom/send", "stable_token", "user/info", "*")
AGENTS = 4
STANDSTILL_SECONDS = 90


class Chaos:
    """One run; `stack` stands, `seed` decides."""

    def __init__(self, stack: Stack, seed: str) -> None:
        self.stack = stack
        self.dice = random.Random(seed)
        self.did: Counter[str] = Counter()
        self.down: dict[str, float] = {}  # process: when to start it again
        self.stopped: dict[int, float] = {}  # process id: when to continue it

    def run(self, seconds: float) -> None:
        """Do a fault every few seconds until the time is over, then heal everything."""
        end = time.monotonic() + seconds
        next_fault = time.monotonic() + 2
        while time.monotonic() < end:
            self._tend()
            if time.monotonic() >= next_fault:
                self._do_something()
                next_fault = time.monotonic() + self.dice.uniform(1, 6)
            time.sleep(0.1)
        self.heal()

    def heal(self) -> None:
        """Everything up again, the platform well."""
        self.down = dict.fromkeys(self.down, 0.0)
        self.stopped = dict.fromkeys(self.stopped, 0.0)
        self._tend()
        call("DELETE", f"{self.stack.sandbox_url}/control/faults")

    def _tend(self) -> None:
        """What the supervisor does, and the end of each fault."""
        now = time.monotonic()
        for pid, until in list(self.stopped.items()):
            if now >= until:
                os.kill(pid, signal.SIGCONT)
                del self.stopped[pid]
        for name, until in list(self.down.items()):
            if now >= until:
                self.stack.start(name)
                del self.down[name]
        for name in [n for n in self.stack.running if not self.stack.is_running(n)]:
            # It ended by itself: a supervisor starts it again.
            self.did[f"{name} ended"] += 1
            self.stack.running.pop(name)
            self.stack.start(name)

    def _do_something(self) -> None:
        weighted = {
            self._kill_process: 10,
            self._stop_process: 4,
            self._kill_postgres: 2,
            self._kill_redis: 2,
            self._hang_redis: 2,
            self._flush_redis: 3,
            self._fault_platform: 10,
            self._disturb_pushes: 3,
        }
        (deed,) = self.dice.choices(list(weighted), list(weighted.values()))
        deed()

    def _note(self, what: str) -> None:
        self.did[what] += 1
        print(f"{time.strftime('%H:%M:%S')} {what}", flush=True)

    def _kill_process(self) -> None:
        self._kill(self.dice.choice(KILLED), self.dice.uniform(0, 3))

    def _kill_postgres(self) -> None:
        self._kill("postgres", self.dice.uniform(0, 6))

    def _kill_redis(self) -> None:
        self._kill("redis", self.dice.uniform(0, 6))

    def _kill(self, name: str, seconds: float) -> None:
        if not self.stack.is_running(name) or self._is_stopped(name):
            return
        self.stack.kill(name)
        self.down[name] = time.monotonic() + seconds
        self._note(f"kill {name}")

    def _stop_process(self) -> None:
        name = self.dice.choice(("worker-realtime", "worker", "beat", "web"))
        self._suspend(name, self.dice.uniform(2, 8))

    def _hang_redis(self) -> None:
        self._suspend("redis", self.dice.uniform(2, 6))

    def _suspend(self, name: str, seconds: float) -> None:
        if not self.stack.is_running(name) or self._is_stopped(name):
            return
        pid = self.stack.pid(name)
        # A prefork worker's children do the work: stop all of it.
        for each in [pid, *children_of(pid)]:
            os.kill(each, signal.SIGSTOP)
            self.stopped[each] = time.monotonic() + seconds
        self._note(f"hang {name}")

    def _is_stopped(self, name: str) -> bool:
        return self.stack.pid(name) in self.stopped

    def _flush_redis(self) -> None:
        try:
            Redis.from_url(self.stack.redis_url, socket_timeout=1).flushall()
        except RedisError:
            return
        self._note("flush redis")

    def _fault_platform(self) -> None:
        fault, path = self.dice.choice(SANDBOX_FAULTS), self.dice.choice(FAULTED_PATHS)
        times = self.dice.randint(1, 5)
        body = {"path": path, "fault": fault, "times": times, "hold_seconds": 12}
        call("POST", f"{self.stack.sandbox_url}/control/faults", body)
        self._note(f"platform {fault}")

    def _disturb_pushes(self) -> None:
        body = {
            "duplicates": self.dice.choice((0, 0.3, 1)),
            "shuffle": self.dice.random() < 0.5,
            "delay_seconds": self.dice.choice((0, 0, 1)),
        }
        call("POST", f"{self.stack.sandbox_url}/control/push", body)
        self._note("disturb pushes")


def children_of(pid: int) -> list[int]:
    """All descendants of a process."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        each = waiting.pop()
        path = Path(f"/proc/{each}/task/{each}/children")
        if path.exists():
            born = [int(word) for word in path.read_text().split()]
            found += born
            waiting += born
    return found


def set_up(stack: Stack) -> tuple[str, list[str]]:
    """Start the copy; its live 服务号's slug and some agents' API tokens."""
    from django.contrib.auth.models import Group

    from bench.accounts import connect
    from service.models import AgentState
    from staff import tokens
    from staff.models import Staff

    stack.start("sandbox")
    stack.wait_sandbox()
    with stack.orm():
        account = connect(stack.sandbox_url)
        found = []
        for number in range(AGENTS):
            person = Staff.objects.create_user(
                f"agent{number}",
                display_name=f"客服 {number}",
                org_unit=account.org_unit,
                is_staff=True,
            )
            person.groups.add(Group.objects.get(name="agent"))
            AgentState.objects.create(staff=person, status="online", capacity=100)
            found.append(tokens.issue(person, name="chaos", actor=person))
    stack.start()
    stack.wait_ready(60)
    return account.slug, found


def start_again(stack: Stack) -> tuple[str, list[str]]:
    """Start what an earlier run left, its accounts following the new ports."""
    from wechat.models import Account

    with stack.orm():
        account = Account.objects.get()
        account.api_base_url = f"{stack.sandbox_url}/mp"
        account.save(update_fields=["api_base_url"])
    stack.start("sandbox")
    stack.wait_sandbox()
    stack.start()
    stack.wait_ready(60)
    return account.slug, []


def disturb(chaos: Chaos, traffic: Traffic, seconds: float) -> None:
    """Faults under traffic, then everything well again."""
    traffic.start()
    try:
        chaos.run(seconds)
    finally:
        traffic.stop()
        chaos.heal()
    call("POST", f"{chaos.stack.sandbox_url}/control/push", {})
    for server in (chaos.stack.postgres, chaos.stack.redis):
        assert server is not None
        embedded.wait_ready(server)


def run_dry(stack: Stack) -> float | None:
    """Wait until no work is left; the seconds it took, None when it stands still."""
    started = time.monotonic()
    quiet_since = None
    last_left, moved_at = invariants.work_left(stack), started
    while time.monotonic() - moved_at < STANDSTILL_SECONDS:
        left = invariants.work_left(stack)
        if left != last_left:
            last_left, moved_at = left, time.monotonic()
        if left:
            quiet_since = None
        else:
            quiet_since = quiet_since or time.monotonic()
            if time.monotonic() - quiet_since > 5:
                return time.monotonic() - started - 5
        time.sleep(0.5)
    return None


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="script/chaos")
    parser.add_argument("seed", nargs="?", default=str(random.randrange(10**6)))
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument(
        "--judge", action="store_true", help="only finish and judge an earlier run"
    )
    parser.add_argument(
        "--campaign", action="store_true", help="touches to 6,000 people instead"
    )
    return parser.parse_args()


def spoken(options: argparse.Namespace) -> int:
    """The run of bench.spoken: campaigns instead of conversations."""
    from bench import spoken as run_of_campaigns

    name = f"chaos-campaign-{options.seed}"
    shutil.rmtree(BASE_DIR / "var" / "bench" / name, ignore_errors=True)
    leases = {"LEASE_SECONDS": "3", "SWEEP_SECONDS": "1", "PLATFORM_READ_SECONDS": "3"}
    environment = leases | run_of_campaigns.ENVIRONMENT | {"DEMO": "1"}
    with harness.copy(name, **environment) as stack:
        figures, problems = run_of_campaigns.run(
            stack, options.seed, options.minutes * 60
        )
    for problem in problems[:50]:
        print(f"BROKEN {problem}")
    result = {
        "name": "chaos campaign",
        "seed": options.seed,
        "minutes": options.minutes,
        **figures,
        "broken": len(problems),
    }
    print(json.dumps(result, ensure_ascii=False), flush=True)
    return 1 if problems else 0


def main() -> int:
    options = arguments()
    if options.campaign:
        return spoken(options)
    print(f"seed {options.seed}, {options.minutes:g} minutes", flush=True)
    name = f"chaos-{options.seed}"
    if not options.judge:
        shutil.rmtree(BASE_DIR / "var" / "bench" / name, ignore_errors=True)
    leases = {"LEASE_SECONDS": "3", "SWEEP_SECONDS": "1", "DEMO": "1"}
    with harness.copy(name, **leases, PLATFORM_READ_SECONDS="3") as stack:
        slug, found = start_again(stack) if options.judge else set_up(stack)
        chaos = Chaos(stack, options.seed)
        traffic = Traffic(stack, slug, found, options.seed)
        if not options.judge:
            disturb(chaos, traffic, options.minutes * 60)
        seconds = run_dry(stack)
        left = {} if seconds is not None else invariants.work_left(stack)
        # Nothing may move while it is judged.
        stack.stop(*(name for name in stack.running if name in APP_PROCESSES))
        problems = [f"work is left that nobody does: {left}"] if left else []
        problems += invariants.broken(stack, slug)
    for problem in problems:
        print(f"BROKEN {problem}")
    result = {
        "name": "chaos",
        "seed": options.seed,
        "minutes": options.minutes,
        "faults": dict(chaos.did),
        "traffic": dict(traffic.did),
        "dry_seconds": seconds and round(seconds, 1),
        "broken": len(problems),
    }
    print(json.dumps(result, ensure_ascii=False), flush=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
