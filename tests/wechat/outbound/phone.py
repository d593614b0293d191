"""The sandbox as tests use it: people who write, and what arrived at their phones."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from privatedomain import embedded
from privatedomain.processes import BASE_DIR
from tests.stack import wait_until

_names = itertools.count(1)


class Sandbox:
    """The control API of one running sandbox."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, path: str, body: Any = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/control/{path}", data, method=method
        )
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def account(self, kind: str) -> dict[str, Any]:
        return next(a for a in self.ask("accounts") if a["kind"] == kind)

    def person(self) -> dict[str, Any]:
        return self.ask("people", {"name": f"客人{next(_names)}"})

    def writes(self, person: dict[str, Any], account: str, text: str = "你好") -> None:
        self.ask(f"people/{person['id']}/say", {"account": account, "text": text})

    def follows(self, person: dict[str, Any], account: str) -> None:
        self.ask(f"people/{person['id']}/follow", {"account": account})

    def screen(self, person: dict[str, Any], account: str) -> list[str]:
        """Texts the account sent to the person, oldest first."""
        lines = self.ask(f"people/{person['id']}/screen?account={account}")
        return [line["text"] for line in lines if line["sender"] == "account"]

    def fault(self, path: str, fault: str, times: int = 1) -> None:
        self.ask("faults", {"path": path, "fault": fault, "times": times})

    def clear_faults(self) -> None:
        self.ask("faults", method="DELETE")

    def last_call(self) -> int:
        calls = self.ask("calls?limit=1")
        return int(calls[-1]["id"]) if calls else 0

    def calls(self, path: str, after: int = 0) -> list[dict[str, Any]]:
        return self.ask(f"calls?path={path}&after={after}")


@contextlib.contextmanager
def running_sandbox(folder: Path) -> Iterator[Sandbox]:
    """A sandbox of its own on a free port; its callbacks go nowhere."""
    port = embedded.free_port()
    environment = os.environ | {
        "SANDBOX_PORT": str(port),
        "SANDBOX_DATA_DIR": str(folder),
        "CONSOLE_URL": "http://127.0.0.1:9",
        "DJANGO_SETTINGS_MODULE": "sandbox.settings",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox"],
        cwd=BASE_DIR,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    sandbox = Sandbox(f"http://127.0.0.1:{port}")

    def answers() -> bool:
        with contextlib.suppress(OSError, urllib.error.URLError):
            return bool(sandbox.ask("accounts"))
        return False

    try:
        wait_until(answers, 30, "sandbox answers")
        # Nobody hears them: trying again would go on under the tests after.
        sandbox.ask("limits", {"push_retries": 0, "markfail_after": 0})
        yield sandbox
    finally:
        process.terminate()
        process.wait(20)
