"""What the agent workspace shows: the list on the left, the desk of one conversation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from crm import standing
from crm.consent_panel import frozen_words
from crm.models import Identity, Member
from crm.naming import fragment_tokens
from service import allowances, history, presence, rights
from service.models import (
    AgentState,
    Assignment,
    Conversation,
    ConversationQuerySet,
    Praise,
    Queue,
    Rating,
)
from service.rights import ANSWER, SUPERVISE
from staff.models import Staff

LIST_LIMIT = 100
MOST_COLLEAGUES = 40
TABS = ("mine", "queue", "team")


@dataclass
class Desk:
    """The middle and the right of the page for one conversation and one reader."""

    conversation: Conversation
    mode: str  # held, waiting, other, closed, foreign (WeCom answers it)
    may_read: bool
    page: history.Page
    allowed: allowances.Allowed | None
    may_take: bool
    may_move: bool


def rows(staff: Staff, tab: str, term: str = "") -> list[Conversation]:
    """At most LIST_LIMIT conversations of a tab, the longest waiting first.

    `term`: a fragment of the customer's name or a number; it looks through everything
    readable, closed ones too.
    """
    seen = Conversation.objects.visible_to(staff).select_related(
        "member", "app__account", "assignee", "queue"
    )
    longest_waiting = F("waiting_since").asc(nulls_last=True)
    if term.strip():
        found = _named(seen.readable_by(staff), term).order_by("-last_message_at")
    elif tab == "queue":
        found = seen.waiting().filter(queue__in=_queues(staff))
        found = found.order_by("-priority", "waiting_since", "id")
    elif tab == "team" and staff.has_perm(SUPERVISE):
        found = seen.filter(state=Conversation.State.OPEN).order_by(
            "assignee__display_name", "assignee_id", longest_waiting
        )
    else:
        found = seen.held_by(staff).order_by(longest_waiting, "-last_message_at")
    return list(found[:LIST_LIMIT])


def _named(found: ConversationQuerySet, term: str) -> ConversationQuerySet:
    """By number, or by a fragment of nickname or remark."""
    number = term.strip().lstrip("#")
    if number.isascii() and number.isdigit() and len(number) < 18:
        return found.filter(pk=int(number))
    parts = fragment_tokens(term)
    return found.filter(member__name_tokens__contains=parts) if parts else found.none()


def counts(staff: Staff) -> dict[str, int]:
    """How many stand in each tab, up to 100 (a person needs no more)."""
    mine = Conversation.objects.held_by(staff)
    waiting = (
        Conversation.objects.visible_to(staff)
        .waiting()
        .filter(queue__in=_queues(staff))
    )
    found = {"mine": mine[:100].count(), "queue": waiting[:100].count()}
    if staff.has_perm(SUPERVISE):
        team = Conversation.objects.visible_to(staff).filter(
            state=Conversation.State.OPEN
        )
        found["team"] = team[:100].count()
    return found


def unread(staff: Staff) -> int:
    """How many of one's own conversations hold something unseen."""
    return Conversation.objects.held_by(staff).filter(unread_count__gt=0).count()


def _queues(staff: Staff) -> QuerySet[Queue]:
    if staff.has_perm(SUPERVISE):
        return Queue.objects.visible_to(staff)
    return Queue.objects.worked_by(staff)


def queue_ids(staff: Staff) -> list[int]:
    """The queues a page subscribes to."""
    return list(_queues(staff).values_list("pk", flat=True))


def desk(
    conversation: Conversation,
    staff: Staff,
    *,
    before: datetime | None = None,
    size: int = history.PAGE,
) -> Desk:
    """Everything of one visible conversation, as much as the reader may see."""
    may_read = _may_read(conversation, staff)
    mode = _mode(conversation, staff)
    rules = staff.has_perm(SUPERVISE)
    may_move = mode in {"held", "foreign"} or (rules and mode != "closed")
    return Desk(
        conversation=conversation,
        mode=mode,
        may_read=may_read,
        page=(
            history.page_of(conversation, before=before, size=size)
            if may_read
            else history.Page([], None)
        ),
        allowed=allowances.allowance_of(conversation) if mode == "held" else None,
        may_take=(
            mode == "waiting"
            and staff.has_perm(ANSWER)
            and rights.works_in(staff, conversation.queue)
        ),
        may_move=may_move,
    )


def _may_read(conversation: Conversation, staff: Staff) -> bool:
    """ConversationQuerySet.readable_by for one row that is visible."""
    if conversation.state == Conversation.State.OPEN:
        return conversation.assignee_id == staff.pk or staff.has_perm(SUPERVISE)
    if conversation.state == Conversation.State.QUEUED:
        return rights.works_in(staff, conversation.queue)
    return True


def _mode(conversation: Conversation, staff: Staff) -> str:
    if conversation.state == Conversation.State.CLOSED:
        return "closed"
    if conversation.state == Conversation.State.QUEUED:
        return "waiting"
    if conversation.assignee_id != staff.pk:
        return "other"
    return "foreign" if conversation.app.account.is_wecom else "held"


def may_praise(conversation: Conversation, staff: Staff) -> bool:
    """Who serves or served the customer, and supervisors."""
    holder = conversation.assignee_id
    return holder is not None and (holder == staff.pk or rights.may_supervise(staff))


def colleagues(conversation: Conversation) -> list[AgentState]:
    """Who else could have it: here and with room first."""
    own = Q(staff__org_unit__controller=conversation.member.controller_id)
    may_answer = Q(staff__is_superuser=True) | own & Q(
        staff__groups__permissions__codename=ANSWER.partition(".")[2]
    )
    states = (
        AgentState.objects.filter(may_answer, staff__in=Staff.objects.working())
        .exclude(staff=conversation.assignee_id)
        .select_related("staff__org_unit")
        .order_by(F("heartbeat_at").desc(nulls_last=True), "staff_id")
        .distinct()[:MOST_COLLEAGUES]
    )
    able = [s for s in states if rights.may_serve(s.staff, conversation)]
    return sorted(
        able, key=lambda s: (not presence.is_here(s), s.open_count >= s.capacity)
    )


def team(staff: Staff) -> list[AgentState]:
    """The agents a supervisor sees who have been here, with what they have now."""
    return list(
        AgentState.objects.filter(
            staff__in=Staff.objects.visible_to(staff).working(),
            heartbeat_at__isnull=False,
        )
        .select_related("staff")
        .order_by("staff__display_name", "staff_id")[:200]
    )


@dataclass
class Card:
    """The member on the right."""

    member: Member
    identities: list[Identity]
    standing: standing.Standing
    others: list[Conversation]
    # "" when marketing is not frozen.
    frozen: str
    is_complaint: bool
    rating: Rating | None
    praise: Praise | None


def card(conversation: Conversation, staff: Staff) -> Card:
    member = conversation.member
    return Card(
        member=member,
        identities=list(
            member.identities.select_related("account").order_by("kind", "id")[:20]
        ),
        standing=standing.marketing(member),
        frozen=frozen_words(member),
        is_complaint=member.complaints.open()
        .filter(reference=f"conversation:{conversation.pk}")
        .exists(),
        rating=Rating.objects.filter(conversation=conversation).first(),
        praise=Praise.objects.filter(conversation=conversation).first(),
        others=list(
            Conversation.objects.visible_to(staff)
            .filter(member=member)
            .exclude(pk=conversation.pk)
            .select_related("app__account", "assignee")
            .order_by("-id")[:8]
        ),
    )


def today(staff: Staff) -> dict[str, Any]:
    """What the agent did today: conversations ended, median time to the first answer."""
    start = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    ended = Assignment.objects.filter(staff=staff, ended_at__gte=start)
    firsts = sorted(
        (first - opened).total_seconds()
        for first, opened in Conversation.objects.filter(
            assignments__staff=staff, first_response_at__gte=start
        )
        .distinct()
        .values_list("first_response_at", "opened_at")[:500]
        if first is not None
    )
    median = firsts[len(firsts) // 2] if firsts else None
    return {"closed": ended.count(), "first_answer_seconds": median}
