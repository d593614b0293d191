from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("service", "0005_ratings")]

    operations = [
        migrations.AddField(
            model_name="conversation",
            name="rating_asked_at",
            field=models.DateTimeField(
                blank=True, null=True, verbose_name="asked for a rating at"
            ),
        ),
        AddIndexConcurrently(
            model_name="conversation",
            index=models.Index(
                condition=models.Q(("rating_asked_at__isnull", False)),
                fields=["rating_asked_at"],
                name="service_conversation_asked",
            ),
        ),
    ]
