"""From what a platform calls somebody to the member, made once whoever comes first."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from core.encryption import blind_index
from crm.models import Identity, Member, Tombstone
from crm.naming import placeholder, tokens
from staff.models import OrgUnit
from wechat.models import Account

# Every callback asks for its person first. Written out, because Django composes a
# statement longer than PostgreSQL answers it; what no callback needs stays unread.
_SELDOM = {"real_name", "phone", "phone_hash", "phone_tail_hash", "name_tokens"}
_IDENTITY = [field.attname for field in Identity._meta.concrete_fields]
_MEMBER = [
    field.attname
    for field in Member._meta.concrete_fields
    if field.attname not in _SELDOM
]
# A second look finds what another worker committed meanwhile, a third what a merge moved.
_LOOKS = 3


def kind_for(account: Account) -> Identity.Kind:
    """The kind of id the platform names people by at the account."""
    return Identity.Kind.EXTERNAL_USERID if account.is_wecom else Identity.Kind.OPENID


def digest(kind: str, account_id: int | None, value: str) -> str:
    """What a purged identity is remembered by."""
    return blind_index(f"{kind}\0{account_id or ''}\0{value}", purpose="tombstone")


def find(account: Account, value: str) -> Identity | None:
    """The identity with its member, locked until the transaction ends.

    The lock makes a merge wait for us and us for a merge, so the member is the one who
    stands. Must be called inside a transaction.
    """
    key = [account.org_unit.controller_id, kind_for(account), account.pk, value]
    with connection.cursor() as cursor:
        cursor.execute(_find_statement(), key)
        row = cursor.fetchone()
    if row is None:
        return None
    count = len(_IDENTITY)
    identity = Identity.from_db(connection.alias, _IDENTITY, row[:count])
    identity.member = Member.from_db(connection.alias, _MEMBER, row[count:])
    return identity


@lru_cache(maxsize=1)
def _find_statement() -> str:
    columns = [f"identity.{name}" for name in _IDENTITY]
    columns += [f"member.{name}" for name in _MEMBER]
    return f"""
        SELECT {", ".join(columns)} FROM crm_identity identity
        JOIN crm_member member ON member.id = identity.member_id
        WHERE identity.controller_id = %s AND identity.kind = %s
          AND identity.account_id = %s AND identity.value = %s
        FOR NO KEY UPDATE OF identity
    """  # noqa: S608


def find_member(account: Account, value: str) -> Member | None:
    """Who `value` is at `account`, without a lock: for reading."""
    return Member.objects.filter(
        identities__controller_id=account.org_unit.controller_id,
        identities__kind=kind_for(account),
        identities__account=account,
        identities__value=value,
    ).first()


def resolve(account: Account, value: str, *, at: datetime) -> Identity | None:
    """The identity of `value` at `account` with its member, made if it is new.

    None when the person left after `at` and was purged since: a late event must not
    revive them. What they do later makes a new member. Must be called inside a transaction; the identity
    is locked until its end.
    """
    for _ in range(_LOOKS):
        identity = find(account, value)
        if identity is not None:
            return identity
        if _left_after(account, value, at):
            return None
        try:
            with transaction.atomic():
                return _create(account, value, at)
        except IntegrityError:
            continue  # somebody else was first: look again
    raise IntegrityError("An identity was neither found nor could it be made.")


def _left_after(account: Account, value: str, at: datetime) -> bool:
    return Tombstone.objects.filter(
        controller_id=account.org_unit.controller_id,
        digest=digest(kind_for(account), account.pk, value),
        left_at__gte=at,
    ).exists()


def _create(account: Account, value: str, at: datetime) -> Identity:
    unit = account.org_unit
    assert unit.controller is not None  # set when a unit is saved
    name = placeholder(value)
    member = Member.objects.create(
        controller=unit.controller,
        org_unit=_store_of(unit),
        display_name=name,
        is_placeholder_name=True,
        name_tokens=tokens(name),
        first_seen_at=at,
        last_seen_at=at.replace(second=0, microsecond=0),
    )
    return Identity.objects.create(
        member=member,
        controller=unit.controller,
        kind=kind_for(account),
        account=account,
        value=value,
        is_following=False,
        profile_due_at=timezone.now(),
    )


def _store_of(unit: OrgUnit) -> OrgUnit | None:
    """The unit a member of its account belongs to; none at the controller itself."""
    return None if unit.pk == unit.controller_id else unit
