"""What a person typed into the search box of the member list, as one condition."""

from __future__ import annotations

from django.db.models import Q

from crm.models import Identity, Order
from crm.naming import fragment_tokens, initials_token
from crm.phones import PHONE_DIGITS, TAIL_DIGITS, phone_digest, phone_tail_digest
from staff.models import Staff

# Shorter values are fragments of names; ids of platforms and shops are longer.
_SHORTEST_ID = 6
# A number up to here may be a member's own (PostgreSQL's bigint).
_LARGEST_KEY = 2**63 - 1
_MOST = 100


def search(text: str, staff: Staff | None) -> Q | None:
    """The members meant by `text`; None: nothing was asked.

    "#417" and a number: the member's own; an openid, unionid, external_userid or buyer
    id: exactly that; an order number `staff` may see (None: all): who placed it; 11
    digits: the full phone; 4 digits also the end of a phone; letters: also the first
    letters of the name's pinyin; anything else: a fragment of name or remark, from one
    character.
    """
    wanted = text.strip()
    if not wanted:
        return None
    found = Q(name_tokens__contains=fragment_tokens(wanted))
    initials = initials_token(wanted)
    if initials:
        found |= Q(name_tokens__contains=[initials])
    number = wanted.removeprefix("#")
    if number.isascii() and number.isdigit():
        found |= _numbered(number)
    if len(wanted) >= _SHORTEST_ID and wanted.isascii() and " " not in wanted:
        # Read first: a subquery under OR would scan the whole table.
        found |= Q(pk__in=_called(wanted, staff))
    return found


def _numbered(number: str) -> Q:
    found = Q(pk=int(number)) if int(number) <= _LARGEST_KEY else Q()
    # The partial indexes hold only members with a phone.
    if len(number) == PHONE_DIGITS:
        found |= ~Q(phone_hash="") & Q(phone_hash=phone_digest(number))
    if len(number) == TAIL_DIGITS:
        has_tail = ~Q(phone_tail_hash="")
        found |= has_tail & Q(phone_tail_hash=phone_tail_digest(number))
    return found


def _called(value: str, staff: Staff | None) -> list[int]:
    """Members a platform or shop calls `value`, and who placed the order of that number."""
    # Scoped before it is cut: others use the same numbers.
    called, orders = Identity.objects.all(), Order.objects.all()
    if staff is not None:
        called, orders = called.visible_to(staff), orders.visible_to(staff)
    owners = called.filter(value=value).values_list("member", flat=True)
    placed = orders.filter(code=value, member__isnull=False)
    buyers = placed.order_by().values_list("member", flat=True)
    return [*owners.order_by()[:_MOST], *buyers[:_MOST]]
