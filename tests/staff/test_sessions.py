"""Logging in: lock-out, language, how long a session lasts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from staff.models import Staff
from tests.conftest import PASSWORD, build_staff

LOGIN = "/admin/login/"


@pytest.fixture
def person(db: None) -> Staff:
    return build_staff("agent", username="zhoumin")


def _try(client: Client, password: str, **extra: Any) -> Any:
    return client.post(LOGIN, {"username": "zhoumin", "password": password}, **extra)


def test_five_failures_lock_the_account_for_a_while_and_say_so_in_the_form(
    person: Staff,
) -> None:
    client = Client()
    for _number in range(4):
        assert "用户名或密码错误" in _try(client, "wrong").content.decode()
    locked = _try(client, "wrong")
    assert locked.status_code == 429
    assert "登录失败次数过多" in locked.content.decode()
    right = _try(client, PASSWORD)
    assert right.status_code == 429
    assert "15 分钟" in right.content.decode()
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert _try(Client(), PASSWORD).status_code == 302


def test_a_lock_does_not_reach_the_same_person_elsewhere(person: Staff) -> None:
    for _number in range(5):
        _try(Client(), "wrong", REMOTE_ADDR="10.0.0.1")
    assert _try(Client(), PASSWORD, REMOTE_ADDR="10.0.0.2").status_code == 302


def test_an_address_that_tries_many_accounts_is_locked_on_all_of_them(
    person: Staff,
) -> None:
    here = {"REMOTE_ADDR": "10.0.0.9"}
    for number in range(30):
        guess = {"username": f"guess{number}", "password": "wrong"}
        answer = Client().post(LOGIN, guess, **here)
        assert answer.status_code == (200 if number < 29 else 429)
    locked = _try(Client(), PASSWORD, **here)
    assert locked.status_code == 429
    assert "登录失败次数过多" in locked.content.decode()
    assert _try(Client(), PASSWORD, REMOTE_ADDR="10.0.0.10").status_code == 302
    with time_machine.travel(timezone.now() + timedelta(minutes=16)):
        assert _try(Client(), PASSWORD, **here).status_code == 302


def test_a_forged_forwarding_header_is_not_believed(
    person: Staff, settings: Any
) -> None:
    for number in range(5):
        _try(Client(), "wrong", HTTP_X_FORWARDED_FOR=f"10.1.1.{number}")
    assert _try(Client(), PASSWORD).status_code == 429
    settings.TRUSTED_PROXIES = 1
    spoofed = "1.2.3.4, 10.9.9.9"
    assert _try(Client(), PASSWORD, HTTP_X_FORWARDED_FOR=spoofed).status_code == 302


def test_an_administrator_unlocks_in_the_admin(person: Staff) -> None:
    from axes.models import AccessAttempt

    for _number in range(5):
        _try(Client(), "wrong")
    client = Client()
    client.force_login(build_staff("administrator"))
    attempts = [str(pk) for pk in AccessAttempt.objects.values_list("pk", flat=True)]
    client.post(
        reverse("admin:axes_accessattempt_changelist"),
        {"action": "unlock", "_selected_action": attempts},
    )
    assert _try(Client(), PASSWORD).status_code == 302


def test_an_idle_session_ends_after_two_hours(person: Staff) -> None:
    start = timezone.now()
    client = Client()
    with time_machine.travel(start) as clock:
        _try(client, PASSWORD)
        for hours in (1.5, 3.0):  # somebody is there
            clock.move_to(start + timedelta(hours=hours))
            assert client.get("/admin/me/").status_code == 200
        clock.move_to(start + timedelta(hours=5.1))
        assert client.get("/admin/me/").status_code == 302


def test_pages_that_refresh_themselves_keep_nobody_logged_in(person: Staff) -> None:
    start = timezone.now()
    client = Client()
    with time_machine.travel(start) as clock:
        _try(client, PASSWORD)
        client.get("/admin/me/")
        for minutes in range(10, 150, 20):
            clock.move_to(start + timedelta(minutes=minutes))
            client.get(reverse("admin:home_tiles"), headers={"X-Background": "1"})
        assert client.get("/admin/me/").status_code == 302


def test_no_session_outlives_a_working_day(person: Staff) -> None:
    start = timezone.now()
    client = Client()
    with time_machine.travel(start) as clock:
        _try(client, PASSWORD)
        for hours in range(1, 12):
            clock.move_to(start + timedelta(hours=hours))
            assert client.get("/admin/me/").status_code == 200
        clock.move_to(start + timedelta(hours=12, minutes=1))
        assert client.get("/admin/me/").status_code == 302


def test_the_session_key_changes_at_log_in_and_cookies_are_strict(
    person: Staff,
) -> None:
    client = Client()
    client.get(LOGIN)
    response = _try(client, PASSWORD)
    cookie = next(
        value for name, value in response.cookies.items() if "session" in name
    )
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_chinese_is_the_language_whatever_the_browser_says(person: Staff) -> None:
    page = Client().get(LOGIN, headers={"Accept-Language": "en-US,en;q=0.9"})
    assert "登录" in page.content.decode()
    assert page.headers["Content-Language"] == "zh-hans"


def test_the_language_is_the_persons_own_and_can_be_switched(person: Staff) -> None:
    client = Client()
    client.force_login(person)
    assert "我的账号" in client.get("/admin/me/").content.decode()
    answer = client.post(
        reverse("admin:language"), {"language": "en", "next": "/admin/me/"}
    )
    assert answer.headers["Location"] == "/admin/me/"
    assert "My account" in client.get("/admin/me/").content.decode()
    other = Client()
    other.force_login(Staff.objects.get(pk=person.pk))
    assert "My account" in other.get("/admin/me/").content.decode()


@pytest.mark.parametrize(
    "address",
    ["//evil.example", "https://evil.example/", "\\\\evil.example", "/\\evil"],
)
def test_switching_the_language_leads_nowhere_else(person: Staff, address: str) -> None:
    client = Client()
    client.force_login(person)
    answer = client.post(reverse("admin:language"), {"language": "en", "next": address})
    assert answer.headers["Location"] == "/admin/"
    login = client.post(LOGIN, {"username": "x", "password": "x", "next": address})
    assert "evil" not in login.headers.get("Location", "")


def test_a_stale_form_is_answered_in_words(person: Staff) -> None:
    client = Client(enforce_csrf_checks=True)
    page = client.post(LOGIN, {"username": "zhoumin", "password": PASSWORD})
    assert page.status_code == 403
    assert "页面打开的时间太久了" in page.content.decode()


def test_a_session_that_is_over_or_gone_is_nobodys(person: Staff) -> None:
    client, other = Client(), Client()
    client.force_login(person)
    other.force_login(person)
    page = reverse("admin:me")
    assert client.get(page).status_code == 200
    rows = Session.objects.filter(session_key=client.session.session_key)
    rows.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert client.get(page).status_code == 302
    assert other.get(page).status_code == 200
    Session.objects.all().delete()
    assert other.get(page).status_code == 302
