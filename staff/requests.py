"""Who sends a request to a page behind the log-in, and whether they may."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from staff.models import Staff


def staff_of(request: HttpRequest) -> Staff:
    """The person signed in; only for views that the admin site wraps."""
    assert isinstance(request.user, Staff)  # admin_view lets nobody else through
    return request.user


def require(request: HttpRequest, permission: str) -> Staff:
    """The person signed in; raises PermissionDenied without `permission`."""
    staff = staff_of(request)
    if not staff.has_perm(permission):
        raise PermissionDenied
    return staff
