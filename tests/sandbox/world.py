"""A running sandbox and what tests ask of it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.sandbox.console import Console

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """``python -m sandbox`` on its own port and folder."""

    def __init__(self, port: int, folder: Path, console_url: str, **more: str) -> None:
        self.port, self.folder = port, folder
        environment = {
            **os.environ,
            "SANDBOX_PORT": str(port),
            "SANDBOX_DATA_DIR": str(folder),
            "CONSOLE_URL": console_url,
            **more,
        }
        self.log = folder.parent / f"sandbox-{port}.log"
        self._child = subprocess.Popen(
            [sys.executable, "-m", "sandbox"],
            cwd=ROOT,
            env=environment,
            stdout=self.log.open("ab"),
            stderr=subprocess.STDOUT,
        )
        self.started_in = self._wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _wait(self) -> float:
        started = time.monotonic()
        while time.monotonic() < started + 30:
            try:
                if requests.get(self.url + "/healthz", timeout=2).ok:
                    return time.monotonic() - started
            except (requests.ConnectionError, requests.Timeout):
                assert self._child.poll() is None, self.log.read_text()
            time.sleep(0.05)
        self._child.kill()
        raise AssertionError(self.log.read_text())

    def stop(self) -> int:
        self._child.send_signal(signal.SIGTERM)
        return self._child.wait(15)

    def kill(self) -> None:
        """As a crash does; waits until the worker has let go of the port."""
        self._child.kill()
        self._child.wait(15)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                requests.get(self.url + "/healthz", timeout=1)
            except requests.ConnectionError:
                return
            time.sleep(0.1)
        raise AssertionError("the worker outlived its server")


@dataclass
class World:
    """Short names for the control API and the two platforms' APIs."""

    url: str
    console: Console
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        seconds = options.pop("timeout", 30)
        url = self.url + path
        return self.session.request(method, url, timeout=seconds, **options)

    def get(self, path: str, /, **query: Any) -> Any:
        answer = self.call("GET", f"/control/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, /, **body: Any) -> Any:
        answer = self.call("POST", f"/control/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def person(self, name: str = "林小满") -> dict[str, Any]:
        return self.post("people", name=name)

    def do(self, person: dict[str, Any], deed: str, /, **body: Any) -> Any:
        return self.post(f"people/{person['id']}/{deed}", **body)

    def follower(self, slug: str = "lin-service") -> tuple[dict[str, Any], str]:
        person = self.person()
        self.do(person, "follow", account=slug)
        return person, person["openid"][slug]

    def screen(self, person: dict[str, Any], account: str) -> list[dict[str, Any]]:
        return self.get(f"people/{person['id']}/screen", account=account)

    def advance(self, seconds: float) -> None:
        self.post("clock", advance_seconds=seconds)
        if seconds > 7000:  # tokens end too
            self.tokens.clear()

    def begin(self, seconds: int) -> None:
        """Move to just after a full minute (60) or Beijing day (86400), so that
        counters by period do not turn over in the middle of a test."""
        now = self.get("clock")["now"] + 8 * 3600
        self.advance(seconds - now % seconds + 1)

    # -- the platforms' APIs

    def token(self, slug: str = "lin-service") -> str:
        if slug not in self.tokens:
            account = self.accounts[slug]
            if account["kind"] == "wecom":
                answer = self.qy_token()
            else:
                answer = self.stable_token(slug)
            self.tokens[slug] = answer["access_token"]
        return self.tokens[slug]

    def stable_token(self, slug: str = "lin-service", **more: Any) -> dict[str, Any]:
        account = self.accounts[slug]
        body = {
            "grant_type": "client_credential",
            "appid": account["app_id"],
            "secret": account["secret"],
        }
        answer = self.call("POST", "/mp/cgi-bin/stable_token", json={**body, **more})
        return answer.json()

    def plain_token(self, slug: str = "lin-service") -> dict[str, Any]:
        account = self.accounts[slug]
        query = {
            "grant_type": "client_credential",
            "appid": account["app_id"],
            "secret": account["secret"],
        }
        return self.call("GET", "/mp/cgi-bin/token", params=query).json()

    def qy_token(self) -> dict[str, Any]:
        corp = self.accounts["lin-corp"]
        query = {"corpid": corp["corp_id"], "corpsecret": corp["secret"]}
        return self.call("GET", "/qy/cgi-bin/gettoken", params=query).json()

    def mp(self, path: str, body: Any = None, *, token: str = "", **query: Any) -> Any:
        return self._api("mp", path, body, token or self.token(), query)

    def qy(self, path: str, body: Any = None, *, token: str = "", **query: Any) -> Any:
        return self._api("qy", path, body, token or self.token("lin-corp"), query)

    def _api(
        self, home: str, path: str, body: Any, token: str, query: dict[str, Any]
    ) -> Any:
        text = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        return self.call(
            "GET" if body is None else "POST",
            f"/{home}/cgi-bin/{path}",
            params={"access_token": token, **query},
            data=text,
        ).json()

    def write_to(self, openid: str, text: str = "您好", **more: Any) -> Any:
        body = {"touser": openid, "msgtype": "text", "text": {"content": text}}
        return self.mp("message/custom/send", body, **more)

    def many(self, count: int, slug: str = "lin-service") -> list[str]:
        """Openids of people who follow the account since yesterday."""
        return self.post("people/bulk", count=count, account=slug)["openids"]

    def upload(self, content: bytes, *, home: str = "mp", kind: str = "image") -> Any:
        slug = "lin-corp" if home == "qy" else "lin-service"
        return self.call(
            "POST",
            f"/{home}/cgi-bin/media/upload",
            params={"access_token": self.token(slug), "type": kind},
            files={"media": ("图.png", content, "image/png")},
        ).json()
