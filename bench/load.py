"""A load generator in a process of its own: prepared requests over kept connections.

    python -m bench.load PORT FILE --connections 16            as fast as it goes
    python -m bench.load PORT FILE --connections 16 --rate 100 at fixed moments

FILE holds the requests, each as `<length>\\n<bytes>`. Prints one JSON object: `seconds`,
`count`, `failed`, `per_second`, `p95_ms`, `p99_ms`. At a fixed rate a latency counts from
the moment the request was due, so a stalled server cannot hide the queue behind it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import deque
from pathlib import Path

from bench.harness import percentile


def read_requests(path: Path) -> deque[bytes]:
    found: deque[bytes] = deque()
    with path.open("rb") as file:
        while line := file.readline():
            found.append(file.read(int(line)))
    return found


def write_requests(path: Path, requests: list[bytes]) -> None:
    with path.open("wb") as file:
        for request in requests:
            file.write(b"%d\n" % len(request) + request)


class Load:
    def __init__(self, port: int, requests: deque[bytes], rate: float | None) -> None:
        self.port, self.requests, self.rate = port, requests, rate
        self.total = len(requests)
        self.latencies: list[float] = []
        self.failed = 0
        self.started = 0.0

    async def run(self, connections: int) -> dict[str, float]:
        self.started = time.perf_counter()
        await asyncio.gather(*(self._connection() for _ in range(connections)))
        seconds = time.perf_counter() - self.started
        milliseconds = [1000 * latency for latency in self.latencies]
        return {
            "seconds": round(seconds, 3),
            "count": len(self.latencies),
            "failed": self.failed,
            "per_second": round(len(self.latencies) / seconds, 1),
            "p95_ms": round(percentile(milliseconds, 95), 2),
            "p99_ms": round(percentile(milliseconds, 99), 2),
        }

    async def _connection(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        while self.requests:
            number = self.total - len(self.requests)
            request = self.requests.popleft()
            begun = time.perf_counter()
            if self.rate:
                due = self.started + number / self.rate
                await asyncio.sleep(max(0.0, due - begun))
                begun = due
            writer.write(request)
            status = await self._status(reader)
            self.latencies.append(time.perf_counter() - begun)
            self.failed += status != 200
        writer.close()

    @staticmethod
    async def _status(reader: asyncio.StreamReader) -> int:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next(
            int(line[15:]) for line in lines if line.startswith(b"content-length:")
        )
        await reader.readexactly(length)
        return int(lines[0].split()[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("file", type=Path)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--rate", type=float)
    given = parser.parse_args()
    load = Load(given.port, read_requests(given.file), given.rate)
    print(json.dumps(asyncio.run(load.run(given.connections))))


if __name__ == "__main__":
    main()
