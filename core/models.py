"""What every app stands on: the instance, jobs, the audit trail, settings as rows."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Instance(models.Model):
    """This installation: one row (pk 1).

    `epoch` is also kept in a file outside PostgreSQL; when they differ the database was
    restored and all sending is held until an administrator releases it.
    """

    epoch = models.UUIDField(_("epoch"), default=uuid.uuid4)
    sending_held_at = models.DateTimeField(_("sending held at"), null=True, blank=True)
    held_reason = models.CharField(_("reason"), max_length=200, blank=True)
    released_at = models.DateTimeField(_("released at"), null=True, blank=True)
    released_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("released by"),
    )

    class Meta:
        verbose_name = _("instance")
        verbose_name_plural = _("instances")
        permissions = [
            ("view_health", _("Can see the health of the system")),
            ("rotate_field_keys", _("Can rotate the keys of encrypted fields")),
            ("release_sending", _("Can release held sending")),
        ]
        constraints = [
            models.CheckConstraint(condition=models.Q(pk=1), name="core_instance_one")
        ]

    def __str__(self) -> str:
        return str(self.epoch)

    @property
    def is_sending_held(self) -> bool:
        return self.sending_held_at is not None


class Heartbeat(models.Model):
    """Last sign of life of a process ("beat", "worker", "worker-realtime", "live")."""

    name = models.CharField(_("name"), max_length=50, unique=True)
    at = models.DateTimeField(_("at"))
    detail = models.JSONField(_("detail"), default=dict, blank=True)

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")

    def __str__(self) -> str:
        return self.name


def _visible_staff(user: Any) -> Any:
    # core knows no Staff: the user model says itself who is visible to whom.
    return get_user_model()._default_manager.visible_to(user)


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, staff: Any) -> JobQuerySet:
        """One's own; with the permission to see jobs, those of visible colleagues.

        What an administrator started goes over all data controllers, and so do its
        figures: for administrators only.
        """
        mine = models.Q(requested_by=staff)
        if not staff.has_perm("core.view_job"):
            return self.filter(mine)
        seen = models.Q(requested_by__in=_visible_staff(staff))
        if not staff.is_superuser:
            seen &= models.Q(requested_by__is_superuser=False)
        return self.filter(mine | seen)


class Job(models.Model):
    """Long work a person started: progress, errors as they come, a way to cancel."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    kind = models.CharField(_("kind"), max_length=60)
    label = models.CharField(_("label"), max_length=200, blank=True)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    state = models.CharField(
        _("state"), max_length=12, choices=State.choices, default=State.QUEUED
    )
    done = models.PositiveIntegerField(_("done"), default=0)
    total = models.PositiveIntegerField(_("total"), null=True, blank=True)
    errors = models.JSONField(_("errors"), default=list, blank=True)
    result = models.JSONField(_("result"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)
    cancel_requested_at = models.DateTimeField(
        _("cancel requested at"), null=True, blank=True
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="jobs",
        verbose_name=_("requested by"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    # The worker's claim: what it writes counts only while this is still its own.
    owner = models.CharField(max_length=100, blank=True, editable=False)

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(state__in=["queued", "running"]),
                name="core_job_unfinished",
            )
        ]

    def __str__(self) -> str:
        return self.label or self.kind

    @property
    def is_over(self) -> bool:
        return self.state in {
            self.State.DONE,
            self.State.FAILED,
            self.State.CANCELLED,
        }

    @property
    def percent(self) -> int | None:
        """Whole percent done; None while the total is not known."""
        return min(100, self.done * 100 // self.total) if self.total else None

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far; None before there is one."""
        if self.is_over or not (self.started_at and self.total and self.done):
            return None
        spent = (timezone.now() - self.started_at).total_seconds()
        return spent / self.done * max(self.total - self.done, 0)


class JobRun(models.Model):
    """The right to run a periodic job once in a slot, whoever rings."""

    job = models.CharField(_("job"), max_length=100)
    slot = models.DateTimeField(_("slot"))
    at = models.DateTimeField(_("at"), auto_now_add=True)
    # The job that does it, where one does: core.nightly asks it whether it is over.
    work = models.ForeignKey(
        Job,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("job"),
    )

    class Meta:
        verbose_name = _("job run")
        verbose_name_plural = _("job runs")
        constraints = [
            models.UniqueConstraint(fields=["job", "slot"], name="core_jobrun_once")
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.slot:%F %T}"


class AuditEntryQuerySet(models.QuerySet["AuditEntry"]):
    def visible_to(self, staff: Any) -> AuditEntryQuerySet:
        """What visible colleagues did; the automatic writers only for those who see all.

        The history of one row is not narrowed: whoever sees the row sees it.
        """
        return self.filter(actor__in=_visible_staff(staff))


class AuditEntry(models.Model):
    """Who did what to which row, and why. Append-only: a trigger refuses the rest.

    `before` and `after` hold ids and masked values only.
    """

    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("actor"),
    )
    action = models.CharField(_("action"), max_length=80)
    target_type = models.CharField(_("target type"), max_length=80)
    target_id = models.CharField(_("target"), max_length=64)
    target_label = models.CharField(_("target label"), max_length=200, blank=True)
    before = models.JSONField(_("before"), default=dict, blank=True)
    after = models.JSONField(_("after"), default=dict, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    at = models.DateTimeField(_("at"), auto_now_add=True, db_index=True)

    objects = AuditEntryQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit entries")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["target_type", "target_id", "-id"], name="core_audit_target"
            ),
            models.Index(fields=["action", "-id"], name="core_audit_action"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target_type} {self.target_id}"


class SystemSetting(models.Model):
    """A figure an administrator may change (core.system_settings declares them)."""

    key = models.CharField(_("key"), max_length=80, unique=True)
    value: models.JSONField[Any, Any] = models.JSONField(_("value"))
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    class Meta:
        verbose_name = _("setting")
        verbose_name_plural = _("settings")

    def __str__(self) -> str:
        return self.key
