"""No route of any registered admin shows a row of another data controller."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.core.cache import cache
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.views.generic import View
from unfold.views import BaseAutocompleteView

from core.admin import ScopedAdmin
from staff.admin.places import OrgUnitAdmin
from staff.models import OrgUnit, Staff
from tests.conftest import build_staff
from tests.core.leaks import Walk
from tests.core.worlds import World
from tests.urlconf import all_views

# Admins whose rows have no owner, with the reason why everyone allowed sees them all.
UNSCOPED = {
    "auth.group": "Roles are the same everywhere; administrators only.",
    "axes.accessattempt": "Log-ins of anybody; administrators only.",
    "axes.accesslog": "Log-ins of anybody; administrators only.",
    "django_celery_beat.intervalschedule": "Timers; administrators only.",
    "django_celery_beat.periodictask": "Timers; administrators only.",
    "reports.metricweight": "The formulas are the same for everybody.",
    "wechat.platformlimit": "The platform's limits are the same for everybody.",
    "content.marketingday": "Holidays are the same for everybody.",
}
# Those of them that more than administrators read.
FOR_HOLDERS_OF_THE_RIGHT = {
    "reports.metricweight",
    "wechat.platformlimit",
    "content.marketingday",
}
UNSCOPED_INLINES: dict[str, str] = {}


@pytest.fixture
def worlds(db: None) -> tuple[World, World]:
    return World("AlphaWorld"), World("ZuluWorld")


@pytest.fixture
def client_of(worlds: tuple[World, World]) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(worlds[0].viewer)
    return client


def _scoped() -> list[Any]:
    return [
        each for each in admin.site._registry.values() if each.row_scope is not None
    ]


def test_every_registered_admin_is_a_scoped_admin() -> None:
    strangers = [
        model._meta.label
        for model, model_admin in admin.site._registry.items()
        if not isinstance(model_admin, ScopedAdmin)
    ]
    assert strangers == []


def test_every_opt_out_of_row_scope_is_known_and_has_a_reason() -> None:
    unscoped = {
        model._meta.label_lower
        for model, model_admin in admin.site._registry.items()
        if model_admin.row_scope is None
    }
    assert unscoped <= UNSCOPED.keys()
    inlines = {
        f"{model._meta.label_lower}.{inline.__name__}"
        for model, model_admin in admin.site._registry.items()
        for inline in model_admin.inlines
        if inline.row_scope is None
    }
    assert inlines <= UNSCOPED_INLINES.keys()


@pytest.mark.parametrize(
    "model_admin", _scoped(), ids=lambda each: each.opts.label_lower
)
def test_no_route_shows_a_foreign_row(
    model_admin: Any, worlds: tuple[World, World], client_of: Client
) -> None:
    mine, other = worlds
    walk = Walk(model_admin, client_of, mine, other)
    assert walk.get(walk.url("changelist")).status_code == 200
    assert walk.get(walk.url("change", walk.row.pk)).status_code == 200
    assert walk.leaks() == []


@pytest.mark.parametrize("label", sorted(UNSCOPED))
def test_rows_without_an_owner_are_for_administrators_or_holders_of_the_right(
    label: str, worlds: tuple[World, World]
) -> None:
    model_admin = next(
        (a for m, a in admin.site._registry.items() if m._meta.label_lower == label),
        None,
    )
    if model_admin is None or label in FOR_HOLDERS_OF_THE_RIGHT:
        return
    client = Client()
    client.force_login(worlds[0].viewer)
    opts = model_admin.opts
    address = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
    assert client.get(address).status_code == 403


def test_the_walk_finds_a_leak_when_there_is_one(
    worlds: tuple[World, World], client_of: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = worlds

    def unscoped(self: Any, request: Any) -> Any:
        return OrgUnit.objects.all()

    monkeypatch.setattr(OrgUnitAdmin, "get_queryset", unscoped)
    found = Walk(admin.site.get_model_admin(OrgUnit), client_of, mine, other).leaks()
    routes = {line.partition(":")[0] for line in found}
    assert {"list_rows", "search", "by_id", "own_addresses"} <= routes


def test_the_walk_finds_open_lookups_and_open_choices(
    worlds: tuple[World, World], client_of: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = worlds

    def any_lookup(self: Any, lookup: str, value: Any, request: Any = None) -> bool:
        return True

    monkeypatch.setattr(ScopedAdmin, "lookup_allowed", any_lookup)
    monkeypatch.setattr("core.admin._scope_field", lambda *_args: None)
    found = Walk(admin.site.get_model_admin(Staff), client_of, mine, other).leaks()
    routes = {line.partition(":")[0] for line in found}
    assert {"lookups", "forms", "forged"} <= routes


def test_the_command_search_shows_only_visible_rows_and_keeps_nothing(
    worlds: tuple[World, World], client_of: Client
) -> None:
    mine, other = worlds
    cache.clear()
    address = reverse("admin:search")
    said = {"s": "zuluworldcolleague", "extended": "1"}
    assert other.mark.encode() not in client_of.get(address, said).content
    own = {"s": "AlphaWorldcolleague", "extended": "1"}
    assert b"AlphaWorldcolleague" in client_of.get(address, own).content
    mine.viewer.user_permissions.clear()
    assert b"AlphaWorldcolleague" not in client_of.get(address, own).content


def test_there_is_no_address_that_redirects_to_any_row() -> None:
    with pytest.raises(NoReverseMatch):
        reverse("admin:view_on_site", args=[1, 1])


def test_no_address_uses_the_unguarded_autocomplete_of_the_theme() -> None:
    classes = [getattr(each.callback, "view_class", View) for each in all_views()]
    assert not [each for each in classes if issubclass(each, BaseAutocompleteView)]


def test_somebody_without_a_place_sees_no_rows(worlds: tuple[World, World]) -> None:
    nobody = build_staff(username="nowhere", display_name="nowhere")
    nobody.user_permissions.set(worlds[0].viewer.user_permissions.all())
    client = Client(raise_request_exception=False)
    client.force_login(nobody)
    for model_admin in _scoped():
        walk = Walk(model_admin, client, *worlds)
        response = client.get(walk.url("changelist"))
        assert response.status_code == 200
        assert worlds[0].mark.encode() not in response.content, model_admin
