"""The page of figures: bounds are kept, nothing is lost, every change is told."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from core import system_settings
from core.models import AuditEntry, Job
from core.system_settings import Declaration, declarations
from tests.conftest import build_staff


@pytest.fixture
def client(db: None, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr("core.system_settings.declarations", {})
    monkeypatch.setattr("core.settings_page.declarations", system_settings.declarations)
    for declared in (
        Declaration("test.days", "Days", 30, unit="d", minimum=1, maximum=365),
        Declaration("test.text", "Text", "hello"),
        Declaration("test.on", "On", default=True),
    ):
        system_settings.declarations[declared.key] = declared
    browser = Client()
    browser.force_login(build_staff("administrator"))
    return browser


PAGE = "/admin/settings/"


def test_a_changed_figure_holds_and_stands_in_the_trail(client: Client) -> None:
    client.post(PAGE, {"s0": "14", "s1": "hello", "s2": "on"})
    assert system_settings.get("test.days") == 14
    entry = AuditEntry.objects.get(action="core.systemsetting.changed")
    assert (entry.before, entry.after) == ({"value": 30}, {"value": 14})


def test_a_figure_out_of_bounds_changes_nothing_and_keeps_the_input(
    client: Client,
) -> None:
    response = client.post(PAGE, {"s0": "9999", "s1": "kept words", "s2": "on"})
    assert response.status_code == 422
    assert "9999" in response.content.decode()
    assert "kept words" in response.content.decode()
    assert system_settings.get("test.days") == 30
    assert system_settings.get("test.text") == "hello"


def test_a_switch_can_be_turned_off_and_a_text_emptied(client: Client) -> None:
    client.post(PAGE, {"s0": "30", "s1": ""})
    assert system_settings.get("test.on") is False
    assert system_settings.get("test.text") == ""


def test_the_keys_are_rotated_as_a_job(client: Client) -> None:
    response = client.post(reverse("admin:rotate_keys"))
    job = Job.objects.get(kind="core.rotate_field_keys")
    assert response.headers["Location"] == reverse("admin:job", args=[job.pk])


def test_every_declared_setting_of_the_console_can_be_shown(db: None) -> None:
    browser = Client()
    browser.force_login(build_staff("administrator"))
    page: Any = browser.get(PAGE)
    assert page.status_code == 200
    assert len(page.context["form"].fields) == len(declarations)
