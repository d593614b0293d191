"""Rows of any model inside one data controller, made without knowing the model.

Every text of a world carries its mark, so that a page of world A showing anything of
world B is seen by looking for one word.
"""

from __future__ import annotations

import itertools
import uuid
from datetime import date, timedelta
from typing import Any

from django.apps import apps
from django.db import connection, models
from django.utils import timezone

from core.encryption import EncryptedBytesField
from staff.models import OrgUnit, Staff
from tests.conftest import build_staff
from wechat.limits import BUILTIN

_numbers = itertools.count(1)

# What a constraint, trigger or partition of the model wants; the rest is made up.
SPECIAL: dict[str, dict[str, Any]] = {
    "staff.approval": {"approver": None},
    "core.job": {"state": "queued"},
    "core.auditentry": {"before": {}, "after": {}},
    "wechat.platformlimit": {
        "key": BUILTIN[0].key,
        "effective_from": lambda: (
            date(2001, 1, 1) + timedelta(days=next(_numbers) % 9000)
        ),
    },
    "wechat.quotause": {"limit": 10, "reserved": 0, "used": 0},
    "service.conversation": {"state": "queued", "assignee": None},
    "service.assignment": {"ended_at": None},
    "wechat.outboundmessage": {"state": "planned"},
    "wechat.inboundevent": {"state": "new"},
    "django_celery_beat.periodictask": {
        "crontab": None,
        "solar": None,
        "clocked": None,
        "args": "[]",
        "kwargs": "{}",
        "headers": "{}",
        "expires": None,
    },
    "content.item": {"state": "draft"},
    "content.version": {
        "state": "withdrawn",
        "number": lambda: next(_numbers),
        "approved_by": None,
        "returned_by": None,
        "submitted_by": None,
    },
    "crm.import": {"layout": {"format": "csv", "headers": ["手机号"]}},
    "crm.export": {"approval": None, "job": None},
    "crm.consenttext": {"version": lambda: next(_numbers)},
    "crm.complaint": {"closed_at": None},
    "crm.member": {"merged_into": None, "purged_at": None},
    "crm.segment": {
        "archived_at": None,
        "version": 1,
        "rule": {"all": [{"on": "seen", "is": "within", "days": 30}]},
    },
    # Built in and the same for everybody.
    "campaigns.campaigntemplate": {
        "code": lambda: f"template-{next(_numbers)}",
        "name": "Template",
        "summary": "",
    },
}


# Rows that never stand alone: what is made with each.
WITH: dict[str, tuple[str, str, dict[str, Any]]] = {
    "content.item": ("content.version", "item", {"state": "draft"}),
}


# Relations that must not be the world's own row: two sides of a pair.
OWN_ROW = {("crm.matchreview", "second"), ("crm.merge", "gone")}


def _give_every_permission(person: Staff) -> None:
    """Some 400 rows, in one statement and without an object for each."""
    links = Staff.user_permissions.through._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {links} (staff_id, permission_id)"  # noqa: S608
            " SELECT %s, id FROM auth_permission",
            [person.pk],
        )


class World:
    """One data controller: its unit, somebody who may do everything in it, rows.

    A brand of its own, or with `below` a dealer of that brand.
    """

    def __init__(self, mark: str, *, below: OrgUnit | None = None) -> None:
        self.mark = mark
        self.root = OrgUnit.objects.create(
            name=f"{mark}brand",
            kind="brand" if below is None else "dealer",
            parent=below,
            is_separate_controller=below is not None,
        )
        self.viewer = build_staff(
            username=f"{mark}viewer", display_name=f"{mark}viewer", org_unit=self.root
        )
        _give_every_permission(self.viewer)
        self._rows: dict[type[models.Model], models.Model] = {
            OrgUnit: OrgUnit.objects.create(
                name=f"{mark}shop", kind="store", parent=self.root
            ),
            Staff: build_staff(
                username=f"{mark}colleague",
                display_name=f"{mark}colleague",
                org_unit=self.root,
            ),
        }

    def row(self, model: type[models.Model]) -> models.Model:
        """The world's row of the model, made with everything it points to."""
        if model not in self._rows:
            self._rows[model] = self.make(model)
        return self._rows[model]

    def fresh(self, model: type[models.Model]) -> models.Model:
        """One more row, with relations of its own: no unique pair, no shared cache."""
        kept = self._rows
        number = next(_numbers)
        colleague = build_staff(
            username=f"{self.mark}{number}",
            display_name=f"{self.mark}{number}",
            org_unit=self.root,
        )
        if model is Staff:
            return colleague
        self._rows = {OrgUnit: kept[OrgUnit], Staff: colleague}
        try:
            return self.make(model)
        finally:
            self._rows = kept

    def make(self, model: type[models.Model], **given: Any) -> models.Model:
        label = model._meta.label_lower
        special = {
            name: value() if callable(value) else value
            for name, value in SPECIAL.get(label, {}).items()
        }
        values = {**special, **given}
        for field in model._meta.concrete_fields:
            if field.name not in values and not field.primary_key:
                values[field.name] = self._value(model, field)
        if isinstance(model._meta.pk, models.UUIDField):
            values[model._meta.pk.name] = uuid.uuid4()
        made = model(**values)
        made.save(force_insert=True)
        for field in model._meta.many_to_many:
            target = field.remote_field.model
            if target._meta.app_label not in {"auth", "contenttypes"}:
                getattr(made, field.name).set([self.row(target)])
        if label in WITH:
            other, key, given = WITH[label]
            self.make(apps.get_model(other), **{key: made}, **given)
        return made

    def _value(self, model: type[models.Model], field: Any) -> Any:
        if field.is_relation:
            return self._related(model, field)
        if field.choices:
            return field.choices[0][0]
        if isinstance(field, EncryptedBytesField):
            return self.mark.encode()
        if isinstance(field, models.URLField):
            return f"https://{self.mark.lower()}.example/"
        if isinstance(field, (models.CharField, models.TextField)):
            return self._text(field)
        return _plain(field)

    def _text(self, field: Any) -> str:
        number = next(_numbers)
        limit = field.max_length or 40
        return f"{self.mark}{number}"[:limit] if limit >= len(self.mark) else "x"

    def _related(self, model: type[models.Model], field: Any) -> Any:
        target = field.remote_field.model
        if target is OrgUnit and field.name == "controller":
            return self.root
        if target is Staff:
            return self._rows[Staff]
        if target is model or (field.null and field.one_to_one):
            return None
        if (model._meta.label_lower, field.name) in OWN_ROW:
            return self.make(target)
        return self.row(target)


def _plain(field: Any) -> Any:
    if isinstance(field, models.DateTimeField):
        return None if field.null else timezone.now()
    if isinstance(field, models.DateField):
        return timezone.localdate()
    if isinstance(field, models.UUIDField):
        return uuid.uuid4()
    if field.null or field.has_default():
        return field.get_default()
    return {} if isinstance(field, models.JSONField) else 1
