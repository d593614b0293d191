from django.db import migrations, models


class Migration(migrations.Migration):
    # The sums read the ratings.
    dependencies = [
        ("reports", "0001_figures_by_day"),
        ("service", "0005_ratings"),
    ]

    operations = [
        migrations.AddField(
            model_name="memberday",
            name="rated",
            field=models.PositiveIntegerField(
                db_default=0, default=0, verbose_name="rated conversations"
            ),
        ),
        migrations.AddField(
            model_name="memberday",
            name="stars",
            field=models.PositiveIntegerField(
                db_default=0, default=0, verbose_name="sum of ratings"
            ),
        ),
        migrations.AlterField(
            model_name="dayfigure",
            name="code",
            field=models.CharField(
                choices=[
                    ("interactions", "interactions"),
                    ("resolved", "resolved conversations"),
                    ("rated", "rated conversations"),
                    ("stars", "sum of ratings"),
                    ("self_served", "self-service"),
                    ("followers", "followers"),
                ],
                max_length=12,
                verbose_name="figure",
            ),
        ),
    ]
