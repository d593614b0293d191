"""After a merge was undone: what came in since follows the identity that returns.

Told by the account, where only one of the two has an identity there, else by the
callback the line came from, by the buyer of an order. What can't be told stays with the
kept record; a refusal that can't be told holds for both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction

from crm import consent, following
from crm.models import ConsentEntry, Event, Identity, Member, Merge, Order, Relation
from staff.models import Staff
from wechat.models import InboundEvent

if TYPE_CHECKING:
    from crm.journal import Undo

_INBOUND = "inbound:"


@dataclass
class Returning:
    """The identities that go back to the merged record."""

    # Accounts where the kept record has no identity of its own.
    alone: set[int] = field(default_factory=set)
    addresses: set[tuple[int, str]] = field(default_factory=set)
    buyers: set[str] = field(default_factory=set)

    @property
    def values(self) -> set[str]:
        return {value for _account, value in self.addresses}

    def owns(self, account_id: int | None, value: str) -> bool:
        return (account_id, value) in self.addresses


def identities_of(undo: Undo) -> Returning:
    """Who returns; before or after the rows are back."""
    merge, found = undo.merge, Returning()
    theirs = set(undo.moved(Identity))
    kept_accounts = set()
    pair = Identity.objects.filter(member__in=[merge.kept_id, merge.gone_id])
    for identity in pair:
        if identity.kind == Identity.Kind.BUYER and identity.pk in theirs:
            found.buyers.add(identity.value)
        if identity.account_id is None:
            continue
        if identity.pk in theirs:
            found.addresses.add((identity.account_id, identity.value))
        else:
            kept_accounts.add(identity.account_id)
    found.alone = {account for account, _value in found.addresses} - kept_accounts
    return found


def follow(merge: Merge, undo: Undo, *, actor: Staff) -> None:
    """Hand over what came in since the merge; both members are locked."""
    kept, gone = merge.kept, merge.gone
    returning = identities_of(undo)
    lines = _follow_events(merge, returning)
    said = _follow_consent(merge, returning, actor=actor)
    orders = Order.objects.filter(member=kept, buyer__in=returning.buyers)
    orders.filter(recorded_at__gt=merge.at).update(member=gone)
    _follow_relations(merge, returning)
    if not lines and not said:
        return
    for pk in (kept.pk, gone.pk):
        member = Member.objects.get(pk=pk)
        acts = Event.objects.filter(member=member, key__startswith=_INBOUND)
        newest = acts.filter(recorded_at__gt=merge.at).first()
        if newest is not None and newest.at > member.last_seen_at:
            member.last_seen_at = newest.at.replace(second=0, microsecond=0)
            member.save(update_fields=["last_seen_at"])
        consent.refresh(member)
        following.refresh_reach(member)


def _follow_events(merge: Merge, returning: Returning) -> bool:
    """Whether any callback came since."""
    since = Event.objects.filter(member=merge.kept, recorded_at__gt=merge.at)
    rows = list(since.exclude(account=None).values_list("pk", "account_id", "key"))
    callbacks = {
        int(key.removeprefix(_INBOUND))
        for _pk, _account, key in rows
        if key.startswith(_INBOUND) and key.removeprefix(_INBOUND).isdigit()
    }
    subjects = dict(
        InboundEvent.objects.filter(pk__in=callbacks).values_list("pk", "subject")
    )
    theirs = []
    for pk, account_id, key in rows:
        number = key.removeprefix(_INBOUND)
        subject = subjects.get(int(number)) if number.isdigit() else None
        if account_id in returning.alone or (
            subject and returning.owns(account_id, subject)
        ):
            theirs.append(pk)
    since.filter(pk__in=theirs).order_by().update(member=merge.gone)
    return bool(callbacks)


def _follow_consent(merge: Merge, returning: Returning, *, actor: Staff) -> bool:
    said = False
    for entry in ConsentEntry.objects.filter(member=merge.kept, at__gt=merge.at):
        said = True
        if entry.account_id in returning.alone:
            entry.member = merge.gone
            entry.save(update_fields=["member"])
        elif entry.action == ConsentEntry.Action.WITHDRAWN:
            # Who of the two refused can't be told: it counts for both.
            consent.withdraw(
                merge.gone,
                actor=actor,
                at=entry.at,
                key=f"unmerge:{merge.pk}:{entry.pk}",
                source=entry.source,
                account=entry.account,
                evidence=entry.evidence,
                purpose=entry.purpose,
                channel=entry.channel,
                topic=entry.topic,
                text=entry.text,
            )
    return said


def _follow_relations(merge: Merge, returning: Returning) -> None:
    rows = Relation.objects.filter(
        member=merge.kept,
        colleague__account__in=returning.alone,
        added_at__gt=merge.at,
    )
    for relation in rows:
        try:
            with transaction.atomic():
                Relation.objects.filter(pk=relation.pk).update(member=merge.gone)
        except IntegrityError:
            continue  # they know that colleague already
