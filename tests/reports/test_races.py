"""What people and workers do to figures at the same moment."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns import attribution, links
from campaigns.models import Recap, Response, TrackedLink
from core.models import AuditEntry
from crm import timeline
from reports import recaps, rollups
from reports.models import MemberDay
from tests.campaigns.returning import build_side
from tests.conftest import build_staff

pytestmark = pytest.mark.usefixtures("transactional_db")


def at_once(*works):
    """Run the works in as many threads, each on a connection of its own."""
    gate = threading.Barrier(len(works))

    def run(work):
        gate.wait()
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return [job.result(60) for job in [pool.submit(run, w) for w in works]]


def test_of_two_people_who_lock_at_once_one_does_and_the_other_is_told_who():
    side = build_side("linjian")
    people = [side.owner, build_staff("ops_manager", org_unit=side.unit)]
    recap = recaps.refresh(side.campaign)
    place = reverse("admin:reports_campaign_recap_lock", args=[side.campaign.pk])
    data = {"version": recap.number, "as_of": recap.as_of.isoformat()}
    clients = []
    for person in people:
        client = Client()
        client.force_login(person)
        clients.append(client)

    answers = at_once(*(lambda c=c: c.post(place, data) for c in clients))

    assert Counter(a.status_code for a in answers) == {302: 1, 409: 1}
    assert AuditEntry.objects.filter(action="campaigns.recap.locked").count() == 1
    winner = Recap.objects.get().locked_by
    refused = next(a for a in answers if a.status_code == 409)
    assert f"{winner} 已锁定这一版" in refused.content.decode()


def test_versions_links_responses_and_sums_stand_once_however_many_make_them():
    side = build_side("linjian")
    touch, member = side.touch(), side.member()
    side.contact(touch, member, contacted_at=timezone.now() - timedelta(hours=1))
    for number in range(20):
        timeline.write(
            member=member,
            kind="message.text",
            at=timezone.now(),
            key=f"m{number}",
            account=side.account,
        )

    at_once(
        *[lambda: recaps.refresh(side.campaign)] * 2,
        *[lambda: links.prepare(touch)] * 2,
        *[attribution.catch_up] * 2,
        *[rollups.catch_up] * 2,
    )

    assert list(Recap.objects.values_list("number", flat=True)) == [1]
    assert sorted(TrackedLink.objects.values_list("number", flat=True)) == [1, 2]
    assert Response.objects.count() == 20
    assert MemberDay.objects.get().interactions == 20
