"""Scope of rows that belong to an account, through whatever key they hang on it."""

from __future__ import annotations

from typing import Any

from django.db import models

from staff.models import Staff


class OfAppQuerySet(models.QuerySet[Any]):
    """Rows with a key `app`."""

    def visible_to(self, staff: Staff) -> OfAppQuerySet:
        from wechat.models import App

        return self.filter(app__in=App.objects.visible_to(staff))


class OfAccountQuerySet(models.QuerySet[Any]):
    """Rows with a key `account`."""

    def visible_to(self, staff: Staff) -> OfAccountQuerySet:
        from wechat.models import Account

        return self.filter(account__in=Account.objects.visible_to(staff))


class OfMessageQuerySet(models.QuerySet[Any]):
    """Rows with a key `message`."""

    def visible_to(self, staff: Staff) -> OfMessageQuerySet:
        from wechat.models import OutboundMessage

        return self.filter(message__in=OutboundMessage.objects.visible_to(staff))
