"""The words the workspace's script shows."""

from __future__ import annotations

from django.utils.translation import gettext as _


def page_strings() -> dict[str, str]:
    """Evaluated per request: the reader's language."""
    return {
        "newMessages": _("%n new messages ↓"),
        "newRows": _("%n new conversations"),
        "sending": _("Sending…"),
        "notSent": _("Not sent"),
        "retry": _("Try again"),
        "offline": _("No live connection: refreshed every few seconds."),
        "failed": _("That did not work. Check the connection and try again."),
        "left": _("%n messages left"),
        "hoursLeft": _("%h h %m min"),
        "minutesLeft": _("%m min %s s"),
        "over": _("closed"),
        "tooLong": _("%n bytes too long"),
        "soundOn": _("Sound on"),
        "soundOff": _("Sound off"),
        "pictureTooLarge": _("The picture is larger than 10 MB."),
        "notAPicture": _("Choose a JPEG, PNG, GIF or WebP picture."),
        "leave": _("A message is still being sent."),
        "title": _("Agent workspace"),
    }
