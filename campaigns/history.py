"""Touches on a member's timeline: what reached somebody, and what did not, and why."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from campaigns import reasons
from campaigns.models import Recipient, Touch
from core.registry import Text
from crm.models import Member
from crm.timeline import Group, Line, Source, add_source
from staff.models import Staff

State = Recipient.State
_ICONS = {
    State.WAITING: "schedule_send",
    State.SENT: "campaign",
    State.ACCEPTED: "campaign",
    State.FAILED: "sms_failed",
    State.UNKNOWN: "help",
    State.EXCLUDED: "block",
}


def register() -> None:
    """Called once, in AppConfig.ready()."""
    add_source(Source("touch", frozenset([Group.TOUCH]), _rows, _lines, "happened_at"))


def _rows(member: Member, group: str) -> QuerySet[Recipient]:
    """All of the member's; who got nothing stands where the audience was fixed.

    What happened to somebody is told to whoever may see them, wherever the campaign
    was planned inside the data controller.
    """
    return (
        Recipient.objects.standing()
        .filter(
            member=member,
            touch__account__org_unit__controller=member.controller_id,
        )
        .select_related("touch__account", "touch__campaign")
        .annotate(
            happened_at=Coalesce(
                "contacted_at", "touch__snapshot_at", "touch__created_at"
            )
        )
    )


def _lines(rows: Sequence[Recipient], staff: Staff) -> list[Line]:
    return [
        Line(
            title=_title(row),
            text=_text(row),
            icon=_ICONS[State(row.state)],
            account=str(row.touch.account),
        )
        for row in rows
    ]


def _title(row: Recipient) -> Text:
    if row.state in (State.SENT, State.ACCEPTED):
        is_mass = row.touch.channel == Touch.Channel.MASS
        return _("Got a mass message") if is_mass else _("Got a campaign message")
    return {
        State.WAITING: _("Is to get a touch"),
        State.FAILED: _("A touch failed"),
        State.UNKNOWN: _("Nobody knows whether a touch arrived"),
        State.EXCLUDED: _("Did not get a touch"),
    }[State(row.state)]


def _text(row: Recipient) -> str:
    name = f"{row.touch.campaign} · {row.touch}"
    if not row.reason:
        return name
    why = {"name": reasons.label(row.reason), "what": reasons.words(row.reason)}
    return f"{name} — {_('%(name)s: %(what)s') % why}"
