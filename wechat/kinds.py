"""Kinds of inbound events in words, for people; unknown ones keep their own name."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

from core.registry import Text


@dataclass(frozen=True)
class Group:
    """Kinds that belong together; `prefixes` are starts of `InboundEvent.kind`."""

    name: str
    label: Text
    prefixes: tuple[str, ...]


_CONTACT = "wecom.event.change_external_contact"
_CHAT = "wecom.event.change_external_chat"

GROUPS = (
    Group("messages", _("Messages"), ("mp.message.", "wecom.message.", "kf.message.")),
    Group(
        "following",
        _("Follow and unfollow"),
        ("mp.event.subscribe", "mp.event.unsubscribe"),
    ),
    Group(
        "acts",
        _("Menu, codes and places"),
        (
            *("mp.event.click", "mp.event.view", "mp.event.scan", "mp.event.pic_"),
            *("mp.event.location", "wecom.event.click"),
        ),
    ),
    Group("contacts", _("WeCom contacts"), (_CONTACT,)),
    Group(
        "chats", _("WeCom groups and tags"), (_CHAT, "wecom.event.change_external_tag")
    ),
    Group("kf", _("WeChat Customer Service"), ("kf.", "wecom.event.kf_")),
    Group("json", _("JSON bodies"), ("json",)),
)

WORDS: dict[str, Text] = {
    "json": _("A body in JSON"),
    "mp.message.text": _("Text message"),
    "mp.message.image": _("Picture"),
    "mp.message.voice": _("Voice message"),
    "mp.message.video": _("Video"),
    "mp.message.shortvideo": _("Short video"),
    "mp.message.location": _("Location message"),
    "mp.message.link": _("Link message"),
    "mp.event.subscribe": _("Follow"),
    "mp.event.unsubscribe": _("Unfollow"),
    "mp.event.scan": _("Code scanned by a follower"),
    "mp.event.location": _("Location report"),
    "mp.event.click": _("Menu tapped"),
    "mp.event.view": _("Menu link opened"),
    "mp.event.view_miniprogram": _("Mini program opened from the menu"),
    "mp.event.scancode_push": _("Scan from the menu"),
    "mp.event.scancode_waitmsg": _("Scan from the menu"),
    "mp.event.pic_sysphoto": _("Pictures from the menu"),
    "mp.event.pic_photo_or_album": _("Pictures from the menu"),
    "mp.event.pic_weixin": _("Pictures from the menu"),
    "mp.event.location_select": _("Place chosen from the menu"),
    "mp.event.templatesendjobfinish": _("Result of a template message"),
    "mp.event.masssendjobfinish": _("Result of a mass send"),
    "mp.event.publishjobfinish": _("Result of a publication"),
    "mp.event.subscribe_msg_popup_event": _("Answer to a subscription request"),
    "mp.event.subscribe_msg_change_event": _("Subscription changed"),
    "mp.event.subscribe_msg_sent_event": _("Result of a subscription message"),
    "mp.event.kf_create_session": _("Platform customer service: session opened"),
    "mp.event.kf_switch_session": _("Platform customer service: session handed over"),
    "mp.event.kf_close_session": _("Platform customer service: session closed"),
    "mp.event.user_info_modified": _("Customer changed their profile"),
    "mp.event.user_authorization_revoke": _("Customer withdrew an authorisation"),
    "mp.event.user_authorization_cancellation": _("Customer closed their account"),
    "mp.event.qualification_verify_success": _("Account verified"),
    "mp.event.qualification_verify_fail": _("Account verification failed"),
    "mp.event.naming_verify_success": _("Account name verified"),
    "mp.event.naming_verify_fail": _("Account name refused"),
    "mp.event.annual_renew": _("Yearly verification is due"),
    "mp.event.verify_expired": _("Account verification expired"),
    f"{_CONTACT}.add_external_contact": _("WeCom contact added"),
    f"{_CONTACT}.add_half_external_contact": _("WeCom contact added, not confirmed"),
    f"{_CONTACT}.edit_external_contact": _("WeCom contact edited"),
    f"{_CONTACT}.del_external_contact": _("Colleague deleted the contact"),
    f"{_CONTACT}.del_follow_user": _("Customer deleted the colleague"),
    f"{_CONTACT}.transfer_fail": _("Handing over a contact failed"),
    f"{_CONTACT}.msg_audit_approved": _("Customer agreed to chat archiving"),
    f"{_CHAT}.create": _("WeCom group created"),
    f"{_CHAT}.update": _("WeCom group changed"),
    f"{_CHAT}.dismiss": _("WeCom group dissolved"),
    "wecom.event.kf_msg_or_event": _("Customer service has messages to read"),
    "kf.message.text": _("Customer service: text message"),
    "kf.message.image": _("Customer service: picture"),
    "kf.servicer.text": _("Customer service: answer from the WeCom client"),
    "kf.event.enter_session": _("Customer service: chat opened"),
    "kf.event.msg_send_fail": _("Customer service: message not delivered"),
    "kf.event.session_status_change": _("Customer service: session changed"),
    "kf.event.servicer_status_change": _("Customer service: servicer changed state"),
    "kf.event.user_recall_msg": _("Customer service: customer recalled a message"),
}


def in_words(kind: str) -> Text:
    return WORDS.get(kind, kind)
