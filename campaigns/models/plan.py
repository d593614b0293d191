"""Campaigns, their phases, gates and tasks, and the templates they begin from."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from staff.models import OrgUnit, Staff
from staff.scope import controller_scope


class PhaseKind(models.TextChoices):
    WARM_UP = "warm_up", _("Warm-up")
    LIVE = "live", pgettext_lazy("phase of a campaign", "Live")
    RECAP = "recap", _("Recap")


class CampaignTemplate(models.Model):
    """How a kind of campaign usually runs; built in from data/campaign_templates.csv."""

    code = models.SlugField(_("code"), max_length=40, unique=True)
    name = models.CharField(_("name"), max_length=60)
    summary = models.CharField(_("summary"), max_length=300, blank=True)
    # {"warm_up": [-14, -1], "live": [0, 3], "recap": [4, 14]}: days from the live date.
    phases = models.JSONField(_("phases"), default=dict)
    # [{"phase": "warm_up", "code": "G0", "title": …}, …]
    gates = models.JSONField(_("gates"), default=list)
    is_active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("campaign template")
        verbose_name_plural = _("campaign templates")
        ordering = ["id"]

    def __str__(self) -> str:
        return self.name


class TaskFields(models.Model):
    """What a planned task and its template have in common."""

    step = models.PositiveSmallIntegerField(_("step"))
    title = models.CharField(_("task"), max_length=300)
    # Days from the live date, both ends included.
    start_day = models.SmallIntegerField(_("from day"))
    end_day = models.SmallIntegerField(_("to day"))
    times = models.CharField(_("time of day"), max_length=60, blank=True)
    owner_role = models.CharField(_("owner role"), max_length=60, blank=True)
    channel = models.CharField(_("channel"), max_length=80, blank=True)
    audience_note = models.CharField(_("audience"), max_length=120, blank=True)
    materials = models.CharField(_("materials"), max_length=200, blank=True)
    # What shows that it is done: a figure, a signature, a filed report.
    proof_wanted = models.CharField(_("proof"), max_length=200, blank=True)

    class Meta:
        abstract = True


class TemplateTask(TaskFields):
    template = models.ForeignKey(
        CampaignTemplate,
        on_delete=models.CASCADE,
        related_name="tasks",
        verbose_name=_("template"),
    )

    class Meta:
        verbose_name = _("task of a template")
        verbose_name_plural = _("tasks of a template")
        ordering = ["template", "step"]
        constraints = [
            models.UniqueConstraint(
                fields=["template", "step"], name="campaigns_templatetask_step"
            )
        ]

    def __str__(self) -> str:
        return self.title


class CampaignQuerySet(models.QuerySet["Campaign"]):
    def visible_to(self, staff: Staff) -> CampaignQuerySet:
        """Campaigns of the person's data controller, in the person's subtree."""
        scope = controller_scope(
            staff, controller="org_unit__controller", unit="org_unit"
        )
        return self.none() if scope is None else self.filter(scope)

    def open(self) -> CampaignQuerySet:
        return self.exclude(state__in=[Campaign.State.CLOSED, Campaign.State.CANCELLED])


class Campaign(models.Model):
    """One campaign: warm-up, live and recap around its live date (T0)."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        RUNNING = "running", _("Running")
        CLOSED = "closed", pgettext_lazy("a campaign", "Closed")
        CANCELLED = "cancelled", _("Cancelled")

    org_unit = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="campaigns",
        verbose_name=_("org unit"),
    )
    name = models.CharField(_("name"), max_length=80)
    template = models.ForeignKey(
        CampaignTemplate,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="campaigns",
        verbose_name=_("template"),
    )
    goal = models.TextField(_("goal"), blank=True)
    product_tie = models.CharField(_("product tie"), max_length=200, blank=True)
    owner = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", verbose_name=_("owner")
    )
    live_date = models.DateField(_("live date (T0)"))
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.DRAFT
    )
    # Grows with every change; a page writes only over the revision it has read.
    revision = models.PositiveIntegerField(default=1, editable=False)
    created_by = models.ForeignKey(
        Staff, on_delete=models.PROTECT, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        verbose_name = _("campaign")
        verbose_name_plural = _("campaigns")
        ordering = ["-live_date", "-id"]
        indexes = [
            models.Index(fields=["org_unit", "-live_date"], name="campaigns_of_unit")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_over(self) -> bool:
        return self.state in (self.State.CLOSED, self.State.CANCELLED)

    def day(self, offset: int) -> date:
        """The date `offset` days from the live date."""
        return self.live_date + timedelta(days=offset)


class OfCampaignQuerySet(models.QuerySet[Any]):
    """Rows with a key `campaign`."""

    def visible_to(self, staff: Staff) -> OfCampaignQuerySet:
        return self.filter(campaign__in=Campaign.objects.visible_to(staff))


class Phase(models.Model):
    """Warm-up, live or recap of one campaign, in days from its live date."""

    campaign = models.ForeignKey(
        Campaign,
        on_delete=models.CASCADE,
        related_name="phases",
        verbose_name=_("campaign"),
    )
    kind = models.CharField(_("phase"), max_length=8, choices=PhaseKind.choices)
    start_day = models.SmallIntegerField(_("from day"))
    end_day = models.SmallIntegerField(_("to day"))

    objects = OfCampaignQuerySet.as_manager()

    class Meta:
        verbose_name = _("phase")
        verbose_name_plural = _("phases")
        ordering = ["campaign", "start_day"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "kind"], name="campaigns_phase_once"
            ),
            models.CheckConstraint(
                condition=models.Q(end_day__gte=models.F("start_day")),
                name="campaigns_phase_order",
                violation_error_message=_("The end must not be before the start."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign} · {self.get_kind_display()}"

    @property
    def starts_on(self) -> date:
        return self.campaign.day(self.start_day)

    @property
    def ends_on(self) -> date:
        return self.campaign.day(self.end_day)


class GateItem(models.Model):
    """One line of the checklist of a gate: G0 brief, G1 readiness, G2 close, G3 recap."""

    class Code(models.TextChoices):
        G0 = "G0", _("G0 Brief")
        G1 = "G1", _("G1 Readiness")
        G2 = "G2", _("G2 Close")
        G3 = "G3", _("G3 Final recap")

    campaign = models.ForeignKey(
        Campaign,
        on_delete=models.CASCADE,
        related_name="gate_items",
        verbose_name=_("campaign"),
    )
    code = models.CharField(_("gate"), max_length=2, choices=Code.choices)
    position = models.PositiveSmallIntegerField(_("position"), default=1)
    title = models.CharField(_("point"), max_length=200)
    # Days from the live date.
    due_day = models.SmallIntegerField(_("due day"), default=0)
    note = models.CharField(_("note"), max_length=300, blank=True)
    done_at = models.DateTimeField(_("done at"), null=True, blank=True)
    done_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("done by"),
    )

    objects = OfCampaignQuerySet.as_manager()

    class Meta:
        verbose_name = _("gate point")
        verbose_name_plural = _("gate points")
        ordering = ["campaign", "code", "position", "id"]

    def __str__(self) -> str:
        return self.title

    @property
    def due_on(self) -> date:
        return self.campaign.day(self.due_day)


class TaskQuerySet(OfCampaignQuerySet):
    def open(self) -> TaskQuerySet:
        """Not done yet, of campaigns that are not over."""
        over = (Campaign.State.CLOSED, Campaign.State.CANCELLED)
        return self.exclude(state__in=Task.OVER).exclude(campaign__state__in=over)

    def with_end(self) -> TaskQuerySet:
        """Adds `end`, the last date of each task."""
        days = models.ExpressionWrapper(
            models.F("campaign__live_date") + models.F("end_day"),
            output_field=models.DateField(),
        )
        rows: TaskQuerySet = self.annotate(end=days)
        return rows


class Task(TaskFields):
    """Work of one campaign, with its dates relative to the live date."""

    class State(models.TextChoices):
        TODO = "todo", _("To do")
        DOING = "doing", _("In progress")
        DONE = "done", _("Done")
        SKIPPED = "skipped", _("Skipped")

    OVER = (State.DONE, State.SKIPPED)

    campaign = models.ForeignKey(
        Campaign,
        on_delete=models.CASCADE,
        related_name="tasks",
        verbose_name=_("campaign"),
    )
    phase = models.ForeignKey(
        Phase, on_delete=models.CASCADE, related_name="tasks", verbose_name=_("phase")
    )
    assignee = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="campaign_tasks",
        verbose_name=_("assignee"),
    )
    depends_on = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="dependents",
        verbose_name=_("depends on"),
    )
    state = models.CharField(
        _("state"), max_length=8, choices=State.choices, default=State.TODO
    )
    proof = models.CharField(_("proof given"), max_length=500, blank=True)
    done_at = models.DateTimeField(_("done at"), null=True, blank=True)
    done_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("done by"),
    )

    objects = TaskQuerySet.as_manager()

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        ordering = ["campaign", "start_day", "step", "id"]

    def __str__(self) -> str:
        return self.title

    @property
    def starts_on(self) -> date:
        return self.campaign.day(self.start_day)

    @property
    def ends_on(self) -> date:
        return self.campaign.day(self.end_day)

    @property
    def is_over(self) -> bool:
        return self.state in self.OVER

    def is_overdue(self, today: date) -> bool:
        return not self.is_over and self.ends_on < today
