"""The platforms' limits in words; a key or unit nobody named is shown as it is."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.registry import Text

NAMES: dict[str, Text] = {
    "kf.sync.history_seconds": _("WeChat Customer Service: how far back one can read"),
    "kf.sync.size": _("WeChat Customer Service: messages read per call"),
    "kf.sync.token_seconds": _("WeChat Customer Service: life of a callback's token"),
    "kf.window.message.count": _("WeChat Customer Service: answers per message"),
    "kf.window.message.seconds": _("WeChat Customer Service: time for an answer"),
    "media.lives.seconds": _("Temporary media: how long they are kept"),
    "mp.custom_send.day": _("Customer-service messages"),
    "mp.mass.minute": _("Mass sends: calls"),
    "mp.mass.size_min": _("Mass sends: smallest call"),
    "mp.mass.size_max": _("Mass sends: largest call"),
    "mp.mass.key_seconds": _("Mass sends: memory of a call's key"),
    "mp.mass.confirm_seconds": _("Mass sends: the administrator's time to confirm"),
    "mp.mass_service.month": _("Mass sends of a Service Account"),
    "mp.mass_subscription.day": _("Mass sends of an Official Account"),
    "mp.media_get.day": _("Media downloads"),
    "mp.media_upload.day": _("Media uploads"),
    "mp.qrcode_permanent.count": _("Permanent QR codes"),
    "mp.qrcode_temporary.seconds": _("Temporary QR codes: how long they live"),
    "mp.stable_token.day": _("Access tokens fetched per day"),
    "mp.stable_token.minute": _("Access tokens fetched per minute"),
    "mp.stable_token_forced.day": _("Forced token refreshes"),
    "mp.tag_batch.size": _("People tagged per call"),
    "mp.tags.count": _("Tags of an account"),
    "mp.tags_of_person.count": _("Tags of one person"),
    "mp.text.bytes": _("Length of a text message"),
    "mp.user_batch.size": _("Profiles read per call"),
    "mp.user_info.day": _("Profiles read per day"),
    "mp.window.follow.count": _("After following: messages"),
    "mp.window.follow.seconds": _("After following: time"),
    "mp.window.menu.count": _("After a menu tap: messages"),
    "mp.window.menu.seconds": _("After a menu tap: time"),
    "mp.window.message.count": _("After a message: messages"),
    "mp.window.message.seconds": _("After a message: time"),
    "mp.window.scan.count": _("After a scan: messages"),
    "mp.window.scan.seconds": _("After a scan: time"),
    "wecom.api.minute": _("WeCom: calls per minute"),
    "wecom.contact_batch.size": _("WeCom: contacts read per call"),
    "wecom.contact_way.count": _("WeCom: contact codes"),
    "wecom.mass_attachments.count": _("WeCom: attachments of a mass send"),
    "wecom.mass_remind.day": _("WeCom: reminders of a mass send"),
    "wecom.welcome.bytes": _("WeCom: length of a welcome message"),
    "wecom.welcome.seconds": _("WeCom: time for a welcome message"),
}
UNITS: dict[str, Text] = {
    "attachments": pgettext_lazy("unit", "attachments"),
    "bytes": pgettext_lazy("unit", "bytes"),
    "calls a day": pgettext_lazy("unit", "calls a day"),
    "calls a minute": pgettext_lazy("unit", "calls a minute"),
    "codes": pgettext_lazy("unit", "codes"),
    "messages": pgettext_lazy("unit", "messages"),
    "messages a call": pgettext_lazy("unit", "messages a call"),
    "people a call": pgettext_lazy("unit", "people a call"),
    "per person a month": pgettext_lazy("unit", "per person a month"),
    "reminders a day": pgettext_lazy("unit", "reminders a day"),
    "seconds": pgettext_lazy("unit", "seconds"),
    "sends a day": pgettext_lazy("unit", "sends a day"),
    "tags": pgettext_lazy("unit", "tags"),
}


def name(key: str) -> Text:
    return NAMES.get(key, key)


def unit(text: str) -> Text:
    return UNITS.get(text, text)
