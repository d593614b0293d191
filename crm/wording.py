"""How the lines that crm itself writes are shown on a timeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from core.registry import Text
from crm.merge_words import why_of
from crm.models import CHANNELS, PURPOSES, SOURCES, Member
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


def _other(data: dict[str, Any]) -> Text:
    return gettext("the other is #%(number)s") % {"number": data.get("other", "")}


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
    parts: list[Text] = [PURPOSES.get(purpose, purpose)]
    if channel := str(data.get("channel", "")):
        parts.append(CHANNELS.get(channel, channel))
    if data.get("topic"):
        parts.append(str(data["topic"]))
    if data.get("max_per_week"):
        words = gettext("at most %(count)d a week")
        parts.append(words % {"count": data["max_per_week"]})
    if data.get("hours"):
        parts.append(str(data["hours"]))
    return " · ".join(str(each) for each in (*parts, SOURCES.get(source, source)))


def _edited(data: dict[str, Any]) -> Text:
    """Which fields and who; the values stand on the page."""
    fields = [
        str(getattr(Member._meta.get_field(name), "verbose_name", name))
        for name in data.get("fields", [])
    ]
    return " · ".join(filter(None, [", ".join(fields), str(data.get("by", ""))]))


def _untagged(data: dict[str, Any]) -> Text:
    return " · ".join(filter(None, (str(data.get(key, "")) for key in ("tag", "by"))))


def _nothing(_data: dict[str, Any]) -> Text:
    return ""


class _Line(NamedTuple):
    """One kind of line; `text` says more of its data."""

    kind: str
    group: Group
    title: Text
    icon: str
    text: Callable[[dict[str, Any]], Text] = _nothing


_OFFICIAL_ACCOUNT = (
    _Line("follow", Group.FOLLOW, _("Followed"), "person_add", _follow),
    _Line("unfollow", Group.FOLLOW, _("Unfollowed"), "person_remove"),
    _Line("scan", Group.CLICK, _("Scanned a code"), "qr_code", _plain("key")),
    _Line("click", Group.CLICK, _("Tapped the menu"), "ads_click", _plain("key")),
    _Line(
        "view",
        Group.CLICK,
        _("Opened a link of the menu"),
        "open_in_new",
        _plain("key"),
    ),
    _Line(
        "miniprogram", Group.CLICK, _("Opened a mini program"), "widgets", _plain("key")
    ),
    _Line("menu", Group.CLICK, _("Used the menu"), "menu", _plain("key")),
    _Line(
        "template",
        Group.MESSAGE,
        _("Template message"),
        "notifications",
        _from(_TEMPLATE_STATES, "status"),
    ),
    _Line(
        "subscription",
        Group.CONSENT,
        _("Was asked for subscription messages"),
        "fact_check",
        _answers,
    ),
    _Line(
        "subscription.sent", Group.MESSAGE, _("Subscription message"), "notifications"
    ),
    _Line(
        "mpkf.started",
        Group.SERVICE,
        _("A session with the platform's customer service began"),
        "support_agent",
    ),
    _Line(
        "mpkf.switched",
        Group.SERVICE,
        _("The session went to another account"),
        "support_agent",
    ),
    _Line("mpkf.closed", Group.SERVICE, _("The session was closed"), "support_agent"),
    _Line("consent.withdrawn", Group.CONSENT, _("Withdrew consent"), "block", _consent),
    _Line(
        "consent.granted", Group.CONSENT, _("Gave consent"), "check_circle", _consent
    ),
    _Line("consent.limited", Group.CONSENT, _("Limited messages"), "tune", _consent),
    _Line("complaint.opened", Group.SERVICE, _("Complained"), "sentiment_dissatisfied"),
    _Line(
        "complaint.closed", Group.SERVICE, _("Complaint closed"), "sentiment_neutral"
    ),
    _Line("profile.modified", Group.PROFILE, _("Changed the profile"), "badge"),
    _Line(
        "profile.named",
        Group.PROFILE,
        _("The name became known"),
        "badge",
        _plain("name"),
    ),
    _Line(
        "remark", Group.PROFILE, _("The remark was changed"), "edit", _plain("remark")
    ),
    _Line(
        "profile.edited",
        Group.PROFILE,
        _("A colleague changed the profile"),
        "edit",
        _edited,
    ),
    _Line("tag.removed", Group.TAG, _("A tag was taken off"), "label_off", _untagged),
    _Line("merged", Group.PROFILE, _("Two records became one"), "merge", why_of),
    _Line("unmerged", Group.PROFILE, _("A merge was undone"), "call_split", _other),
)
_WECOM = (
    _Line(
        "friend.requested",
        Group.RELATION,
        _("Added a colleague, not confirmed yet"),
        "person_add",
        _friend,
    ),
    _Line(
        "friend.added",
        Group.RELATION,
        _("Became friends with a colleague"),
        "group_add",
        _friend,
    ),
    _Line(
        "friend.edited",
        Group.RELATION,
        _("A colleague changed the remark"),
        "edit",
        _friend,
    ),
    _Line(
        "friend.deleted_by_member",
        Group.RELATION,
        _("Deleted a colleague"),
        "person_remove",
        _friend,
    ),
    _Line(
        "friend.deleted_by_colleague",
        Group.RELATION,
        _("Was deleted by a colleague"),
        "person_remove",
        _friend,
    ),
    _Line(
        "friend.transfer_failed",
        Group.RELATION,
        _("The handover failed"),
        "sync_problem",
        _friend,
    ),
    _Line(
        "friend.archive_agreed",
        Group.RELATION,
        _("Agreed to the conversation archive"),
        "verified_user",
        _friend,
    ),
    _Line(
        "acquisition.friend_request",
        Group.RELATION,
        _("Asked to be added through an acquisition link"),
        "link",
        _friend,
    ),
    _Line(
        "acquisition.customer_start_chat",
        Group.RELATION,
        _("Began to chat after an acquisition link"),
        "link",
        _friend,
    ),
    _Line(
        "acquisition.open_profile",
        Group.RELATION,
        _("Opened a profile through an acquisition link"),
        "link",
        _friend,
    ),
)
_KF = (
    _Line(
        "kf.answer",
        Group.MESSAGE,
        _("A colleague answered in WeCom"),
        "reply",
        _plain("text"),
    ),
    _Line(
        "kf.enter_session",
        Group.SERVICE,
        _("Entered WeChat Customer Service"),
        "login",
        _plain("scene"),
    ),
    _Line(
        "kf.session_status_change",
        Group.SERVICE,
        _("Session of WeChat Customer Service"),
        "support_agent",
        _from(_KF_CHANGES, "change"),
    ),
    _Line(
        "kf.msg_send_fail",
        Group.SERVICE,
        _("A message was not delivered"),
        "sms_failed",
        _from(_KF_FAILURES, "fail"),
    ),
    _Line("kf.user_recall_msg", Group.MESSAGE, _("Recalled a message"), "undo"),
    _Line(
        "kf.reject_customer_msg_switch_change",
        Group.CONSENT,
        _("Changed whether messages are accepted"),
        "toggle_on",
    ),
)


def register() -> None:
    """Describe every kind of event; called once, in AppConfig.ready()."""
    for kind, (title, icon) in _MESSAGE_TITLES.items():
        describe(kind, Group.MESSAGE, title, icon=icon, text=_plain("text"))
    for line in (*_OFFICIAL_ACCOUNT, *_WECOM, *_KF):
        describe(line.kind, line.group, line.title, icon=line.icon, text=line.text)
