"""Models point into their own layer or below; import-linter can't see string keys."""

from __future__ import annotations

from django.apps import apps
from django.db import models

# docs/architecture.md "The house", lowest first; each may point at itself and below.
LAYERS = [
    *("core", "staff", "wechat", "content", "crm"),
    *("campaigns", "service", "reports", "privatedomain"),
]
# On one level: neither points at the other.
NEIGHBOURS = {"campaigns", "service"}
# Django's own tables stand below everything.
BELOW = {"auth", "contenttypes", "sessions"}
# core knows the user model only through settings.AUTH_USER_MODEL.
ALLOWED_UPWARD = {("core", "staff.Staff")}


def test_every_relation_points_into_the_same_or_a_lower_layer() -> None:
    wrong = []
    for model in apps.get_models(include_auto_created=True):
        app = model._meta.app_label
        if app not in LAYERS:
            continue
        for field in model._meta.get_fields():
            is_relation = isinstance(field, (models.ForeignKey, models.ManyToManyField))
            if is_relation and not _may_point(app, field.remote_field.model):
                wrong.append(f"{field} → {field.remote_field.model._meta.label}")
    assert wrong == []


def _may_point(app: str, target: type[models.Model]) -> bool:
    below = target._meta.app_label
    if below in BELOW or (app, target._meta.label) in ALLOWED_UPWARD:
        return True
    if {app, below} == NEIGHBOURS:
        return False
    return below in LAYERS and LAYERS.index(below) <= LAYERS.index(app)


def test_every_app_of_ours_has_a_layer() -> None:
    ours = {
        config.label
        for config in apps.get_app_configs()
        if not config.module.__name__.startswith(("django", "unfold", "rest_framework"))
        and "site-packages" not in (config.path or "")
    }
    assert ours <= set(LAYERS)
