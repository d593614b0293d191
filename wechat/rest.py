"""Accounts, inbox and outbox over the API. No secret and no body leaves through here."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.reading import PageQuery, StrictCharField
from core.rest.views import RowsEndpoint, documented
from staff.authentication import caller
from wechat.models import Account, App, InboundEvent, OutboundMessage
from wechat.reasons import JSON_HINT


class AppOut(serializers.ModelSerializer[App]):
    class Meta:
        model = App
        fields = ["slug", "name", "mode", "is_active", "held_reason", "held_until"]
        read_only_fields = fields

    def to_representation(self, instance: App) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if not instance.held_because():
            shown |= {"held_reason": "", "held_until": None}
        return shown


class AccountOut(serializers.ModelSerializer[Account]):
    apps = AppOut(many=True, read_only=True)

    class Meta:
        model = Account
        fields = ["id", "slug", "name", "kind", "role", "state", "apps"]
        read_only_fields = fields


class InboundOut(serializers.ModelSerializer[InboundEvent]):
    app = serializers.CharField(source="app.slug", read_only=True)

    class Meta:
        model = InboundEvent
        fields = ["id", "app", "kind", "dedupe_key", "state", "received_at", "error"]
        read_only_fields = fields

    def to_representation(self, instance: InboundEvent) -> dict[str, Any]:
        shown = super().to_representation(instance)
        if instance.hint and not instance.error:
            shown["error"] = " ".join(str(part) for part in JSON_HINT)
        return shown


class OutboundOut(serializers.ModelSerializer[OutboundMessage]):
    app = serializers.CharField(source="app.slug", read_only=True)
    reason_text = serializers.CharField(
        read_only=True,
        help_text="Why it stands where it stands, in words; of one that waits also what "
        "holds its account.",
    )

    class Meta:
        model = OutboundMessage
        fields = [
            "id",
            "app",
            "channel",
            "kind",
            "recipient",
            "purpose",
            "dedupe_key",
            "state",
            "reason_code",
            "reason",
            "reason_text",
            "created_at",
            "finished_at",
        ]
        read_only_fields = fields


class InboxQuery(PageQuery):
    state = serializers.ChoiceField(InboundEvent.State.choices, required=False)
    dedupe_key = StrictCharField(required=False, max_length=400)


class OutboxQuery(PageQuery):
    state = serializers.ChoiceField(OutboundMessage.State.choices, required=False)


class Accounts(RowsEndpoint):
    permission = "wechat.view_account"
    serializer_class = AccountOut

    def get_queryset(self) -> QuerySet[Account]:
        shown = App.objects.only("account_id", *AppOut.Meta.fields).order_by("id")
        return (
            Account.objects.visible_to(caller(self.request))
            .only("slug", "name", "kind", "role", "state")
            .prefetch_related(Prefetch("apps", shown))
        )

    @documented(
        "listAccounts", AccountOut, summary="Accounts", tag="accounts", query=PageQuery
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class Inbox(RowsEndpoint):
    permission = "wechat.view_inboundevent"
    serializer_class = InboundOut
    query = InboxQuery

    def get_queryset(self) -> QuerySet[InboundEvent]:
        shown = [name for name in InboundOut.Meta.fields if name != "app"]
        return (
            InboundEvent.objects.visible_to(caller(self.request))
            .filter(**chosen(self.params, "state", "dedupe_key"))
            .select_related("app")
            .only(*shown, "hint", "app__slug")
        )

    @documented(
        "listInbox",
        InboundOut,
        summary="What the platforms pushed, newest first",
        tag="inbox and outbox",
        query=InboxQuery,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class Outbox(RowsEndpoint):
    permission = "wechat.view_outboundmessage"
    serializer_class = OutboundOut
    query = OutboxQuery

    def get_queryset(self) -> QuerySet[OutboundMessage]:
        derived = {"app", "reason_text"}
        shown = [name for name in OutboundOut.Meta.fields if name not in derived]
        standing = ["slug", "is_active", "held_reason", "held_until", "account__state"]
        return (
            OutboundMessage.objects.visible_to(caller(self.request))
            .filter(**chosen(self.params, "state"))
            .select_related("app__account")
            .only(*shown, *(f"app__{name}" for name in standing))
        )

    @documented(
        "listOutbox",
        OutboundOut,
        summary="What was to be sent, newest first",
        tag="inbox and outbox",
        query=OutboxQuery,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


def chosen(params: dict[str, Any], *names: str) -> dict[str, Any]:
    """The filters that were asked for; the names are field names and fixed in code."""
    return {name: params[name] for name in names if name in params}
