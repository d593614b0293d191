"""The ledger of yes and no: withdrawn and granted, and what stands now."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from core import audit
from crm import timeline
from crm.models import ConsentEntry, Member
from staff.models import Staff
from wechat.models import Account

MARKETING = "marketing"


def withdraw(
    member: Member,
    *,
    actor: Staff,
    at: datetime,
    key: str,
    source: str,
    account: Account | None = None,
    evidence: str = "",
    purpose: str = MARKETING,
) -> bool:
    """Write that the member wants no more of `purpose`; False if `key` was written.

    Args:
        at: when they said so, by the source's own time.
        key: names the source ("inbound:417"); writing it twice is one entry.
        source: how we know: "message", "staff", …
        evidence: their words, ≤ 200 characters.
    """
    return _write(
        member,
        ConsentEntry.Action.WITHDRAWN,
        actor=actor,
        at=at,
        key=key,
        source=source,
        account=account,
        evidence=evidence,
        purpose=purpose,
    )


def grant(
    member: Member,
    *,
    actor: Staff,
    at: datetime,
    key: str,
    source: str,
    account: Account | None = None,
    evidence: str = "",
    purpose: str = MARKETING,
) -> bool:
    """Write that the member agrees (again) to `purpose`; arguments as for `withdraw`."""
    return _write(
        member,
        ConsentEntry.Action.GRANTED,
        actor=actor,
        at=at,
        key=key,
        source=source,
        account=account,
        evidence=evidence,
        purpose=purpose,
    )


@transaction.atomic
def _write(
    member: Member,
    action: ConsentEntry.Action,
    *,
    actor: Staff,
    at: datetime,
    key: str,
    source: str,
    account: Account | None,
    evidence: str,
    purpose: str,
) -> bool:
    # The member's row orders two entries that come at once.
    locked = Member.objects.select_for_update(no_key=True).get(pk=member.pk)
    entry, is_new = ConsentEntry.objects.get_or_create(
        key=key,
        defaults={
            "member": locked,
            "purpose": purpose,
            "account": account,
            "action": action,
            "source": source,
            "evidence": evidence[:200],
            "at": at,
        },
    )
    if not is_new:
        return False
    if purpose == MARKETING:
        locked.opted_out_at = member.opted_out_at = opted_out_since(locked)
        locked.save(update_fields=["opted_out_at"])
    timeline.write(
        member=locked,
        kind=f"consent.{action}",
        at=at,
        key=f"consent:{entry.pk}",
        account=account,
        data={"purpose": purpose, "source": source},
    )
    audit.record(
        f"crm.consent.{action}",
        locked,
        actor=actor,
        after={"purpose": purpose, "source": source, "entry": entry.pk},
    )
    return True


def opted_out_since(member: Member) -> datetime | None:
    """When the newest entry on marketing withdrew it; None when it stands or is unset."""
    newest = member.consent_entries.filter(purpose=MARKETING).first()
    if newest is None or newest.action == ConsentEntry.Action.GRANTED:
        return None
    return newest.at
