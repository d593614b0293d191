"""Orders, one at a time: recorded as the shop tells them, refunded, given to their buyer.

Many at once (files) go through crm.orders_loading, which this stands on. Everything is
idempotent: an order is known by (data controller, shop, number), a refund by its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from content import registry as content_registry
from core import audit
from core.errors import AppError
from core.registry import Text
from crm import matching, orders_loading, value
from crm.errors import PhoneInvalid
from crm.models import Category, Member, Order, Product, Refund
from crm.orders_loading import Item, OrderData
from crm.phones import normalise
from staff.models import OrgUnit, Staff
from wechat.models import Account

# In yuan: what one line may cost, and all of an order together.
LARGEST = Decimal("999999999.99")


class Unknown(AppError):
    """A product, store, account or category of the order is not one of ours."""

    code = "unknown"

    @classmethod
    def account(cls, slug: str) -> Unknown:
        words = _(
            "An openid is known within its account; there is no account %(slug)s."
        )
        return cls(words % {"slug": slug})

    @classmethod
    def store(cls, pk: int) -> Unknown:
        return cls(_("There is no unit %(unit)s of yours.") % {"unit": pk})

    @classmethod
    def category(cls, code: str) -> Unknown:
        return cls(_("There is no category %(code)s.") % {"code": code})


class RefundTooMuch(AppError):
    """More would go back than was paid."""

    code = "refund_too_much"
    message = gettext_lazy("More would go back than was paid.")


class NothingBack(AppError):
    code = "nothing_back"
    message = gettext_lazy("A refund of nothing is none: name the amount.")


class TooLarge(AppError):
    code = "amount_too_large"
    message = gettext_lazy(
        "The items cost more than an order can: look at the amounts."
    )


class OtherRefund(AppError):
    code = "refund_differs"
    message = gettext_lazy("There is a refund of this number with another amount.")


class NothingPaid(AppError):
    code = "nothing_paid"
    message = gettext_lazy("Nothing was paid for this order, so nothing can go back.")


class OtherStore(AppError):
    code = "order_of_other_store"
    message = gettext_lazy("The order belongs to another store: nothing was changed.")


class NoController(AppError):
    code = "no_controller"
    message = gettext_lazy("You belong to no unit: orders have nowhere to go.")


@dataclass(frozen=True)
class Buyer:
    """How a shop names who bought; any of it, the more the surer (crm.matching).

    `member` when the caller knows already who it is.
    """

    member: Member | None = None
    buyer: str = ""
    unionid: str = ""
    openid: str = ""
    external_userid: str = ""
    phone: str = ""
    account: Account | None = None


@dataclass(frozen=True)
class Line:
    """`product`: its number in the shop; `amount` is for all its pieces, in yuan."""

    product: str
    quantity: int
    amount: Decimal


@dataclass(frozen=True)
class Told:
    """An order as a shop tells it; times aware, amounts in yuan.

    `amount` None: the sum of the lines.
    """

    shop: str
    code: str
    placed_at: datetime
    state: str = Order.State.PAID
    presale: str = ""
    after_sales: str = ""
    paid_at: datetime | None = None
    amount: Decimal | None = None
    discount: Decimal = Decimal(0)
    has_coupon: bool = False
    is_pickup: bool = False
    region: str = ""
    note: str = ""
    store: OrgUnit | None = None
    buyer: Buyer = field(default_factory=Buyer)
    lines: Sequence[Line] = ()


def controller_of(staff: Staff) -> OrgUnit:
    """The data controller whose orders a person (or a shop's token) tells.

    Raises NoController.
    """
    if staff.org_unit is None or staff.org_unit.controller is None:
        raise NoController
    return staff.org_unit.controller


@transaction.atomic
def record(controller: OrgUnit, told: Told, *, actor: Staff) -> tuple[Order, bool]:
    """Write an order; it and whether it is new. Telling it again changes nothing.

    A buyer nobody knows keeps the order waiting under their buyer id
    (crm.matching.bind_buyer). Lines, once told, are all the order has; without lines and
    amount what it costs stays as it stands. Raises Unknown with the numbers of products;
    OtherStore for an order of a unit the actor's place does not reach; TooLarge;
    RefundTooMuch when more went back already than it now would cost.
    """
    if sum((line.amount for line in told.lines), Decimal(0)) > LARGEST:
        raise TooLarge
    products = _products(controller, told.lines)
    member = _held(member_of(controller, told.buyer))
    if member is not None and told.buyer.buyer:
        bound = matching.bind_buyer(controller, told.buyer.buyer, member, actor=actor)
        if bound is None:  # known as somebody else's: the pair is on the review list
            known_as = matching.find_by(controller, buyer=told.buyer.buyer)
            member = _held(known_as.member)
    data = _as_data(told, products, member)
    known = orders_loading.standing(controller.pk, [data.key]).get(data.key)
    if known is not None and not _reaches(actor, known.unit):
        raise OtherStore
    if known is not None and not data.items and data.amount is None:
        data.amount = known.amount
    written = orders_loading.write(controller.pk, [data])[data.key]
    order = Order.objects.get(pk=written.pk)
    if order.net < 0:
        raise RefundTooMuch
    if written.is_new:
        audit.record(
            "crm.order.recorded",
            order,
            actor=actor,
            after={"shop": told.shop, "member": written.member},
            label=order.code,
        )
    if written.member is not None:
        value.changed([written.member])
    return order, written.is_new


def _reaches(actor: Staff, unit: int | None) -> bool:
    """Whether the actor's place takes in orders of the unit (none: the controller's own).

    Automatic writers have no place and tell for all.
    """
    home = actor.org_unit
    if home is None or home.pk == home.controller_id or actor.is_superuser:
        return True
    units = OrgUnit.objects.visible_to(actor).filter(pk__in=[unit] if unit else [])
    return units.exists()


def _as_data(told: Told, products: dict[str, int], member: Member | None) -> OrderData:
    return OrderData(
        shop=told.shop,
        code=told.code,
        placed_at=told.placed_at,
        state=told.state,
        presale=told.presale,
        after_sales=told.after_sales,
        paid_at=told.paid_at or (told.placed_at if told.state in _PAID else None),
        amount=told.amount,
        discount=told.discount,
        member=member.pk if member else None,
        buyer=told.buyer.buyer,
        unit=told.store.pk if told.store else None,
        has_coupon=told.has_coupon,
        is_pickup=told.is_pickup,
        region=told.region,
        note=told.note,
        items=[
            Item(products[line.product], line.quantity, line.amount)
            for line in told.lines
        ],
        is_whole=bool(told.lines),
    )


_PAID = (Order.State.PAID, Order.State.PARTLY_REFUNDED, Order.State.REFUNDED)


def _products(controller: OrgUnit, lines: Sequence[Line]) -> dict[str, int]:
    wanted = {line.product for line in lines}
    rows = Product.objects.filter(controller=controller, code__in=wanted)
    found = dict(rows.values_list("code", "pk"))
    if missing := sorted(wanted - found.keys()):
        words = _("No product of this number: %(numbers)s.")
        raise Unknown(words % {"numbers": ", ".join(missing[:5])})
    return found


def member_of(controller: OrgUnit, buyer: Buyer) -> Member | None:
    """Who the shop means, as far as anybody of the data controller is known by it."""
    if buyer.member is not None:
        return buyer.member
    found = matching.find_by(
        controller,
        openid=buyer.openid,
        account=buyer.account,
        unionid=buyer.unionid,
        external_userid=buyer.external_userid,
        phone=_phone(buyer.phone),
        buyer=buyer.buyer,
    )
    return found.member


def _held(member: Member | None) -> Member | None:
    """Who they are until the order is written; nobody once they were purged."""
    row = None if member is None else Member.objects.held(member.pk)
    return None if row is None or row.purged_at else row


def _phone(text: str) -> str:
    """What can't be called says nothing of the buyer, and the order must not be lost."""
    try:
        return normalise(text)
    except PhoneInvalid:
        return ""


@transaction.atomic
def refund(
    order: Order,
    *,
    code: str,
    amount: Decimal,
    at: datetime,
    actor: Staff,
    reason: str = "",
) -> tuple[Refund, bool]:
    """Note money that went back; the refund and whether it is new.

    Raises NothingBack, NothingPaid, RefundTooMuch, OtherRefund (the number with another
    amount).
    """
    if amount <= 0:
        raise NothingBack
    held = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    known = held.refunds.filter(code=code).first()
    if known is not None:
        if known.amount != amount:
            raise OtherRefund
        return known, False
    if held.state in (Order.State.PENDING, Order.State.CANCELLED):
        raise NothingPaid
    if amount > held.net:
        raise RefundTooMuch
    made: Refund = held.refunds.create(code=code, amount=amount, at=at, reason=reason)
    held.refunded += amount
    is_all = held.refunded >= held.amount
    held.state = Order.State.REFUNDED if is_all else Order.State.PARTLY_REFUNDED
    held.save(update_fields=["refunded", "state"])
    audit.record(
        "crm.order.refunded",
        held,
        actor=actor,
        after={"refund": made.pk, "amount": str(amount)},
        label=held.code,
        reason=reason,
    )
    if held.member_id is not None:
        value.changed([held.member_id])
    order.refresh_from_db()
    return made, True


@transaction.atomic
def put_product(
    controller: OrgUnit, *, code: str, actor: Staff, **values: object
) -> tuple[Product, bool]:
    """Make or change a product by its number; it and whether it is new.

    `values`: name, category (a Category), price, launched_on, is_active.
    """
    product, is_new = Product.objects.select_for_update(of=("self",)).update_or_create(
        controller=controller, code=code, defaults=values
    )
    verb = "added" if is_new else "changed"
    audit.record(f"crm.product.{verb}", product, actor=actor, label=product.name)
    return product, is_new


def categories_for(staff: Staff) -> list[tuple[str, Text]]:
    """(code, name) of the categories a person may name, one's own before a shared one."""
    rows = Category.objects.visible_to(staff).order_by("controller_id", "pk")
    found: dict[str, Text] = {}
    for category in rows:
        found.setdefault(category.code, category.name)
    return list(found.items())


def register() -> None:
    """Called once, in AppConfig.ready()."""
    content_registry.categories(categories_for)


def category_of(staff: Staff, code: str) -> Category:
    """The category a person may name by this code; one's own before the shared one.

    Raises Unknown.
    """
    rows = Category.objects.visible_to(staff).filter(code=code)
    found = rows.order_by("controller_id").first()  # NULL, the shared one, comes last
    if found is None:
        raise Unknown.category(code)
    return found
