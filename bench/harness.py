"""What every benchmark stands on: servers, a copy of the console, one JSON line.

    arguments = harness.arguments("intake")
    with harness.copy("intake", WEB_WORKERS="2") as stack:   # servers up, migrated
        stack.start("web")
        …
    harness.report("intake", arguments.scale, cases)

Each benchmark keeps its data in ``var/bench/<name>`` and reuses it. The limit or peer it
is compared with is measured in the same run, on the same servers.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from privatedomain import assets, embedded, translations
from privatedomain.instance import BASE_DIR, Instance
from tests.stack import Stack


@dataclass(frozen=True)
class Case:
    """``ours`` and ``limit`` in ``unit``; ``bigger_is_better`` off for durations."""

    name: str
    unit: str
    ours: float
    limit: float
    p95_ms: float | None = None
    p99_ms: float | None = None
    bigger_is_better: bool = True

    @property
    def ratio(self) -> float:
        """Ours against the limit, bigger is better."""
        over, under = (
            (self.ours, self.limit)
            if self.bigger_is_better
            else (self.limit, self.ours)
        )
        return over / under if under else math.inf

    def as_json(self) -> dict[str, Any]:
        found = {
            "name": self.name,
            "unit": self.unit,
            "ours": round(self.ours, 2),
            "limit": round(self.limit, 2),
            "ratio": round(self.ratio, 3),
            "p95_ms": self.p95_ms,
            "p99_ms": self.p99_ms,
        }
        return {name: value for name, value in found.items() if value is not None}


def arguments(name: str) -> argparse.Namespace:
    """``--scale S``: 1 is the size the requirement names."""
    parser = argparse.ArgumentParser(prog=f"script/bench {name}")
    parser.add_argument("--scale", type=float, default=1.0)
    return parser.parse_args()


def report(name: str, scale: float, cases: Sequence[Case]) -> None:
    """Print the result, the last line of the output."""
    result = {
        "name": name,
        "scale": scale,
        "cases": [case.as_json() for case in cases],
        "ratio": round(min(case.ratio for case in cases), 3),
    }
    print(json.dumps(result, ensure_ascii=False), flush=True)


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile, in the unit of the values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@contextlib.contextmanager
def copy(name: str, **environment: str) -> Iterator[Stack]:
    """A copy with servers of its own, running and migrated; no process started.

    Django is set up in this process on the same database, so that a benchmark may use
    the ORM at once.
    """
    data_dir = BASE_DIR / "var" / "bench" / name
    instance = Instance(
        data_dir=data_dir,
        port=embedded.free_port(),
        live_port=embedded.free_port(),
        sandbox_port=embedded.free_port(),
        is_demo=False,
    )
    instance.prepare_folders()
    postgres = embedded.prepare_postgres(data_dir)
    redis = embedded.prepare_redis(data_dir)
    stack = Stack(
        data_dir=data_dir,
        environment=instance.environment(postgres.url, redis.url)
        | {"STATIC_ROOT": str(data_dir / "static"), "LOG_LEVEL": "WARNING"}
        | environment,
        db_blocker=SimpleNamespace(unblock=contextlib.nullcontext),
        postgres=postgres,
        redis=redis,
    )
    try:
        stack.start("postgres", "redis")
        postgres.ensure_database()
        _set_up(stack)
        with stack.orm():
            _prepare(stack)
            yield stack
    finally:
        stack.stop()


def _set_up(stack: Stack) -> None:
    import django

    os.environ.update(stack.environment)
    translations.compile_catalogues()
    assets.build_stylesheet()
    django.setup()
    from django.db import connection

    # Of the copy before; only the wrapper of PostgreSQL has it.
    connection.close_pool()  # type: ignore[attr-defined]


def _prepare(stack: Stack) -> None:
    from django.core.management import call_command

    call_command("migrate", interactive=False, verbosity=0)
    for command in ("sync_roles", "sync_periodic_tasks", "sync_builtin_data"):
        call_command(command, verbosity=0)
    assets.collect_static(stack.environment, Path(stack.environment["STATIC_ROOT"]))
