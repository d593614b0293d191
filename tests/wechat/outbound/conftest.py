"""One sandbox for the run, and accounts of ours that point at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from django.utils import timezone

from tests.wechat.outbound.phone import Sandbox, running_sandbox


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(sandbox_process: Sandbox) -> Iterator[Sandbox]:
    sandbox_process.clear_faults()
    yield sandbox_process
    sandbox_process.clear_faults()


def build_app(sandbox: Sandbox, kind: str = "service") -> Any:
    """A live account of ours that is the sandbox's account of that kind."""
    from staff.models import OrgUnit
    from wechat.models import Account, App

    theirs = sandbox.account(kind)
    brand, _ = OrgUnit.objects.get_or_create(name="林间", kind="brand", parent=None)
    prefix = "qy" if kind == "wecom" else "mp"
    account = Account.objects.create(
        slug=theirs["slug"],
        name=theirs["name"],
        kind=kind,
        org_unit=brand,
        original_id=theirs["gh_id"] or theirs["corp_id"],
        state="live",
        is_sandbox=True,
        api_base_url=f"{sandbox.url}/{prefix}",
    )
    return App.objects.create(
        account=account,
        slug=theirs["slug"],
        app_id=theirs["app_id"] or theirs["corp_id"],
        agent_id=theirs["agent_id"],
        secret=theirs["secret"],
        token=theirs["token"],
        aes_key=theirs["aes_key"],
    )


@pytest.fixture
def app(db: None, sandbox: Sandbox) -> Any:
    """The app of our 服务号."""
    return build_app(sandbox)


@pytest.fixture
def wecom_app(db: None, sandbox: Sandbox) -> Any:
    return build_app(sandbox, "wecom")


@pytest.fixture
def customer(app: Any, sandbox: Sandbox) -> dict[str, Any]:
    """Somebody who follows our 服务号 and just wrote: five messages are free."""
    return build_customer(app, sandbox)


def build_customer(app: Any, sandbox: Sandbox) -> dict[str, Any]:
    from wechat import windows

    person = sandbox.person()
    slug = app.account.slug
    sandbox.follows(person, slug)
    sandbox.writes(person, slug)
    openid = person["openid"][slug]
    windows.open_window(app, openid, "message", timezone.now())
    return {**person, "to": openid, "slug": slug}


@pytest.fixture
def plan(app: Any, customer: dict[str, Any]) -> Callable[..., Any]:
    """`plan("text", key=…, expires_at=…)`: one message to the customer."""
    return planner(app, customer)


def planner(app: Any, customer: dict[str, Any]) -> Callable[..., Any]:
    from staff.accounts import system_staff
    from wechat import outbox

    numbers = iter(range(1, 1000))

    def make(
        text: str = "您好", *, key: str = "", expires_at: datetime | None = None
    ) -> Any:
        number = next(numbers)
        return outbox.plan(
            app=app,
            channel="mp_custom",
            recipient=customer["to"],
            kind="text",
            payload={"text": text},
            dedupe_key=key or f"test:{customer['to']}:{number}",
            purpose="test",
            actor=system_staff("test"),
            expires_at=expires_at,
        )

    return make
