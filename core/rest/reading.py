"""What the API takes: known keys only, values of the right type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiSerializerExtension
from rest_framework import serializers

from core.rest.pages import BY_ID, BY_MOMENT

MAX_PAGE_SIZE = 200
DEFAULT_PAGE_SIZE = 50
PRINTABLE = r"^[^\x00-\x1f\x7f]+\Z"


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses keys it does not know."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            problems = {
                key: [_("Unknown: known are %(names)s.") % {"names": self._known()}]
                for key in data
                if key not in self.fields
            }
            if problems:
                raise serializers.ValidationError(problems)
        return super().to_internal_value(data)

    def _known(self) -> str:
        return ", ".join(self.fields) or "–"


class StrictCharField(serializers.RegexField):
    """Text only (no number read as text), kept as it came, without control characters."""

    def __init__(self, regex: str = PRINTABLE, **kwargs: Any) -> None:
        super().__init__(regex, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class DecimalDigitsField(serializers.IntegerField):
    """An integer in a query string: ASCII digits and nothing else."""

    def to_internal_value(self, data: Any) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", str(data)):
            self.fail("invalid")
        return super().to_internal_value(data)


class NoQuery(StrictSerializer):
    """For operations without query parameters."""


class PageQuery(StrictSerializer):
    """What every list takes; its own filters are added below it."""

    cursor = StrictCharField(
        BY_ID, required=False, help_text="From `next` or `previous` of another page."
    )
    page_size = DecimalDigitsField(
        required=False,
        min_value=1,
        max_value=MAX_PAGE_SIZE,
        default=DEFAULT_PAGE_SIZE,
        help_text="Rows on a page.",
    )


class MomentPageQuery(PageQuery):
    """For lists ordered by a moment and id."""

    cursor = StrictCharField(
        BY_MOMENT,
        required=False,
        help_text="From `next` or `previous` of another page.",
    )


class ClosedObjects(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Tells readers of the OpenAPI document that unknown keys are refused."""

    target_class = "core.rest.reading.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(
            self.target, direction, bypass_extensions=True
        )
        return {**schema, "additionalProperties": False}
