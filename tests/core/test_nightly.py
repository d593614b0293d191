"""The steps of the night: once each, one after another, and never stuck."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from core import jobs, nightly
from core.models import Job, JobRun, SystemSetting
from crm.auto_tags import running as tags
from crm.models import Segment
from crm.segments import computing
from crm.value import running as values
from staff.models import OrgUnit, Staff
from tests.conftest import build_staff

MIDNIGHT = datetime(2026, 11, 24, tzinfo=timezone.get_default_timezone())


def at(hour: int, minute: int = 0) -> datetime:
    return MIDNIGHT + timedelta(hours=hour, minutes=minute)


def step(now: datetime, name: str = "second", **given: object) -> JobRun | None:
    return nightly.take_turn(name, now=now, **{"hour": 4, "after": "first"} | given)  # type: ignore[arg-type]


@pytest.fixture
def person(db: None) -> Staff:
    return build_staff("administrator", org_unit=OrgUnit.objects.create(name="林间"))


@pytest.mark.parametrize("end", ["done", "failed", "cancelled"])
def test_a_step_begins_when_the_one_before_is_over_however_it_ended(
    person: Staff, end: str
) -> None:
    job = Job.objects.create(kind="k", state="queued", requested_by=person)
    first = step(at(3), "first", hour=3, after="")
    assert first is not None
    first.work = job
    first.save()
    for state in ("queued", "running"):
        Job.objects.filter(pk=job.pk).update(state=state)
        assert step(at(5)) is None
    Job.objects.filter(pk=job.pk).update(state=end)
    assert step(at(3, 59)) is None  # its own hour comes first
    assert step(at(4)) is not None
    assert step(at(4)) is None  # once a night
    # Yesterday's end says nothing of tonight.
    assert step(at(24 + 4)) is None


def test_nobody_waits_longer_than_the_latest_time(person: Staff) -> None:
    assert step(at(6, 59)) is None
    assert step(at(7)) is not None
    # Of the day, also where its hour is late.
    assert step(at(24 + 23), hour=23) is None
    assert step(at(24 + 23, 30), hour=23) is not None


def test_values_tags_and_segments_follow_each_other_s_end(
    person: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("value_hour", tags.HOUR):
        SystemSetting.objects.create(key=key, value=0)
    for name in ("PATIENCE", "LATEST"):  # so that the hour of this test is no matter
        monkeypatch.setattr(nightly, name, timedelta(days=1))
    later = timezone.now() + timedelta(days=1)
    segment = Segment.objects.create(
        controller=person.org_unit, name="全部", owner=person, due_at=later
    )

    def ring() -> list[object]:
        return [
            computing.start_round(),
            tags.start_nightly(),
            values.start_nightly(),
        ]

    assert ring() == [0, False, True]
    assert ring() == [0, False, False]  # beat rings again and again
    assert jobs.drain() == 1
    assert ring() == [0, True, False]
    assert ring() == [0, False, False]
    job, _owner = jobs.claim() or (None, "")
    assert job is not None
    Job.objects.filter(pk=job.pk).update(state="failed")
    assert ring() == [1, False, False]
    assert ring() == [0, False, False]
    assert computing.due() == [segment]
    assert list(Job.objects.order_by("pk").values_list("kind", flat=True)) == [
        *(values.JOB, tags.JOB),
    ]
    computing.drain()
    segment.refresh_from_db()
    assert segment.due_at > timezone.now() + timedelta(hours=1)
