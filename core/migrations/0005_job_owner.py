from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("core", "0004_health_and_key_permissions")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="owner",
            field=models.CharField(blank=True, editable=False, max_length=100),
        ),
    ]
