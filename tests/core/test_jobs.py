"""Jobs: claimed once, told as they go, cancelled, and settled when a worker dies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core import jobs
from core.errors import AppError
from core.models import Job
from tests.conftest import build_staff

SEEN: list[Any] = []


def _count_to_three(progress: jobs.Progress) -> dict[str, int]:
    progress.total(3)
    for number in range(3):
        SEEN.append(number)
        progress.step()
    progress.error("the second was odd")
    return {"rows": 3}


def _wait_for_cancel(progress: jobs.Progress) -> None:
    Job.objects.filter(pk=progress.job.pk).update(cancel_requested_at=timezone.now())
    progress.total(9)
    SEEN.append("not reached")


def _refuse(progress: jobs.Progress) -> None:
    raise AppError("No account is live.")


def _break(progress: jobs.Progress) -> None:
    raise ZeroDivisionError


def _lose(progress: jobs.Progress) -> None:
    Job.objects.filter(pk=progress.job.pk).update(owner="another worker")
    progress.total(1)


KINDS = {
    "test.count": _count_to_three,
    "test.cancel": _wait_for_cancel,
    "test.refuse": _refuse,
    "test.break": _break,
    "test.lose": _lose,
}


@pytest.fixture(autouse=True)
def _kinds(db: None) -> Iterator[None]:
    SEEN.clear()
    for name, run in KINDS.items():
        jobs.register(name, name, run, is_resumable=name == "test.count")
    yield
    for name in KINDS:
        del jobs.kinds[name]


@pytest.fixture
def person(db: None) -> Any:
    return build_staff("agent")


def _run(kind: str, person: Any) -> Job:
    job = jobs.start(kind, actor=person)
    jobs.drain()
    job.refresh_from_db()
    return job


def test_a_job_runs_to_its_end_with_its_errors_and_result(person: Any) -> None:
    job = _run("test.count", person)
    assert (job.state, job.done, job.total) == ("done", 3, 3)
    assert job.errors == ["the second was odd"]
    assert job.result == {"rows": 3}
    assert job.finished_at is not None


def test_a_cancelled_job_stops_at_its_next_step(person: Any) -> None:
    assert _run("test.cancel", person).state == "cancelled"
    assert SEEN == []


def test_a_waiting_job_is_cancelled_at_once_and_never_runs(person: Any) -> None:
    job = jobs.start("test.count", actor=person)
    jobs.cancel(job, actor=person)
    jobs.drain()
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert SEEN == []
    with pytest.raises(AppError):
        jobs.cancel(job, actor=person)


def test_a_refusal_stands_on_the_job_in_words(person: Any) -> None:
    job = _run("test.refuse", person)
    assert (job.state, job.error) == ("failed", "No account is live.")


def test_an_unexpected_error_fails_only_its_own_job(person: Any) -> None:
    broken = jobs.start("test.break", actor=person)
    good = jobs.start("test.count", actor=person)
    jobs.drain()
    broken.refresh_from_db()
    good.refresh_from_db()
    assert (broken.state, good.state) == ("failed", "done")
    assert "ZeroDivision" not in broken.error


def test_a_worker_that_lost_its_job_writes_nothing_more(person: Any) -> None:
    job = _run("test.lose", person)
    assert (job.state, job.owner, job.total) == ("running", "another worker", None)


def test_a_dead_workers_job_waits_again_or_has_failed(person: Any) -> None:
    again = jobs.start("test.count", actor=person)
    lost = jobs.start("test.break", actor=person)
    past = timezone.now() - timedelta(seconds=1)
    Job.objects.update(state=Job.State.RUNNING, owner="dead", lease_until=past)
    assert jobs.release_lost() == 2
    again.refresh_from_db()
    lost.refresh_from_db()
    assert (again.state, lost.state) == ("queued", "failed")
    assert lost.error


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_claim_the_same_job() -> None:
    from concurrent.futures import ThreadPoolExecutor

    person = build_staff()
    for _number in range(10):
        Job.objects.create(kind="test.count", requested_by=person)

    def take(_turn: int) -> int | None:
        try:
            claimed = jobs.claim()
            return claimed[0].pk if claimed else None
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(take, range(20)))
    claimed = [pk for pk in taken if pk is not None]
    assert len(claimed) == len(set(claimed)) == 10


def test_the_page_shows_progress_and_cancels(person: Any) -> None:
    job = jobs.start("test.count", actor=person)
    client = Client()
    client.force_login(person)
    page = client.get(reverse("admin:job", args=[job.pk])).content.decode()
    assert "every 1s" in page
    client.post(reverse("admin:job_cancel", args=[job.pk]))
    part = client.get(reverse("admin:job_progress", args=[job.pk])).content.decode()
    assert "every 1s" not in part
    assert "已取消" in part


def test_a_stranger_does_not_find_the_job(person: Any) -> None:
    job = jobs.start("test.count", actor=person)
    client = Client()
    client.force_login(build_staff("agent"))
    for name in ("job", "job_progress"):
        assert client.get(reverse(f"admin:{name}", args=[job.pk])).status_code == 404
    cancel = reverse("admin:job_cancel", args=[job.pk])
    assert client.post(cancel).status_code == 404


@pytest.mark.django_db(transaction=True)
def test_a_job_whose_one_statement_outlasts_the_lease_stays_ours(
    person: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(jobs, "LEASE_SECONDS", 0.2)
    taken_over = []

    def one_long_statement(progress: jobs.Progress) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.5)")
        taken_over.append(jobs.release_lost())

    monkeypatch.setitem(
        jobs.kinds, "test.long", jobs.Kind("test.long", "long", one_long_statement)
    )

    assert _run("test.long", person).state == "done"
    assert taken_over == [0]
