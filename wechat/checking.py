"""Check connection: each call the console needs, line by line, with what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from core import audit
from staff.models import Staff
from wechat import clock, holding, tokens
from wechat.api import PlatformError, Reach, mp_client, wecom_client
from wechat.api.mp import MpClient
from wechat.api.wecom import WecomClient
from wechat.models import App, KfAccount

GOOD, WARNING, BAD = "good", "part", "bad"
# Permissions the platform gives only to some kinds of account: missing is no fault.
OPTIONAL = {48001, 48002, 95017}


@dataclass(frozen=True)
class Line:
    """One probe. `tone`: good, part (works in part, or is optional), bad.

    `what` is a msgid, `text` and `advice` are msgids or plain figures: translated when
    shown, because the reader may have another language than the one who checked.
    """

    what: str
    tone: str
    text: str
    advice: str = ""
    errcode: int | None = None


Probe = Callable[[], str]


def check(app: App, *, actor: Staff) -> list[Line]:
    """Probe every call, keep the result on the app, release a hold that is over.

    At most a dozen calls of one time-out each; never in a transaction.
    """
    lines = [_token(app)]
    if lines[0].tone == GOOD:
        probes = _wecom_probes(app) if app.account.is_wecom else _mp_probes(app)
        lines += [_run(what, probe) for what, probe in probes]
    lines += [_callback(app), _clock(app)]
    app.last_check = {
        "at": timezone.now().isoformat(),
        "by": str(actor),
        "lines": [asdict(line) for line in lines],
    }
    app.save(update_fields=["last_check"])
    bad = {f"errcode_{line.errcode}" for line in lines if line.errcode}
    works = lines[0].tone == GOOD and app.held_reason not in bad
    if app.held_reason and works:
        holding.release(app, actor=actor, reason="check_connection")
    audit.record(
        "wechat.app.checked",
        app,
        actor=actor,
        after={"bad": sum(line.tone == BAD for line in lines)},
        label=str(app),
    )
    return lines


def _token(app: App) -> Line:
    tokens.forget(app)
    return _run(gettext_noop("Access token"), lambda: _fetch_token(app))


def _fetch_token(app: App) -> str:
    tokens.current(app)
    return gettext_noop("The credentials are right and our IP address is allowed.")


def _run(what: str, probe: Probe) -> Line:
    try:
        return Line(what, GOOD, probe())
    except PlatformError as error:
        tone = WARNING if error.errcode in OPTIONAL else BAD
        if error.reach in (Reach.QUOTA, Reach.RATE):
            tone = WARNING
        return Line(
            what,
            tone,
            _msgid(error.refusal.text),
            _msgid(error.refusal.advice),
            error.errcode,
        )


def _msgid(text: str | Promise) -> str:
    """The English msgid of a lazy text, so that it is translated when shown."""
    from django.utils import translation

    with translation.override(None):
        return str(text)


def _mp_probes(app: App) -> list[tuple[str, Probe]]:
    client = mp_client(app)
    return [
        (gettext_noop("Followers"), lambda: _followers(client)),
        (gettext_noop("Tags"), lambda: _counted(len(client.tags()))),
        (
            gettext_noop("Customer-service messages"),
            lambda: _quota(client, "/cgi-bin/message/custom/send"),
        ),
        (
            gettext_noop("Pictures"),
            lambda: _quota(client, "/cgi-bin/media/upload"),
        ),
        (gettext_noop("Network from the platform"), lambda: _reach(client)),
    ]


def _followers(client: MpClient) -> str:
    return _counted(int(client.followers().get("total", 0)))


def _counted(count: int) -> str:
    return f"{count:,}"


def _quota(client: MpClient, path: str) -> str:
    """Only a permitted call has a quota."""
    quota = client.quota(path)
    return f"{int(quota['used']):,} / {int(quota['daily_limit']):,}"


def _reach(client: MpClient) -> str:
    client.check_callback()
    return gettext_noop("The platform resolves and reaches its network.")


def _wecom_probes(app: App) -> list[tuple[str, Probe]]:
    client = wecom_client(app)
    return [
        (
            gettext_noop("Customer contact"),
            lambda: _counted(len(client.follow_users())),
        ),
        (gettext_noop("Colleagues"), lambda: _counted(len(client.colleagues()))),
        (
            gettext_noop("WeChat Customer Service"),
            lambda: _kf_accounts(app, client),
        ),
    ]


def _kf_accounts(app: App, client: WecomClient) -> str:
    """Their names come with the probe; new ones are made, so that they can be pulled."""
    found = client.kf_accounts()
    for row in found:
        KfAccount.objects.update_or_create(
            open_kfid=str(row["open_kfid"]),
            defaults={"app": app, "name": str(row.get("name", ""))[:64]},
        )
    return _counted(len(found))


def _callback(app: App) -> Line:
    """Whether the platform ever reached us: only it can tell by doing it."""
    what = gettext_noop("Callbacks")
    if app.last_callback_at is not None:
        return Line(what, GOOD, f"{timezone.localtime(app.last_callback_at):%F %T}")
    return Line(
        what,
        WARNING,
        gettext_noop("No callback has arrived yet."),
        gettext_noop("Enter the callback address, token and AES key on the platform."),
    )


def _clock(app: App) -> Line:
    what, seconds = gettext_noop("Clock"), app.account.clock_offset_seconds
    figure = f"{seconds:+.0f} s"
    if app.account.is_sandbox or abs(seconds) < clock.ALARM_SECONDS:
        return Line(what, GOOD, figure)
    return Line(
        what,
        BAD,
        figure,
        gettext_noop("Set the clock of this machine: windows are counted by it."),
    )


def shown_lines(app: App) -> list[dict[str, Any]]:
    """The kept lines of the last check, in the reader's language."""
    kept = app.last_check.get("lines", []) if app.last_check else []
    return [
        {
            **line,
            "what": _(line["what"]),
            "text": _(line["text"]),
            "advice": _(line["advice"]) if line.get("advice") else "",
        }
        for line in kept
    ]


def outbound_ip() -> str:
    """The address the platforms see, as the installation was told; "" when it was not."""
    return str(settings.OUTBOUND_IP)
