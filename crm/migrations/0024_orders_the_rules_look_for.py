from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("crm", "0023_sources_of_the_tag_rules")]
    operations = [
        AddIndexConcurrently(
            "order",
            models.Index(
                fields=["member"],
                condition=~models.Q(presale=""),
                name="crm_order_presale",
            ),
        ),
        AddIndexConcurrently(
            "order",
            models.Index(
                fields=["member"],
                condition=~models.Q(after_sales=""),
                name="crm_order_after_sales",
            ),
        ),
    ]
