"""Conversations of the demo that are over, as the desk would have kept them."""

from __future__ import annotations

from datetime import datetime, timedelta

from crm import timeline
from crm.models import Identity, Member
from privatedomain.demo.dialogues import AGENT, CLOSED, Dialogue
from privatedomain.demo.people import World
from service.models import Assignment, Conversation, Message, Queue, Rating
from staff.models import Staff
from wechat.models import App

# Of every third conversation, in turn.
RATINGS = (
    (5, "回复很快，讲得也清楚"),
    (4, ""),
    (5, ""),
    (2, "等了好一会儿才有人理"),
    (5, "谢谢小姐姐，问题解决了"),
    (1, "问题没解决，还得自己打电话"),
)


def write_closed(
    world: World, people: list[Member], queues: dict[str, Queue], agents: list[Staff]
) -> int:
    """Give about every third follower of an account a finished conversation."""
    written = 0
    identities = Identity.objects.filter(
        member__in=people,
        account__in=[app.account_id for app in world.apps.values()],
        kind=Identity.Kind.OPENID,
        is_following=True,
    ).select_related("member", "account")
    for identity in identities.order_by("pk"):
        account = identity.account
        if account is None or world.draw.random() > 0.3:
            continue
        app = world.apps[account.slug]
        conversation = _write(
            world,
            app=app,
            identity=identity,
            queue=queues[account.slug],
            agent=world.draw.choice(agents),
            dialogue=CLOSED[written % len(CLOSED)],
        )
        if written % 3 == 0:
            _rate(world, conversation, *RATINGS[written // 3 % len(RATINGS)])
        written += 1
    return written


def _write(
    world: World,
    *,
    app: App,
    identity: Identity,
    queue: Queue,
    agent: Staff,
    dialogue: Dialogue,
) -> Conversation:
    start = world.between(
        max(identity.member.first_seen_at, world.now - timedelta(days=90)),
        world.now - timedelta(days=3),
    )
    times = _times(world, start, dialogue)
    taken_at = next(
        at for at, (who, _) in zip(times, dialogue, strict=True) if who == AGENT
    )
    closed_at = times[-1] + timedelta(minutes=world.draw.randint(2, 15))
    conversation = Conversation.objects.create(
        app=app,
        member=identity.member,
        recipient=identity.value,
        queue=queue,
        state=Conversation.State.CLOSED,
        assignee=agent,
        opened_at=start,
        first_response_at=taken_at,
        last_message_at=times[-1],
        preview=dialogue[-1][1][:120],
        closed_at=closed_at,
        close_reason=Conversation.CloseReason.RESOLVED,
    )
    Assignment.objects.create(
        conversation=conversation,
        staff=agent,
        started_at=taken_at,
        ended_at=closed_at,
        ended_because="closed",
    )
    Message.objects.bulk_create(
        Message(
            conversation=conversation,
            direction=Message.Direction.OUT if who == AGENT else Message.Direction.IN,
            text=text,
            sender=agent if who == AGENT else None,
            at=at,
        )
        for at, (who, text) in zip(times, dialogue, strict=True)
    )
    _note(world, conversation, start, closed_at)
    return conversation


def _rate(world: World, conversation: Conversation, score: int, words: str) -> None:
    assert conversation.closed_at is not None
    rating = Rating.objects.create(
        conversation=conversation,
        agent=conversation.assignee,
        score=score,
        words=words,
        at=conversation.closed_at + timedelta(minutes=20),
    )
    timeline.write(
        member=conversation.member,
        kind="conversation.rated",
        at=rating.at,
        key=world.key(),
        account=conversation.app.account,
        data={"conversation": conversation.pk, "score": score, "words": words},
    )


def _times(world: World, start: datetime, dialogue: Dialogue) -> list[datetime]:
    times = [start]
    for _ in dialogue[1:]:
        times.append(times[-1] + timedelta(seconds=world.draw.randint(12, 150)))
    return times


def _note(
    world: World, conversation: Conversation, opened_at: datetime, closed_at: datetime
) -> None:
    reason = str(conversation.close_reason)
    for kind, at, more in (
        ("conversation.opened", opened_at, {}),
        ("conversation.closed", closed_at, {"reason": reason}),
    ):
        timeline.write(
            member=conversation.member,
            kind=kind,
            at=at,
            key=world.key(),
            account=conversation.app.account,
            data={"conversation": conversation.pk, **more},
        )
