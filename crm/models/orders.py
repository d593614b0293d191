"""What members bought: the catalogue, orders with their items, and what went back."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models.people import Member
from crm.models.shared import Shared, SharedQuerySet, own_or_shared
from staff.models import OrgUnit, Staff
from staff.scope import controller_scope


class CategoryQuerySet(SharedQuerySet["Category"]):
    pass


class Category(Shared):
    """A root of the catalogue with its repurchase cycle C (domain: lifecycle rules).

    Without a controller it is shared by all; the built-in ones are
    (crm/data/categories.csv).
    """

    code = models.SlugField(_("code"), max_length=40)
    name = models.CharField(_("name"), max_length=40)
    cycle_days = models.PositiveIntegerField(
        _("repurchase cycle"),
        null=True,
        blank=True,
        help_text=_("Median days between two orders; empty: told by service only."),
    )

    objects = CategoryQuerySet.as_manager()

    class Meta:
        verbose_name = _("category")
        verbose_name_plural = _("categories")
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["controller", "code"],
                name="crm_category_code",
                nulls_distinct=False,
                violation_error_message=_("There is a category with this code."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class ProductQuerySet(models.QuerySet["Product"]):
    def visible_to(self, staff: Staff) -> ProductQuerySet:
        scope = own_or_shared(staff)
        return self.none() if scope is None else self.filter(scope)


class Product(models.Model):
    """What is sold, as the shop numbers it."""

    controller = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("data controller"),
    )
    code = models.CharField(_("product number"), max_length=64)
    name = models.CharField(_("name"), max_length=120)
    category = models.ForeignKey(
        Category,
        on_delete=models.PROTECT,
        related_name="products",
        verbose_name=_("category"),
    )
    price = models.DecimalField(
        _("price"), max_digits=12, decimal_places=2, default=Decimal(0)
    )
    launched_on = models.DateField(_("on sale since"), null=True, blank=True)
    is_active = models.BooleanField(_("on sale"), default=True)

    objects = ProductQuerySet.as_manager()

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["controller", "code"],
                name="crm_product_code",
                violation_error_message=_("There is a product with this number."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class OrderQuerySet(models.QuerySet["Order"]):
    def visible_to(self, staff: Staff) -> OrderQuerySet:
        scope = controller_scope(staff, controller="controller", unit="org_unit")
        return self.none() if scope is None else self.filter(scope)

    def paid(self) -> OrderQuerySet:
        """Orders that count: paid, and not gone back as a whole."""
        return self.filter(state__in=Order.COUNTED)


class Order(models.Model):
    """One order of a shop; without a member until its buyer is known.

    Amounts are yuan: `amount` what was paid, `refunded` what went back of it (the sum of
    its refunds), so the net is `amount - refunded`.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("Not paid yet")
        PAID = "paid", _("Paid")
        PARTLY_REFUNDED = "part_back", _("Partly refunded")
        REFUNDED = "refunded", _("Refunded")
        CANCELLED = "cancelled", _("Cancelled")

    class Presale(models.TextChoices):
        """How far the buyer of a presale is while the order is not paid."""

        RESERVED = "reserved", _("Reserved, nothing paid")
        DEPOSIT = "deposit", _("Deposit paid")

    class AfterSales(models.TextChoices):
        """The shop's own case of return, exchange or repair."""

        OPEN = "open", _("After-sales case open")
        CLOSED = "closed", _("After-sales case closed")

    COUNTED = (State.PAID, State.PARTLY_REFUNDED)

    controller = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        related_name="+",
        verbose_name=_("data controller"),
        db_index=False,
    )
    org_unit = models.ForeignKey(
        OrgUnit,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="orders",
        verbose_name=_("store"),
        db_index=False,
    )
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="orders",
        verbose_name=_("member"),
        db_index=False,
    )
    shop = models.CharField(_("shop"), max_length=40)
    code = models.CharField(_("order number"), max_length=64)
    # As the shop calls the buyer: an order waits under it until somebody is known by it.
    buyer = models.CharField(_("buyer"), max_length=64, blank=True)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.PAID
    )
    presale = models.CharField(
        _("presale"),
        max_length=8,
        choices=Presale.choices,
        blank=True,
        default="",
        db_default="",
    )
    after_sales = models.CharField(
        _("after-sales"),
        max_length=6,
        choices=AfterSales.choices,
        blank=True,
        default="",
        db_default="",
    )
    placed_at = models.DateTimeField(_("placed at"), default=timezone.now)
    paid_at = models.DateTimeField(_("paid at"), null=True, blank=True)
    amount = models.DecimalField(_("amount"), max_digits=12, decimal_places=2)
    discount = models.DecimalField(
        _("discount"), max_digits=12, decimal_places=2, default=Decimal(0)
    )
    refunded = models.DecimalField(
        _("refunded"), max_digits=12, decimal_places=2, default=Decimal(0)
    )
    has_coupon = models.BooleanField(_("with a coupon"), default=False)
    is_pickup = models.BooleanField(_("picked up"), default=False)
    region = models.CharField(_("shipped to"), max_length=40, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True)
    recorded_at = models.DateTimeField(_("recorded at"), auto_now_add=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["-placed_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["controller", "shop", "code"], name="crm_order_once"
            )
        ]
        indexes = [
            models.Index(fields=["member", "-paid_at"], name="crm_order_member"),
            models.Index(fields=["code"], name="crm_order_code"),
            models.Index(
                fields=["controller", "-placed_at", "-id"], name="crm_order_recent"
            ),
            models.Index(
                fields=["org_unit", "-placed_at", "-id"], name="crm_order_unit_recent"
            ),
            models.Index(fields=["-placed_at", "-id"], name="crm_order_placed"),
            models.Index(
                fields=["controller", "buyer"],
                condition=models.Q(member__isnull=True) & ~models.Q(buyer=""),
                name="crm_order_unbound",
            ),
            # Few of many: the rules of tags look for them by member.
            models.Index(
                fields=["member"],
                condition=~models.Q(presale=""),
                name="crm_order_presale",
            ),
            models.Index(
                fields=["member"],
                condition=~models.Q(after_sales=""),
                name="crm_order_after_sales",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def net(self) -> Decimal:
        """What stays after refunds, in yuan."""
        return self.amount - self.refunded


class OrderItemQuerySet(models.QuerySet["OrderItem"]):
    def visible_to(self, staff: Staff) -> OrderItemQuerySet:
        return self.filter(order__in=Order.objects.visible_to(staff))


class OrderItem(models.Model):
    """One line of an order; `amount` is for all its pieces, in yuan."""

    order = models.ForeignKey(
        Order,
        on_delete=models.CASCADE,
        related_name="items",
        verbose_name=_("order"),
        db_index=False,
    )
    product = models.ForeignKey(
        Product,
        on_delete=models.PROTECT,
        related_name="order_items",
        verbose_name=_("product"),
    )
    quantity = models.PositiveIntegerField(_("quantity"), default=1)
    amount = models.DecimalField(_("amount"), max_digits=12, decimal_places=2)

    objects = OrderItemQuerySet.as_manager()

    class Meta:
        verbose_name = _("order item")
        verbose_name_plural = _("order items")
        constraints = [
            models.UniqueConstraint(
                fields=["order", "product"], name="crm_orderitem_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.order_id}–{self.product_id}"


class RefundQuerySet(models.QuerySet["Refund"]):
    def visible_to(self, staff: Staff) -> RefundQuerySet:
        return self.filter(order__in=Order.objects.visible_to(staff))


class Refund(models.Model):
    """Money that went back, once per number of the shop."""

    order = models.ForeignKey(
        Order,
        on_delete=models.CASCADE,
        related_name="refunds",
        verbose_name=_("order"),
        db_index=False,
    )
    code = models.CharField(_("refund number"), max_length=64)
    amount = models.DecimalField(_("amount"), max_digits=12, decimal_places=2)
    at = models.DateTimeField(_("at"))
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    objects = RefundQuerySet.as_manager()

    class Meta:
        verbose_name = _("refund")
        verbose_name_plural = _("refunds")
        ordering = ["-at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["order", "code"], name="crm_refund_once")
        ]

    def __str__(self) -> str:
        return self.code
