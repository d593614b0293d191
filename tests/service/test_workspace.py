"""The workspace's pages and buttons, as the browser calls them."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from core import live
from crm.models import Complaint
from crm.models.consents import NO_END
from service import assignments, attention, presence, replies
from service.models import AgentState, Conversation, Message
from service.tasks import mark_absent
from tests.service.world import Side
from wechat.models import Media, OutboundMessage


@pytest.fixture
def agent(brand: Side) -> Any:
    return brand.agent(display_name="周敏")


def browser_of(person: Any) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def do(person: Any, conversation: Conversation, verb: str, **data: Any) -> Any:
    address = reverse("admin:workspace_act", args=[conversation.pk, verb])
    return browser_of(person).post(address, data)


def desk_of(person: Any, conversation: Conversation) -> Any:
    address = reverse("admin:workspace_desk", args=[conversation.pk])
    return browser_of(person).get(address)


def a_picture(kind: str = "PNG", size: tuple[int, int] = (40, 30)) -> io.BytesIO:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, kind)
    file.seek(0)
    file.name = "photo.png"
    return file


def test_the_empty_page_says_what_will_stand_here(agent: Any) -> None:
    page = browser_of(agent).get(reverse("admin:workspace"))
    assert page.status_code == 200
    text = page.content.decode()
    assert "现在没有接待中的客户" in text
    assert "从左侧选择一个会话" in text
    assert not AgentState.objects.exists(), "a GET seats nobody"
    sit_down(browser_of(agent))
    assert AgentState.objects.get(staff=agent).status == "online"


def sit_down(client: Any) -> None:
    """What the script of an open workspace says at once."""
    assert client.post(reverse("admin:workspace_here")).status_code == 200


def test_accept_answer_close_through_the_page(brand: Side, agent: Any) -> None:
    conversation = brand.conversation()
    assert do(agent, conversation, "claim").json() == {"ok": True}
    answer = do(agent, conversation, "reply", text="您好", client_key="k")
    assert answer.status_code == 200
    text = desk_of(agent, conversation).content.decode()
    assert "您好" in text
    assert 'data-mode="held"' in text
    assert "剩余 4 条" in text
    do(agent, conversation, "close", reason="resolved")
    assert 'data-mode="closed"' in desk_of(agent, conversation).content.decode()


def test_the_loser_reads_who_has_it_but_not_what_was_said(
    brand: Side, agent: Any
) -> None:
    conversation = assignments.claim(brand.conversation(), actor=agent)
    Message.objects.create(
        conversation=conversation, direction="in", text="我的地址是南京西路"
    )
    loser = brand.agent()
    refusal = do(loser, conversation, "claim")
    assert refusal.status_code == 409
    assert refusal.json()["code"] == "conversation_taken"
    assert "周敏" in refusal.json()["message"]
    text = desk_of(loser, conversation).content.decode()
    assert "周敏 正在接待" in text
    assert "南京西路" not in text


def test_another_controllers_conversation_does_not_exist(
    brand: Side, dealer: Side, agent: Any
) -> None:
    theirs = dealer.conversation()
    client = browser_of(agent)
    for name in ("conversation", "desk", "older", "phrases", "colleagues"):
        address = reverse(f"admin:workspace_{name}", args=[theirs.pk])
        assert client.get(address).status_code == 404, name
    for verb in ("claim", "reply", "note", "close", "requeue", "give", "picture"):
        assert do(agent, theirs, verb, client_key="k").status_code == 404, verb
    listed = client.get(reverse("admin:workspace_list"), {"q": f"#{theirs.pk}"})
    assert theirs.member.display_name not in listed.content.decode()
    assert not live.may_subscribe(agent, f"conversation.{theirs.pk}")
    assert not live.may_subscribe(agent, f"queue.{theirs.queue_id}")


def test_sockets_hear_only_what_the_page_may_show(brand: Side, agent: Any) -> None:
    mine = assignments.claim(brand.conversation(), actor=agent)
    waiting = brand.conversation()
    other = brand.agent()
    assert live.may_subscribe(agent, f"conversation.{mine.pk}")
    assert live.may_subscribe(other, f"conversation.{waiting.pk}")
    assert not live.may_subscribe(other, f"conversation.{mine.pk}")
    assert live.may_subscribe(brand.agent("supervisor"), f"conversation.{mine.pk}")
    assert not live.may_subscribe(brand.agent("analyst"), f"conversation.{mine.pk}")
    brand.queue.agents.add(agent)
    assert not live.may_subscribe(other, f"queue.{brand.queue.pk}")


@pytest.mark.parametrize("role", ["analyst", "ops_specialist", "privacy_officer"])
def test_who_neither_answers_nor_supervises_stays_out(brand: Side, role: str) -> None:
    person = brand.agent(role)
    assert browser_of(person).get(reverse("admin:workspace")).status_code == 403
    assert do(person, brand.conversation(), "claim").status_code == 403


def test_the_team_tab_is_for_supervisors(brand: Side, agent: Any) -> None:
    held = assignments.claim(brand.conversation(), actor=agent)
    presence.arrive(agent)
    address = reverse("admin:workspace_team")
    assert browser_of(agent).get(address).status_code == 403
    text = browser_of(brand.agent("supervisor")).get(address).content.decode()
    assert held.member.display_name in text
    assert "1/6" in text


def test_a_supervisor_assigns_and_takes_back(brand: Side, agent: Any) -> None:
    supervisor = brand.agent("supervisor")
    presence.arrive(agent)
    conversation = brand.conversation()
    choices = browser_of(supervisor).get(
        reverse("admin:workspace_colleagues", args=[conversation.pk])
    )
    assert "周敏 · 0/6 · 在线" in choices.content.decode()
    assert do(agent, conversation, "give", staff=agent.pk).status_code == 403
    assert do(supervisor, conversation, "give", staff=agent.pk).status_code == 200
    conversation.refresh_from_db()
    assert conversation.assignee == agent
    assert do(supervisor, conversation, "requeue").status_code == 200
    ended = conversation.assignments.get()
    assert ended.ended_because == "supervisor"


def test_a_picture_is_checked_re_encoded_and_sent_once(brand: Side, agent: Any) -> None:
    conversation = assignments.claim(brand.conversation(), actor=agent)
    for _ in range(2):
        answer = do(agent, conversation, "picture", client_key="p", picture=a_picture())
        assert answer.status_code == 200
    media = Media.objects.get()
    assert (media.direction, media.state, media.width) == ("out", "stored", 40)
    assert OutboundMessage.objects.get().payload == {"media": media.pk}
    shown = browser_of(agent).get(reverse("media", args=[media.pk]))
    assert shown.status_code == 200
    other = brand.agent()
    assert browser_of(other).get(reverse("media", args=[media.pk])).status_code == 404


def test_what_is_no_picture_is_refused_in_words(brand: Side, agent: Any) -> None:
    conversation = assignments.claim(brand.conversation(), actor=agent)
    fake = io.BytesIO(b"<svg onload=alert(1)>")
    fake.name = "x.png"
    refusal = do(agent, conversation, "picture", client_key="p", picture=fake)
    assert refusal.status_code == 409
    assert refusal.json()["code"] == "bad_picture"
    assert not Media.objects.exists()


def test_what_customers_write_is_never_markup(brand: Side, agent: Any) -> None:
    conversation = assignments.claim(brand.conversation(), actor=agent)
    Message.objects.create(
        conversation=conversation,
        direction="in",
        text="<script>alert(1)</script><img x-data=1>",
    )
    text = desk_of(agent, conversation).content.decode()
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_failed_and_unknown_messages_say_so(brand: Side, agent: Any) -> None:
    conversation = assignments.claim(brand.conversation(), actor=agent)
    message = replies.reply(conversation, text="好", client_key="k", actor=agent)
    rows = OutboundMessage.objects.filter(pk=message.outbound_id)
    rows.update(state="failed", reason="超出 48 小时窗口")
    text = desk_of(agent, conversation).content.decode()
    assert "ws-tone-failed" in text
    assert "超出 48 小时窗口" in text


def test_older_lines_come_in_pages_without_gap_or_repeat(
    brand: Side, agent: Any
) -> None:
    conversation = assignments.claim(brand.conversation(), actor=agent)
    start = timezone.now() - timedelta(days=3)
    for number in range(150):
        Message.objects.create(
            conversation=conversation,
            direction="in",
            text=f"第{number:03d}句",
            at=start + timedelta(minutes=number),
        )
    client = browser_of(agent)
    page = desk_of(agent, conversation).content.decode()
    seen: list[str] = []
    for _ in range(10):
        seen += [f"第{n:03d}句" for n in range(150) if f"第{n:03d}句" in page]
        before = page.partition('data-before="')[2].partition('"')[0]
        if not before:
            break
        address = reverse("admin:workspace_older", args=[conversation.pk])
        page = client.get(address, {"before": before}).content.decode()
    assert sorted(seen) == [f"第{n:03d}句" for n in range(150)]


def test_opening_a_conversation_costs_the_same_however_long_it_is(
    brand: Side, agent: Any, django_assert_max_num_queries: Any
) -> None:
    conversation = assignments.claim(brand.conversation(), actor=agent)
    for number in range(40):
        Message.objects.create(
            conversation=conversation, direction="in", text=f"{number}", sender=agent
        )
    client = browser_of(agent)
    address = reverse("admin:workspace_desk", args=[conversation.pk])
    client.get(address)
    with django_assert_max_num_queries(24):
        client.get(address)
    for _ in range(20):
        brand.conversation()
    with django_assert_max_num_queries(20):
        client.get(reverse("admin:workspace_list"), {"tab": "queue"})


def test_an_agent_who_comes_back_is_online_again_and_a_choice_stays(agent: Any) -> None:
    client = browser_of(agent)
    sit_down(client)
    client.post(reverse("admin:workspace_status"), {"status": "busy"})
    sit_down(client)
    assert AgentState.objects.get(staff=agent).status == "busy"
    client.post(reverse("admin:workspace_status"), {"status": "offline"})
    sit_down(client)
    assert AgentState.objects.get(staff=agent).status == "offline"
    AgentState.objects.update(heartbeat_at=timezone.now() - timedelta(hours=9))
    sit_down(client)
    assert AgentState.objects.get(staff=agent).status == "online"


def test_who_closes_the_workspace_is_offline_and_keeps_the_conversations(
    brand: Side, agent: Any
) -> None:
    conversation = assignments.claim(brand.conversation(), actor=agent)
    presence.arrive(agent)
    mark_absent()
    assert AgentState.objects.get(staff=agent).status == "online"
    AgentState.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    mark_absent()
    assert AgentState.objects.get(staff=agent).status == "offline"
    conversation.refresh_from_db()
    assert conversation.assignee == agent
    client = browser_of(brand.agent("supervisor"))
    team = client.get(reverse("admin:workspace_team")).content.decode()
    assert team.count("不在座位") == 2  # the agent, and what they have
    presence.show(agent)
    assert AgentState.objects.get(staff=agent).status == "online"


def test_home_and_health_tell_of_who_waits(brand: Side, agent: Any) -> None:
    mine = assignments.claim(brand.conversation(), actor=agent)
    waiting = brand.conversation()
    Conversation.objects.filter(pk=waiting.pk).update(
        waiting_since=timezone.now() - timedelta(hours=1)
    )
    home = browser_of(agent).get(reverse("admin:index")).content.decode()
    assert mine.member.display_name in home
    assert f"{brand.queue}：1 位客户排队" in home
    assert attention.oldest_waiting().ok is False
    assignments.claim(waiting, actor=agent)
    assert attention.oldest_waiting().ok is True


def test_what_came_in_is_read_by_a_post_of_its_holder_only(
    brand: Side, agent: Any
) -> None:
    conversation = assignments.claim(brand.conversation(), actor=agent)
    rows = Conversation.objects.filter(pk=conversation.pk)
    rows.update(unread_count=3)

    def unread() -> int:
        return rows.get().unread_count

    browser_of(agent).get(
        reverse("admin:workspace_desk", args=[conversation.pk]), {"seen": "1"}
    )
    assert unread() == 3
    do(brand.agent("supervisor"), conversation, "read")
    assert unread() == 3
    assert do(agent, conversation, "read").status_code == 200
    assert unread() == 0


def test_a_conversation_is_noted_as_a_complaint_once_and_marketing_stops(
    brand: Side, agent: Any
) -> None:
    conversation = brand.conversation()
    do(agent, conversation, "claim")
    assert do(agent, conversation, "complain", reason=" ").status_code == 409
    for _twice in range(2):
        told = do(agent, conversation, "complain", reason="连发三条广告")
        assert told.json() == {"ok": True}
    complaint = Complaint.objects.get()
    assert complaint.reference == f"conversation:{conversation.pk}"
    assert complaint.member.frozen_until == NO_END
    text = desk_of(agent, conversation).content.decode()
    assert "已登记为投诉" in text
    assert "营销冻结" in text
    other = brand.agent()
    assert do(other, conversation, "complain", reason="好奇").status_code in (403, 404)
