"""Why a row was refused, or applied with a doubt: codes as stored, words as shown."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from core.registry import Text

WORDS: dict[str, Text] = {
    "short_row": _("The row has %(found)s columns instead of %(wanted)s: the file may have been cut off here."),
    "long_row": _("The row has %(found)s columns instead of %(wanted)s: a separator too many, or a quote is missing."),
    "nothing_to_know_by": _("No phone and no id: nothing tells who this is."),
    "missing": _("The cell is empty, but needed."),
    "phone_masked": _("The phone is masked: export it in clear from the other system."),
    "phone_scientific": _("The phone became a number like 1.38E+10 in Excel: format the column as text."),
    "id_rounded": _("The number became one like 1.23E+17 in Excel, its end is lost: format the column as text."),
    "cell_error": _("The cell holds an error of Excel, such as #N/A: correct or empty it."),
    "bad_phone": _("This is no phone number."),
    "bad_id": _("An id has at most 64 characters and no spaces."),
    "bad_gender": _("Gender is 男 or 女, or empty."),
    "bad_yes_no": _("Write 是 or 否."),
    "bad_date": _("This is no date; write it as 2025-03-01."),
    "date_out_of_range": _("The date lies before 1990 or in the future."),
    "bad_birthday": _("The birthday lies before 1900 or in the future."),
    "bad_amount": _("This is no amount; write it as 128.00."),
    "bad_quantity": _("The quantity is a whole number from 1 to 99999."),
    "bad_presale": _("This state of a presale is not known; write 已预约 or 已付定金."),
    "bad_after_sales": _("This state of an after-sales case is not known; write 处理中, 已完结 or 无."),
    "bad_state": _("This state of an order is not known; write 已付款, 已退款, 部分退款, 待付款 or 已取消."),
    "bad_store": _("No store of this name lies in your scope."),
    "store_not_unique": _("Several stores have this name: write the name of the unit above before it, 华东·静安寺店."),
    "bad_owner": _("No colleague of this name lies in your scope."),
    "bad_tag": _("There is no tag “%(tag)s”."),
    "tag_archived": _("The tag “%(tag)s” is archived."),
    "tag_without_group": _("Several groups have a tag “%(tag)s”: write it as 组·值."),
    "no_tags": _("There is no tag in this row."),
    "consent_without_evidence": _("Consent without evidence is not taken over: say where it can be read."),
    "out_of_scope": _("This member belongs to another store: nothing was changed."),
    "purged": _("This person left and their data was purged: they are not brought back."),
    "unknown_member": _("Nobody is known by what this row says."),
    "phone_shared": _("Several members have this phone, and nothing else in the row says which of them is meant."),
    "ids_of_two": _("Applied to the member of the strongest id; another id of the row is somebody else's: both are on the list of possible duplicates."),
    "buyer_of_other": _("Applied to the member this buyer id belongs to; another id of the row is somebody else's: both are on the list of possible duplicates."),
    "id_not_taken": _("Applied, but the member has another id of this kind there: the one of the row was not taken over."),
    # In lists that stand from before.
    "two_members": _("What this row says belongs to two members; both are on the list of possible duplicates."),
    "phone_of_other": _("Applied, but another member has this phone: the two are on the list of possible duplicates."),
    "needs_account": _("Choose the account this id belongs to."),
    "bad_category": _("The product is new here and its category is not known."),
    "no_items": _("The row names no product and no amount."),
    "orders_differ": _("The rows of this order do not agree on it."),
    "too_many_items": _("An order has at most 500 rows."),
    "refund_too_large": _("More was refunded than was paid."),
    "refund_incomplete": _("A refund needs its amount."),
    "refunds_differ": _("Two refunds of the order have the same number, or none, and different amounts: give each its number."),
    "refund_unknown": _("Applied as paid in full: how much was refunded stands nowhere."),
    "consent_not_newer": _("Applied, but the yes was not taken over: the member said no, and nothing says that the yes is newer. Give the time of it."),
    "foreign_order": _("The order belongs to another store: nothing was changed."),
    "order_refused": _("Another row of this order was refused (line %(line)s)."),
    "could_not_write": _("The database does not take this row; check its values."),
    "order_of_other_member": _("Applied, but the order stays with the member it was recorded for."),
}  # fmt: skip


def words(code: str, params: dict[str, Any]) -> str:
    text = str(WORDS.get(code, code))
    return text % params if params else text
