"""A brand with a planner and an approver, the built-in templates; touches that speak."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from campaigns import blueprints, plans
from campaigns.models import CampaignTemplate
from staff.models import OrgUnit
from tests.campaigns.speaking import World, build_world
from tests.wechat.outbound.phone import Sandbox, running_sandbox


@pytest.fixture
def unit(db):
    return OrgUnit.objects.create(name="林间", kind="brand")


@pytest.fixture
def templates(db):
    blueprints.load_builtin()
    return {template.code: template for template in CampaignTemplate.objects.all()}


@pytest.fixture
def planner(make_staff, unit):
    return make_staff("ops_specialist", org_unit=unit, display_name="周敏")


@pytest.fixture
def approver(make_staff, unit):
    return make_staff("ops_manager", org_unit=unit, display_name="李岚")


@pytest.fixture
def browse():
    """`browse(person)`: the admin client of somebody."""

    def client(person):
        opened = Client()
        opened.force_login(person)
        return opened

    return client


@pytest.fixture
def campaign(templates, unit, planner):
    """A big sale whose live date is ten days ahead."""
    return plans.create(
        name="双11 大促",
        template=templates["big_sale"],
        org_unit=unit,
        live_date=timezone.localdate() + timedelta(days=10),
        owner=planner,
        actor=planner,
    )


@pytest.fixture(scope="session")
def sandbox_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One for every file in which touches speak, as often as they like."""
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        calls = {"/cgi-bin/message/mass/send": 9999}
        free = {"minutely": calls, "mass_sends_per_day": 9999, "mass_retry_seconds": 0}
        sandbox.ask("limits", free)
        yield sandbox


@pytest.fixture
def world(db: None, sandbox_process: Sandbox, settings: Any) -> Iterator[World]:
    settings.MASS_REPLAY_SECONDS = 0.05
    sandbox_process.clear_faults()
    yield build_world(sandbox_process)
    sandbox_process.clear_faults()
