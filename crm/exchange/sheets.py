"""Files on their way out: written row by row, no cell of them a formula, watermarked."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

# OWASP "CSV injection": what a spreadsheet takes for a formula, also full-width.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_KEPT_AS_TEXT = re.compile(r'="((?:[^"]|"")*)"|\'(\d+)')
# What XML 1.0 has no place for.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# A sheet of Excel ends here; two rows are ours.
MAX_SHEET_ROWS = 1_048_576 - 2


@dataclass(frozen=True)
class Watermark:
    """Who took the file, when, why and how much: on the last line and as metadata."""

    number: str
    who: str
    at: datetime
    reason: str
    rows: int

    def words(self) -> str:
        return _(
            "Export %(number)s · %(who)s · %(at)s · %(rows)d rows · %(reason)s · "
            "internal, do not pass on"
        ) % {
            "number": self.number,
            "who": self.who,
            "at": timezone.localtime(self.at).strftime("%Y-%m-%d %H:%M"),
            "rows": self.rows,
            "reason": self.reason,
        }


def safe(value: Any) -> Any:
    """A cell that no spreadsheet computes; numbers stay numbers."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, (int, Decimal)):
        return value
    if isinstance(value, datetime):
        return timezone.localtime(value).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, date):
        return value.isoformat()
    text = _UNWRITABLE.sub("", str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text


def unescaped(text: str) -> str:
    """A cell as it was before `safe`, or a shop's system, kept Excel from changing it.

    Shops write long numbers as ="123" or '123.
    """
    if text[:1] not in "='":
        return text
    kept = _KEPT_AS_TEXT.fullmatch(text)
    if kept is not None:
        return (kept[1] or kept[2] or "").replace('""', '"').strip()
    is_ours = text[:1] == "'" and text[1:2] and text[1:2] in _FORMULA
    return text[1:] if is_ours else text


def write_csv(
    path: Path, headers: Iterable[str], rows: Iterable[Iterable[Any]], mark: Watermark
) -> None:
    """UTF-8 with a BOM, so that Excel reads the Chinese; the watermark at the end."""
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([safe(header) for header in headers])
        writer.writerows(_safe_rows(rows))
        writer.writerow([safe(mark.words())])


def write_xlsx(
    path: Path, headers: Iterable[str], rows: Iterable[Iterable[Any]], mark: Watermark
) -> None:
    """A sheet of rows and one that says where it comes from; memory stays bounded."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    book.properties.creator = mark.who
    book.properties.title = mark.number
    book.properties.description = mark.words()
    sheet = book.create_sheet(_("Data"))
    sheet.oddFooter.center.text = mark.words().replace("&", "&&")[:200]
    sheet.freeze_panes = "A2"
    sheet.append([safe(header) for header in headers])
    for row in _safe_rows(rows):
        sheet.append(row)
    sheet.append([safe(mark.words())])
    book.create_sheet(_("About this file")).append([safe(mark.words())])
    book.save(path)


def _safe_rows(rows: Iterable[Iterable[Any]]) -> Iterator[list[Any]]:
    for row in rows:
        yield [safe(value) for value in row]
