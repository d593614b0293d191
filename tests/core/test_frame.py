"""What is kept between pages is nobody's: it never shows to another person."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import unfold
from axes.models import AccessAttempt
from django.contrib import admin
from django.contrib.admin.utils import label_for_field
from django.contrib.auth.models import Permission
from django.template import Context, RequestContext, Template
from django.test import Client, RequestFactory
from django.urls import reverse, set_script_prefix
from django.utils import translation
from unfold.sites import UnfoldAdminSite

from core.templatetags.frame import MOST_KEPT
from privatedomain import navigation
from privatedomain.admin_site import OF_REQUEST
from service.models import Conversation
from tests.conftest import build_staff
from tests.core.worlds import World

THEME = Path(unfold.__file__).parent / "templates"
# What ours were made from: a new release of the theme must be read before these change.
ORIGINALS = {
    "unfold/layouts/skeleton.html": "66af9f0bb45f98ba",
    "admin/base.html": "2ce9250b3c649e3a",
    "admin/nav_sidebar.html": "d61d8a2fd3fe3115",
    "unfold/helpers/header.html": "d30d2ed9f06b45f3",
    "unfold/helpers/userlinks.html": "b493fa5ca3595d28",
    "unfold/helpers/navigation.html": "fd819dae3473c0be",
    "unfold/helpers/navigation_header.html": "35139b9d94580be9",
    "unfold/helpers/navigation_user.html": "4c9ba58b3f215326",
    "unfold/helpers/account_links.html": "2bf64df6869b6b29",
    "unfold/helpers/app_list.html": "6ab83ac498b2f50f",
    "admin/includes/fieldset.html": "28426b3cc2900b0b",
    "unfold/helpers/fieldset_row.html": "2eb8a8acf2d75385",
    "unfold/helpers/fieldset_row_field.html": "ced3ff9fde1310dc",
    "unfold/helpers/fieldset_row_checkbox.html": "cf869169bfbecc94",
    "unfold/helpers/field_readonly_value.html": "a1d46fa2a26e3441",
    "unfold/helpers/command.html": "ae6ce324d8536613",
}


@pytest.fixture
def draw() -> Any:
    """Draws a template of a page with `kept` in it, each time anew."""

    def draw(source: str) -> Any:
        made = Template("{% load frame i18n %}" + source)
        return lambda **values: made.render(Context(values))

    return draw


def test_a_kept_part_is_drawn_once_per_language_and_named_value(draw: Any) -> None:
    page = draw("{% kept tone %}{% translate 'Log out' %} {{ tone }}{% endkept %}")
    with translation.override("zh-hans"):
        chinese = page(tone="good")
    with translation.override("en"):
        assert page(tone="good") == "Log out good"
        assert page(tone="bad") == "Log out bad"
    assert chinese != "Log out good"
    with translation.override("zh-hans"):
        assert page(tone="good") == chinese


def test_a_kept_part_sees_nothing_of_the_page_but_what_it_names(draw: Any) -> None:
    page = draw("{% kept tone %}[{{ user }}{{ csrf_token }}{{ tone }}]{% endkept %}")
    assert page(user="Li", csrf_token="secret", tone="good") == "[good]"
    assert page(user="Wang", csrf_token="other", tone="good") == "[good]"


def test_a_kept_part_has_no_request_to_read_from(rf: RequestFactory, db: None) -> None:
    source = "{% load frame %}{% kept %}[{{ request.path }}{{ user }}]{% endkept %}"
    page = Template(source)
    request = rf.get("/of/somebody/")
    request.user = build_staff("agent")
    assert page.render(RequestContext(request)) == "[]"


def test_an_address_in_a_kept_part_has_the_prefix_of_the_request(draw: Any) -> None:
    page = draw("{% kept %}{% url 'admin:index' %}{% endkept %}")
    assert page() == "/admin/"
    set_script_prefix("/below/")
    try:
        assert page() == "/below/admin/"
    finally:
        set_script_prefix("/")


def test_what_is_kept_is_bounded(draw: Any) -> None:
    page = draw("{% kept number %}{{ number }}{% endkept %}")
    shown = [page(number=number) for number in range(3 * MOST_KEPT)]
    assert shown == [str(number) for number in range(3 * MOST_KEPT)]


def _client(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def _menu(client: Client) -> list[str]:
    page = client.get(reverse("admin:me")).content.decode()
    menu = page.partition('id="nav-sidebar-apps"')[2].partition("openUserLinks")[0]
    return re.findall(r'<a href="([^"]*)"', menu)


def test_each_person_has_the_menu_of_their_rights_whoever_came_before(
    db: None,
) -> None:
    chief = _client(build_staff("administrator"))
    agent = _client(build_staff("agent"))
    settings = reverse("admin:system_settings")
    whole, some = _menu(chief), _menu(agent)
    assert settings in whole
    assert settings not in some
    assert set(some) < set(whole)
    assert _menu(chief) == whole
    assert _menu(agent) == some


def test_a_right_given_or_taken_shows_in_the_menu_of_the_next_page(db: None) -> None:
    person = build_staff("agent")
    client = _client(person)
    jobs, staff = reverse("admin:jobs"), reverse("admin:staff_staff_changelist")
    assert staff not in _menu(client)
    right = Permission.objects.get(codename="view_staff")
    person.user_permissions.add(right)
    assert staff in _menu(client)
    person.user_permissions.remove(right)
    assert staff not in _menu(client)
    person.groups.clear()
    assert _menu(client) == [reverse("admin:index"), jobs]


def test_the_menu_is_in_the_language_of_whoever_looks(db: None) -> None:
    reader = build_staff("agent", language="en")
    pages = {
        name: _client(person).get(reverse("admin:me")).content.decode()
        for name, person in (
            ("Chinese", build_staff("agent")),
            ("English", reader),
            ("Chinese again", build_staff("agent")),
        )
    }
    for name, page in pages.items():
        is_english = "<span>Jobs</span>" in page
        assert is_english == (name == "English"), name
        assert ("<span>后台任务</span>" in page) != is_english, name


def test_one_line_is_lit_on_each_page(db: None) -> None:
    client = _client(build_staff("administrator"))
    for name in ("index", "jobs", "staff_staff_changelist", "jobs"):
        page = client.get(reverse(f"admin:{name}")).content.decode()
        lit = re.findall(r'<a href="([^"]*)"[^>]* active">', page)
        assert lit == [reverse(f"admin:{name}")]


def test_a_menu_asks_for_nothing_but_rights(db: None) -> None:
    """An admin that decided by more would fail here: there is no more to ask."""
    nobody = navigation.kept_menu.__wrapped__("zh-hans", "/", frozenset(), frozenset())
    links = [line.link for group in nobody for line in group.lines]
    assert links == [reverse("admin:index"), reverse("admin:jobs")]
    everybody = navigation.kept_menu.__wrapped__("zh-hans", "/", None, frozenset())
    assert sum(len(group.lines) for group in everybody) > 40


def test_what_the_frame_keeps_is_what_the_theme_says_to_anybody(
    rf: RequestFactory, db: None
) -> None:
    kept = admin.site._frame(_request(rf, build_staff("administrator"))).values
    for language in ("zh-hans", "en"):
        with translation.override(language):
            request = _request(rf, build_staff("agent", language=language))
            said = UnfoldAdminSite.each_context(admin.site, request)
            told = {k: v for k, v in said.items() if k not in OF_REQUEST}
            assert repr(_plain(kept)) == repr(_plain(told))


def _request(rf: RequestFactory, person: Any) -> Any:
    request = rf.get("/admin/")
    request.user = person
    request.session = {}
    return request


def _plain(values: Any) -> Any:
    """With the words of lazy texts in the language in force."""
    if isinstance(values, dict):
        return {k: _plain(v) for k, v in values.items() if k != "language_codes"}
    if isinstance(values, list):
        return [_plain(value) for value in values]
    return values if values is None or isinstance(values, bool) else str(values)


def test_the_parts_of_the_theme_we_replaced_are_those_ours_were_made_from() -> None:
    found = {
        name: hashlib.sha256((THEME / name).read_bytes()).hexdigest()[:16]
        for name in ORIGINALS
    }
    assert found == ORIGINALS


def test_a_list_reads_its_headers_once_and_marks_each_row_by_its_own_key(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def noted(name: str, *args: Any, **kwargs: Any) -> Any:
        read.append(name)
        return label_for_field(name, *args, **kwargs)

    monkeypatch.setattr("unfold.templatetags.unfold_list.label_for_field", noted)
    rows = [
        AccessAttempt.objects.create(username=f"who{number}", failures_since_start=1)
        for number in range(3)
    ]
    reader = build_staff("administrator", language="en")
    for person in (build_staff("administrator"), reader):
        client = _client(person)
        address = reverse("admin:axes_accessattempt_changelist")
        page = client.get(address).content.decode()
        boxes = re.findall(r'<input[^>]*name="_selected_action"[^>]*>', page)
        found = [re.findall(r'value="(\d+)"', box) for box in boxes]
        assert sorted(found) == sorted([str(row.pk)] for row in rows)
        is_english = person is reader
        assert ('aria-label="Select record"' in boxes[0]) == is_english
    assert len(read) == 2 * len(set(read))


def test_a_row_that_cannot_be_chosen_calls_its_first_figure_by_its_column(
    db: None,
) -> None:
    world = World("Labels")
    world.row(Conversation)
    page = _client(world.viewer).get(reverse("admin:service_conversation_changelist"))
    labels = re.findall(r'<td[^>]*data-label="([^"]*)"', page.content.decode())
    assert labels[:2] == ["编号", "会员"]
    assert "选择此行" not in labels
