"""Items of content and their versions, which are fixed once somebody was asked to read."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from content.models.pictures import Picture
from staff.models import OrgUnit, Staff

TITLE_LENGTH = 64


def units_read_by(staff: Staff) -> models.QuerySet[OrgUnit]:
    """The person's subtree and, inside the same data controller, the units above.

    A store works with what the brand it belongs to says; of a sibling it sees nothing.
    """
    below = OrgUnit.objects.visible_to(staff)
    home = staff.org_unit
    if staff.is_superuser or home is None or not staff.is_active:
        return below
    above = [int(pk) for pk in home.path.strip("/").split("/")]
    return OrgUnit.objects.filter(
        models.Q(pk__in=below.values("pk")) | models.Q(pk__in=above),
        controller_id=home.controller_id,
    )


class ItemQuerySet(models.QuerySet["Item"]):
    def visible_to(self, staff: Staff) -> ItemQuerySet:
        return self.filter(org_unit__in=units_read_by(staff))

    def writable_by(self, staff: Staff) -> ItemQuerySet:
        """Of the person's own subtree: what stands above is read, not changed."""
        return self.filter(org_unit__in=OrgUnit.objects.visible_to(staff))


class Item(models.Model):
    """One thing to say, whose words live in its versions.

    `state` is kept by content.states from the versions and slots, in the transaction that
    changes them: scheduled means an approved version has a planned slot, published that
    a slot went out and nothing newer is under way.
    """

    class Kind(models.TextChoices):
        TEXT = "text", _("Text")
        PICTURE = "picture", _("Picture")
        ARTICLE = "article", _("Article")

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        IN_REVIEW = "in_review", pgettext_lazy("content", "In review")
        APPROVED = "approved", pgettext_lazy("content", "Approved")
        SCHEDULED = "scheduled", _("Scheduled")
        PUBLISHED = "published", _("Published")
        ARCHIVED = "archived", _("Archived")

    class Source(models.TextChoices):
        PRODUCT = "product", _("Product")
        FANS = "fans", _("Fan content")
        NEW_USE = "new_use", _("New use")
        PROBLEM = "problem", _("Solved problem")
        EFFECT = "effect", _("Real effect")

    class Subject(models.TextChoices):
        """What the tags of interest tell apart."""

        NEW = "new", _("New product")
        HOW_TO = "how_to", _("How-to")
        ORIGIN = "origin", _("Origin story")

    class Rights(models.TextChoices):
        OWN = "own", _("Own work")
        LICENSED = "licensed", _("Licensed")
        CONSENT = "consent", _("Customer agreed")
        UNKNOWN = "unknown", _("Not cleared")

    org_unit = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="content_items",
        verbose_name=_("org unit"),
    )
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices)
    title = models.CharField(
        _("title"),
        max_length=TITLE_LENGTH,
        help_text=_("For colleagues; customers read the headline of an article."),
    )
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.DRAFT
    )
    owner = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="content_items",
        verbose_name=pgettext_lazy("content", "owner"),
    )
    source_type = models.CharField(
        pgettext_lazy("content", "source"),
        max_length=8,
        choices=Source.choices,
        blank=True,
    )
    subject = models.CharField(
        _("content subject"),
        max_length=8,
        choices=Subject.choices,
        blank=True,
        default="",
        db_default="",
    )
    # Code of a category of the catalogue (content.registry.categories_for).
    category = models.CharField(
        _("product category"), max_length=40, blank=True, default="", db_default=""
    )
    cta = models.CharField(_("call to action"), max_length=60, blank=True)
    product_tie = models.CharField(_("product tie"), max_length=100, blank=True)
    rights = models.CharField(
        _("rights"), max_length=8, choices=Rights.choices, default=Rights.OWN
    )
    rights_note = models.CharField(
        _("rights: note"),
        max_length=200,
        blank=True,
        help_text=_("Author, licence and until when, or where the consent is kept."),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now)

    objects = ItemQuerySet.as_manager()

    class Meta:
        verbose_name = _("content item")
        verbose_name_plural = _("content items")
        ordering = ["-id"]
        permissions = [
            ("submit_item", _("Can submit content for review")),
            ("approve_item", _("Can approve and return content")),
            ("schedule_item", _("Can plan, move and cancel slots")),
        ]
        indexes = [
            models.Index(fields=["org_unit", "-id"], name="content_item_of_unit"),
            models.Index(fields=["state", "-id"], name="content_item_state"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_archived(self) -> bool:
        return self.state == self.State.ARCHIVED


class VersionQuerySet(models.QuerySet["Version"]):
    def visible_to(self, staff: Staff) -> VersionQuerySet:
        return self.filter(item__in=Item.objects.visible_to(staff))

    def approved(self) -> VersionQuerySet:
        return self.filter(state=Version.State.APPROVED)


class Version(models.Model):
    """The words and picture of an item at one time.

    A draft is written in place; from the moment it is submitted a trigger
    (content_version_fixed) refuses every change of what it says, and a change is a new
    version. `body` is what is sent of a text; of an article the source in the small
    mark-up of content.markup. `author_ids`: everybody who wrote it; none of them may
    approve it (the trigger refuses that too). `digest`: SHA-256 of what is said.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        IN_REVIEW = "in_review", pgettext_lazy("content", "In review")
        APPROVED = "approved", pgettext_lazy("content", "Approved")
        RETURNED = "returned", _("Returned")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    CONTENT_FIELDS = (
        "headline",
        "summary",
        "byline",
        "body",
        "source_url",
        "picture_id",
    )

    item = models.ForeignKey(
        Item,
        on_delete=models.CASCADE,
        related_name="versions",
        verbose_name=_("content item"),
    )
    number = models.PositiveIntegerField(pgettext_lazy("content", "number"))
    state = models.CharField(
        _("state"), max_length=9, choices=State.choices, default=State.DRAFT
    )
    headline = models.CharField(_("headline"), max_length=TITLE_LENGTH, blank=True)
    summary = models.CharField(
        pgettext_lazy("content", "summary"), max_length=128, blank=True
    )
    byline = models.CharField(_("author"), max_length=16, blank=True)
    body = models.TextField(pgettext_lazy("content", "body"), blank=True)
    source_url = models.URLField(_("“Read more” link"), max_length=500, blank=True)
    picture = models.ForeignKey(
        Picture,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="versions",
        verbose_name=_("picture"),
    )
    digest = models.CharField(
        pgettext_lazy("content", "digest"), max_length=64, editable=False
    )
    author_ids = ArrayField(models.BigIntegerField(), default=list, editable=False)
    created_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    changed_at = models.DateTimeField(_("changed at"), default=timezone.now)
    submitted_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("submitted by"),
    )
    submitted_at = models.DateTimeField(_("submitted at"), null=True, blank=True)
    approved_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("approved by"),
    )
    approved_at = models.DateTimeField(_("approved at"), null=True, blank=True)
    returned_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("returned by"),
    )
    returned_at = models.DateTimeField(_("returned at"), null=True, blank=True)
    review_note = models.CharField(_("review comment"), max_length=500, blank=True)

    objects = VersionQuerySet.as_manager()

    class Meta:
        verbose_name = _("content version")
        verbose_name_plural = _("content versions")
        ordering = ["item", "-number"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["item", "number"], name="content_version_number"
            ),
            models.UniqueConstraint(
                fields=["item"],
                condition=models.Q(state__in=["draft", "in_review"]),
                name="content_version_one_open",
            ),
            models.CheckConstraint(
                condition=~models.Q(state="approved")
                | models.Q(approved_by__isnull=False, approved_at__isnull=False),
                name="content_version_approved_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item} v{self.number}"

    @property
    def is_approved(self) -> bool:
        return self.state == self.State.APPROVED

    @property
    def is_fixed(self) -> bool:
        return self.state != self.State.DRAFT

    def content(self) -> dict[str, Any]:
        """What it says, by field; the shape that is digested and compared."""
        return {name: getattr(self, name) for name in self.CONTENT_FIELDS}

    def digest_now(self) -> str:
        """SHA-256 of kind, words, link and the pixels of the picture."""
        said = self.content() | {"kind": self.item.kind}
        said["picture_id"] = self.picture.sha256 if self.picture else ""
        text = json.dumps(said, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()
