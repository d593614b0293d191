"""Where higher apps hang on to the gateway. Filled in AppConfig.ready()."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.registry import Text

if TYPE_CHECKING:
    from staff.models import Staff
    from wechat.models import (
        Account,
        App,
        InboundEvent,
        Media,
        OutboundBatch,
        OutboundMessage,
        SyncRun,
    )


@dataclass
class Inbound:
    """A parsed callback on its way through the handlers, inside one transaction.

    `fields`: the body as nested dicts of str, names as the platform spells them, lists
    where the platform repeats (kf messages: the JSON object). `at`: the platform's own
    time, on our clock. `context`: what lower layers leave for higher ones; crm puts
    "member" and "identity" there; "settled": who was meant has dealt with it, so it opens
    no conversation.
    """

    event: InboundEvent
    app: App
    account: Account
    kind: str
    fields: dict[str, Any]
    subject: str
    at: datetime
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Veto:
    """Why something must not be sent: `code` for machines, `text` for people."""

    code: str
    text: Text


Handler = Callable[[Inbound], None]
SendGuard = Callable[["OutboundMessage"], Veto | None]
OutcomeHandler = Callable[["OutboundMessage"], None]

# What messages of a purpose are called on the outbox pages ("service.reply").
purpose_labels: dict[str, Text] = {}
ManyGuard = Callable[["list[OutboundMessage]"], "dict[int, Veto]"]
SentHandler = Callable[["list[OutboundMessage]"], None]
TextMaker = Callable[["OutboundMessage"], str]

_handlers: list[tuple[str, Handler]] = []
_many_guards: dict[SendGuard, ManyGuard] = {}
_sent: dict[str, SentHandler] = {}
_makers: dict[str, TextMaker] = {}
_guards: list[SendGuard] = []
_outcomes: list[tuple[str, OutcomeHandler]] = []


def on(*kinds: str) -> Callable[[Handler], Handler]:
    """Register a handler of inbound kinds; "mp.message.*" takes every kind below it.

    Handlers run in the order of registration, which is layer order, in one transaction
    with the mark "done". They must be idempotent and never call the network.
    """

    def register(handler: Handler) -> Handler:
        _handlers.extend((kind, handler) for kind in kinds)
        return handler

    return register


def handlers_for(kind: str) -> list[Handler]:
    found: list[Handler] = []
    for pattern, handler in _handlers:
        matches = pattern == kind or (
            pattern.endswith(".*") and kind.startswith(pattern[:-1])
        )
        if matches and handler not in found:
            found.append(handler)
    return found


def may_send(guard: SendGuard) -> SendGuard:
    """Register a veto, asked in the transaction of the intent to send."""
    _guards.append(guard)
    return guard


def veto_for(message: OutboundMessage) -> Veto | None:
    for guard in _guards:
        veto = guard(message)
        if veto is not None:
            return veto
    return None


def for_many(guard: SendGuard) -> Callable[[ManyGuard], ManyGuard]:
    """Register how `guard` judges many messages of one app at once, to the same end.

    It returns the vetoes by message id.
    """

    def register(many: ManyGuard) -> ManyGuard:
        _many_guards[guard] = many
        return many

    return register


def vetoes_for(messages: list[OutboundMessage]) -> dict[int, Veto]:
    """The first veto of each vetoed message, by its id; all of one app."""
    found: dict[int, Veto] = {}
    for guard in _guards:
        left = [each for each in messages if each.pk not in found]
        many = _many_guards.get(guard)
        if many is not None and left:
            found.update(many(left))
            continue
        for message in left:
            veto = guard(message)
            if veto is not None:
                found[message.pk] = veto
    return found


def completes_text(purpose: str) -> Callable[[TextMaker], TextMaker]:
    """Register what makes the text of a purpose complete, right before it is sent.

    For what only the recipient may read: the payload, which colleagues see, lacks it.
    It may read the database, and writes nothing: a message may be made ready twice.
    """

    def register(maker: TextMaker) -> TextMaker:
        _makers[purpose] = maker
        return maker

    return register


def text_of(message: OutboundMessage) -> str:
    """The text as it goes out; "" when it has none."""
    maker = _makers.get(message.purpose)
    return maker(message) if maker else str(message.payload.get("text", ""))


def on_sent(purpose: str) -> Callable[[SentHandler], SentHandler]:
    """Register who hears at once of many messages that were sent.

    Instead of the purpose's `on_outcome` handlers for each; runs in the transaction that
    records them.
    """

    def register(handler: SentHandler) -> SentHandler:
        _sent[purpose] = handler
        return handler

    return register


def tell_sent(messages: list[OutboundMessage]) -> None:
    by_purpose: dict[str, list[OutboundMessage]] = {}
    for message in messages:
        by_purpose.setdefault(message.purpose, []).append(message)
    for purpose, found in by_purpose.items():
        if purpose in _sent:
            _sent[purpose](found)
            continue
        for message in found:
            tell_outcome(message)


def on_outcome(purpose: str) -> Callable[[OutcomeHandler], OutcomeHandler]:
    """Register who hears of every state change of messages with this purpose.

    Runs in the transaction that changes the state.
    """

    def register(handler: OutcomeHandler) -> OutcomeHandler:
        _outcomes.append((purpose, handler))
        return handler

    return register


def tell_outcome(message: OutboundMessage) -> None:
    for purpose, handler in _outcomes:
        if purpose == message.purpose:
            handler(message)


# Who may see a picture (the reader of its conversation, say). One yes is enough; without
# any, only who made it.
MediaViewer = Callable[["Staff", "Media"], bool]
media_viewers: list[MediaViewer] = []


@dataclass(frozen=True)
class Contact:
    """One WeCom contact of one colleague, as a directory pass read it.

    `person`: the platform's external_contact; `follow`: its follow_info.
    """

    account: Account
    userid: str
    person: dict[str, Any]
    follow: dict[str, Any]


# `on_contacts` is called per page, in the page's transaction. `on_contacts_complete` comes
# after a pass that read everything: friendships not among `run.seen_contacts` are over; it
# returns how many it ended. Both must be idempotent.
ContactsHandler = Callable[["SyncRun", "list[Contact]"], None]
CompleteHandler = Callable[["Account", "SyncRun"], int]
on_contacts: list[ContactsHandler] = []
on_contacts_complete: list[CompleteHandler] = []


# Of mass calls, by purpose of their run. A guard is asked in the transaction of the
# first intent to send a batch; an outcome handler hears of every change of its state, in
# the transaction that changes it.
BatchGuard = Callable[["OutboundBatch"], Veto | None]
BatchOutcomeHandler = Callable[["OutboundBatch"], None]
_batch_guards: list[tuple[str, BatchGuard]] = []
_batch_outcomes: list[tuple[str, BatchOutcomeHandler]] = []


def may_send_batch(purpose: str) -> Callable[[BatchGuard], BatchGuard]:
    """Register a veto on mass calls; a refused batch fails with the veto's code."""

    def register(guard: BatchGuard) -> BatchGuard:
        _batch_guards.append((purpose, guard))
        return guard

    return register


def veto_for_batch(batch: OutboundBatch) -> Veto | None:
    for purpose, guard in _batch_guards:
        veto = guard(batch) if purpose == batch.run.purpose else None
        if veto is not None:
            return veto
    return None


def on_batch_outcome(
    purpose: str,
) -> Callable[[BatchOutcomeHandler], BatchOutcomeHandler]:
    """Register who hears of the batches of runs with this purpose."""

    def register(handler: BatchOutcomeHandler) -> BatchOutcomeHandler:
        _batch_outcomes.append((purpose, handler))
        return handler

    return register


def tell_batch_outcome(batch: OutboundBatch) -> None:
    for purpose, handler in _batch_outcomes:
        if purpose == batch.run.purpose:
            handler(batch)
