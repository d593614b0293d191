"""Members of the audience benchmark, made once by SQL and kept in the copy's database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

# Shares of the base, as a brand of some years has them.
PEOPLE = """
INSERT INTO crm_member (controller_id, display_name, is_placeholder_name, remark,
    name_tokens, stage, real_name, phone, phone_hash, phone_tail_hash, is_reachable,
    opted_out_at, first_seen_at, last_seen_at, frozen_until, no_personalisation,
    rfm, trust, gender, city)
SELECT %(controller)s, '会员' || n, false, '', ARRAY['会员'],
    (ARRAY['prospect', 'new', 'growing', 'loyal', 'dormant', 'churned'])[1 + n %% 6],
    '', '',
    CASE WHEN n %% 10 < 4 THEN encode(sha256((CASE WHEN n %% 100 = 12 THEN n - 1 ELSE n END
        )::text::bytea), 'hex') ELSE '' END,
    '', n %% 20 <> 7, CASE WHEN n %% 33 = 5 THEN now() - interval '9 days' END,
    now() - interval '200 days' - n * interval '1 second',
    now() - (n %% 120) * interval '1 day',
    CASE WHEN n %% 500 = 9 THEN now() + interval '20 days' END, n %% 100 = 31,
    '', 'T0', '', ''
FROM generate_series(%(first)s, %(last)s) n
"""
ADDRESSES = """
INSERT INTO crm_identity (member_id, controller_id, kind, account_id, value,
    is_following, followed_at, scene, profile_tries, created_at)
SELECT id, %(controller)s, 'openid', %(account)s,
    'oBench' || lpad(id::text, 22, '0'), id %% 20 <> 7, now() - interval '100 days', '',
    0, now()
FROM crm_member WHERE id %% 50 <> 13 AND controller_id = %(controller)s
ORDER BY id
"""
TAGS = """
INSERT INTO crm_membertag (member_id, tag_id, source, set_by_id, set_at)
SELECT member.id, tag.id, 'manual', %(staff)s, now()
FROM crm_member member
JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM crm_tag) tag
    ON (member.id + tag.place * 7919) %% 30 = 0
WHERE member.controller_id = %(controller)s AND tag.place <= 60
"""
TESTERS = """
INSERT INTO crm_membertag (member_id, tag_id, source, set_by_id, set_at)
SELECT member.id, (SELECT min(id) FROM crm_tag WHERE is_suppressing), 'manual',
    %(staff)s, now()
FROM crm_member member WHERE member.id %% 200 = 3
    AND member.controller_id = %(controller)s
ON CONFLICT DO NOTHING
"""
CONSENTS = """
INSERT INTO crm_consententry (member_id, purpose, account_id, action, source, evidence,
    key, at)
SELECT id, 'marketing', %(account)s, CASE WHEN id %% 40 = 9 THEN 'withdrawn'
    ELSE 'granted' END, 'message', '', 'bench:' || id, now() - interval '50 days'
FROM crm_member WHERE id %% 4 = 1 AND controller_id = %(controller)s
"""
# Who ever chose something: few, and of these some refuse what is sent.
CHOICES = """
INSERT INTO crm_preference (member_id, channels_off, topics_off, max_per_week,
    changed_at, link_serial)
SELECT id, CASE WHEN id %% 3 = 0 THEN ARRAY['mass'] ELSE ARRAY[]::varchar[] END,
    ARRAY[]::bigint[], CASE WHEN id %% 3 = 1 THEN 1 END, now(), 0
FROM crm_member WHERE id %% 25 = 4 AND controller_id = %(controller)s
"""
# Each of the earlier touches of the month reached tenths of the base.
CONTACTS = """
INSERT INTO campaigns_recipient (touch_id, member_id, address, state, reason,
    contacted_at)
SELECT %(touch)s, member_id, value, 'accepted', '', %(at)s
FROM crm_identity
WHERE account_id = %(account)s AND is_following
    AND member_id %% 10 BETWEEN %(least)s AND %(most)s
ORDER BY member_id
"""
EARLIER = (
    *(("mass", 0, most) for most in (8, 4, 2, 0, 0)),
    *(("custom", 6, 6) for _number in range(4)),
)
CHUNK = 100_000


def prepare(count: int) -> Any:
    """`count` members and the touch to snapshot; what stands from an earlier run stays."""
    from campaigns.models import Touch
    from crm.models import Member

    known = Touch.objects.filter(name="bench").first()
    if known is not None and Member.objects.count() == count:
        return _due(known)
    _empty()
    values = _world()
    for first in range(1, count + 1, CHUNK):
        last = min(first + CHUNK - 1, count)
        _run(PEOPLE, values | {"first": first, "last": last})
        print(f"members: {last:,}", flush=True)
    for text in (ADDRESSES, TAGS, TESTERS, CONSENTS, CHOICES):
        _run(text, values)
    touch = _touch("bench", "draft")
    _contact(touch, values)
    _run("VACUUM ANALYZE", {})
    return _due(touch)


def _due(touch: Any) -> Any:
    """It goes out at ten tomorrow, whenever the data was made."""
    from tests.campaigns.audiences import morning

    touch.scheduled_at = morning()
    touch.save(update_fields=["scheduled_at"])
    return touch


def _contact(touch: Any, values: dict[str, Any]) -> None:
    from django.utils import timezone

    for turn, (channel, least, most) in enumerate(EARLIER):
        at = timezone.now() - timedelta(days=turn if channel == "mass" else 0)
        times = {"started_at": at, "finished_at": at}
        earlier = _touch(f"earlier {turn}", "done", channel=channel, **times)
        told = {"touch": earlier.pk, "at": at, "least": least, "most": most}
        _run(CONTACTS, values | told)
        print(f"contacts of the touch {turn + 1} before", flush=True)


def _empty() -> None:
    from django.core.management import call_command

    call_command("flush", interactive=False, verbosity=0)
    for command in ("sync_roles", "sync_builtin_data"):
        call_command(command, verbosity=0)


def _world() -> dict[str, Any]:
    from staff.models import Staff
    from tests.campaigns.returning import build_side

    side = build_side("bench")
    Staff.objects.filter(pk=side.owner.pk).update(username="bench")
    return {
        "controller": side.unit.pk,
        "account": side.account.pk,
        "staff": side.owner.pk,
    }


def _touch(name: str, state: str, channel: str = "mass", **fields: Any) -> Any:
    from campaigns.models import Phase, Touch
    from staff.models import Staff
    from wechat.models import Account

    phase = Phase.objects.get()
    return Touch.objects.create(
        campaign=phase.campaign,
        phase=phase,
        name=name,
        state=state,
        channel=channel,
        account=Account.objects.get(),
        created_by=Staff.objects.get(username="bench"),
        **fields,
    )


def _run(text: str, values: dict[str, Any]) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(text, values or None)
