"""planned = accepted + sent + failed + unknown + excluded + waiting, whatever happens."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import counts, feeding, sending
from core.errors import AppError
from tests.campaigns.speaking import World, build_world, check_sum
from tests.wechat.outbound.phone import Sandbox
from wechat import bulk, mass, reaping
from wechat.models import OutboundMessage

MASS, CUSTOM = "message/mass/send", "message/custom/send"
STEPS = (
    *("feed", "call", "call", "reap", "pause", "resume", "stop", "opt out", "fold"),
    *("cut", "refuse", "expire"),
)


@pytest.fixture
def world(db: None, sandbox_process: Sandbox, settings: Any) -> World:
    settings.MASS_REPLAY_SECONDS = 0.01
    return build_world(sandbox_process)


def take(step: str, world: World, touch: Any) -> None:
    if step == "feed":
        feeding.drain(2)
    elif step == "call":
        mass.drain(2)
        bulk.drain(2)
    elif step == "reap":
        reaping.sweep()
    elif step == "opt out":
        member = world.members[-1]
        member.opted_out_at = timezone.now()
        member.save(update_fields=["opted_out_at"])
    elif step == "fold":
        counts.fold(touch.pk)
    elif step == "expire":
        OutboundMessage.objects.filter(state="planned").update(
            expires_at=timezone.now()
        )
    elif step in ("cut", "refuse"):
        for path in (MASS, CUSTOM):
            world.sandbox.fault(path, "cut" if step == "cut" else "rate")
    else:
        _press(step, world, touch)


def _press(step: str, world: World, touch: Any) -> None:
    deeds = {"pause": sending.pause, "resume": sending.resume, "stop": sending.stop}
    try:
        deeds[step](touch, actor=world.boss)
    except AppError:
        return  # not in this state


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    steps=st.lists(st.sampled_from(STEPS), min_size=3, max_size=9),
    channel=st.sampled_from(["mass", "custom"]),
)
def test_everybody_planned_is_in_one_state_after_every_step(
    steps: list[str], channel: str, world: World
) -> None:
    world.sandbox.clear_faults()
    world.people(3, may_reply=True)
    touch = world.touch(channel=channel, batch_size=2)
    sending.start(touch, actor=world.boss)
    for step in steps:
        take(step, world, touch)
        check_sum(touch)
    _press("stop", world, touch)
    check_sum(touch)
