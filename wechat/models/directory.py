"""What we read from the platforms: colleagues, media, sync runs."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from wechat.models.accounts import Account, App
from wechat.models.scoping import OfAccountQuerySet, OfAppQuerySet


class Colleague(models.Model):
    """A member of the WeCom corp, and the Staff behind it when known."""

    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        related_name="colleagues",
        verbose_name=_("account"),
    )
    userid = models.CharField("userid", max_length=64)
    name = models.CharField(_("name"), max_length=64, blank=True)
    staff = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="colleagues",
        verbose_name=_("staff"),
    )
    is_following = models.BooleanField(_("serves customers"), default=True)
    seen_at = models.DateTimeField(_("seen at"), null=True, blank=True)

    objects = OfAccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("colleague")
        verbose_name_plural = _("colleagues")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "userid"], name="wechat_colleague_once"
            )
        ]

    def __str__(self) -> str:
        return self.name or self.userid


class Media(models.Model):
    """A picture of a conversation: fetched before it expires, checked, kept by us.

    Incoming: wanted → stored | failed. Outgoing: stored, and uploaded again shortly
    before use (`media_id` lives 3 days). `file` is a path below MEDIA_ROOT made by us.
    """

    class State(models.TextChoices):
        WANTED = "wanted", _("Waiting")
        STORED = "stored", _("Stored")
        FAILED = "failed", _("Failed")
        PURGED = "purged", pgettext_lazy("a file", "Deleted")

    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="media")
    direction = models.CharField(max_length=3)
    kind = models.CharField(_("kind"), max_length=10, default="image")
    media_id = models.CharField(max_length=256, blank=True)
    media_id_expires_at = models.DateTimeField(null=True, blank=True)
    # As permanent material: covers of articles.
    material_id = models.CharField(max_length=256, blank=True)
    state = models.CharField(
        _("state"), max_length=8, choices=State.choices, default=State.WANTED
    )
    file = models.CharField(max_length=200, blank=True)
    content_type = models.CharField(max_length=60, blank=True)
    size_bytes = models.PositiveIntegerField(null=True, blank=True)
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField(null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    error = models.CharField(_("error"), max_length=300, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = OfAppQuerySet.as_manager()

    class Meta:
        verbose_name = _("media file")
        verbose_name_plural = _("media files")
        indexes = [
            models.Index(
                fields=["next_at"],
                condition=models.Q(state="wanted"),
                name="wechat_media_wanted",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"


class SyncRun(models.Model):
    """One pass over a directory of the platform, resumable from `cursor`.

    What is missing is only decided after a complete run.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")

    app = models.ForeignKey(
        App, on_delete=models.CASCADE, related_name="sync_runs", verbose_name=_("app")
    )
    scope = models.CharField(_("scope"), max_length=60)
    state = models.CharField(
        _("state"), max_length=8, choices=State.choices, default=State.RUNNING
    )
    cursor = models.CharField(_("cursor"), max_length=300, blank=True)
    seen = models.PositiveIntegerField(
        pgettext_lazy("of a directory", "seen"), default=0
    )
    created = models.PositiveIntegerField(_("created"), default=0)
    updated = models.PositiveIntegerField(_("updated"), default=0)
    missing = models.PositiveIntegerField(_("missing"), default=0)
    error = models.CharField(_("error"), max_length=300, blank=True)
    started_at = models.DateTimeField(_("started at"), auto_now_add=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    objects = OfAppQuerySet.as_manager()

    class Meta:
        verbose_name = _("sync run")
        verbose_name_plural = _("sync runs")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.scope} {self.started_at:%F %T}"


class SeenContact(models.Model):
    """A friendship the running pass met; kept until the pass is complete."""

    run = models.ForeignKey(
        SyncRun, on_delete=models.CASCADE, related_name="seen_contacts"
    )
    userid = models.CharField(max_length=64)
    external_userid = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("contact seen")
        verbose_name_plural = _("contacts seen")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "userid", "external_userid"],
                name="wechat_seen_contact_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.userid} #{self.run_id}"
