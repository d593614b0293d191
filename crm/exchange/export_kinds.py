"""What can be taken out, and as which columns. Apps above add theirs in ready()."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import models
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.registry import Text
from crm import members
from crm.models import Identity, Member, MemberTag, Order, OrderItem
from staff.models import Staff


@dataclass(frozen=True)
class Column:
    """`value(row, is_revealing)` of a prepared row; `is_personal`: masked otherwise."""

    name: str
    label: Text
    value: Callable[[Any, bool], Any]
    is_default: bool = True
    is_personal: bool = False


@dataclass(frozen=True)
class ExportKind:
    """One sort of rows.

    `rows(staff, asked)`: whom or what `asked` (a query string) means inside the person's
    scope, by pk. `prepare(rows)`: a batch ready for the columns, with a fixed number of
    queries.
    """

    name: str
    label: Text
    columns: tuple[Column, ...]
    rows: Callable[[Staff, str], models.QuerySet[Any]]
    prepare: Callable[[models.QuerySet[Any]], Sequence[Any]]
    view: str
    order: int = 100

    def chosen(self, names: Sequence[str]) -> list[Column]:
        return [column for column in self.columns if column.name in names]


kinds: dict[str, ExportKind] = {}


def add(kind: ExportKind) -> None:
    kinds[kind.name] = kind


def _plain(name: str) -> Callable[[Any, bool], Any]:
    return lambda row, _is_revealing: getattr(row, name)


def _shown(name: str) -> Callable[[Any, bool], Any]:
    return lambda row, _is_revealing: getattr(row, f"get_{name}_display")()


def masked_name(name: str) -> str:
    """林小满 → 林**."""
    return f"{name[0]}{'*' * (len(name) - 1)}" if name else ""


def masked_phone(digits: str) -> str:
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) > 7 else "****"


def phone_of(member: Member | None, is_revealing: bool) -> str:
    if member is None or not member.phone:
        return ""
    return member.phone if is_revealing else masked_phone(member.phone)


def _phone(member: Member, is_revealing: bool) -> str:
    return phone_of(member, is_revealing)


def _real_name(member: Member, is_revealing: bool) -> str:
    name = member.real_name
    return name if is_revealing else masked_name(name)


# -- members


def _ids(kind: str) -> Callable[[Any, bool], str]:
    def found(member: Any, _is_revealing: bool) -> str:
        return "; ".join(
            each.value for each in member.exported_ids if each.kind == kind
        )

    return found


def _tags(member: Any, _is_revealing: bool) -> str:
    return "; ".join(
        f"{row.tag.group.name}·{row.tag.name}" for row in member.exported_tags
    )


def _prepare_members(rows: models.QuerySet[Member]) -> list[Member]:
    tags = MemberTag.objects.in_order().select_related("tag__group")
    return list(
        rows.select_related("org_unit", "owner").prefetch_related(
            models.Prefetch("identities", Identity.objects.all(), "exported_ids"),
            models.Prefetch("member_tags", tags, "exported_tags"),
        )
    )


_MEMBER_COLUMNS = (
    Column("id", _("number"), _plain("pk")),
    Column("name", _("display name"), _plain("display_name")),
    Column("remark", _("remark"), _plain("remark")),
    Column("phone", _("phone"), _phone, is_personal=True),
    Column("real_name", _("real name"), _real_name, False, is_personal=True),
    Column("gender", _("gender"), _shown("gender"), False),
    Column("birthday", _("birthday"), _plain("birthday"), False),
    Column("city", _("city"), _plain("city"), False),
    Column("store", _("store"), _plain("org_unit")),
    Column("owner", _("owner of the member"), _plain("owner"), False),
    Column("stage", _("stage"), _shown("stage")),
    Column("rfm", _("RFM segment"), _shown("rfm")),
    Column("trust", _("trust"), _plain("trust"), False),
    Column("tags", _("tags"), _tags),
    Column("openid", _("OpenID"), _ids(Identity.Kind.OPENID), False),
    Column("unionid", _("UnionID"), _ids(Identity.Kind.UNIONID), False),
    Column("external_userid", _("External contact id"), _ids(Identity.Kind.EXTERNAL_USERID), False),
    Column("buyer", _("Buyer id of a shop"), _ids(Identity.Kind.BUYER), False),
    Column("reachable", _("reachable"), _plain("is_reachable"), False),
    Column("opted_out_at", _("opted out at"), _plain("opted_out_at"), False),
    Column("first_seen_at", _("first seen at"), _plain("first_seen_at")),
    Column("last_seen_at", _("last seen at"), _plain("last_seen_at")),
)  # fmt: skip


# -- tags of members


def _tag_rows(staff: Staff, query: str) -> models.QuerySet[MemberTag]:
    chosen = members.selection(staff, query).order_by().values("pk")
    return MemberTag.objects.filter(member__in=chosen)


_TAG_COLUMNS = (
    Column("member", _("number"), _plain("member_id")),
    Column("name", _("display name"), lambda row, _r: row.member.display_name),
    Column("phone", _("phone"), lambda row, r: phone_of(row.member, r), is_personal=True),
    Column("tags", _("tags"), lambda row, _r: f"{row.tag.group.name}·{row.tag.name}"),
    Column("source", _("source"), _shown("source")),
    Column("set_by", _("set by"), lambda row, _r: str(row.set_by), False),
    Column("set_at", _("set at"), _plain("set_at")),
    Column("expires_at", _("expires at"), _plain("expires_at")),
)  # fmt: skip


def _prepare_tags(rows: models.QuerySet[MemberTag]) -> list[MemberTag]:
    return list(rows.select_related("member", "tag__group", "set_by"))


# -- orders: one row per item


_DAYS = {"7": 7, "30": 30, "365": 365}
_ORDER_CONDITIONS: dict[str, Callable[[str], models.Q | None]] = {
    "state__exact": lambda text: models.Q(state=text),
    "placed": lambda text: _placed_within(_DAYS.get(text)),
    "buyer_known": lambda text: {
        "yes": models.Q(member__isnull=False),
        "no": models.Q(member__isnull=True),
    }.get(text),
    "of_member": lambda text: models.Q(member=int(text)) if _is_id(text) else None,
    "q": lambda text: models.Q(code=text.strip()[:64]),
}


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


def _placed_within(days: int | None) -> models.Q | None:
    if days is None:
        return None
    return models.Q(placed_at__gte=timezone.now() - timedelta(days=days))


def _order_rows(staff: Staff, query: str) -> models.QuerySet[Order]:
    """What a query string of the order list asks for; a key it has not: nothing."""
    rows = Order.objects.visible_to(staff)
    for key, text in QueryDict(query.removeprefix("?")).items():
        if key in ("p", "o", "e") or not text:
            continue
        reads = _ORDER_CONDITIONS.get(key)
        condition = reads(str(text)) if reads else None
        if condition is None:
            return rows.none()
        rows = rows.filter(condition)
    return rows


def _prepare_orders(rows: models.QuerySet[Order]) -> list[Any]:
    items = OrderItem.objects.select_related("product__category").order_by("pk")
    found = rows.select_related("member", "org_unit").prefetch_related(
        models.Prefetch("items", items, "exported_items")
    )
    prepared: list[Any] = []
    for order in found:
        items_of: list[Any] = list(order.exported_items)
        prepared += [(order, item) for item in items_of or [None]]
    return prepared


def _of_order(name: str) -> Callable[[Any, bool], Any]:
    return lambda row, _is_revealing: getattr(row[0], name)


def _of_item(get: Callable[[OrderItem], Any]) -> Callable[[Any, bool], Any]:
    return lambda row, _is_revealing: "" if row[1] is None else get(row[1])


_ORDER_COLUMNS = (
    Column("code", _("order number"), _of_order("code")),
    Column("shop", _("shop"), _of_order("shop")),
    Column("state", _("state"), lambda row, _r: row[0].get_state_display()),
    Column("presale", _("presale"), lambda row, _r: row[0].get_presale_display(), False),
    Column("after_sales", _("after-sales"), lambda row, _r: row[0].get_after_sales_display(), False),
    Column("placed_at", _("placed at"), _of_order("placed_at")),
    Column("paid_at", _("paid at"), _of_order("paid_at")),
    Column("amount", _("amount"), _of_order("amount")),
    Column("discount", _("discount"), _of_order("discount"), False),
    Column("refunded", _("refunded"), _of_order("refunded")),
    Column("buyer", _("Buyer id of a shop"), _of_order("buyer"), False),
    Column("member", _("member"), _of_order("member_id")),
    Column("name", _("display name"), lambda row, _r: row[0].member.display_name if row[0].member else "", False),
    Column("phone", _("phone"), lambda row, r: phone_of(row[0].member, r), False, is_personal=True),
    Column("store", _("store"), _of_order("org_unit")),
    Column("product", _("product number"), _of_item(lambda item: item.product.code)),
    Column("product_name", _("product name"), _of_item(lambda item: item.product.name)),
    Column("category", _("category"), _of_item(lambda item: item.product.category.name)),
    Column("quantity", _("quantity"), _of_item(lambda item: item.quantity)),
    Column("item_amount", _("amount of the item"), _of_item(lambda item: item.amount)),
    Column("note", _("note"), _of_order("note"), False),
)  # fmt: skip


def register() -> None:
    """Called once, in AppConfig.ready()."""
    add(
        ExportKind(
            "members",
            _("Members"),
            _MEMBER_COLUMNS,
            members.selection,
            _prepare_members,
            "crm.view_member",
            10,
        )
    )
    add(
        ExportKind(
            "tags",
            _("Tags of members"),
            _TAG_COLUMNS,
            _tag_rows,
            _prepare_tags,
            "crm.view_membertag",
            20,
        )
    )
    add(ExportKind("orders", _("Orders"), _ORDER_COLUMNS, _order_rows, _prepare_orders, "crm.view_member", 30))  # fmt: skip


def today() -> str:
    return timezone.localdate().strftime("%Y%m%d")
