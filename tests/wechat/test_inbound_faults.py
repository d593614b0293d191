"""Real processes, real servers, and what happens to callbacks when those die."""

import http.client
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest

from tests.stack import wait_until
from tests.wechat import platform
from tests.wechat.conftest import build_app

pytestmark = pytest.mark.processes

TEXT = (
    "<xml><ToUserName>gh_1</ToUserName><FromUserName>{person}</FromUserName>"
    "<CreateTime>1763769601</CreateTime><MsgType>text</MsgType>"
    "<Content>{number}</Content><MsgId>{number}</MsgId></xml>"
)


class Door:
    """Delivers to one app of a running copy as its platform would."""

    def __init__(self, stack, app):
        self.port, self.app = int(stack.environment["PORT"]), app

    def post(self, number, person="o1"):
        """One delivery; the status, or 0 when the connection broke."""
        body = TEXT.format(number=number, person=person).encode()
        query, sent = platform.push(self.app, body)
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            link.request("POST", f"{self.app.callback_path}?{urlencode(query)}", sent)
            answer = link.getresponse()
            return answer.status if answer.read() == b"success" else answer.status + 1
        except OSError:
            return 0
        except http.client.HTTPException:
            return 0
        finally:
            link.close()

    def post_until_taken(self, number, person="o1"):
        wait_until(lambda: self.post(number, person) == 200, 30, f"{number} is taken")


@pytest.fixture(scope="module")
def copy(make_stack):
    """Web and worker on servers of their own, which tests may kill."""
    stack = make_stack(
        own_servers=True, LEASE_SECONDS="2", SWEEP_SECONDS="1", WEB_THREADS="8"
    )
    with stack.orm():
        app = build_app(slug="faults")
    stack.start("web")
    stack.start("worker-realtime")
    stack.wait_web()
    return stack, Door(stack, app)


def events(**wanted):
    from wechat.models import InboundEvent

    return InboundEvent.objects.filter(**wanted)


def heard():
    """What handlers left behind: lines in the histories of members, by message."""
    from crm.models import Event

    texts = Event.objects.filter(kind="message.text").values_list("data", flat=True)
    return sorted(data["text"] for data in texts)


def expect(stack, numbers, seconds=60):
    """Every message is stored once, done, and has had exactly one effect."""
    names = sorted(str(number) for number in numbers)
    keys = [f"MsgId={name}" for name in names]
    with stack.orm():
        found = events(dedupe_key__in=keys)
        done = found.filter(state="done")
        wait_until(
            lambda: done.count() >= len(names),
            seconds,
            f"{len(names)} done: {set(found.values_list('state', 'error'))}",
        )
        assert found.count() == len(names)
        assert [text for text in heard() if text in set(names)] == names


def test_a_thousand_callbacks_shuffled_and_doubled_have_their_exact_effect(copy):
    stack, door = copy
    unique = range(100_000, 100_770)
    deliveries = [*unique, *random.Random(7).sample(unique, 230)]
    random.Random(11).shuffle(deliveries)
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda n: door.post(n, f"o{n % 40}"), deliveries))
    assert set(statuses) == {200}
    expect(stack, unique, seconds=90)


def test_while_redis_hangs_callbacks_are_answered_and_worked_off_by_the_sweep(copy):
    stack, door = copy
    os.kill(stack.pid("redis"), signal.SIGSTOP)
    try:
        numbers = range(200_000, 200_020)
        begun = time.monotonic()
        assert {door.post(number) for number in numbers} == {200}
        assert time.monotonic() - begun < 3
        expect(stack, numbers)
    finally:
        os.kill(stack.pid("redis"), signal.SIGCONT)


def test_a_flushed_redis_loses_nothing(copy):
    import redis

    stack, door = copy
    numbers = range(300_000, 300_060)
    link = redis.Redis.from_url(stack.redis_url)
    for number in numbers:
        assert door.post(number, f"o{number % 7}") == 200
        if number % 10 == 0:
            link.flushall()
    link.close()
    expect(stack, numbers)


def test_postgresql_killed_under_load_costs_nothing(copy):
    stack, door = copy
    numbers = list(range(400_000, 400_240))
    waits, taken, lock = [], [], threading.Lock()
    is_down = threading.Event()

    def post(number):
        if number == numbers[50]:
            is_down.set()
        begun = time.monotonic()
        door.post_until_taken(number, f"o{number % 9}")
        with lock:
            waits.append(time.monotonic() - begun)
            taken.append(number)
        time.sleep(0.02)  # the load lasts longer than the outage

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(post, number) for number in numbers]
        is_down.wait()
        stack.kill("postgres")
        before = len(taken)
        wait_until(lambda: len(taken) > before + 40, 30, "taken without PostgreSQL")
        stack.start("postgres")
        for job in jobs:
            job.result()
    assert max(waits) < 5  # the platforms' limit
    expect(stack, numbers, seconds=90)
    spooled = (stack.data_dir / "spool").glob("*.event")
    wait_until(lambda: not list(spooled), 10, "the spool is empty")


@pytest.mark.parametrize("point", ["K11-before", "K11-after"])
def test_k11_a_web_process_killed_around_its_commit_stores_once(copy, point, tmp_path):
    stack, door = copy
    flag = tmp_path / "flag"
    stack.stop("web")
    stack.start("web", CRASH_AT=point, CRASH_FLAG=str(flag))
    stack.wait_web()
    number = 500_000 + len(point)
    flag.touch()
    assert door.post(number) == 0
    assert not flag.exists()
    with stack.orm():
        assert events(dedupe_key=f"MsgId={number}").exists() == (point == "K11-after")
    door.post_until_taken(number)
    expect(stack, [number])


def test_k12_a_worker_killed_before_its_commit_has_one_effect(copy, tmp_path):
    stack, door = copy
    flag = tmp_path / "flag"
    flag.touch()
    stack.stop("worker-realtime")
    stack.start("worker-realtime", CRASH_AT="K12", CRASH_FLAG=str(flag))
    numbers = [600_001, 600_002]
    for number in numbers:
        door.post_until_taken(number)
    expect(stack, numbers)
    assert not flag.exists()
    with stack.orm():
        tries = events(dedupe_key="MsgId=600001").values_list("tries", flat=True)
        assert list(tries) == [1]
