"""Asking the platforms who somebody is: unionid, name, WeCom remark.

`Identity.profile_due_at` is the queue: claimed by moving it ahead, called outside any
transaction, written per person. Official accounts give the unionid only (contract A10),
WeCom the name, the unionid and what colleagues wrote (externalcontact/get).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from crm import following, merging, reviews, timeline
from crm.models import Identity, Member, Relation
from crm.naming import printable, tokens
from staff.accounts import system_staff
from wechat import api, limits
from wechat.api import PlatformError, Reach
from wechat.models import Account, App, Colleague

if TYPE_CHECKING:
    from wechat.api.wecom import WecomClient

logger = logging.getLogger(__name__)

MAX_TRIES = 9
DRAIN_SECONDS = 20.0
# How long a claimed identity waits before somebody tries again; doubles per try.
RETRY_SECONDS = 10


def drain(seconds: float = DRAIN_SECONDS) -> int:
    """Ask for everybody due, for at most `seconds`; returns how many were answered."""
    deadline = time.monotonic() + seconds
    answered = 0
    while time.monotonic() < deadline:
        batch = claim()
        if not batch:
            break
        answered += _ask(batch)
    return answered


@transaction.atomic
def claim() -> list[Identity]:
    """Take up to one call's worth of people of one account."""
    now = timezone.now()
    due = Identity.objects.filter(
        profile_due_at__lte=now, account__apps__is_active=True
    ).exclude(kind=Identity.Kind.UNIONID)
    first = due.order_by("profile_due_at").values_list("account_id", flat=True).first()
    if first is None:
        return []
    batch = list(
        Identity.objects.select_related("account__org_unit", "member")
        .select_for_update(of=("self",), skip_locked=True)
        .filter(account_id=first, profile_due_at__lte=now)
        .order_by("profile_due_at")[: limits.value("mp.user_batch.size")]
    )
    for identity in batch:
        identity.profile_due_at = now + _pause(identity.profile_tries)
        identity.profile_tries += 1
    Identity.objects.bulk_update(batch, ["profile_due_at", "profile_tries"])
    return batch


def _pause(tries: int) -> timedelta:
    return timedelta(seconds=RETRY_SECONDS * 2 ** min(tries, 8))


def _ask(batch: list[Identity]) -> int:
    account = batch[0].account
    assert account is not None
    app = account.apps.filter(is_active=True).order_by("pk").first()
    if app is None:
        return 0
    app.account = account
    ask = _ask_wecom if account.is_wecom else _ask_official_account
    answered = 0
    try:
        for identity, profile in ask(app, batch):
            _write(identity, profile)
            answered += 1
    except PlatformError as error:
        logger.warning("Profiles of account %s: %s", account.pk, error.code)
    _give_up(batch)
    return answered


def _ask_official_account(
    app: App, batch: list[Identity]
) -> Iterator[tuple[Identity, dict[str, Any]]]:
    try:
        people = api.mp_client(app).user_batch([identity.value for identity in batch])
    except PlatformError as error:
        if not _is_about_somebody(error):
            raise
        # One id the platform does not know refuses all: the others must not wait.
        middle = len(batch) // 2
        if middle == 0:
            yield batch[0], {}
            return
        yield from _ask_official_account(app, batch[:middle])
        yield from _ask_official_account(app, batch[middle:])
        return
    by_openid = {str(person.get("openid")): person for person in people}
    for identity in batch:
        yield identity, by_openid.get(identity.value, {})


def _is_about_somebody(error: PlatformError) -> bool:
    """Whether the refusal is of the people asked for, not of us or of this moment."""
    return error.reach in (Reach.PERSON, Reach.CONTENT)


def _ask_wecom(
    app: App, batch: list[Identity]
) -> Iterator[tuple[Identity, dict[str, Any]]]:
    client = api.wecom_client(app)
    strangers = []
    for identity in batch:
        try:
            yield identity, client.contact(identity.value)
        except PlatformError as error:
            if not _is_about_somebody(error):
                raise
            strangers.append(identity)
    if strangers:
        yield from _ask_kf(client, strangers)


def _ask_kf(
    client: WecomClient, batch: list[Identity]
) -> Iterator[tuple[Identity, dict[str, Any]]]:
    """Nobody's contact (any more): customer service may know a nickname."""
    try:
        customers = client.kf_customers([identity.value for identity in batch])
    except PlatformError as error:
        if error.retryable:
            raise
        customers = []
    by_id = {str(customer.get("external_userid")): customer for customer in customers}
    for identity in batch:
        customer = by_id.get(identity.value)
        if customer is None:
            yield identity, {}
            continue
        name, unionid = customer.get("nickname"), customer.get("unionid")
        yield identity, {"external_contact": {"name": name, "unionid": unionid}}


def _give_up(batch: list[Identity]) -> None:
    """After MAX_TRIES nobody is asked for again until an event gives a reason."""
    Identity.objects.filter(
        pk__in=[identity.pk for identity in batch],
        profile_due_at__isnull=False,
        profile_tries__gte=MAX_TRIES,
    ).update(profile_due_at=None)


def _write(identity: Identity, profile: dict[str, Any]) -> None:
    """Keep what the platform told of one person, all or nothing."""
    claimed_until = identity.profile_due_at
    with transaction.atomic():
        contact = profile.get("external_contact")
        unionid = (contact if isinstance(contact, dict) else profile).get("unionid")
        if unionid:
            link_unionid(identity, str(unionid)[:64])
        fresh = (
            Identity.objects.select_related("member", "account__org_unit")
            .select_for_update(of=("self",), no_key=True)
            .filter(pk=identity.pk)
            .first()
        )
        if fresh is None:
            return
        if isinstance(contact, dict):
            _write_contact(fresh, contact, profile.get("follow_user"))
        elif profile:
            _write_follower(fresh, profile)
        # A newer event may have asked again meanwhile: then it stays due.
        if fresh.profile_due_at == claimed_until:
            fresh.profile_due_at, fresh.profile_tries = None, 0
            fresh.save(update_fields=["profile_due_at", "profile_tries"])


def link_unionid(identity: Identity, unionid: str) -> Member:
    """Note that the person has `unionid`; merges two members of the controller it
    proves to be one. Returns the member who stands. Inside a transaction only."""
    merging.lock_controller(identity.controller)
    member = Member.objects.get(identities=identity.pk)
    try:
        with transaction.atomic():
            Identity.objects.create(
                member=member,
                controller=identity.controller,
                kind=Identity.Kind.UNIONID,
                value=unionid,
                is_following=False,
            )
    except IntegrityError:
        known = Member.objects.get(
            identities__controller=identity.controller,
            identities__kind=Identity.Kind.UNIONID,
            identities__value=unionid,
        )
        if known.pk == member.pk or reviews.are_apart(known, member):
            return member
        older, newer = sorted((known, member), key=lambda m: (m.first_seen_at, m.pk))
        return merging.merge(older, newer, actor=system_staff("crm.profiles"))
    return member


def _write_follower(identity: Identity, profile: dict[str, Any]) -> None:
    """user/info: subscribe 0 tells nothing else; callbacks decide who follows."""
    followed = profile.get("subscribe_time")
    if profile.get("subscribe") and followed and identity.followed_at is None:
        identity.followed_at = datetime.fromtimestamp(int(followed), tz=_zone())
        identity.save(update_fields=["followed_at"])
    scene = printable(profile.get("qr_scene_str") or "", 64)
    if scene and not identity.scene:
        identity.scene = scene
        identity.save(update_fields=["scene"])


def _zone() -> Any:
    return timezone.get_default_timezone()


def _write_contact(
    identity: Identity, contact: dict[str, Any], followers: object
) -> None:
    name_member(identity.member, contact.get("name"), source=identity)
    account = identity.account
    assert account is not None
    for follower in followers if isinstance(followers, list) else []:
        if isinstance(follower, dict) and follower.get("userid"):
            _write_relation(identity, account, follower)
    following.refresh_friendship(identity)


def name_member(member: Member, name: object, *, source: Identity) -> None:
    """Give the member the name a platform tells, in place of a made-up one or not."""
    clean = printable(name)
    if not clean or clean == member.display_name:
        return
    was_unknown = member.is_placeholder_name
    member.display_name, member.is_placeholder_name = clean, False
    member.name_tokens = tokens(clean, member.remark)
    member.save(update_fields=["display_name", "is_placeholder_name", "name_tokens"])
    if was_unknown:
        timeline.write(
            member=member,
            kind="profile.named",
            at=timezone.now(),
            key=f"named:{source.pk}",
            account=source.account,
            data={"name": clean},
        )


def _write_relation(
    identity: Identity, account: Account, follower: dict[str, Any]
) -> None:
    colleague, _ = Colleague.objects.get_or_create(
        account=account, userid=str(follower["userid"])[:64]
    )
    relation, is_new = Relation.objects.get_or_create(
        member=identity.member, colleague=colleague
    )
    relation.remark = printable(follower.get("remark"))
    relation.description = printable(follower.get("description"), 300)
    way = follower.get("add_way")
    relation.add_way = way if isinstance(way, int) and 0 <= way < 32_768 else None
    relation.channel_state = printable(follower.get("state"), 64)
    created = follower.get("createtime")
    if is_new and isinstance(created, int):
        relation.added_at = datetime.fromtimestamp(created, tz=_zone())
    relation.save()
    store = colleague.staff.org_unit if colleague.staff is not None else None
    member = identity.member
    if (
        member.org_unit_id is None
        and store is not None
        and store.pk != store.controller_id
        and store.controller_id == member.controller_id
    ):
        member.org_unit = store
        member.save(update_fields=["org_unit"])
