"""What WeCom and its customer service (kf) tell about people and friendships."""

from __future__ import annotations

from content import greeting
from crm import following
from crm.inbound import PREVIEW_LENGTH, ask_profile, recall, recognise, write
from crm.models import Identity, Relation
from crm.naming import printable
from wechat.models import Colleague
from wechat.parsing import text
from wechat.registry import Inbound, on

CONTACT = "wecom.event.change_external_contact"


@on(f"{CONTACT}.add_external_contact", f"{CONTACT}.add_half_external_contact")
def befriend(inbound: Inbound) -> None:
    """A friendship begins; with a half one the colleague has not confirmed yet."""
    identity = recognise(inbound)
    colleague = _colleague(inbound)
    if identity is None or colleague is None:
        return
    is_half = inbound.kind.endswith("add_half_external_contact")
    relation = _relation(identity, colleague)
    is_news = _begin(relation, inbound, is_half=is_half)
    following.refresh_friendship(identity)
    welcomed = _welcome(relation, inbound) if is_news else ""
    ask_profile(identity)
    write(
        inbound,
        "friend.requested" if is_half else "friend.added",
        colleague=colleague.pk,
        channel=printable(text(inbound.fields, "State"), 64),
        welcome=welcomed,
    )


def _welcome(relation: Relation, inbound: Inbound) -> str:
    """One welcome until the friendship ends, whichever half brings a code first."""
    code = text(inbound.fields, "WelcomeCode")
    ended_at = relation.ended_at
    episode = "first" if ended_at is None else str(int(ended_at.timestamp()))
    key = f"welcome:{relation.pk}:{episode}"
    return greeting.welcome(inbound, code, dedupe_key=key)


@on(f"{CONTACT}.edit_external_contact")
def relearn(inbound: Inbound) -> None:
    """A colleague changed remark or tags: the event says who, the profile says what."""
    identity = recognise(inbound)
    if identity is not None:
        ask_profile(identity)
        write(inbound, "friend.edited", colleague=_colleague_id(inbound))


@on(f"{CONTACT}.del_external_contact", f"{CONTACT}.del_follow_user")
def part(inbound: Inbound) -> None:
    """A friendship was ended, by the member or the colleague; the newest word holds."""
    identity = recognise(inbound)
    colleague = _colleague(inbound)
    if identity is None or colleague is None:
        return
    by_member = inbound.kind.endswith("del_follow_user")
    relation = _relation(identity, colleague)
    if not _is_older(relation, inbound):
        relation.state = (
            Relation.State.DELETED_BY_MEMBER
            if by_member
            else Relation.State.DELETED_BY_COLLEAGUE
        )
    if relation.ended_at is None or relation.ended_at < inbound.at:
        relation.ended_at = inbound.at
    relation.save(update_fields=["state", "ended_at"])
    following.refresh_friendship(identity)
    write(
        inbound,
        "friend.deleted_by_member" if by_member else "friend.deleted_by_colleague",
        colleague=colleague.pk,
        source=printable(text(inbound.fields, "Source"), 40),
    )


@on(f"{CONTACT}.transfer_fail")
def fail_transfer(inbound: Inbound) -> None:
    """Handing a member over to another colleague failed, and why."""
    if recognise(inbound) is not None:
        write(
            inbound,
            "friend.transfer_failed",
            colleague=_colleague_id(inbound),
            reason=printable(text(inbound.fields, "FailReason"), 40),
        )


@on(f"{CONTACT}.msg_audit_approved")
def agree_to_archive(inbound: Inbound) -> None:
    """The member agreed that their chat with a colleague is archived."""
    if recognise(inbound) is not None:
        write(inbound, "friend.archive_agreed", colleague=_colleague_id(inbound))


@on(
    "wecom.event.customer_acquisition.friend_request",
    "wecom.event.customer_acquisition.customer_start_chat",
    "wecom.event.customer_acquisition.open_profile",
)
def acquire(inbound: Inbound) -> None:
    """Steps of somebody who came through an acquisition link; strangers have no id."""
    if recall(inbound) is not None:
        step = inbound.kind.rpartition(".")[2]
        write(inbound, f"acquisition.{step}", colleague=_colleague_id(inbound))


def _begin(relation: Relation, inbound: Inbound, *, is_half: bool) -> bool:
    """Open the friendship, or confirm a half one; False when newer news is known."""
    channel = printable(text(inbound.fields, "State"), 64)
    is_standing = relation.state in (Relation.State.ACTIVE, Relation.State.PENDING)
    if relation.added_at is not None and is_standing:
        _join_halves(relation, inbound, channel, is_half=is_half)
        return True
    is_older = _is_older(relation, inbound)
    if not is_older:
        relation.state = Relation.State.PENDING if is_half else Relation.State.ACTIVE
    added_at = relation.added_at
    if not is_older or added_at is None or inbound.at < added_at:
        relation.added_at, relation.channel_state = inbound.at, channel
    relation.save(update_fields=["state", "added_at", "channel_state"])
    return not is_older


def _join_halves(
    relation: Relation, inbound: Inbound, channel: str, *, is_half: bool
) -> None:
    """The other half of adding, in either order: one friendship, since the first."""
    if not is_half:
        relation.state = Relation.State.ACTIVE
    if relation.added_at is not None and inbound.at < relation.added_at:
        relation.added_at = inbound.at
        relation.channel_state = channel
    relation.save(update_fields=["state", "added_at", "channel_state"])


def _is_older(relation: Relation, inbound: Inbound) -> bool:
    known = (relation.added_at, relation.ended_at)
    return any(moment is not None and inbound.at < moment for moment in known)


def _relation(identity: Identity, colleague: Colleague) -> Relation:
    """The row of the two; the locked identity keeps other workers away from it."""
    relation, _ = Relation.objects.get_or_create(
        member=identity.member, colleague=colleague
    )
    return relation


def _colleague(inbound: Inbound) -> Colleague | None:
    userid = text(inbound.fields, "UserID")[:64]
    if not userid:
        return None
    colleague, _ = Colleague.objects.get_or_create(
        account=inbound.account, userid=userid
    )
    return colleague


def _colleague_id(inbound: Inbound) -> int | None:
    colleague = _colleague(inbound)
    return None if colleague is None else colleague.pk


@on("kf.message.*", "kf.servicer.*")
def hear_kf(inbound: Inbound) -> None:
    """A line of a kf session: the customer's, or a servicer's from their own client."""
    is_customer = inbound.kind.startswith("kf.message.")
    identity = recognise(inbound) if is_customer else recall(inbound)
    if identity is None:
        return
    write(
        inbound,
        inbound.kind.removeprefix("kf.") if is_customer else "kf.answer",
        text=printable(text(inbound.fields, "text", "content"), PREVIEW_LENGTH),
        kf=printable(text(inbound.fields, "open_kfid"), 64),
    )


@on(
    "kf.event.enter_session",
    "kf.event.session_status_change",
    "kf.event.msg_send_fail",
    "kf.event.user_recall_msg",
    "kf.event.reject_customer_msg_switch_change",
)
def follow_kf(inbound: Inbound) -> None:
    """What goes on around a kf session: entered, passed on, taken back, not delivered."""
    identity = recognise(inbound)
    if identity is None:
        return
    details = inbound.fields
    write(
        inbound,
        f"kf.{inbound.kind.rpartition('.')[2]}",
        scene=printable(text(details, "event", "scene"), 64),
        change=text(details, "event", "change_type")[:4],
        fail=text(details, "event", "fail_type")[:4],
    )
