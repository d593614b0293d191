"""The words people agree to: which stand now, new versions, and those of the start.

A version is never changed (a trigger sees to it): whoever agreed to it agreed to these
words for ever. A new one takes its place from `effective_from` on.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from core import audit
from core.registry import Text, builtin_data
from crm.models import ConsentText, Topic
from crm.models.consents import Purpose
from staff.accounts import system_staff
from staff.models import OrgUnit, Staff

# What a new copy begins with, shared by all; every data controller may write its own.
BUILTIN_TEXTS: dict[str, Text] = {
    Purpose.MARKETING: _(
        "We may send you news and offers through the channels you leave switched on. "
        "You can stop this here at any time; our service to you stays the same."
    ),
    Purpose.TOPIC: _(
        "You get messages only on the topics you leave switched on. Switching one off "
        "holds from the next message on."
    ),
    Purpose.FREQUENCY: _(
        "You decide how many marketing messages a week you get from us at most, over "
        "all channels together."
    ),
    Purpose.PERSONALISATION: _(
        "We choose some messages by what you bought and asked before. If you switch "
        "this off, you only get what everybody gets; prices and service stay the same."
    ),
    Purpose.PROFILE: _(
        "We keep what you let us know of you to recognise and serve you, and delete it "
        "some time after you leave."
    ),
}
BUILTIN_TOPICS: tuple[tuple[Text, Text], ...] = (
    (_("New products"), _("What is new on the shelf")),
    (_("Offers"), _("Discounts, coupons and sales")),
    (_("Member benefits"), _("Points, levels and birthday gifts")),
    (_("Tips and care"), _("How to use and look after what you bought")),
    (_("Store events"), _("What happens at the store near you")),
)


def current(
    controller: OrgUnit | int | None, at: datetime | None = None
) -> dict[str, ConsentText]:
    """The text in force for each purpose: the data controller's own, else the shared."""
    key = controller.pk if isinstance(controller, OrgUnit) else controller
    rows = ConsentText.objects.of_controller(key).filter(
        effective_from__lte=at or timezone.now()
    )
    # Own ones last, newer ones last: the last written wins.
    in_order = sorted(
        rows, key=lambda text: (bool(text.controller_id), text.effective_from, text.pk)
    )
    return {text.purpose: text for text in in_order}


@transaction.atomic
def publish(
    purpose: str,
    body: str,
    *,
    controller: OrgUnit | None,
    actor: Staff,
    effective_from: datetime | None = None,
) -> ConsentText:
    """Write the next version of a text; those before it stay as they are."""
    # The owner's row orders two who write at once.
    if controller is not None:
        OrgUnit.objects.select_for_update(no_key=True).get(pk=controller.pk)
    rows = ConsentText.objects.filter(controller=controller, purpose=purpose)
    newest = rows.aggregate(newest=Max("version"))["newest"] or 0
    text = ConsentText.objects.create(
        controller=controller,
        purpose=purpose,
        version=newest + 1,
        body=body.strip(),
        effective_from=effective_from or timezone.now(),
        made_by=actor,
    )
    audit.record(
        "crm.consenttext.published",
        text,
        actor=actor,
        after={"purpose": str(purpose), "version": text.version},
        label=str(text),
    )
    return text


def archive_topic(topic: Topic, wanted: bool) -> None:
    """Take it off every list, or put it back; the caller saves."""
    if wanted != (topic.archived_at is not None):
        topic.archived_at = timezone.now() if wanted else None


def load_builtin() -> None:
    """Add the shared texts and topics where there are none of the kind yet."""
    actor = system_staff("crm.consent")
    with translation.override(settings.LANGUAGE_CODE):
        shared = ConsentText.objects.filter(controller=None)
        known = set(shared.values_list("purpose", flat=True))
        for purpose, body in BUILTIN_TEXTS.items():
            if purpose not in known:
                publish(purpose, str(body), controller=None, actor=actor)
        if not Topic.objects.filter(controller=None).exists():
            Topic.objects.bulk_create(
                Topic(name=str(name), description=str(words), place=place)
                for place, (name, words) in enumerate(BUILTIN_TOPICS, 1)
            )


def register() -> None:
    """Called once, in AppConfig.ready()."""
    builtin_data.append(load_builtin)
