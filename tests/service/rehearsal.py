"""A running copy joined to its sandbox: one official account, staff, and a phone."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from service.models import Queue
from staff.models import OrgUnit
from tests.stack import Stack, wait_until
from wechat.models import Account, App


@dataclass
class Phone:
    """One person of the sandbox on one account, through the control API."""

    stack: Stack
    slug: str
    person: dict[str, Any]

    def follow(self) -> None:
        self._do("follow", account=self.slug)

    def say(self, text: str) -> None:
        self._do("say", account=self.slug, text=text)

    def picture(self) -> None:
        self._do("picture", account=self.slug)

    def unfollow(self) -> None:
        self._do("unfollow", account=self.slug)

    def screen(self) -> list[dict[str, Any]]:
        path = f"/control/people/{self.person['id']}/screen?account={self.slug}"
        return call(self.stack, path)

    def heard(self) -> list[str]:
        """The texts the account sent, oldest first."""
        return [line["text"] for line in self.screen() if line["sender"] == "account"]

    def wait_for(self, text: str, seconds: float = 10) -> None:
        wait_until(
            lambda: any(text in heard for heard in self.heard()),
            seconds,
            f"{text!r} on the phone, which shows {self.heard()}",
        )

    def _do(self, verb: str, **data: Any) -> None:
        call(self.stack, f"/control/people/{self.person['id']}/{verb}", data)


def call(stack: Stack, path: str, data: dict[str, Any] | None = None) -> Any:
    """GET, or POST when there is data, on the sandbox's control API."""
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(
        stack.sandbox_url + path,
        data=body,
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{path}: {error.code} {error.read()!r}") from error


def log_in(context: Any, stack: Stack, person: Any) -> None:
    """Give a browser context the session of somebody, as the login page would.

    The login page itself has its own tests; the copy hashes passwords slowly by design.
    """
    with stack.orm():
        session = SessionStore()
        session[SESSION_KEY] = str(person.pk)
        session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
        session[HASH_SESSION_KEY] = person.get_session_auth_hash()
        session.create()
    name = f"pd-{stack.environment['INSTANCE']}-session"
    context.add_cookies(
        [{"name": name, "value": session.session_key, "url": stack.url}]
    )


def new_phone(stack: Stack, slug: str, name: str) -> Phone:
    return Phone(stack, slug, call(stack, "/control/people", {"name": name}))


def join_service_account(stack: Stack) -> tuple[OrgUnit, App, Queue]:
    """Set up the sandbox's 服务号 in the console as an administrator would.

    Call inside `stack.orm()`.
    """
    described = call(stack, "/control/accounts")
    theirs = next(each for each in described if each["kind"] == "service")
    known = App.objects.filter(slug=theirs["slug"]).select_related("account").first()
    if known is not None:
        return known.account.org_unit, known, Queue.objects.get(account=known.account)
    unit = OrgUnit.objects.create(name="林间", kind="brand")
    account = Account.objects.create(
        slug=theirs["slug"],
        name=theirs["name"],
        kind=theirs["kind"],
        org_unit=unit,
        original_id=theirs["gh_id"],
        state=Account.State.LIVE,
        is_sandbox=True,
        api_base_url=f"{stack.sandbox_url}/mp",
    )
    app = App.objects.create(
        account=account,
        slug=theirs["slug"],
        app_id=theirs["app_id"],
        secret=theirs["secret"],
        token=theirs["token"],
        aes_key=theirs["aes_key"],
        mode=theirs["mode"],
    )
    queue = Queue.objects.create(name="售前咨询", account=account)
    return unit, app, queue
