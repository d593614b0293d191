"""Which rows of any model a person may see, asked in one place by every screen."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.db import models

User = AbstractBaseUser | AnonymousUser

# Models without owner: the same rows for everyone who holds the model's permission.
# Label → why (tests/core/test_admin_leaks.py keeps the list honest).
GLOBAL_MODELS: dict[str, str] = {
    "auth.group": "Roles are the same everywhere.",
    "auth.permission": "Permissions are code.",
    "contenttypes.contenttype": "Models are code.",
}


def visible(queryset: models.QuerySet[Any], user: Any) -> models.QuerySet[Any]:
    """Narrow `queryset` to what `user` may see; nothing when nobody said what that is.

    A model says it with `visible_to(staff)` on its QuerySet, or stands in GLOBAL_MODELS.
    """
    if not getattr(user, "is_active", False):
        return queryset.none()
    visible_to = getattr(queryset, "visible_to", None)
    if visible_to is None:
        visible_to = getattr(queryset.model._default_manager.all(), "visible_to", None)
        if visible_to is not None:
            return queryset.filter(pk__in=visible_to(user).values("pk"))
    if visible_to is not None:
        return visible_to(user)  # type: ignore[no-any-return]
    if queryset.model._meta.label_lower in GLOBAL_MODELS or user.is_superuser:
        return queryset
    return queryset.none()


def is_scoped(model: type[models.Model]) -> bool:
    """Whether the model says which of its rows a person may see."""
    return hasattr(model._default_manager.all(), "visible_to")
