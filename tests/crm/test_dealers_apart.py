"""Dealer A never meets a member of dealer B: on no page, by no search, in no count.

Everything is read as dealer A, B gets people with all that hangs on them, and everything
is read again: not a word may differ. Then A asks for each of B's rows by its number.
What A tries with a mind to get in is tests/crm/test_dealers_doors.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from urllib.parse import urlencode

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from campaigns.models import Campaign
from content.models import Item
from core import jobs, live
from crm import members, phones, tagging
from crm.auto_tags import running as auto_tags
from crm.models import (
    Category,
    Export,
    Identity,
    Import,
    Member,
    MemberValue,
    Order,
    Preference,
    Product,
    ScoreWeight,
    Tag,
    TagGroup,
)
from crm.naming import tokens as tokens_of
from crm.segments.references import ROWS
from crm.value import counting
from reports import rollups
from service.models import Conversation, Queue
from staff import tokens
from staff.models import OrgUnit, Staff
from tests.core.worlds import World
from tests.test_permission_matrix import _addresses, _method, _path

MINE, THEIRS = "AlphaDealer", "ZuluDealer"
PHONE, UNIONID, BUYER, ORDER = "13812345678", "union-of-both", "zulu-buyer", "Z-100001"
SEARCHED = (PHONE, BUYER, ORDER, THEIRS)
# Models that are in no admin and yet tell of people.
BESIDE = (
    *("crm.SegmentMember", "crm.MemberTag", "crm.Relation", "crm.Note", "crm.Event"),
    *("crm.StageChange", "crm.ValueCut", "crm.Refund"),
    *("crm.OrderItem", "crm.Coupon", "crm.Import", "crm.Export", "core.Job"),
    *("campaigns.Recipient", "campaigns.Task", "campaigns.GateItem"),
    *("campaigns.LinkClick", "campaigns.Response"),
    *("service.Message", "reports.MemberDay", "reports.DayFigure", "content.Slot"),
    *("content.Picture", "wechat.Media", "staff.SavedView"),
)
# Addresses that show neither people nor counts, or the machine itself to who runs it
# (auth … settings); the forms of the admin itself are walked by tests/core/leaks.py.
SILENT = re.compile(
    r"/(add|delete|history)/$|<path:object_id>/$|\(\?P<|recap\.pdf$|schema/$"
    r"|^admin/(auth|axes|django_celery_beat|health|settings|api|me|log|jsi18n|pass)"
    r"|^admin/(staff/(staff|orgunit|apitoken)|content/marketing|reports/metricweight)"
    r"|^admin/wechat/(account|colleague|kf|platform|quota|sync|inboundevent/replay)"
    r"|^admin/campaigns/(new/|.*/(move|edit|end|test)/)|^admin/calendar/plan"
    # Forms whose pages are the admin's own.
    r"|^admin/(?!crm/(member|segment|order|merge|matchreview)|campaigns|content/item)"
    r"\w+/\w+/.*/change/$"
)
WALKED = re.compile(r"^(admin/|api/v1/.*/$|media/)")
# Whose rows a parameter means where the table of permissions does not care.
MORE = {
    "orders": "crm.Order",
    "segments": "crm.Segment",
    "tags": "crm.Tag",
    "views": "staff.SavedView",
}
# What differs from one answer to the next whatever the data.
PASSING = re.compile(
    r'csrfmiddlewaretoken" value="[^"]*"|nonce="[^"]*"|data-(csrf|live)[^ >]*'
    r'|name="key" value="[^"]*"|X-CSRFToken[^,}]*|\d\d:\d\d(:\d\d(\.\d+)?)?'
    r"|(刚刚|\d+ ?(秒|分钟)前)|data-now=\S+|用时 [\d.]+ 秒"
    r"|(im|ex)ports/\d+|E\d+-|import-\d+"
)


def filled(address, world: World) -> str:
    for part, label in MORE.items():
        if f"/{part}/<" in address.route:
            row = world.row(apps.get_model(label))
            return "/" + re.sub(r"<[^>]*>", str(row.pk), address.route, count=1)
    return _path(address, world)


def fill(world: World) -> list[Member]:
    """Members everybody would like to find, with everything that points at them."""
    scoped = [a.model for a in admin.site._registry.values() if a.row_scope]
    for model in (*scoped, *map(apps.get_model, BESIDE)):
        world.row(model)
    member = world.row(Member)
    MemberValue.objects.create(member=member, orders_total=3, spend_total=99)
    Preference.objects.create(member=member, max_per_week=2)
    phones.fill(member, PHONE)
    member.name_tokens = tokens_of(member.display_name)
    member.save()
    is_theirs = world.mark == THEIRS
    buyer = BUYER if is_theirs else "alpha-buyer"
    for kind, value in (("unionid", UNIONID), ("buyer", buyer)):
        Identity.objects.create(
            member=member, controller=world.root, kind=kind, value=value
        )
    Order.objects.create(
        controller=world.root,
        org_unit=member.org_unit,
        member=member,
        shop="s",
        code=ORDER if is_theirs else "A-100001",
        buyer=buyer,
        amount=Decimal("99.00"),
    )
    return [member, world.fresh(Member)]


def count(world: World) -> None:
    """What a night does for one data controller."""
    counting.count(world.root.pk, now=timezone.now())
    auto_tags.count(world.root.pk, now=timezone.now())


class Looking:
    """Dealer A at their pages: name of a question → (status, text)."""

    def __init__(self, world: World, shared: Tag) -> None:
        self.world, self.shared = world, shared
        self.client = Client(raise_request_exception=False)
        self.client.force_login(world.viewer)
        token = tokens.issue(world.viewer, name="look", actor=world.viewer)
        self.token = {"HTTP_AUTHORIZATION": f"Bearer {token}"}

    def ask(self, path: str, data=None) -> tuple[int, str]:
        extra = self.token if path.startswith("/api/") else {}
        with transaction.atomic():
            if data is None:
                response = self.client.get(path, **extra)
            else:
                response = self.client.post(path, data, "application/json", **extra)
            transaction.set_rollback(True)
        return response.status_code, _text(response)

    def all(self) -> dict[str, tuple[int, str]]:
        found = {path: self.ask(path) for path in (*self._pages(), *self._more())}
        for path in ("/admin/crm/segment/estimate/", "/api/v1/segments/estimate/"):
            found[f"POST {path}"] = self.ask(path, {"rule": {}})
        for word in SEARCHED:
            found |= {path: self.ask(path) for path in self._searches(word)}
            given = {"rule": {}, "text": word}
            found[f"why {word}"] = self.ask("/admin/crm/segment/why/", given)
        for kind in ("members", "tags", "orders"):
            found[f"export {kind}"] = self._exported(kind)
        found["import"] = self._imported()
        found["live"] = 200, " ".join(self._heard())
        return found

    def _pages(self) -> list[str]:
        return [filled(a, self.world) for a in walked() if _method(a) == "GET"]

    def _more(self) -> Iterator[str]:
        campaign = self.world.row(Campaign).pk
        for figure in ("planned", "openings", "reply"):
            yield f"/admin/reports/campaigns/{campaign}/rows/{figure}/"
        for code in ("C08", "C10"):
            yield f"/admin/reports/metrics/{code}/"
            yield f"/admin/reports/metrics/{code}/rows/"
        day = timezone.localdate()
        span = {"start": day.replace(day=1), "end": day.replace(day=28)}
        yield f"/admin/calendar/events/?{urlencode(span)}"
        for kind in ("members", "tags", "orders"):
            yield f"/admin/crm/exports/new/?kind={kind}"
        chosen = f"all=1&look=&target={self.shared.pk}"
        yield f"/admin/crm/member/bulk/tag/?{chosen}"
        yield "/admin/crm/member/bulk/assign/?all=1&look="
        yield "/admin/crm/member/bulk/list/?all=1&look="
        for of in ROWS:
            yield f"/admin/crm/segment/options/?of={of}"
        for tab in ("queue", "team"):
            yield f"/admin/workspace/list/?tab={tab}"
        for row in (self.shared, self.shared.group):
            name = f"admin:crm_{row._meta.model_name}_history"
            yield reverse(name, args=[row.pk])

    def _searches(self, word: str) -> Iterator[str]:
        q = urlencode({"q": word})
        yield f"/admin/crm/member/?{q}"
        yield f"/api/v1/members/?{urlencode({'identity': word})}"
        yield f"/api/v1/orders/?{urlencode({'code': word})}"
        if word in (PHONE, THEIRS):
            yield f"/admin/crm/order/?{q}"
            yield f"/admin/crm/merge/new/?{q}"
            yield f"/admin/workspace/list/?{q}"
            yield f"/admin/search/?extended=1&{urlencode({'s': word})}"

    def _exported(self, kind: str) -> tuple[int, str]:
        """The file, written by the job and fetched."""
        asked = {"kind": kind, "column": [], "reason": "compare", "format": "csv"}
        kinds = reverse("admin:crm_export_new")
        with transaction.atomic():
            columns = ["id", "name", "member", "code", "tags"]
            self.client.post(f"{kinds}?kind={kind}", asked | {"column": columns})
            jobs.drain()
            export = Export.objects.latest("pk")
            file = reverse("admin:crm_export_file", args=[export.pk])
            response = self.client.post(file)
            transaction.set_rollback(True)
        return response.status_code, _text(response)

    def _imported(self) -> tuple[int, str]:
        """What the check of a file says that names B's people, places and words."""
        head = "手机号,UnionID,会员号,姓名,门店,归属导购,标签\n"
        rows = [
            (PHONE, "", "", "a", "", "", ""),
            ("13900000000", "union-z", "", "b", "", "", ""),
            ("", "", BUYER, "c", "", "", ""),
            ("", "", "x1", "d", f"{THEIRS}shop", "", ""),
            ("", "", "x2", "e", "", f"{THEIRS}colleague", ""),
            ("", "", "x3", "f", "", "", f"{THEIRS}tag"),
        ]
        text = head + "".join(",".join(row) + "\n" for row in rows)
        with transaction.atomic():
            file = SimpleUploadedFile("z.csv", text.encode())
            sent = {"kind": "members", "file": file}
            self.client.post(reverse("admin:crm_imports"), sent)
            batch = Import.objects.latest("pk")
            columns = {f"c{at}": name for name, at in batch.mapping.items()}
            act = reverse("admin:crm_import_act", args=[batch.pk])
            self.client.post(act, {"act": "assign", **columns})
            response = self.client.get(reverse("admin:crm_import", args=[batch.pk]))
            batch.refresh_from_db()
            foreseen = [batch.foreseen[what] for what in ("known", "new", "refused")]
            assert foreseen == [1, 2, 3]
            transaction.set_rollback(True)
        return response.status_code, _text(response)

    def _heard(self) -> list[str]:
        """Groups A's open page may listen to, of all there are."""
        groups = [
            *(f"conversation.{pk}" for pk in _keys(Conversation)),
            *(f"queue.{pk}" for pk in _keys(Queue)),
            *(f"staff.{pk}" for pk in _keys(Staff)),
            *(f"job.{pk}" for pk in range(100)),
        ]
        viewer = self.world.viewer
        return [group for group in groups if live.may_subscribe(viewer, group)]


def _keys(model) -> list[int]:
    return list(model.objects.order_by("pk").values_list("pk", flat=True))


def _text(response) -> str:
    text = b"".join(response) if response.streaming else response.content
    return text.decode(errors="replace")


def walked() -> list:
    return [
        each
        for each in _addresses()
        if WALKED.search(each.route) and not SILENT.search(each.route)
    ]


@pytest.fixture
def worlds(db, settings, tmp_path) -> tuple[World, World]:
    settings.DATA_DIR = tmp_path
    brand = OrgUnit.objects.create(name="Brand", kind="brand")
    return World(MINE, below=brand), World(THEIRS, below=brand)


@pytest.fixture
def shared(db) -> Tag:
    """A tag everybody may use, in a group everybody has."""
    group = TagGroup.objects.create(code="everybody", name="Everybody")
    return Tag.objects.create(group=group, name="Shared")


def test_nothing_dealer_a_reads_changes_when_dealer_b_gets_people(worlds, shared):
    mine, theirs = worlds
    category = Category.objects.create(code="shared", name="Shared")
    fill(mine)
    count(mine)
    rollups.catch_up(is_waiting=True)
    looking = Looking(mine, shared)
    before = looking.all()

    people = fill(theirs)
    tagging.tag([each.pk for each in people], shared, actor=theirs.viewer)
    Product.objects.filter(controller=theirs.root).update(category=category)
    ScoreWeight.objects.filter(controller=theirs.root).update(category=category)
    count(theirs)
    rollups.catch_up(is_waiting=True)
    after = looking.all()

    assert len(after) > 150
    broken = {name: status for name, (status, _text) in after.items() if status >= 500}
    assert broken == {}
    said = {name for name in after if THEIRS in name or name == "import"}
    shown = [n for n, (_s, text) in after.items() if THEIRS in text and n not in said]
    assert shown == []
    changed = [
        name
        for name, (status, text) in after.items()
        if (status, PASSING.sub("", text))
        != (before[name][0], PASSING.sub("", before[name][1]))
    ]
    assert changed == []
    # B's own people do find them.
    for word in (PHONE, UNIONID, BUYER, ORDER, THEIRS):
        assert people[0] in members.look_up(theirs.viewer, word, 10), word


def test_no_address_answers_for_a_row_of_another_dealer(worlds):
    mine, theirs = worlds
    fill(theirs)
    client = Client(raise_request_exception=False)
    client.force_login(mine.viewer)
    token = tokens.issue(mine.viewer, name="by id", actor=mine.viewer)
    wrong, walked_through = [], 0
    for address in _addresses():
        is_own_form = re.search(
            r"/(change|delete|history)/$|<path:object_id>/$", address.route
        )
        is_row = "<" in address.route and WALKED.search(address.route)
        if is_own_form or not is_row or "(?P<" in address.route:
            continue
        is_api = address.route.startswith("api/")
        extra = {"HTTP_AUTHORIZATION": f"Bearer {token}"} if is_api else {}
        kind = "application/json" if is_api else "application/x-www-form-urlencoded"
        method, path = _method(address), filled(address, theirs)
        walked_through += 1
        with transaction.atomic():
            response = client.generic(method, path, content_type=kind, **extra)
            transaction.set_rollback(True)
        if response.status_code not in (400, 403, 404) or THEIRS in _text(response):
            wrong.append(f"{method} {address.route}: {response.status_code}")
    assert wrong == []
    assert walked_through > 80
    assert Item.objects.filter(org_unit__controller=theirs.root).exists()
