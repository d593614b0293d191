import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crm", "0022_segment_members_by_the_million"),
        ("staff", "0005_where_stores_are"),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="presale",
            field=models.CharField(
                blank=True,
                choices=[
                    ("reserved", "Reserved, nothing paid"),
                    ("deposit", "Deposit paid"),
                ],
                db_default="",
                default="",
                max_length=8,
                verbose_name="presale",
            ),
        ),
        migrations.AddField(
            model_name="order",
            name="after_sales",
            field=models.CharField(
                blank=True,
                choices=[
                    ("open", "After-sales case open"),
                    ("closed", "After-sales case closed"),
                ],
                db_default="",
                default="",
                max_length=6,
                verbose_name="after-sales",
            ),
        ),
        *(
            migrations.AddField(
                model_name=model,
                name=name,
                field=models.TimeField(blank=True, null=True, verbose_name=label),
            )
            for model in ("consententry", "preference")
            for name, label in (
                ("quiet_from", "do not disturb from"),
                ("quiet_until", "do not disturb until"),
            )
        ),
        *(
            migrations.AlterField(
                model_name=model,
                name="purpose",
                field=models.CharField(
                    choices=[
                        ("marketing", "marketing messages"),
                        ("profile", "profile data"),
                        ("topic", "messages on a topic"),
                        ("frequency", "how often"),
                        ("quiet_hours", "hours of rest"),
                        ("personalisation", "personalised choice"),
                    ],
                    max_length=30,
                    verbose_name="purpose",
                    **more,
                ),
            )
            for model, more in (
                ("consententry", {"default": "marketing"}),
                ("consenttext", {}),
            )
        ),
        migrations.CreateModel(
            name="Nearby",
            fields=[
                (
                    "member",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="nearby",
                        serialize=False,
                        to="crm.member",
                        verbose_name="member",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                (
                    "store",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="staff.orgunit",
                        verbose_name="store",
                    ),
                ),
            ],
            options={
                "verbose_name": "nearby store",
                "verbose_name_plural": "nearby stores",
                "default_permissions": (),
            },
        ),
    ]
