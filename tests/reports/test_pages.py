"""The home page led by key figures, the dictionary, and the weights."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crm import timeline
from reports import home, rollups, weights
from reports.models import MetricWeight
from staff.models import OrgUnit
from tests.campaigns.returning import Side, build_side
from tests.conftest import build_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def side() -> Side:
    """Four messages of somebody of a store, one of somebody of none; a touch under way."""
    side = build_side("linjian")
    store = OrgUnit.objects.create(name="静安寺店", kind="store", parent=side.unit)
    people = [side.member("店客", store), side.member("散客")]
    for number, member in enumerate([people[0]] * 4 + [people[1]]):
        timeline.write(
            member=member,
            kind="message.text",
            at=timezone.now(),
            key=f"p{number}",
            account=side.account,
        )
    side.contact(side.touch(), people[0])
    side.contact(side.touch(), people[1], "waiting")
    weights.load_builtin()
    rollups.catch_up()
    return side


def client_of(role: str, unit: OrgUnit | None) -> Client:
    client = Client()
    client.force_login(build_staff(role, org_unit=unit))
    return client


def words(client: Client, name: str, *args: Any, query: str = "") -> str:
    answer = client.get(reverse(f"admin:{name}", args=args) + query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_home_page_leads_with_interactions_and_service_value(side: Side) -> None:
    client = client_of("ops_manager", side.unit)
    page = words(client, "index")
    assert page.index("互动次数") < page.index("服务价值指数") < page.index("粉丝数")
    rows = reverse("admin:reports_metric_rows", args=["C08"])
    assert f'href="{rows}">5<' in page
    assert reverse("admin:reports_metric", args=["C10"]) in page
    assert "参考值" in page
    assert "新品上市 · 已发 1 / 计划 2" in page


def test_each_sees_the_figures_of_their_own(side: Side) -> None:
    store = OrgUnit.objects.get(name="静安寺店")
    dealer = build_side("dealer", parent=side.unit)
    rows = reverse("admin:reports_metric_rows", args=["C08"])
    for role, unit, shown in (
        ("store_manager", store, 4),
        ("dealer", dealer.unit, 0),
        ("ops_manager", side.unit, 5),
    ):
        client = client_of(role, unit)
        assert f'href="{rows}">{shown}<' in words(client, "index"), role
    assert "互动次数" not in words(client_of("agent", store), "index")


def test_the_lead_costs_a_fixed_number_of_queries(side: Side, rf: Any) -> None:
    request = rf.get("/admin/")
    request.user = build_staff("ops_manager", org_unit=side.unit)
    request.user.has_perm("reports.view_figures")
    with CaptureQueriesContext(connection) as queries:
        home.lead(request)
        home.open_campaigns(request)
    # sums and weights twice, followers, as of; campaigns and their counts
    assert len(queries) == 8, [q["sql"][:80] for q in queries]


def test_a_figure_leads_to_its_definition_and_its_rows(side: Side) -> None:
    client = client_of("store_manager", OrgUnit.objects.get(name="静安寺店"))
    definition = words(client, "reports_metric", "C08")
    assert "每人每天最多计" in definition
    assert "每人每天上限" in definition
    today = f"{timezone.localdate():%F}"
    assert f"?day={today}" in definition
    rows = words(client, "reports_metric_rows", "C08", query=f"?day={today}")
    assert "店客" in rows
    assert "散客" not in rows
    week_ago = f"{timezone.localdate() - timedelta(days=7):%F}"
    empty = words(client, "reports_metric_rows", "C08", query=f"?week={week_ago}")
    assert "没有明细" in empty


def test_the_dictionary_lists_every_figure_and_odd_addresses_are_not_found(
    side: Side,
) -> None:
    client = client_of("analyst", side.unit)
    index = words(client, "reports_index")
    for code in ("C08", "C10", "F01", "T01", "T12"):
        assert f'id="{code}"' in index
    for odd in ("reports/metrics/C99/", "reports/metrics/T01/rows/"):
        assert client.get(f"/admin/{odd}").status_code == 404
    rows = reverse("admin:reports_metric_rows", args=["C08"])
    for odd in ("?day=2026-13-01", "?week=x", "?week=9999-12-31", "?before=x"):
        assert client.get(rows + odd).status_code == 404
    agent = client_of("agent", side.unit)
    for name, args in (("reports_index", []), ("reports_metric", ["C08"])):
        assert agent.get(reverse(f"admin:{name}", args=args)).status_code == 403


def test_an_administrator_gives_a_weight_a_new_value_from_a_day_on(side: Side) -> None:
    client = client_of("administrator", None)
    add = reverse("admin:reports_metricweight_add")
    today = timezone.localdate()

    def give(**changes: Any) -> Any:
        data = {"which": "C08.cap", "value": "3", "effective_from": f"{today:%F}"}
        return client.post(add, {**data, **changes})

    for refused, why in (
        ({"value": "2.5"}, "整数"),
        ({"effective_from": f"{today - timedelta(days=1):%F}"}, "最早从今天"),
        ({"which": "C08.none"}, "C08"),
    ):
        assert why in give(**refused).content.decode()
    assert give().status_code == 302
    again = give().content.decode()
    assert "已经存在" in again
    assert MetricWeight.objects.filter(name="cap").count() == 2
    rollups.catch_up()
    rows = reverse("admin:reports_metric_rows", args=["C08"])
    assert f'href="{rows}">4<' in words(client, "index")  # 3 of four, and one
    row = MetricWeight.objects.get(name="cap", effective_from=today)
    change = reverse("admin:reports_metricweight_change", args=[row.pk])
    assert client.post(change, {"value": "9"}).status_code == 403
