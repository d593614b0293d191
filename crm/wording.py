"""How the lines that crm itself writes are shown on a timeline."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.registry import Text
from crm.models import PURPOSES, SOURCES
from crm.timeline import Group, describe

_MESSAGE_TITLES: dict[str, tuple[Text, str]] = {
    "message.text": (_("Wrote"), "chat"),
    "message.image": (_("Sent a picture"), "image"),
    "message.voice": (_("Sent a voice message"), "mic"),
    "message.video": (_("Sent a video"), "videocam"),
    "message.shortvideo": (_("Sent a video"), "videocam"),
    "message.location": (_("Sent a location"), "location_on"),
    "message.link": (_("Sent a link"), "link"),
    "message.file": (_("Sent a file"), "attach_file"),
    "message.business_card": (_("Sent a name card"), "contact_page"),
    "message.miniprogram": (_("Sent a mini program"), "widgets"),
}
_SUBSCRIPTION_ANSWERS: dict[str, Text] = {
    "accept": _("accepted"),
    "reject": _("refused"),
    "ban": _("banned by the platform"),
    "filter": _("left out by the platform"),
}
_TEMPLATE_STATES: dict[str, Text] = {
    "success": _("delivered"),
    "failed:user block": _("refused by the customer"),
    "failed:system failed": _("failed on the platform"),
}
_TRANSFER_REASONS: dict[str, Text] = {
    "customer_refused": _("the customer refused"),
    "customer_limit_exceed": _("the new colleague has no room for more customers"),
}
_KF_FAILURES: dict[str, Text] = {
    "1": _("the account was deleted"),
    "2": _("the app is switched off"),
    "4": _("more than 48 hours after the last message"),
    "5": _("the session is closed"),
    "6": _("more than 5 messages"),
    "10": _("the customer refuses messages"),
}
_KF_CHANGES: dict[str, Text] = {
    "1": _("picked up from the pool"),
    "2": _("handed to another colleague"),
    "3": _("ended"),
    "4": _("opened again"),
}


def _from(words: dict[str, Text], field: str) -> Any:
    """A text that words `data[field]`; unknown values are shown as they are."""

    def text(data: dict[str, Any]) -> Text:
        value = data.get(field)
        return "" if value is None else words.get(str(value), str(value))

    return text


def _plain(field: str) -> Any:
    return lambda data: str(data.get(field, ""))


def _follow(data: dict[str, Any]) -> Text:
    parts = []
    if data.get("scene"):
        parts.append(gettext("through %(scene)s") % {"scene": data["scene"]})
    if data.get("greeting") == "late":
        parts.append(gettext("the time for a greeting had passed"))
    elif data.get("greeting"):
        parts.append(gettext("greeted with “%(rule)s”") % {"rule": data["greeting"]})
    return " · ".join(parts)


def _friend(data: dict[str, Any]) -> Text:
    parts = [str(data["who"])] if data.get("who") else []
    if data.get("channel"):
        parts.append(gettext("through %(scene)s") % {"scene": data["channel"]})
    if data.get("welcome") == "late":
        parts.append(gettext("the 20 seconds for a welcome had passed"))
    elif data.get("welcome"):
        parts.append(gettext("welcomed with “%(rule)s”") % {"rule": data["welcome"]})
    if data.get("source") == "DELETE_BY_TRANSFER":
        parts.append(gettext("handed over to a colleague"))
    if data.get("reason"):
        reason = str(data["reason"])
        parts.append(str(_TRANSFER_REASONS.get(reason, reason)))
    return " · ".join(parts)


def _answers(data: dict[str, Any]) -> Text:
    return ", ".join(
        str(_SUBSCRIPTION_ANSWERS.get(answer, answer))
        for answer in data.get("answers", [])
    )


def _consent(data: dict[str, Any]) -> Text:
    purpose, source = str(data.get("purpose", "")), str(data.get("source", ""))
    return f"{PURPOSES.get(purpose, purpose)} · {SOURCES.get(source, source)}"


def describe_all() -> None:
    """Called once, in AppConfig.ready()."""
    for kind, (title, icon) in _MESSAGE_TITLES.items():
        describe(kind, Group.MESSAGE, title, icon=icon, text=_plain("text"))
    _describe_official_account()
    _describe_wecom()
    _describe_kf()


def _describe_official_account() -> None:
    describe("follow", Group.FOLLOW, _("Followed"), icon="person_add", text=_follow)
    describe("unfollow", Group.FOLLOW, _("Unfollowed"), icon="person_remove")
    describe(
        "scan", Group.CLICK, _("Scanned a code"), icon="qr_code", text=_plain("key")
    )
    describe(
        "click", Group.CLICK, _("Tapped the menu"), icon="ads_click", text=_plain("key")
    )
    describe(
        "view",
        Group.CLICK,
        _("Opened a link of the menu"),
        icon="open_in_new",
        text=_plain("key"),
    )
    describe(
        "miniprogram",
        Group.CLICK,
        _("Opened a mini program"),
        icon="widgets",
        text=_plain("key"),
    )
    describe("menu", Group.CLICK, _("Used the menu"), icon="menu", text=_plain("key"))
    describe(
        "template",
        Group.MESSAGE,
        _("Template message"),
        icon="notifications",
        text=_from(_TEMPLATE_STATES, "status"),
    )
    describe(
        "subscription",
        Group.CONSENT,
        _("Was asked for subscription messages"),
        icon="fact_check",
        text=_answers,
    )
    describe(
        "subscription.sent",
        Group.MESSAGE,
        _("Subscription message"),
        icon="notifications",
    )
    describe(
        "mpkf.started",
        Group.SERVICE,
        _("A session with the platform's customer service began"),
        icon="support_agent",
    )
    describe(
        "mpkf.switched",
        Group.SERVICE,
        _("The session went to another account"),
        icon="support_agent",
    )
    describe(
        "mpkf.closed", Group.SERVICE, _("The session was closed"), icon="support_agent"
    )
    describe(
        "consent.withdrawn",
        Group.CONSENT,
        _("Withdrew consent"),
        icon="block",
        text=_consent,
    )
    describe(
        "consent.granted",
        Group.CONSENT,
        _("Gave consent"),
        icon="check_circle",
        text=_consent,
    )
    describe("profile.modified", Group.PROFILE, _("Changed the profile"), icon="badge")
    describe(
        "profile.named",
        Group.PROFILE,
        _("The name became known"),
        icon="badge",
        text=_plain("name"),
    )
    describe(
        "remark",
        Group.PROFILE,
        _("The remark was changed"),
        icon="edit",
        text=_plain("remark"),
    )
    describe(
        "merged",
        Group.PROFILE,
        _("Two records became one"),
        icon="merge",
        text=_plain("why"),
    )


def _describe_wecom() -> None:
    for kind, title, icon in (
        ("friend.requested", _("Added a colleague, not confirmed yet"), "person_add"),
        ("friend.added", _("Became friends with a colleague"), "group_add"),
        ("friend.edited", _("A colleague changed the remark"), "edit"),
        ("friend.deleted_by_member", _("Deleted a colleague"), "person_remove"),
        (
            "friend.deleted_by_colleague",
            _("Was deleted by a colleague"),
            "person_remove",
        ),
        ("friend.transfer_failed", _("The handover failed"), "sync_problem"),
        (
            "friend.archive_agreed",
            _("Agreed to the conversation archive"),
            "verified_user",
        ),
        (
            "acquisition.friend_request",
            _("Asked to be added through an acquisition link"),
            "link",
        ),
        (
            "acquisition.customer_start_chat",
            _("Began to chat after an acquisition link"),
            "link",
        ),
        (
            "acquisition.open_profile",
            _("Opened a profile through an acquisition link"),
            "link",
        ),
    ):
        describe(kind, Group.RELATION, title, icon=icon, text=_friend)


def _describe_kf() -> None:
    describe(
        "kf.answer",
        Group.MESSAGE,
        _("A colleague answered in WeCom"),
        icon="reply",
        text=_plain("text"),
    )
    describe(
        "kf.enter_session",
        Group.SERVICE,
        _("Entered WeChat Customer Service"),
        icon="login",
        text=_plain("scene"),
    )
    describe(
        "kf.session_status_change",
        Group.SERVICE,
        _("Session of WeChat Customer Service"),
        icon="support_agent",
        text=_from(_KF_CHANGES, "change"),
    )
    describe(
        "kf.msg_send_fail",
        Group.SERVICE,
        _("A message was not delivered"),
        icon="sms_failed",
        text=_from(_KF_FAILURES, "fail"),
    )
    describe("kf.user_recall_msg", Group.MESSAGE, _("Recalled a message"), icon="undo")
    describe(
        "kf.reject_customer_msg_switch_change",
        Group.CONSENT,
        _("Changed whether messages are accepted"),
        icon="toggle_on",
    )
