"""What every control view shares: JSON in, JSON out, refusals with a reason."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox import world
from sandbox.people import Impossible

View = Callable[..., HttpResponse]


class Refused(Exception):
    """Answered as ``{code, message}`` with this status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def answer(body: Any, status: int = 200) -> HttpResponse:
    text = json.dumps(body, ensure_ascii=False)
    return HttpResponse(text, content_type="application/json", status=status)


def door(*, is_free: bool = False, **handlers: Callable[..., Any]) -> View:
    """A view from one function per HTTP verb; writing verbs run in one transaction.

    The functions return what to answer as JSON, or a response of their own.
    ``is_free``: the world goes on meanwhile, for a handler that waits for others.
    """

    def view(request: HttpRequest, **parts: Any) -> HttpResponse:
        handler = handlers.get(request.method or "")
        if handler is None:
            response = _refusal(405, "method_not_allowed", f"use {', '.join(handlers)}")
            response["Allow"] = ", ".join(handlers)
            return response
        try:
            if is_free or request.method == "GET":
                result = handler(request, **parts)
            else:
                with world.change():
                    result = handler(request, **parts)
        except Refused as refused:
            return _refusal(refused.status, refused.code, str(refused))
        except Impossible as impossible:
            return _refusal(409, impossible.code, str(impossible))
        return result if isinstance(result, HttpResponse) else answer(result)

    return wraps(next(iter(handlers.values())))(view)


def _refusal(status: int, code: str, message: str) -> HttpResponse:
    return answer({"code": code, "message": message}, status)


def bad(message: str) -> Refused:
    return Refused(400, "bad_request", message)


def missing(message: str) -> Refused:
    return Refused(404, "not_found", message)


def body_of(request: HttpRequest) -> dict[str, Any]:
    """The JSON object of the request; nothing at all counts as an empty one."""
    if not request.body:
        return {}
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise bad("the body is not JSON") from error
    if not isinstance(body, dict):
        raise bad("the body must be a JSON object")
    return body


def text_of(
    body: dict[str, Any], name: str, *, longest: int, default: str | None = None
) -> str:
    """A non-empty string, or ``default`` when the field is absent."""
    value = body.get(name, default)
    if value is None:
        raise bad(f"{name} is missing")
    if not isinstance(value, str) or (value == "" and default is None):
        raise bad(f"{name} must be a text that is not empty")
    if len(value) > longest:
        raise bad(f"{name} is longer than {longest} characters")
    return value


def number_of(
    body: dict[str, Any],
    name: str,
    default: float | None = None,
    *,
    least: float = float("-inf"),
    most: float = float("inf"),
) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise bad(f"{name} must be a number")
    if not least <= value <= most:
        raise bad(f"{name} must be between {least:g} and {most:g}")
    return value


def flag_of(body: dict[str, Any], name: str, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise bad(f"{name} must be true or false")
    return value


def page_of(request: HttpRequest, limit: int, most: int) -> tuple[int, int]:
    """``limit`` and ``offset`` of the query."""
    try:
        asked = int(request.GET.get("limit", limit))
        offset = int(request.GET.get("offset", 0))
    except ValueError as error:
        raise bad("limit and offset must be whole numbers") from error
    if not 1 <= asked <= most or offset < 0:
        raise bad(f"limit must be 1 to {most}, offset 0 or more")
    return asked, offset
