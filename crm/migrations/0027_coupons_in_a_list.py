from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("crm", "0026_coupons")]
    operations = [
        AddIndexConcurrently(
            "coupon", models.Index(fields=["code"], name="crm_coupon_code")
        ),
        AddIndexConcurrently(
            "coupon",
            models.Index(fields=["controller", "-id"], name="crm_coupon_recent"),
        ),
    ]
