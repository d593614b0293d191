"""The recap of a campaign: figures counted by hand, versions, scope, PDF and API."""

from __future__ import annotations

import re
import zlib
from base64 import a85decode
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from campaigns import links
from campaigns.models import LinkClick, Recap
from core.models import AuditEntry
from crm import timeline
from reports import figures, recaps
from staff import tokens
from tests.campaigns.returning import SHOP, STORY, Side, build_side
from tests.conftest import build_staff
from wechat.models import OutboundBatch, OutboundRun

pytestmark = pytest.mark.django_db
_keys = count(1)
HOUR = timedelta(hours=1)


@pytest.fixture
def side() -> Side:
    return build_side("linjian")


def answer(side: Side, member: Any, kind: str, **data: Any) -> None:
    timeline.write(
        member=member,
        kind=kind,
        at=timezone.now(),
        key=f"a{next(_keys)}",
        account=side.account,
        data=data,
    )


@pytest.fixture
def spoken(side: Side) -> Side:
    """A single touch to five and a mass touch to six, as the test below counts them."""
    single, mass = side.touch(), side.touch(channel="mass")
    side.touch(state="draft", started_at=None)
    people = [side.member(f"客{n}") for n in range(6)]
    for member, state in zip(
        people, ("sent",) * 2 + ("failed", "unknown"), strict=False
    ):
        reason = "errcode_45015" if state == "failed" else ""
        at = timezone.now() - 2 * HOUR
        side.contact(single, member, state, contacted_at=at, reason=reason)
    side.contact(single, people[4], "excluded", reason="opted_out")
    for member in people[:4]:
        side.contact(mass, member, "accepted", contacted_at=timezone.now() - HOUR)
    side.contact(mass, people[4], "excluded", reason="opted_out")
    side.contact(mass, people[5], "excluded", reason="month_quota")

    by_url = {link.url: link for link in links.prepare(single).values()}
    of_mass = {link.url: link for link in links.prepare(mass).values()}
    first, second = single.recipients.order_by("pk")[:2]
    now = timezone.now()
    for link, recipient, at in (
        (by_url[SHOP], first, now),
        (by_url[SHOP], first, now),
        (by_url[STORY], second, now),
        (by_url[SHOP], None, now - timedelta(days=9)),  # a test, before it began
        (of_mass[SHOP], None, now),
        (of_mass[SHOP], None, now),
        (of_mass[STORY], None, now),
    ):
        LinkClick.objects.create(link=link, recipient=recipient, at=at)
    run = OutboundRun.objects.create(
        app=side.account.apps.get(),
        purpose="campaigns.touch",
        reference=str(mass.pk),
        created_by=side.owner,
    )
    for number, told in ((1, (3, 1)), (2, (None, None))):
        OutboundBatch.objects.create(
            app=run.app,
            run=run,
            number=number,
            size=4,
            openids_sha256="-",
            clientmsgid=f"recap-{mass.pk}-{number}",
            sent_count=told[0],
            error_count=told[1],
        )
    answer(side, people[0], "message.text", text="在吗")
    answer(side, people[0], "message.text", text="还有吗")
    answer(side, people[0], "conversation.opened")
    answer(side, people[1], "consent.withdrawn", purpose="marketing")
    answer(side, people[2], "unfollow")
    return side


def url(side: Side, name: str = "", *args: Any) -> str:
    return reverse(
        f"admin:reports_campaign_recap{name}", args=[side.campaign.pk, *args]
    )


def client_of(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def manager(side: Side) -> Client:
    return client_of(side.owner)


def test_the_figures_are_what_a_hand_counts(spoken: Side) -> None:
    recap = recaps.refresh(spoken.campaign)
    total = recap.figures["total"]
    assert total["planned"] == 11
    assert (total["sent"], total["accepted"]) == (2, 4)
    assert (total["failed"], total["unknown"], total["excluded"]) == (1, 1, 3)
    assert total["waiting"] == 0
    assert total["reasons"] == {
        "excluded": {"opted_out": 2, "month_quota": 1},
        "failed": {"errcode_45015": 1},
    }
    assert total["platform"] == {
        "calls": 2,
        "told": 1,
        "delivered": 3,
        "not_delivered": 1,
    }
    assert total["clicks"] == {"grain": "touch", "openings": 6, "named": 3, "people": 2}
    assert total["responses"] == {
        "reply": {"count": 2, "people": 1},
        "conversation": {"count": 1, "people": 1},
        "opt_out": {"count": 1, "people": 1},
        "unfollow": {"count": 1, "people": 1},
    }
    single, mass, draft = recap.figures["touches"]
    assert single["clicks"] == {
        "grain": "person",
        "openings": 3,
        "named": 3,
        "people": 2,
    }
    assert mass["clicks"] == {"grain": "touch", "openings": 3, "named": 0, "people": 0}
    assert (mass["responses"]["reply"]["count"], draft["planned"]) == (2, 0)
    assert single["responses"]["reply"]["count"] == 0  # the mass send came later
    shop = next(link for link in single["links"] if link["url"] == SHOP)
    assert (shop["openings"], shop["people"]) == (2, 1)


def test_counting_costs_the_same_however_many_touches(spoken: Side) -> None:
    for _n in range(3):
        spoken.touch()
    with CaptureQueriesContext(connection) as queries:
        figures.of(spoken.campaign)
    assert len(queries) == 8, [q["sql"][:90] for q in queries]


def test_the_page_tells_each_figure_its_definition_and_what_no_platform_tells(
    spoken: Side, manager: Client
) -> None:
    unkept = manager.get(url(spoken))
    assert "保存为第 1 版" in unkept.content.decode()
    assert not Recap.objects.exists()  # looking changes nothing
    assert manager.get(url(spoken, "_pdf")).status_code == 200
    recaps.refresh(spoken.campaign)
    page = manager.get(url(spoken))
    text = page.content.decode()
    assert page.status_code == 200
    assert "11 = 6 + 1 + 1 + 3 + 0" in text
    for words in ("平台不提供", "样本不足", "数据截至", "送达 3，未送达 1"):
        assert words in text, words
    rows = reverse("admin:reports_rows", args=[spoken.campaign.pk, "excluded"])
    assert f"{rows}?reason=opted_out" in text
    assert "回复窗口已关闭" in text  # what the platform's code means
    assert reverse("admin:reports_metric", args=["T07"]) in text
    assert page.context["tables"].touches[1].figures[7].value is None
    with CaptureQueriesContext(connection) as queries:
        manager.get(url(spoken))
    assert len(queries) <= 14, len(queries)


def test_what_took_long_to_count_is_not_counted_for_every_look(
    spoken: Side, manager: Client, monkeypatch: Any
) -> None:
    monkeypatch.setattr(recaps, "SLOW_SECONDS", 0.0)
    first = manager.get(url(spoken)).context["recap"]
    with CaptureQueriesContext(connection) as queries:
        second = manager.get(url(spoken)).context["recap"]
    assert second.as_of == first.as_of
    assert second.figures == first.figures
    assert not any("campaigns_recipient" in each["sql"] for each in queries)
    assert recaps.refresh(spoken.campaign).as_of > first.as_of


@pytest.mark.parametrize(
    ("figure", "query", "lines"),
    [
        ("planned", "", 11),
        ("sent", "", 6),
        ("excluded", "", 3),
        ("excluded", "?reason=month_quota", 1),
        ("failed", "", 1),
        ("waiting", "", 0),
        ("openings", "", 6),
        ("people", "", 3),
        ("reply", "", 2),
        ("opt_out", "", 1),
    ],
)
def test_the_rows_behind_a_figure(
    spoken: Side, manager: Client, figure: str, query: str, lines: int
) -> None:
    recaps.refresh(spoken.campaign)
    place = reverse("admin:reports_rows", args=[spoken.campaign.pk, figure])
    with CaptureQueriesContext(connection) as queries:
        page = manager.get(place + query)
    assert len(page.context["lines"]) == lines
    assert len(queries) <= 8


def test_rows_come_in_pages_and_odd_addresses_are_not_found(
    spoken: Side, manager: Client
) -> None:
    place = reverse("admin:reports_rows", args=[spoken.campaign.pk, "planned"])
    newest = spoken.campaign.touches.first().recipients.order_by("-pk").first()
    page = manager.get(f"{place}?before={newest.pk}")
    assert all(line.touch for line in page.context["lines"])
    for odd in ("?before=x", "?touch=-1", "?link=" + "9" * 30, "?touch=²"):
        assert manager.get(place + odd).status_code == 404
    nothing = reverse("admin:reports_rows", args=[spoken.campaign.pk, "opens"])
    assert manager.get(nothing).status_code == 404
    for odd in ("?version=0", "?version=x", "?version=77777"):
        assert manager.get(url(spoken) + odd).status_code == 404


def test_nobody_of_another_controller_or_without_the_right_sees_it(
    spoken: Side,
) -> None:
    recaps.refresh(spoken.campaign)
    dealer = build_side("dealer", parent=spoken.unit)
    rows = reverse("admin:reports_rows", args=[spoken.campaign.pk, "sent"])
    places = [url(spoken), url(spoken, "_pdf"), rows]
    theirs = client_of(build_staff("dealer", org_unit=dealer.unit))
    mine = client_of(build_staff("agent", org_unit=spoken.unit))
    for place in places:
        assert theirs.get(place).status_code == 404
        assert mine.get(place).status_code == 403
    reader = client_of(build_staff("analyst", org_unit=spoken.unit))
    assert reader.get(url(spoken)).status_code == 200
    for name in ("_refresh", "_lock", "_learn"):
        assert reader.post(url(spoken, name)).status_code == 403
        assert theirs.post(url(spoken, name)).status_code in (403, 404)


# -- versions


def lock(client: Client, side: Side, recap: Recap, **changes: Any) -> Any:
    data = {"version": recap.number, "as_of": recap.as_of.isoformat(), **changes}
    return client.post(url(side, "_lock"), data)


def test_a_locked_version_never_changes_and_the_next_begins_after_it(
    spoken: Side, manager: Client
) -> None:
    recap = recaps.refresh(spoken.campaign)
    assert lock(manager, spoken, recap).status_code == 302
    recap.refresh_from_db()
    assert recap.locked_by == spoken.owner
    assert AuditEntry.objects.filter(action="campaigns.recap.locked").count() == 1
    answer(
        spoken, spoken.campaign.touches.first().recipients.first().member, "unfollow"
    )
    manager.post(url(spoken, "_refresh"))
    numbers = list(spoken.campaign.recaps.values_list("number", flat=True))
    assert sorted(numbers) == [1, 2]
    assert Recap.objects.get(number=1).figures == recap.figures
    new = recaps.latest(spoken.campaign)
    assert new.figures["total"]["responses"]["unfollow"]["count"] == 2
    recap.figures = {}
    with pytest.raises(IntegrityError), transaction.atomic():
        recap.save()
    with pytest.raises(IntegrityError), transaction.atomic():
        recap.delete()


def test_figures_that_changed_since_the_page_was_read_are_not_locked(
    spoken: Side, manager: Client
) -> None:
    seen = recaps.refresh(spoken.campaign)
    recaps.refresh(spoken.campaign)
    refused = lock(manager, spoken, seen)
    assert refused.status_code == 409
    assert "再看一遍" in refused.content.decode()
    assert lock(manager, spoken, seen, as_of="gestern").status_code == 409
    assert lock(manager, spoken, seen, version="x").status_code == 404
    assert not Recap.objects.filter(locked_at__isnull=False).exists()


def test_learnings_stay_open_and_nobody_writes_over_anybody(
    spoken: Side, manager: Client
) -> None:
    recap = recaps.refresh(spoken.campaign)
    lock(manager, spoken, recap)

    def write(text: str, before: str) -> Any:
        data = {"version": 1, "learnings": text, "before": before}
        return manager.post(url(spoken, "_learn"), data)

    assert write("短信更早发\r\n少一些", "").status_code == 302
    recap.refresh_from_db()
    assert recap.learnings == "短信更早发\n少一些"
    clash = write("别的", "")
    assert clash.status_code == 409
    text = clash.content.decode()
    assert "别的" in text  # what was written is not lost
    assert "短信更早发" in text
    assert write("长" * 10_001, recap.learnings).status_code == 409
    assert write("新的", "短信更早发\r\n少一些").status_code == 302


# -- PDF and API


def words_in(document: bytes) -> str:
    """The text of a PDF set in a font of two bytes a character (UniGB-UCS2-H)."""
    found = []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", document, re.DOTALL):
        try:
            plain = zlib.decompress(a85decode(stream.strip(), adobe=False))
        except ValueError:
            plain = zlib.decompress(a85decode(b"<~" + stream.strip(), adobe=True))
        for shown in re.findall(rb"\((.*?)(?<!\\)\) Tj", plain, re.DOTALL):
            raw = re.sub(
                rb"\\([0-7]{3}|.)",
                lambda m: bytes([int(m[1], 8)]) if len(m[1]) == 3 else m[1],
                shown,
                flags=re.DOTALL,
            )
            found.append(raw.decode("utf-16-be", "replace"))
    return "".join(found)


def test_the_pdf_tells_the_figures_in_chinese(spoken: Side, manager: Client) -> None:
    spoken.campaign.name = "新品🎉<b>上市</b> & 周年"
    spoken.campaign.save()
    recap = recaps.refresh(spoken.campaign)
    Recap.objects.filter(pk=recap.pk).update(learnings="多说\n人话")
    answer_ = manager.get(url(spoken, "_pdf"))
    assert answer_["Content-Type"] == "application/pdf"
    assert answer_.content.startswith(b"%PDF-")
    text = words_in(answer_.content)
    for words in ("计划人数", "11", "平台不提供", "人话", "□<b>上市</b> & 周年"):
        assert words in text, words
    assert "11 = 6 + 1 + 1 + 3 + 0" in text


def api_of(person: Any) -> APIClient:
    client = APIClient()
    secret = tokens.issue(person, name="t", actor=person)
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def test_the_api_gives_figures_time_and_definitions(spoken: Side) -> None:
    client = api_of(spoken.owner)
    place = f"/api/v1/campaigns/{spoken.campaign.pk}/recap"
    assert client.get(place).json()["version"] == 1
    recaps.refresh(spoken.campaign)
    told = client.get(place).json()
    assert told["version"] == 1
    assert told["locked_at"] is None
    assert told["figures"] == recaps.latest(spoken.campaign).figures
    assert {each["code"] for each in told["definitions"]} >= {"T01", "T08", "T12"}
    assert client.get(f"{place}?version=2").status_code == 404
    assert client.get(f"{place}?version=x").status_code == 400
    dealer = build_side("dealer", parent=spoken.unit)
    assert api_of(dealer.owner).get(place).status_code == 404
