from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

RECENT = ["-last_seen_at", "-id"]


def add(name: str, fields: list[str], condition: models.Q | None = None):
    return AddIndexConcurrently(
        "member", models.Index(fields=fields, condition=condition, name=name)
    )


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("crm", "0017_segments_fall_due")]
    operations = [
        add("crm_member_trust_recent", ["trust", *RECENT]),
        add("crm_member_unowned_recent", RECENT, models.Q(owner__isnull=True)),
        add("crm_member_lost_recent", RECENT, models.Q(is_reachable=False)),
        add("crm_member_out_recent", RECENT, models.Q(opted_out_at__isnull=False)),
        add("crm_member_frozen_recent", RECENT, models.Q(frozen_until__isnull=False)),
    ]
