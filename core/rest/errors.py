"""How the API says no: always `{code, message, extra}`, from one exception handler."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.core.exceptions import ValidationError as ModelValidationError
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions, serializers, status
from rest_framework.response import Response
from rest_framework.views import exception_handler

from core.errors import AppError, BadInput, NotAllowed
from core.rest.wire import BodyTooLarge

logger = logging.getLogger(__name__)


class Error(serializers.Serializer[Any]):
    """Why a request was refused."""

    code = serializers.CharField(help_text="Stable, for programs.")
    message = serializers.CharField(
        help_text="For people, in the language of the token's person."
    )
    extra = serializers.DictField(
        help_text="Details; `fields` names what is wrong with each field."
    )


class Conflict(Error):
    """The request is fine, the state of things is not."""

    holder = serializers.CharField(
        allow_null=True, help_text="User name of who has the conversation, else null."
    )


class Unavailable(exceptions.APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "unavailable"
    default_detail = _("The database can't be reached. Try again in a moment.")


def handle(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None: not expected, Django answers 500 and logs it."""
    if isinstance(error, AppError):
        return refused(error)
    if isinstance(error, ModelValidationError):
        error = exceptions.ValidationError(serializers.as_serializer_error(error))
    if isinstance(error, (OperationalError, InterfaceError)):
        logger.error("API without database: %s", error)
        error = Unavailable()
    if isinstance(error, RequestDataTooBig):  # before the parser could say so
        error = BodyTooLarge()
    response = exception_handler(error, context)
    if response is None:
        return None
    response.data = body_of(error)
    return response


def refused(error: AppError) -> Response:
    body: dict[str, Any] = {
        "code": error.code,
        "message": str(error.message),
        "extra": error.extra,
    }
    if isinstance(error, BadInput):
        return Response(body, status=status.HTTP_400_BAD_REQUEST)
    if isinstance(error, NotAllowed):
        return Response(body, status=status.HTTP_403_FORBIDDEN)
    body["holder"] = error.extra.get("holder")
    return Response(body, status=status.HTTP_409_CONFLICT)


def body_of(error: Exception) -> dict[str, Any]:
    if isinstance(error, exceptions.ValidationError):
        return {
            "code": "invalid",
            "message": str(_("Some of what you sent is not valid.")),
            "extra": {"fields": error.get_full_details()},
        }
    if not isinstance(error, exceptions.APIException):
        # Django's own 404 and 403, which DRF's handler has just turned into answers.
        is_missing = isinstance(error, Http404)
        error = exceptions.NotFound() if is_missing else exceptions.PermissionDenied()
    return {
        "code": str(error.get_codes()),
        "message": str(error.detail),
        "extra": {},
    }
