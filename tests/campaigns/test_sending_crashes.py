"""Touches under kill -9 at every step, and many senders at once: each person once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from campaigns import feeding, sending
from tests.campaigns.speaking import World, build_world, check_sum
from tests.stack import Stack, wait_until
from tests.wechat.outbound.phone import Sandbox
from tests.wechat.outbound.test_crash_points import KILLED, at_once, in_process

pytestmark = [pytest.mark.forks, pytest.mark.processes]
POINTS = ("K3", "K4", "K5", "K6", "K7", "K8", "K9")


@pytest.fixture(scope="module")
def copy(make_stack: Callable[..., Stack]) -> Iterator[Stack]:
    stack = make_stack(LEASE_SECONDS="1", SWEEP_SECONDS="0.3")
    stack.start("sandbox")
    stack.wait_sandbox()
    sandbox = Sandbox(stack.sandbox_url)
    sandbox.ask("limits", {"mass_retry_seconds": 0, "mass_finish_seconds": 0})
    with stack.orm():
        from wechat import tokens

        world = build_world(sandbox)
        tokens.current(world.app)
        stack.world = world  # type: ignore[attr-defined]
    yield stack
    stack.stop()


@pytest.fixture
def world(copy: Stack, settings: Any) -> Iterator[World]:
    """The copy's world without members; leases of a second."""
    from crm.models import Identity

    settings.LEASE_SECONDS, settings.MASS_REPLAY_SECONDS = 1, 0.2
    with copy.orm():
        found: World = copy.world  # type: ignore[attr-defined]
        Identity.objects.update(is_following=False)
        yield found


def one_turn() -> None:
    from wechat import bulk, mass, reaping

    feeding.drain(5)
    reaping.sweep()
    mass.drain(5)
    bulk.drain(5)


def go_on_until_done(touch: Any) -> None:
    def is_done() -> bool:
        assert in_process(one_turn) == 0
        touch.refresh_from_db()
        check_sum(touch)
        return bool(touch.state == "done")

    wait_until(is_done, 30, "the touch is done")


def test_a_mass_sender_killed_at_every_step_reaches_everybody_once(
    world: World,
) -> None:
    world.people(2 * (len(POINTS) + 1))
    touch = world.touch(batch_size=2)
    sending.start(touch, actor=world.boss)
    for point in POINTS:
        # Whatever the one before left may have to be waited for.
        wait_until(
            lambda point=point: in_process(one_turn, crash_at=point) == KILLED,
            20,
            f"killed at {point}",
        )
        check_sum(touch)
    go_on_until_done(touch)
    assert world.received(touch) == [1] * 2 * (len(POINTS) + 1)
    states = touch.recipients.exclude(reason="unreachable")
    assert set(states.values_list("state", flat=True)) == {"accepted"}


def test_a_sender_of_single_messages_killed_at_every_step_reaches_nobody_twice(
    world: World,
) -> None:
    for _number in range(len(POINTS) + 1):
        world.writer()
    touch = world.touch(channel="custom")
    sending.start(touch, actor=world.boss)
    for point in ("K3", "K5", "K7", "K8"):
        wait_until(
            lambda point=point: in_process(one_turn, crash_at=point) == KILLED,
            20,
            f"killed at {point}",
        )
        check_sum(touch)
    go_on_until_done(touch)
    received = world.received(touch)
    meant = touch.recipients.exclude(reason="unreachable")  # of the test before
    ends = list(meant.values_list("state", flat=True))
    assert set(received) == {1}
    assert set(ends) <= {"sent", "unknown"}
    assert ends.count("sent") <= len(received) <= len(ends)
    # K5 and K7 each leave one of which nobody knows.
    assert ends.count("unknown") == 2


def test_many_who_start_and_many_who_send_make_it_go_once(world: World) -> None:
    world.people(8)
    touch = world.touch(batch_size=2)

    def start() -> None:
        sending.start(touch, actor=world.boss)

    assert sorted(at_once(4, start)) == [0, 1, 1, 1]
    assert at_once(4, one_turn) == [0] * 4
    go_on_until_done(touch)
    assert world.received(touch) == [1] * 8
