"""Campaigns over the API: what is planned, how far it is, who it is for, and the brake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns import counts, sending
from campaigns.models import Campaign, Recipient, Touch
from core.rest.pages import Order
from core.rest.reading import PageQuery, StrictCharField, StrictSerializer
from core.rest.views import Endpoint, RowEndpoint, RowsEndpoint, documented
from staff.authentication import caller
from staff.models import Staff

TAG = "campaigns"
FIRST_FIRST = Order(("id",), is_descending=False)
BY_MEMBER = Order(("member_id",), is_descending=False)
VIEW_CAMPAIGN = "campaigns.view_campaign"
VIEW_TOUCH = "campaigns.view_touch"
SEND_TOUCH = "campaigns.send_touch"


class CampaignOut(serializers.ModelSerializer[Campaign]):
    template = serializers.CharField(
        source="template.code",
        read_only=True,
        allow_null=True,
        help_text="Code of the template it began from.",
    )
    owner = serializers.CharField(
        source="owner.username", read_only=True, help_text="User name."
    )

    class Meta:
        model = Campaign
        fields = [
            *("id", "name", "template", "org_unit", "owner", "live_date"),
            *("state", "created_at"),
        ]
        read_only_fields = fields


class TouchCountsOut(serializers.Serializer[counts.Counts]):
    """People of the touch by state: planned is the sum of the others."""

    planned = serializers.IntegerField(read_only=True)
    waiting = serializers.IntegerField(read_only=True)
    sent = serializers.IntegerField(read_only=True)
    accepted = serializers.IntegerField(read_only=True)
    failed = serializers.IntegerField(read_only=True)
    unknown = serializers.IntegerField(read_only=True)
    excluded = serializers.IntegerField(read_only=True)
    reasons = serializers.DictField(
        child=serializers.IntegerField(),
        read_only=True,
        help_text="Excluded people by reason.",
    )


class TouchOut(serializers.ModelSerializer[Touch]):
    phase = serializers.CharField(source="phase.kind", read_only=True)
    account = serializers.CharField(
        source="account.slug", read_only=True, help_text="Slug of the account."
    )
    counts = TouchCountsOut(
        source="tallied",
        read_only=True,
        help_text="Zeros before the audience is fixed.",
    )

    class Meta:
        model = Touch
        fields = [
            *("id", "campaign", "phase", "name", "channel", "account", "version"),
            *("state", "reason_code", "scheduled_at", "started_at", "finished_at"),
            "counts",
        ]
        read_only_fields = fields


class RecipientOut(serializers.ModelSerializer[Recipient]):
    class Meta:
        model = Recipient
        fields = ["id", "member", "state", "reason", "contacted_at"]
        read_only_fields = fields


class CampaignQuery(PageQuery):
    state = serializers.ChoiceField(Campaign.State.choices, required=False)


class TouchQuery(PageQuery):
    state = serializers.ChoiceField(Touch.State.choices, required=False)


class RecipientQuery(PageQuery):
    state = serializers.ChoiceField(Recipient.State.choices, required=False)
    reason = StrictCharField(
        required=False,
        max_length=24,
        help_text="Code of a reason, such as `opted_out`.",
    )


class ReasonIn(StrictSerializer):
    reason = StrictCharField(
        required=False, max_length=300, help_text="For colleagues and the trail."
    )


class NothingIn(StrictSerializer):
    """Nothing is taken; an empty body and `{}` are the same."""


def campaigns_for(staff: Staff) -> QuerySet[Campaign]:
    own = [n for n in CampaignOut.Meta.fields if n not in {"template", "owner"}]
    return (
        Campaign.objects.visible_to(staff)
        .select_related("template", "owner")
        .only(*own, "template__code", "owner__username")
    )


def touches_for(staff: Staff) -> QuerySet[Touch]:
    return Touch.objects.visible_to(staff).select_related("phase", "account")


def told(touches: list[Touch]) -> list[Touch]:
    """With their counts, in one query for all."""
    found = counts.of([each.pk for each in touches])
    for each in touches:
        each.tallied = found[each.pk]  # type: ignore[attr-defined]
    return touches


class Campaigns(RowsEndpoint):
    permission = VIEW_CAMPAIGN
    serializer_class = CampaignOut
    query = CampaignQuery

    def get_queryset(self) -> QuerySet[Campaign]:
        rows = campaigns_for(caller(self.request))
        if "state" in self.params:
            rows = rows.filter(state=self.params["state"])
        return rows

    @documented(
        "listCampaigns",
        CampaignOut,
        summary="Campaigns, newest first",
        tag=TAG,
        query=CampaignQuery,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class OneCampaign(RowEndpoint):
    permission = VIEW_CAMPAIGN
    serializer_class = CampaignOut
    lookup_field = "id"

    def get_queryset(self) -> QuerySet[Campaign]:
        return campaigns_for(caller(self.request))

    @documented(
        "getCampaign", CampaignOut, summary="A campaign", tag=TAG, is_about_row=True
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class Touches(RowsEndpoint):
    permission = VIEW_TOUCH
    serializer_class = TouchOut
    query = TouchQuery

    def get_queryset(self) -> QuerySet[Touch]:
        staff = caller(self.request)
        campaigns = Campaign.objects.visible_to(staff).only("pk")
        campaign = get_object_or_404(campaigns, pk=self.kwargs["id"])
        rows = touches_for(staff).filter(campaign=campaign)
        if "state" in self.params:
            rows = rows.filter(state=self.params["state"])
        return rows

    def paginate_queryset(self, queryset: Any) -> Any:
        return told(super().paginate_queryset(queryset) or [])

    @documented(
        "listTouches",
        TouchOut,
        summary="The touches of a campaign with their counts, newest first",
        tag=TAG,
        query=TouchQuery,
        is_about_row=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class Recipients(RowsEndpoint):
    permission = "campaigns.view_recipient"
    serializer_class = RecipientOut
    query = RecipientQuery

    @property
    def order(self) -> Order:  # type: ignore[override]
        """As an index of the ledger goes: nothing sorts a million recipients."""
        return FIRST_FIRST if "state" in self.params else BY_MEMBER

    def get_queryset(self) -> QuerySet[Recipient]:
        staff = caller(self.request)
        touches = Touch.objects.visible_to(staff).only("pk")
        touch = get_object_or_404(touches, pk=self.kwargs["id"])
        rows = Recipient.objects.visible_to(staff).filter(touch=touch)
        for name in ("state", "reason"):
            if name in self.params:
                rows = rows.filter(**{name: self.params[name]})
        return rows.only(*RecipientOut.Meta.fields)

    @documented(
        "listRecipients",
        RecipientOut,
        summary="Who a touch is for, and why somebody is left out",
        tag=TAG,
        query=RecipientQuery,
        is_about_row=True,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class TouchAct(Endpoint):
    """POST that moves a touch from one state to another."""

    permission = SEND_TOUCH

    def act(
        self, request: Request, takes: type[StrictSerializer], run: Callable[..., Any]
    ) -> Response:
        body = takes(data=request.data)
        body.is_valid(raise_exception=True)
        staff = caller(request)
        rows = touches_for(staff)
        touch = get_object_or_404(rows, pk=self.kwargs["id"])
        run(touch, actor=staff, **body.validated_data)
        return Response(TouchOut(told([rows.get(pk=touch.pk)])[0]).data)


class Pause(TouchAct):
    @documented(
        "pauseTouch",
        TouchOut,
        summary="Let a touch that is being sent stand still",
        tag=TAG,
        body=ReasonIn,
        is_about_row=True,
        may_conflict=True,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        return self.act(request, ReasonIn, sending.pause)


class Resume(TouchAct):
    @documented(
        "resumeTouch",
        TouchOut,
        summary="Let a paused touch go on",
        tag=TAG,
        body=NothingIn,
        is_about_row=True,
        may_conflict=True,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        return self.act(request, NothingIn, sending.resume)


class Stop(TouchAct):
    @documented(
        "stopTouch",
        TouchOut,
        summary="End a touch for good; who still waits is left out",
        tag=TAG,
        body=ReasonIn,
        is_about_row=True,
        may_conflict=True,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        return self.act(request, ReasonIn, sending.stop)
