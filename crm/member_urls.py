"""The addresses of the member page, below /admin/crm/member/<id>/."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path

from crm import (
    buyer_pages,
    consent_pages,
    editing_pages,
    note_pages,
    pages,
    tag_pages,
    timeline_pages,
)
from crm.models import Member

View = Callable[[HttpRequest, Member], HttpResponse]
_VIEWS: dict[str, View] = {
    "timeline": timeline_pages.show,
    "reveal": pages.reveal,
    "remark": pages.change_remark,
    "tags": tag_pages.change,
    "edit": editing_pages.edit,
    "notes": note_pages.write,
    "consent": consent_pages.enter,
    "complaint": consent_pages.complain,
    "links": consent_pages.revoke_links,
    "buyer": buyer_pages.unbind,
}


def member_paths(wrap: Callable[[Any], Any]) -> list[URLPattern]:
    """One address a view; each gets the member in the person's scope, or ends in 404."""
    return [
        path(
            f"<path:object_id>/{name}/",
            wrap(_of_member(view)),
            name=f"crm_member_{name}",
        )
        for name, view in _VIEWS.items()
    ]


def _of_member(view: View) -> Callable[..., HttpResponse]:
    def found(request: HttpRequest, object_id: str) -> HttpResponse:
        return view(request, pages.visible_member(request, object_id))

    return found
