"""A million members from a CSV file, against the bare COPY of the very rows it made.

`ours` is what a person waits for: the whole file checked, then imported by a worker of
its own (encryption, hashes, tokens, identities, tags, history, the list of refused rows).
`limit` is COPY of the finished rows into the same tables with the same indexes,
constraints and triggers. The memory is the worker's peak; a tenth of the rows is a size
smaller, so that growth is seen.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import harness

MEMBERS = 1_000_000
MAX_SECONDS, MAX_MEGABYTES = 600, 500
HEADERS = "手机号,姓名,性别,生日,城市,会员号,unionid,标签,注册时间\n"
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英晓梅子涵雨桐梓轩"
CITIES = ("上海", "北京", "杭州", "成都", "广州", "深圳", "武汉", "南京", "")
# One group of three, made for the run; half of the people carry none.
TAGS = ("季节·春", "", "季节·夏", "", "季节·秋", "")
TABLES = ("crm_member", "crm_identity", "crm_membertag", "crm_event")
# What one row in so many has wrong, and which repeats an earlier one.
WRONG, REPEATED = 500, 100


def main() -> None:
    given = harness.arguments("import")
    count = max(1000, int(MEMBERS * given.scale))
    cases = []
    with harness.copy("import") as stack:
        for rows in sorted({count // 10, count}):
            seconds, megabytes = _import(stack, rows)
            bare = _bare(stack)
            print(f"{rows:,}: {seconds:.1f} s of {bare:.1f} s", flush=True)
            label = f"{rows:,} members"
            cases += [
                harness.Case(label, "s", seconds, bare, bigger_is_better=False),
                harness.Case(
                    f"{label}, peak memory",
                    "MB",
                    megabytes,
                    MAX_MEGABYTES,
                    bigger_is_better=False,
                ),
            ]
            target = MAX_SECONDS * rows / MEMBERS
            cases.append(
                harness.Case(
                    f"{label}, time allowed",
                    "s",
                    seconds,
                    target,
                    bigger_is_better=False,
                )
            )
    harness.report("import", given.scale, cases)


def write_file(path: Path, count: int) -> None:
    """Seeded rows as a shop exports them, some wrong and some about the same person."""
    dice = random.Random(count)
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        stream.write(HEADERS)
        for number in range(count):
            who = number - 7 if number % REPEATED == 9 else number
            phone = f"1{'38'[who % 2]}{who:09d}"
            if number % WRONG == 11:
                phone = "138****0000"
            name = dice.choice(SURNAMES) + "".join(dice.choices(GIVEN, k=2))
            tag = TAGS[who % len(TAGS)]
            day = f"{1960 + who % 45}-{1 + who % 12:02d}-{1 + who % 28:02d}"
            joined = f"{2020 + who % 6}-{1 + who % 12:02d}-{1 + who % 28:02d} 10:{who % 60:02d}"
            stream.write(
                f"{phone},{name},{'男女'[who % 2]},{day},{dice.choice(CITIES)},B{who},"
                f"u{who:020d},{tag},{joined}\n"
            )


def _import(stack: Any, rows: int) -> tuple[float, float]:
    """(seconds, peak MB) of check and import by a process of its own."""
    from django.core.files.uploadedfile import SimpleUploadedFile

    from crm.exchange import imports
    from crm.models import Import
    from staff.models import OrgUnit, Staff

    _empty()
    brand, _made = OrgUnit.objects.get_or_create(name="Bench", kind="brand")
    staff, _made = Staff.objects.get_or_create(
        username="bench", defaults={"org_unit": brand, "is_superuser": True}
    )
    _make_tags(brand)
    path = stack.data_dir / "members.csv"
    write_file(path, rows)
    upload = SimpleUploadedFile("members.csv", b"")
    with contextlib.closing(path.open("rb")) as stream:
        upload.file, upload.size = stream, path.stat().st_size
        batch = imports.upload(upload, Import.Kind.MEMBERS, actor=staff)
    print(f"file: {batch.size / 1e6:.0f} MB", flush=True)
    imports.begin_check(
        imports.assign(batch, batch.mapping, batch.options, actor=staff), actor=staff
    )
    check = _work(stack)
    batch.refresh_from_db()
    if batch.state == Import.State.CHECKED:
        imports.begin(batch, actor=staff)
    run = _work(stack)
    batch.refresh_from_db()
    print(f"check {check}\nimport {run}\n{batch.state} {batch.counts}", flush=True)
    assert batch.state == Import.State.DONE, batch.error
    _judge(batch, rows)
    seconds = check["seconds"] + run["seconds"]
    return seconds, max(check["megabytes"], run["megabytes"])


def _make_tags(brand: Any) -> None:
    from crm.models import Tag, TagGroup

    group, _made = TagGroup.objects.get_or_create(
        controller=brand, code="season", defaults={"name": "季节", "is_exclusive": True}
    )
    for name in "春夏秋":
        Tag.objects.get_or_create(controller=brand, group=group, name=name)


def _judge(batch: Any, rows: int) -> None:
    """Every row is applied or listed, and nobody stands twice."""
    from crm.models import ImportProblem, Member

    assert sum(batch.counts.values()) == rows
    listed = ImportProblem.objects.filter(batch=batch, is_check=False).count()
    assert listed == batch.counts["refused"]
    assert Member.objects.count() == batch.counts["new"]


def _work(stack: Any) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "bench.imports", "--work"],
        env={**os.environ, **stack.environment},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def work() -> None:
    """In the process of its own: work off the waiting jobs, and say what it took."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "privatedomain.settings")
    django.setup()
    from core import jobs

    begun, cpu = time.perf_counter(), time.process_time()
    jobs.drain(seconds=1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures = {
        "seconds": round(time.perf_counter() - begun, 1),
        "cpu": round(time.process_time() - cpu, 1),
        "megabytes": round(peak, 1),
    }
    print(json.dumps(figures))


# -- the limit


def _bare(stack: Any) -> float:
    """Seconds of COPY of the rows the import made, each table once."""
    from django.db import connection, transaction

    folder = stack.data_dir / "bare"
    folder.mkdir(exist_ok=True)
    columns = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            columns[table] = _columns(cursor, table)
            rows_of = f"SELECT {columns[table]} FROM {table} ORDER BY id"  # noqa: S608
            with (
                cursor.copy(f"COPY ({rows_of}) TO STDOUT") as out,
                (folder / table).open("wb") as target,
            ):
                for block in out:
                    target.write(block)
    _empty(keeps_imports=True)
    begun = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        for table in TABLES:
            with cursor.copy(f"COPY {table} ({columns[table]}) FROM STDIN") as into:
                for block in _blocks(folder / table):
                    into.write(block)
    return time.perf_counter() - begun


def _columns(cursor: Any, table: str) -> str:
    cursor.execute(
        "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = ''",
        [table],
    )
    return str(cursor.fetchone()[0])


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(1 << 18):
            yield block


def _empty(*, keeps_imports: bool = False) -> None:
    """A base without members; each run begins alike."""
    from django.db import connection

    tables = "crm_member, crm_event"
    if not keeps_imports:
        tables += ", crm_import"
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {tables} CASCADE")


if __name__ == "__main__":
    work() if "--work" in sys.argv else main()
