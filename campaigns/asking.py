"""Asking for approval of a big audience: fixing a million people takes half a minute.

Few are fixed while the person waits; many in a job, which tells how it ended, and which
first clears what an earlier, void snapshot of the touch has left. The touch stays a draft
until then, and a change meanwhile makes the job refuse.
"""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns import approving, audience, clearing
from campaigns.errors import ChangedMeanwhile, NotInThisState
from campaigns.models import Touch
from core import jobs
from core.models import Job
from core.templatetags.console import FIGURE_NAMES
from staff.models import Approval, Staff

# About a second's work; more would make the person (and the proxy) wait.
AT_ONCE = 30_000


def register() -> None:
    """Called once, from CampaignsConfig.ready()."""
    jobs.register(
        approving.ASKING,
        gettext_lazy("Fix the audience, ask for approval"),
        _run,
        link=_link,
    )
    FIGURE_NAMES["planned"] = gettext_lazy("planned")


def ask(touch: Touch, *, actor: Staff) -> Approval | Job:
    """Ask a second person about a draft, at once or by a job where many are meant.

    Raises NotReady, NotInThisState; a job that runs for the touch already is returned.
    """
    if touch.state != Touch.State.DRAFT:
        return approving.ask(touch, actor=actor)
    if problems := approving.problems_of(touch):
        raise approving.NotReady(problems)
    rule = audience.parse(touch.audience, account=touch.account)
    members = audience.members_of(rule, touch.account, unit=touch.campaign.org_unit)
    is_clear = touch.clearing_since is None
    if is_clear and audience.expected(members) <= AT_ONCE:
        return approving.ask(touch, actor=actor)
    with transaction.atomic():
        # Two who press at once: the second finds the job of the first.
        row = Touch.objects.select_for_update(no_key=True).get(pk=touch.pk)
        if row.revision != touch.revision:
            raise ChangedMeanwhile
        return approving.asking_job(row) or jobs.start(
            approving.ASKING,
            {"touch": row.pk, "revision": row.revision},
            actor=actor,
            label=_("Ask for approval: %(touch)s") % {"touch": row.name},
        )


def _run(progress: jobs.Progress) -> dict[str, Any]:
    actor = progress.job.requested_by
    assert isinstance(actor, Staff)
    touch = Touch.objects.visible_to(actor).filter(pk=progress.params["touch"]).first()
    if touch is None:
        raise NotInThisState(_("The touch is not there any more."))
    if touch.revision != progress.params["revision"]:
        raise ChangedMeanwhile
    while clearing.clear(touch.pk, is_waiting=True):
        progress.step(0)
    approving.ask(touch, actor=actor)
    return {"planned": touch.planned_count}


def _link(job: Job) -> str:
    return reverse("admin:campaigns_touch_change", args=[job.params["touch"]])
