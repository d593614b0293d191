"""R is scored by fifths of the category, as M is; whoever set numbers keeps them."""

from __future__ import annotations

from datetime import date
from typing import Any

import django.contrib.postgres.fields
from django.db import migrations, models

BUILTIN = {"rfm.r5": "0.5", "rfm.r4": "1", "rfm.r3": "2", "rfm.r2": "4"}


def _let_fifths_decide(apps: Any, _editor: Any) -> None:
    rows = apps.get_model("crm", "ScoreWeight").objects.filter(
        controller=None, category=None, effective_from=date(2020, 1, 1)
    )
    for key, value in BUILTIN.items():
        rows.filter(key=key, value=value).update(value=0)


class Migration(migrations.Migration):
    dependencies = [("crm", "0027_coupons_in_a_list")]
    operations = [
        migrations.AlterField(
            "valuecut",
            "r_days",
            django.contrib.postgres.fields.ArrayField(
                base_field=models.DecimalField(
                    decimal_places=2, max_digits=10, null=True
                ),
                default=list,
                size=None,
            ),
        ),
        migrations.RunPython(_let_fifths_decide, migrations.RunPython.noop),
    ]
