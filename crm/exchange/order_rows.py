"""Rows of orders: one row per item, the rows of an order together or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.utils import timezone

from crm import matching, orders_loading
from crm.evidence import Decision, Key
from crm.exchange import known, values
from crm.exchange.chunks import Again, Outcome, fold
from crm.exchange.known import Known, Verdict
from crm.exchange.member_rows import MemberRows
from crm.exchange.people import Person
from crm.exchange.reading import Row
from crm.exchange.values import BadCell
from crm.models import Category, Identity, Member, Order, Product, Refund
from crm.orders_loading import Back, Item, OrderData, Standing

MAX_ITEMS = 500
# What every row of an order says of the whole order.
_OF_ORDER = (
    *("placed_at", "paid_at", "state", "amount", "discount", "store", "coupon"),
    *("pickup", "region", "note", "presale", "after_sales"),
)
_BACK = (Order.State.REFUNDED, Order.State.PARTLY_REFUNDED)


@dataclass
class Sheaf:
    """The rows of one order."""

    shop: str
    code: str
    lines: list[int] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    person: Person | None = None
    verdict: Verdict = field(default_factory=lambda: Verdict(Decision()))
    known: Standing | None = None
    bad: dict[int, list[BadCell]] = field(default_factory=dict)

    @cached_property
    def whole(self) -> dict[str, Any]:
        """What the rows say of the order, the first that says it."""
        found: dict[str, Any] = {}
        for row in self.rows:
            for name in _OF_ORDER:
                if name in row:
                    found.setdefault(name, row[name])
        return found

    def differs(self) -> bool:
        names = ("placed_at", "amount")
        return any(
            len({row[name] for row in self.rows if name in row}) > 1 for name in names
        )


class OrderRows(MemberRows):
    """Decides and writes rows of orders."""

    def parsers(self) -> dict[str, Any]:
        money, moment = values.money, values.moment
        return {
            **self.identity_parsers(),
            "code": values.identity,
            "shop": lambda text: values.words(text, 40),
            "placed_at": moment,
            "paid_at": moment,
            "state": values.order_state,
            "presale": values.presale,
            "after_sales": values.after_sales,
            "amount": money,
            "discount": money,
            "product": lambda text: values.words(text, 64),
            "product_name": lambda text: values.words(text, 120),
            "category": lambda text: values.words(text, 40),
            "quantity": values.quantity,
            "item_amount": money,
            "store": self.context.store,
            "coupon": values.yes_or_no,
            "pickup": values.yes_or_no,
            "region": lambda text: values.words(text, 40),
            "refund_code": values.identity,
            "refund_amount": money,
            "refund_at": moment,
            "refund_reason": lambda text: values.words(text, 200),
            "note": lambda text: values.words(text, 200),
        }

    def take(self, rows: Sequence[Row]) -> Outcome:
        outcome = Outcome()
        sheaves = [
            each
            for each in self._bind_up(rows, outcome)
            if self._is_good(each, outcome)
        ]
        keys = {
            key for each in sheaves if each.person for key in each.person.keys.values()
        }
        found = known.find(self.context.batch.controller_id, keys)
        units = self._units(found)
        wanted = [(each.shop, each.code) for each in sheaves]
        stand = orders_loading.standing(self.context.batch.controller_id, wanted)
        owned = self._owned(sheaves, found, stand, units, outcome)
        if self.context.is_dry:
            self._foresee_orders(owned, stand, outcome)
        else:
            self._write_orders(owned, stand, outcome)
        return outcome

    # -- reading

    def _bind_up(self, rows: Sequence[Row], outcome: Outcome) -> list[Sheaf]:
        sheaves: dict[tuple[str, str], Sheaf] = {}
        for row in rows:
            found, problems = self._reader.read(row)
            code = found.get("code")
            if code is None:
                outcome.refuse(row.line, *problems)
                continue
            shop = found.get("shop") or self.context.option("shop") or "-"
            sheaf = sheaves.setdefault((shop, code), Sheaf(shop, code))
            sheaf.lines.append(row.line)
            if problems:
                sheaf.bad[row.line] = problems
                continue
            sheaf.rows.append(found)
            keys = self._keys(found)
            if keys and sheaf.person is None:
                sheaf.person = Person(row.line, found, keys)
        return list(sheaves.values())

    def _is_good(self, sheaf: Sheaf, outcome: Outcome) -> bool:
        if not sheaf.bad:
            wrong = self._wrong(sheaf)
            sheaf.bad = {sheaf.lines[0]: wrong} if wrong else {}
        if not sheaf.bad:
            return True
        self._refuse_all(sheaf, outcome)
        return False

    def _refuse_all(self, sheaf: Sheaf, outcome: Outcome) -> None:
        first = min(sheaf.bad)
        for line in sheaf.lines:
            outcome.refuse(
                line, *sheaf.bad.get(line, [BadCell("order_refused", line=first)])
            )

    def _wrong(self, sheaf: Sheaf) -> list[BadCell]:
        """What is wrong with the order as a whole."""
        if len(sheaf.rows) > MAX_ITEMS:
            return [BadCell("too_many_items")]
        if sheaf.differs():
            return [BadCell("orders_differ")]
        try:
            data = self._data(sheaf, is_final=False)
        except BadCell as bad:
            return [bad]
        if data.amount is None and not data.items:
            return [BadCell("no_items")]
        paid = orders_loading.amount_of(data)
        if paid > values.LARGEST:
            return [BadCell("bad_amount")]
        if sum((back.amount for back in data.refunds), Decimal(0)) > paid:
            return [BadCell("refund_too_large", self._header("refund_amount"))]
        return []

    def _data(self, sheaf: Sheaf, *, is_final: bool) -> OrderData:
        """The order of the rows, without its member. Raises BadCell.

        Only the final one makes products that are new.
        """
        whole = sheaf.whole
        state = whole.get("state", Order.State.PAID)
        data = OrderData(
            shop=sheaf.shop,
            code=sheaf.code,
            placed_at=whole["placed_at"],
            state=state,
            presale=whole.get("presale", ""),
            after_sales=whole.get("after_sales", ""),
            paid_at=whole.get("paid_at") or _paid_at(state, whole["placed_at"]),
            amount=whole.get("amount"),
            discount=whole.get("discount", Decimal(0)),
            unit=whole.get("store", self.context.batch.org_unit_id),
            has_coupon=whole.get("coupon", False),
            is_pickup=whole.get("pickup", False),
            region=whole.get("region", ""),
            note=whole.get("note", ""),
            items=[
                item
                for row in sheaf.rows
                for item in self._item(row, sheaf, is_final=is_final)
            ],
        )
        data.refunds = _refunds(sheaf, data)
        # The sum of refunds says how much of it went back.
        if state in _BACK:
            data.state = Order.State.PAID
        return data

    def _item(self, row: dict[str, Any], sheaf: Sheaf, *, is_final: bool) -> list[Item]:
        if "product" not in row and "product_name" not in row:
            return []
        amount = row.get("item_amount")
        if amount is None:
            # One item: it is what was paid.
            amount = sheaf.whole.get("amount") if len(sheaf.rows) == 1 else Decimal(0)
        product = self._product(row, is_final=is_final)
        return [Item(product, row.get("quantity", 1), amount or Decimal(0))]

    # -- the catalogue

    @cached_property
    def _products(self) -> dict[str, int]:
        rows = Product.objects.filter(controller_id=self.context.batch.controller_id)
        return dict(rows.values_list("code", "pk"))

    @cached_property
    def _categories(self) -> dict[str, int]:
        rows = Category.objects.filter(
            controller_id__in=[self.context.batch.controller_id]
        ) | Category.objects.filter(controller=None)
        found = {}
        for category in rows:
            found[fold(category.code)] = found[fold(category.name)] = category.pk
        return found

    def _product(self, row: dict[str, Any], *, is_final: bool) -> int:
        """The product of the row, made when it is new. Raises BadCell."""
        code = row.get("product") or row["product_name"][:64]
        if code in self._products:
            return self._products[code]
        category = self._category(code, row.get("category"))
        if not is_final:
            return 0
        self._products[code] = self._new_product(code, row, category)
        return self._products[code]

    def _category(self, code: str, given: str | None) -> int:
        """Of a new product, by this row or one before. Raises BadCell."""
        if given:
            category = self._categories.get(fold(given))
        else:
            category = self._planned.get(code, self._default_category)
        if category is None:
            raise BadCell("bad_category", self._header("category"))
        self._planned.setdefault(code, category)
        return category

    @cached_property
    def _planned(self) -> dict[str, int]:
        return {}

    @property
    def _default_category(self) -> int | None:
        chosen = self.context.option("category")
        return chosen if chosen in self._categories.values() else None

    def _new_product(self, code: str, row: dict[str, Any], category: int) -> int:
        product, _made = Product.objects.get_or_create(
            controller_id=self.context.batch.controller_id,
            code=code,
            defaults={
                "name": row.get("product_name") or code,
                "category_id": category,
                "price": _price(row),
            },
        )
        return product.pk

    def forget(self) -> None:
        """A chunk was taken back, and products made in it with it."""
        super().forget()
        self.__dict__.pop("_products", None)

    # -- whose they are

    def _units(self, found: Known) -> dict[int, int | None]:
        """The store of each member found; who was merged or purged meanwhile: Again."""
        members = {pk for each in found.members.values() for pk in each}
        rows = Member.objects.filter(pk__in=members).order_by("pk")
        if not self.context.is_dry:
            rows = rows.select_for_update(no_key=True)
        stand = list(rows.values_list("pk", "org_unit", "merged_into", "purged_at"))
        if not self.context.is_dry and any(
            merged_into or purged_at for _pk, _unit, merged_into, purged_at in stand
        ):
            raise Again
        return {pk: unit for pk, unit, _merged_into, _purged_at in stand}

    def _owned(
        self,
        sheaves: list[Sheaf],
        found: Known,
        stand: dict[tuple[str, str], Standing],
        units: dict[int, int | None],
        outcome: Outcome,
    ) -> list[Sheaf]:
        """The orders that may be written, each knowing whose it is."""
        owned = []
        for sheaf in sheaves:
            sheaf.verdict = self._verdict(sheaf, found)
            member, code = sheaf.verdict.member, sheaf.verdict.refusal
            sheaf.known = stand.get((sheaf.shop, sheaf.code))
            if sheaf.known and not self.context.covers(sheaf.known.unit):
                code = "foreign_order"
            elif sheaf.known and self._is_more_back_than_paid(sheaf, sheaf.known):
                code = "refund_too_large"
            elif member and not self.context.covers(units.get(member)):
                code = "out_of_scope"
            if code:
                sheaf.bad = {sheaf.lines[0]: [BadCell(code)]}
                self._refuse_all(sheaf, outcome)
            else:
                owned.append(sheaf)
                if member and sheaf.person:
                    found.gave(member, sheaf.person)
        return owned

    def _is_more_back_than_paid(self, sheaf: Sheaf, known: Standing) -> bool:
        """Whether the file's refunds and those known already are too much together."""
        if not known.refunded:
            return False
        data = self._data(sheaf, is_final=False)
        codes = [back.code for back in data.refunds]
        stand = Refund.objects.filter(order=known.pk, code__in=codes)
        told = set(stand.values_list("code", flat=True))
        fresh = (back.amount for back in data.refunds if back.code not in told)
        paid = orders_loading.amount_of(data)
        if data.amount is None:
            paid = max(paid, known.amount)
        return sum(fresh, known.refunded) > paid

    def _verdict(self, sheaf: Sheaf, found: Known) -> Verdict:
        """Whose the order is: as crm.orders.record, a buyer who is known has it."""
        person = sheaf.person
        if person is None:
            return Verdict(Decision())
        keys = person.keys.values()
        verdict = known.judge(keys, found)
        buyer = person.keys.get((Identity.Kind.BUYER, None))
        if buyer is not None and buyer in found.members:
            (owner,) = found.members[buyer]
            verdict = verdict._replace(
                member=owner, foreign=known.foreign(keys, owner, found)
            )
        elif buyer and verdict.refusal == "phone_shared":
            return Verdict(Decision())  # it waits for its buyer
        elif verdict.member is None and not verdict.refusal and not buyer:
            return Verdict(Decision(), refusal="unknown_member")
        person.foreign = verdict.foreign
        return verdict

    # -- what happens

    def _foresee_orders(
        self,
        owned: list[Sheaf],
        stand: dict[tuple[str, str], Any],
        outcome: Outcome,
    ) -> None:
        for sheaf in owned:
            key = (sheaf.shop, sheaf.code)
            is_first = self.context.seen.add(Key("order", None, "\0".join(key)))
            what = "known" if key in stand else "new" if is_first else "double"
            _count(sheaf, what, outcome)
            _tell_doubts(sheaf, outcome)

    def _write_orders(
        self,
        owned: list[Sheaf],
        stand: dict[tuple[str, str], Any],
        outcome: Outcome,
    ) -> None:
        controller = self.context.batch.controller_id
        orders = []
        for sheaf in owned:
            data = self._data(sheaf, is_final=True)
            data.member, data.buyer = sheaf.verdict.member, _buyer(sheaf)
            orders.append(data)
        written = orders_loading.write(controller, orders)
        people = [
            (sheaf.person, sheaf.verdict.member)
            for sheaf in owned
            if sheaf.person and sheaf.verdict.member
        ]
        self._writer.bind(people, timezone.now())
        matching.ask_about(
            doubt
            for sheaf in owned
            if sheaf.verdict.decision.member
            for doubt in sheaf.verdict.asks(sheaf.verdict.decision.member)
        )
        for sheaf in owned:
            key = (sheaf.shop, sheaf.code)
            _count(sheaf, "known" if key in stand else "new", outcome)
            _tell_doubts(sheaf, outcome)
            member = sheaf.verdict.member
            if member and written[key].member not in (None, member):
                outcome.doubt(sheaf.lines[0], "order_of_other_member")


def _tell_doubts(sheaf: Sheaf, outcome: Outcome) -> None:
    state = sheaf.whole.get("state")
    if state == Order.State.PARTLY_REFUNDED and not any(
        row.get("refund_amount") for row in sheaf.rows
    ):
        outcome.doubt(sheaf.lines[0], "refund_unknown")
    verdict = sheaf.verdict
    is_buyers = verdict.member != verdict.decision.member
    for code in verdict.doubts():
        is_split = is_buyers and code == "ids_of_two"
        outcome.doubt(sheaf.lines[0], "buyer_of_other" if is_split else code)


def _count(sheaf: Sheaf, what: str, outcome: Outcome) -> None:
    """The first row is the order, the others are more of its items."""
    outcome.count(sheaf.lines[0], what)
    for line in sheaf.lines[1:]:
        outcome.count(line, "item")


def _buyer(sheaf: Sheaf) -> str:
    if sheaf.person is None:
        return ""
    key = sheaf.person.keys.get((Identity.Kind.BUYER, None))
    return key.value if key else ""


def _paid_at(state: str, placed_at: Any) -> Any:
    unpaid = (Order.State.PENDING, Order.State.CANCELLED)
    return None if state in unpaid else placed_at


def _price(row: dict[str, Any]) -> Decimal:
    amount: Decimal = row.get("item_amount") or Decimal(0)
    return (amount / int(row.get("quantity", 1))).quantize(Decimal("0.01"))


def _refunds(sheaf: Sheaf, data: OrderData) -> list[Back]:
    """Refunds of the rows; one without a number is known by the order's."""
    found: dict[str, Back] = {}
    for row in sheaf.rows:
        amount = row.get("refund_amount", Decimal(0))
        if not amount:
            if "refund_code" in row and "refund_amount" not in row:
                raise BadCell("refund_incomplete")
            continue
        code = row.get("refund_code") or f"{sheaf.code[:62]}-R"
        at = row.get("refund_at") or data.paid_at or data.placed_at
        if code in found and found[code].amount != amount:
            raise BadCell("refunds_differ")
        found[code] = Back(code, amount, at, row.get("refund_reason", ""))
    if not found and data.state == Order.State.REFUNDED:
        at = data.paid_at or data.placed_at
        before = sheaf.known.refunded if sheaf.known else Decimal(0)
        left = orders_loading.amount_of(data) - before
        if left > 0:
            found[""] = Back(f"{sheaf.code[:62]}-R", left, at)
    return list(found.values())
