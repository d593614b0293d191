"""Callbacks: the whole web stack against a bare application under the same server.

Both run under granian with the same workers and threads, on the same PostgreSQL, in
turns; the load comes from a process of its own. `ours` and `limit` are requests per
second; p95 and p99 are ours at 100 requests per second.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench import harness
from bench.load import write_requests
from privatedomain import embedded
from privatedomain.processes import BASE_DIR, Process, processes
from tests.stack import Stack, wait_until
from tests.wechat import platform

ROUNDS = 5
REQUESTS = 4000  # of each round, at scale 1
CALM_RATE, CALM_SECONDS = 100, 20
CONNECTIONS = 16
BODY = """<xml><ToUserName><![CDATA[gh_7f083739789a]]></ToUserName>
<FromUserName><![CDATA[oia2TjjewbmiOUlr6X-1crbLO{person:04d}]]></FromUserName>
<CreateTime>1763769601</CreateTime>
<MsgType><![CDATA[text]]></MsgType>
<Content><![CDATA[你好，请问周末营业吗？想带孩子一起去看看新品]]></Content>
<MsgId>{number}</MsgId>
</xml>"""
TABLE = """
DROP TABLE IF EXISTS bench_intake;
CREATE TABLE bench_intake (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, app_id bigint NOT NULL,
    dedupe_key varchar(400) NOT NULL, body bytea NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(), UNIQUE (app_id, dedupe_key)
);
"""


def main() -> None:
    given = harness.arguments("intake")
    count = max(200, int(REQUESTS * given.scale))
    with harness.copy("intake", WEB_WORKERS="2", WEB_THREADS="8") as stack:
        app = _app()
        bare = _start_bare(stack, app)
        stack.start("web")
        stack.wait_web()
        try:
            figures = _measure(stack, app, bare.port, count)
        finally:
            bare.process.terminate()
            bare.process.wait()
    case = harness.Case(
        name="callbacks",
        unit="requests/s",
        ours=figures["ours"],
        limit=figures["limit"],
        p95_ms=figures["p95_ms"],
        p99_ms=figures["p99_ms"],
    )
    harness.report("intake", given.scale, [case])


def _measure(stack: Stack, app: Any, bare_port: int, count: int) -> dict[str, float]:
    folder = stack.data_dir / "requests"
    folder.mkdir(exist_ok=True)
    ports = {"ours": int(stack.environment["PORT"]), "limit": bare_port}
    speeds: dict[str, list[float]] = {"ours": [], "limit": []}
    number = 0
    for turn in range(ROUNDS + 1):
        # One after the other, beginning with each in turn: the machine is shared.
        for name in sorted(ports, reverse=turn % 2 == 0):
            path = folder / f"{name}.requests"
            write_requests(path, _requests(app, number, count))
            number += count
            result = _load(ports[name], path)
            print(f"round {turn} {name}: {result}", flush=True)
            if turn:  # the first one only warms up
                speeds[name].append(result["per_second"])
    calm = folder / "calm.requests"
    write_requests(calm, _requests(app, number, CALM_RATE * CALM_SECONDS))
    result = _load(ports["ours"], calm, rate=CALM_RATE)
    print(f"calm: {result}", flush=True)
    _check_stored(number // 2 + CALM_RATE * CALM_SECONDS)
    return {
        "ours": statistics.median(speeds["ours"]),
        "limit": statistics.median(speeds["limit"]),
        "p95_ms": result["p95_ms"],
        "p99_ms": result["p99_ms"],
    }


def _load(port: int, path: Path, rate: float | None = None) -> dict[str, float]:
    program = [sys.executable, "-m", "bench.load", str(port), str(path)]
    program += ["--connections", str(CONNECTIONS)]
    if rate:
        program += ["--rate", str(rate)]
    answer = subprocess.run(  # noqa: S603
        program, cwd=BASE_DIR, capture_output=True, text=True, check=True
    )
    result: dict[str, float] = json.loads(answer.stdout)
    if result["failed"]:
        raise SystemExit(f"{result['failed']} requests failed on port {port}")
    return result


def _check_stored(expected: int) -> None:
    from wechat.models import InboundEvent

    stored = InboundEvent.objects.count()
    if stored != expected:
        raise SystemExit(f"{stored} of {expected} callbacks are stored")


def _app() -> Any:
    from django.db import connection

    from tests.wechat.conftest import build_app
    from wechat.models import App

    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE wechat_inboundevent CASCADE")
        cursor.execute(TABLE)
    return App.objects.filter(slug="bench").first() or build_app(slug="bench")


def _requests(app: Any, first: int, count: int) -> list[bytes]:
    return [_request(app, first + number) for number in range(count)]


def _request(app: Any, number: int) -> bytes:
    body = BODY.format(person=number % 5000, number=24913458112000000 + number)
    query, sent = platform.push(app, body.encode())
    head = (
        f"POST {app.callback_path}?{urlencode(query)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: text/xml\r\nContent-Length: {len(sent)}\r\n\r\n"
    )
    return head.encode() + sent


class _Bare:
    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.port, self.process = port, process


def _start_bare(stack: Stack, app: Any) -> _Bare:
    port = embedded.free_port()
    environment = stack.environment | {
        "PORT": str(port),
        "BENCH_AES_KEY": app.aes_key,
    }
    *same, _target = processes(environment)["web"].program
    program = Process("bare", (*same, "bench.bare_intake:application"))
    with stack.log("bare").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            program.argv, cwd=BASE_DIR, env=environment, stdout=log, stderr=log
        )
    wait_until(lambda: _answers(port), 30, "the bare application answers")
    time.sleep(0.5)  # both workers
    return _Bare(port, process)


def _answers(port: int) -> bool:
    import socket

    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    main()
