"""Every address of the console, flat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


@dataclass(frozen=True)
class Address:
    """`route` as in the URLconf ("admin/staff/staff/<path:object_id>/change/")."""

    route: str
    name: str
    callback: Any


def all_views(
    resolver: Any = None, prefix: str = "", space: str = ""
) -> Iterator[Address]:
    """Walk the URLconf; `name` carries its namespace ("admin:index")."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            inner = f"{space}{pattern.namespace}:" if pattern.namespace else space
            yield from all_views(pattern, route, inner)
        elif isinstance(pattern, URLPattern):
            name = f"{space}{pattern.name}" if pattern.name else ""
            yield Address(route, name, pattern.callback)
