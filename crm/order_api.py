"""Products, orders and refunds over the API: how a shop tells what was bought."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.pages import NEWEST_FIRST
from core.rest.reading import (
    DecimalDigitsField,
    MomentField,
    NoQuery,
    PageQuery,
    StrictBooleanField,
    StrictCharField,
    StrictIntegerField,
    StrictSerializer,
    YuanField,
)
from core.rest.views import Endpoint, RowEndpoint, RowsEndpoint, documented
from crm import orders
from crm.models import Order, OrderItem, Product, Refund
from staff.authentication import caller
from staff.models import OrgUnit, Staff
from wechat.models import Account

TAG = "orders"
MAX_LINES = 200


class ProductOut(serializers.ModelSerializer[Product]):
    category = serializers.CharField(source="category.code", read_only=True)

    class Meta:
        model = Product
        fields = ["id", "code", "name", "category", "price", "launched_on", "is_active"]
        read_only_fields = fields


class OrderItemOut(serializers.ModelSerializer[OrderItem]):
    product = serializers.CharField(source="product.code", read_only=True)

    class Meta:
        model = OrderItem
        fields = ["product", "quantity", "amount"]
        read_only_fields = fields


class RefundOut(serializers.ModelSerializer[Refund]):
    class Meta:
        model = Refund
        fields = ["code", "amount", "at", "reason"]
        read_only_fields = fields


class OrderOut(serializers.ModelSerializer[Order]):
    member = serializers.IntegerField(
        source="member_id",
        read_only=True,
        allow_null=True,
        help_text="Null while nobody is known by the buyer id.",
    )
    store = serializers.IntegerField(
        source="org_unit_id", read_only=True, allow_null=True
    )
    presale = serializers.CharField(
        read_only=True, help_text="`reserved` or `deposit`; empty: no presale."
    )
    after_sales = serializers.CharField(
        read_only=True, help_text="`open` or `closed`; empty: there never was a case."
    )
    items = OrderItemOut(many=True, read_only=True)
    refunds = RefundOut(many=True, read_only=True)

    class Meta:
        model = Order
        fields = [
            *("id", "shop", "code", "buyer", "member", "store", "state"),
            *(
                "presale",
                "after_sales",
                "placed_at",
                "paid_at",
                "amount",
                "discount",
                "refunded",
            ),
            *("has_coupon", "is_pickup", "region", "note", "items", "refunds"),
        ]
        read_only_fields = fields


class ProductIn(StrictSerializer):
    code = StrictCharField(max_length=64, help_text="The shop's number of it.")
    name = StrictCharField(max_length=120)
    category = StrictCharField(max_length=40, help_text="Code of a category.")
    price = YuanField(help_text="In yuan.")
    is_active = StrictBooleanField(required=False)


class BuyerIn(StrictSerializer):
    """How the shop names who bought; any of it. `openid` goes with its `account`."""

    buyer = StrictCharField(required=False, max_length=64)
    unionid = StrictCharField(required=False, max_length=64)
    account = StrictCharField(
        required=False, max_length=60, help_text="Slug of the account of the openid."
    )
    openid = StrictCharField(required=False, max_length=64)
    external_userid = StrictCharField(required=False, max_length=64)
    phone = StrictCharField(required=False, max_length=30)


class LineIn(StrictSerializer):
    product = StrictCharField(max_length=64, help_text="The shop's number of it.")
    quantity = StrictIntegerField(min_value=1, max_value=100_000)
    amount = YuanField(help_text="For all its pieces, in yuan.")


class OrderIn(StrictSerializer):
    shop = StrictCharField(max_length=40, help_text="Which shop tells it.")
    code = StrictCharField(max_length=64, help_text="The shop's number of the order.")
    state = serializers.ChoiceField(
        [
            Order.State.PENDING.value,
            Order.State.PAID.value,
            Order.State.CANCELLED.value,
        ],
        required=False,
        help_text="`paid` unless said otherwise; refunds change it by themselves.",
    )
    presale = serializers.ChoiceField(
        Order.Presale.values,
        required=False,
        help_text=(
            "Of a presale: `reserved` while nothing is paid, `deposit` once the deposit "
            "is; counts while the state is `pending`."
        ),
    )
    after_sales = serializers.ChoiceField(
        Order.AfterSales.values,
        required=False,
        help_text=(
            "`open` from the request for a return, exchange or repair on, `closed` when "
            "it is settled; left out: as it stands."
        ),
    )
    placed_at = MomentField()
    paid_at = MomentField(required=False)
    amount = YuanField(required=False, help_text="The sum of the items, if left out.")
    discount = YuanField(required=False)
    has_coupon = StrictBooleanField(required=False)
    is_pickup = StrictBooleanField(required=False)
    region = StrictCharField(required=False, max_length=40)
    note = StrictCharField(required=False, max_length=200)
    store = StrictIntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        help_text="Id of the unit that sold it; the token's own store, if left out.",
    )
    buyer = BuyerIn(required=False)
    items = serializers.ListField(child=LineIn(), required=False, max_length=MAX_LINES)


class RefundIn(StrictSerializer):
    code = StrictCharField(max_length=64, help_text="The shop's number of the refund.")
    amount = YuanField(help_text="In yuan.")
    at = MomentField()
    reason = StrictCharField(required=False, max_length=200)


class ProductQuery(PageQuery):
    code = StrictCharField(required=False, max_length=64)


class OrderQuery(PageQuery):
    member = DecimalDigitsField(required=False, min_value=1, max_value=999_999_999)
    code = StrictCharField(required=False, max_length=64, help_text="Whole.")
    state = serializers.ChoiceField(Order.State.choices, required=False)


class ListAndPost(RowsEndpoint):
    """A list that is read with one right and added to with another."""

    reading: str
    adding: str
    list_query: type[StrictSerializer] = PageQuery
    order = NEWEST_FIRST

    @property
    def permission(self) -> str:  # type: ignore[override]
        return self.adding if self.request.method == "POST" else self.reading

    @property
    def query(self) -> type[StrictSerializer]:  # type: ignore[override]
        return NoQuery if self.request.method == "POST" else self.list_query


def orders_for(staff: Staff) -> QuerySet[Order]:
    """Orders the person may see, with items and refunds, in a query each."""
    return (
        Order.objects.visible_to(staff)
        .prefetch_related("items__product", "refunds")
        .defer("recorded_at")
    )


class Products(ListAndPost):
    reading, adding = "crm.view_product", "crm.add_product"
    serializer_class = ProductOut
    list_query = ProductQuery

    def get_queryset(self) -> QuerySet[Product]:
        rows = Product.objects.visible_to(caller(self.request))
        if "code" in self.params:
            rows = rows.filter(code=self.params["code"])
        return rows.select_related("category")

    @documented(
        "listProducts", ProductOut, summary="Products", tag=TAG, query=ProductQuery
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @documented(
        "putProduct",
        ProductOut,
        summary="Add a product, or change the one of this number",
        tag=TAG,
        body=ProductIn,
        status=201,
        may_conflict=True,
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        staff, given = caller(request), read(ProductIn, request)
        controller = orders.controller_of(staff)
        category = orders.category_of(staff, given.pop("category"))
        product, _is_new = orders.put_product(
            controller, actor=staff, category=category, **given
        )
        return Response(ProductOut(product).data, status=201)


class Orders(ListAndPost):
    reading, adding = "crm.view_order", "crm.add_order"
    serializer_class = OrderOut
    list_query = OrderQuery

    def get_queryset(self) -> QuerySet[Order]:
        rows = orders_for(caller(self.request))
        for name in ("member", "code", "state"):
            if name in self.params:
                rows = rows.filter(**{name: self.params[name]})
        return rows

    @documented(
        "listOrders",
        OrderOut,
        summary="Orders, last recorded first",
        tag=TAG,
        query=OrderQuery,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @documented(
        "recordOrder",
        OrderOut,
        summary="Record an order; telling it again changes nothing",
        tag=TAG,
        body=OrderIn,
        status=201,
        may_conflict=True,
        description=(
            "An order is known by shop and number. Its buyer is looked up among the "
            "members of the token's data controller; unknown, the order waits under "
            "the buyer id until somebody is known by it."
        ),
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        staff, given = caller(request), read(OrderIn, request)
        controller = orders.controller_of(staff)
        told = as_told(given, staff)
        order, _is_new = orders.record(controller, told, actor=staff)
        shown = orders_for(staff).get(pk=order.pk)
        return Response(OrderOut(shown).data, status=201)


class OneOrder(RowEndpoint):
    permission = "crm.view_order"
    serializer_class = OrderOut
    lookup_field = "id"

    def get_queryset(self) -> QuerySet[Order]:
        return orders_for(caller(self.request))

    @documented("getOrder", OrderOut, summary="An order", tag=TAG, is_about_row=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class Refunds(Endpoint):
    permission = "crm.add_order"

    @documented(
        "refundOrder",
        OrderOut,
        summary="Note money that went back; the same number twice is one refund",
        tag=TAG,
        body=RefundIn,
        status=201,
        is_about_row=True,
        may_conflict=True,
    )
    def post(self, request: Request, **kwargs: Any) -> Response:
        staff = caller(request)
        rows = Order.objects.visible_to(staff)
        order = get_object_or_404(rows, pk=self.kwargs["id"])
        orders.refund(order, actor=staff, **read(RefundIn, request))
        return Response(OrderOut(orders_for(staff).get(pk=order.pk)).data, status=201)


def as_told(given: dict[str, Any], staff: Staff) -> orders.Told:
    """What the body says, its names looked up in what `staff` may use.

    Raises orders.Unknown.
    """
    buyer = as_buyer(given.pop("buyer", {}), staff)
    lines = [orders.Line(**line) for line in given.pop("items", [])]
    store = _store(given.pop("store", None), staff)
    return orders.Told(**given, buyer=buyer, lines=lines, store=store)


def as_buyer(given: dict[str, Any], staff: Staff) -> orders.Buyer:
    """Raises orders.Unknown for an account that is not one of the controller's."""
    buyer = dict(given)
    slug = buyer.pop("account", "")
    if slug:
        rows = Account.objects.filter(org_unit__controller=staff.org_unit.controller_id)  # type: ignore[union-attr]
        buyer["account"] = rows.filter(slug=slug).first()
        if buyer["account"] is None:
            raise orders.Unknown.account(slug)
    elif "openid" in buyer:
        raise orders.Unknown.account("–")
    return orders.Buyer(**buyer)


def _store(wanted: int | None, staff: Staff) -> OrgUnit | None:
    home = staff.org_unit
    if wanted is None:
        at_top = home is None or home.pk == home.controller_id
        return None if at_top else home
    found = OrgUnit.objects.visible_to(staff).filter(pk=wanted).first()
    if found is None:
        raise orders.Unknown.store(wanted)
    return found if found.pk != found.controller_id else None


def read(serializer: type[StrictSerializer], request: Request) -> dict[str, Any]:
    """The body as the serializer reads it; raises rest_framework's ValidationError."""
    body = serializer(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)
