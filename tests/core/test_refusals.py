"""The log tells refusals in one line and keeps the traceback of what broke."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.conftest import build_staff


def test_a_refusal_is_one_line_and_a_fault_is_told_in_full(
    db: None, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_request: Any) -> Any:
        raise ZeroDivisionError

    client = Client(raise_request_exception=False)
    client.force_login(build_staff("agent"))
    refused = reverse("admin:system_settings")
    assert client.get(refused).status_code == 403
    monkeypatch.setattr("privatedomain.home._context", broken)
    assert client.get(reverse("admin:index")).status_code == 500
    lines = [each for each in caplog.records if each.name == "django.request"]
    told = {each.getMessage(): each.exc_info is not None for each in lines}
    assert told == {
        f"Forbidden (Permission denied): {refused}": False,
        f"Internal Server Error: {reverse('admin:index')}": True,
    }
