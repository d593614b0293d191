"""What the API takes: JSON of bounded size, known keys only, values of the right type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import IO, Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.extensions import OpenApiSerializerExtension
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from core.rest.errors import BodyTooLarge
from core.rest.pages import BY_ID, BY_MOMENT

MAX_BODY_BYTES = 64 * 1024
MAX_PAGE_SIZE = 200
DEFAULT_PAGE_SIZE = 50
PRINTABLE = r"^[^\x00-\x1f\x7f]+\Z"


class BoundedJSONParser(JSONParser):
    """JSON in UTF-8, at most MAX_BODY_BYTES. Raises ParseError, BodyTooLarge."""

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise BodyTooLarge
        try:
            # A charset in the content type is not asked: JSON is UTF-8 (RFC 8259).
            return super().parse(BytesIO(body), media_type, {"encoding": "utf-8"})
        except RecursionError as error:
            raise ParseError(_("The JSON is nested too deeply.")) from error


class AlwaysJSON(BaseContentNegotiation):
    """Answer JSON whatever `Accept` says; the body must still be of a known type."""

    def select_parser(
        self, request: Request, parsers: Iterable[BaseParser]
    ) -> BaseParser | None:
        wanted = (request.content_type or "").partition(";")[0].strip().lower()
        return next((each for each in parsers if each.media_type == wanted), None)

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


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
