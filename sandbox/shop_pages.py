"""The shop's page: choose, buy, give back, and see what the console said."""

from datetime import datetime
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from sandbox import shop
from sandbox.api.quotas import SHANGHAI
from sandbox.models import Person, ShopOrder

SHOWN = 20
POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    return _page(
        request, Person.objects.filter(pk=request.GET.get("person", "")).first()
    )


def _page(
    request: HttpRequest, person: Person | None, problem: str = ""
) -> HttpResponse:
    context = {
        "catalogue": shop.CATALOGUE,
        "people": Person.objects.order_by("name", "pk")[:500],
        "person": person,
        "orders": [_line(order) for order in _orders_of(person)],
        "is_open": shop.is_open(),
        "problem": problem,
        "typed": request.POST,
    }
    response = render(
        request, "sandbox/shop.html", context, status=400 if problem else 200
    )
    response["Content-Security-Policy"] = POLICY
    return response


def _orders_of(person: Person | None) -> list[ShopOrder]:
    if person is None:
        return []
    rows = person.shop_orders.prefetch_related("refunds").order_by("-pk")
    return list(rows[:SHOWN])


def _line(order: ShopOrder) -> dict[str, object]:
    return {
        "order": order,
        "at": datetime.fromtimestamp(order.at, SHANGHAI),
        "what": "、".join(
            f"{shop.NAMES.get(line['product'], line['product'])} × {line['quantity']}"
            for line in order.lines
        ),
        "left": shop.left_of(order),
        "refunds": list(order.refunds.all()),
        "is_waiting": not order.is_told
        or any(not refund.is_told for refund in order.refunds.all()),
    }


@require_POST
def buy(request: HttpRequest) -> HttpResponse:
    person = _person(request.POST.get("person", ""))
    pieces = {code: _count(request.POST.get(code, "")) for code in shop.PRICES}
    if any(count is None for count in pieces.values()):
        return _page(request, person, f"数量请填 0 到 {shop.MOST_PIECES} 的整数。")
    chosen = {code: count for code, count in pieces.items() if count}
    if not chosen:
        return _page(request, person, "请至少选一件商品。")
    order = shop.buy(
        person,
        chosen,
        has_coupon="has_coupon" in request.POST,
        is_pickup="is_pickup" in request.POST,
    )
    shop.tell(order)
    return _back_to(person)


@require_POST
def act(request: HttpRequest, number: str) -> HttpResponse:
    """Give money of an order back (`amount`), or tell the console of it again."""
    order = ShopOrder.objects.select_related("person").filter(number=number).first()
    if order is None:
        raise Http404
    if "amount" in request.POST:
        amount = shop.yuan(request.POST["amount"])
        if amount is None or shop.give_back(order, amount) is None:
            words = f"最多可退 {shop.left_of(order)} 元。"
            return _page(request, order.person, words)
    shop.tell(order)
    return _back_to(order.person)


def _person(pk: str) -> Person:
    found = Person.objects.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def _count(text: str) -> int | None:
    text = text.strip() or "0"
    if not (text.isascii() and text.isdigit()) or len(text) > 3:
        return None
    return int(text) if int(text) <= shop.MOST_PIECES else None


def _back_to(person: Person) -> HttpResponse:
    return HttpResponseRedirect(f"/shop/?{urlencode({'person': person.pk})}")
