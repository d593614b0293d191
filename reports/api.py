"""The recap over the API: the same version, figures and definitions as its page."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from campaigns.models import Campaign, Recap
from core.rest.reading import DecimalDigitsField, StrictSerializer
from core.rest.views import Endpoint, documented
from reports import recaps
from reports.figures import GRAINS, KINDS
from reports.metrics import all_metrics
from reports.recap_pages import VIEW
from reports.tables import KEYS
from staff.authentication import caller

TAG = "campaigns"
MAX_VERSION = 9999


class ClicksOut(serializers.Serializer[Any]):
    grain = serializers.ChoiceField(
        [(grain, grain) for grain in GRAINS],
        help_text=(
            "person: every opening is somebody's; known: those the platform told; "
            "touch: openings only, nobody is told; none: no links."
        ),
    )
    openings = serializers.IntegerField()
    named = serializers.IntegerField(help_text="Openings of people we know.")
    people = serializers.IntegerField(
        help_text="People we know who clicked; tells nothing when the grain is touch."
    )


class ReactionOut(serializers.Serializer[Any]):
    count = serializers.IntegerField()
    people = serializers.IntegerField()


class ReactionsOut(serializers.Serializer[Any]):
    """Credited to the last touch before, within the hours of the setting."""

    reply = ReactionOut()
    conversation = ReactionOut()
    opt_out = ReactionOut()
    unfollow = ReactionOut()


assert set(KINDS) == set(ReactionsOut._declared_fields)


class PlatformOut(serializers.Serializer[Any]):
    """The platform's own report on the mass calls; it names nobody."""

    calls = serializers.IntegerField()
    told = serializers.IntegerField(help_text="Calls it has reported on.")
    delivered = serializers.IntegerField()
    not_delivered = serializers.IntegerField()


class CountsOut(serializers.Serializer[Any]):
    """planned = waiting + sent + accepted + failed + unknown + excluded."""

    planned = serializers.IntegerField()
    waiting = serializers.IntegerField()
    sent = serializers.IntegerField()
    accepted = serializers.IntegerField()
    failed = serializers.IntegerField()
    unknown = serializers.IntegerField()
    excluded = serializers.IntegerField()
    reasons = serializers.DictField(
        child=serializers.DictField(child=serializers.IntegerField()),
        help_text="State → reason → people.",
    )
    platform = PlatformOut()
    clicks = ClicksOut()
    responses = ReactionsOut()


class LinkOut(serializers.Serializer[Any]):
    link = serializers.IntegerField()
    number = serializers.IntegerField()
    url = serializers.CharField()
    openings = serializers.IntegerField()
    people = serializers.IntegerField()


class TouchFiguresOut(CountsOut):
    touch = serializers.IntegerField()
    name = serializers.CharField()
    channel = serializers.CharField()
    account = serializers.CharField()
    state = serializers.CharField()
    started_at = serializers.DateTimeField(allow_null=True)
    links = LinkOut(many=True)


class FiguresOut(serializers.Serializer[Any]):
    total = CountsOut()
    touches = TouchFiguresOut(many=True)


class DefinitionOut(serializers.Serializer[Any]):
    code = serializers.CharField()
    name = serializers.CharField()
    formula = serializers.CharField()
    grain = serializers.CharField()
    unit = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]
    pitfall = serializers.CharField()


class RecapOut(serializers.Serializer[Any]):
    campaign = serializers.IntegerField(source="campaign_id")
    version = serializers.IntegerField(source="number")
    as_of = serializers.DateTimeField()
    locked_at = serializers.DateTimeField(allow_null=True)
    figures = FiguresOut()
    learnings = serializers.CharField(allow_blank=True)
    definitions = serializers.SerializerMethodField()

    @extend_schema_field(DefinitionOut(many=True))
    def get_definitions(self, recap: Recap) -> Any:
        metrics = all_metrics()
        told = [metrics[code] for code in KEYS.values()]
        return DefinitionOut(told, many=True).data


class RecapQuery(StrictSerializer):
    version = DecimalDigitsField(
        required=False,
        min_value=1,
        max_value=MAX_VERSION,
        help_text="A version by its number; the newest without it.",
    )


class CampaignRecap(Endpoint):
    permission = VIEW
    query = RecapQuery

    @documented(
        "getCampaignRecap",
        RecapOut,
        summary="What came of a campaign",
        tag=TAG,
        query=RecapQuery,
        is_about_row=True,
        description=(
            "Figures of a version, as of its time; the newest one may still change until "
            "it is locked. What no platform tells (delivered, opened) is not in it."
        ),
    )
    def get(self, request: Request, id: int) -> Response:
        rows = Campaign.objects.visible_to(caller(request))
        campaign = get_object_or_404(rows, pk=id)
        return Response(RecapOut(self._version(campaign)).data)

    def _version(self, campaign: Campaign) -> Recap:
        number = self.params.get("version")
        if number is None:
            return recaps.latest(campaign)
        found: Recap | None = campaign.recaps.filter(number=number).first()
        if found is None:
            raise NotFound
        return found
