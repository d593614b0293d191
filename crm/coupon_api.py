"""Coupons over the API: how a shop tells who holds one."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.rest.reading import (
    DecimalDigitsField,
    MomentField,
    PageQuery,
    StrictCharField,
    StrictSerializer,
)
from core.rest.views import documented
from crm import coupons, orders
from crm.models import Coupon
from crm.order_api import TAG, BuyerIn, ListAndPost, as_buyer, read
from staff.authentication import caller


class CouponOut(serializers.ModelSerializer[Coupon]):
    member = serializers.IntegerField(
        source="member_id",
        read_only=True,
        allow_null=True,
        help_text="Null while nobody is known by the buyer id.",
    )

    class Meta:
        model = Coupon
        fields = ["id", "shop", "code", "buyer", "member", "state", "expires_at"]
        read_only_fields = fields


class CouponIn(StrictSerializer):
    shop = StrictCharField(max_length=40, help_text="Which shop tells it.")
    code = StrictCharField(max_length=64, help_text="The shop's number of the coupon.")
    state = serializers.ChoiceField(
        Coupon.State.values,
        required=False,
        help_text="`held` unless said otherwise; `void`: taken back or worth nothing.",
    )
    expires_at = MomentField()
    buyer = BuyerIn()


class CouponQuery(PageQuery):
    member = DecimalDigitsField(required=False, min_value=1, max_value=999_999_999)
    state = serializers.ChoiceField(Coupon.State.choices, required=False)


class Coupons(ListAndPost):
    reading, adding = coupons.VIEW, "crm.add_order"
    serializer_class = CouponOut
    list_query = CouponQuery

    def get_queryset(self) -> QuerySet[Coupon]:
        rows = Coupon.objects.visible_to(caller(self.request))
        for name in ("member", "state"):
            if name in self.params:
                rows = rows.filter(**{name: self.params[name]})
        return rows

    @documented(
        "listCoupons",
        CouponOut,
        summary="Coupons, newest first",
        tag=TAG,
        query=CouponQuery,
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @documented(
        "recordCoupon",
        CouponOut,
        summary="Record a coupon somebody holds; telling it again changes nothing",
        tag=TAG,
        body=CouponIn,
        status=201,
        may_conflict=True,
        description=(
            "A coupon is known by shop and number; tell it again with the state `used` "
            "or `void` once it can no longer be used."
        ),
    )
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        staff, given = caller(request), read(CouponIn, request)
        controller = orders.controller_of(staff)
        buyer = as_buyer(given.pop("buyer"), staff)
        coupon, _is_new = coupons.record(controller, buyer=buyer, actor=staff, **given)
        return Response(CouponOut(coupon).data, status=201)
