"""Tags of members: the words, who carries them, and the array audiences are read from."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models.people import Member
from crm.models.shared import Shared, SharedQuerySet
from staff.models import Staff


class Source(models.TextChoices):
    """Who put a tag on somebody."""

    AUTO = "auto", _("By rule")
    MANUAL = "manual", _("By hand")
    SYNC = "sync", _("From another system")
    IMPORT = "import", _("Imported")


class TagGroupQuerySet(SharedQuerySet["TagGroup"]):
    pass


class TagGroup(Shared):
    """What belongs together: of an exclusive group a member carries one tag at most.

    Without a controller the group is shared by all; the built-in ones are
    (crm/data/tag_taxonomy.csv).
    """

    code = models.SlugField(_("code"), max_length=40)
    name = models.CharField(_("name"), max_length=40)
    source = models.CharField(
        _("source"), max_length=6, choices=Source.choices, default=Source.MANUAL
    )
    is_exclusive = models.BooleanField(
        _("one tag per member"),
        default=False,
        help_text=_("A new tag of the group takes the place of the old one."),
    )
    expires_after_days = models.PositiveIntegerField(
        _("expires after"),
        null=True,
        blank=True,
        help_text=_("Days after which a tag comes off by itself; empty: never."),
    )

    objects = TagGroupQuerySet.as_manager()

    class Meta:
        verbose_name = _("tag group")
        verbose_name_plural = _("tag groups")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["controller", "code"],
                name="crm_taggroup_code",
                nulls_distinct=False,
                violation_error_message=_("There is a group with this code already."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class TagQuerySet(SharedQuerySet["Tag"]):
    def in_use(self) -> TagQuerySet:
        return self.filter(archived_at__isnull=True)


class Tag(Shared):
    """One word for members. A shared tag (no controller) is on everybody's list."""

    group = models.ForeignKey(
        TagGroup,
        on_delete=models.PROTECT,
        related_name="tags",
        verbose_name=_("tag group"),
    )
    name = models.CharField(_("name"), max_length=40)
    rule = models.CharField(
        _("rule"),
        max_length=200,
        blank=True,
        help_text=_("When a member gets it, for colleagues to read."),
    )
    is_suppressing = models.BooleanField(
        _("no marketing"),
        default=False,
        help_text=_("Who carries it is left out of every campaign."),
    )
    archived_at = models.DateTimeField(_("archived at"), null=True, blank=True)
    # Null: before this was kept.
    created_at = models.DateTimeField(
        _("created at"), default=timezone.now, null=True, editable=False
    )
    # Of the built-in tags: what the next update knows them by, whatever they are called.
    builtin_key = models.CharField(max_length=80, blank=True, editable=False)

    objects = TagQuerySet.as_manager()

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["group", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["group", "controller", "name"],
                name="crm_tag_once",
                nulls_distinct=False,
                violation_error_message=_("The group has a tag of this name already."),
            ),
            models.UniqueConstraint(
                fields=["builtin_key"],
                condition=~models.Q(builtin_key=""),
                name="crm_tag_builtin",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_archived(self) -> bool:
        return self.archived_at is not None


class MemberTagQuerySet(models.QuerySet["MemberTag"]):
    def visible_to(self, staff: Staff) -> MemberTagQuerySet:
        return self.filter(member__in=Member.objects.visible_to(staff))

    def in_order(self) -> MemberTagQuerySet:
        """As the groups stand on the tag list."""
        return self.order_by("tag__group_id", "tag_id")

    def expired(self, now: datetime | None = None) -> MemberTagQuerySet:
        return self.filter(expires_at__lte=now or timezone.now())


class MemberTag(models.Model):
    """Who carries a tag, since when and by whom; crm.tagging is the one writer."""

    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="member_tags",
        verbose_name=_("member"),
        # The unique pair begins with it.
        db_index=False,
    )
    tag = models.ForeignKey(
        Tag,
        on_delete=models.PROTECT,
        related_name="member_tags",
        verbose_name=_("tag"),
    )
    source = models.CharField(
        _("source"), max_length=6, choices=Source.choices, default=Source.MANUAL
    )
    set_by = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("set by"),
        db_index=False,
    )
    set_at = models.DateTimeField(_("set at"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)

    objects = MemberTagQuerySet.as_manager()

    class Meta:
        verbose_name = _("tag of a member")
        verbose_name_plural = _("tags of members")
        constraints = [
            models.UniqueConstraint(fields=["member", "tag"], name="crm_membertag_once")
        ]
        indexes = [
            models.Index(
                fields=["expires_at"],
                condition=models.Q(expires_at__isnull=False),
                name="crm_membertag_expires",
            )
        ]

    def __str__(self) -> str:
        return f"{self.member_id}–{self.tag_id}"

    @property
    def origin(self) -> str:
        """Where it came from and who put it on; of a rule's tag that it was the rule."""
        source = str(self.get_source_display())
        if self.source == Source.AUTO and self.set_by.is_system:
            return source
        return f"{source} · {self.set_by}"


class TagSetQuerySet(models.QuerySet["TagSet"]):
    def visible_to(self, staff: Staff) -> TagSetQuerySet:
        return self.filter(member__in=Member.objects.visible_to(staff))


class TagSet(models.Model):
    """The tags of one member as one array, beside the wide row of the member.

    Triggers on MemberTag keep it in the transaction of the change; nothing else writes
    it. Who carries no tag may have no row.
    """

    member = models.OneToOneField(
        Member,
        on_delete=models.PROTECT,
        primary_key=True,
        related_name="tag_set",
        verbose_name=_("member"),
        # The rows it is made of are checked already.
        db_constraint=False,
    )
    tag_ids = ArrayField(models.BigIntegerField(), default=list)

    objects = TagSetQuerySet.as_manager()

    class Meta:
        verbose_name = _("tag set")
        verbose_name_plural = _("tag sets")
        default_permissions = ()
        indexes = [GinIndex(fields=["tag_ids"], name="crm_tagset_tags")]

    def __str__(self) -> str:
        return f"{self.member_id}: {len(self.tag_ids)}"
