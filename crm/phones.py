"""Phone numbers: read as people write them, kept in one form, found by keyed hashes."""

from __future__ import annotations

import unicodedata

import phonenumbers

from core.encryption import blind_index
from crm.errors import PhoneInvalid
from crm.models import Member

HOME_REGION = "CN"
_HOME_CODE = 86
PHONE_DIGITS, TAIL_DIGITS = 11, 4
_LONGEST = 60


def normalise(text: str) -> str:
    """ "１３８ 0013-8000", "+86 138…", "0086138…" → "13800138000"; "" stays empty.

    Numbers of China in national digits, others as "+85291234567". Raises PhoneInvalid.
    """
    clean = unicodedata.normalize("NFKC", text).strip()
    if not clean:
        return ""
    if len(clean) > _LONGEST:
        raise PhoneInvalid
    try:
        number = phonenumbers.parse(clean, HOME_REGION)
    except phonenumbers.NumberParseException as error:
        raise PhoneInvalid from error
    if number.extension or not phonenumbers.is_valid_number(number):
        raise PhoneInvalid
    if number.country_code == _HOME_CODE:
        national = phonenumbers.national_significant_number(number)
        kind = phonenumbers.number_type(number)
        is_landline = kind == phonenumbers.PhoneNumberType.FIXED_LINE
        return f"0{national}" if is_landline else national
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def mask(phone: str) -> str:
    """What may stand in a trail: "138****8000", "" for none."""
    return f"{phone[:3]}****{phone[-TAIL_DIGITS:]}" if phone else ""


def phone_digest(phone: str) -> str:
    """What the full number is looked up by; `phone` as `normalise` gives it."""
    return blind_index(phone, purpose="phone")


def phone_tail_digest(tail: str) -> str:
    """What the last digits are looked up by (TAIL_DIGITS of them)."""
    return blind_index(tail, purpose="phone_tail")


def fill(member: Member, phone: str) -> None:
    """Put a normalised number and its hashes on the instance; the caller saves it."""
    member.phone = phone
    member.phone_hash = phone_digest(phone) if phone else ""
    tail = phone[-TAIL_DIGITS:]
    member.phone_tail_hash = phone_tail_digest(tail) if phone else ""
