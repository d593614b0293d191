"""Files that come in and go out: what was asked for, how far it is, what was refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.models import Job
from staff.models import Approval, OrgUnit, Staff
from staff.scope import controller_scope


class ImportQuerySet(models.QuerySet["Import"]):
    def visible_to(self, staff: Staff) -> ImportQuerySet:
        """Imports of the person's data controller that began in their subtree."""
        scope = controller_scope(staff, controller="controller", unit="org_unit")
        return self.none() if scope is None else self.filter(scope)


class Import(models.Model):
    """One file on its way in; `rows_done` is committed with the rows it counts.

    `org_unit` is where the importer works: nothing outside its subtree is touched, and
    a member without a store of their own lands there (null: the controller itself).
    """

    class Kind(models.TextChoices):
        MEMBERS = "members", _("Members")
        TAGS = "tags", _("Tags of members")
        ORDERS = "orders", _("Orders")

    class State(models.TextChoices):
        UPLOADED = "uploaded", _("Columns to be assigned")
        CHECKING = "checking", _("Being checked")
        CHECKED = "checked", _("Checked")
        RUNNING = "running", _("Being imported")
        DONE = "done", pgettext_lazy("of a file", "Imported")
        CANCELLED = "cancelled", _("Stopped")
        FAILED = "failed", _("Failed")

    controller = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("data controller"),
    )
    org_unit = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("store"),
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    file_name = models.CharField(_("file"), max_length=200)
    stored_as = models.CharField(max_length=80, blank=True, editable=False)
    size = models.PositiveBigIntegerField(_("size"), default=0)
    # How the file is read (crm.exchange.files.Layout), found when it came in.
    layout: models.JSONField[Any, Any] = models.JSONField(default=dict, editable=False)
    # {field name: number of the column}, and what the person chose beside it.
    mapping: models.JSONField[Any, Any] = models.JSONField(default=dict, editable=False)
    options: models.JSONField[Any, Any] = models.JSONField(default=dict, editable=False)
    state = models.CharField(
        _("state"), max_length=9, choices=State.choices, default=State.UPLOADED
    )
    error = models.TextField(_("error"), blank=True)
    rows_total = models.PositiveIntegerField(_("rows"), null=True, blank=True)
    rows_done = models.PositiveIntegerField(_("done"), default=0)
    # {"new": 3, "known": 2, "double": 1, "refused": 1} of the check and of the run.
    foreseen: models.JSONField[Any, Any] = models.JSONField(default=dict)
    counts: models.JSONField[Any, Any] = models.JSONField(default=dict)
    job = models.ForeignKey(
        Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", verbose_name=_("by")
    )
    created_at = models.DateTimeField(_("uploaded at"), default=timezone.now)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    objects = ImportQuerySet.as_manager()

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-id"]
        default_permissions = ()
        permissions = [("import_member", _("Can import members, tags and orders"))]

    def __str__(self) -> str:
        return self.file_name

    @property
    def path(self) -> Path:
        return Path(settings.DATA_DIR) / "exchange" / "in" / self.stored_as

    @property
    def is_busy(self) -> bool:
        return self.state in {self.State.CHECKING, self.State.RUNNING}


class ImportProblemQuerySet(models.QuerySet["ImportProblem"]):
    def visible_to(self, staff: Staff) -> ImportProblemQuerySet:
        return self.filter(batch__in=Import.objects.visible_to(staff))


class ImportProblem(models.Model):
    """Why one row was not applied, or applied with a doubt (`is_refusal` off).

    `params` word the code when it is shown; never a personal value.
    """

    batch = models.ForeignKey(
        Import, on_delete=models.CASCADE, related_name="problems", db_index=False
    )
    is_check = models.BooleanField(default=False)
    is_refusal = models.BooleanField(default=True)
    line = models.PositiveIntegerField(_("line"))
    column = models.CharField(_("column"), max_length=80, blank=True)
    code = models.CharField(_("reason"), max_length=40)
    params: models.JSONField[Any, Any] = models.JSONField(default=dict)

    objects = ImportProblemQuerySet.as_manager()

    class Meta:
        verbose_name = _("refused row")
        verbose_name_plural = _("refused rows")
        ordering = ["line", "id"]
        default_permissions = ()
        indexes = [
            models.Index(
                fields=["batch", "is_check", "line"], name="crm_importproblem_line"
            )
        ]

    def __str__(self) -> str:
        return f"{self.line}: {self.code}"


class MappingMemory(models.Model):
    """How a person assigned the columns of a set of headers the last time."""

    staff = models.ForeignKey(Staff, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=8, choices=Import.Kind.choices)
    headers_digest = models.CharField(max_length=64)
    mapping: models.JSONField[Any, Any] = models.JSONField(default=dict)
    options: models.JSONField[Any, Any] = models.JSONField(default=dict)
    used_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("remembered columns")
        verbose_name_plural = _("remembered columns")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["staff", "kind", "headers_digest"], name="crm_mapping_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.headers_digest[:8]}"


class ExportQuerySet(models.QuerySet["Export"]):
    def visible_to(self, staff: Staff) -> ExportQuerySet:
        """One's own; who may approve exports sees those of their scope."""
        scope = controller_scope(staff, controller="controller", unit="org_unit")
        if scope is None:
            return self.none()
        mine = models.Q(requested_by=staff)
        if staff.has_perm("crm.approve_export"):
            return self.filter(scope)
        return self.filter(scope & mine)

    def outdated(self) -> ExportQuerySet:
        return self.filter(state=Export.State.READY, expires_at__lte=timezone.now())


class Export(models.Model):
    """One file on its way out: who wants what, why, and until when it can be had.

    `asked` holds ids, filters and names of columns, never a value of a member.
    """

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        XLSX = "xlsx", "XLSX"

    class State(models.TextChoices):
        ASKED = "asked", _("Waits for approval")
        REFUSED = "refused", _("Refused")
        QUEUED = "queued", _("Queued")
        RUNNING = "running", _("Being written")
        READY = "ready", _("Ready")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Stopped")
        EXPIRED = "expired", _("Expired")

    controller = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("data controller"),
    )
    org_unit = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("store"),
    )
    kind = models.CharField(_("kind"), max_length=20)
    asked: models.JSONField[Any, Any] = models.JSONField(default=dict)
    format = models.CharField(
        _("format"), max_length=4, choices=Format.choices, default=Format.CSV
    )
    is_revealing = models.BooleanField(_("phones and real names in clear"))
    reason = models.CharField(_("reason"), max_length=200)
    state = models.CharField(
        _("state"), max_length=9, choices=State.choices, default=State.QUEUED
    )
    error = models.TextField(_("error"), blank=True)
    rows = models.PositiveIntegerField(_("rows"), null=True, blank=True)
    size = models.PositiveBigIntegerField(_("size"), null=True, blank=True)
    stored_as = models.CharField(max_length=80, blank=True, editable=False)
    downloads = models.PositiveIntegerField(_("downloads"), default=0)
    approval = models.ForeignKey(
        Approval,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("approval"),
    )
    job = models.ForeignKey(
        Job, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    requested_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", verbose_name=_("by")
    )
    created_at = models.DateTimeField(_("asked at"), default=timezone.now)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)

    objects = ExportQuerySet.as_manager()

    class Meta:
        verbose_name = _("export")
        verbose_name_plural = _("exports")
        ordering = ["-id"]
        default_permissions = ()
        permissions = [
            ("export_member", _("Can export members, tags and orders")),
            ("approve_export", _("Can approve exports and see those of others")),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=models.Q(state="ready"),
                name="crm_export_expires",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.created_at:%F %T}"

    @property
    def path(self) -> Path:
        return Path(settings.DATA_DIR) / "exchange" / "out" / self.stored_as
