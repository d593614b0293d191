"""How content customers were: asking once, what they say, and praise noted for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Avg, Count
from django.utils import timezone, translation
from django.utils.translation import gettext

from core import live, system_settings
from core.inserting import insert_new
from crm import permission, quiet_hours
from crm.models import Member
from crm.models.consents import Channel
from service import rating_links
from service.allowances import allowance_of
from service.errors import BadReply, NotClaimed, RatedMeanwhile, RatingFixed
from service.models import Conversation, Praise, Rating
from service.wording import ASK_RATING, RATING_PLACEHOLDER, RATING_TEXT
from service.writing import (
    lock,
    must_be_known,
    must_hold_or_supervise,
    note_in_trail,
    write_history,
)
from staff.accounts import system_staff
from staff.models import Staff
from wechat import outbox
from wechat.models import OutboundMessage
from wechat.registry import completes_text, on_outcome

# Who served somebody is rated, not who closed what was no matter of theirs.
RATED_REASONS = {
    Conversation.CloseReason.RESOLVED,
    Conversation.CloseReason.NO_ANSWER,
}
# Asked much later, nobody knows any more what it is about.
ASKED_WITHIN = timedelta(hours=1)
CHANGEABLE_FOR = timedelta(hours=24)
RESPONSE_DAYS, ENOUGH = 30, 30


def ask(conversation: Conversation) -> OutboundMessage | None:
    """Ask the customer of a closed conversation, if they may be asked; once for each.

    Nobody asked us to ask: besides the platform's window and allowance it keeps to what
    marketing keeps to (crm.vetoes asks again when it is sent), but for the frequency.
    """
    if not (conversation.queue.asks_rating and _may_be_asked(conversation)):
        return None
    with translation.override(settings.LANGUAGE_CODE):
        text = str(system_settings.get(RATING_TEXT)).strip()
    if not text:
        return None
    if RATING_PLACEHOLDER not in text:
        text = f"{text}\n{RATING_PLACEHOLDER}"
    return outbox.plan(
        app=conversation.app,
        channel=OutboundMessage.Channel.MP_CUSTOM,
        recipient=conversation.recipient,
        kind=OutboundMessage.Kind.TEXT,
        # The link is the customer's alone: who reads the message here must not rate.
        payload={"text": text},
        dedupe_key=f"{ASK_RATING}:{conversation.pk}",
        purpose=ASK_RATING,
        reference=str(conversation.pk),
        actor=system_staff("service.ratings"),
        expires_at=timezone.now() + ASKED_WITHIN,
    )


@completes_text(ASK_RATING)
def _with_link(message: OutboundMessage) -> str:
    address = rating_links.address_of(int(message.reference))
    return str(message.payload["text"]).replace(RATING_PLACEHOLDER, address)


@on_outcome(ASK_RATING)
def _note_asked(message: OutboundMessage) -> None:
    if message.state != OutboundMessage.State.SENT:
        return
    rows = Conversation.objects.filter(pk=int(message.reference), rating_asked_at=None)
    rows.update(rating_asked_at=timezone.now())


@dataclass(frozen=True)
class Response:
    """How many customers were asked since `since`, how many of them rated, and how."""

    since: datetime
    asked: int
    rated: int
    average: float | None

    @property
    def percent(self) -> int | None:
        """Whole per cent; None where too few were asked for a share to say anything."""
        return round(100 * self.rated / self.asked) if self.asked >= ENOUGH else None


def response(staff: Staff) -> Response:
    """Of the conversations the person may see, over RESPONSE_DAYS."""
    since = timezone.now() - timedelta(days=RESPONSE_DAYS)
    asked = Conversation.objects.visible_to(staff).filter(rating_asked_at__gte=since)
    found = asked.aggregate(
        asked=Count("pk"), rated=Count("rating"), average=Avg("rating__score")
    )
    return Response(since, **found)


def _may_be_asked(conversation: Conversation) -> bool:
    member = conversation.member
    was_served = (
        conversation.first_response_at is not None
        and conversation.close_reason in RATED_REASONS
    )
    if not was_served or conversation.app.account.is_wecom:
        return False
    if not (member.is_reachable and conversation.recipient):
        return False
    if permission.refusal(member, Channel.CUSTOM):
        return False
    rests = quiet_hours.resting(timezone.now(), member="pk")
    if Member.objects.filter(rests, pk=member.pk).exists():
        return False
    return allowance_of(conversation).left > 0


def rate(
    conversation: Conversation, *, score: int, words: str = "", seen: int = 0
) -> Rating:
    """Keep what the customer says, or change it within CHANGEABLE_FOR.

    `seen`: the revision the page showed, 0 for none; the same said twice is one rating.
    Raises RatingFixed when it is too late, RatedMeanwhile when something else was said
    on another page since.
    """
    now = timezone.now()
    with transaction.atomic():
        is_written = (
            _change(conversation, seen, score=score, words=words)
            if seen
            else insert_new(
                Rating(
                    conversation=conversation,
                    agent=conversation.assignee,
                    score=score,
                    words=words,
                    at=now,
                )
            )
        )
        standing = Rating.objects.get(conversation=conversation)
        if is_written:
            _tell(conversation, standing)
    if (standing.score, standing.words) == (score, words):
        return standing
    raise RatedMeanwhile if is_changeable(standing) else RatingFixed


def is_changeable(rating: Rating) -> bool:
    return timezone.now() - rating.at < CHANGEABLE_FOR


def _change(conversation: Conversation, seen: int, *, score: int, words: str) -> bool:
    now = timezone.now()
    rows = Rating.objects.filter(
        conversation=conversation, revision=seen, at__gt=now - CHANGEABLE_FOR
    ).exclude(score=score, words=words)
    return bool(
        rows.update(score=score, words=words, changed_at=now, revision=seen + 1)
    )


def _tell(conversation: Conversation, rating: Rating) -> None:
    write_history(
        conversation,
        "rated",
        at=rating.changed_at or rating.at,
        score=rating.score,
        words=rating.words[:120],
    )
    live.notify(f"conversation.{conversation.pk}", conversation=conversation.pk)


def praise(conversation: Conversation, *, words: str, actor: Staff) -> Praise:
    """Note that the customer praised us, by who served them or a supervisor; one stands.

    Raises BadReply without their words, NotClaimed before anybody served, NotHolder.
    """
    words = words.strip()
    if len(words) < 2:
        raise BadReply(gettext("Say what the customer praised."), code="no_words")
    with transaction.atomic():
        locked = lock(conversation)
        must_be_known(locked)
        if locked.assignee_id is None:
            raise NotClaimed
        must_hold_or_supervise(locked, actor)
        longest = Praise._meta.get_field("words").max_length
        noted = Praise(conversation=locked, words=words[:longest], noted_by=actor)
        if not insert_new(noted):
            return Praise.objects.get(conversation=locked)
        note_in_trail("praised", locked, actor=actor)
        write_history(locked, "praised", at=noted.at, words=noted.words[:120])
        live.notify(f"conversation.{locked.pk}", conversation=locked.pk)
    return noted
