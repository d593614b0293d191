"""Serving kept pictures to the people who may see them; files are never served as such."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_safe

from staff.models import Staff
from wechat import media, registry
from wechat.models import Media

SHOWN_TYPES = {"image/jpeg", "image/png"}


def may_see(staff: Staff, row: Media) -> bool:
    """Whether somebody may see a picture inside their scope."""
    if staff.is_superuser or row.created_by_id == staff.pk:
        return True
    return any(viewer(staff, row) for viewer in registry.media_viewers)


@require_safe
@login_required
def show(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The picture, or 404: also for rows out of scope, so that ids tell nothing."""
    staff = request.user
    assert isinstance(staff, Staff)
    rows = Media.objects.visible_to(staff).filter(state=Media.State.STORED)
    row: Media = get_object_or_404(rows, pk=pk)
    if not may_see(staff, row):
        raise Http404
    try:
        path = media.path_of(row)
    except media.MediaMissing:
        raise Http404 from None
    is_shown = row.content_type in SHOWN_TYPES
    response = FileResponse(
        path.open("rb"),
        as_attachment=not is_shown,
        filename=f"{row.pk}{path.suffix}",
        content_type=row.content_type if is_shown else "application/octet-stream",
    )
    response["X-Content-Type-Options"] = "nosniff"
    # Nothing of it may run or load anything, should a browser open it on its own.
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    patch_cache_control(response, private=True, no_store=True)
    return response
