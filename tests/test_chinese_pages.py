"""No page of an empty console says something in English to a Chinese reader."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import NoReverseMatch, reverse

from core.registry import site_urls
from tests.conftest import build_staff

SILENT = {"script", "style", "template", "title", "code"}
SHOWN_ATTRIBUTES = {"placeholder", "title", "aria-label", "alt"}
# Two words: a single one is a key, a name or a unit.
RUN = re.compile(r"[A-Za-z][A-Za-z'’-]+(?:[ ,:;]+[A-Za-z][A-Za-z'’-]+)+")


class _Shown(HTMLParser):
    """The texts a reader sees or hears."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SILENT or "material-symbols" in (dict(attrs).get("class") or ""):
            self._open.append(tag)
        self.texts += [v for k, v in attrs if k in SHOWN_ATTRIBUTES and v]

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open:
            self.texts.append(data)


def _english(page: str) -> set[str]:
    shown = _Shown()
    shown.feed(page)
    return {run for text in shown.texts for run in RUN.findall(text)}


def _addresses() -> list[str]:
    found = ["/admin/", "/admin/nothing-here/", "/admin/password_change/"]
    names = [name for _route, _view, name in site_urls]
    for model in admin.site._registry:
        opts = model._meta
        names += [
            f"{opts.app_label}_{opts.model_name}_{v}" for v in ("changelist", "add")
        ]
    for name in names:
        try:
            found.append(reverse(f"admin:{name}"))
        except NoReverseMatch:
            continue  # a page of one row
    return found


@pytest.mark.django_db
def test_every_page_without_rows_is_wholly_in_chinese() -> None:
    client = Client()
    found = {"/admin/login/": _english(client.get("/admin/login/").content.decode())}
    client.force_login(build_staff("administrator", display_name="管理员"))
    for address in _addresses():
        answer = client.get(address)
        if "html" in answer.headers.get("Content-Type", ""):
            found[address] = _english(answer.content.decode())
    assert {address: words for address, words in found.items() if words} == {}
