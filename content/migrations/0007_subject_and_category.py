from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("content", "0006_longer_summaries")]

    operations = [
        migrations.AddField(
            model_name="item",
            name="subject",
            field=models.CharField(
                blank=True,
                choices=[
                    ("new", "New product"),
                    ("how_to", "How-to"),
                    ("origin", "Origin story"),
                ],
                db_default="",
                default="",
                max_length=8,
                verbose_name="content subject",
            ),
        ),
        migrations.AddField(
            model_name="item",
            name="category",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                max_length=40,
                verbose_name="product category",
            ),
        ),
    ]
