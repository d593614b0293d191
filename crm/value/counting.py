"""How many members stand on each rung, by org unit: what pages show instead of counting."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from crm.models import ValueCount
from crm.value.people import ADVOCATE, tag_ids

# The rungs of loyalty exclude each other, so that their counts add up to everybody.
_COUNT = """
INSERT INTO crm_valuecount
    (controller_id, org_unit_id, ladder, rung, members, counted_at)
SELECT member.controller_id, member.org_unit_id, rungs.ladder, rungs.rung, count(*),
    %(now)s
FROM crm_member member
LEFT JOIN crm_membervalue value ON value.member_id = member.id
LEFT JOIN crm_tagset held ON held.member_id = member.id
CROSS JOIN LATERAL (VALUES
    ('stage', member.stage), ('rfm', member.rfm), ('trust', member.trust),
    ('loyalty', CASE
        WHEN coalesce(value.orders_total, 0) >= 2
            AND coalesce(held.tag_ids && %(advocate)s::bigint[], false) THEN 'advocate'
        WHEN value.orders_total >= 2 THEN 'repeat'
        WHEN value.orders_total = 1 THEN 'buyer'
        WHEN member.phone_hash <> '' THEN 'member' ELSE 'follower' END)
) AS rungs (ladder, rung)
WHERE member.merged_into_id IS NULL AND member.purged_at IS NULL
    AND member.controller_id = %(controller)s
GROUP BY 1, 2, 3, 4
"""


@transaction.atomic
def count(controller_id: int, *, now: datetime) -> None:
    """Count one data controller's members anew; pages see the old counts until then."""
    ValueCount.objects.filter(controller=controller_id).delete()
    params: dict[str, Any] = {
        "controller": controller_id,
        "now": now,
        "advocate": tag_ids(ADVOCATE),
    }
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, params)
