import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("crm", "0028_recency_by_fifths")]
    operations = [
        # First without a default: of the tags that stand nobody knows it.
        migrations.AddField(
            "tag",
            "created_at",
            models.DateTimeField("created at", editable=False, null=True),
        ),
        migrations.AlterField(
            "tag",
            "created_at",
            models.DateTimeField(
                "created at",
                default=django.utils.timezone.now,
                editable=False,
                null=True,
            ),
        ),
    ]
