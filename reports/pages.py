"""The addresses of reports inside the admin site, and their line in the side bar."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core import navigation
from core.registry import NavItem, nav_items, site_urls
from reports import metric_pages, recap_pages, row_pages


def register() -> None:
    """Called once, by ready()."""
    of_campaign = "reports/campaigns/<int:campaign_id>"
    site_urls.extend(
        (
            ("reports/", metric_pages.index, "reports_index"),
            ("reports/metrics/<slug:code>/", metric_pages.define, "reports_metric"),
            (
                "reports/metrics/<slug:code>/rows/",
                metric_pages.rows,
                "reports_metric_rows",
            ),
            (f"{of_campaign}/", recap_pages.show, "reports_campaign_recap"),
            (
                f"{of_campaign}/refresh/",
                recap_pages.refresh,
                "reports_campaign_recap_refresh",
            ),
            (f"{of_campaign}/lock/", recap_pages.lock, "reports_campaign_recap_lock"),
            (
                f"{of_campaign}/learnings/",
                recap_pages.learn,
                "reports_campaign_recap_learn",
            ),
            (
                f"{of_campaign}/recap.pdf",
                recap_pages.as_pdf,
                "reports_campaign_recap_pdf",
            ),
            (f"{of_campaign}/rows/<slug:figure>/", row_pages.show, "reports_rows"),
        )
    )
    nav_items.append(
        NavItem(
            group=navigation.REPORTS,
            title=_("Reports and metrics"),
            url_name="admin:reports_index",
            permission=metric_pages.FIGURES,
            icon="monitoring",
            order=10,
        )
    )
