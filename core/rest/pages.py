"""Pages by key: each says where the next begins, so no page ever counts or skips rows.

A cursor is a direction and the key of the row it starts at: `n42` (the rows after 42),
`p1732330000000000.42` (the rows before that moment and id). Moments are microseconds
since 1970. Any cursor of that form is valid, whether or not the row still exists.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Model, Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ID_PART, MOMENT_PART = r"[0-9]{1,18}", r"[0-9]{1,16}"
BY_ID, BY_MOMENT = rf"^[np]{ID_PART}\Z", rf"^[np]{MOMENT_PART}\.{ID_PART}\Z"

Key = tuple[Any, ...]


class Order(NamedTuple):
    """The order of a list: `fields` ends with the unique id; a moment may lead."""

    fields: tuple[str, ...]
    is_descending: bool = True


NEWEST_FIRST = Order(("id",))
LATEST_FIRST = Order(("at", "id"))
EARLIEST_FIRST = Order(("at", "id"), is_descending=False)


class KeyPages(BasePagination):
    """Needs `order: Order` and `params` on the view: a PageQuery or MomentPageQuery
    that has checked the cursor's form."""

    def paginate_queryset(  # type: ignore[override]
        self, queryset: QuerySet[Any], request: Request, view: Any = None
    ) -> list[Any]:
        order: Order = view.order
        size: int = view.params["page_size"]
        cursor: str = view.params.get("cursor", "")
        is_back = cursor.startswith("p")
        descends = order.is_descending != is_back
        signs = [f"-{name}" if descends else name for name in order.fields]
        rows = queryset.order_by(*signs)
        if cursor:
            rows = rows.filter(beyond(order.fields, _key(cursor), descends))
        found = list(rows[: size + 1])
        has_more = len(found) > size
        page = found[:size]
        if is_back:
            page.reverse()
        self._link(
            request,
            order,
            page,
            after=is_back or has_more,
            before=(has_more if is_back else bool(cursor)),
        )
        return page

    def _link(
        self,
        request: Request,
        order: Order,
        page: Sequence[Model],
        *,
        after: bool,
        before: bool,
    ) -> None:
        here = request.build_absolute_uri()

        def link(direction: str, row: Model) -> str:
            return replace_query_param(here, "cursor", direction + _text(row, order))

        self.next = link("n", page[-1]) if page and after else None
        self.previous = link("p", page[0]) if page and before else None

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self.next, "previous": self.previous, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }


def beyond(fields: tuple[str, ...], key: Key, descends: bool) -> Q:
    """Rows strictly after `key` in the order: `(at, id) < (…)`, spelled for an index."""
    step = "lt" if descends else "gt"
    if len(fields) == 1:
        return Q(**{f"{fields[0]}__{step}": key[0]})
    lead, last = fields
    return Q(**{f"{lead}__{step}e": key[0]}) & (
        Q(**{f"{lead}__{step}": key[0]}) | Q(**{f"{last}__{step}": key[1]})
    )


def _key(cursor: str) -> Key:
    *moments, number = cursor[1:].split(".")
    return (
        *(EPOCH + timedelta(microseconds=int(each)) for each in moments),
        int(number),
    )


def _text(row: Model, order: Order) -> str:
    parts = [
        str((value - EPOCH) // timedelta(microseconds=1))
        if isinstance(value, datetime)
        else str(value)
        for value in (getattr(row, name) for name in order.fields)
    ]
    return ".".join(parts)
