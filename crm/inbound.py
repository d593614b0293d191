"""What callbacks of an official account tell about people. Filled into wechat.registry.

The first handler of a kind puts `member` and `identity` into `inbound.context`; both are
missing when the event is older than the person's purge, and then nothing may be kept.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from content import greeting
from core.doorbell import ring
from crm import consent, following, identities, nearby, tasks, timeline
from crm.models import Identity, Member
from crm.naming import printable
from staff.accounts import system_staff
from wechat.parsing import text
from wechat.registry import Inbound, on

PREVIEW_LENGTH = 120

# What somebody does in the chat with an official account, so they follow it.
ACTS = {
    "mp.event.scan": "scan",
    "mp.event.click": "click",
    "mp.event.view": "view",
    "mp.event.view_miniprogram": "miniprogram",
    "mp.event.scancode_push": "menu",
    "mp.event.scancode_waitmsg": "menu",
    "mp.event.pic_sysphoto": "menu",
    "mp.event.pic_photo_or_album": "menu",
    "mp.event.pic_weixin": "menu",
    "mp.event.location_select": "menu",
}
# What the platform tells about somebody; of strangers it is not kept.
NEWS = {
    "mp.event.templatesendjobfinish": "template",
    "mp.event.subscribe_msg_popup_event": "subscription",
    "mp.event.subscribe_msg_change_event": "subscription",
    "mp.event.subscribe_msg_sent_event": "subscription.sent",
    "mp.event.kf_create_session": "mpkf.started",
    "mp.event.kf_switch_session": "mpkf.switched",
    "mp.event.kf_close_session": "mpkf.closed",
}


def recognise(inbound: Inbound) -> Identity | None:
    """Find or make the person of an event they caused, and note that they were here."""
    if not inbound.subject:
        return None
    identity = identities.resolve(inbound.account, inbound.subject, at=inbound.at)
    if identity is not None:
        _introduce(inbound, identity)
        note_seen(identity.member, inbound.at)
        if identity.profile_due_at is not None and identity.profile_tries == 0:
            ring(tasks.drain_profiles)
    return identity


def recall(inbound: Inbound, subject: str = "") -> Identity | None:
    """Find the person an event tells about, never making one."""
    identity = identities.find(inbound.account, subject or inbound.subject)
    if identity is not None:
        _introduce(inbound, identity)
    return identity


def _introduce(inbound: Inbound, identity: Identity) -> None:
    inbound.context["identity"] = identity
    inbound.context["member"] = identity.member


def note_seen(member: Member, at: datetime) -> None:
    """Keep when the member was first and last here.

    The last time to the minute only: most messages write nothing.
    """
    if at < member.first_seen_at:
        member.first_seen_at = at
        Member.objects.filter(pk=member.pk).update(first_seen_at=at)
    minute = at.replace(second=0, microsecond=0)
    if minute > member.last_seen_at:
        member.last_seen_at = minute
        Member.objects.filter(pk=member.pk, last_seen_at__lt=minute).update(
            last_seen_at=minute
        )


def ask_profile(identity: Identity) -> None:
    """Have the platform asked (again) who this is; crm.profiles does it."""
    Identity.objects.filter(pk=identity.pk).update(
        profile_due_at=timezone.now(), profile_tries=0
    )
    ring(tasks.drain_profiles)


def write(inbound: Inbound, kind: str, **data: Any) -> None:
    """Add the event's line to the history of the person in the context."""
    timeline.write(
        member=inbound.context["member"],
        kind=kind,
        at=inbound.at,
        key=f"inbound:{inbound.event.pk}",
        account=inbound.account,
        data={name: value for name, value in data.items() if value},
    )


@on("mp.message.*")
def hear(inbound: Inbound) -> None:
    """A message to the official account; of the text, the history keeps a preview."""
    identity = _meet(inbound)
    if identity is None:
        return
    kind = inbound.kind.removeprefix("mp.")
    words = text(inbound.fields, "Content") if kind == "message.text" else ""
    write(inbound, kind, text=printable(words, PREVIEW_LENGTH))
    if kind == "message.location":
        _note_place(inbound, "Location_X", "Location_Y")


@on(*ACTS)
def watch(inbound: Inbound) -> None:
    """An act in the chat: a menu, a code that was scanned (ACTS)."""
    if _meet(inbound) is None:
        return
    kind = ACTS[inbound.kind]
    write(
        inbound,
        kind,
        key=printable(text(inbound.fields, "EventKey"), PREVIEW_LENGTH),
        act=inbound.kind.rpartition(".")[2] if kind == "menu" else "",
    )


@on("mp.event.location")
def locate(inbound: Inbound) -> None:
    """Pushed every 5 s while somebody is in the chat: the place itself is not kept."""
    if _meet(inbound) is not None:
        _note_place(inbound, "Latitude", "Longitude")


def _note_place(inbound: Inbound, *names: str) -> None:
    place = nearby.read(*(text(inbound.fields, name) for name in names))
    nearby.note(inbound.context["member"], place, at=inbound.at)


def _meet(inbound: Inbound) -> Identity | None:
    """Recognise somebody who acts in the chat: they follow, whatever we heard before."""
    identity = recognise(inbound)
    if identity is not None:
        following.note_act(identity, at=inbound.at)
    return identity


@on("mp.event.subscribe")
def welcome(inbound: Inbound) -> None:
    """Somebody follows, by which code; new ones are asked for their profile."""
    identity = recognise(inbound)
    if identity is None:
        return
    scene = printable(text(inbound.fields, "EventKey"), 64).removeprefix("qrscene_")
    if following.follow(identity, at=inbound.at, scene=scene):
        ask_profile(identity)
    write(inbound, "follow", scene=scene, greeting=greeting.greet(inbound))


@on("mp.event.unsubscribe")
def farewell(inbound: Inbound) -> None:
    """Somebody unfollows: how they can be reached is worked out anew (crm.following)."""
    identity = recognise(inbound)
    if identity is not None:
        following.unfollow(identity, at=inbound.at)
        write(inbound, "unfollow")


@on("mp.event.user_info_modified")
def refresh(inbound: Inbound) -> None:
    """Somebody changed what their profile says: it is asked for anew."""
    identity = recall(inbound, _named_openid(inbound))
    if identity is not None:
        ask_profile(identity)
        write(inbound, "profile.modified")


@on("mp.event.user_authorization_revoke", "mp.event.user_authorization_cancellation")
def revoke(inbound: Inbound) -> None:
    """Somebody takes back what they let the account know, or closes their WeChat."""
    identity = recall(inbound, _named_openid(inbound))
    if identity is None:
        return
    if inbound.kind.endswith("cancellation"):
        following.unfollow(identity, at=inbound.at)
    consent.withdraw(
        identity.member,
        actor=system_staff("wechat.inbox"),
        at=inbound.at,
        key=f"inbound:{inbound.event.pk}",
        source="platform",
        account=inbound.account,
        purpose=following.PROFILE,
    )
    nearby.forget(identity.member)
    following.refresh_reach(identity.member)


def _named_openid(inbound: Inbound) -> str:
    """The person these events are about; their sender may be a system id."""
    return text(inbound.fields, "OpenID") or inbound.subject


@on(*NEWS)
def learn(inbound: Inbound) -> None:
    """What the platform tells of somebody we know (NEWS), without them acting."""
    if recall(inbound) is None:
        return
    fields = inbound.fields
    write(
        inbound,
        NEWS[inbound.kind],
        status=printable(text(fields, "Status"), 60),
        answers=_subscription_answers(fields),
    )


def _subscription_answers(fields: dict[str, Any]) -> list[str]:
    """The answer per template asked for, "accept" or "reject"."""
    box = fields.get("SubscribeMsgPopupEvent") or fields.get("SubscribeMsgChangeEvent")
    items = box.get("List") if isinstance(box, dict) else None
    return [
        printable(text(item, "SubscribeStatusString"), 10)
        for item in (items if isinstance(items, list) else [])
    ]
