"""Who must not be written to, asked in the transaction of the intent to send."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from crm.identities import digest, find_member, kind_for
from crm.models import Tombstone
from wechat.models import OutboundMessage
from wechat.registry import Veto, may_send

# Answers to what somebody just did or asked; everything else is marketing.
ANSWERS = ("service.", "content.", "crm.")


@may_send
def veto(message: OutboundMessage) -> Veto | None:
    account = message.app.account
    member = find_member(account, message.recipient)
    if member is None:
        key = digest(kind_for(account), account.pk, message.recipient)
        if Tombstone.objects.filter(
            controller_id=account.org_unit.controller_id, digest=key
        ).exists():
            return Veto("purged", _("The person's data was purged."))
        return None
    if member.opted_out_at and not message.purpose.startswith(ANSWERS):
        return Veto("opted_out", _("The member opted out."))
    return None
