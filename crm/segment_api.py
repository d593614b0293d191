"""Segments over the API: made, changed, counted, who is in and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.pages import Order
from core.rest.reading import PageQuery, StrictCharField, StrictSerializer
from core.rest.views import BIGGEST_ID, Endpoint, RowsEndpoint, documented
from crm import segment_states, segmenting, segments
from crm.api import MemberOut, members_for
from crm.models import Member, Segment, SegmentMember
from crm.segment_pages import access, explaining
from crm.segments import sentences
from staff.authentication import caller
from staff.models import OrgUnit, Staff

TAG = "segments"
VIEW, ADD, CHANGE = access.VIEW, access.ADD, access.CHANGE
FIRST_FIRST = Order(("id",), is_descending=False)
Kind = Segment.Kind
STATES = ("fresh", "computing", "stale", "failed", "new", "fixed", "archived")
STATE_CHOICES = [(state, state) for state in STATES]
RULE_HELP = (
    "A group `{all: […]}`, `{any: […]}` or `{not: …}`, or a condition `{on: …}`; "
    "an empty object means everybody."
)


class SegmentOut(serializers.ModelSerializer[Segment]):
    owner = serializers.CharField(
        source="owner.username", read_only=True, help_text="User name."
    )
    revision = serializers.SerializerMethodField(
        help_text="What a change must be made over."
    )
    state = serializers.ChoiceField(
        STATE_CHOICES,
        source="state_now.name",
        read_only=True,
        help_text="How far it is.",
    )

    class Meta:
        model = Segment
        fields = [
            *("id", "name", "description", "kind", "org_unit", "owner", "version"),
            *("revision", "state", "member_count", "computed_at", "error"),
            *("created_at", "changed_at", "archived_at"),
        ]
        read_only_fields = fields

    def get_revision(self, segment: Segment) -> str:
        return segmenting.revision_of(segment)


class WholeSegmentOut(SegmentOut):
    rule = serializers.DictField(read_only=True, help_text=RULE_HELP)
    summary = serializers.CharField(
        read_only=True, help_text="The rule as a sentence, in the person's language."
    )

    class Meta(SegmentOut.Meta):
        fields = [*SegmentOut.Meta.fields, "rule", "summary"]
        read_only_fields = fields


class SegmentIn(StrictSerializer):
    name = StrictCharField(max_length=segmenting.NAME_LENGTH)
    description = StrictCharField(
        required=False,
        allow_blank=True,
        max_length=segmenting.DESCRIPTION_LENGTH,
    )
    kind = serializers.ChoiceField(
        [Kind.DYNAMIC.value, Kind.LIST.value], required=False, default="dynamic"
    )
    rule = serializers.JSONField(required=False, help_text=RULE_HELP)
    org_unit = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=BIGGEST_ID,
        help_text="Only members below this unit.",
    )


class SegmentChangeIn(StrictSerializer):
    revision = StrictCharField(
        max_length=60, help_text="Of the segment as you have read it."
    )
    name = StrictCharField(required=False, max_length=segmenting.NAME_LENGTH)
    description = StrictCharField(
        required=False,
        allow_blank=True,
        max_length=segmenting.DESCRIPTION_LENGTH,
    )
    rule = serializers.JSONField(required=False, help_text=RULE_HELP)
    org_unit = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=BIGGEST_ID
    )


class EstimateIn(StrictSerializer):
    rule = serializers.JSONField(help_text=RULE_HELP)
    org_unit = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=BIGGEST_ID
    )


class SampleOut(serializers.ModelSerializer[Member]):
    class Meta:
        model = Member
        fields = ["id", "display_name"]
        read_only_fields = fields


class EstimateOut(serializers.Serializer[Any]):
    total = serializers.IntegerField(read_only=True, help_text="Members it means.")
    share = serializers.FloatField(
        read_only=True,
        allow_null=True,
        help_text="Of all who can be addressed, 0–1; null when there is nobody.",
    )
    excluded = serializers.DictField(
        child=serializers.IntegerField(),
        read_only=True,
        help_text="Of the total, who can't be addressed, by reason.",
    )
    is_exact = serializers.BooleanField(
        read_only=True, help_text="Else estimated from a sample."
    )
    is_nearly_everybody = serializers.BooleanField(read_only=True)
    as_of = serializers.DateTimeField(read_only=True)
    sample = SampleOut(
        many=True,
        read_only=True,
        help_text="Some of them; empty for who may not look at members.",
    )


class WhyQuery(StrictSerializer):
    member = serializers.IntegerField(min_value=1, max_value=BIGGEST_ID)


class WhyLineOut(serializers.Serializer[Any]):
    depth = serializers.IntegerField(read_only=True, help_text="0 is the whole rule.")
    holds = serializers.BooleanField(read_only=True)
    text = serializers.CharField(read_only=True)
    facts = serializers.CharField(read_only=True, help_text="What is known; or empty.")


class WhyOut(serializers.Serializer[Any]):
    member = serializers.IntegerField(read_only=True)
    is_in = serializers.BooleanField(
        source="holds", read_only=True, help_text="By the rule as it is now."
    )
    was_in = serializers.BooleanField(
        read_only=True, help_text="When it was computed last."
    )
    lines = WhyLineOut(many=True, read_only=True)


class SegmentQuery(PageQuery):
    kind = serializers.ChoiceField(Kind.choices, required=False)
    archived = serializers.BooleanField(required=False, default=False)


def segments_for(staff: Staff) -> QuerySet[Segment]:
    """Segments the person may see, archived ones among them."""
    rows = Segment.objects.visible_to(staff)
    return rows.select_related("owner", "controller", "org_unit")


def told(rows: Sequence[Segment]) -> Sequence[Segment]:
    """With their states, in one query for all."""
    states = segment_states.of(rows)
    for row in rows:
        row.state_now = states[row.pk]  # type: ignore[attr-defined]
    return rows


def whole(segment: Segment) -> dict[str, Any]:
    """A segment as the API tells it alone, with its rule in words."""
    told([segment])
    names = sentences.names_in([segment.rule], [segment.controller_id])
    segment.summary = sentences.summary(segment.rule, names)  # type: ignore[attr-defined]
    return dict(WholeSegmentOut(segment).data)


class _OfSegments(Endpoint):
    """Reading and writing have a permission each."""

    writing = CHANGE

    @property
    def permission(self) -> str:  # type: ignore[override]
        return VIEW if self.request.method in ("GET", "HEAD") else self.writing

    def one(self) -> Segment:
        return get_object_or_404(
            segments_for(caller(self.request)), pk=self.kwargs["id"]
        )

    def body(self, takes: type[StrictSerializer]) -> dict[str, Any]:
        given = takes(data=self.request.data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)


def _place(staff: Staff, given: Any) -> tuple[OrgUnit, OrgUnit | None]:
    """(data controller, unit) of what is asked for; 400 for a unit out of sight."""
    controller = access.controller_of(staff, None)
    if controller is None:
        raise PermissionDenied
    if given is None:
        return controller, access.unit_of(staff, controller, None)
    units = OrgUnit.objects.visible_to(staff).select_related("controller")
    unit = units.filter(pk=given).first()
    if unit is None or unit.controller is None:
        raise serializers.ValidationError({"org_unit": [_("There is no such unit.")]})
    return unit.controller, unit


class Segments(_OfSegments, RowsEndpoint):
    serializer_class = SegmentOut
    query = SegmentQuery
    writing = ADD

    def get_queryset(self) -> QuerySet[Segment]:
        rows = segments_for(caller(self.request))
        rows = rows.filter(archived_at__isnull=not self.params["archived"])
        if "kind" in self.params:
            rows = rows.filter(kind=self.params["kind"])
        return rows

    def paginate_queryset(self, queryset: Any) -> Any:
        return told(super().paginate_queryset(queryset) or [])

    @documented(
        "listSegments",
        SegmentOut,
        summary="Segments, newest first",
        tag=TAG,
        query=SegmentQuery,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @documented(
        "createSegment",
        WholeSegmentOut,
        summary="Make a segment, and have its members computed",
        tag=TAG,
        body=SegmentIn,
        status=201,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        staff = caller(request)
        given = self.body(SegmentIn)
        controller, unit = _place(staff, given.pop("org_unit", None))
        made = segmenting.create(controller, actor=staff, org_unit=unit, **given)
        if made.kind == Kind.DYNAMIC:
            segment_states.recompute(made, actor=staff)
        return Response(whole(segments_for(staff).get(pk=made.pk)), status=201)


class OneSegment(_OfSegments):
    http_method_names = ["get", "head", "patch"]

    @documented(
        "getSegment",
        WholeSegmentOut,
        summary="A segment with its rule",
        tag=TAG,
        is_about_row=True,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        return Response(whole(self.one()))

    @documented(
        "changeSegment",
        WholeSegmentOut,
        summary="Change a segment over the revision that was read",
        tag=TAG,
        body=SegmentChangeIn,
        is_about_row=True,
        may_conflict=True,
    )
    def patch(self, request: Request, **kwargs: Any) -> Response:
        staff, segment = caller(request), self.one()
        given = self.body(SegmentChangeIn)
        unit = segment.org_unit
        if "org_unit" in given:
            controller, unit = _place(staff, given.pop("org_unit"))
            if controller.pk != segment.controller_id:
                raise segmenting.SegmentRefused({"org_unit": ""})
        stands = {name: getattr(segment, name) for name in ("name", "description")}
        saved = segmenting.update(
            segment,
            given.pop("revision"),
            actor=staff,
            org_unit=unit,
            **{**stands, "rule": segment.rule, **given},
        )
        if saved.kind == Kind.DYNAMIC and saved.version != segment.version:
            segment_states.recompute(saved, actor=staff)
        return Response(whole(self.one()))


class Estimate(_OfSegments):
    writing = VIEW

    @documented(
        "estimateSegment",
        EstimateOut,
        summary="How many members a rule means now",
        tag=TAG,
        body=EstimateIn,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        staff = caller(request)
        given = self.body(EstimateIn)
        controller, unit = _place(staff, given.get("org_unit"))
        node = segments.parse(given["rule"], controller=controller)
        found = segments.estimate(node, controller, staff, unit=unit)
        return Response(EstimateOut(found).data)


class SegmentMembers(RowsEndpoint):
    permission = VIEW
    serializer_class = MemberOut
    order = FIRST_FIRST

    def get_queryset(self) -> QuerySet[Member]:
        staff = caller(self.request)
        if not staff.has_perm(access.VIEW_MEMBER):
            raise PermissionDenied
        rows = Segment.objects.visible_to(staff)
        segment = get_object_or_404(rows, pk=self.kwargs["id"])
        inside = SegmentMember.objects.filter(segment=segment)
        return members_for(staff).filter(pk__in=inside.values("member"))

    @documented(
        "listSegmentMembers",
        MemberOut,
        summary="Who is in a segment as it was computed last",
        tag=TAG,
        query=PageQuery,
        is_about_row=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class Why(_OfSegments):
    query = WhyQuery

    @documented(
        "whySegment",
        WhyOut,
        summary="Why a member is in a segment, or not",
        tag=TAG,
        query=WhyQuery,
        is_about_row=True,
    )
    def get(self, request: Request, **kwargs: Any) -> Response:
        staff, segment = caller(request), self.one()
        if not staff.has_perm(access.VIEW_MEMBER):
            raise PermissionDenied
        members = Member.objects.visible_to(staff).known()
        members = members.filter(controller=segment.controller_id)
        member = get_object_or_404(members, pk=self.params["member"])
        return Response(WhyOut(explaining.of_segment(segment, member)).data)
