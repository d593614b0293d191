"""Who must not be written to, asked in the transaction of the intent to send."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from crm import permission
from crm.identities import digest, find_member, kind_for
from crm.models import Identity, Member, Tombstone
from crm.models.consents import Channel
from wechat.models import OutboundMessage
from wechat.registry import Veto, for_many, may_send

# Answers to what somebody just did or asked; everything else is marketing.
ANSWERS = ("service.", "content.", "crm.")
CHANNELS: dict[str, str] = {
    OutboundMessage.Channel.MP_CUSTOM: Channel.CUSTOM,
    OutboundMessage.Channel.WECOM_WELCOME: Channel.WECOM,
}
WORDS = {
    "opted_out": _("The member opted out."),
    "complaint": _("The member has complained: marketing is frozen."),
    "channel_off": _("The member wants no marketing through this channel."),
}


@may_send
def veto(message: OutboundMessage) -> Veto | None:
    """Why the message must not go: purged, opted out, frozen, channel off; None: it
    may.
    """
    account = message.app.account
    member = find_member(account, message.recipient)
    if member is None:
        key = digest(kind_for(account), account.pk, message.recipient)
        if Tombstone.objects.filter(
            controller_id=account.org_unit.controller_id, digest=key
        ).exists():
            return Veto("purged", _("The person's data was purged."))
        return None
    if message.purpose.startswith(ANSWERS):
        return None
    return _words(permission.refusal(member, _channel(message)))


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
        ).values_list("value", "member_id")
    )
    marketing = [each for each in messages if not each.purpose.startswith(ANSWERS)]
    refusals = _refusals(marketing, known)
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
        elif veto := refusals.get(message.pk):
            refused[message.pk] = veto
    return refused


def _refusals(
    messages: list[OutboundMessage], members: dict[str, int]
) -> dict[int, Veto]:
    """Whom marketing must not reach: hardly anybody, so only they are read whole."""
    by_channel: dict[str, list[OutboundMessage]] = {}
    for message in messages:
        by_channel.setdefault(_channel(message), []).append(message)
    found: dict[int, Veto] = {}
    for channel, rows in by_channel.items():
        meant = {members[each.recipient] for each in rows if each.recipient in members}
        refusing = Member.objects.filter(
            permission.refusing(channel), pk__in=meant
        ).in_bulk()
        for message in rows:
            member = refusing.get(members.get(message.recipient, 0))
            veto = member and _words(permission.refusal(member, channel))
            if veto:
                found[message.pk] = veto
    return found


def _channel(message: OutboundMessage) -> str:
    return CHANNELS.get(message.channel, "")


def _words(code: str) -> Veto | None:
    return Veto(code, WORDS[code]) if code else None
