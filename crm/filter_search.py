"""Choices of the member list's filters where there are more than are drawn, by name."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET

from crm.filters import MEMBER_FILTERS, Asked, Searched
from staff.models import Staff

FOUND = 50
_FILTERS: Iterable[type[Asked]] = MEMBER_FILTERS
_SEARCHED: dict[str, type[Searched]] = {
    each.parameter_name: each for each in _FILTERS if issubclass(each, Searched)
}


@require_GET
def find(request: HttpRequest) -> JsonResponse:
    """Choices `of` a filter whose name holds `q`: {"results": [[value, words]], "more"}.

    In the scope of who asks; nothing for a filter that draws all its choices.
    """
    staff = request.user
    assert isinstance(staff, Staff)  # admin_view lets nobody else through
    if not staff.has_perm("crm.view_member"):
        raise PermissionDenied
    kind = _SEARCHED.get(request.GET.get("of", ""))
    if kind is None:
        return JsonResponse({"results": [], "more": False})
    text = request.GET.get("q", "").replace("\0", "").strip()[:80]
    rows = kind.found(kind.rows(staff).filter(kind.named(text)), FOUND + 1)
    fixed = (
        (key, words)
        for key, words in kind.fixed(staff)
        if text.casefold() in str(words).casefold()
    )
    results = [
        [key, str(words)] for key, words in (*fixed, *kind.told_apart(rows[:FOUND]))
    ]
    return JsonResponse({"results": results, "more": len(rows) > FOUND})
