"""Members, how the platforms call them, what happened, what they agreed."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.encryption import EncryptedTextField
from staff.models import OrgUnit, Staff
from staff.scope import controller_scope
from wechat.models import Account, Colleague


class MemberQuerySet(models.QuerySet["Member"]):
    def visible_to(self, staff: Staff) -> MemberQuerySet:
        """Members of the person's data controller, in the person's subtree."""
        scope = controller_scope(staff, controller="controller", unit="org_unit")
        return self.none() if scope is None else self.filter(scope)

    def known(self) -> MemberQuerySet:
        """Members who were neither merged into another nor purged."""
        return self.filter(merged_into__isnull=True, purged_at__isnull=True)

    def held(self, pk: int) -> Member:
        """Who `pk` stands for now, kept from being merged or purged until the end.

        Whoever was found before may have become another since. Inside a transaction.
        """
        while True:
            pk = self.values_list("merged_into", flat=True).get(pk=pk) or pk
            row = self.select_for_update(no_key=True).get(pk=pk)
            if row.merged_into_id is None:
                return row

    def due_for_purge(self, now: datetime | None = None) -> MemberQuerySet:
        return self.known().filter(purge_due_at__lte=now or timezone.now())


class Member(models.Model):
    """One person, as one data controller knows them."""

    class Stage(models.TextChoices):
        PROSPECT = "prospect", _("Prospect")
        NEW = "new", _("New customer")
        GROWING = "growing", _("Growing")
        LOYAL = "loyal", _("Loyal")
        AT_RISK = "at_risk", _("At risk")
        DORMANT = "dormant", _("Dormant")
        CHURNED = "churned", _("Churned")
        WON_BACK = "won_back", _("Won back")

    class Rfm(models.TextChoices):
        """Domain: group 价值分层RFM; the letters say which of R, F, M are high."""

        CHAMPIONS = "rfm", _("Champions")
        TO_DEVELOP = "rm", _("Big spender to develop")
        TO_WIN_BACK = "fm", _("Important to win back")
        TO_RETAIN = "m", _("Important to retain")
        REGULAR = "rf", _("Regular")
        RECENT = "r", _("Recent")
        FADING = "f", _("Fading")
        LOST = "none", _("Lost cheap")

    class Trust(models.TextChoices):
        T0 = "T0", "T0"
        T1 = "T1", "T1"
        T2 = "T2", "T2"
        T3 = "T3", "T3"

    class Gender(models.TextChoices):
        FEMALE = "f", _("Female")
        MALE = "m", _("Male")

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
        related_name="members",
        verbose_name=_("store"),
    )
    display_name = models.CharField(_("display name"), max_length=80)
    # No platform told us a name yet: `display_name` is made up (crm.naming).
    is_placeholder_name = models.BooleanField(default=False, editable=False)
    remark = models.CharField(_("remark"), max_length=80, blank=True)
    # Bigrams of name and remark, for fragments of Chinese names (crm.naming makes them).
    name_tokens = ArrayField(
        models.CharField(max_length=8), default=list, blank=True, editable=False
    )
    stage = models.CharField(
        _("stage"), max_length=10, choices=Stage.choices, default=Stage.PROSPECT
    )
    rfm = models.CharField(
        _("RFM segment"), max_length=4, choices=Rfm.choices, blank=True
    )
    trust = models.CharField(
        _("trust"), max_length=2, choices=Trust.choices, default=Trust.T0
    )
    owner = models.ForeignKey(
        Staff,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="owned_members",
        verbose_name=pgettext_lazy("a member", "owner"),
        db_index=False,
    )
    gender = models.CharField(
        _("gender"), max_length=1, choices=Gender.choices, blank=True
    )
    birthday = models.DateField(_("birthday"), null=True, blank=True)
    city = models.CharField(_("city"), max_length=40, blank=True)
    real_name = EncryptedTextField(_("real name"), blank=True)
    phone = EncryptedTextField(_("phone"), blank=True)
    phone_hash = models.CharField(max_length=64, blank=True, editable=False)
    phone_tail_hash = models.CharField(max_length=64, blank=True, editable=False)
    is_reachable = models.BooleanField(_("reachable"), default=True)
    unreachable_at = models.DateTimeField(_("unreachable at"), null=True, blank=True)
    opted_out_at = models.DateTimeField(_("opted out at"), null=True, blank=True)
    # Until when a complaint keeps all marketing away (domain: frequency norms).
    frozen_until = models.DateTimeField(
        _("marketing frozen until"), null=True, blank=True
    )
    # PIPL Art. 24: only what everybody gets may reach them.
    no_personalisation = models.BooleanField(_("no personalisation"), default=False)
    purge_due_at = models.DateTimeField(_("purge due at"), null=True, blank=True)
    purged_at = models.DateTimeField(_("purged at"), null=True, blank=True)
    merged_into = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="merged_members",
        verbose_name=_("merged into"),
    )
    first_seen_at = models.DateTimeField(_("first seen at"), default=timezone.now)
    last_seen_at = models.DateTimeField(_("last seen at"), default=timezone.now)

    objects = MemberQuerySet.as_manager()

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        ordering = ["-last_seen_at", "-id"]
        permissions = [
            ("reveal_member", _("Can reveal a member's phone and real name")),
            ("remark_member", _("Can write a member's remark")),
            ("tag_member", _("Can add and remove a member's tags")),
            ("assign_member", _("Can give a member another owner or store")),
        ]
        indexes = [
            GinIndex(fields=["name_tokens"], name="crm_member_name_tokens"),
            models.Index(
                fields=["controller", "-last_seen_at", "-id"], name="crm_member_recent"
            ),
            models.Index(
                fields=["org_unit", "-last_seen_at"], name="crm_member_unit_recent"
            ),
            models.Index(
                fields=["stage", "-last_seen_at", "-id"], name="crm_member_stage_recent"
            ),
            models.Index(
                fields=["rfm", "-last_seen_at", "-id"],
                condition=~models.Q(rfm=""),
                name="crm_member_rfm_recent",
            ),
            models.Index(
                fields=["owner", "-last_seen_at", "-id"],
                condition=models.Q(owner__isnull=False),
                name="crm_member_owner_recent",
            ),
            models.Index(
                fields=["-last_seen_at", "-id"],
                condition=models.Q(owner__isnull=True),
                name="crm_member_unowned_recent",
            ),
            models.Index(
                fields=["trust", "-last_seen_at", "-id"],
                name="crm_member_trust_recent",
            ),
            # Few: who may not be addressed, each for a reason of its own.
            models.Index(
                fields=["-last_seen_at", "-id"],
                condition=models.Q(is_reachable=False),
                name="crm_member_lost_recent",
            ),
            models.Index(
                fields=["-last_seen_at", "-id"],
                condition=models.Q(opted_out_at__isnull=False),
                name="crm_member_out_recent",
            ),
            models.Index(
                fields=["-last_seen_at", "-id"],
                condition=models.Q(frozen_until__isnull=False),
                name="crm_member_frozen_recent",
            ),
            # For who sees every controller.
            models.Index(fields=["-last_seen_at", "-id"], name="crm_member_seen"),
            models.Index(
                fields=["phone_hash"],
                condition=~models.Q(phone_hash=""),
                name="crm_member_phone",
            ),
            models.Index(
                fields=["phone_tail_hash"],
                condition=~models.Q(phone_tail_hash=""),
                name="crm_member_phone_tail",
            ),
            # Opted out through any record: campaigns leave the others out too.
            models.Index(
                fields=["controller", "phone_hash"],
                condition=models.Q(opted_out_at__isnull=False)
                & ~models.Q(phone_hash=""),
                name="crm_member_refused_phone",
            ),
            models.Index(
                fields=["purge_due_at"],
                condition=models.Q(purge_due_at__isnull=False, purged_at__isnull=True),
                name="crm_member_purge_due",
            ),
        ]

    def __str__(self) -> str:
        return self.remark or self.display_name

    @property
    def masked_phone(self) -> str:
        """The phone with its middle hidden; "" when unknown."""
        return f"{self.phone[:3]}****{self.phone[-4:]}" if self.phone else ""


class IdentityQuerySet(models.QuerySet["Identity"]):
    def visible_to(self, staff: Staff) -> IdentityQuerySet:
        return self.filter(member__in=Member.objects.visible_to(staff))


class Identity(models.Model):
    """What one account (or the open platform, for a unionid) calls a member."""

    class Kind(models.TextChoices):
        OPENID = "openid", _("OpenID")
        UNIONID = "unionid", _("UnionID")
        EXTERNAL_USERID = "external_userid", _("External contact id")
        BUYER = "buyer", _("Buyer id of a shop")

    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="identities",
        verbose_name=_("member"),
    )
    controller = models.ForeignKey(OrgUnit, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(_("kind"), max_length=16, choices=Kind.choices)
    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="identities",
        verbose_name=_("account"),
    )
    value = models.CharField(_("value"), max_length=64)
    is_following = models.BooleanField(_("following"), default=True)
    followed_at = models.DateTimeField(_("followed at"), null=True, blank=True)
    unfollowed_at = models.DateTimeField(_("unfollowed at"), null=True, blank=True)
    scene = models.CharField(_("scene"), max_length=64, blank=True)
    # When the platform is to be asked for the profile (unionid, name); null: done.
    profile_due_at = models.DateTimeField(null=True, blank=True)
    profile_tries = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = IdentityQuerySet.as_manager()

    class Meta:
        verbose_name = _("identity")
        verbose_name_plural = _("identities")
        constraints = [
            models.UniqueConstraint(
                fields=["controller", "kind", "account", "value"],
                name="crm_identity_once",
                nulls_distinct=False,
            )
        ]
        indexes = [
            models.Index(fields=["value"], name="crm_identity_value"),
            # Who follows an account, in the order of members, read without the table.
            models.Index(
                fields=["account", "member"],
                include=["value"],
                condition=models.Q(kind="openid", is_following=True),
                name="crm_identity_reach",
            ),
            models.Index(
                fields=["profile_due_at"],
                condition=models.Q(profile_due_at__isnull=False),
                name="crm_identity_profile_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"


# How a friendship came about (contract B3; WeCom doc 92114).
ADD_WAYS = {
    0: _("unknown way"),
    1: _("scanned a code"),
    2: _("searched the phone number"),
    3: _("shared name card"),
    4: _("group chat"),
    5: _("phone contacts"),
    6: _("WeChat contacts"),
    8: _("support staff added by the platform"),
    9: _("searched the mail address"),
    10: _("Channels"),
    16: _("acquisition link"),
    201: _("shared by a colleague"),
    202: _("assigned by an administrator"),
}


class RelationQuerySet(models.QuerySet["Relation"]):
    def visible_to(self, staff: Staff) -> RelationQuerySet:
        return self.filter(member__in=Member.objects.visible_to(staff))


class Relation(models.Model):
    """A WeCom friendship between a member and a colleague."""

    class State(models.TextChoices):
        PENDING = "pending", _("Added by the customer, not confirmed yet")
        ACTIVE = "active", _("Friends")
        DELETED_BY_COLLEAGUE = "by_colleague", _("Deleted by the colleague")
        DELETED_BY_MEMBER = "by_member", _("Deleted by the customer")

    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="relations",
        verbose_name=_("member"),
    )
    colleague = models.ForeignKey(
        Colleague,
        on_delete=models.PROTECT,
        related_name="relations",
        verbose_name=_("colleague"),
    )
    remark = models.CharField(_("remark"), max_length=80, blank=True)
    description = models.CharField(_("description"), max_length=300, blank=True)
    add_way = models.PositiveSmallIntegerField(_("add way"), null=True, blank=True)
    channel_state = models.CharField(_("channel"), max_length=64, blank=True)
    state = models.CharField(
        _("state"), max_length=12, choices=State.choices, default=State.ACTIVE
    )
    added_at = models.DateTimeField(_("added at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    objects = RelationQuerySet.as_manager()

    class Meta:
        verbose_name = _("relation")
        verbose_name_plural = _("relations")
        constraints = [
            models.UniqueConstraint(
                fields=["member", "colleague"], name="crm_relation_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.member_id}–{self.colleague_id}"

    @property
    def add_way_words(self) -> str:
        return "" if self.add_way is None else str(ADD_WAYS.get(self.add_way, ""))


class Tombstone(models.Model):
    """An identity whose data was purged: what comes late must not bring it back.

    `digest` is a keyed hash of the identity; the value itself is gone. Events up to
    `left_at` are late; what came after it is somebody who came back.
    """

    controller = models.ForeignKey(OrgUnit, on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64)
    left_at = models.DateTimeField(default=timezone.now)
    purged_at = models.DateTimeField(_("purged at"))

    class Meta:
        verbose_name = _("tombstone")
        verbose_name_plural = _("tombstones")
        constraints = [
            models.UniqueConstraint(
                fields=["controller", "digest"], name="crm_tombstone_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.purged_at:%F %T}"


class EventQuerySet(models.QuerySet["Event"]):
    def visible_to(self, staff: Staff) -> EventQuerySet:
        return self.filter(member__in=Member.objects.visible_to(staff))


class Event(models.Model):
    """One line of a member's history; crm.timeline is the one way to write it.

    The table is partitioned by month on `at`, the source's own time, and its database
    primary key is (id, at); UNIQUE(key, at) makes writing twice harmless. Only `member`
    may ever change (a merge moves the line).
    """

    id = models.BigAutoField(primary_key=True)
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        related_name="events",
        verbose_name=_("member"),
        db_constraint=False,
        db_index=False,
    )
    kind = models.CharField(_("kind"), max_length=60)
    at = models.DateTimeField(_("at"))
    key = models.CharField(max_length=200)
    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("account"),
        db_index=False,
    )
    data = models.JSONField(_("data"), default=dict, blank=True)
    recorded_at = models.DateTimeField(_("recorded at"), default=timezone.now)

    objects = EventQuerySet.as_manager()

    class Meta:
        managed = False
        db_table = "crm_event"
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%F %T}"
