"""What must be true after any fault run: nothing lost, nothing twice, no secret guess.

The sandbox tells what the platform pushed and got acknowledged, and what reached people;
the database tells what the console believes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from bench.traffic import call
from tests.stack import Stack

PAGE = 1000


def broken(stack: Stack, slug: str) -> list[str]:
    """Every broken promise in words; empty when all are kept."""
    with stack.orm():
        return [
            *_lost_callbacks(stack, slug),
            *_unfinished(),
            *_deliveries(stack, slug),
            *_conversations(),
        ]


def work_left(stack: Stack) -> dict[str, int]:
    """How much is under way or due, by kind; what is zero is left out."""
    from wechat.models import InboundEvent, OutboundMessage

    states = OutboundMessage.State
    busy = (states.PLANNED, states.CLAIMED, states.SENDING)
    with stack.orm():
        found = {
            "inbound": InboundEvent.objects.waiting().count(),
            "outbound": OutboundMessage.objects.filter(state__in=busy).count(),
            "spool": sum(1 for _ in (stack.data_dir / "spool").rglob("*.event")),
        }
    _, pending = call("GET", f"{stack.sandbox_url}/control/pushes?state=pending")
    found["pushes"] = len(pending) if pending is not None else -1
    return {name: number for name, number in found.items() if number}


def _lost_callbacks(stack: Stack, slug: str) -> list[str]:
    """What the platform heard `success` for must be stored, once."""
    from wechat.models import InboundEvent

    stored = Counter(
        bytes(body)
        for body in InboundEvent.objects.values_list("body", flat=True).iterator()
    )
    acknowledged = {
        push["body"].encode()
        for push in _pages(stack, "/control/pushes", account=slug, state="done")
    }
    problems = [f"lost callback: {body[:300]!r}" for body in acknowledged - set(stored)]
    problems += [f"stored twice: {body[:300]!r}" for body, n in stored.items() if n > 1]
    return problems


def _unfinished() -> list[str]:
    from wechat.models import InboundEvent, OutboundMessage

    problems = [
        f"dead event {event.pk} ({event.kind}): {event.error[-300:]}"
        for event in InboundEvent.objects.dead()
    ]
    states = OutboundMessage.State
    settled = (states.SENT, states.FAILED, states.UNKNOWN)
    for message in OutboundMessage.objects.exclude(state__in=settled):
        problems.append(f"outbound {message.pk} is still {message.state}")
    for message in OutboundMessage.objects.filter(state__in=(states.UNKNOWN,)):
        if not message.reason_code:
            problems.append(f"outbound {message.pk} is unknown without a reason")
    return problems


def _deliveries(stack: Stack, slug: str) -> list[str]:
    """Per person and text: sent ≤ arrived ≤ sent + unknown."""
    from wechat.models import OutboundMessage

    believed: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    rows = OutboundMessage.objects.filter(channel="mp_custom", kind="text")
    for recipient, payload, state in rows.values_list("recipient", "payload", "state"):
        believed[recipient, payload["text"]][state] += 1
    arrived = _arrived(stack, slug)
    problems = []
    for key in believed.keys() | arrived.keys():
        sent, unknown = believed[key]["sent"], believed[key]["unknown"]
        if arrived[key] > sent + unknown:
            problems.append(
                f"twice: {key} arrived {arrived[key]}, {dict(believed[key])}"
            )
        if arrived[key] < sent:
            problems.append(
                f"falsely sent: {key} arrived {arrived[key]}, {dict(believed[key])}"
            )
    return problems


def _arrived(stack: Stack, slug: str) -> Counter[tuple[str, str]]:
    """What stands on the phones, by openid and text."""
    found: Counter[tuple[str, str]] = Counter()
    for person in _pages(stack, "/control/people"):
        openid = person["openid"].get(slug)
        path = f"/control/people/{person['id']}/screen?account={slug}"
        _, screen = call("GET", stack.sandbox_url + path)
        for message in screen or []:
            if message["sender"] == "account" and message["type"] == "text":
                found[openid, message["text"]] += 1
    return found


def _conversations() -> list[str]:
    """Each open conversation has one owner or none, and the counts agree."""
    from django.db.models import Count, Q

    from service.models import AgentState, Assignment, Conversation

    problems = []
    is_open = Q(assignments__ended_at__isnull=True, assignments__isnull=False)
    rows = Conversation.objects.annotate(owners=Count("assignments", filter=is_open))
    for pk, state, assignee, owners in rows.values_list(
        "pk", "state", "assignee", "owners"
    ):
        is_held = state == Conversation.State.OPEN
        # A closed one remembers who had it.
        is_told = (
            state == Conversation.State.CLOSED or (assignee is not None) == is_held
        )
        if owners != int(is_held) or not is_told:
            problems.append(f"conversation {pk} is {state} with {owners} owners")
    for agent in AgentState.objects.all():
        held = Assignment.objects.filter(
            staff=agent.staff, ended_at__isnull=True
        ).count()
        if agent.open_count != held:
            problems.append(f"{agent.staff} counts {agent.open_count}, holds {held}")
    return problems


def _pages(stack: Stack, path: str, **query: str) -> Iterator[dict[str, Any]]:
    """All rows of a control list that pages by `offset` from the newest."""
    words = "&".join(f"{name}={value}" for name, value in query.items())
    offset = 0
    while True:
        url = f"{stack.sandbox_url}{path}?{words}&limit={PAGE}&offset={offset}"
        _, rows = call("GET", url, seconds=60)
        yield from rows
        offset += PAGE
        if len(rows) < PAGE:
            return
