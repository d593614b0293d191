"""Every text somebody outside can write is an attack; every page must show it as text.

Names, messages, remarks, reasons: all are markup, script addresses, attribute breaks or
expressions of the page's own libraries. A dialog, an error of a script or a breach of the
Content-Security-Policy fails.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from django.db import models

from crm.models import Event, Member
from service.models import Conversation, Message
from tests.core.worlds import World
from tests.test_permission_matrix import _addresses, _method, _path

POLYGLOTS = [
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "' autofocus onfocus=alert(1) x='",
    "{{constructor.constructor('alert(1)')()}}",
    "javascript:alert(1)//",
    "${alert(1)}`;alert(1);//",
    "'-alert(1)-'\\\";alert(1);//",
    "<svg/onload=alert(1)>\u202egpj.exe",
    "]]><a href=javascript:alert(1)>x</a>",
    "x-on:load=$dispatch(alert(1))",
    "{% include '/etc/passwd' %}",
    "alert(1)",
]
_numbers = itertools.count(1)
# Scripts run whatever is seen; drawing a whole screen of each page takes their time.
SMALL = {"width": 320, "height": 240}


class HostileWorld(World):
    """A brand whose every text is an attack."""

    def _text(self, field: Any) -> str:
        number = next(_numbers)
        if isinstance(field, models.SlugField):
            return f"hostile-{number}"
        text = POLYGLOTS[number % len(POLYGLOTS)]
        if field.unique:
            text = f"{number}{text}"
        limit = field.max_length or 400
        return text if len(text) <= limit else "<b>"[:limit]

    def _value(self, model: Any, field: Any) -> Any:
        if isinstance(field, models.JSONField) and model._meta.app_label == "crm":
            return dict(zip(EVENT_KEYS, itertools.cycle(POLYGLOTS), strict=False))
        return super()._value(model, field)


EVENT_KEYS = (
    *("text", "content", "name", "title", "scene", "key", "reason", "remark", "state"),
    *("colleague", "account", "url", "description", "from", "to", "summary", "source"),
)
EVENT_KINDS = (
    *("mp.followed", "mp.unfollowed", "mp.message", "mp.message.text", "mp.menu"),
    *("wecom.added", "wecom.deleted", "consent.withdrawn", "service.closed", "<b>"),
)


@pytest.fixture
def world(transactional_db: None) -> HostileWorld:
    made = HostileWorld('"><img src=x onerror=alert(1)>')
    member = made.row(Member)
    for kind in EVENT_KINDS:
        made.make(Event, member=member, kind=kind)
    talk = made.row(Conversation)
    type(talk).objects.filter(pk=talk.pk).update(state="open", assignee=made.viewer)
    for text in POLYGLOTS:
        for direction in Message.Direction.values:
            made.make(
                Message,
                conversation=talk,
                direction=direction,
                text=text,
                client_key=f"k{next(_numbers)}",
            )
    made.viewer.is_superuser = True
    made.viewer.save(update_fields=["is_superuser"])
    return made


@pytest.mark.browser
@pytest.mark.timeout(600)
def test_no_page_runs_what_a_stranger_wrote(world, live_server, client, context):
    client.force_login(world.viewer)
    context.add_cookies(
        [
            {"name": name, "value": morsel.value, "url": live_server.url}
            for name, morsel in client.cookies.items()
        ]
    )
    page, wrong = watched(context)
    page.set_viewport_size(SMALL)

    seen = 0
    for path in pages(world):
        wrong.here = path
        answer = page.goto(live_server.url + path, wait_until="load")
        # Attributes that only act when touched: focus, hover, an opened menu.
        page.keyboard.press("Tab")
        page.evaluate("() => window.scrollTo(0, 1e6)")
        seen += answer is not None and answer.status == 200

    assert wrong.lines == []
    assert seen > 50, "most pages were not seen"


def pages(world: World) -> list[str]:
    found = [
        _path(address, world)
        for address in _addresses()
        if _method(address) == "GET"
        and not address.route.startswith(("api/", "media/", "^"))
        and not address.route.endswith(
            ("(?P<url>.*)$", "<path:object_id>/", ".pdf", ".csv")
        )
    ]
    searches = [f"/admin/search/?s={word}" for word in ("img", "alert")]
    return [*found, *searches, "/admin/search/?s=alert&extended=1"]


class Wrong:
    """What went wrong, and on which page."""

    def __init__(self) -> None:
        self.here = ""
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(f"{self.here}: {text}")


def watched(context: Any) -> tuple[Any, Wrong]:
    """A page that notes dialogs, broken scripts and breaches of the policy."""
    page, wrong = context.new_page(), Wrong()

    def dialog(seen: Any) -> None:
        wrong.note(f"dialog {seen.message}")
        seen.dismiss()

    def console(line: Any) -> None:
        if "Content Security Policy" in line.text:
            wrong.note(line.text)

    page.on("dialog", dialog)
    page.on("console", console)
    page.on("pageerror", lambda error: wrong.note(f"script: {error}"))
    page.on("request", lambda request: _outside(request.url, wrong))
    return page, wrong


def _outside(address: str, wrong: Wrong) -> None:
    if not address.startswith(
        ("http://localhost", "http://127.0.0.1", "data:", "blob:")
    ):
        wrong.note(f"asks the outside: {address}")
