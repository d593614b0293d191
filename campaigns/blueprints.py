"""The built-in campaign templates, read from campaigns/data into rows.

The plans are those usual in the trade: big sale (618, 11.11), product launch, store
anniversary. Offsets are days from the live date T0: "T-30…T-15", "T0–T+1", "T+14/T+30".
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from campaigns.models import CampaignTemplate, TemplateTask
from campaigns.models.plan import PhaseKind

FOLDER = Path(__file__).parent / "data"
_DAY = re.compile(r"T(?:([+-])(\d{1,3})|0)")
_OFFSET = re.compile(rf"({_DAY.pattern})(?:[…–/]({_DAY.pattern}))?")

TASK_FIELDS = (
    *("title", "start_day", "end_day", "times", "owner_role", "channel"),
    *("audience_note", "materials", "proof_wanted"),
)


def parse_offset(text: str) -> tuple[int, int]:
    """First and last day from T0: "T-9…T-4" is (-9, -4), "T0" is (0, 0).

    Raises ValueError for anything else, and when the end is before the start.
    """
    found = _OFFSET.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"No offset of a campaign: {text!r}")
    days = [_day(part) for part in (found[1], found[4]) if part]
    if days[-1] < days[0]:
        raise ValueError(f"Ends before it starts: {text!r}")
    return days[0], days[-1]


def _day(text: str) -> int:
    return int(text[1:])


def in_order(phases: Mapping[str, list[int]]) -> list[tuple[str, tuple[int, int]]]:
    """(kind, (first day, last day)) from the earliest on; JSON keeps no order."""
    found = [(kind, (days[0], days[1])) for kind, days in phases.items()]
    return sorted(found, key=lambda each: each[1])


def phase_of(phases: Mapping[str, list[int]], day: int) -> str:
    """The phase a day belongs to; what comes earlier is prepared in the warm-up."""
    for kind in (PhaseKind.WARM_UP, PhaseKind.LIVE):
        if kind in phases and day <= phases[kind][1]:
            return str(kind)
    return str(PhaseKind.RECAP)


@transaction.atomic
def load_builtin() -> None:
    """Make the built-in templates what the files say; `is_active` is the operators'."""
    tasks = _read_tasks()
    for head in json.loads((FOLDER / "campaign_templates.json").read_text("utf-8")):
        template, _created = CampaignTemplate.objects.update_or_create(
            code=head["code"],
            defaults={
                "name": head["name"],
                "summary": head["summary"],
                "phases": head["phases"],
                "gates": _points(head["gates"]),
            },
        )
        _write_tasks(template, tasks[template.code])


def _points(gates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry per point of the checklists, in their order."""
    return [
        {
            "code": gate["code"],
            "phase": gate["phase"],
            "due_day": gate["due_day"],
            "title": point,
        }
        for gate in gates
        for point in gate["points"]
    ]


def _write_tasks(
    template: CampaignTemplate, described: dict[int, dict[str, Any]]
) -> None:
    template.tasks.exclude(step__in=described).delete()
    TemplateTask.objects.bulk_create(
        [
            TemplateTask(template=template, step=step, **fields)
            for step, fields in described.items()
        ],
        update_conflicts=True,
        unique_fields=["template", "step"],
        update_fields=list(TASK_FIELDS),
    )


def _read_tasks() -> dict[str, dict[int, dict[str, Any]]]:
    """{template code: {step: fields of a task}}."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    path = FOLDER / "campaign_templates.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            start_day, end_day = parse_offset(row["offset"])
            found.setdefault(row["template"], {})[int(row["step"])] = {
                "title": row["task"],
                "start_day": start_day,
                "end_day": end_day,
                "times": row["time"],
                "owner_role": row["owner"],
                "channel": row["channel"],
                "audience_note": row["audience"],
                "materials": row["materials"],
                "proof_wanted": row["proof"],
            }
    return found
