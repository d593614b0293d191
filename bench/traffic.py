"""People who write and agents who answer, for the fault runs: real traffic only.

People act through the sandbox's control API, agents through the REST API. Whatever
fails because a part is down is tried again or left: the run judges by what the
platform and the database say at the end.
"""

from __future__ import annotations

import json
import random
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable
from typing import Any

from tests.stack import Stack

AWAY = (OSError, TimeoutError)


def call(
    method: str,
    url: str,
    body: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
    seconds: float = 10.0,
) -> tuple[int, Any]:
    """Status and JSON of one request; (0, None) when nobody answers."""
    request = urllib.request.Request(  # noqa: S310
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **(headers or {})},
    )
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            return answer.status, _json(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, _json(error.read())
    except AWAY:
        return 0, None


def _json(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


class Traffic:
    """Threads of people and agents until `stop`; counts what they did."""

    def __init__(self, stack: Stack, slug: str, tokens: list[str], seed: int) -> None:
        self.stack, self.slug, self.tokens, self.seed = stack, slug, tokens, seed
        self.did: Counter[str] = Counter()
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, people: int = 6) -> None:
        for number in range(people):
            self._run(self._person, random.Random(f"{self.seed} person {number}"))
        for number, token in enumerate(self.tokens):
            self._run(self._agent, random.Random(f"{self.seed} agent {number}"), token)

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _run(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    # -- people

    def _person(self, dice: random.Random) -> None:
        """One after another: follow, write some, perhaps ask for a person, leave."""
        while not self._ended.is_set():
            name = f"人 {dice.randrange(10**9)}"
            _, person = self._control("/control/people", {"name": name})
            if person is None:
                self._ended.wait(0.5)
                continue
            self._deed(person["id"], "follow")
            for _ in range(dice.randint(1, 6)):
                asks = dice.random() < 0.25
                text = "人工" if asks else f"你好 {dice.randrange(10**12)}"
                self._deed(person["id"], "say", text=text)
                self._ended.wait(dice.uniform(0.05, 1.0))
            if dice.random() < 0.2:
                self._deed(person["id"], "unfollow")

    def _deed(self, person: str, deed: str, **more: str) -> None:
        body = {"account": self.slug, **more}
        status, _ = self._control(f"/control/people/{person}/{deed}", body)
        self.did[f"{deed} {'done' if status == 200 else 'refused'}"] += 1

    def _control(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        return call("POST", self.stack.sandbox_url + path, body)

    # -- agents

    def _agent(self, dice: random.Random, token: str) -> None:
        """Claim what waits, answer it, sometimes repeat the very same request."""
        while not self._ended.is_set():
            for conversation in self._conversations(token, "queued")[:3]:
                self._api(token, f"/conversations/{conversation['id']}/claim", "claim")
            for conversation in self._conversations(token, "open"):
                if dice.random() < 0.7:
                    self._reply(dice, token, conversation["id"])
                else:
                    path = f"/conversations/{conversation['id']}/close"
                    self._api(token, path, "close")
            self._ended.wait(dice.uniform(0.2, 1.5))

    def _reply(self, dice: random.Random, token: str, conversation: int) -> None:
        text = f"答复 {dice.randrange(10**15)}"
        path = f"/conversations/{conversation}/reply"
        for _ in range(1 + (dice.random() < 0.3)):
            self._api(token, path, "reply", {"text": text}, key=text)

    def _conversations(self, token: str, state: str) -> list[dict[str, Any]]:
        url = f"{self.stack.url}/api/v1/conversations?state={state}"
        status, answer = call("GET", url, headers=_as(token))
        return answer["results"] if status == 200 else []

    def _api(
        self,
        token: str,
        path: str,
        what: str,
        body: dict[str, Any] | None = None,
        key: str = "",
    ) -> None:
        headers = _as(token)
        if key:
            headers["Idempotency-Key"] = urllib.parse.quote(key)
        url = f"{self.stack.url}/api/v1{path}"
        status, _ = call("POST", url, body or {}, headers)
        self.did[f"{what} {status}"] += 1


def _as(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
