"""Coupons as shops tell them: who holds one, until when, and whether it was used."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from core import audit
from crm import orders
from crm.models import Coupon
from staff.models import OrgUnit, Staff

# Coupons go with the orders: who sees those sees these.
VIEW = "crm.view_order"


@transaction.atomic
def record(
    controller: OrgUnit,
    *,
    shop: str,
    code: str,
    expires_at: datetime,
    buyer: orders.Buyer,
    actor: Staff,
    state: str = Coupon.State.HELD,
) -> tuple[Coupon, bool]:
    """Write a coupon; it and whether it is new. Telling it again changes nothing.

    A coupon is known by (data controller, shop, number) and keeps the member it has. A
    buyer nobody knows keeps it waiting under their buyer id, as an order would.
    """
    member = orders.member_of(controller, buyer)
    told = {"expires_at": expires_at, "state": state}
    coupon, is_new = Coupon.objects.select_for_update(
        of=("self",), no_key=True
    ).get_or_create(
        controller=controller,
        shop=shop,
        code=code,
        defaults={**told, "member": member, "buyer": buyer.buyer},
    )
    if is_new:
        audit.record("crm.coupon.recorded", coupon, actor=actor, label=coupon.code)
        return coupon, True
    told["member"] = coupon.member or member
    told["buyer"] = coupon.buyer or buyer.buyer
    changed = [name for name, value in told.items() if getattr(coupon, name) != value]
    for name in changed:
        setattr(coupon, name, told[name])
    if changed:
        coupon.save(update_fields=changed)
    return coupon, False
