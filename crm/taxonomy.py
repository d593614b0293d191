"""The built-in tag groups and tags, written as rows that people may rename or archive.

crm/data/tag_taxonomy.csv: 13 groups, 81 tags of everyday private-domain work.
"""

from __future__ import annotations

import csv
from pathlib import Path

from core.registry import builtin_data
from crm.models import Tag, TagGroup

SOURCE = Path(__file__).parent / "data" / "tag_taxonomy.csv"


def load_builtin() -> None:
    """Add the groups and tags that are missing; what stands, people may have changed."""
    with SOURCE.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    first_of_group = {row["group_code"]: row for row in reversed(rows)}
    codes = dict.fromkeys(row["group_code"] for row in rows)
    TagGroup.objects.bulk_create(
        [_group(first_of_group[code]) for code in codes], ignore_conflicts=True
    )
    shared = TagGroup.objects.filter(controller=None, code__in=codes)
    groups = {group.code: group for group in shared}
    known = set(
        Tag.objects.exclude(builtin_key="").values_list("builtin_key", flat=True)
    )
    Tag.objects.bulk_create(
        [
            Tag(
                group=groups[row["group_code"]],
                name=row["tag"],
                rule=row["rule"],
                is_suppressing=row["suppressing"] == "1",
                builtin_key=_key(row),
            )
            for row in rows
            if _key(row) not in known
        ],
        ignore_conflicts=True,
    )


def _group(row: dict[str, str]) -> TagGroup:
    return TagGroup(
        code=row["group_code"],
        name=row["group"],
        source=row["source"],
        is_exclusive=row["exclusive"] == "1",
        expires_after_days=int(row["expires_after_days"]) or None,
    )


def _key(row: dict[str, str]) -> str:
    return f"{row['group_code']}.{row['english']}"


def register() -> None:
    """Called once, in AppConfig.ready()."""
    builtin_data.append(load_builtin)
