"""What every test may use: staff of each role, a browser, a running copy."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command, get_commands

from privatedomain import embedded, heap, translations
from tests import emptying
from tests.cluster import MIGRATED, migrated_cluster
from tests.stack import Stack

PASSWORD = "correct-horse-battery-1"  # of every staff member a test makes
_numbers = itertools.count(1)
# The one without windows draws a page for half of the time.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser")


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        translations.compile_catalogues()


def pytest_collection_finish() -> None:
    emptying.install()
    heap.settle()


# Who asks for as much time as this takes much of it.
LONG_SECONDS = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Forking files first, then the long ones, so that no worker is left alone with one.

    A fork of a process that has driven a browser inherits its threads' locks and hangs.
    """
    heavy = {item.path for item in items if _is_heavy(item)}
    items.sort(key=lambda item: _place(item, heavy))


def _is_heavy(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in ("processes", "browser"))


def _place(item: pytest.Item, heavy: set[Path]) -> int:
    timeout = item.get_closest_marker("timeout")
    if item.get_closest_marker("forks"):
        return 0
    if timeout and timeout.args and timeout.args[0] >= LONG_SECONDS:
        return 1
    walks_every_page = item.path.parent == Path(__file__).parent
    return 2 if walks_every_page or item.path in heavy else 3


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Every test finds the roles, which most need and which take longer than most tests.

    Tests that commit leave them where they are too (tests.emptying).
    """
    with django_db_blocker.unblock():
        call_command("sync_roles", verbosity=0)


@pytest.fixture
def make_staff(db: None) -> Callable[..., Any]:
    """`make_staff("agent", org_unit=store, username=…)`: someone of a role.

    Roles are those of `sync_roles`; "administrator" is one too. Password: PASSWORD.
    """
    return build_staff


def build_staff(role: str | None = None, **fields: Any) -> Any:
    """The builder itself, for use inside `stack.orm()`."""
    from django.contrib.auth.models import Group

    from staff.models import Staff

    number = next(_numbers)
    fields.setdefault("username", f"{role or 'staff'}{number}")
    fields.setdefault("display_name", f"{role or 'staff'} {number}")
    fields.setdefault("is_staff", True)
    fields.setdefault("is_superuser", role == "administrator")
    password = fields.pop("password", PASSWORD)
    person = Staff.objects.create_user(password=password, **fields)
    if role is not None:
        person.groups.add(Group.objects.get(name=role))
    return person


# -- browser


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any],
) -> dict[str, Any]:
    is_shown = browser_type_launch_args.get("headless") is False
    chromium = next(filter(None, map(shutil.which, BROWSERS[is_shown:])), None)
    found = {"executable_path": chromium} if chromium else {}
    # Chromium's own sandbox does not run as root.
    return {**browser_type_launch_args, **found, "args": ["--no-sandbox"]}


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    return {
        **browser_context_args,
        "locale": "zh-CN",
        "timezone_id": "Asia/Shanghai",
        "viewport": {"width": 1280, "height": 800},
    }


# -- running copies


@pytest.fixture(scope="module")
def make_stack(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any
) -> Iterator[Callable[..., Stack]]:
    """`make_stack(own_servers=False, **environment)`: a migrated copy, not started.

    `own_servers` gives it a PostgreSQL and a Redis that the test may kill; otherwise it
    has a database of its own on the run's servers. Everything is stopped with the file:
    idle workers still look for work, and the tests after would pay for it.
    """
    made: list[Stack] = []

    def make(*, own_servers: bool = False, **environment: str) -> Stack:
        number = next(_numbers)
        folder = tmp_path_factory.mktemp("stack") if not own_servers else _open_folder()
        stack = Stack(folder, {}, django_db_blocker)
        made.append(stack)
        if own_servers:
            stack.postgres = embedded.prepare_postgres(
                folder, is_durable=False, copy_of=migrated_cluster()
            )
            stack.redis = embedded.prepare_redis(folder)
            (folder / "logs").mkdir()
            stack.start("postgres", "redis")
            stack.postgres.ensure_database(template=MIGRATED)
            urls = stack.postgres.url, stack.redis.url
        else:
            urls = _own_database(number), os.environ["REDIS_URL"]
        stack.environment = _environment(folder, number, *urls) | environment
        (folder / "logs").mkdir(exist_ok=True)
        with stack.orm():
            _prepare_database()
        return stack

    yield make
    for stack in made:
        stack.stop()
        if stack.postgres is not None:
            shutil.rmtree(stack.data_dir, ignore_errors=True)


@pytest.fixture(scope="module")
def stack(make_stack: Callable[..., Stack]) -> Stack:
    """One running copy for the file, with the sandbox; wait_ready() has passed.

    Tests must leave its processes running. To stop or kill some, take `make_stack`.
    """
    copy = make_stack(DEMO="1", LEASE_SECONDS="2")
    copy.start("sandbox")
    copy.start()
    copy.wait_ready()
    return copy


def _open_folder() -> Path:
    """A folder the servers' own user can enter, unlike pytest's."""
    folder = Path(tempfile.mkdtemp(prefix="privatedomain-stack-"))
    folder.chmod(0o711)
    return folder


def _own_database(number: int) -> str:
    url = os.environ["DATABASE_URL"]
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    name = f"stack_{worker}_{number}"
    with psycopg.connect(url, autocommit=True) as link:
        link.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        link.execute(f'CREATE DATABASE "{name}" TEMPLATE {MIGRATED}')
    return f"{url.rpartition('/')[0]}/{name}"


def _environment(
    folder: Path, number: int, database_url: str, redis_url: str
) -> dict[str, str]:
    ports = {name: str(embedded.free_port()) for name in ("PORT", "LIVE_PORT")}
    sandbox_port = str(embedded.free_port())
    return {
        **os.environ,
        **ports,
        "SANDBOX_PORT": sandbox_port,
        "SANDBOX_DATA_DIR": str(folder / "sandbox"),
        "CONSOLE_URL": f"http://127.0.0.1:{ports['PORT']}",
        "DJANGO_SETTINGS_MODULE": "privatedomain.settings",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "DATA_DIR": str(folder),
        "INSTANCE": f"{os.environ['INSTANCE']}-stack{number}",
        "STATIC_ROOT": str(_static_root()),
        "DB_POOLED": "1",
        "DB_POOL": "8",
        "WEB_WORKERS": "1",
        "WORKER_CONCURRENCY": "1",
        "PYTHONUNBUFFERED": "1",
    }


def _static_root() -> Path:
    """Collected static files, plain, once per test process."""
    root = Path(os.environ["TEST_SERVERS"]) / "static" / os.environ["INSTANCE"]
    if not root.exists():
        from django.test import override_settings

        with override_settings(STATIC_ROOT=root):
            call_command("collectstatic", link=True, interactive=False, verbosity=0)
    return root


def _prepare_database() -> None:
    """What `prepare` does, but for the migrations: MIGRATED has had them."""
    known = get_commands()
    for name in ("sync_roles", "sync_periodic_tasks", "sync_builtin_data"):
        if name in known:
            call_command(name, verbosity=0)


@pytest.fixture
def logged_in(context: Any) -> Callable[..., Any]:
    """`logged_in(url, username)` → a page of the console, logged in by its form."""

    def log_in(url: str, username: str, password: str = PASSWORD) -> Any:
        page = context.new_page()
        page.goto(f"{url}/admin/login/")
        page.fill("input[name=username]", username)
        page.fill("input[name=password]", password)
        with page.expect_navigation():
            page.press("input[name=password]", "Enter")
        return page

    return log_in
