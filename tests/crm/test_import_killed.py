"""kill -9 of the process that imports, in the middle of a chunk, with a real worker."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction

from core.models import Job
from crm.exchange import imports
from crm.exchange.running import CHUNK_ROWS
from crm.models import Event, Identity, Import, Member
from crm.phones import phone_digest
from staff.models import OrgUnit
from tests.conftest import build_staff
from tests.stack import Stack, wait_until

pytestmark = pytest.mark.processes

ROWS = CHUNK_ROWS + 500
# In the middle of the second chunk.
HELD = f"V{CHUNK_ROWS + 250}"


@pytest.fixture
def copy(make_stack: Callable[..., Stack], settings: Any) -> Iterator[SimpleNamespace]:
    """A running worker, and a bell to wake it by."""
    stack = make_stack(LEASE_SECONDS="1", SWEEP_SECONDS="60", WORKER_CONCURRENCY="1")
    settings.DATA_DIR = stack.data_dir
    prefix = f"{stack.environment['INSTANCE']}:"
    bell = Celery(broker=stack.redis_url, set_as_current=False)
    bell.conf.broker_transport_options = {"global_keyprefix": prefix}
    stack.start("worker")
    with stack.orm():
        yield SimpleNamespace(
            ring=lambda: bell.send_task("core.tasks.run_jobs", queue="bulk")
        )
    stack.stop()


def _begun() -> Import:
    brand = OrgUnit.objects.create(name="林间", kind="brand")
    person = build_staff("ops_manager", org_unit=brand)
    rows = "".join(f"138{n:08d},V{n}\n" for n in range(ROWS))
    file = SimpleUploadedFile("会员.csv", f"手机号,会员号\n{rows}".encode())
    batch = imports.upload(file, "members", actor=person)
    batch = imports.assign(batch, batch.mapping, {}, actor=person)
    return imports.begin(imports.begin_check(batch, actor=person), actor=person)


def _is_waiting() -> bool:
    """Whether somebody waits for our transaction to end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks ours JOIN pg_locks theirs"
            " ON theirs.transactionid = ours.transactionid AND NOT theirs.granted"
            " WHERE ours.pid = pg_backend_pid() AND ours.granted"
        )
        return bool(cursor.fetchone()[0])


def _hold(batch: Import) -> Identity:
    """An id of the second chunk, being written by somebody else at that moment."""
    other = Member.objects.create(
        controller_id=batch.controller_id, display_name="别人"
    )
    return Identity.objects.create(
        member=other, controller_id=batch.controller_id, kind="buyer", value=HELD
    )


def test_an_import_whose_worker_is_killed_brings_everybody_once(
    copy: SimpleNamespace,
) -> None:
    batch = _begun()
    with transaction.atomic():
        _hold(batch)
        copy.ring()
        wait_until(_is_waiting, 30, "the second chunk is half written")
        pid = int(Job.objects.get(pk=batch.job_id).owner.split(":")[1])
        os.kill(pid, signal.SIGKILL)
        transaction.set_rollback(True)
    batch.refresh_from_db()
    assert (batch.state, batch.rows_done) == ("running", CHUNK_ROWS)

    def is_done() -> bool:
        copy.ring()
        batch.refresh_from_db()
        return batch.state == "done"

    wait_until(is_done, 30, "another process went on")
    assert (batch.rows_done, batch.counts) == (ROWS, {"new": ROWS})
    wanted = Counter(phone_digest(f"138{n:08d}") for n in range(ROWS))
    assert Counter(Member.objects.values_list("phone_hash", flat=True)) == wanted
    buyers = Counter(Identity.objects.values_list("value", flat=True))
    assert buyers == Counter(f"V{n}" for n in range(ROWS))
    assert Event.objects.filter(kind="imported").count() == ROWS
