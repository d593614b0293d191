from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("service", "0003_misses_and_joined_conversations")]

    operations = [
        migrations.AddField(
            model_name="queue",
            name="is_after_sales",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text=(
                    "Whoever has a conversation here is tagged as in after-sales."
                ),
                verbose_name="after-sales",
            ),
        ),
    ]
