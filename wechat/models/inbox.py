"""What the platforms pushed to us."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.encryption import EncryptedBytesField
from staff.models import Staff
from wechat.kinds import in_words
from wechat.models.accounts import Account, App


class InboundEventQuerySet(models.QuerySet["InboundEvent"]):
    def visible_to(self, staff: Staff) -> InboundEventQuerySet:
        apps = App.objects.filter(account__in=Account.objects.visible_to(staff))
        return self.filter(app__in=apps)

    def waiting(self) -> InboundEventQuerySet:
        return self.filter(state=InboundEvent.State.NEW)

    def dead(self) -> InboundEventQuerySet:
        return self.filter(state=InboundEvent.State.DEAD)


class InboundEvent(models.Model):
    """One callback, stored before anything else happens to it.

    `kind`: "mp.message.text", "mp.event.subscribe",
    "wecom.event.change_external_contact.add_external_contact", "kf.message.text",
    "kf.servicer.text" (a colleague wrote in the WeCom client), "kf.event.enter_session",
    "json", …: lower case, platform first. `subject` is the openid or external_userid it
    is about: events of one subject run one after another, in the order of `id`.

    new → done | ignored (no handler for the kind) | dead (failed too often). Whoever
    works on a row holds its lock, so there is no state in between: a killed worker
    leaves it `new`.
    """

    class State(models.TextChoices):
        NEW = "new", pgettext_lazy("an event", "New")
        DONE = "done", _("Done")
        IGNORED = "ignored", _("Ignored")
        DEAD = "dead", _("Dead")

    app = models.ForeignKey(
        App,
        on_delete=models.PROTECT,
        related_name="inbound_events",
        verbose_name=_("app"),
    )
    dedupe_key = models.CharField(_("dedupe key"), max_length=400)
    kind = models.CharField(_("kind"), max_length=120)
    subject = models.CharField(
        pgettext_lazy("an event", "subject"), max_length=64, blank=True
    )
    body = EncryptedBytesField(_("body"))
    received_at = models.DateTimeField(_("received at"), default=timezone.now)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.NEW
    )
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    next_at = models.DateTimeField(_("next try at"), default=timezone.now)
    handled_at = models.DateTimeField(_("handled at"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)
    hint = models.CharField(_("hint"), max_length=60, blank=True)

    objects = InboundEventQuerySet.as_manager()

    class Meta:
        verbose_name = _("inbound event")
        verbose_name_plural = _("inbox")
        ordering = ["-id"]
        permissions = [
            ("replay_inboundevent", _("Can replay an inbound event")),
            ("reveal_inboundevent", _("Can read the content of an inbound event")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["app", "dedupe_key"], name="wechat_inbound_once"
            )
        ]
        indexes = [
            # The queue: small, because only what waits is in it.
            models.Index(
                fields=["id"],
                condition=models.Q(state="new"),
                include=["next_at"],
                name="wechat_inbound_waiting",
            ),
            models.Index(
                fields=["app", "subject", "id"],
                condition=models.Q(state="new"),
                name="wechat_inbound_in_order",
            ),
            models.Index(
                fields=["state", "-id"],
                condition=models.Q(state__in=["dead", "ignored"]),
                name="wechat_inbound_state",
            ),
            models.Index(
                fields=["app", "subject", "id"], name="wechat_inbound_subject"
            ),
            # Retention looks for bodies, not for the rows that outlive them.
            models.Index(
                fields=["received_at"],
                condition=~models.Q(body=b""),
                name="wechat_inbound_received",
            ),
        ]

    def __str__(self) -> str:
        return f"{in_words(self.kind)} #{self.pk}"

    @property
    def is_first_try(self) -> bool:
        """Whether no handling of it ever committed: nothing it does can stand yet.

        The mark is written in the transaction of the effects; a replay leaves it.
        """
        return self.handled_at is None
