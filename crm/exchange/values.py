"""One cell of a file as a value, or the reason why it is none."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NoReturn

import phonenumbers
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from crm import phones
from crm.errors import PhoneInvalid
from crm.models import Member, Order
from crm.naming import printable

_YES = {"是", "y", "yes", "true", "1", "同意", "已同意", "有", "√", "on", "granted"}
_NO = {
    "否",
    "n",
    "no",
    "false",
    "0",
    "不同意",
    "拒绝",
    "无",
    "×",
    "off",
    "withdrawn",
    "退订",
}
_GENDERS = {
    **dict.fromkeys(("男", "男性", "m", "male", "1", "先生"), Member.Gender.MALE),
    **dict.fromkeys(("女", "女性", "f", "female", "2", "女士"), Member.Gender.FEMALE),
    **dict.fromkeys(("未知", "0", "unknown", "保密", "-"), ""),
}  # fmt: skip
_STATES = {
    **dict.fromkeys(("待付款", "未付款", "待支付", "等待买家付款", "pending", "unpaid"), Order.State.PENDING),
    **dict.fromkeys(("已付款", "已支付", "已完成", "交易成功", "已发货", "待发货", "已签收", "待收货", "交易完成", "paid", "done", "completed", "shipped"), Order.State.PAID),
    **dict.fromkeys(("部分退款", "partlyrefunded", "part_back", "partiallyrefunded"), Order.State.PARTLY_REFUNDED),
    **dict.fromkeys(("已退款", "退款成功", "全额退款", "refunded"), Order.State.REFUNDED),
    **dict.fromkeys(("已取消", "已关闭", "交易关闭", "取消", "cancelled", "canceled", "closed"), Order.State.CANCELLED),
}  # fmt: skip
_PRESALES = {
    **dict.fromkeys(("已预约", "预约", "预约未付", "待付定金", "reserved"), Order.Presale.RESERVED),
    **dict.fromkeys(("已付定金", "定金已付", "待付尾款", "deposit"), Order.Presale.DEPOSIT),
}  # fmt: skip
_AFTER_SALES = {
    **dict.fromkeys(("处理中", "售后中", "进行中", "待处理", "退款中", "open"), Order.AfterSales.OPEN),
    **dict.fromkeys(("已完结", "已完成", "已关闭", "已撤销", "退款成功", "closed", "done"), Order.AfterSales.CLOSED),
    **dict.fromkeys(("无", "无售后", "-", "none"), ""),
}  # fmt: skip
# What databases, programs and people write where they know nothing.
_NOTHING = {
    "null",
    "(null)",
    "<null>",
    "[null]",
    "\\n",
    "nan",
    "nat",
    "none",
    "undefined",
}
_NOBODY = {
    "-",
    "--",
    "—",
    "——",
    "/",
    "0",
    "无",
    "暂无",
    "没有",
    "未知",
    "空",
    "na",
    "n/a",
}
_EXCEL_ERRORS = {
    *("#n/a", "#ref!", "#value!", "#name?", "#div/0!", "#null!", "#num!", "#spill!"),
    *("#calc!", "#getting_data"),
}  # fmt: skip
_LONGEST_OF_THEM = 13
# A number some program took for one with a fraction: 13800138000.0
_FRACTION = re.compile(r"(?<=^\d{11})\.0+$")
_ROUNDED = re.compile(r"\d(\.\d+)?e\+\d+", re.IGNORECASE)
_DAY = re.compile(r"(\d{4})\D?(\d{1,2})\D?(\d{1,2})(?!\d)日?")
_EXCEL_EPOCH = date(1899, 12, 30)
LARGEST = Decimal("9999999999.99")


class BadCell(Exception):
    """`code` (crm.exchange.reasons) and what words it; never the cell of a person."""

    def __init__(self, code: str, column: str = "", **params: Any) -> None:
        self.code, self.column, self.params = code, column, params
        super().__init__(code)


def meant(text: str, *, is_name: bool) -> str:
    """The cell, "" where it only says that nothing is known. Raises BadCell.

    is_name: the column tells who or what a row is about: "-" or 无 there would make one
    person of all who have none.
    """
    if len(text) > _LONGEST_OF_THEM:
        return text
    folded = text.casefold()
    if folded in _EXCEL_ERRORS:
        raise BadCell("cell_error")
    is_nothing = folded in _NOTHING or (is_name and folded in _NOBODY)
    return "" if is_nothing else text


@lru_cache(maxsize=1)
def _mobile() -> re.Pattern[str]:
    """Mobile numbers of China: nearly all, and many times quicker than parsing."""
    known = phonenumbers.PhoneMetadata.metadata_for_region(phones.HOME_REGION)
    assert known is not None  # the library knows its own regions
    assert known.mobile is not None
    return re.compile(str(known.mobile.national_number_pattern))


@lru_cache(maxsize=4096)
def phone(text: str) -> str:
    """A phone number as crm.phones.normalise gives it."""
    if _mobile().fullmatch(text):
        return text
    if "*" in text:
        raise BadCell("phone_masked")
    if "e+" in text.lower():
        raise BadCell("phone_scientific")
    try:
        return phones.normalise(_FRACTION.sub("", text))
    except PhoneInvalid as error:
        raise BadCell("bad_phone") from error


def identity(text: str) -> str:
    """An openid, unionid, external_userid or buyer id."""
    value = text.strip()
    if _ROUNDED.fullmatch(value):
        raise BadCell("id_rounded")
    if len(value) > 64 or not value.isprintable() or " " in value:
        raise BadCell("bad_id")
    return value


def gender(text: str) -> str:
    found = _GENDERS.get(text.strip().casefold())
    if found is None:
        raise BadCell("bad_gender")
    return str(found)


def yes_or_no(text: str) -> bool:
    folded = text.strip().casefold()
    if folded not in _YES | _NO:
        raise BadCell("bad_yes_no")
    return folded in _YES


@lru_cache(maxsize=4096)
def day(text: str) -> date:
    """2025-03-01, 2025/3/1, 2025年3月1日, 20250301, or Excel's number of a day."""
    clean = text.strip()
    if clean.isdecimal() and len(clean) == 5:
        return _EXCEL_EPOCH + timedelta(days=int(clean))
    found = _DAY.match(clean)
    if found is None:
        raise BadCell("bad_date")
    try:
        return date(*map(int, found.groups()))
    except ValueError as error:  # the 31st of a month that has none
        raise BadCell("bad_date") from error


@lru_cache(maxsize=4096)
def birthday(text: str) -> date:
    found = day(text)
    if not date(1900, 1, 1) <= found <= timezone.localdate():
        raise BadCell("bad_birthday")
    return found


@lru_cache(maxsize=4096)
def moment(text: str) -> datetime:
    """A day, with or without the time; in the console's zone unless it says another."""
    clean = text.strip().replace("/", "-")
    try:
        found = parse_datetime(clean)
    except ValueError:
        found = None
    if found is None:
        found = _written_out(text.strip())
    if found.tzinfo is None:
        found = timezone.make_aware(found)
    if not found.year >= 1990 or found > timezone.now() + timedelta(days=1):
        raise BadCell("date_out_of_range")
    return found


def _written_out(text: str) -> datetime:
    found = _DAY.match(text)
    rest = text[found.end() :] if found else ""
    clock = re.search(r"(\d{1,2})[:时](\d{1,2})(?:[:分](\d{1,2}))?", rest)
    hour, minute, second = (
        (int(part or 0) for part in clock.groups()) if clock else (0, 0, 0)
    )
    hour = _of_24(hour, rest.casefold())
    first = day(text)
    try:
        return datetime.combine(first, time(hour, minute, second))
    except ValueError:
        _refuse("bad_date")


def _of_24(hour: int, around: str) -> int:
    """The hour of a clock of twelve, where the text beside it says so."""
    if hour <= 12 and any(word in around for word in ("下午", "晚上", "pm")):
        return hour % 12 + 12
    if hour == 12 and any(word in around for word in ("上午", "凌晨", "am")):
        return 0
    return hour


def money(text: str) -> Decimal:
    """An amount in yuan with at most two places; ¥ and thousands' commas are fine."""
    clean = re.sub(r"[¥￥,，\s元]", "", text)
    try:
        amount = Decimal(clean)
    except InvalidOperation:
        _refuse("bad_amount")
    if not amount.is_finite() or amount < 0 or amount > LARGEST:
        raise BadCell("bad_amount")
    return amount.quantize(Decimal("0.01"))


def quantity(text: str) -> int:
    try:
        found = Decimal(text.strip())
    except InvalidOperation:
        _refuse("bad_quantity")
    if not found.is_finite() or found != found.to_integral() or not 0 < found < 100_000:
        raise BadCell("bad_quantity")
    return int(found)


def order_state(text: str) -> str:
    found = _STATES.get(re.sub(r"\s", "", text).casefold())
    if found is None:
        raise BadCell("bad_state")
    return str(found)


def presale(text: str) -> str:
    found = _PRESALES.get(re.sub(r"\s", "", text).casefold())
    if found is None:
        raise BadCell("bad_presale")
    return str(found)


def after_sales(text: str) -> str:
    found = _AFTER_SALES.get(re.sub(r"\s", "", text).casefold())
    if found is None:
        raise BadCell("bad_after_sales")
    return str(found)


def words(text: str, limit: int) -> str:
    return printable(text, limit)


def _refuse(code: str) -> NoReturn:
    raise BadCell(code)
