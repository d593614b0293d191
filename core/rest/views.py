"""What every operation of the API has: a permission, known parameters, documentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import Http404
from django.utils import translation
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from core.rest.errors import Conflict, Error
from core.rest.pages import NEWEST_FIRST, KeyPages, Order
from core.rest.reading import NoQuery, PageQuery, StrictSerializer

BIGGEST_ID = 2**63 - 1


class HasViewPermission(BasePermission):
    """The role must grant `permission` of the view ("crm.view_member")."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return bool(request.user.has_perm(view.permission))


class Endpoint(APIView):
    """One address. Query parameters are checked before the method runs."""

    permission: str
    permission_classes = [IsAuthenticated, HasViewPermission]
    query: type[StrictSerializer] = NoQuery
    http_method_names = ["get", "head", "post"]

    def perform_authentication(self, request: Request) -> None:
        super().perform_authentication(request)
        # Refusals speak the person's language; the middleware ends it with the request.
        translation.activate(getattr(request.user, "language", settings.LANGUAGE_CODE))

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # A plain dict: forms read "" as "not given". A list is refused by its field.
        given = {
            name: values[0] if len(values) == 1 else values
            for name, values in request.query_params.lists()
        }
        query = self.query(data=given)
        query.is_valid(raise_exception=True)
        self.params: dict[str, Any] = query.validated_data

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        # What is told depends on the token; nobody on the way may keep it.
        response.headers.setdefault("Cache-Control", "no-store")
        return super().finalize_response(request, response, *args, **kwargs)


class RowsEndpoint(ListModelMixin, Endpoint, GenericAPIView[Any]):
    """A list in pages. Subclasses say which rows in `get_queryset`."""

    query: type[StrictSerializer] = PageQuery
    pagination_class = KeyPages
    order: Order = NEWEST_FIRST

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.list(request, *args, **kwargs)


class RowEndpoint(RetrieveModelMixin, Endpoint, GenericAPIView[Any]):
    """One row by id; what the person may not see is not found."""

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.retrieve(request, *args, **kwargs)


class NoSuchAddress(APIView):
    """Everything below the API that is no operation: 404 in the API's own form."""

    permission_classes = [IsAuthenticated]
    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        raise Http404


ID_PARAMETER = OpenApiParameter(
    "id",
    {"type": "integer", "format": "int64", "minimum": 1, "maximum": BIGGEST_ID},
    OpenApiParameter.PATH,
)


def documented(
    operation_id: str,
    answer: type[Serializer[Any]],
    *,
    summary: str,
    tag: str,
    query: type[StrictSerializer] | None = None,
    body: type[Serializer[Any]] | None = None,
    status: int = 200,
    is_about_row: bool = False,
    may_conflict: bool = False,
    description: str = "",
    headers: tuple[OpenApiParameter, ...] = (),
) -> Callable[[Any], Any]:
    """The OpenAPI description of a view's method, with every answer it may give."""
    refusals = {
        400: "The parameters or the body are not valid.",
        401: "No token, or one that is unknown or revoked.",
        403: "The role does not allow this.",
        405: "The method is not known here.",
        503: "The database is away; try again in a moment.",
    }
    if is_about_row:
        refusals[404] = "Nothing of that id that the token's person may see."
    if body is not None:
        refusals |= {413: "The body is too large.", 415: "The body is not JSON."}
    answers: dict[int, Any] = {
        status: OpenApiResponse(answer, "Done." if body else "What was asked for."),
        **{code: OpenApiResponse(Error, text) for code, text in refusals.items()},
    }
    if may_conflict:
        answers[409] = OpenApiResponse(Conflict, "The state does not allow it now.")
    return extend_schema(
        operation_id=operation_id,
        summary=summary,
        description=description or summary + ".",
        tags=[tag],
        request=body,
        parameters=[
            *([query] if query else []),
            *([ID_PARAMETER] if is_about_row else []),
            *headers,
        ],
        responses=answers,
    )
