import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("crm", "0025_rules_say_where_from")]

    operations = [
        migrations.CreateModel(
            name="Coupon",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True,
                        primary_key=True,
                        serialize=False,
                        verbose_name="ID",
                    ),
                ),
                ("shop", models.CharField(max_length=40, verbose_name="shop")),
                (
                    "code",
                    models.CharField(max_length=64, verbose_name="coupon number"),
                ),
                (
                    "buyer",
                    models.CharField(blank=True, max_length=64, verbose_name="buyer"),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("held", "Not used yet"),
                            ("used", "Used"),
                            ("void", "Void"),
                        ],
                        default="held",
                        max_length=4,
                        verbose_name="state",
                    ),
                ),
                ("expires_at", models.DateTimeField(verbose_name="expires at")),
                (
                    "recorded_at",
                    models.DateTimeField(
                        default=django.utils.timezone.now, verbose_name="recorded at"
                    ),
                ),
                (
                    "controller",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="staff.orgunit",
                        verbose_name="data controller",
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="coupons",
                        to="crm.member",
                        verbose_name="member",
                    ),
                ),
            ],
            options={
                "verbose_name": "coupon",
                "verbose_name_plural": "coupons",
                "ordering": ["-id"],
                "default_permissions": (),
                "indexes": [
                    models.Index(
                        fields=["member", "expires_at"], name="crm_coupon_member"
                    ),
                    models.Index(
                        condition=models.Q(
                            ("member__isnull", True),
                            models.Q(("buyer", ""), _negated=True),
                        ),
                        fields=["controller", "buyer"],
                        name="crm_coupon_unbound",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("controller", "shop", "code"), name="crm_coupon_once"
                    )
                ],
            },
        ),
    ]
