"""What becomes of a message: through the inbox, as a worker runs it."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.utils import timezone

from content.models import AnswerRule
from core.models import SystemSetting
from core.system_settings import declarations
from crm.errors import MemberGone
from crm.merging import merge
from crm.models import ConsentEntry, Identity, Member
from crm.purging import purge
from service import assignments, closing, ratings, replies
from service.models import AgentState, Conversation, Message, MissCount
from tests.service.world import LONG_DUE, Side, run_again, work
from wechat.models import InboundEvent, Media, OutboundMessage

OPENID = "oLinXiaoman"


def said_to(openid: str = OPENID) -> list[tuple[str, str]]:
    rows = OutboundMessage.objects.filter(recipient=openid).order_by("id")
    return [(row.purpose, row.payload.get("text", "")) for row in rows]


def purposes(openid: str = OPENID) -> list[str]:
    return [purpose for purpose, _text in said_to(openid)]


def only_conversation() -> Conversation:
    return Conversation.objects.get()


def test_a_rule_answers_and_nobody_is_bothered(brand: Side) -> None:
    rule = brand.rule("退货", "请提供订单号")
    brand.says(OPENID, "怎么退货")
    assert said_to() == [("content.answer", "请提供订单号")]
    assert OutboundMessage.objects.get().reference == str(rule.pk)
    assert not Conversation.objects.exists()


def test_asking_for_a_person_always_leads_to_the_queue(brand: Side) -> None:
    brand.rule("人工", "机器人在此", match=AnswerRule.Match.EXACT)
    brand.says(OPENID, "人工")
    conversation = only_conversation()
    assert conversation.state == "queued"
    assert conversation.queue == brand.queue
    assert conversation.messages.get().text == "人工"
    assert conversation.waiting_since is not None
    assert conversation.due_at > conversation.waiting_since
    assert purposes() == ["service.queued"]


def test_the_second_miss_in_a_row_leads_to_the_queue(brand: Side) -> None:
    brand.rule("营业", "十点到二十二点")
    brand.says(OPENID, "天书一")
    assert purposes() == ["service.hint"]
    brand.says(OPENID, "营业时间")
    brand.says(OPENID, "天书二")
    assert not Conversation.objects.exists()
    brand.says(OPENID, "天书三")
    assert only_conversation().messages.get().text == "天书三"
    assert MissCount.objects.get().count == 0


def test_no_rule_answers_while_a_conversation_is_open(brand: Side) -> None:
    brand.rule("退货", "请提供订单号")
    brand.says(OPENID, "人工")
    brand.says(OPENID, "怎么退货")
    assert [m.text for m in only_conversation().messages.all()] == ["人工", "怎么退货"]
    assert purposes() == ["service.queued"]
    conversation = assignments.claim(only_conversation(), actor=brand.agent())
    brand.says(OPENID, "退货")
    assert conversation.messages.count() == 3
    closing.close(conversation, actor=conversation.assignee)
    brand.says(OPENID, "退货")
    assert purposes()[-1] == "content.answer"


def test_opting_out_counts_and_is_confirmed_in_an_open_conversation_too(
    brand: Side,
) -> None:
    brand.says(OPENID, "人工")
    brand.says(OPENID, "退订")
    assert ConsentEntry.objects.get().action == "withdrawn"
    assert Member.objects.get().opted_out_at is not None
    assert purposes() == ["service.queued", "service.opted_out"]
    assert only_conversation().messages.count() == 2


def test_opting_out_without_a_conversation_opens_none(brand: Side) -> None:
    brand.says(OPENID, "退订")
    brand.says(OPENID, "恢复订阅")
    actions = ConsentEntry.objects.order_by("id").values_list("action", flat=True)
    assert list(actions) == ["withdrawn", "granted"]
    assert purposes() == ["service.opted_out", "service.opted_in"]
    assert not Conversation.objects.exists()
    assert Member.objects.get().opted_out_at is None


def test_a_picture_waits_for_a_person_and_is_to_be_fetched(brand: Side) -> None:
    event = brand.sends_picture(OPENID)
    message = only_conversation().messages.get()
    assert message.kind == "image"
    assert message.inbound_id == event.pk
    assert message.media.state == Media.State.WANTED
    assert message.media.direction == "in"


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("voice", "<MediaId>m</MediaId><Format>amr</Format>", "[voice]"),
        ("location", "<Label>静安寺</Label>", "[location] 静安寺"),
        ("link", "<Title>新品</Title><Url>http://x</Url>", "[link] 新品"),
    ],
)
def test_other_kinds_are_shown_as_what_they_are(
    brand: Side, kind: str, body: str, text: str
) -> None:
    brand.push(OPENID, f"mp.message.{kind}", f"<MsgType>{kind}</MsgType>{body}")
    work()
    assert only_conversation().messages.get().text == text


def test_a_replay_changes_nothing(brand: Side) -> None:
    brand.rule("退货", "请提供订单号")
    events = [
        brand.says(OPENID, "退货"),
        brand.says(OPENID, "天书一"),
        brand.says(OPENID, "天书二"),
        brand.says(OPENID, "退订"),
        brand.sends_picture(OPENID),
    ]

    def state() -> object:
        return (
            purposes(),
            list(Message.objects.order_by("id").values_list("id", "text")),
            list(MissCount.objects.values_list("count", "event_ids")),
            Conversation.objects.get().unread_count,
            ConsentEntry.objects.count(),
            Media.objects.count(),
        )

    before = state()
    for event in events:
        run_again(event)
    assert state() == before
    conversation = assignments.claim(only_conversation(), actor=brand.agent())
    closing.close(conversation, actor=conversation.assignee)
    after = state()
    for event in events:
        run_again(event)
    assert state() == after


def test_who_unfollows_ends_the_conversation(brand: Side) -> None:
    brand.says(OPENID, "人工")
    agent = brand.agent()
    assignments.claim(only_conversation(), actor=agent)
    event = brand.leaves(OPENID)
    conversation = only_conversation()
    assert (conversation.state, conversation.close_reason) == ("closed", "unfollowed")
    assert AgentState.objects.get(staff=agent).open_count == 0
    run_again(event)
    assert only_conversation().closed_at == conversation.closed_at


def test_a_text_the_administrator_empties_is_not_sent(brand: Side) -> None:
    assert "service.queued_text" in declarations
    SystemSetting.objects.create(key="service.queued_text", value="")
    brand.says(OPENID, "人工")
    assert purposes() == []


def test_two_members_found_to_be_one_have_one_conversation(brand: Side) -> None:
    older = brand.conversation()
    agent = brand.agent()
    newer = assignments.claim(brand.conversation(), actor=agent)
    for conversation, text in ((older, "一"), (newer, "二")):
        Message.objects.create(conversation=conversation, direction="in", text=text)
    boss = brand.agent("administrator", is_superuser=True)
    merge(older.member, newer.member, actor=boss)
    older.refresh_from_db()
    newer.refresh_from_db()
    assert older.member == newer.member
    # Who is being served stays with the agent.
    assert (newer.state, older.state) == ("open", "closed")
    assert older.close_reason == "merged"
    assert sorted(m.text for m in newer.messages.all()) == ["一", "二"]


def test_a_purge_leaves_no_words_behind(brand: Side) -> None:
    brand.says(OPENID, "我住在南京西路")
    brand.says(OPENID, "电话13800138000")
    conversation = assignments.claim(only_conversation(), actor=brand.agent())
    replies.reply(
        conversation, text="好的张小姐", client_key="k", actor=conversation.assignee
    )
    member = Member.objects.get()
    member.purge_due_at = timezone.now()
    member.save(update_fields=["purge_due_at"])
    member.is_reachable = False
    member.save(update_fields=["is_reachable"])
    purge(member.pk, actor=brand.agent("administrator", is_superuser=True))
    assert set(Message.objects.values_list("text", flat=True)) == {""}
    conversation.refresh_from_db()
    assert (conversation.state, conversation.preview) == ("closed", "")
    assert not Identity.objects.filter(value=OPENID).exists()
    # Nor does anybody add some from a page left open.
    with pytest.raises(MemberGone):
        replies.note(
            conversation, text="张小姐来电", client_key="n", actor=brand.agent()
        )
    with pytest.raises(MemberGone):
        ratings.praise(conversation, words="张小姐夸了", actor=conversation.assignee)


def test_customers_of_kf_are_queued_and_their_servicers_answers_mirrored(
    brand: Side,
) -> None:
    brand.account.kind = "wecom"
    brand.account.save(update_fields=["kind"])
    line = {
        "msgid": "m1",
        "open_kfid": "wk1",
        "external_userid": "wmLin",
        "send_time": 1795400000,
        "origin": 3,
        "msgtype": "text",
        "text": {"content": "在吗"},
    }
    answer = line | {"msgid": "m2", "origin": 5, "text": {"content": "在的"}}
    for body in (line, answer):
        InboundEvent.objects.create(
            app=brand.app,
            dedupe_key=str(body["msgid"]),
            kind="kf.message.text",
            subject="wmLin",
            body=json.dumps(body).encode(),
            next_at=LONG_DUE,
        )
        work()
    conversation = only_conversation()
    said = conversation.messages.values_list("direction", "text")
    assert list(said) == [("in", "在吗"), ("out", "在的")]
    assert conversation.waiting_since is None
    assert not OutboundMessage.objects.exists()


def waits_since(side: Side, openid: str, late: timedelta) -> timedelta:
    """Since when somebody waits, seen from the receipt of what they wrote `late` ago."""
    event = side.push(
        openid, "mp.message.text", "<MsgType>text</MsgType><Content>人工</Content>"
    )
    stamp = int((event.received_at - late).timestamp())
    event.body = re.sub(rb"<CreateTime>\d+", b"<CreateTime>%d" % stamp, event.body)
    event.save(update_fields=["body"])
    work()
    since = Conversation.objects.get(recipient=openid).waiting_since
    assert since is not None
    return since - event.received_at


def test_a_wait_counts_by_the_platforms_time_within_reason(brand: Side) -> None:
    minute, year = timedelta(minutes=1), timedelta(days=365)
    assert waits_since(brand, "oAMinuteAgo", minute) < timedelta(seconds=-50)
    assert waits_since(brand, "oLastYear", year) == timedelta(0)
    assert waits_since(brand, "oNextYear", -year) == timedelta(0)
