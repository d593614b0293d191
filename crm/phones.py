"""Keyed hashes of phones: how an encrypted number is found again."""

from __future__ import annotations

from core.encryption import blind_index

PHONE_DIGITS, TAIL_DIGITS = 11, 4


def phone_digest(phone: str) -> str:
    return blind_index(phone, purpose="phone")


def phone_tail_digest(tail: str) -> str:
    return blind_index(tail, purpose="phone_tail")
