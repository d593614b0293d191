"""The theme ships no Chinese: ours is complete, and pages really show it."""

from __future__ import annotations

import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest
import unfold
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import Client, RequestFactory
from django.urls import reverse

from core.pages import console_page
from privatedomain.translations import BASE_DIR
from tests.conftest import build_staff
from tests.core.worlds import World

THEME = Path(unfold.__file__).parent
CATALOGUE = BASE_DIR / "locale" / "zh_Hans" / "LC_MESSAGES" / "django.po"
# The same in both languages, or never alone on a page.
UNSEEN = {"%(class_name)s %(instance)s", "and", "entry", "Name", "Code", "Link"}


@pytest.fixture(scope="module")
def theme_words(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """What makemessages finds in the theme's templates and Python."""
    copy = tmp_path_factory.mktemp("theme") / "unfold"
    shutil.copytree(THEME, copy, ignore=shutil.ignore_patterns("static", "*.pyc"))
    (copy / "locale").mkdir()
    environment = dict(os.environ)
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    subprocess.run(
        [sys.executable, "-m", "django", "makemessages", "-l", "zh_Hans"],
        cwd=copy,
        env=environment,
        check=True,
        capture_output=True,
    )
    found = polib.pofile(str(copy / "locale/zh_Hans/LC_MESSAGES/django.po"))
    return {entry.msgid for entry in found}


def test_every_word_of_the_theme_is_translated(theme_words: set[str]) -> None:
    ours = {
        entry.msgid: entry.msgstr or entry.msgstr_plural.get(0, "")
        for entry in polib.pofile(str(CATALOGUE))
        if not entry.fuzzy
    }
    assert len(theme_words) > 150
    assert sorted(word for word in theme_words if not ours.get(word)) == []


def test_lists_and_forms_show_no_english_of_the_theme(
    db: None, theme_words: set[str]
) -> None:
    world = World("Words")
    client = Client()
    client.force_login(build_staff("administrator", org_unit=world.root))
    phrases = {
        word
        for word in theme_words - UNSEEN
        if re.fullmatch(r"[A-Z][\w ’',.]{5,}", word) and " " in word
    }
    shown = {}
    for model in admin.site._registry:
        opts = model._meta
        name = f"admin:{opts.app_label}_{opts.model_name}"
        for address in (
            reverse(f"{name}_changelist"),
            reverse(f"{name}_change", args=[world.row(model).pk]),
        ):
            text = html.unescape(client.get(address).content.decode())
            text = re.sub(r"<!--.*?-->|<script.*?</script>", "", text, flags=re.S)
            english = sorted(word for word in phrases if word in text)
            if english:
                shown[address] = english
    assert shown == {}


def test_pages_of_our_own_lead_back_to_lists_the_person_may_open(db: None) -> None:
    request = RequestFactory().get("/")
    row = Group.objects.get(name="agent")
    address = reverse("admin:auth_group_changelist")
    for role, back in (("administrator", [address]), ("agent", [])):
        request.user = build_staff(role)
        shown = console_page(
            request, "console/page.html", title="一件事", above=[row, ("任务", "/x/")]
        )
        crumbs = re.findall(r'href="([^"]*)" class="pd-crumb"', shown.render().text)
        assert crumbs[: len(back)] == back, role
        assert crumbs[-1] == "/x/", role


def test_crumbs_and_titles_call_roles_what_the_menu_calls_them(db: None) -> None:
    client = Client()
    client.force_login(build_staff("administrator"))
    role = Group.objects.get(name="administrator")
    for address in (
        reverse("admin:auth_group_changelist"),
        reverse("admin:auth_group_change", args=[role.pk]),
    ):
        shown = client.get(address).content.decode()
        crumbs = re.findall(r'class="pd-crumb">([^<]*)<', shown)
        assert "角色" in crumbs, crumbs
        assert "组" not in crumbs, crumbs
        title = re.search(r"<title>(.*?)</title>", shown, re.S)
        assert title is not None
        assert "角色" in title[1], title[1]
