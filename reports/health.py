"""Whether figures and responses keep up with the timeline."""

from __future__ import annotations

from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from campaigns import attribution
from campaigns.models import TimelineReader
from core.registry import HealthCheck, HealthResult, health_checks
from reports import rollups

# They read each minute; later than this somebody has to look.
LATE_SECONDS = 600


def figures_keep_up() -> HealthResult:
    readers = TimelineReader.objects.filter(
        name__in=[rollups.READER, attribution.READER]
    )
    moments = [reader.read_at for reader in readers if reader.read_at is not None]
    if not moments:
        return HealthResult(None, gettext("Nothing was counted yet."))
    seconds = int((timezone.now() - min(moments)).total_seconds())
    text = gettext("Counted %(minutes)s min ago.") % {"minutes": seconds // 60}
    return HealthResult(seconds <= LATE_SECONDS, text, {"age_seconds": seconds})


def register() -> None:
    """Called once, by ready()."""
    health_checks.append(
        HealthCheck(
            "figures",
            _("Key figures and responses"),
            figures_keep_up,
            advice=_("See that the workers run; the log names what failed."),
        )
    )
