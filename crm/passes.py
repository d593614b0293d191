"""What a pass over WeCom's directory tells: friendships that callbacks missed.

A pass adds and ends friendships; who somebody is beyond the name stays with
crm.profiles, which is asked for everybody new.
"""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from crm import following, identities, profiles
from crm.models import Relation
from crm.naming import printable
from wechat import registry
from wechat.models import Account, Colleague, SyncRun
from wechat.registry import Contact

OPEN = (Relation.State.ACTIVE, Relation.State.PENDING)


def take(run: SyncRun, contacts: list[Contact]) -> None:
    """Bring the friendships of one page in line; safe to repeat."""
    for contact in contacts:
        external_userid = str(contact.person.get("external_userid") or "")
        if external_userid and contact.userid:
            _take_one(contact, external_userid[:64], at=run.started_at)


def _take_one(contact: Contact, external_userid: str, *, at: datetime) -> None:
    identity = identities.resolve(contact.account, external_userid, at=at)
    if identity is None:  # purged after the pass began
        return
    profiles.name_member(identity.member, contact.person.get("name"), source=identity)
    if contact.person.get("unionid"):
        profiles.link_unionid(identity, str(contact.person["unionid"])[:64])
        identity.refresh_from_db()
    colleague, _ = Colleague.objects.get_or_create(
        account=contact.account, userid=contact.userid[:64]
    )
    relation, is_new = Relation.objects.get_or_create(
        member=identity.member, colleague=colleague
    )
    if relation.ended_at is not None and relation.ended_at > at:
        return  # a callback that came during the pass knows better
    created = contact.follow.get("createtime")
    if is_new and isinstance(created, int):
        zone = timezone.get_default_timezone()
        relation.added_at = datetime.fromtimestamp(created, tz=zone)
    if relation.state not in OPEN:
        relation.state, relation.ended_at = Relation.State.ACTIVE, None
    relation.remark = printable(contact.follow.get("remark"))
    relation.save()
    following.refresh_friendship(identity)


def end_missing(account: Account, run: SyncRun) -> int:
    """End friendships that stood before the pass and that it did not meet.

    Who ended them is not known; the colleague's side is where the list was read.
    """
    standing = Relation.objects.filter(
        colleague__account=account, state__in=OPEN, added_at__lt=run.started_at
    ).select_related("colleague", "member")
    ended = 0
    for relation in standing.iterator(chunk_size=500):
        known = identities_of(relation, account)
        if run.seen_contacts.filter(
            userid=relation.colleague.userid, external_userid__in=known
        ).exists():
            continue
        relation.state = Relation.State.DELETED_BY_COLLEAGUE
        relation.ended_at = run.started_at
        relation.save(update_fields=["state", "ended_at"])
        for identity in relation.member.identities.filter(account=account):
            following.refresh_friendship(identity)
        ended += 1
    return ended


def identities_of(relation: Relation, account: Account) -> list[str]:
    """The external user ids by which the account knows the member of a friendship."""
    return list(
        relation.member.identities.filter(account=account).values_list(
            "value", flat=True
        )
    )


def register() -> None:
    """Called once, from CrmConfig.ready()."""
    registry.on_contacts.append(take)
    registry.on_contacts_complete.append(end_missing)
