"""Who must not be written to, asked in the transaction of the intent to send."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from crm.identities import digest, find_member, kind_for
from crm.models import Identity, Tombstone
from wechat.models import OutboundMessage
from wechat.registry import Veto, for_many, may_send

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


@for_many(veto)
def vetoes(messages: list[OutboundMessage]) -> dict[int, Veto]:
    """As `veto`, in two questions for all of them."""
    account = messages[0].app.account
    kind, controller = kind_for(account), account.org_unit.controller_id
    known = dict(
        Identity.objects.filter(
            controller=controller,
            kind=kind,
            account=account,
            value__in={message.recipient for message in messages},
        ).values_list("value", "member__opted_out_at")
    )
    strangers = {
        digest(kind, account.pk, message.recipient): message.recipient
        for message in messages
        if message.recipient not in known
    }
    purged = {
        strangers[found]
        for found in Tombstone.objects.filter(
            controller=controller, digest__in=list(strangers)
        ).values_list("digest", flat=True)
        if strangers
    }
    refused: dict[int, Veto] = {}
    for message in messages:
        if message.recipient in purged:
            refused[message.pk] = Veto("purged", _("The person's data was purged."))
        elif known.get(message.recipient) and not message.purpose.startswith(ANSWERS):
            refused[message.pk] = Veto("opted_out", _("The member opted out."))
    return refused
