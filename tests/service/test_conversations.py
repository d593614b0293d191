"""Taking, answering, handing over and closing, through the functions all doors call."""

from __future__ import annotations

from typing import Any

import pytest

from core.models import AuditEntry
from service import assignments, closing, replies
from service.errors import (
    AgentUnavailable,
    AlreadyClaimed,
    AlreadyClosed,
    AtCapacity,
    BadReply,
    CannotReplyHere,
    KeyReused,
    NoMessagesLeft,
    NotClaimed,
    NotHolder,
    NotReachable,
    NotYourQueue,
    WindowClosed,
)
from service.models import AgentState, Assignment, Conversation
from staff.accounts import deactivate
from tests.service.world import Side
from wechat.models import OutboundMessage, ReplyWindow


def held(brand: Side, agent: Any, **fields: Any) -> Conversation:
    return assignments.claim(brand.conversation(**fields), actor=agent)


def places_of(agent: Any) -> int:
    return AgentState.objects.get(staff=agent).open_count


def test_claiming_takes_one_of_the_agents_places(brand: Side) -> None:
    agent = brand.agent()
    conversation = held(brand, agent)
    assert conversation.state == "open"
    assert conversation.assignee == agent
    assert places_of(agent) == 1
    assert Assignment.objects.filter(staff=agent, ended_at=None).count() == 1


def test_the_loser_is_told_who_has_it(brand: Side) -> None:
    winner, loser = brand.agent(display_name="周敏"), brand.agent()
    conversation = held(brand, winner)
    with pytest.raises(AlreadyClaimed) as refusal:
        assignments.claim(conversation, actor=loser)
    assert refusal.value.code == "conversation_taken"
    assert refusal.value.extra["holder"] == winner.username
    assert "周敏" in str(refusal.value.message)
    assert places_of(loser) == 0


def test_claiming_ones_own_again_changes_nothing(brand: Side) -> None:
    agent = brand.agent()
    conversation = held(brand, agent)
    assignments.claim(conversation, actor=agent)
    assert places_of(agent) == 1


def test_nobody_gets_more_than_agreed_and_a_lowered_capacity_keeps_what_is_held(
    brand: Side,
) -> None:
    agent = brand.agent()
    for _ in range(3):
        held(brand, agent)
    AgentState.objects.filter(staff=agent).update(capacity=2)
    with pytest.raises(AtCapacity):
        held(brand, agent)
    assert places_of(agent) == 3
    for conversation in Conversation.objects.held_by(agent)[:2]:
        closing.close(conversation, actor=agent)
    held(brand, agent)
    assert places_of(agent) == 2


def test_only_agents_of_the_queue_take_from_it(brand: Side) -> None:
    member, outsider = brand.agent(), brand.agent()
    brand.queue.agents.add(member)
    with pytest.raises(NotYourQueue):
        held(brand, outsider)
    held(brand, member)


def test_a_reply_is_planned_once_however_often_the_button_is_pressed(
    brand: Side,
) -> None:
    agent = brand.agent()
    conversation = held(brand, agent)
    first = replies.reply(conversation, text=" 您好 ", client_key="k1", actor=agent)
    again = replies.reply(conversation, text="您好", client_key="k1", actor=agent)
    assert first == again
    outbound = OutboundMessage.objects.get()
    assert outbound.payload == {"text": "您好"}
    assert outbound.purpose == "service.reply"
    assert outbound.reference == str(first.pk)
    conversation.refresh_from_db()
    assert conversation.waiting_since is None
    assert conversation.first_response_at == first.at
    assert conversation.messages_left == 4
    with pytest.raises(KeyReused):
        replies.reply(conversation, text="别的", client_key="k1", actor=agent)


def test_replies_that_wait_count_as_used(brand: Side) -> None:
    agent = brand.agent()
    conversation = held(brand, agent)
    for number in range(5):
        replies.reply(conversation, text="好", client_key=f"k{number}", actor=agent)
    with pytest.raises(NoMessagesLeft):
        replies.reply(conversation, text="好", client_key="k6", actor=agent)
    assert OutboundMessage.objects.count() == 5


def test_refusals_of_a_reply_say_why(brand: Side) -> None:
    agent, other = brand.agent(), brand.agent()
    waiting = brand.conversation()
    with pytest.raises(NotClaimed):
        replies.reply(waiting, text="好", client_key="a", actor=agent)
    conversation = held(brand, agent)
    with pytest.raises(NotHolder):
        replies.reply(conversation, text="好", client_key="b", actor=other)
    with pytest.raises(BadReply, match=r"."):
        replies.reply(conversation, text="  ", client_key="c", actor=agent)
    with pytest.raises(BadReply) as refusal:
        replies.reply(conversation, text="好" * 700, client_key="d", actor=agent)
    assert refusal.value.code == "text_too_long"
    ReplyWindow.objects.all().delete()
    with pytest.raises(WindowClosed):
        replies.reply(conversation, text="好", client_key="e", actor=agent)
    conversation.member.is_reachable = False
    conversation.member.save(update_fields=["is_reachable"])
    with pytest.raises(NotReachable):
        replies.reply(conversation, text="好", client_key="f", actor=agent)
    closing.close(conversation, actor=agent)
    with pytest.raises(AlreadyClosed):
        replies.reply(conversation, text="好", client_key="g", actor=agent)
    assert not OutboundMessage.objects.exists()


def test_customers_of_kf_are_read_here_and_answered_in_wecom(brand: Side) -> None:
    brand.account.kind = "wecom"
    brand.account.save(update_fields=["kind"])
    agent = brand.agent()
    conversation = held(brand, agent)
    with pytest.raises(CannotReplyHere):
        replies.reply(conversation, text="好", client_key="a", actor=agent)


def test_closing_frees_the_place_and_is_written_down(brand: Side) -> None:
    agent, other = brand.agent(), brand.agent()
    conversation = held(brand, agent)
    with pytest.raises(NotHolder):
        closing.close(conversation, actor=other)
    closing.close(conversation, reason="resolved", actor=agent)
    assert places_of(agent) == 0
    conversation.refresh_from_db()
    assert (conversation.state, conversation.close_reason) == ("closed", "resolved")
    assert AuditEntry.objects.filter(action="service.conversation.closed").exists()
    with pytest.raises(AlreadyClosed):
        closing.close(conversation, actor=agent)
    with pytest.raises(AlreadyClosed):
        assignments.claim(conversation, actor=other)


def test_handing_over_moves_the_place_in_one_step(brand: Side) -> None:
    agent, colleague = brand.agent(), brand.agent()
    conversation = held(brand, agent)
    assignments.transfer_to(conversation, staff=colleague, actor=agent)
    conversation.refresh_from_db()
    assert conversation.assignee == colleague
    assert (places_of(agent), places_of(colleague)) == (0, 1)
    ended = Assignment.objects.get(staff=agent)
    assert ended.ended_because == "transferred"


def test_a_full_or_unable_colleague_gets_nothing(brand: Side, dealer: Side) -> None:
    agent, full, stranger = brand.agent(), brand.agent(), dealer.agent()
    AgentState.objects.create(staff=full, capacity=0)
    conversation = held(brand, agent)
    with pytest.raises(AtCapacity):
        assignments.transfer_to(conversation, staff=full, actor=agent)
    with pytest.raises(AgentUnavailable):
        assignments.transfer_to(conversation, staff=stranger, actor=agent)
    conversation.refresh_from_db()
    assert conversation.assignee == agent
    assert places_of(agent) == 1


def test_what_is_put_back_waits_in_front(brand: Side) -> None:
    agent = brand.agent()
    conversation = held(brand, agent)
    brand.conversation()
    assignments.requeue(conversation, actor=agent)
    first = (
        Conversation.objects.waiting().order_by("-priority", "waiting_since").first()
    )
    assert first == conversation
    assert places_of(agent) == 0


def test_a_supervisor_assigns_what_waits_and_takes_back_what_is_held(
    brand: Side,
) -> None:
    supervisor, agent, other = brand.agent("supervisor"), brand.agent(), brand.agent()
    conversation = brand.conversation()
    assignments.assign(conversation, staff=agent, actor=supervisor)
    with pytest.raises(NotHolder):
        assignments.requeue(conversation, actor=other)
    assignments.requeue(conversation, actor=supervisor, because="supervisor")
    assert places_of(agent) == 0


def test_the_conversations_of_who_is_deactivated_wait_again(brand: Side) -> None:
    agent, boss = brand.agent(), brand.agent("administrator", is_superuser=True)
    kept = [held(brand, agent) for _ in range(3)]
    deactivate(agent, actor=boss)
    states = Conversation.objects.filter(pk__in=[c.pk for c in kept])
    assert set(states.values_list("state", "assignee")) == {("queued", None)}
    assert places_of(agent) == 0


def test_a_note_is_seen_by_colleagues_only(brand: Side) -> None:
    agent = brand.agent()
    conversation = held(brand, agent)
    replies.note(conversation, text="皮肤敏感", client_key="n1", actor=agent)
    replies.note(conversation, text="皮肤敏感", client_key="n1", actor=agent)
    assert conversation.messages.get().direction == "note"
    assert not OutboundMessage.objects.exists()
