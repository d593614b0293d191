"""A brand with a planner and an approver, and the built-in templates."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from campaigns import blueprints, plans
from campaigns.models import CampaignTemplate
from staff.models import OrgUnit


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
