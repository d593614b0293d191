"""API tokens: issue, look up, revoke. The token itself is shown once and never kept."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any

from django.db import transaction
from django.utils import timezone

from core import audit
from staff.models import ApiToken, Staff

MARK = "pd_"  # lets secret scanners and people know one when they see it
SECRET_BYTES = 32
SHOWN_CHARACTERS = len(MARK) + 6
FORM = re.compile(rf"{MARK}[A-Za-z0-9_-]{{43}}")


def issue(staff: Staff, *, name: str, actor: Staff) -> str:
    """Make a token for `staff` and return it; it can't be read again.

    256 random bits need no slow hash: SHA-256 of the token is what is stored.
    """
    token = f"{MARK}{secrets.token_urlsafe(SECRET_BYTES)}"
    with transaction.atomic():
        row = ApiToken.objects.create(
            staff=staff,
            name=name,
            prefix=token[:SHOWN_CHARACTERS],
            digest=digest(token),
            created_by=actor,
        )
        audit.record(
            "staff.api_token.issued",
            row,
            actor=actor,
            after={"staff": staff.pk, "name": name},
            label=str(row),
        )
    return token


def find(token: str) -> ApiToken | None:
    """The usable token row with its staff and unit, or None.

    What has not the form of a token is not looked up: noise costs no query, and nobody
    guesses 256 bits, so there is no lock-out that could hit an honest neighbour.
    """
    if not FORM.fullmatch(token):
        return None
    return (
        ApiToken.objects.usable()
        .select_related("staff__org_unit")
        .filter(digest=digest(token))
        .first()
    )


def revoke(token: ApiToken, *, actor: Staff) -> bool:
    """End a token at once; False when it had ended before."""
    with transaction.atomic():
        ended = ApiToken.objects.filter(pk=token.pk, revoked_at__isnull=True).update(
            revoked_at=timezone.now()
        )
        if ended:
            audit.record(
                "staff.api_token.revoked", token, actor=actor, label=str(token)
            )
    return bool(ended)


def revoke_all(staff: Staff, *, actor: Staff, **_: Any) -> int:
    """End every token of `staff` (deactivation, leak); returns how many ended."""
    with transaction.atomic():
        tokens = staff.api_tokens.filter(revoked_at__isnull=True)
        return sum(revoke(token, actor=actor) for token in tokens)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
