"""What a column may be, and which it probably is by its name."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from core.registry import Text
from crm.models import Import

# By any one of these a row finds its member.
IDENTIFYING = ("phone", "openid", "unionid", "external_userid", "buyer")
# By these something is found again: the same word twice is the same one.
NAMING = frozenset((*IDENTIFYING, "code", "refund_code", "product"))


@dataclass(frozen=True)
class Field:
    """`names`: how people and other systems call the column, folded by `fold`."""

    name: str
    label: Text
    names: tuple[str, ...]
    is_required: bool = False
    hint: Text = ""
    is_personal: bool = False


_IDENTITY = (
    Field(
        "phone",
        _("phone"),
        ("手机", "手机号", "手机号码", "电话", "电话号码", "联系电话", "会员手机", "mobile", "mobilephone", "phone", "phonenumber", "tel"),
        is_personal=True,
    ),
    Field("openid", _("OpenID"), ("openid", "微信openid", "公众号openid"), hint=_("of the account chosen below")),
    Field("unionid", _("UnionID"), ("unionid", "微信unionid")),
    Field(
        "external_userid",
        _("External contact id"),
        ("externaluserid", "外部联系人id", "企微客户id", "企业微信客户id"),
        hint=_("of the WeCom account chosen below"),
    ),
    Field(
        "buyer",
        _("Buyer id of a shop"),
        ("买家", "买家id", "买家编号", "买家账号", "会员号", "会员编号", "会员卡号", "客户编号", "客户id", "buyer", "buyerid", "customerid", "memberid", "membernumber", "externalid"),
    ),
)  # fmt: skip

_STORE = Field(
    "store",
    _("store"),
    ("门店", "所属门店", "店铺门店", "归属门店", "门店名称", "store", "storename"),
    hint=_("the store's name, as on the page of org units"),
)

_MEMBERS = (
    *_IDENTITY,
    Field("name", _("display name"), ("姓名", "昵称", "会员名", "会员昵称", "会员姓名", "称呼", "客户名称", "微信昵称", "名称", "name", "nickname", "displayname"), is_personal=True),
    Field("remark", _("remark"), ("备注", "备注名", "remark", "note")),
    Field("real_name", _("real name"), ("真实姓名", "实名", "realname", "fullname"), is_personal=True),
    Field("gender", _("gender"), ("性别", "gender", "sex"), hint=_("男 / 女, M / F, 1 / 2")),
    Field("birthday", _("birthday"), ("生日", "出生日期", "birthday", "dateofbirth", "birthdate"), hint="1990-05-01"),
    Field("city", _("city"), ("城市", "所在城市", "市", "city")),
    _STORE,
    Field("owner", _("owner of the member"), ("负责人", "归属导购", "导购", "跟进人", "owner"), hint=_("user name of a colleague")),
    Field("tags", _("tags"), ("标签", "会员标签", "客户标签", "tags", "tag"), hint=_("组·值; several with ; between")),
    Field("first_seen_at", _("first seen at"), ("注册时间", "入会时间", "加入时间", "创建时间", "首次添加时间", "registeredat", "joinedat", "createdat"), hint="2025-03-01 10:00"),
    Field("consent", _("agrees to marketing"), ("营销同意", "同意营销", "是否同意营销", "营销授权", "marketingconsent", "consent"), hint=_("是 / 否; a yes needs evidence")),
    Field("consent_at", _("said so at"), ("同意时间", "授权时间", "consentat", "consenttime")),
    Field("consent_evidence", _("evidence"), ("同意凭证", "授权凭证", "凭证", "证据", "consentevidence", "evidence"), hint=_("where it can be read that they agreed")),
)  # fmt: skip

_TAGS = (
    *_IDENTITY,
    Field("tags", _("tags"), ("标签", "会员标签", "客户标签", "tags", "tag"), is_required=True, hint=_("组·值; several with ; between")),
    Field("group", _("tag group"), ("标签组", "标签组名", "group", "taggroup"), hint=_("where the tags are written without it")),
)  # fmt: skip

_ORDERS = (
    Field("code", _("order number"), ("订单号", "订单编号", "单号", "交易单号", "orderno", "ordernumber", "orderid", "code"), is_required=True),
    *_IDENTITY,
    Field("shop", _("shop"), ("店铺", "店铺名称", "渠道", "平台", "来源店铺", "shop", "shopname", "channel"), hint=_("without it: the one named below")),
    Field("placed_at", _("placed at"), ("下单时间", "订单时间", "创建时间", "订单创建时间", "placedat", "orderedat", "createdat", "orderdate"), is_required=True),
    Field("paid_at", _("paid at"), ("付款时间", "支付时间", "paidat", "paymenttime")),
    Field("state", _("state"), ("订单状态", "状态", "state", "status", "orderstatus")),
    Field("presale", _("presale"), ("预售状态", "预售", "presale", "presalestate"), hint=_("已预约 or 已付定金, while the order is not paid")),
    Field("after_sales", _("after-sales"), ("售后状态", "售后", "aftersales", "aftersalesstate"), hint=_("处理中 or 已完结")),
    Field("amount", _("amount"), ("实付金额", "实付", "订单金额", "支付金额", "实收金额", "金额", "amount", "paidamount", "total"), hint=_("of the whole order; without it: the sum of its items")),
    Field("discount", _("discount"), ("优惠", "优惠金额", "折扣", "折扣金额", "discount")),
    Field("product", _("product number"), ("商品编码", "商品编号", "货号", "款号", "sku", "商家编码", "productcode", "productno", "skuid")),
    Field("product_name", _("product name"), ("商品名称", "商品", "品名", "宝贝标题", "productname", "product", "title")),
    Field("category", _("category"), ("品类", "类目", "商品类目", "分类", "category"), hint=_("for products that are new here")),
    Field("quantity", _("quantity"), ("数量", "件数", "商品数量", "quantity", "qty")),
    Field("item_amount", _("amount of the item"), ("商品金额", "商品实付", "小计", "明细金额", "itemamount", "subtotal", "lineamount")),
    _STORE,
    Field("coupon", _("with a coupon"), ("用券", "是否用券", "使用优惠券", "coupon", "hascoupon")),
    Field("pickup", _("picked up"), ("自提", "是否自提", "门店自提", "pickup")),
    Field("region", _("shipped to"), ("收货地区", "收货城市", "省份", "地区", "收货省份", "region", "province")),
    Field("refund_code", _("refund number"), ("退款单号", "退款编号", "售后单号", "refundno", "refundid", "refundcode")),
    Field("refund_amount", _("refunded"), ("退款金额", "退款", "已退金额", "refund", "refundamount", "refunded")),
    Field("refund_at", _("refunded at"), ("退款时间", "refundat", "refundedat", "refundtime")),
    Field("refund_reason", _("reason of the refund"), ("退款原因", "售后原因", "refundreason")),
    Field("note", _("note"), ("备注", "订单备注", "买家留言", "note", "remark")),
)  # fmt: skip

FIELDS: dict[str, tuple[Field, ...]] = {
    Import.Kind.MEMBERS: _MEMBERS,
    Import.Kind.TAGS: _TAGS,
    Import.Kind.ORDERS: _ORDERS,
}


def fold(header: str) -> str:
    """A column's name without case, width, spaces, marks and what stands in brackets."""
    text = unicodedata.normalize("NFKC", header).casefold()
    text = text.partition("(")[0] or text
    return "".join(char for char in text if char.isalnum())


def guess(kind: str, headers: Sequence[str]) -> dict[str, int]:
    """{field: number of the column} by the columns' names, each column once."""
    folded = [fold(header) for header in headers]
    found: dict[str, int] = {}
    for field in FIELDS[kind]:
        for name in field.names:
            if name in folded and folded.index(name) not in found.values():
                found[field.name] = folded.index(name)
                break
    return found


def missing(kind: str, mapping: dict[str, int]) -> list[Text]:
    """Required fields no column was assigned to."""
    lacking: list[Text] = [
        field.label
        for field in FIELDS[kind]
        if field.is_required and field.name not in mapping
    ]
    if kind != Import.Kind.ORDERS and not any(name in mapping for name in IDENTIFYING):
        lacking.append(
            _("one of phone, OpenID, UnionID, external contact id, buyer id")
        )
    return lacking


def digest(headers: Sequence[str]) -> str:
    """What a set of headers is remembered by."""
    text = json.dumps(list(headers), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def read_mapping(kind: str, given: dict[str, Any], columns: int) -> dict[str, int]:
    """The mapping of a form or of the memory, what fits no column left out."""
    names = {field.name for field in FIELDS[kind]}
    return {
        name: int(number)
        for name, number in given.items()
        if name in names and str(number).isdigit() and int(number) < columns
    }
