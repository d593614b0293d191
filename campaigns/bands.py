"""The phases of campaigns as bands above the days of the content calendar."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from django.db.models import DateField, ExpressionWrapper, F
from django.urls import reverse
from django.utils.translation import gettext as _

from campaigns.models import Campaign, Phase
from content.registry import Band, bands
from staff.models import Staff


@bands
def phases_between(staff: Staff, first: date, last: date) -> Iterator[Band]:
    """Phases of campaigns somebody may see that lie, even partly, in those days."""
    if not staff.has_perm("campaigns.view_campaign"):
        return
    campaigns = Campaign.objects.visible_to(staff).exclude(
        state=Campaign.State.CANCELLED
    )
    found = (
        Phase.objects.filter(campaign__in=campaigns)
        .annotate(first=_date("start_day"), last=_date("end_day"))
        .filter(first__lte=last, last__gte=first)
        .select_related("campaign")
        .order_by("first", "id")
    )
    for phase in found:
        yield Band(
            title=_("%(campaign)s · %(phase)s")
            % {
                "campaign": phase.campaign.name,
                "phase": phase.get_kind_display(),
            },
            start=phase.starts_on,
            end=phase.ends_on,
            url=reverse("admin:campaigns_campaign_change", args=[phase.campaign_id]),
            kind=phase.kind,
        )


def _date(days: str) -> Any:
    """PostgreSQL adds a number of days to a date."""
    return ExpressionWrapper(F("campaign__live_date") + F(days), DateField())
