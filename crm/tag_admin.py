"""Tag groups and tags: what people may put on members, and what each word means."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from core.admin import ScopedAdmin
from core.admin_deletion import Preview
from core.errors import AppError
from core.registry import Text
from core.templatetags.console import status
from crm import tagging
from crm.models import Tag, TagGroup
from staff.models import Staff


class _OwnForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new row belongs to the data controller of who makes it."""

    maker: Staff

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk is None:
            home = self.maker.org_unit
            self.instance.controller_id = None if home is None else home.controller_id

    def _get_validation_exclusions(self) -> set[str]:
        # Not in the form, but part of what must be unique.
        return super()._get_validation_exclusions() - {"controller", "group", "code"}  # type: ignore[misc, no-any-return]


class _OwnOrShared(ScopedAdmin):
    """Rows without a controller are everybody's: only administrators change them."""

    form = _OwnForm

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        form.maker = request.user
        return form

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _may_write(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_write(request, obj)

    def audit_label(self, obj: Any) -> str:
        return str(obj.name)

    @admin.display(description=_("belongs to"))
    def owner(self, obj: Any) -> Any:
        return obj.controller or _("Everybody")


def _may_write(request: HttpRequest, obj: Any) -> bool:
    return obj is None or obj.controller_id is not None or _staff(request).is_superuser


def _told(request: HttpRequest, uses: list[Text]) -> list[Text]:
    """Uses name campaigns and count members of the whole controller: not for below it."""
    staff = _staff(request)
    home = staff.org_unit
    if staff.is_superuser or (home is not None and home.pk == home.controller_id):
        return uses
    return [_("It is still used.")] if uses else []


def _staff(request: HttpRequest) -> Staff:
    assert isinstance(request.user, Staff)  # the admin lets nobody else through
    return request.user


@admin.register(TagGroup)
class TagGroupAdmin(_OwnOrShared):
    list_display = ("name", "source", "is_exclusive", "days", "tag_count", "owner")
    list_filter = ("source", "is_exclusive")
    list_select_related = ("controller",)
    search_fields = ("name", "code")
    fields = ("name", "code", "source", "is_exclusive", "expires_after_days")
    prepopulated_fields = {"code": ("name",)}
    ordering = ("id",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[TagGroup]:
        rows: QuerySet[TagGroup] = super().get_queryset(request)
        mine = Q(tags__in=Tag.objects.visible_to(_staff(request)).in_use())
        return rows.annotate(tags_in_use=Count("tags", filter=mine))

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: Any = None
    ) -> dict[str, Any]:
        return self.prepopulated_fields if obj is None else {}

    def get_readonly_fields(
        self, request: HttpRequest, obj: Any = None
    ) -> tuple[str, ...]:
        return () if obj is None else ("code",)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Preview:
        groups = list(objs)
        found = Tag.objects.filter(group__in=groups)
        if not found.exists():
            return super().get_deleted_objects(groups, request)
        why = _(
            "The group still has tags, yours or those of others: delete them first."
        )
        return [str(group) for group in groups], {}, set(), [str(why)]

    @admin.display(description=_("expires after"))
    def days(self, group: TagGroup) -> str:
        days = group.expires_after_days
        return _("%(days)d days") % {"days": days} if days else "–"

    @admin.display(description=_("tags"))
    def tag_count(self, group: Any) -> SafeString:
        return format_html(
            '<a class="underline pd-num" href="{}?group__id__exact={}">{}</a>',
            reverse("admin:crm_tag_changelist"),
            group.pk,
            group.tags_in_use,
        )


class TagForm(_OwnForm):
    is_archived = forms.BooleanField(
        label=_("archived"),
        required=False,
        help_text=_("On no list to choose from any more; who carries it keeps it."),
    )

    class Meta:
        model = Tag
        fields = ("group", "name", "rule", "is_suppressing")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["is_archived"].initial = self.instance.is_archived


@admin.register(Tag)
class TagAdmin(_OwnOrShared):
    form = TagForm
    list_display = ("name", "group", "rule", "suppressing", "state", "owner", "who")
    list_filter = (
        "group",
        "is_suppressing",
        ("archived_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("group", "controller")
    search_fields = ("name", "rule")
    needed_first = ("group",)
    ordering = ("group", "id")
    fields = ("group", "name", "rule", "is_suppressing", "is_archived")
    actions = None

    def get_readonly_fields(
        self, request: HttpRequest, obj: Any = None
    ) -> tuple[str, ...]:
        # Another group means other rules for those who carry it.
        return () if obj is None else ("group",)

    def save_model(
        self, request: HttpRequest, obj: Tag, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if "is_archived" in form.changed_data:
            write = (
                tagging.archive if form.cleaned_data["is_archived"] else tagging.restore
            )
            write(obj, actor=_staff(request))

    # deletion: only what nothing uses

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Preview:
        tags = list(objs)
        in_the_way: list[str] = [
            format_html("{}: {} {}", tag, use, _("Archive it instead."))
            for tag in tags
            for use in _told(request, tagging.uses_of(tag))
        ]
        if in_the_way:
            return [str(tag) for tag in tags], {}, set(), in_the_way
        return super().get_deleted_objects(tags, request)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        try:
            return super().delete_view(request, object_id, extra_context)  # type: ignore[no-any-return]
        except AppError as refusal:  # somebody began to use it a moment ago
            words = _told(request, [refusal.message])
            messages.error(request, " ".join(str(word) for word in words))
            return HttpResponseRedirect(reverse("admin:crm_tag_changelist"))

    def delete_model(self, request: HttpRequest, obj: Tag) -> None:
        tagging.delete(obj)

    # columns

    @admin.display(description=_("marketing"), ordering="is_suppressing")
    def suppressing(self, tag: Tag) -> SafeString | str:
        return status("bad", _("No marketing")) if tag.is_suppressing else "–"

    @admin.display(description=_("state"), ordering="archived_at")
    def state(self, tag: Tag) -> SafeString:
        if tag.is_archived:
            return status("idle", _("Archived"))
        return status("good", _("In use"))

    @admin.display(description=_("members"))
    def who(self, tag: Tag) -> SafeString:
        return format_html(
            '<a class="underline" href="{}?tags_any={}">{}</a>',
            reverse("admin:crm_member_changelist"),
            tag.pk,
            _("Show"),
        )
