"""Accounts, their apps and secrets, limits and what is used of them."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from core.encryption import EncryptedTextField
from staff.models import OrgUnit, Staff
from staff.scope import controller_scope
from wechat.models.scoping import OfAccountQuerySet, OfAppQuerySet


class AccountQuerySet(models.QuerySet["Account"]):
    def visible_to(self, staff: Staff) -> AccountQuerySet:
        """Accounts of the person's data controller; below it, of units on their path.

        A store works with the accounts of the brand it belongs to, so accounts placed
        above the person are visible; those of a sibling store are not.
        """
        scope = controller_scope(
            staff, controller="org_unit__controller", unit="org_unit"
        )
        if scope is None:
            return self.none()
        if not scope:
            return self
        home = staff.org_unit
        assert home is not None
        above = [int(pk) for pk in home.path.strip("/").split("/")]
        same_controller = models.Q(org_unit__controller_id=home.controller_id)
        return self.filter(scope | (same_controller & models.Q(org_unit_id__in=above)))

    def live(self) -> AccountQuerySet:
        return self.filter(state=Account.State.LIVE)


class Account(models.Model):
    """A 服务号, a 公众号 (formerly 订阅号) or a WeCom corp the brand speaks through."""

    class Kind(models.TextChoices):
        SERVICE = "service", _("Service Account")
        SUBSCRIPTION = "subscription", _("Official Account (formerly Subscription)")
        WECOM = "wecom", _("WeCom corp")

    class Role(models.TextChoices):
        MAIN = "main", _("Main account")
        SUB = "sub", _("Sub-account")

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        LIVE = "live", _("Live")
        PAUSED = "paused", _("Paused")
        REVOKED = "revoked", pgettext_lazy("an authorisation", "Revoked")

    slug = models.SlugField(_("slug"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=60)
    kind = models.CharField(_("kind"), max_length=12, choices=Kind.choices)
    role = models.CharField(
        _("role"), max_length=4, choices=Role.choices, default=Role.MAIN
    )
    org_unit = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="accounts",
        verbose_name=_("org unit"),
    )
    original_id = models.CharField(
        _("original id"),
        max_length=64,
        blank=True,
        help_text=_("gh_… of an official account, the corp id of a WeCom corp."),
    )
    state = models.CharField(
        _("state"), max_length=8, choices=State.choices, default=State.DRAFT
    )
    charter_value = models.TextField(_("charter: value"), blank=True)
    charter_audience = models.TextField(_("charter: audience"), blank=True)
    charter_goal = models.TextField(_("charter: goal"), blank=True)
    charter_owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("charter: owner"),
    )
    is_sandbox = models.BooleanField(_("sandbox"), default=False)
    api_base_url = models.URLField(
        _("API address"),
        blank=True,
        help_text=_("Empty: the platform itself. The sandbox gives its own."),
    )
    has_web_authorisation = models.BooleanField(
        _("web authorisation"),
        default=False,
        help_text=_(
            "The platform tells who opens a link of a mass message (snsapi_base). Needs a "
            "verified Service Account with our domain entered as its web page "
            "authorisation domain."
        ),
    )
    clock_offset_seconds = models.FloatField(
        _("platform clock offset"),
        default=0,
        help_text=_("Platform time minus ours; applied on sandbox accounts only."),
    )
    clock_checked_at = models.DateTimeField(
        _("clock checked at"), null=True, blank=True
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = AccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ["id"]
        permissions = [
            ("check_connection", _("Can check the connection of an account")),
            ("go_live_account", _("Can put an account live")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_wecom(self) -> bool:
        return self.kind == self.Kind.WECOM

    @property
    def has_charter(self) -> bool:
        return bool(
            self.charter_value
            and self.charter_audience
            and self.charter_goal
            and self.charter_owner_id
        )


class AppQuerySet(models.QuerySet["App"]):
    def visible_to(self, staff: Staff) -> AppQuerySet:
        return self.filter(account__in=Account.objects.visible_to(staff))


class App(models.Model):
    """One set of credentials of an account, and one callback address (`slug`).

    An official account has one app; a WeCom corp one per self-built app.
    """

    class Mode(models.TextChoices):
        PLAIN = "plain", _("Plain")
        COMPAT = "compat", _("Compatible")
        SAFE = "safe", _("Safe")

    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        related_name="apps",
        verbose_name=_("account"),
    )
    slug = models.SlugField(_("callback slug"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=60, blank=True)
    app_id = models.CharField(
        _("app id"), max_length=64, help_text=_("AppID, or the corp id for WeCom.")
    )
    agent_id = models.CharField(_("agent id"), max_length=32, blank=True)
    secret = EncryptedTextField(_("secret"), blank=True)
    token = EncryptedTextField(_("callback token"), blank=True)
    aes_key = EncryptedTextField(_("EncodingAESKey"), blank=True)
    mode = models.CharField(
        _("encryption mode"), max_length=6, choices=Mode.choices, default=Mode.SAFE
    )
    is_active = models.BooleanField(_("active"), default=True)
    # Sending stands still until then, or until an operator clears it when `held_until`
    # is empty and `held_reason` is set (quota used, revoked, IP not allowed).
    held_reason = models.CharField(_("held because"), max_length=60, blank=True)
    held_until = models.DateTimeField(_("held until"), null=True, blank=True)
    # The same for mass calls alone: other messages go on.
    mass_held_reason = models.CharField(
        _("mass sends held because"), max_length=60, blank=True
    )
    mass_held_until = models.DateTimeField(
        _("mass sends held until"), null=True, blank=True
    )
    last_callback_at = models.DateTimeField(
        _("last callback at"), null=True, blank=True
    )
    last_check = models.JSONField(_("last check"), default=dict, blank=True)

    objects = AppQuerySet.as_manager()

    class Meta:
        verbose_name = _("app")
        verbose_name_plural = _("apps")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["app_id", "agent_id"], name="wechat_app_identity"
            )
        ]

    def __str__(self) -> str:
        return self.name or self.slug

    def held_because(self, now: datetime | None = None) -> str:
        """The code of the hold that still runs, "" when none does."""
        is_over = self.held_until and self.held_until <= (now or timezone.now())
        return "" if is_over else self.held_reason

    def stands_because(self, now: datetime | None = None) -> str:
        """The code of what keeps all its messages from being sent, "" when nothing does.

        Words for it: wechat.reasons.
        """
        if self.account.state != Account.State.LIVE:
            return "not_live"
        return self.held_because(now) if self.is_active else "app_off"

    @property
    def callback_path(self) -> str:
        return f"/wechat/callback/{self.slug}/"


class AccessToken(models.Model):
    """The one token of an app, refreshed by whoever claims the row."""

    app = models.OneToOneField(
        App, on_delete=models.CASCADE, related_name="access_token"
    )
    value = EncryptedTextField(_("token"), blank=True)
    generation = models.PositiveIntegerField(_("generation"), default=0)
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True)
    refresh_owner = models.CharField(max_length=64, blank=True)
    refresh_until = models.DateTimeField(null=True, blank=True)
    refreshed_at = models.DateTimeField(_("refreshed at"), null=True, blank=True)
    last_error = models.CharField(_("last error"), max_length=300, blank=True)
    last_errcode = models.IntegerField(null=True, blank=True)
    # When a new one was last asked for because the platform refused this one.
    renewed_at = models.DateTimeField(_("renewed at"), null=True, blank=True)
    # The platform gave the very token it had refused: force a new one next time.
    is_suspect = models.BooleanField(default=False)
    # When a token died early although we had not asked for another one.
    foreign_refresh_at = models.DateTimeField(
        _("refreshed by another system at"), null=True, blank=True
    )

    objects = OfAppQuerySet.as_manager()

    class Meta:
        verbose_name = _("access token")
        verbose_name_plural = _("access tokens")

    def __str__(self) -> str:
        return f"{self.app} #{self.generation}"

    def is_usable(self, margin_seconds: float = 60) -> bool:
        return bool(
            self.value
            and self.expires_at
            and (self.expires_at - timezone.now()).total_seconds() > margin_seconds
        )


class KfAccount(models.Model):
    """A 微信客服 account and the cursor of its message stream.

    `pull_token` is of the newest callback (valid 10 min); the cursor advances in the
    transaction that stores the messages.
    """

    app = models.ForeignKey(
        App,
        on_delete=models.PROTECT,
        related_name="kf_accounts",
        verbose_name=_("app"),
    )
    open_kfid = models.CharField("open_kfid", max_length=64, unique=True)
    name = models.CharField(_("name"), max_length=64, blank=True)
    cursor = models.CharField(_("cursor"), max_length=100, blank=True)
    pull_token = models.CharField(max_length=200, blank=True)
    pull_token_at = models.DateTimeField(null=True, blank=True)
    pull_due_at = models.DateTimeField(_("pull due at"), null=True, blank=True)
    lease_owner = models.CharField(max_length=64, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    last_pulled_at = models.DateTimeField(_("last pulled at"), null=True, blank=True)
    last_error = models.CharField(_("last error"), max_length=300, blank=True)

    objects = OfAppQuerySet.as_manager()

    class Meta:
        verbose_name = _("WeChat Customer Service account")
        verbose_name_plural = _("WeChat Customer Service accounts")

    def __str__(self) -> str:
        return self.name or self.open_kfid


class VerifyFile(models.Model):
    """`MP_verify_*.txt` / `WW_verify_*.txt`, served at the root of the site."""

    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="verify_files",
        verbose_name=_("account"),
    )
    name = models.CharField(_("file name"), max_length=100, unique=True)
    content = models.CharField(_("content"), max_length=64)

    objects = OfAccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("domain verification file")
        verbose_name_plural = _("domain verification files")

    def __str__(self) -> str:
        return self.name


class PlatformLimit(models.Model):
    """A limit of the platform as a dated row; wechat.limits reads the one in force."""

    key = models.CharField(_("key"), max_length=80)
    value = models.PositiveIntegerField(_("value"))
    unit = models.CharField(_("unit"), max_length=40, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True)
    source = models.URLField(_("source"), max_length=300, blank=True)
    effective_from = models.DateField(_("effective from"))

    class Meta:
        verbose_name = _("platform limit")
        verbose_name_plural = _("platform limits")
        ordering = ["key", "-effective_from"]
        constraints = [
            models.UniqueConstraint(
                fields=["key", "effective_from"], name="wechat_limit_dated"
            )
        ]

    def __str__(self) -> str:
        return f"{self.key} = {self.value}"


class QuotaUse(models.Model):
    """What is reserved and used of a counted limit in a period (a day, a minute)."""

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="quota_uses")
    kind = models.CharField(_("kind"), max_length=60)
    period = models.CharField(_("period"), max_length=20)
    limit = models.PositiveIntegerField(_("limit"))
    reserved = models.PositiveIntegerField(_("reserved"), default=0)
    used = models.PositiveIntegerField(_("used"), default=0)

    objects = OfAppQuerySet.as_manager()

    class Meta:
        verbose_name = _("quota use")
        verbose_name_plural = _("quota uses")
        constraints = [
            models.UniqueConstraint(
                fields=["app", "kind", "period"], name="wechat_quota_period"
            ),
            models.CheckConstraint(
                condition=models.Q(limit__gte=models.F("reserved") + models.F("used")),
                name="wechat_quota_within_limit",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.period}"


class ReplyWindow(models.Model):
    """What the platform still lets us say to one person through one app.

    One row per trigger kind; each new trigger opens it anew. Times are the platform's
    (wechat.clock), and counts come from wechat.limits. Read them through
    wechat.windows.allowance, which answers in our time.
    """

    class Trigger(models.TextChoices):
        MESSAGE = "message", _("Message")
        MENU = "menu", _("Menu tap")
        FOLLOW = "follow", _("Follow")
        SCAN = "scan", _("Scan")

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="reply_windows")
    recipient = models.CharField(_("recipient"), max_length=64)
    trigger = models.CharField(_("trigger"), max_length=8, choices=Trigger.choices)
    opened_at = models.DateTimeField(_("opened at"))
    closes_at = models.DateTimeField(_("closes at"))
    allowed = models.PositiveSmallIntegerField(_("allowed"))
    reserved = models.PositiveSmallIntegerField(_("reserved"), default=0)
    used = models.PositiveSmallIntegerField(_("used"), default=0)

    objects = OfAppQuerySet.as_manager()

    class Meta:
        verbose_name = _("reply window")
        verbose_name_plural = _("reply windows")
        constraints = [
            models.UniqueConstraint(
                fields=["app", "recipient", "trigger"], name="wechat_window_trigger"
            )
        ]

    def __str__(self) -> str:
        return f"{self.trigger} {self.used}/{self.allowed}"
