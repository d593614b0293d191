"""Many hands at once, on real connections; and a kill in the middle of a claim."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.db.models import Count, F

from core.errors import AppError
from service import assignments, closing, conversations, replies
from service.conversations import Said
from service.errors import AlreadyClaimed, AtCapacity
from service.models import AgentState, Assignment, Conversation, Message
from tests.service.world import Side, build_side
from tests.stack import BASE_DIR, Stack
from wechat.models import OutboundMessage

AGENTS, CONNECTIONS, CONVERSATIONS, CAPACITY = 10, 20, 500, 100


@pytest.fixture
def side(transactional_db: None) -> Side:
    return build_side("rush")


def at_once(count: int, work: Callable[[int], None]) -> None:
    """Run `work(0..count-1)` in threads with a connection each, started together."""
    gate = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            gate.wait(30)
            work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        for result in [pool.submit(run, number) for number in range(count)]:
            result.result(timeout=100)


def assert_sound() -> None:
    """Every open conversation has one owner and one open assignment; counts fit."""
    opened = Conversation.objects.filter(state="open")
    owners = dict(opened.values_list("pk", "assignee"))
    turns = dict(
        Assignment.objects.filter(ended_at=None).values_list("conversation", "staff")
    )
    assert owners == turns
    held = Counter(owners.values())
    for state in AgentState.objects.all():
        assert state.open_count == held[state.staff_id]
    assert not Conversation.objects.filter(state="queued", assignee__isnull=False)


def test_five_hundred_conversations_each_get_exactly_one_owner(side: Side) -> None:
    agents = [side.agent() for _ in range(AGENTS)]
    for agent in agents:
        AgentState.objects.create(staff=agent, capacity=CAPACITY)
    waiting = [side.conversation(window=False) for _ in range(CONVERSATIONS)]
    # Every conversation is wanted by three connections, each in an order of its own.
    wanted: list[list[Conversation]] = [[] for _ in range(CONNECTIONS)]
    dice = random.Random(7)
    for conversation in dice.sample(waiting, len(waiting)):
        for number in dice.sample(range(CONNECTIONS), 3):
            wanted[number].append(conversation)
    won: Counter[int] = Counter()
    refused: Counter[str] = Counter()
    lock = threading.Lock()

    def grab(number: int) -> None:
        agent = agents[number % AGENTS]
        for conversation in wanted[number]:
            try:
                found = assignments.claim(conversation, actor=agent)
            except (AlreadyClaimed, AtCapacity) as refusal:
                with lock:
                    refused[refusal.code] += 1
            else:
                assert found.assignee_id == agent.pk
                with lock:
                    won[found.pk] += 1

    at_once(CONNECTIONS, grab)
    assert_sound()
    assert Conversation.objects.filter(state="open").count() == CONVERSATIONS
    assert Assignment.objects.count() == CONVERSATIONS
    assert not AgentState.objects.filter(open_count__gt=F("capacity"))
    assert refused["conversation_taken"] > 0


def test_nobody_exceeds_a_small_capacity_however_hard_they_grab(side: Side) -> None:
    agent = side.agent()
    AgentState.objects.create(staff=agent, capacity=3)
    waiting = [side.conversation(window=False) for _ in range(12)]

    def grab(number: int) -> None:
        try:
            assignments.claim(waiting[number], actor=agent)
        except AtCapacity:
            return

    at_once(12, grab)
    assert Conversation.objects.held_by(agent).count() == 3
    assert_sound()


def test_taking_giving_back_and_closing_at_once_never_tears_the_books(
    side: Side,
) -> None:
    agents = [side.agent() for _ in range(4)]
    supervisor = side.agent("supervisor")
    for agent in agents:
        AgentState.objects.create(staff=agent, capacity=5)
    rows = [side.conversation(window=False) for _ in range(12)]
    codes: Counter[str] = Counter()

    def churn(number: int) -> None:
        dice = random.Random(number)
        for _ in range(25):
            row = dice.choice(rows)
            agent = dice.choice(agents)
            step: Callable[[], Any] = dice.choice(
                [
                    lambda row=row, agent=agent: assignments.claim(row, actor=agent),
                    lambda row=row: assignments.requeue(row, actor=supervisor),
                    lambda row=row, agent=agent: assignments.transfer_to(
                        row, staff=agent, actor=supervisor
                    ),
                    lambda agent=agent: assignments.requeue_all_of(
                        agent, actor=supervisor, because="released"
                    ),
                    lambda row=row: (
                        closing.close(row, actor=supervisor)
                        if dice.random() < 0.1
                        else None
                    ),
                ]
            )
            try:
                step()
            except AppError as refusal:
                codes[refusal.code] += 1

    at_once(8, churn)
    assert_sound()


def test_two_first_messages_at_once_open_one_conversation(side: Side) -> None:
    seed = side.conversation()
    closing.finish(seed, reason="resolved", actor=side.agent())
    actor = side.agent()

    def say(number: int) -> None:
        conversations.open_or_append(
            app=side.app,
            member=seed.member,
            recipient=seed.recipient,
            said=Said(at=seed.opened_at, text=f"第{number}句"),
            actor=actor,
        )

    at_once(8, say)
    conversation = Conversation.objects.unfinished().get()
    assert conversation.messages.count() == 8
    assert conversation.unread_count == 8


def test_one_key_pressed_in_ten_tabs_is_one_message(side: Side) -> None:
    agent = side.agent()
    conversation = assignments.claim(side.conversation(), actor=agent)

    def press(_number: int) -> None:
        replies.reply(conversation, text="您好", client_key="one", actor=agent)

    at_once(10, press)
    assert Message.objects.filter(direction="out").count() == 1
    assert OutboundMessage.objects.count() == 1


CRASHING = """
import django; django.setup()
from service import assignments, closing, conversations, replies
from service.models import Conversation
from staff.models import Staff
row = Conversation.objects.get(pk={row})
actor = Staff.objects.get(pk={actor})
colleague = Staff.objects.get(pk={colleague})
{step}
"""


@pytest.mark.processes
def test_a_kill_inside_a_claim_or_a_return_leaves_the_old_owner(
    make_stack: Callable[..., Stack],
) -> None:
    """K13: never two owners, never a half one; the next try works."""
    stack = make_stack()
    with stack.orm():
        side = build_side("crash")
        agent, colleague = side.agent(), side.agent()
        AgentState.objects.create(staff=colleague)
        row = side.conversation()
    # What is killed, what is then done by hand, and who owns it afterwards.
    steps: list[tuple[str, Callable[[Conversation], Any], int | None]] = [
        (
            "assignments.claim(row, actor=actor)",
            lambda row: assignments.claim(row, actor=agent),
            agent.pk,
        ),
        (
            "assignments.transfer_to(row, actor=actor, staff=colleague)",
            lambda row: assignments.transfer_to(row, staff=colleague, actor=agent),
            colleague.pk,
        ),
        (
            "assignments.requeue(row, actor=colleague)",
            lambda row: assignments.requeue(row, actor=colleague),
            None,
        ),
    ]
    before: int | None = None
    for name, again, after in steps:
        code = CRASHING.format(
            row=row.pk, actor=agent.pk, colleague=colleague.pk, step=name
        )
        assert _run(stack, code, CRASH_AT="K13") == -9, name
        with stack.orm():
            row.refresh_from_db()
            assert row.assignee_id == before, name
            assert_sound()
        with stack.orm():
            again(row)
            row.refresh_from_db()
            assert row.assignee_id == after, name
            assert_sound()
        before = after
    with stack.orm():
        ended = Assignment.objects.values("conversation").annotate(n=Count("id"))
        assert [each["n"] for each in ended] == [2]


def _run(stack: Stack, code: str, **extra: str) -> int:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=BASE_DIR,
        env=stack.environment | extra,
        check=False,
    ).returncode
