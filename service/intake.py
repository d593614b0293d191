"""What happens to a customer's message: appended, answered by a rule, or queued.

crm's handlers ran before and put the member into the context. Everything is safe to
repeat: a message is stored once per inbound event, an automatic answer once per event
and purpose.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils import timezone, translation

from content import answering
from content.models import AnswerRule
from core import live, system_settings
from crm import consent, preference_links, timeline
from crm.models import Member
from service import closing, conversations
from service.conversations import Said
from service.models import Conversation, Message, MissCount
from staff.accounts import system_staff
from staff.models import Staff
from wechat import limits, outbox
from wechat.models import Media, OutboundMessage
from wechat.registry import Inbound, on, on_outcome

MISSES_BEFORE_A_PERSON = 2
# kf: who a line of sync_msg comes from (contract B4).
KF_CUSTOMER, KF_SERVICER = 3, 5
# The platform's times have whole seconds; ours order what happens within one.
SECONDS_ARE_EQUAL = timedelta(seconds=3)
KNOWN_MISSES = 20
# A push is tried three times in 5 s each (contract A1); the rest is for clocks.
LATEST_PUSH = timedelta(minutes=5)
# The last events counted stand in the row: one that is there already counts no more.
COUNT_MISS = """
INSERT INTO service_misscount AS known (app_id, member_id, count, event_ids)
VALUES (%s, %s, 1, ARRAY[%s]::bigint[])
ON CONFLICT (app_id, member_id) DO UPDATE SET
    count = known.count + 1,
    event_ids = known.event_ids[greatest(cardinality(known.event_ids) - %s + 1, 1):]
        || %s::bigint
WHERE NOT %s = ANY (known.event_ids)
RETURNING count
"""
FORGET_MISSES = """
UPDATE service_misscount SET count = 0
WHERE app_id = %s AND member_id = %s AND count > 0
"""
# Which field tells people what a message that is neither text nor picture holds.
DETAIL_FIELDS = {"location": "Label", "link": "Title", "voice": "Recognition"}
CHOICES = {
    answering.Verdict.OPT_OUT: "service.opted_out",
    answering.Verdict.OPT_IN: "service.opted_in",
}


@on("mp.message.*")
def hear(inbound: Inbound) -> None:
    """A message to an official account."""
    member = inbound.context.get("member")
    if member is None:  # older than the person's purge: nothing may be kept
        return
    if inbound.context.get("settled"):  # a layer below was meant, not a person
        return
    actor = system_staff("service.intake")
    text = _text_of(inbound)
    verdict = answering.system_verdict(text) if text else None
    is_replay = False
    if verdict in CHOICES:
        is_replay = _was_said(inbound, CHOICES[verdict])
        _note_choice(inbound, member, text, verdict, actor=actor)
    standing = conversations.locked_unfinished(app=inbound.app, member=member)
    if standing is not None:
        if not is_replay and not _was_answered(inbound):
            conversations.append(standing, _said(inbound, text), actor=actor)
    elif verdict not in CHOICES:
        _answer_or_queue(inbound, member, text, actor=actor)


def _answer_or_queue(
    inbound: Inbound, member: Member, text: str, *, actor: Staff
) -> None:
    event = inbound.event
    if not event.is_first_try and Message.objects.filter(inbound=event).exists():
        return  # a replay: its conversation is over
    if not text:
        # No rule reads pictures, voices or places: a person does.
        _queue(inbound, member, text, actor=actor)
        return
    decision = answering.match(inbound.account, text, timezone.now())
    if decision.verdict == answering.Verdict.HUMAN:
        _queue(inbound, member, text, actor=actor)
    elif decision.rule is not None:
        _answer(inbound, member, decision.rule, actor=actor)
    elif _count_miss(inbound, member) >= MISSES_BEFORE_A_PERSON:
        _queue(inbound, member, text, actor=actor)
    else:
        _say(inbound, "service.hint", "service.hint_text", actor=actor)


def _answer(
    inbound: Inbound, member: Member, rule: AnswerRule, *, actor: Staff
) -> None:
    _forget_misses(inbound, member)
    _plan(inbound, "content.answer", rule.reply_text, actor=actor, reference=rule.pk)
    timeline.write(
        member=member,
        kind="answered",
        at=inbound.at,
        key=f"answered:{inbound.event.pk}",
        account=inbound.account,
        data={"rule": rule.pk, "name": rule.name, "text": rule.reply_text[:120]},
    )


def _queue(inbound: Inbound, member: Member, text: str, *, actor: Staff) -> None:
    _forget_misses(inbound, member)
    conversations.open_with(
        app=inbound.app,
        member=member,
        recipient=inbound.subject,
        said=_said(inbound, text),
        actor=actor,
    )
    _say(inbound, "service.queued", "service.queued_text", actor=actor)


# -- opting out and in


def _note_choice(
    inbound: Inbound,
    member: Member,
    text: str,
    verdict: answering.Verdict,
    *,
    actor: Staff,
) -> None:
    """Write the consent and confirm it, whoever serves the person meanwhile."""
    write = consent.withdraw if verdict == answering.Verdict.OPT_OUT else consent.grant
    write(
        member,
        actor=actor,
        at=inbound.at,
        key=f"inbound:{inbound.event.pk}",
        source="message",
        account=inbound.account,
        evidence=text,
    )
    purpose = CHOICES[verdict]
    _say(inbound, purpose, f"{purpose}_text", actor=actor)


# -- automatic words


def _say(inbound: Inbound, purpose: str, setting: str, *, actor: Staff) -> None:
    """Send the text of a setting; an administrator who empties it wants silence."""
    with translation.override(settings.LANGUAGE_CODE):
        text = str(system_settings.get(setting)).strip()
    if text:
        _plan(inbound, purpose, text, actor=actor)


def _plan(
    inbound: Inbound, purpose: str, text: str, *, actor: Staff, reference: object = ""
) -> None:
    outbox.plan(
        app=inbound.app,
        channel=OutboundMessage.Channel.MP_CUSTOM,
        recipient=inbound.subject,
        kind=OutboundMessage.Kind.TEXT,
        payload={"text": _filled(inbound, text)},
        dedupe_key=f"{purpose}:{inbound.event.pk}",
        purpose=purpose,
        reference=str(reference),
        actor=actor,
    )


def _filled(inbound: Inbound, text: str) -> str:
    """With the person's own address where a text names their preference page."""
    member = inbound.context.get("member")
    return text if member is None else preference_links.fill_for(member, text)


def _was_answered(inbound: Inbound) -> bool:
    """Whether this event was dealt with before its person had a conversation."""
    if inbound.event.is_first_try:
        return False
    return inbound.event.pk in _known_misses(inbound) or _was_said(
        inbound, "content.answer"
    )


def _was_said(inbound: Inbound, *purposes: str) -> bool:
    if inbound.event.is_first_try:
        return False
    keys = [f"{purpose}:{inbound.event.pk}" for purpose in purposes]
    return OutboundMessage.objects.filter(dedupe_key__in=keys).exists()


def _known_misses(inbound: Inbound) -> list[int]:
    row = MissCount.objects.filter(
        app=inbound.app, member=inbound.context["member"]
    ).first()
    return row.event_ids if row else []


def _count_miss(inbound: Inbound, member: Member) -> int:
    """How many in a row nothing answered, this one counted once."""
    event = inbound.event.pk
    known = KNOWN_MISSES - 1
    with connection.cursor() as cursor:
        cursor.execute(
            COUNT_MISS, [inbound.app.pk, member.pk, event, known, event, event]
        )
        counted = cursor.fetchone()
    if counted is not None:
        return int(counted[0])
    return MissCount.objects.get(app=inbound.app, member=member).count


def _forget_misses(inbound: Inbound, member: Member) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FORGET_MISSES, [inbound.app.pk, member.pk])


# -- reading the message


def _text_of(inbound: Inbound) -> str:
    if inbound.kind != "mp.message.text":
        return ""
    return str(inbound.fields.get("Content") or "").strip()


def _said(inbound: Inbound, text: str) -> Said:
    kind = inbound.kind.rpartition(".")[2]
    if text:
        return Said(text=text, **_when(inbound))
    media_id = str(inbound.fields.get("MediaId") or "")
    if kind == "image" and media_id:
        media = _wanted(inbound, media_id)
        return Said(kind=Message.Kind.IMAGE, media=media, **_when(inbound))
    detail = str(inbound.fields.get(DETAIL_FIELDS.get(kind, "")) or "")
    return _other(inbound, kind, detail)


def _other(inbound: Inbound, kind: str, detail: str = "") -> Said:
    """`text` starts with the platform's word for the kind; pages translate it."""
    return Said(
        kind=Message.Kind.OTHER,
        text=f"[{kind}] {detail[:500]}".strip(),
        **_when(inbound),
    )


def _wanted(inbound: Inbound, media_id: str) -> Media:
    media, _ = Media.objects.get_or_create(
        app=inbound.app,
        direction="in",
        media_id=media_id,
        defaults={"kind": "image", "next_at": timezone.now()},
    )
    return media


def _when(inbound: Inbound) -> dict[str, Any]:
    """What Said holds of the event itself."""
    return {
        "inbound": inbound.event,
        "at": _moment(inbound),
        "waits_since": _waits_since(inbound),
    }


def _waits_since(inbound: Inbound) -> datetime:
    """Since when a person waits who says this: the platform's time, within reason.

    Callbacks are pushed within seconds of what they tell, customer service is read up to
    three days later. Beyond that, or ahead of its receipt, the time is another clock's or
    an old body's: nobody waited for us before we could know.
    """
    received_at = inbound.event.received_at
    is_pulled = inbound.kind.startswith("kf.")
    bound = (
        timedelta(seconds=limits.value("kf.sync.history_seconds"))
        if is_pulled
        else LATEST_PUSH
    )
    late = received_at - inbound.at
    return inbound.at if timedelta(0) <= late <= bound else received_at


def _moment(inbound: Inbound) -> datetime:
    received_at = inbound.event.received_at
    is_now = abs(received_at - inbound.at) < SECONDS_ARE_EQUAL
    return received_at if is_now else inbound.at


# -- WeChat Customer Service


@on("kf.message.*")
def hear_kf(inbound: Inbound) -> None:
    """A line of sync_msg: the customer's, or a servicer's from their own WeCom."""
    member = inbound.context.get("member")
    if member is None:
        return
    actor = system_staff("service.intake")
    origin = int(inbound.fields.get("origin") or 0)
    if origin == KF_CUSTOMER:
        conversations.open_or_append(
            app=inbound.app,
            member=member,
            recipient=inbound.subject,
            said=_said_kf(inbound),
            actor=actor,
        )
    elif origin == KF_SERVICER:
        _mirror(inbound, member)


def _said_kf(inbound: Inbound) -> Said:
    kind = inbound.kind.rpartition(".")[2]
    content: Any = inbound.fields.get(kind)
    content = content if isinstance(content, dict) else {}
    if kind == "text":
        text = str(content.get("content") or "")
        return Said(text=text, **_when(inbound))
    if kind == "image" and content.get("media_id"):
        media = _wanted(inbound, str(content["media_id"]))
        return Said(kind=Message.Kind.IMAGE, media=media, **_when(inbound))
    return _other(inbound, kind, str(content.get("title") or content.get("name") or ""))


def _mirror(inbound: Inbound, member: Member) -> None:
    """Show what a servicer answered in their own WeCom client."""
    standing = conversations.locked_unfinished(app=inbound.app, member=member)
    if standing is None:
        return
    said = _said_kf(inbound)
    Message.objects.get_or_create(
        inbound=inbound.event,
        defaults={
            "conversation": standing,
            "direction": Message.Direction.OUT,
            "kind": said.kind,
            "text": said.text,
            "media": said.media,
            "at": said.at,
        },
    )
    Conversation.objects.filter(pk=standing.pk).update(
        waiting_since=None, due_at=None, last_message_at=said.at
    )
    live.notify(f"conversation.{standing.pk}", conversation=standing.pk)
    live.notify(f"queue.{standing.queue_id}", conversation=standing.pk)


# -- leaving, and what became of our answers


@on("mp.event.unsubscribe")
def part(inbound: Inbound) -> None:
    """Who unfollows can't be answered: their conversation ends."""
    member = inbound.context.get("member")
    identity = inbound.context.get("identity")
    if member is None or identity is None or identity.is_following:
        return  # a late event: they follow again
    standing = conversations.locked_unfinished(app=inbound.app, member=member)
    if standing is not None:
        closing.finish(
            standing,
            reason=Conversation.CloseReason.UNFOLLOWED,
            actor=system_staff("service.intake"),
        )
    _forget_misses(inbound, member)


@on_outcome("service.reply")
def show_outcome(outbound: OutboundMessage) -> None:
    """The page shows the new state on the message; one that failed asks to be seen."""
    message = (
        Message.objects.filter(outbound=outbound).select_related("conversation").first()
    )
    if message is None:
        return
    conversation = message.conversation
    live.notify(
        f"conversation.{conversation.pk}",
        conversation=conversation.pk,
        message=message.pk,
    )
    troubled = {OutboundMessage.State.FAILED, OutboundMessage.State.UNKNOWN}
    if outbound.state in troubled and conversation.assignee_id:
        Conversation.objects.unfinished().filter(pk=conversation.pk).update(
            unread_count=F("unread_count") + 1
        )
        live.notify(f"staff.{conversation.assignee_id}", conversation=conversation.pk)
