"""Who works here, where they belong and what they approved."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser, UserManager
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import connection, models
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from core.registry import writer_labels

if TYPE_CHECKING:
    from staff.models import Staff as StaffType


class OrgUnitQuerySet(models.QuerySet["OrgUnit"]):
    def visible_to(self, staff: StaffType) -> OrgUnitQuerySet:
        """Units in the person's subtree and of the same data controller."""
        if staff.is_superuser:
            return self
        unit = staff.org_unit
        if unit is None or not staff.is_active:
            return self.none()
        return self.filter(path__startswith=unit.path, controller_id=unit.controller_id)


class OrgUnit(models.Model):
    """Brand → region → dealer → store.

    `path` is the materialised path of ids, "/1/4/9/". `controller` is the data
    controller (PIPL) the unit belongs to: the nearest unit upwards, itself included,
    with `is_separate_controller`, else the root. Nobody outside a controller sees its
    people.
    """

    class Kind(models.TextChoices):
        BRAND = "brand", _("Brand")
        REGION = "region", _("Region")
        DEALER = "dealer", _("Dealer")
        STORE = "store", _("Store")

    name = models.CharField(_("name"), max_length=80)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    parent = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="children",
        verbose_name=_("parent"),
    )
    path = models.CharField(_("path"), max_length=200, editable=False, db_index=True)
    is_separate_controller = models.BooleanField(
        _("separate data controller"),
        default=False,
        help_text=_("A dealer that answers for its own customers' data."),
    )
    controller = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("data controller"),
    )
    latitude = models.DecimalField(
        _("latitude"),
        max_digits=9,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(-90), MaxValueValidator(90)],
        help_text=_("Of a store, in degrees, as Tencent or Amap maps show it."),
    )
    longitude = models.DecimalField(
        _("longitude"),
        max_digits=9,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(-180), MaxValueValidator(180)],
    )
    is_active = models.BooleanField(_("active"), default=True)

    objects = OrgUnitQuerySet.as_manager()

    class Meta:
        verbose_name = _("org unit")
        verbose_name_plural = _("org units")
        ordering = ["path"]
        indexes = [
            models.Index(
                fields=["path"],
                name="staff_orgunit_path_prefix",
                opclasses=["varchar_pattern_ops"],
            )
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        parent = self.parent
        path = f"{parent.path if parent else '/'}{self.pk}/"
        is_controller = self.is_separate_controller or parent is None
        controller_id: int | None = (
            self.pk if parent is None or is_controller else parent.controller_id
        )
        if (path, controller_id) != (self.path, self.controller_id):
            self.path, self.controller_id = path, controller_id
            type(self).objects.filter(pk=self.pk).update(
                path=path, controller_id=controller_id
            )

    def clean(self) -> None:
        """A store has both coordinates or none; what is no store has none."""
        super().clean()
        if (self.latitude is None) != (self.longitude is None):
            empty = "latitude" if self.latitude is None else "longitude"
            raise ValidationError({empty: _("Give both coordinates, or none.")})
        if self.latitude is not None and self.kind != self.Kind.STORE:
            raise ValidationError({"latitude": _("Only stores have a place.")})

    def line(self) -> list[OrgUnit]:
        """The unit and those above it, the brand first."""
        keys = [int(key) for key in self.path.strip("/").split("/") if key]
        found = OrgUnit.objects.in_bulk(keys)
        return [found[key] for key in keys if key in found]


class StaffQuerySet(models.QuerySet["Staff"]):
    def visible_to(self, staff: Staff) -> StaffQuerySet:
        """Colleagues in the person's own subtree, and always the person."""
        if staff.is_superuser:
            return self
        units = OrgUnit.objects.visible_to(staff)
        return self.filter(models.Q(org_unit__in=units) | models.Q(pk=staff.pk))

    def working(self) -> StaffQuerySet:
        return self.filter(is_active=True, is_system=False)


class StaffManager(UserManager["Staff"]):
    """Django's account manager over our QuerySet."""

    def get_queryset(self) -> StaffQuerySet:
        return StaffQuerySet(self.model, using=self._db)

    def visible_to(self, staff: Staff) -> StaffQuerySet:
        return self.get_queryset().visible_to(staff)

    def working(self) -> StaffQuerySet:
        return self.get_queryset().working()


# In one row: hundreds of rights, asked for by every page.
RIGHTS = """
SELECT array_agg(content_type.app_label || '.' || permission.codename)
FROM auth_permission permission
JOIN django_content_type content_type ON content_type.id = permission.content_type_id
WHERE permission.id IN (
    SELECT permission_id FROM staff_staff_user_permissions WHERE staff_id = %(staff)s
    UNION ALL
    SELECT of_role.permission_id FROM auth_group_permissions of_role
    JOIN staff_staff_groups member ON member.group_id = of_role.group_id
    WHERE member.staff_id = %(staff)s
)
"""


class Staff(AbstractUser):
    """A person who works in the console, or one automatic writer (`is_system`).

    Never deleted, only deactivated: the audit trail points here.
    """

    display_name = models.CharField(_("display name"), max_length=60)
    org_unit = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="staff",
        verbose_name=_("org unit"),
    )
    language = models.CharField(
        _("language"),
        max_length=10,
        choices=settings.LANGUAGES,
        default="zh-hans",
    )
    is_system = models.BooleanField(_("automatic writer"), default=False)
    must_change_password = models.BooleanField(_("must change password"), default=False)
    deactivated_at = models.DateTimeField(_("deactivated at"), null=True, blank=True)

    # A new temporary password on its way to the page that shows it once; never stored.
    password_once: str = ""

    objects = StaffManager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("staff member")
        verbose_name_plural = _("staff")
        permissions = [
            ("deactivate_staff", _("Can deactivate and reactivate staff")),
            ("reset_password_staff", _("Can reset passwords")),
        ]
        ordering = ["display_name", "id"]

    def __str__(self) -> str:
        if self.is_system:
            return str(writer_labels.get(self.display_name, self.display_name))
        return self.display_name or self.username

    def get_full_name(self) -> str:
        return self.display_name

    @cached_property
    def rights(self) -> frozenset[str]:
        """What roles and the person's own permissions allow, as "app.codename".

        Read once per object. A superuser may do everything and has it not written here.
        """
        if not self.is_active:
            return frozenset()
        with connection.cursor() as cursor:
            cursor.execute(RIGHTS, {"staff": self.pk})
            (names,) = cursor.fetchone()
        return frozenset(names or ())

    def has_perm(self, perm: str, obj: Any = None) -> bool:
        if obj is not None or not self.is_active:
            return super().has_perm(perm, obj)
        return self.is_superuser or perm in self.rights

    def has_module_perms(self, app_label: str) -> bool:
        if not self.is_active:
            return False
        start = f"{app_label}."
        return self.is_superuser or any(
            right.startswith(start) for right in self.rights
        )

    def get_all_permissions(self, obj: Any = None) -> set[str]:
        if obj is not None or self.is_superuser:
            return super().get_all_permissions(obj)
        return set(self.rights)


class ApprovalQuerySet(models.QuerySet["Approval"]):
    def visible_to(self, staff: Staff) -> ApprovalQuerySet:
        return self.filter(requested_by__in=Staff.objects.visible_to(staff))

    def open(self, now: datetime | None = None) -> ApprovalQuerySet:
        return self.filter(
            state=Approval.State.REQUESTED, expires_at__gt=now or timezone.now()
        )


class Approval(models.Model):
    """A second person's yes to exactly what `digest` covers; any change voids it."""

    class State(models.TextChoices):
        REQUESTED = "requested", _("Requested")
        APPROVED = "approved", _("Approved")
        REFUSED = "refused", _("Refused")
        VOID = "void", _("Void")

    action = models.CharField(_("action"), max_length=60)
    subject_type = models.CharField(_("subject type"), max_length=80)
    subject_id = models.CharField(_("subject"), max_length=64)
    summary = models.CharField(_("summary"), max_length=300)
    digest = models.CharField(_("digest"), max_length=64)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.REQUESTED
    )
    requested_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="approvals_requested",
        verbose_name=_("requested by"),
    )
    approver = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="approvals_given",
        verbose_name=_("approver"),
    )
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    requested_at = models.DateTimeField(_("requested at"), auto_now_add=True)
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True)
    expires_at = models.DateTimeField(_("expires at"))

    objects = ApprovalQuerySet.as_manager()

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(approver__isnull=True)
                | ~models.Q(approver=models.F("requested_by")),
                name="staff_approval_two_people",
                violation_error_message=_("Another person must approve this."),
            ),
            models.UniqueConstraint(
                fields=["action", "subject_type", "subject_id"],
                condition=models.Q(state="requested"),
                name="staff_approval_one_open",
            ),
        ]

    def __str__(self) -> str:
        return self.summary


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def visible_to(self, staff: Staff) -> ApiTokenQuerySet:
        return self.filter(staff__in=Staff.objects.visible_to(staff))

    def usable(self) -> ApiTokenQuerySet:
        """Tokens that open the API now: not revoked, of somebody who works here."""
        return self.filter(
            revoked_at__isnull=True, staff__is_active=True, staff__is_system=False
        )


class ApiToken(models.Model):
    """A key of one person for the API. Only its SHA-256 is kept (staff.tokens).

    `prefix` is the part people may see, to tell one token from another.
    """

    staff = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="api_tokens",
        verbose_name=_("staff member"),
    )
    name = models.CharField(_("name"), max_length=60)
    prefix = models.CharField(_("begins with"), max_length=12, editable=False)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    created_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("created by"),
    )
    last_used_at = models.DateTimeField(_("last used at"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["staff"],
                condition=models.Q(revoked_at__isnull=True),
                name="staff_apitoken_unrevoked",
            )
        ]

    def __str__(self) -> str:
        return f"{self.prefix}…"

    def note_use(self, now: datetime) -> None:
        """Remember the use, to the minute: a busy client costs one write a minute."""
        if self.last_used_at and (now - self.last_used_at).total_seconds() < 60:
            return
        self.last_used_at = now
        self.save(update_fields=["last_used_at"])


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def visible_to(self, staff: StaffType) -> SavedViewQuerySet:
        """Everybody's own."""
        return self.filter(staff=staff)


class SavedView(models.Model):
    """A look at a list that somebody comes back to: its query string under a name.

    `page` names the list ("crm.member"); the default one opens by itself.
    """

    staff = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="saved_views",
        verbose_name=_("staff member"),
        # The unique triple begins with it.
        db_index=False,
    )
    page = models.CharField(_("page"), max_length=60)
    name = models.CharField(_("name"), max_length=30)
    query = models.CharField(_("filters"), max_length=2000)
    is_default = models.BooleanField(_("opens by itself"), default=False)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        ordering = ["id"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["staff", "page", "name"], name="staff_savedview_name"
            ),
            models.UniqueConstraint(
                fields=["staff", "page"],
                condition=models.Q(is_default=True),
                name="staff_savedview_one_default",
            ),
        ]

    def __str__(self) -> str:
        return self.name
