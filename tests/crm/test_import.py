"""Files of members and tags on their way in: read strictly, written once, listed else."""

from __future__ import annotations

import io
import os
import threading
import zipfile
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core import jobs
from crm import consent
from crm.exchange import imports, running, sweeping
from crm.models import (
    ConsentEntry,
    Event,
    Identity,
    Import,
    Member,
    MemberTag,
    Order,
    Tag,
    TagGroup,
)
from crm.phones import phone_digest
from staff.models import OrgUnit
from tests.conftest import build_staff
from tests.crm.conftest import build_world
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


@pytest.fixture
def place(world: SimpleNamespace, settings: Any, tmp_path: Any) -> SimpleNamespace:
    return with_manager(world, settings, tmp_path)


# -- reading strictly


def test_columns_are_guessed_checked_and_imported(place: SimpleNamespace) -> None:
    batch = uploaded(
        place.client, HEAD + "13800000001,林小满,杭州,V1\n13800000002,陈晨,,V2\n"
    )
    assert batch.mapping == {"phone": 0, "name": 1, "city": 2, "buyer": 3}
    page = place.client.get(reverse("admin:crm_import", args=[batch.pk]))
    assert "林小满" in page.content.decode()
    assign(place.client, batch)
    batch.refresh_from_db()
    assert batch.state == "checked"
    assert batch.foreseen["new"] == 2
    assert not Member.objects.exists()  # looked at only
    act(place.client, batch, "begin")
    jobs.drain()
    batch.refresh_from_db()
    assert (batch.state, batch.counts) == ("done", {"new": 2})
    member = Member.objects.get(display_name="林小满")
    assert (member.phone, member.city) == ("13800000001", "杭州")
    assert member.phone_hash == phone_digest("13800000001")
    assert Identity.objects.get(member=member).value == "V1"
    assert Event.objects.get(member=member).kind == "imported"
    # In the list by a fragment of the name, as everybody else.
    listed = place.client.get(reverse("admin:crm_member_changelist"), {"q": "小满"})
    assert "林小满" in listed.content.decode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_every_usual_encoding_is_read(place: SimpleNamespace, encoding: str) -> None:
    rows = "".join(f"1380000{n:04d},张{n},上海,B{n}\n" for n in range(40))
    batch = bring_in(place.client, (HEAD + rows).encode(encoding))
    assert batch.counts == {"new": 40}
    assert Member.objects.filter(city="上海").count() == 40


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "空"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8, "表格"),
        ("\ufeff<html><table><tr><td>手机号,姓名</td></tr>".encode(), "表格"),
        ("手机号,姓名,手机号\n1,2,3\n".encode(), "手机号"),
        ((HEAD + "13800000001,林\n").encode()[:-2], "1 行|2 行"),
        ((HEAD + '13800000001,"林小满,杭州,V1\n').encode(), "第 2 行"),
        ((HEAD + "138,a\0b,c,d\n").encode(), "第 2 行"),
        (b"13800000001,13800000002\n", "第 1 行"),
        ((",".join(f"列{n}" for n in range(300)) + "\n").encode(), "300"),
        (b"PK\x03\x04cut off", "损坏|截断"),
        (("手机号,姓名\n" + "13800000001,林小满\n" * 30).encode() + b"1,\xff\xfe\xff\n" + b"x" * 99, "32 行"),
    ],
    ids=["empty", "picture", "page", "double", "cut", "quote", "nul", "headless", "wide", "zip", "mixed"],
)  # fmt: skip
def test_a_file_that_can_not_be_read_says_where_and_nothing_is_kept(
    place: SimpleNamespace, content: bytes, said: str
) -> None:
    response = send(place.client, content)
    assert response.status_code in (302, 409)
    if response.status_code == 302:
        # What only its rows can tell comes with the check.
        response = assign(place.client, Import.objects.get())
        assert response.status_code == 409
    error = response.context["error"]
    assert any(word in error for word in said.split("|")), error
    assert not Member.objects.exists()


def test_a_row_that_was_cut_off_is_listed_with_its_line(place: SimpleNamespace) -> None:
    whole = HEAD + "13800000001,林小满,杭州,V1\n13800000002,陈晨,上海,V2\n"
    batch = bring_in(place.client, whole[:-6])
    assert batch.counts == {"new": 1, "refused": 1}
    assert problems(batch) == [(3, "", "short_row")]


def test_lines_are_those_an_editor_shows_despite_quoted_line_breaks(
    place: SimpleNamespace,
) -> None:
    text = '手机号,备注\r\n13800000001,"两\r\n行"\r\n\r\nbad,x\r\n13800000002,"a\nb\nc"\r\n12,y\r\n'
    batch = bring_in(place.client, text)
    assert [(line, column) for line, column, _c in problems(batch)] == [
        (5, "手机号"),
        (9, "手机号"),
    ]
    listed = place.client.get(reverse("admin:crm_import_problems", args=[batch.pk]))
    text = b"".join(listed.streaming_content).decode()
    assert '"5","手机号"' in text
    assert "不是" in text or "号码" in text


def workbook(rows: list[list[Any]]) -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    for row in rows:
        sheet.append(row)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def test_a_workbook_is_read_as_it_looks(place: SimpleNamespace) -> None:
    content = workbook(
        [["手机", "姓名", "生日"], [13800000001, "林小满", None], [13800000002.0, None, None], [], ["12", "x", None]]
    )  # fmt: skip
    batch = bring_in(place.client, content, {"name": "会员.xlsx"})
    assert batch.counts == {"new": 2, "refused": 1}
    assert problems(batch) == [(5, "手机", "bad_phone")]


def test_a_workbook_that_unpacks_to_gigabytes_is_refused(
    place: SimpleNamespace,
) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 30_000_000)
    response = send(place.client, target.getvalue(), name="b.xlsx")
    assert response.status_code == 409
    assert not Import.objects.exists()


def test_too_large_an_upload_stops_without_filling_the_disk(
    place: SimpleNamespace, settings: Any, tmp_path: Any
) -> None:
    settings.MAX_UPLOAD_BYTES = 3_000_000
    response = send(place.client, HEAD.encode() + b"x" * 4_000_000)
    assert response.status_code == 409
    assert "200 MB" in response.context["error"]
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_hundred_megabytes_are_moved_not_read_into_memory(
    place: SimpleNamespace, tmp_path: Any
) -> None:
    import tracemalloc

    row = "13800000001,林小满,杭州," + "V" * 4000 + "\n"
    path = tmp_path / "big.csv"
    with path.open("w", encoding="utf-8") as stream:
        stream.write(HEAD)
        block = row * 250
        for _turn in range(100):
            stream.write(block)
    assert path.stat().st_size > 100_000_000
    from crm.exchange import files

    tracemalloc.start()
    layout = files.inspect(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert layout.headers == ("手机号", "姓名", "城市", "会员号")
    assert peak < 8_000_000


# -- the files themselves


def test_an_upload_is_deleted_in_time_and_the_page_says_when(
    place: SimpleNamespace,
) -> None:
    batch = bring_in(place.client, HEAD + "138****0001,甲,,\n13800000002,乙,,\n")
    address = reverse("admin:crm_import", args=[batch.pk])
    assert "保留到" in place.client.get(address).content.decode()
    folder = batch.path.parent
    strays = [folder / "left.dat", folder.parent / "arriving" / "half.upload"]
    for path in strays:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
    os.utime(batch.path, (0, 0))
    sweeping.sweep()
    assert list(folder.parent.rglob("*.*")) == [batch.path]
    waiting = uploaded(place.client, HEAD + "13800000003,丙,,\n")
    Import.objects.update(created_at=timezone.now() - imports.kept_for())
    sweeping.sweep()
    assert not list(folder.iterdir())
    assert "已到期删除" in place.client.get(address).content.decode()
    assert problems(batch) == [(2, "手机号", "phone_masked")]
    waiting.refresh_from_db()
    page = place.client.get(reverse("admin:crm_import", args=[waiting.pk]))
    assert "已到期删除" in page.content.decode()
    assert "重新上传" in assign(place.client, waiting).context["error"]


# -- scope


def test_staff_of_a_store_import_into_their_store_only(place: SimpleNamespace) -> None:
    bring_in(place.client, HEAD + "13800000001,总部的,,V1\n")
    other = OrgUnit.objects.create(name="徐汇店", kind="store", parent=place.brand)
    person = build_staff("ops_specialist", org_unit=place.store)
    client = Client()
    client.force_login(person)
    head = "手机,姓名,门店\n"
    batch = bring_in(
        client,
        head + "13800000001,改名,\n13800000002,新人,\n13800000003,别店,徐汇店\n",
        overwrite="on",
    )
    assert problems(batch) == [(2, "", "out_of_scope"), (4, "门店", "bad_store")] or (
        sorted(problems(batch)) == [(2, "", "out_of_scope"), (4, "门店", "bad_store")]
    )
    assert (
        Member.objects.get(phone_hash=phone_digest("13800000001")).display_name
        == "总部的"
    )
    assert Member.objects.get(display_name="新人").org_unit == place.store
    assert not Member.objects.filter(org_unit=other).exists()


def test_a_dealer_neither_meets_nor_changes_people_of_the_brand(
    place: SimpleNamespace,
) -> None:
    first = bring_in(place.client, HEAD + "13800000001,品牌的,,V1\n")
    person = build_staff("dealer", org_unit=place.dealer)
    client = Client()
    client.force_login(person)
    batch = bring_in(client, HEAD + "13800000001,经销商的,,V1\n")
    assert batch.counts == {"new": 1}
    assert Member.objects.filter(controller=place.dealer).count() == 1
    assert Member.objects.get(controller=place.brand).display_name == "品牌的"
    for name in ("crm_import", "crm_import_problems", "crm_import_progress"):
        assert client.get(reverse(f"admin:{name}", args=[first.pk])).status_code == 404
    assert act(client, first, "begin").status_code == 404
    assert "品牌" not in client.get(reverse("admin:crm_imports")).content.decode()


def test_without_the_right_nothing_opens(place: SimpleNamespace) -> None:
    client = Client()
    client.force_login(build_staff("agent", org_unit=place.brand))
    assert client.get(reverse("admin:crm_imports")).status_code == 403
    assert send(client, HEAD + "13800000001,x,,\n").status_code == 403


def test_who_lost_the_right_meanwhile_writes_nothing(place: SimpleNamespace) -> None:
    batch = uploaded(place.client, HEAD + "13800000001,林小满,,V1\n")
    assign(place.client, batch)
    act(place.client, batch, "begin")
    place.manager.groups.clear()
    jobs.drain()
    batch.refresh_from_db()
    assert batch.state == "failed"
    assert not Member.objects.exists()


# -- tags and consent


def test_tags_are_put_on_by_name_and_unknown_ones_are_listed(
    place: SimpleNamespace,
) -> None:
    group = TagGroup.objects.create(
        controller=place.brand, code="season", name="季节", is_exclusive=True
    )
    for name in ("春", "夏"):
        Tag.objects.create(controller=place.brand, group=group, name=name)
    bring_in(place.client, "手机,标签\n13800000001,季节·春\n13800000002,季节·冬\n")
    assert Member.objects.count() == 1
    assert MemberTag.objects.get().tag.name == "春"
    text = "手机,标签\n13800000001,夏\n13800000009,夏\n"
    batch = bring_in(place.client, text, {"kind": "tags"})
    assert problems(batch) == [(3, "", "unknown_member")]
    assert MemberTag.objects.get().tag.name == "夏"  # one of an exclusive group
    bring_in(
        place.client,
        "手机,标签\n13800000001,季节·秋\n",
        {"kind": "tags"},
        create_tags="on",
    )
    assert MemberTag.objects.get().tag.name == "秋"


def test_consent_needs_evidence(place: SimpleNamespace) -> None:
    text = (
        "手机,营销同意,凭证\n13800000001,是,2025 门店签字单\n13800000002,是,\n"
        "13800000003,否,\n13800000004,,\n"
    )
    batch = bring_in(place.client, text)
    assert [row[2] for row in problems(batch)] == ["consent_without_evidence"]
    found = ConsentEntry.objects.order_by("member_id").values_list("action", flat=True)
    assert list(found) == ["granted", "withdrawn"]
    refusing = Member.objects.get(phone_hash=phone_digest("13800000003"))
    assert refusing.opted_out_at
    said = Event.objects.filter(kind__startswith="consent.").order_by("member_id")
    assert [event.kind for event in said] == ["consent.granted", "consent.withdrawn"]
    # The newest word holds, whichever comes first; both ways of writing agree.
    head = "手机,营销同意,凭证,同意时间\n"
    bring_in(place.client, head + "13800000003,是,签字,2020-01-01\n")
    refusing.refresh_from_db()
    assert refusing.opted_out_at
    # A yes of no known time, and one of tomorrow, outdo nobody's no.
    batch = bring_in(place.client, head + "13800000003,是,签字,\n")
    assert problems(batch) == [(2, "", "consent_not_newer")]
    refusing.refresh_from_db()
    assert refusing.opted_out_at
    soon = timezone.localtime() + timedelta(hours=20)
    bring_in(place.client, head + f"13800000003,是,签字,{soon:%F %T}\n")
    assert not ConsentEntry.objects.filter(at__gt=timezone.now()).exists()
    refusing.refresh_from_db()
    assert refusing.opted_out_at is None
    assert consent.refresh(refusing).opted_out_at is None


# -- the job


def _rows(count: int) -> str:
    return HEAD + "".join(f"1380000{n:04d},人{n},,V{n}\n" for n in range(count))


def test_a_stopped_import_can_go_on(place: SimpleNamespace, monkeypatch: Any) -> None:
    monkeypatch.setattr(running, "CHUNK_ROWS", 10)
    monkeypatch.setattr(jobs, "WRITE_EVERY_SECONDS", 0)
    batch = uploaded(place.client, _rows(25))
    assign(place.client, batch)
    act(place.client, batch, "begin")
    whole = running.commit_chunk

    def then_cancel(batch: Any, *rest: Any) -> None:
        whole(batch, *rest)
        if batch.rows_done == 10:
            imports.cancel(Import.objects.get(pk=batch.pk), actor=place.manager)

    monkeypatch.setattr(running, "commit_chunk", then_cancel)
    jobs.drain()
    batch.refresh_from_db()
    assert (batch.state, Member.objects.count()) == ("cancelled", 10)
    act(place.client, batch, "begin")
    jobs.drain()
    batch.refresh_from_db()
    assert (batch.state, Member.objects.count()) == ("done", 25)


def test_one_row_the_database_refuses_does_not_stop_the_others(
    place: SimpleNamespace, monkeypatch: Any
) -> None:
    from django.db import DataError

    from crm.exchange.member_rows import MemberRows

    whole = MemberRows.take

    def refuse_third(self: Any, rows: Any) -> Any:
        if any(row.line == 4 for row in rows) and not self.context.is_dry:
            raise DataError
        return whole(self, rows)

    monkeypatch.setattr(MemberRows, "take", refuse_third)
    batch = bring_in(place.client, _rows(6))
    assert problems(batch) == [(4, "", "could_not_write")]
    assert batch.counts == {"new": 5, "refused": 1}


@pytest.mark.django_db(transaction=True)
def test_two_imports_of_the_same_file_at_once_make_everybody_once(
    settings: Any, tmp_path: Any, monkeypatch: Any
) -> None:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(running, "CHUNK_ROWS", 20)
    world = build_world()
    client = Client()
    client.force_login(build_staff("ops_manager", org_unit=world.brand))
    text = "手机\n" + "".join(f"1390000{n:04d}\n" for n in range(120))
    for _turn in range(2):
        batch = uploaded(client, text)
        assign(client, batch)
        act(client, batch, "begin")

    def work() -> None:
        try:
            jobs.drain()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _turn in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done = list(Import.objects.all())
    assert [batch.state for batch in done] == ["done", "done"]
    assert Member.objects.count() == 120
    assert sum(batch.counts.get("new", 0) for batch in done) == 120


# -- orders

ORDER_HEAD = "订单号,会员号,下单时间,实付金额,商品编码,商品名称,品类,数量,商品金额,退款金额,订单状态\n"


def test_orders_come_with_items_and_refunds_and_coming_again_changes_nothing(
    place: SimpleNamespace,
) -> None:
    from crm.models import Category

    Category.objects.get_or_create(
        controller=None, code="makeup-x", defaults={"name": "彩妆试"}
    )
    bring_in(place.client, HEAD + ",林小满,,V1\n")
    text = ORDER_HEAD + (
        "A1,V1,2026-05-01 10:00,300,P1,口红,彩妆试,1,100,,已完成\n"
        "A1,V1,2026-05-01 10:00,300,P2,眼影,彩妆试,2,200,50,已完成\n"
        "A2,V7,2026-05-02,80,P1,口红,,1,80,,已付款\n"
        "A3,V1,2026-05-03,10,P1,口红,,1,10,20,已付款\n"
        "A4,V1,2026-05-03,10,P9,新品,不存在,1,10,,已付款\n"
        "A4,V1,2026-05-03,10,P1,口红,,1,10,,已付款\n"
    )
    for _turn in range(2):
        batch = bring_in(place.client, text, {"kind": "orders"}, shop="天猫旗舰店")
        assert [(line, code) for line, _c, code in problems(batch)] == [
            (5, "refund_too_large"),
            (6, "bad_category"),
            (7, "order_refused"),
        ]
    order = Order.objects.get(code="A1")
    assert (order.amount, order.refunded, order.state) == (300, 50, "part_back")
    assert (order.shop, order.member.display_name) == ("天猫旗舰店", "林小满")
    assert order.items.count() == 2
    waiting = Order.objects.get(code="A2")
    assert (waiting.member, waiting.buyer) == (None, "V7")
    # Once the buyer is known, the order is theirs.
    bring_in(place.client, HEAD + "13800000007,陈晨,,V7\n")
    waiting.refresh_from_db()
    assert waiting.member.display_name == "陈晨"


def test_a_file_tells_of_presales_and_after_sales(place: SimpleNamespace) -> None:
    text = (
        "订单号,下单时间,实付金额,订单状态,预售状态,售后状态\n"
        "B1,2026-05-01,300,待付款,已付定金,\n"
        "B2,2026-05-01,300,已付款,,处理中\n"
        "B3,2026-05-01,300,已付款,,也许\n"
    )
    batch = bring_in(place.client, text, {"kind": "orders"}, shop="mini")
    assert [(line, code) for line, _c, code in problems(batch)] == [
        (4, "bad_after_sales")
    ]
    rows = Order.objects.order_by("code").values_list("presale", "after_sales")
    assert list(rows) == [("deposit", ""), ("", "open")]
