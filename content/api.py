"""Content over the API: what there is to say, and how far it is."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from content import rendering
from content.models import Item, Slot, Version
from core.rest.reading import PageQuery
from core.rest.views import RowEndpoint, RowsEndpoint, documented
from staff.authentication import caller
from staff.models import Staff
from wechat.models import Account

TAG = "content"


class VersionOut(serializers.ModelSerializer[Version]):
    created_by = serializers.CharField(source="created_by.username", read_only=True)
    approved_by = serializers.CharField(
        source="approved_by.username", read_only=True, allow_null=True
    )
    source_url = serializers.CharField(
        read_only=True, help_text="Behind “Read more”; empty when there is none."
    )

    class Meta:
        model = Version
        fields = [
            *("number", "state", "headline", "summary", "byline", "body"),
            *("source_url", "digest", "created_by", "created_at"),
            *("submitted_at", "approved_by", "approved_at", "review_note"),
        ]
        read_only_fields = fields


class SlotOut(serializers.ModelSerializer[Slot]):
    version = serializers.IntegerField(
        source="version.number", read_only=True, help_text="Number of the version."
    )
    account = serializers.CharField(source="account.slug", read_only=True)

    class Meta:
        model = Slot
        fields = ["id", "version", "account", "publish_at", "state"]
        read_only_fields = fields


class ItemOut(serializers.ModelSerializer[Item]):
    owner = serializers.CharField(source="owner.username", read_only=True)
    source_type = serializers.CharField(
        read_only=True,
        help_text="Where the material comes from, as a word; empty when not stated.",
    )
    subject = serializers.CharField(
        read_only=True,
        help_text="`new`, `how_to`, `origin`; empty when it is about none of these.",
    )
    category = serializers.CharField(
        read_only=True, help_text="Code of a product category; empty when none."
    )

    class Meta:
        model = Item
        fields = [
            *("id", "kind", "title", "state", "owner", "org_unit", "source_type"),
            *("subject", "category", "cta", "product_tie", "rights"),
            *("created_at", "changed_at"),
        ]
        read_only_fields = fields


class WholeItemOut(ItemOut):
    """An item with its versions, newest first, and its slots, earliest first."""

    versions = VersionOut(many=True, read_only=True)
    slots = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField(
        help_text="Addresses in the newest version, in order."
    )

    class Meta(ItemOut.Meta):
        fields = [*ItemOut.Meta.fields, "versions", "slots", "links"]
        read_only_fields = fields

    @extend_schema_field(SlotOut(many=True))
    def get_slots(self, item: Item) -> list[dict[str, Any]]:
        found = [
            slot for version in item.versions.all() for slot in version.slots.all()
        ]
        found.sort(key=lambda slot: (slot.publish_at, slot.pk))
        return list(SlotOut(found, many=True).data)

    def get_links(self, item: Item) -> list[str]:
        versions = item.versions.all()
        return rendering.links_of(versions[0]) if versions else []


class ItemQuery(PageQuery):
    state = serializers.ChoiceField(Item.State.choices, required=False)
    kind = serializers.ChoiceField(Item.Kind.choices, required=False)


def items_for(staff: Staff) -> QuerySet[Item]:
    return Item.objects.visible_to(staff).select_related("owner")


class Items(RowsEndpoint):
    permission = "content.view_item"
    serializer_class = ItemOut
    query = ItemQuery

    def get_queryset(self) -> QuerySet[Item]:
        given = {
            name: self.params[name] for name in ("state", "kind") if name in self.params
        }
        return items_for(caller(self.request)).filter(**given)

    @documented(
        "listContentItems",
        ItemOut,
        summary="Content items, newest first",
        tag=TAG,
        query=ItemQuery,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class OneItem(RowEndpoint):
    permission = "content.view_item"
    serializer_class = WholeItemOut
    lookup_field = "id"

    def get_queryset(self) -> QuerySet[Item]:
        staff = caller(self.request)
        slots = (
            Slot.objects.filter(account__in=Account.objects.visible_to(staff))
            .select_related("account", "version")
            .order_by("publish_at")
        )
        versions = (
            Version.objects.select_related("created_by", "approved_by")
            .prefetch_related(Prefetch("slots", slots))
            .order_by("-number")
        )
        return items_for(staff).prefetch_related(Prefetch("versions", versions))

    @documented(
        "getContentItem",
        WholeItemOut,
        summary="A content item with its versions and slots",
        tag=TAG,
        is_about_row=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)
