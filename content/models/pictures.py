"""Pictures of content, kept once; what the platform holds of them is a copy per app."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from staff.models import OrgUnit, Staff
from wechat.models import App, Media


class PictureQuerySet(models.QuerySet["Picture"]):
    def visible_to(self, staff: Staff) -> PictureQuerySet:
        from content.models.items import units_read_by

        return self.filter(org_unit__in=units_read_by(staff))


class Picture(models.Model):
    """A checked and re-encoded picture; `file` is a path below MEDIA_ROOT made by us."""

    org_unit = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="content_pictures",
        verbose_name=_("org unit"),
    )
    file = models.CharField(max_length=200, unique=True)
    sha256 = models.CharField(max_length=64)
    content_type = models.CharField(max_length=60)
    size_bytes = models.PositiveIntegerField(_("bytes"))
    width = models.PositiveIntegerField(_("width"))
    height = models.PositiveIntegerField(_("height"))
    created_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = PictureQuerySet.as_manager()

    class Meta:
        verbose_name = _("content picture")
        verbose_name_plural = _("content pictures")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["org_unit", "sha256"], name="content_picture_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.width} × {self.height}"


class PictureCopyQuerySet(models.QuerySet["PictureCopy"]):
    def visible_to(self, staff: Staff) -> PictureCopyQuerySet:
        return self.filter(picture__in=Picture.objects.visible_to(staff))


class PictureCopy(models.Model):
    """The gateway's row of a picture for one app, made when it is first sent there."""

    picture = models.ForeignKey(
        Picture, on_delete=models.CASCADE, related_name="copies"
    )
    app = models.ForeignKey(App, on_delete=models.PROTECT, related_name="+")
    media = models.ForeignKey(Media, on_delete=models.PROTECT, related_name="+")

    objects = PictureCopyQuerySet.as_manager()

    class Meta:
        verbose_name = _("copy of a picture")
        verbose_name_plural = _("copies of pictures")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["picture", "app"], name="content_picture_copy_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.picture_id} → {self.app_id}"
