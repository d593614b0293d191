"""The member list and the member page at 100,000 and a million, against the stock admin.

Every request passes all of our middleware, scope and templates as the web process runs
them; its time is the server's. `ours` and `limit` are the p95 of ours and of the stock
Django admin with the same columns, filters and search on a plaintext copy of the members
(bench.stock_admin); of the member page, of the filters when they are opened and of
searching in the database alone, `limit` is the time they may take. The lines on the way
also tell the time of a stock admin that somebody taught to prefetch.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from bench import harness, member_base, stock_admin
from privatedomain import heap
from tests.stack import Stack

MILLION = 1_000_000
SIZES = (100_000, MILLION)
ROUNDS, STOCK_ROUNDS, PAGES = 40, 3, 40
LIST = "/admin/crm/member/"
PAGE_MS, DATABASE_MS = 200.0, 50.0


@dataclass(frozen=True)
class Question:
    """One look at the list: our query string and the stock admin's; "" has none."""

    name: str
    ours: str
    stock: str = ""
    is_search: bool = False


def main() -> None:
    given = harness.arguments("members")
    counts = [max(2_000, int(size * given.scale)) for size in SIZES]
    # A process each: a copy has keys of its own, and settings are read once.
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        found = pool.map(_one_size, counts, chunksize=1)
    harness.report("members", given.scale, [case for cases in found for case in cases])


def _one_size(count: int) -> list[harness.Case]:
    name = "members" if count == MILLION else f"members-{count}"
    with harness.copy(name) as stack:
        member_base.prepare(stack, count)
        return _measure(stack, count)


def _measure(stack: Stack, count: int) -> list[harness.Case]:
    _copy_plaintext()
    questions = _questions()
    client = _client()
    peers = _peers(stack, questions)
    cases = []
    for question in questions:
        times, in_database = _ask(client, question)
        label = f"{question.name} of {count:,}"
        limit = harness.percentile(peers["stock"].get(question.name, [PAGE_MS]), 95)
        tuned = peers["prefetching"].get(question.name, [])
        cases.append(_case(label, times, limit, tuned))
        if question.is_search:
            cases.append(_case(f"{label}, database", in_database, DATABASE_MS))
    opened = [_timed(client, f"{LIST}filters/") for _round in range(ROUNDS)]
    cases.append(_case(f"filters opened of {count:,}", opened, PAGE_MS))
    cases.append(_case(f"member page of {count:,}", _member_pages(client), PAGE_MS))
    return cases


def _case(
    name: str, times: list[float], limit: float, tuned: list[float] | None = None
) -> harness.Case:
    p95 = harness.percentile(times, 95)
    case = harness.Case(
        name=name,
        unit="ms",
        ours=p95,
        limit=limit,
        p95_ms=round(p95, 1),
        p99_ms=round(harness.percentile(times, 99), 1),
        bigger_is_better=False,
    )
    line = f"{name}: {p95:.0f} ms, {limit:.0f} ms, ratio {case.ratio:.1f}"
    if tuned:
        prefetching = harness.percentile(tuned, 95)
        line += f"; prefetching {prefetching:.0f} ms, ratio {prefetching / p95:.1f}"
    print(line, flush=True)
    return case


def _client() -> Any:
    from django.conf import settings
    from django.test import Client

    settings.ALLOWED_HOSTS.append("testserver")
    client = Client()
    client.force_login(member_base.manager())
    client.get("/admin/")  # loads the pages, as the web process's start does
    heap.settle()
    return client


def _timed(client: Any, path: str) -> float:
    begun = time.perf_counter()
    answer = client.get(path)
    spent = (time.perf_counter() - begun) * 1000
    assert answer.status_code == 200, (path, answer.status_code)
    return spent


def _ask(client: Any, question: Question) -> tuple[list[float], list[float]]:
    """Server times, and the time of the statements that look for members."""
    from django.db import connection

    path = f"{LIST}?{question.ours or 'p=1'}"
    _timed(client, path)
    times = [_timed(client, path) for _round in range(ROUNDS)]
    in_database = []
    connection.force_debug_cursor = True
    for _round in range(ROUNDS if question.is_search else 0):
        connection.queries_log.clear()
        client.get(path)
        looked = (q for q in connection.queries_log if '"crm_member"' in q["sql"])
        in_database.append(sum(float(q["time"]) for q in looked) * 1000)
    connection.force_debug_cursor = False
    return times, in_database


def _member_pages(client: Any) -> list[float]:
    from crm.models import Member

    draw = random.Random(member_base.SEED)
    last = Member.objects.latest("id").pk
    scope = Member.objects.visible_to(member_base.manager()).known()
    found: list[int] = []
    while len(found) < PAGES:
        key = scope.filter(pk__gte=draw.randint(1, last)).order_by("pk").first()
        found += [key.pk] if key else []
    path = LIST + "{}/change/"
    _timed(client, path.format(found[0]))
    return [_timed(client, path.format(key)) for key in found]


def _copy_plaintext() -> None:
    """Our rows as a project without encryption would hold them."""
    from django.db import connection

    from crm.models import Member

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM information_schema.columns"
            " WHERE table_name = 'bench_member' AND column_name = 'initials'"
        )
        if cursor.fetchone() is not None:
            return
        cursor.execute(stock_admin.COPY)
        known = Member.objects.exclude(phone_hash="").order_by("pk")
        # Read before the COPY begins: it has the connection for itself.
        rows = list(known.values_list("pk", "phone"))
        cursor.execute("CREATE TEMP TABLE phones (id bigint, phone text)")
        with cursor.copy("COPY phones FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        cursor.execute(
            "UPDATE bench_member SET phone = phones.phone FROM phones"
            " WHERE phones.id = bench_member.id"
        )
        cursor.execute("DROP TABLE phones")
        cursor.execute("VACUUM FULL ANALYZE bench_member")


def _peers(
    stack: Stack, questions: list[Question]
) -> dict[str, dict[str, list[float]]]:
    """Times in ms by peer and question: see bench.stock_admin."""
    asked = {
        "database": stack.database_url,
        "rounds": STOCK_ROUNDS,
        "questions": {q.name: q.stock for q in questions if q.stock},
    }
    answer = subprocess.run(
        [sys.executable, "-m", "bench.stock_admin"],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr[-4000:]
    found: dict[str, dict[str, list[float]]]
    found = json.loads(answer.stdout.splitlines()[-1])
    return found


def _questions() -> list[Question]:
    """The first page and every single filter, with frequent and rare values."""
    return [
        Question("first page", "", "p=1"),
        Question("second page", "p=2", "p=2"),
        *_about_the_row(),
        *_about_others(),
        *_searches(),
    ]


def _about_the_row() -> list[Question]:
    from crm.models import Member
    from staff.models import OrgUnit, Staff

    def choice(field: str, value: str) -> Question:
        stock = f"{field}__exact={value}"
        return Question(f"{field} {value}", f"{field}={value}", stock)

    store = OrgUnit.objects.filter(kind="store").earliest("id")
    region = OrgUnit.objects.filter(kind="region").earliest("id")
    owner = Staff.objects.get(username="gen-0-1-1")
    return [
        *(choice("stage", value) for value in Member.Stage.values),
        *(choice("rfm", value) for value in ("rfm", "none")),
        *(choice("trust", value) for value in ("T0", "T3")),
        Question("store", f"store={store.pk}", f"org_unit__id__exact={store.pk}"),
        Question("region", f"store={region.pk}"),
        Question("no store", "store=nobody", "org_unit__isnull=True"),
        Question("owner", f"owner={owner.pk}", f"owner__id__exact={owner.pk}"),
        Question("no owner", "owner=nobody", "owner__isnull=True"),
        Question("not reachable", "reach=lost", "is_reachable__exact=0"),
        Question("opted out", "reach=out", "opted_out_at__isempty=0"),
        Question("frozen", "reach=frozen"),
        Question("seen within 7 days", "seen=within-7"),
        Question("not seen for a year", "seen=not-365"),
    ]


def _about_others() -> list[Question]:
    from django.db.models import Count

    from crm.models import Identity, MemberTag, Tag
    from wechat.models import Account

    seen = Tag.objects.visible_to(member_base.manager())
    carried = MemberTag.objects.filter(tag__in=seen).values("tag")
    carried = carried.annotate(n=Count("pk")).order_by("-n", "tag")
    tags = [row["tag"] for row in carried]
    found = []
    for word, tag in (
        ("most frequent", tags[0]),
        ("frequent", tags[len(tags) // 10]),
        ("rare", tags[len(tags) // 2]),
        ("rarest", tags[-1]),
    ):
        stock = f"tags__id__exact={tag}"
        found.append(Question(f"{word} tag", f"tags_any={tag}", stock))
    found.append(Question("two tags", f"tags_all={tags[0]}&tags_all={tags[9]}"))
    found.append(Question("none of a tag", f"tags_none={tags[0]}"))
    for account in Account.objects.filter(slug__in=("gen-service-0", "gen-weekly")):
        stock = f"accounts__id__exact={account.pk}"
        found.append(
            Question(f"account {account.slug}", f"account={account.pk}", stock)
        )
        through = f"reach=through-{account.pk}"
        found.append(Question(f"reachable through {account.slug}", through))
    found.append(Question("segment", f"segment={_segment(Identity).pk}"))
    found.append(Question("following", "following=yes"))
    found.append(
        Question("a rare tag, seen within a week", f"tags_any={tags[-1]}&seen=within-7")
    )
    found.append(
        Question(
            "three that seldom meet",
            f"tags_any={tags[3]}&stage=prospect&trust=T1&owner=nobody",
        )
    )
    return found


def _segment(identities: Any) -> Any:
    """A list of every fiftieth follower."""
    from django.db import transaction

    from crm.models import Segment, SegmentMember

    manager = member_base.manager()
    found = Segment.objects.filter(name="bench").first()
    if found is not None:
        return found
    keys = identities.objects.filter(controller=manager.org_unit, kind="openid")
    chosen = {key for key in keys.values_list("member", flat=True) if key % 50 == 7}
    with transaction.atomic():
        made = Segment.objects.create(
            controller=manager.org_unit,
            name="bench",
            kind="list",
            owner=manager,
            member_count=len(chosen),
        )
        SegmentMember.objects.bulk_create(
            [SegmentMember(segment=made, member_id=key) for key in chosen],
            batch_size=10_000,
        )
    return made


def _searches() -> list[Question]:
    from crm.models import Member, Order

    manager = member_base.manager()
    known = Member.objects.visible_to(manager).exclude(phone_hash="").earliest("id")
    order = Order.objects.visible_to(manager).earliest("id")
    asked = [
        ("two characters", "小满"),
        ("two characters of many", "妈妈"),
        ("a frequent surname", "王"),
        ("pinyin initials", "lxm"),
        ("last four of a phone", known.phone[-4:]),
        ("full phone", known.phone),
        ("order number", order.code),
        ("nobody", "龘龘"),
    ]
    return [
        Question(name, f"q={text}", f"q={text}", is_search=True) for name, text in asked
    ]


if __name__ == "__main__":
    main()
