from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("core", "0003_audit_is_append_only")]

    operations = [
        migrations.AlterModelOptions(
            name="instance",
            options={
                "permissions": [
                    ("view_health", "Can see the health of the system"),
                    ("rotate_field_keys", "Can rotate the keys of encrypted fields"),
                    ("release_sending", "Can release held sending"),
                ],
                "verbose_name": "instance",
                "verbose_name_plural": "instances",
            },
        ),
    ]
