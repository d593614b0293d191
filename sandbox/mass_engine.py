"""One thread that delivers mass sends at their speed, by the virtual clock.

What it does is committed piece by piece, so a killed process goes on where it was.
"""

import logging
import threading
import time

from django.db import DatabaseError, connection, transaction

from sandbox import masses, world
from sandbox.models import Mass, PushAttempt

logger = logging.getLogger(__name__)
# People a transaction: long enough to be fast, short enough to let calls in between.
PIECE = 2500
PIECES_AT_ONCE = 8
BEAT = 0.1
ANSWER_WAITS_AT_MOST = 20.0


class MassEngine:
    """``start`` is safe to call again; ``wake_after_commit`` with anything that makes work."""

    def __init__(self) -> None:
        self._fresh = threading.Event()
        self._lock = threading.Lock()
        self._list: tuple[int, list[str]] = (0, [])
        self._is_started = False

    def start(self) -> None:
        with self._lock:
            if self._is_started:
                return
            self._is_started = True
        threading.Thread(target=self._run, name="mass", daemon=True).start()

    def wake_after_commit(self) -> None:
        transaction.on_commit(self._fresh.set)

    def _run(self) -> None:
        with connection.cursor() as cursor:
            # Only this thread writes by the thousand: a cache for each would add up.
            cursor.execute("PRAGMA cache_size = -65536")
        is_open = True
        while True:
            self._fresh.wait(BEAT if is_open else None)
            self._fresh.clear()
            try:
                is_open = self._round()
            except DatabaseError:
                logger.exception("cannot deliver mass messages")
                time.sleep(0.5)

    def _round(self) -> bool:
        """Bring every open job to where its speed has it; whether any stays open."""
        found = list(
            Mass.objects.filter(state__in=masses.OPEN)
            .order_by("pk")
            .values_list("pk", flat=True)
        )
        for pk in found:
            for _ in range(PIECES_AT_ONCE):
                if not self._step(pk):
                    break
            else:
                self._fresh.set()
            # Lists are read again when they are needed: many jobs may be open.
            self._list = (0, [])
        return bool(found)

    def _step(self, pk: int) -> bool:
        """Whether the job could go on at once."""
        with world.change():
            mass = Mass.objects.select_related("account").filter(pk=pk).first()
            if mass is None:
                return False  # the world was reset meanwhile
            if mass.state == Mass.State.WAITING:
                if masses.is_overdue(mass):
                    masses.fail(mass, masses.ADMIN_SILENT)
                return False
            if mass.state != Mass.State.SENDING:
                return False
            is_empty = mass.total == 0
            count = min(masses.due(mass), PIECE)
            if count > 0 or is_empty:
                masses.deliver(mass, self._next(mass, count))
            return mass.state == Mass.State.SENDING and masses.due(mass) > 0

    def _next(self, mass: Mass, count: int) -> list[str]:
        if mass.is_to_all or mass.tag_id is not None:
            return masses.next_of_tag(mass, count)
        if self._list[0] != mass.pk:
            self._list = (mass.pk, masses.openids_of(mass))
        return self._list[1][mass.done : mass.done + count]


engine = MassEngine()


def await_finish(pk: int) -> None:
    """Until the console has been told that the job is finished (or has been tried)."""
    deadline = time.monotonic() + ANSWER_WAITS_AT_MOST
    while time.monotonic() < deadline:
        mass = Mass.objects.filter(pk=pk).values("state", "finish_push").first()
        if mass is None or mass["state"] == Mass.State.WAITING:
            return
        push = mass["finish_push"]
        if push and PushAttempt.objects.filter(push=push).exists():
            return
        time.sleep(0.01)
