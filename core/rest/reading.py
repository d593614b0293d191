"""What the API takes: known keys only, values of the right type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
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


class StrictIntegerField(serializers.IntegerField):
    """A number of the body: no text, no fraction, no boolean read as one."""

    def to_internal_value(self, data: Any) -> int:
        if type(data) is not int:
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictBooleanField(serializers.BooleanField):
    """true or false, and no word that means it."""

    def to_internal_value(self, data: Any) -> Any:
        if type(data) is not bool:
            self.fail("invalid", input=data)
        return data


class YuanField(StrictCharField):
    """An amount as text, "128.00": numbers of JSON lose cents on their way."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^[0-9]{1,9}(\.[0-9]{1,2})?\Z", **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return Decimal(super().run_validation(data))


_DAYS = (
    r"([0-9]{2}-(0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])"
    r"|[0-9]{2}-(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    r"|[0-9]{2}-02-(0[1-9]|1[0-9]|2[0-8])|([02468][048]|[13579][26])-02-29)"
)
_CLOCK = r"([01][0-9]|2[0-3])(:[0-5][0-9]){2}(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])"


class MomentField(StrictCharField):
    """A moment of this century with its zone: "2026-11-11T00:03:00+08:00"."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(rf"^20{_DAYS}T{_CLOCK}\Z", **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return datetime.fromisoformat(super().run_validation(data))


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
