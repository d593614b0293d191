"""Cells that say nothing, say it as Excel left it, or would be lost: never guessed."""

from __future__ import annotations

import io
import random
import zipfile
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core import jobs
from core.errors import AppError
from crm.exchange import files, reading, running, sweeping
from crm.exchange.reading import open_rows
from crm.models import Identity, Import, ImportProblem, Order, Tag, TagGroup
from crm.phones import phone_digest
from tests.conftest import build_staff
from tests.crm.imported import (
    HEAD,
    act,
    assign,
    bring_in,
    problems,
    send,
    uploaded,
    with_manager,
)
from tests.crm.test_import import workbook


@pytest.fixture
def place(world: SimpleNamespace, settings: Any, tmp_path: Any) -> SimpleNamespace:
    return with_manager(world, settings, tmp_path)


def test_a_word_for_nothing_makes_nobody_the_same_person(
    place: SimpleNamespace,
) -> None:
    rows = [
        "13800000001,甲,NULL,-",
        "13800000002,乙,null,无",
        "13800000003,丙,\\N,0",
        "-,,NULL,V9",
        "NULL,丁,-,暂无",
    ]
    batch = bring_in(
        place.client, "手机号,姓名,unionid,会员号\n" + "\n".join(rows) + "\n"
    )
    assert batch.counts == {"new": 4, "refused": 1}
    assert problems(batch) == [(6, "", "nothing_to_know_by")]
    assert {row.value for row in Identity.objects.all()} == {"V9"}


def test_what_excel_made_of_numbers_is_read_or_refused_never_guessed(
    place: SimpleNamespace,
) -> None:
    rows = [
        "13800000001.0,'88001,1990-05-01,杭州",
        '"=""13800000002""","=""88002""",1990-05-02,上海',
        "13800000003,1.23457E+17,,",
        "13800000004,1.23457E+17,,",
        "13800000005,88005,²²²²²,",
        "13800000006,88006,1990-05-011,",
        "13800000007,88007,,#N/A",
    ]
    batch = bring_in(place.client, "手机号,会员号,生日,城市\n" + "\n".join(rows) + "\n")
    known = Identity.objects.order_by("pk").values_list("value", "member__phone_hash")
    assert list(known) == [
        ("88001", phone_digest("13800000001")),
        ("88002", phone_digest("13800000002")),
    ]
    assert problems(batch) == [
        (4, "会员号", "id_rounded"),
        (5, "会员号", "id_rounded"),
        (6, "生日", "bad_date"),
        (7, "生日", "bad_date"),
        (8, "城市", "cell_error"),
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda sheet: sheet.append(["=13800138000+1", "陈"]), "A3"),
        (lambda sheet: sheet.merge_cells("B2:B3"), "B2:B3"),
    ],
    ids=["formula", "merged"],
)
def test_a_workbook_whose_values_would_be_lost_is_refused_with_the_cell(
    place: SimpleNamespace, change: Any, said: str
) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["手机号", "姓名"])
    book.active.append([13800000001, "林"])
    change(book.active)
    target = io.BytesIO()
    book.save(target)
    response = send(place.client, target.getvalue(), name="会员.xlsx")
    assert response.status_code == 409
    assert said in response.context["error"]


def test_neither_an_endless_row_nor_a_far_away_one_holds_anybody_up(
    place: SimpleNamespace, monkeypatch: Any
) -> None:
    monkeypatch.setattr(reading, "MAX_ROW", 100_000)
    response = send(place.client, b"a" + b"," * 100_001)
    assert "1 行" in response.context["error"]
    source, target = zipfile.ZipFile(io.BytesIO(workbook([["手机"]]))), io.BytesIO()
    far = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        '<sheetData><row r="1"><c t="inlineStr"><is><t>手机</t></is></c></row>'
        '<row r="2000000000"><c t="n"><v>13800000001</v></c></row></sheetData></worksheet>'
    )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            is_sheet = name == "xl/worksheets/sheet1.xml"
            archive.writestr(name, far if is_sheet else source.read(name))
    batch = uploaded(place.client, target.getvalue(), name="会员.xlsx")
    assert assign(place.client, batch).status_code == 409  # no row below the names


def test_a_check_of_other_columns_does_not_stand_for_those_assigned_since(
    place: SimpleNamespace,
) -> None:
    batch = uploaded(place.client, HEAD + "13800000001,林小满,杭州,V1\n")
    assign(place.client, batch)
    slow = Import.objects.get(pk=batch.pk)
    Import.objects.update(mapping={"buyer": 3}, state="uploaded")
    with pytest.raises(AppError):
        running.look_ahead(slow)
    Import.objects.update(mapping=batch.mapping, state="running")
    with pytest.raises(AppError):
        running.look_ahead(slow)
    assert Import.objects.get().state == "running"


def test_an_upload_whose_file_is_gone_can_be_discarded(
    place: SimpleNamespace, django_capture_on_commit_callbacks: Any
) -> None:
    batch = uploaded(place.client, HEAD + "13800000001,林小满,杭州,V1\n")
    Import.objects.update(created_at=timezone.now() - timedelta(days=90))
    sweeping.remove_uploads()
    with django_capture_on_commit_callbacks(execute=True):
        assert act(place.client, batch, "discard").status_code == 302
    assert not Import.objects.exists()


def test_an_administrator_puts_no_tag_into_a_group_of_another_controller(
    place: SimpleNamespace,
) -> None:
    for controller in (place.brand, place.dealer):
        TagGroup.objects.create(controller=controller, code="s", name="季节")
    place.client.force_login(build_staff("administrator"))
    for controller in (place.brand, place.dealer):
        file = SimpleUploadedFile("a.csv", "手机,标签\n13800000001,季节·春\n".encode())
        data = {"kind": "members", "file": file, "controller": controller.pk}
        place.client.post(reverse("admin:crm_imports"), data)
        batch = Import.objects.latest("pk")
        assign(place.client, batch, create_tags="on")
        act(place.client, batch, "begin")
        jobs.drain()
    # Nor by choosing it.
    foreign = TagGroup.objects.get(controller=place.brand)
    place.client.post(
        reverse("admin:crm_imports"), data | {"file": file.open()}, follow=True
    )
    again = Import.objects.latest("pk")
    assert assign(place.client, again, tag_group=foreign.pk).status_code == 404
    rows = Tag.objects.values_list("controller", "group__controller")
    assert sorted(rows) == sorted(
        (each.pk, each.pk) for each in (place.brand, place.dealer)
    )


def test_refunds_that_do_not_agree_are_not_guessed(place: SimpleNamespace) -> None:
    head = "订单号,会员号,下单时间,金额,订单状态,退款金额\n"
    rows = (
        "A1,V1,2026-01-01,100,,10\nA1,V1,2026-01-01,100,,20\n"
        "A2,V1,2026-01-01,100,部分退款,\nA3,V1,2026-01-01,100,部分退款,30\n"
    )
    batch = bring_in(place.client, head + rows, {"kind": "orders"})
    assert [each[::2] for each in problems(batch)] == [
        (2, "refunds_differ"),
        (3, "order_refused"),
        (4, "refund_unknown"),
    ]
    found = Order.objects.order_by("code").values_list("code", "refunded")
    assert [(code, int(back)) for code, back in found] == [("A2", 0), ("A3", 30)]


def test_a_colleague_sees_how_an_import_stands_but_nobodys_phone(
    place: SimpleNamespace,
) -> None:
    batch = uploaded(place.client, HEAD + "13800000001,林小满,杭州,V1\n")
    address = reverse("admin:crm_import", args=[batch.pk])
    assert "13800000001" in place.client.get(address).content.decode()
    colleague = Client()
    colleague.force_login(build_staff("ops_specialist", org_unit=place.brand))
    for path in (address, f"{address}?columns"):
        page = colleague.get(path).content.decode()
        assert "13800000001" not in page
        assert "林小满" not in page
        assert str(place.manager) in page  # whose it is to go on
        assert f"{address}do/" not in page


def test_a_column_taken_for_tags_leaves_no_phone_in_the_list_of_problems(
    place: SimpleNamespace,
) -> None:
    batch = bring_in(place.client, "会员号,标签\nV1,13800000001\nV2,金卡会员\n")
    words = [row.params["tag"] for row in ImportProblem.objects.filter(batch=batch)]
    assert set(words) == {"…", "金卡会员"}


def test_a_damaged_workbook_is_refused_whatever_byte_is_wrong(tmp_path: Any) -> None:
    whole = workbook(
        [["手机", "姓名"], *([f"138{n:08}", "林" * 9] for n in range(300))]
    )
    path, draw = tmp_path / "a.xlsx", random.Random(5)
    said = Counter[str]()
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            with open_rows(path, files.inspect(path)) as rows:
                said["read"] += sum(1 for _row in rows) == 301
        except files.BadFile:
            said["refused"] += 1
    # Some bytes say nothing of the cells: the time a part was written.
    assert said.total() == 60
    assert said["refused"] > 40
