"""The built-in marketing days, written as rows that people may correct.

content/data/marketing_calendar.csv: public holidays follow the State Council's notice of
the year (https://www.gov.cn), solar terms and lunar days are computed, sale windows are
what is usual.
"""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

from content.models import MarketingDay

SOURCE = Path(__file__).parent / "data" / "marketing_calendar.csv"


def load_builtin() -> None:
    """Add the rows that are missing; what stands, people may have changed."""
    MarketingDay.objects.bulk_create(_read(), ignore_conflicts=True)


def _read() -> list[MarketingDay]:
    with SOURCE.open(encoding="utf-8", newline="") as lines:
        return [
            MarketingDay(
                name_zh=row["name_zh"],
                name_en=row["name_en"],
                kind=MarketingDay.Kind(row["kind"]),
                date=date.fromisoformat(row["date"]),
                end_date=date.fromisoformat(row["end_date"]),
                lead_days=int(row["lead_days"]),
                suggestion=row["suggestion"],
                note=row["note"],
                basis=row["basis"],
                builtin_key=f"{row['date']} {row['name_zh']}",
            )
            for row in csv.DictReader(lines)
        ]
