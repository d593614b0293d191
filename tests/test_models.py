"""The layer test: a string foreign key escapes import-linter."""

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models

LAYERS = [
    "core",
    "staff",
    "wechat",
    "content",
    "crm",
    ("service", "campaigns"),
    "reports",
]


def _level(label):
    for level, names in enumerate(LAYERS):
        if label == names or (label in names and isinstance(names, tuple)):
            return level
    return -1  # a library


OURS = [
    m
    for m in apps.get_models(include_auto_created=True)
    if _level(m._meta.app_label) >= 0
]


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_relations_point_into_the_same_or_a_lower_layer(model):
    for field in model._meta.get_fields():
        if not isinstance(field, models.ForeignKey | models.ManyToManyField):
            continue
        target = field.related_model
        if target._meta.label == settings.AUTH_USER_MODEL:
            continue
        mine, theirs = model._meta.app_label, target._meta.app_label
        assert mine == theirs or _level(theirs) < _level(mine), f"{field} points up"
