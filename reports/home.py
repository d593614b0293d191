"""The manager's home: the key figures first, then the campaigns that run."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Q, Sum
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns.models import Campaign, Recipient, TouchTally
from campaigns.pages.access import VIEW
from core.registry import HomeLead, HomeTile, TileLine, home_leads, home_tiles
from reports import rollups, series
from reports.metric_pages import FIGURES
from reports.metrics import Metric, all_metrics
from reports.row_pages import MEMBERS
from reports.series import Reading
from reports.trend import Trend
from staff.requests import staff_of

LEADING = ("C08", "C10")
SHOWN_CAMPAIGNS = 8
GONE_OUT = Q(state__in=[Recipient.State.SENT, Recipient.State.ACCEPTED])


@dataclass(frozen=True)
class Card:
    metric: Metric
    reading: Reading
    trend: Trend


def lead(request: HttpRequest) -> str:
    """互动次数 and 服务价值 this week, large; followers small, for reference."""
    staff = staff_of(request)
    readings = [series.read(staff, code) for code in LEADING]
    metrics = all_metrics()
    return render_to_string(
        "reports/home_lead.html",
        {
            "cards": [
                Card(metrics[each.code], each, Trend.of(each.weeks))
                for each in readings
            ],
            "followers": series.followers(staff),
            "followers_metric": metrics["F01"],
            "as_of": rollups.as_of(),
            "may_see_rows": staff.has_perm(MEMBERS),
        },
        request=request,
    )


def open_campaigns(request: HttpRequest) -> list[TileLine]:
    """Campaigns under way with how many were sent of how many planned."""
    rows = list(
        Campaign.objects.visible_to(staff_of(request))
        .filter(state=Campaign.State.RUNNING)
        .order_by("-live_date", "-id")[:SHOWN_CAMPAIGNS]
    )
    counts = {
        campaign: (planned, sent or 0)
        for campaign, planned, sent in TouchTally.objects.standing()
        .filter(touch__campaign__in=[row.pk for row in rows])
        .values_list("touch__campaign")
        .annotate(planned=Sum("delta"), sent=Sum("delta", filter=GONE_OUT))
    }
    lines: list[TileLine] = []
    for row in rows:
        planned, sent = counts.get(row.pk, (0, 0))
        words = (
            _("%(campaign)s · %(sent)s sent of %(planned)s planned")
            % {"campaign": row.name, "sent": f"{sent:,}", "planned": f"{planned:,}"}
            if planned
            else _("%(campaign)s · nothing sent yet") % {"campaign": row.name}
        )
        url = reverse("admin:campaigns_campaign_change", args=[row.pk])
        lines.append((words, url, None, "part"))
    return lines


def register() -> None:
    """Called once, by ready()."""
    home_leads.append(HomeLead("reports.figures", FIGURES, lead, 10))
    home_tiles.append(
        HomeTile(
            "reports.campaigns",
            gettext_lazy("Campaigns under way"),
            VIEW,
            open_campaigns,
            40,
        )
    )
