"""Conversations over the API: the same reads and writes as the agent workspace."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.exceptions import PermissionDenied, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.pages import EARLIEST_FIRST
from core.rest.reading import (
    MomentPageQuery,
    PageQuery,
    StrictCharField,
    StrictSerializer,
)
from core.rest.views import Endpoint, RowEndpoint, RowsEndpoint, documented
from service import assignments, closing, replies
from service.models import Conversation, Message
from staff.authentication import caller
from staff.models import Staff
from wechat.models import OutboundMessage

TAG = "conversations"
# At least one character that is not blank; tabs and line breaks are fine.
SENTENCE = (
    r"^[\t\n\r ]*[^\s\x00-\x1f\x7f-\xa0][^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*\Z"
)
KEY = r"^[!-~]{1,64}\Z"


class ConversationOut(serializers.ModelSerializer[Conversation]):
    app = serializers.CharField(source="app.slug", read_only=True)
    assignee = serializers.CharField(
        source="assignee.username",
        read_only=True,
        allow_null=True,
        help_text="User name of who has it; null while it waits.",
    )

    class Meta:
        model = Conversation
        fields = ["id", "member", "app", "state", "assignee", "waiting_since"]
        read_only_fields = fields


class DeliveryOut(serializers.ModelSerializer[OutboundMessage]):
    class Meta:
        model = OutboundMessage
        fields = ["state", "reason_code", "reason"]
        read_only_fields = fields


class MessageOut(serializers.ModelSerializer[Message]):
    sender = serializers.CharField(
        source="sender.username", read_only=True, allow_null=True
    )
    delivery = DeliveryOut(
        source="outbound",
        read_only=True,
        allow_null=True,
        help_text="How far our message is; null for what was not sent by us.",
    )

    class Meta:
        model = Message
        fields = ["id", "direction", "kind", "text", "sender", "at", "delivery"]
        read_only_fields = fields


class ReplyOut(serializers.ModelSerializer[Message]):
    """What stands after a reply; the same for every repetition of its key."""

    class Meta:
        model = Message
        fields = ["id", "conversation", "text", "at"]
        read_only_fields = fields


class ConversationQuery(PageQuery):
    state = serializers.ChoiceField(Conversation.State.choices, required=False)


class NoBody(StrictSerializer):
    """Nothing is taken; an empty body and `{}` are the same."""


class ReplyIn(StrictSerializer):
    text = StrictCharField(SENTENCE, max_length=replies.TEXT_LIMIT_BYTES)


class CloseIn(StrictSerializer):
    reason = serializers.ChoiceField(
        Conversation.CloseReason.choices,
        default=Conversation.CloseReason.RESOLVED,
    )


class IdempotencyKey(StrictSerializer):
    key = StrictCharField(KEY)


IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": KEY.replace(r"\Z", "$")},
    OpenApiParameter.HEADER,
    required=True,
    description="Yours to choose, once per reply: repeat it to repeat the request.",
)


def conversations_for(staff: Staff) -> QuerySet[Conversation]:
    shown = [n for n in ConversationOut.Meta.fields if n not in {"app", "assignee"}]
    return (
        Conversation.objects.visible_to(staff)
        .select_related("app", "assignee")
        .only(*shown, "app__slug", "assignee__username")
    )


class Conversations(RowsEndpoint):
    permission = "service.view_conversation"
    serializer_class = ConversationOut
    query = ConversationQuery

    def get_queryset(self) -> QuerySet[Conversation]:
        rows = conversations_for(caller(self.request))
        if "state" in self.params:
            rows = rows.filter(state=self.params["state"])
        return rows

    @documented(
        "listConversations",
        ConversationOut,
        summary="Conversations, newest first",
        tag=TAG,
        query=ConversationQuery,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class OneConversation(RowEndpoint):
    permission = "service.view_conversation"
    serializer_class = ConversationOut
    lookup_field = "id"

    def get_queryset(self) -> QuerySet[Conversation]:
        return conversations_for(caller(self.request))

    @documented(
        "getConversation",
        ConversationOut,
        summary="A conversation",
        tag=TAG,
        is_about_row=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class Messages(RowsEndpoint):
    permission = "service.view_message"
    serializer_class = MessageOut
    query = MomentPageQuery
    order = EARLIEST_FIRST

    def get_queryset(self) -> QuerySet[Message]:
        conversation = conversation_of(self)
        readable = Conversation.objects.readable_by(caller(self.request))
        if not readable.filter(pk=conversation.pk).exists():
            raise PermissionDenied
        return (
            Message.objects.filter(conversation=conversation)
            .select_related("sender", "outbound")
            .only(
                *("direction", "kind", "text", "at", "sender__username"),
                *(f"outbound__{name}" for name in DeliveryOut.Meta.fields),
            )
        )

    @documented(
        "listMessages",
        MessageOut,
        summary="What was said, earliest first",
        tag=TAG,
        query=MomentPageQuery,
        is_about_row=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class Claim(Endpoint):
    permission = "service.answer_conversation"

    @documented(
        "claimConversation",
        ConversationOut,
        summary="Take a waiting conversation",
        tag=TAG,
        body=NoBody,
        is_about_row=True,
        may_conflict=True,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        read(NoBody, request)
        conversation = conversation_of(self)
        conversation = assignments.claim(conversation, actor=caller(request))
        return Response(ConversationOut(conversation).data)


class Reply(Endpoint):
    permission = "service.answer_conversation"

    @documented(
        "replyToConversation",
        ReplyOut,
        summary="Answer the customer",
        tag=TAG,
        body=ReplyIn,
        status=201,
        is_about_row=True,
        may_conflict=True,
        headers=(IDEMPOTENCY_KEY,),
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        key = idempotency_key(request)
        text = read(ReplyIn, request)["text"]
        message = replies.reply(
            conversation_of(self),
            text=text,
            client_key=f"api:{key}",
            actor=caller(request),
        )
        return Response(ReplyOut(message).data, status=201)


class Close(Endpoint):
    permission = "service.answer_conversation"

    @documented(
        "closeConversation",
        ConversationOut,
        summary="End a conversation",
        tag=TAG,
        body=CloseIn,
        is_about_row=True,
        may_conflict=True,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        reason = read(CloseIn, request)["reason"]
        conversation = closing.close(
            conversation_of(self), reason=reason, actor=caller(request)
        )
        return Response(ConversationOut(conversation).data)


def conversation_of(view: Endpoint) -> Conversation:
    """The conversation of the address, or Http404."""
    rows = Conversation.objects.visible_to(caller(view.request))
    return get_object_or_404(
        rows.select_related("app", "assignee"), pk=view.kwargs["id"]
    )


def read(serializer: type[StrictSerializer], request: Request) -> dict[str, Any]:
    body = serializer(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


def idempotency_key(request: Request) -> str:
    given = IdempotencyKey(data={"key": request.headers.get("Idempotency-Key", "")})
    if not given.is_valid():
        raise ValidationError({"Idempotency-Key": given.errors["key"]})
    return str(given.validated_data["key"])
