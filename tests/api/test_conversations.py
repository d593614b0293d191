"""Conversations over REST: reading, claiming, answering, closing."""

from __future__ import annotations

import threading

import pytest
from django.db import connections

from service.models import AgentState, Assignment, Conversation, Message
from tests.api.conftest import client_of
from wechat.models import OutboundMessage

CONVERSATIONS = "/api/v1/conversations"


@pytest.fixture
def agent(api, brand):
    return api("agent", brand, username="agent-zhou")


@pytest.fixture
def other(api, brand):
    return api("agent", brand, username="agent-li")


@pytest.fixture
def held(agent, brand):
    """A conversation the agent has, with five messages left."""
    conversation = brand.conversation()
    brand.open_window(conversation)
    assert agent.post(f"{CONVERSATIONS}/{conversation.pk}/claim").status_code == 200
    return conversation


def reply(client, conversation, text="您好", key="k1", **extra):
    return client.post(
        f"{CONVERSATIONS}/{conversation.pk}/reply",
        {"text": text, **extra},
        format="json",
        headers={"Idempotency-Key": key},
    )


def test_a_waiting_conversation_is_told_without_an_assignee(agent, brand):
    conversation = brand.conversation()

    answer = agent.get(CONVERSATIONS, {"state": "queued"})

    assert answer.json()["results"] == [
        {
            "id": conversation.pk,
            "member": conversation.member_id,
            "app": "brand-app",
            "state": "queued",
            "assignee": None,
            "waiting_since": "2026-11-01T12:00:00+08:00",
        }
    ]
    assert agent.get(CONVERSATIONS, {"state": "open"}).json()["results"] == []


def test_messages_come_earliest_first_with_how_far_ours_are(agent, held, brand):
    asked = brand.said(held)
    reply(agent, held)

    rows = agent.get(f"{CONVERSATIONS}/{held.pk}/messages").json()["results"]

    assert [(row["direction"], row["text"], row["sender"]) for row in rows] == [
        ("in", "怎么退货", None),
        ("out", "您好", "agent-zhou"),
    ]
    assert rows[0]["id"] == asked.pk
    assert rows[0]["delivery"] is None
    assert rows[1]["delivery"]["state"] == "planned"


def test_what_a_colleague_talks_about_is_told_to_supervisors_only(api, brand, held):
    brand.said(held)
    address = f"{CONVERSATIONS}/{held.pk}"

    for role, status in (("agent", 403), ("supervisor", 200)):
        client = api(role, brand)
        assert client.get(address).status_code == 200
        assert client.get(f"{address}/messages").status_code == status


def test_a_claim_gives_the_conversation_to_the_caller(agent, brand):
    conversation = brand.conversation()

    answer = agent.post(f"{CONVERSATIONS}/{conversation.pk}/claim")

    assert answer.status_code == 200
    assert answer.json()["state"] == "open"
    assert answer.json()["assignee"] == "agent-zhou"
    assert Assignment.objects.get().staff == agent.person


def test_claiming_again_changes_nothing(agent, held):
    answer = agent.post(f"{CONVERSATIONS}/{held.pk}/claim", {}, format="json")

    assert answer.status_code == 200
    assert AgentState.objects.get().open_count == 1


def test_the_loser_of_a_claim_is_told_who_has_it(other, held):
    answer = other.post(f"{CONVERSATIONS}/{held.pk}/claim")

    assert answer.status_code == 409
    assert answer.json()["code"] == "conversation_taken"
    assert answer.json()["holder"] == "agent-zhou"


def test_an_agent_at_capacity_is_409_without_a_holder(agent, brand):
    AgentState.objects.create(staff=agent.person, capacity=0)

    answer = agent.post(f"{CONVERSATIONS}/{brand.conversation().pk}/claim")

    assert answer.status_code == 409
    assert answer.json()["code"] == "at_capacity"
    assert answer.json()["holder"] is None


def test_an_agent_of_another_queue_is_403(agent, other, brand):
    brand.queue.agents.add(other.person)

    answer = agent.post(f"{CONVERSATIONS}/{brand.conversation().pk}/claim")

    assert answer.status_code == 403
    assert answer.json()["code"] == "not_your_queue"


def test_a_reply_is_planned_in_the_outbox(agent, held):
    answer = reply(agent, held, text="您好，请说")

    assert answer.status_code == 201
    message = Message.objects.get()
    assert answer.json() == {
        "id": message.pk,
        "conversation": held.pk,
        "text": "您好，请说",
        "at": answer.json()["at"],
    }
    assert OutboundMessage.objects.get().payload == {"text": "您好，请说"}


def test_the_same_key_and_text_is_one_message_and_the_same_answer(agent, held):
    first, second = reply(agent, held), reply(agent, held)

    assert second.status_code == first.status_code == 201
    assert second.json() == first.json()
    assert OutboundMessage.objects.count() == 1


def test_the_same_key_with_another_text_is_409(agent, held):
    reply(agent, held)

    answer = reply(agent, held, text="另一句")

    assert answer.status_code == 409
    assert answer.json()["code"] == "idempotency_key_reused"
    assert Message.objects.count() == 1


@pytest.mark.parametrize("key", ["", " ", "é", "a b", "x" * 65, "a\x01"])
def test_a_reply_without_a_good_key_is_400(agent, held, key):
    answer = reply(agent, held, key=key)

    assert answer.status_code == 400
    assert list(answer.json()["extra"]["fields"]) == ["Idempotency-Key"]
    assert not Message.objects.exists()


@pytest.mark.parametrize(
    "text", ["", "   ", "\n\t", "a\x00b", None, 5, ["x"], "x" * 2049]
)
def test_a_text_that_can_not_be_sent_is_400(agent, held, text):
    answer = reply(agent, held, text=text)

    assert answer.status_code == 400
    assert not Message.objects.exists()


def test_a_text_of_too_many_bytes_is_400_with_the_limit(agent, held):
    answer = reply(agent, held, text="长" * 683)

    assert answer.status_code == 400
    assert answer.json()["code"] == "text_too_long"


def test_unknown_keys_are_refused(agent, held):
    answer = reply(agent, held, sender=1)

    assert answer.status_code == 400
    assert list(answer.json()["extra"]["fields"]) == ["sender"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'"text"', 400),
        (b"[]", 400),
        (b'{"text": NaN}', 400),
        (b'{"text": "\\ud800"}', 400),
        (b'{"\\ud800": 1}', 400),
        (b"[" * 30_000, 400),
        (b'{"text": "\xff"}', 400),
        (b'{"text": "' + b"x" * 70_000 + b'"}', 413),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(agent, held, body, status):
    answer = agent.post(
        f"{CONVERSATIONS}/{held.pk}/reply",
        body,
        content_type="application/json",
        headers={"Idempotency-Key": "k"},
    )

    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message", "extra"}


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/xml", "x/y; charset=rot13"]
)
def test_a_body_of_another_type_is_415(agent, held, kind):
    answer = agent.post(
        f"{CONVERSATIONS}/{held.pk}/reply",
        b'{"text": "x"}',
        content_type=kind,
        headers={"Idempotency-Key": "k"},
    )

    assert answer.status_code == 415


def test_a_charset_in_the_content_type_changes_nothing(agent, held):
    answer = agent.post(
        f"{CONVERSATIONS}/{held.pk}/reply",
        '{"text": "您好"}'.encode(),
        content_type="application/json; charset=rot13",
        headers={"Idempotency-Key": "k"},
    )

    assert answer.status_code == 201
    assert answer.json()["text"] == "您好"


def test_only_the_holder_answers_and_the_other_is_told_who_that_is(other, held):
    answer = reply(other, held)

    assert answer.status_code == 409
    assert answer.json()["holder"] == "agent-zhou"


def test_an_answer_needs_a_claim_first(agent, brand):
    answer = reply(agent, brand.conversation())

    assert answer.status_code == 409
    assert answer.json()["code"] == "not_claimed"


def test_an_answer_after_the_window_is_409(agent, brand):
    conversation = brand.conversation()
    agent.post(f"{CONVERSATIONS}/{conversation.pk}/claim")

    answer = reply(agent, conversation)

    assert answer.status_code == 409
    assert answer.json()["code"] in {"window_closed", "no_messages_left"}


def test_closing_ends_it_and_a_second_close_is_409(agent, held):
    address = f"{CONVERSATIONS}/{held.pk}/close"

    first = agent.post(address, {"reason": "no_answer"}, format="json")
    second = agent.post(address)

    assert first.status_code == 200
    assert first.json()["state"] == "closed"
    assert Conversation.objects.get().close_reason == "no_answer"
    assert second.status_code == 409
    assert second.json()["code"] == "conversation_closed"


def test_a_colleague_can_not_close_it(other, held):
    answer = other.post(f"{CONVERSATIONS}/{held.pk}/close")

    assert answer.status_code == 409
    assert answer.json()["holder"] == "agent-zhou"


def test_reading_roles_can_not_answer(api, brand, held):
    manager = api("ops_manager", brand)

    assert manager.get(CONVERSATIONS).status_code == 200
    for verb in ("claim", "close"):
        answer = manager.post(f"{CONVERSATIONS}/{held.pk}/{verb}")
        assert answer.status_code == 403
    assert reply(manager, held).status_code == 403


# -- at the same time, on real connections


def at_once(*calls):
    """Run every call on its own connection, started together; the answers in order."""
    gate, answers = threading.Barrier(len(calls)), [None] * len(calls)

    def run(number, call):
        try:
            gate.wait(10)
            answers[number] = call()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


@pytest.mark.django_db(transaction=True)
def test_of_eight_claims_at_once_one_wins_and_all_others_learn_who(make_staff, brand):
    conversation = brand.conversation()
    clients = [client_of(make_staff("agent", org_unit=brand.unit)) for _ in range(8)]

    answers = at_once(
        *(
            lambda client=client: client.post(
                f"{CONVERSATIONS}/{conversation.pk}/claim"
            )
            for client in clients
        )
    )

    statuses = [answer.status_code for answer in answers]
    assert sorted(statuses) == [200] + [409] * 7
    winner = clients[statuses.index(200)].person.username
    holders = {a.json()["holder"] for a in answers if a.status_code == 409}
    assert holders == {winner}
    assert Assignment.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_key_eight_times_at_once_is_one_message(make_staff, brand):
    person = make_staff("agent", org_unit=brand.unit)
    conversation = brand.conversation()
    brand.open_window(conversation)
    client_of(person).post(f"{CONVERSATIONS}/{conversation.pk}/claim")
    clients = [client_of(person) for _ in range(8)]

    answers = at_once(
        *(lambda client=client: reply(client, conversation) for client in clients)
    )

    assert [answer.status_code for answer in answers] == [201] * 8
    assert len({answer.content for answer in answers}) == 1
    assert OutboundMessage.objects.count() == 1
