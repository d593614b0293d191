"""Filters of the member list. Each is an EXISTS over an index, never a join."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import DropdownFilter

from crm.models import Identity, Member, Tag, TagSet
from wechat.models import Account

YES, NO = "yes", "no"


class AccountFilter(admin.SimpleListFilter):
    title = _("account")
    parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        accounts = Account.objects.visible_to(request.user)  # type: ignore[arg-type]
        return [(str(account.pk), str(account)) for account in accounts]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Member]
    ) -> QuerySet[Member]:
        wanted = self.value()
        if wanted is None:
            return queryset
        if wanted not in {key for key, _label in self.lookup_choices}:
            return queryset.none()
        known = Identity.objects.filter(member=OuterRef("pk"), account_id=int(wanted))
        return queryset.filter(Exists(known))


class FollowingFilter(admin.SimpleListFilter):
    title = _("following")
    parameter_name = "following"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(YES, _("Follows or is a friend")), (NO, _("No longer"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Member]
    ) -> QuerySet[Member]:
        follows = Exists(
            Identity.objects.filter(member=OuterRef("pk"), is_following=True)
        )
        if self.value() == YES:
            return queryset.filter(follows)
        return queryset.filter(~follows) if self.value() == NO else queryset


class OptedOutFilter(admin.SimpleListFilter):
    title = _("marketing")
    parameter_name = "opted_out"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(NO, _("May be addressed")), (YES, _("Opted out"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Member]
    ) -> QuerySet[Member]:
        if self.value() not in (YES, NO):
            return queryset
        return queryset.filter(opted_out_at__isnull=self.value() == NO)


class TagFilter(DropdownFilter):
    title = _("tag")
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        tags = Tag.objects.visible_to(request.user).select_related("group")  # type: ignore[arg-type]
        return [(str(tag.pk), f"{tag.group} · {tag}") for tag in tags]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Member]
    ) -> QuerySet[Member]:
        wanted = self.value()
        if wanted is None:
            return queryset
        if wanted not in {key for key, _label in self.lookup_choices}:
            return queryset.none()
        carried = TagSet.objects.filter(
            member=OuterRef("pk"), tag_ids__contains=[int(wanted)]
        )
        return queryset.filter(Exists(carried))
