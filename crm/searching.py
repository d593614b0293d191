"""What a person typed into the search box of the member list, as one condition."""

from __future__ import annotations

import re
import unicodedata

from django.db.models import Q

from crm.errors import PhoneInvalid
from crm.models import Identity, Order
from crm.naming import fragment_tokens, initials_token
from crm.phones import (
    PHONE_DIGITS,
    TAIL_DIGITS,
    normalise,
    phone_digest,
    phone_tail_digest,
)
from staff.models import Staff

# Shorter values are fragments of names; ids of platforms and shops are longer.
_SHORTEST_ID = 6
# A number up to here may be a member's own (PostgreSQL's bigint).
_LARGEST_KEY = 2**63 - 1
_MOST = 100
# As numbers are pasted: "+86 138 0013 8000", "138-0013-8000", "(0571) 8888 6666".
_WRITTEN_PHONE = re.compile(r"\+?[\d\s()-]{7,30}", re.ASCII)


def search(text: str, staff: Staff | None) -> Q | None:
    """The members meant by `text`; None: nothing anybody could be found by.

    "#417" and a number: the member's own; an openid, unionid, external_userid or buyer
    id: exactly that; an order number `staff` may see (None: all): who placed it; a phone
    number however it is written: the full phone; 4 digits also the end of a phone;
    letters: also the first letters of the name's pinyin; anything else: a fragment of
    name or remark, from one character.
    """
    wanted = unicodedata.normalize("NFKC", text).strip()
    found = Q()
    fragment = fragment_tokens(wanted)
    if fragment:
        found |= Q(name_tokens__contains=fragment)
    initials = initials_token(wanted)
    if initials:
        found |= Q(name_tokens__contains=[initials])
    number = wanted.removeprefix("#")
    if number.isascii() and number.isdigit():
        found |= _numbered(number)
    phone = _phone(wanted)
    if phone:
        # The partial index holds only members with a phone.
        found |= ~Q(phone_hash="") & Q(phone_hash=phone_digest(phone))
    if len(wanted) >= _SHORTEST_ID and wanted.isascii() and " " not in wanted:
        # Read first: a subquery under OR would scan the whole table.
        found |= Q(pk__in=_called(wanted, staff))
    return found or None


def _numbered(number: str) -> Q:
    found = Q(pk=int(number)) if int(number) <= _LARGEST_KEY else Q()
    if len(number) == TAIL_DIGITS:
        has_tail = ~Q(phone_tail_hash="")
        found |= has_tail & Q(phone_tail_hash=phone_tail_digest(number))
    return found


def _phone(text: str) -> str:
    """The number as `crm.phones` keeps it; "": `text` is none."""
    if len(text) == PHONE_DIGITS and text.isdigit():
        return text
    if not _WRITTEN_PHONE.fullmatch(text):
        return ""
    try:
        return normalise(text)
    except PhoneInvalid:
        return ""


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
