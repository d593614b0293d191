"""How times, states and trail entries look, the same on every page."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django import template
from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from core.registry import audit_labels, audit_values

register = template.Library()

# Django's own short names are as long as the long ones in Chinese (星期一).
WEEKDAYS = [
    pgettext_lazy("short weekday", "Mon"),
    pgettext_lazy("short weekday", "Tue"),
    pgettext_lazy("short weekday", "Wed"),
    pgettext_lazy("short weekday", "Thu"),
    pgettext_lazy("short weekday", "Fri"),
    pgettext_lazy("short weekday", "Sat"),
    pgettext_lazy("short weekday", "Sun"),
]

FIGURE_NAMES = {
    "age_seconds": gettext_lazy("age (s)"),
    "oldest_seconds": gettext_lazy("oldest (s)"),
    "free_gb": gettext_lazy("free (GB)"),
    "depth": gettext_lazy("waiting"),
    "waiting": gettext_lazy("waiting"),
    "count": gettext_lazy("count"),
    "dead": gettext_lazy("dead"),
    "late": gettext_lazy("late"),
    "unreadable": gettext_lazy("unreadable"),
    "unknown": gettext_lazy("unknown"),
    "rows": gettext_lazy("rows looked at"),
    "changed": gettext_lazy("values written"),
    "seen": gettext_lazy("seen"),
    "created": gettext_lazy("created"),
    "updated": gettext_lazy("updated"),
    "missing": gettext_lazy("missing"),
}

SHAPES = {
    "good": "●",
    "done": "✓",
    "next": "→",
    "part": "◐",
    "idle": "○",
    "bad": "✕",
    "unknown": "?",
}


@register.filter
def moment(value: datetime | None) -> str:
    """11-23 周一 14:05, with the year when it is not this one."""
    if value is None:
        return "–"
    local = timezone.localtime(value)
    day = WEEKDAYS[local.weekday()]
    same_year = local.year == timezone.localtime().year
    date = local.strftime("%m-%d" if same_year else "%Y-%m-%d")
    return f"{date} {day} {local:%H:%M}"


@register.filter
def clock(value: datetime) -> str:
    """10:05:31, for "as of"."""
    return f"{timezone.localtime(value):%H:%M:%S}"


@register.filter
def grouped(value: int) -> str:
    """12,408."""
    return f"{value:,}"


@register.filter
def yuan(value: Decimal | int) -> str:
    """¥1,234.50."""
    return f"{'-' if value < 0 else ''}¥{abs(value):,.2f}"


@register.filter
def figure(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


@register.filter
def figures(result: dict[str, Any]) -> list[tuple[str, Any]]:
    """What of a job's result people read: what is one value, not what programs look up."""
    return [pair for pair in result.items() if not isinstance(pair[1], dict | list)]


@register.filter
def figure_name(name: str) -> str:
    """The words of the key of a figure, of health ("age_seconds") or a job's result."""
    return FIGURE_NAMES.get(name, name.replace("_", " "))  # type: ignore[return-value]


@register.simple_tag
def status(tone: str, text: Any) -> SafeString:
    """A state by shape and colour; `tone` is a key of SHAPES."""
    return format_html(
        '<span class="pd-status pd-status-{}"><span aria-hidden="true">{}</span> {}</span>',
        tone,
        SHAPES.get(tone, "○"),
        text,
    )


VERBS = {
    "added": gettext_lazy("Added"),
    "created": gettext_lazy("Added"),
    "changed": gettext_lazy("Changed"),
    "deleted": gettext_lazy("Deleted"),
}
CHANGE_KEYS = {
    "fields": gettext_lazy("changed fields"),
    "roles": gettext_lazy("roles"),
    "value": gettext_lazy("value"),
    "kind": gettext_lazy("kind"),
    "bad": gettext_lazy("faults"),
    "due": gettext_lazy("due"),
    "duplicate": gettext_lazy("joined record"),
    "entry": gettext_lazy("entry"),
    "error": gettext_lazy("error"),
    "held_reason": gettext_lazy("held because of"),
    "identities": gettext_lazy("identities"),
    "purpose": gettext_lazy("purpose"),
    "source": gettext_lazy("source"),
    "staff": gettext_lazy("staff member"),
    "tries": gettext_lazy("tries"),
    "why": gettext_lazy("reason"),
}

JOB_TONES = {
    "queued": "idle",
    "running": "part",
    "done": "good",
    "failed": "bad",
    "cancelled": "idle",
}


@register.filter
def job_tone(state: str) -> str:
    return JOB_TONES.get(state, "unknown")


@register.filter
def duration(seconds: float) -> str:
    """2:41, or 1:02:41."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@register.filter
def audit_action(action: str) -> str:
    """`crm.member.revealed` in words; an action nobody named stays readable."""
    if action in audit_labels:
        return str(audit_labels[action])
    verb = action.rpartition(".")[2]
    return str(VERBS[verb]) if verb in VERBS else verb.replace("_", " ")


@register.filter
def audit_target(entry: Any) -> str:
    """The kind of row in words, and how people know the row."""
    model = _model(entry)
    kind = str(model._meta.verbose_name) if model else entry.target_type
    return f"{kind} {entry.target_label or '#' + entry.target_id}"


@register.filter
def audit_change(entry: Any) -> str:
    """Ids and masked values before and after, on one line."""
    keys = [*entry.before, *(key for key in entry.after if key not in entry.before)]
    parts = []
    for key in keys:
        old, new = entry.before.get(key), entry.after.get(key)
        name = _field_name(entry, key)
        if key in entry.before and key in entry.after:
            if old != new:
                was, now = _value(entry, key, old), _value(entry, key, new)
                parts.append(_named(name, f"{was} → {now}"))
        else:
            value = new if key in entry.after else old
            parts.append(_named(name, str(_value(entry, key, value))))
    return "; ".join(parts)


def _named(name: Any, what: str) -> str:
    return _("%(name)s: %(what)s") % {"name": name, "what": what}


def _model(entry: Any) -> Any:
    try:
        return apps.get_model(entry.target_type)
    except (LookupError, ValueError):
        return None


def _choices(entry: Any, key: str) -> dict[str, Any]:
    try:
        return dict(_model(entry)._meta.get_field(key).flatchoices)
    except (AttributeError, FieldDoesNotExist):
        return {}  # a key of its own, not a field


def _field_name(entry: Any, key: str) -> str:
    if key in CHANGE_KEYS:
        return str(CHANGE_KEYS[key])
    try:
        return str(_model(entry)._meta.get_field(key).verbose_name)
    except (AttributeError, FieldDoesNotExist):
        return key.replace("_", " ")


def _value(entry: Any, key: str, value: Any) -> str:
    """The value in words where the key, or the field of that name, has them."""
    if isinstance(value, list):
        return ", ".join(_value(entry, key, item) for item in value)
    if value is None:
        return "–"
    known = (audit_values.get(key) or _choices(entry, key)).get(str(value))
    if known is None and key == "fields":
        return _field_name(entry, str(value))
    return str(known) if known is not None else str(value)
