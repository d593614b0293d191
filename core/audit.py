"""The one way to write the audit trail, in the transaction of what it tells of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import models

from core.models import AuditEntry

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


def record(
    action: str,
    target: models.Model,
    *,
    actor: AbstractBaseUser,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
    label: str = "",
) -> AuditEntry:
    """Append `action` ("crm.member.revealed") on `target`, done by `actor`.

    `before`/`after`: ids and masked values only, JSON-able. `label`: how people know the
    row; never a personal value in clear.
    """
    return AuditEntry.objects.create(
        actor=actor,  # type: ignore[misc]
        action=action,
        target_type=target._meta.label_lower,
        target_id=str(target.pk),
        target_label=label[:200],
        before=before or {},
        after=after or {},
        reason=reason[:500],
    )
