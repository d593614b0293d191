"""Members over the API: who they are and what happened."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.pages import LATEST_FIRST
from core.rest.reading import MomentPageQuery, PageQuery, StrictCharField
from core.rest.views import RowEndpoint, RowsEndpoint, documented
from crm import standing
from crm.models import Event, Identity, Member, MemberTag
from staff.authentication import caller
from staff.models import Staff


class IdentityOut(serializers.ModelSerializer[Identity]):
    account = serializers.CharField(
        source="account.slug",
        read_only=True,
        allow_null=True,
        help_text="Slug of the account that uses the id; null for a UnionID.",
    )

    class Meta:
        model = Identity
        fields = ["kind", "account", "value"]
        read_only_fields = fields


class MemberTagOut(serializers.ModelSerializer[MemberTag]):
    id = serializers.IntegerField(
        source="tag_id", read_only=True, help_text="The tag's id."
    )
    name = serializers.CharField(source="tag.name", read_only=True)

    class Meta:
        model = MemberTag
        fields = ["id", "name", "source", "set_at", "expires_at"]
        read_only_fields = fields


class MemberOut(serializers.ModelSerializer[Member]):
    identities = IdentityOut(many=True, read_only=True)
    owner = serializers.IntegerField(
        source="owner_id",
        read_only=True,
        allow_null=True,
        help_text="Id of the colleague the member belongs to.",
    )
    rfm = serializers.ChoiceField(
        Member.Rfm.choices,
        read_only=True,
        allow_blank=True,
        help_text="Empty while there are too few buyers to score.",
    )
    tags = MemberTagOut(source="member_tags", many=True, read_only=True)
    may_be_addressed = serializers.SerializerMethodField(
        help_text="Whether marketing may reach the person at all: not opted out, not"
        " frozen after a complaint, and reachable through an account."
    )

    class Meta:
        model = Member
        fields = [
            "id",
            "display_name",
            "stage",
            "rfm",
            "trust",
            "owner",
            "may_be_addressed",
            "tags",
            "identities",
        ]
        read_only_fields = fields

    def get_may_be_addressed(self, member: Member) -> bool:
        return standing.marketing(member).may_be_addressed


class EventOut(serializers.ModelSerializer[Event]):
    account = serializers.CharField(
        source="account.slug", read_only=True, allow_null=True
    )
    data = serializers.DictField(  # type: ignore[assignment]
        read_only=True, help_text="What `kind` tells of it."
    )

    class Meta:
        model = Event
        fields = ["id", "kind", "at", "account", "data"]
        read_only_fields = fields


class MemberQuery(PageQuery):
    identity = StrictCharField(
        required=False,
        max_length=64,
        help_text="An openid, unionid or external_userid, whole.",
    )


_SHOWN = (
    *("display_name", "stage", "rfm", "trust", "owner_id", "opted_out_at"),
    *("frozen_until", "is_reachable", "merged_into_id", "purged_at"),
)


def members_for(staff: Staff) -> QuerySet[Member]:
    """Members somebody may see, with their identities, personal fields not loaded."""
    identities = Identity.objects.select_related("account").only(
        "member_id", "kind", "value", "account__slug"
    )
    tags = MemberTag.objects.select_related("tag").only(
        "member_id", "source", "set_at", "expires_at", "tag__name", "tag__group_id"
    )
    return (
        Member.objects.visible_to(staff)
        .known()
        .only(*_SHOWN)
        .prefetch_related(
            Prefetch("identities", identities.order_by("id")),
            Prefetch("member_tags", tags.in_order()),
        )
    )


class Members(RowsEndpoint):
    permission = "crm.view_member"
    serializer_class = MemberOut
    query = MemberQuery

    def get_queryset(self) -> QuerySet[Member]:
        rows = members_for(caller(self.request))
        if "identity" in self.params:
            known = Identity.objects.filter(value=self.params["identity"])
            rows = rows.filter(pk__in=known.values("member"))
        return rows

    @documented(
        "listMembers", MemberOut, summary="Members", tag="members", query=MemberQuery
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class OneMember(RowEndpoint):
    permission = "crm.view_member"
    serializer_class = MemberOut
    lookup_field = "id"

    def get_queryset(self) -> QuerySet[Member]:
        return members_for(caller(self.request))

    @documented(
        "getMember", MemberOut, summary="A member", tag="members", is_about_row=True
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class MemberEvents(RowsEndpoint):
    permission = "crm.view_member"
    serializer_class = EventOut
    query = MomentPageQuery
    order = LATEST_FIRST

    def get_queryset(self) -> QuerySet[Event]:
        staff = caller(self.request)
        members = Member.objects.visible_to(staff).known().only("pk")
        member = get_object_or_404(members, pk=self.kwargs["id"])
        return (
            Event.objects.visible_to(staff)
            .filter(member=member)
            .select_related("account")
            .only("member_id", "kind", "at", "data", "account__slug")
        )

    @documented(
        "listMemberEvents",
        EventOut,
        summary="What happened with a member, latest first",
        tag="members",
        query=MomentPageQuery,
        is_about_row=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)
