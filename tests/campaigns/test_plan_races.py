"""Two people change one plan at once, on connections of their own: one does, one is told."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.db import connection

from campaigns import chores, gates, plans
from campaigns.errors import ChangedMeanwhile
from campaigns.models import Campaign, GateItem, Task
from core.errors import AppError
from core.models import AuditEntry

HANDS = 4


def at_once(work):
    """What `work(number)` gave or raised, from HANDS threads started together."""
    barrier = threading.Barrier(HANDS)

    def run(number):
        try:
            barrier.wait(30)
            return work(number)
        except AppError as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(HANDS) as pool:
        return [each.result(60) for each in [pool.submit(run, n) for n in range(HANDS)]]


def refused(found):
    return [each for each in found if isinstance(each, AppError)]


def test_one_hand_wins_and_the_others_are_told(transactional_db, campaign, planner):
    point = campaign.gate_items.first()
    found = at_once(lambda number: gates.tick(point, note=str(number), actor=planner))
    assert [type(each) for each in refused(found)] == [gates.AlreadyTicked] * 3
    assert GateItem.objects.get(pk=point.pk).done_by == planner

    task = campaign.tasks.get(step=2)
    states = ("doing", "skipped", "doing", "skipped")
    found = at_once(
        lambda n: chores.set_state(task, states[n], seen="todo", actor=planner)
    )
    assert len(refused(found)) == 3
    assert Task.objects.get(pk=task.pk).state in states

    dates = [campaign.live_date + timedelta(days=n + 1) for n in range(HANDS)]
    found = at_once(lambda n: plans.shift(campaign, 1, dates[n], actor=planner))
    assert [type(each) for each in refused(found)] == [ChangedMeanwhile] * 3
    moved = Campaign.objects.get(pk=campaign.pk)
    assert moved.live_date in dates
    assert moved.revision == 2
    assert AuditEntry.objects.filter(action="campaigns.campaign.moved").count() == 1
