"""Sweeps beside tasks in one worker process."""

from tests.stack import wait_until

TASKS = 150
RING = (
    "from privatedomain.heartbeats import show_life\n"
    f"for _ in range({TASKS}): show_life.apply_async(queue='realtime', expires=600)"
)


def test_a_task_that_ends_takes_no_connection_from_the_sweeps(make_stack):
    copy = make_stack(SWEEP_SECONDS="0.05", WORKER_CONCURRENCY="1")
    copy.manage("shell", "-c", RING)
    copy.start("worker-realtime")
    log = copy.log("worker-realtime")
    wait_until(lambda: log.read_text().count("succeeded in") >= TASKS, 60)
    copy.stop("worker-realtime")
    assert "Sweep" not in log.read_text(), log.read_text()[-3000:]
