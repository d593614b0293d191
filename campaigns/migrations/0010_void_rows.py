from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0009_touch_topic"),
    ]

    operations = [
        migrations.AddField(
            model_name="touch",
            name="clearing_since",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="touch",
            index=models.Index(
                condition=models.Q(("clearing_since__isnull", False)),
                fields=["clearing_since"],
                name="campaigns_touch_clearing",
            ),
        ),
        migrations.AddConstraint(
            model_name="touch",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("clearing_since", None),
                    models.Q(
                        ("snapshot_at", None),
                        ("state__in", ["draft", "cancelled"]),
                    ),
                    _connector="OR",
                ),
                name="campaigns_touch_void_rows_unsent",
            ),
        ),
    ]
