"""Files on their way out: on record, within scope, no formula, gone in time."""

from __future__ import annotations

import csv
import io
import os
import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core import jobs
from core.models import AuditEntry
from crm.exchange import exports, files, sheets, sweeping
from crm.exchange.reading import open_rows
from crm.models import Export, Member
from crm.naming import tokens
from staff.models import Approval
from tests.conftest import build_staff

ALL = ["id", "name", "remark", "phone", "real_name", "store", "tags"]


def _log_in(role: str, unit: Any) -> tuple[Any, Client]:
    person = build_staff(role, org_unit=unit)
    client = Client()
    client.force_login(person)
    return person, client


@pytest.fixture
def place(world: SimpleNamespace, settings: Any, tmp_path: Any) -> SimpleNamespace:
    settings.DATA_DIR = tmp_path
    world.manager, world.client = _log_in("ops_manager", world.brand)
    for unit, controller, name in (
        (None, world.brand, "林小满"),
        (world.store, world.brand, "陈晨"),
        (None, world.dealer, "经销商的客"),
    ):
        Member.objects.create(
            controller=controller,
            org_unit=unit,
            display_name=name,
            phone="13800001234",
            real_name="欧阳锋",
        )
    return world


def ask(client: Client, **given: Any) -> Any:
    data = {
        "kind": "members",
        "of": "",
        "column": ALL,
        "reason": "618 回访名单",
        "format": "csv",
    }
    return client.post(reverse("admin:crm_export_new"), {**data, **given})


def fetched(client: Client, export: Export) -> bytes:
    response = client.post(reverse("admin:crm_export_file", args=[export.pk]))
    assert response.status_code == 200, response.status_code
    return b"".join(response.streaming_content)


def written(client: Client, **given: Any) -> Export:
    assert ask(client, **given).status_code == 302
    jobs.drain()
    return Export.objects.latest("pk")


def table(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def test_the_file_holds_the_scope_masked_and_says_who_took_it(
    place: SimpleNamespace,
) -> None:
    export = written(place.client)
    assert (export.state, export.rows) == ("ready", 2)
    rows = table(fetched(place.client, export))
    assert rows[0][1:5] == ["显示名", "备注", "手机号", "真实姓名"] or rows[0][3]
    assert [row[1] for row in rows[1:3]] == ["林小满", "陈晨"]
    assert rows[1][3:5] == ["138****1234", "欧**"]
    mark = rows[-1][0]
    for word in (place.manager.username, "618 回访名单", "2 行"):
        assert word in mark
    assert all(row[-1].startswith(f"E{export.pk}-") for row in rows[1:3])
    actions = AuditEntry.objects.filter(action__startswith="crm.export.")
    assert {entry.action for entry in actions} == {
        "crm.export.asked",
        "crm.export.written",
        "crm.export.downloaded",
    }
    assert {entry.reason for entry in actions} == {"618 回访名单"}


def test_a_store_and_a_dealer_take_out_their_own_only(place: SimpleNamespace) -> None:
    _person, dealer = _log_in("dealer", place.dealer)
    rows = table(fetched(dealer, written(dealer)))
    assert [row[1] for row in rows[1:-1]] == ["经销商的客"]
    _person, store = _log_in("ops_manager", place.store)
    rows = table(fetched(store, written(store)))
    assert [row[1] for row in rows[1:-1]] == ["陈晨"]


def test_the_scope_is_that_of_the_moment_it_is_written(place: SimpleNamespace) -> None:
    ask(place.client)
    place.manager.org_unit = place.store
    place.manager.save(update_fields=["org_unit"])
    jobs.drain()
    assert Export.objects.get().rows == 1


@pytest.mark.parametrize("lead", ["=", "+", "-", "@", "\t", "\r", "＝"])
@pytest.mark.parametrize("format", ["csv", "xlsx"])
def test_no_cell_is_a_formula(tmp_path: Any, lead: str, format: str) -> None:
    from openpyxl import load_workbook

    evil = f"{lead}cmd|' /C calc'!A0"
    mark = sheets.Watermark("E1", evil, timezone.now(), evil, 1)
    path = tmp_path / f"a.{format}"
    write = sheets.write_csv if format == "csv" else sheets.write_xlsx
    write(path, [evil], [[evil, 12]], mark)
    if format == "csv":
        cells = [row[0] for row in table(path.read_bytes())]
    else:
        book = load_workbook(path)
        assert all(
            cell.data_type != "f"
            for sheet in book
            for row in sheet.iter_rows()
            for cell in row
        )
        cells = [str(row[0].value) for row in book.worksheets[0].iter_rows(max_row=2)]
        assert book.properties.description
    for cell in cells[:2]:
        assert cell.startswith("'")
        assert sheets.unescaped(cell)[0] == lead or format == "xlsx"


def test_phones_in_clear_need_the_right_and_a_second_person(
    place: SimpleNamespace,
) -> None:
    _analyst, without = _log_in("analyst", place.brand)
    assert ask(without, reveal="on").status_code == 403
    ask(place.client, reveal="on")
    jobs.drain()
    export = Export.objects.get()
    assert (export.state, export.rows) == ("asked", None)
    page = reverse("admin:crm_export_act", args=[export.pk])
    place.client.post(page, {"act": "approve"})
    export.refresh_from_db()
    assert export.state == "asked"  # not by oneself
    _officer, other = _log_in("privacy_officer", place.brand)
    waiting = other.get(reverse("admin:crm_exports")).content.decode()
    for words in ("618 回访名单", "全部数据 · 编号 / 姓名 / 备注 / 手机号 / 真实姓名"):
        assert words in waiting
    other.post(page, {"act": "approve"})
    jobs.drain()
    rows = table(fetched(place.client, export))
    assert rows[1][3:5] == ["13800001234", "欧阳锋"]
    # Who loses the right to see them has no right to the file.
    place.manager.groups.clear()
    from django.contrib.auth.models import Group

    place.manager.groups.add(Group.objects.get(name="analyst"))
    address = reverse("admin:crm_export_file", args=[export.pk])
    assert place.client.post(address).status_code == 403


def test_many_rows_need_approval_and_a_refusal_says_why(
    place: SimpleNamespace, monkeypatch: Any
) -> None:
    monkeypatch.setattr(exports, "approval_rows", lambda: 1)
    page = place.client.get(reverse("admin:crm_export_new"), {"kind": "members"})
    assert page.context["needs_approval"]
    ask(place.client)
    export = Export.objects.get()
    assert export.state == "asked"
    _dealer, foreign = _log_in("dealer", place.dealer)
    act = reverse("admin:crm_export_act", args=[export.pk])
    assert foreign.post(act, {"act": "approve"}).status_code == 404
    _officer, other = _log_in("privacy_officer", place.brand)
    other.post(act, {"act": "refuse", "reason": "范围太大"})
    export.refresh_from_db()
    assert (export.state, export.error) == ("refused", "范围太大")
    assert Approval.objects.get().state == "refused"
    assert "范围太大" in place.client.get(reverse("admin:crm_exports")).content.decode()


def test_only_who_asked_and_privacy_officers_fetch_it_and_only_in_time(
    place: SimpleNamespace,
) -> None:
    export = written(place.client)
    address = reverse("admin:crm_export_file", args=[export.pk])
    _analyst, curious = _log_in("analyst", place.brand)
    assert curious.post(address).status_code == 404
    assert place.client.get(address).status_code == 405
    _officer, officer = _log_in("privacy_officer", place.brand)
    fetched(officer, export)
    export.refresh_from_db()
    assert export.downloads == 1
    Export.objects.update(expires_at=timezone.now())
    assert place.client.post(address).status_code == 302
    assert export.path.is_file()
    sweeping.sweep()
    export.refresh_from_db()
    assert export.state == "expired"
    assert not export.path.exists()


def test_a_reason_and_a_column_are_asked_for_and_the_form_keeps_the_rest(
    place: SimpleNamespace,
) -> None:
    response = ask(place.client, reason="", column=["name"])
    assert response.status_code == 409
    assert response.context["chosen"] == ["name"]
    assert ask(place.client, column=[]).status_code == 409
    assert ask(place.client, of="phone__startswith=138").status_code == 409
    assert not Export.objects.exists()
    _agent, agent = _log_in("agent", place.brand)
    assert ask(agent).status_code == 403
    assert agent.get(reverse("admin:crm_exports")).status_code == 403


def test_an_exported_file_can_be_imported_again(place: SimpleNamespace) -> None:
    Member.objects.filter(display_name="林小满").update(remark="=HYPERLINK(1)")
    rows = table(fetched(place.client, written(place.client)))
    assert rows[1][2] == "'=HYPERLINK(1)"
    assert sheets.unescaped(rows[1][2]) == "=HYPERLINK(1)"


def test_tags_and_orders_go_out_too(place: SimpleNamespace) -> None:
    from crm.models import Category, Order, OrderItem, Product

    category, _made = Category.objects.get_or_create(code="x1", defaults={"name": "试"})
    product = Product.objects.create(
        controller=place.brand, code="P1", name="口红", category=category
    )
    order = Order.objects.create(
        controller=place.brand, shop="天猫", code="A1", amount=128, buyer="B1"
    )
    OrderItem.objects.create(order=order, product=product, quantity=1, amount=128)
    export = written(place.client, kind="orders", column=["code", "product", "amount"])
    rows = table(fetched(place.client, export))
    assert rows[1][:3] == ["A1", "P1", "128.00"] or rows[1][0] == "A1"
    assert ask(place.client, kind="tags", column=["tags"]).status_code == 409  # none


def test_more_rows_than_a_workbook_holds_are_refused_before_they_are_written(
    place: SimpleNamespace, monkeypatch: Any
) -> None:
    monkeypatch.setattr(sheets, "MAX_SHEET_ROWS", 1)
    for limit in (2000, 1):  # counted already, and looked for only
        monkeypatch.setattr(exports, "approval_rows", lambda limit=limit: limit)
        response = ask(place.client, format="xlsx")
        assert response.status_code == 409
        assert "最多 1 行" in response.context["error"]
    assert not Export.objects.exists()
    monkeypatch.setattr(exports, "approval_rows", lambda: 2000)
    assert written(place.client).state == "ready"
    monkeypatch.setattr(sheets, "MAX_SHEET_ROWS", 2)
    assert written(place.client, format="xlsx").state == "ready"
    # It became more while it waited.
    ask(place.client, format="xlsx")
    Member.objects.create(controller=place.brand, display_name="新来的")
    jobs.drain()
    export = Export.objects.latest("pk")
    assert (export.state, export.stored_as) == ("failed", "")
    assert "最多 2 行" in export.error


def test_what_was_searched_for_and_requests_nobody_decides_do_not_stay(
    place: SimpleNamespace,
) -> None:
    name = "林小满"
    Member.objects.create(
        controller=place.brand, display_name=name, name_tokens=tokens(name)
    )
    export = written(place.client, of="q=小满&stage=prospect")
    assert export.state == "ready"
    ask(place.client, reveal="on")
    late = Export.objects.latest("pk")
    Approval.objects.update(expires_at=timezone.now())
    sweeping.sweep()
    export.refresh_from_db()
    assert export.asked["query"] == "stage=prospect"
    late.refresh_from_db()
    assert (late.state, late.approval.state) == ("refused", "void")
    assert late.error


def test_a_workbook_passes_row_by_row_in_both_directions(tmp_path: Any) -> None:
    """5 MB of cells that do not compress, in a fraction of it."""
    import openpyxl  # not counted below

    assert openpyxl.__version__
    path, count = tmp_path / "a.xlsx", 600
    rows = ([number, os.urandom(4000).hex()] for number in range(count))
    mark = sheets.Watermark("E1", "甲", timezone.now(), "核对", count)
    tracemalloc.start()
    sheets.write_xlsx(path, ["编号", "内容"], rows, mark)
    writing = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    with open_rows(path, files.inspect(path)) as found:
        read = sum(len(row.cells) == 2 for row in found)
    reading = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert read == count + 1  # and the names of the columns
    assert max(writing, reading) < 2_500_000
