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

from core.admin_deletion import Preview
from core.errors import AppError
from core.registry import Text
from core.templatetags.console import status
from crm import tagging
from crm.models import Tag, TagGroup
from crm.naming import latin
from crm.owned_admin import OwnedAdmin, OwnedForm
from staff.requests import staff_of

# Of a code made of a name; room is left for a number.
CODE_LENGTH = 36


def _told(request: HttpRequest, uses: list[Text]) -> list[Text]:
    """Uses name campaigns and count members of the whole controller: not for below it."""
    staff = staff_of(request)
    home = staff.org_unit
    if staff.is_superuser or (home is not None and home.pk == home.controller_id):
        return uses
    return [_("It is still used.")] if uses else []


class TagGroupForm(OwnedForm):
    """A group; without a code it gets one made of its name."""

    class Meta:
        model = TagGroup
        fields = ("name", "code", "source", "is_exclusive", "expires_after_days")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "code" in self.fields:
            self.fields["code"].required = False
            self.fields["code"].help_text = _("Empty: made of the name.")

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        if code:
            return code
        base = (
            latin(self.cleaned_data.get("name", ""))[:CODE_LENGTH].strip("-") or "group"
        )
        taken = TagGroup.objects.filter(
            controller=self.instance.controller_id, code__startswith=base
        )
        known = set(taken.values_list("code", flat=True))
        names = (base, *(f"{base}-{number}" for number in range(2, 1000)))
        return next(name for name in names if name not in known)


@admin.register(TagGroup)
class TagGroupAdmin(OwnedAdmin):
    """Groups; one goes only when none of its tags is left."""

    form = TagGroupForm
    nav_order = 22
    list_display = ("name", "source", "is_exclusive", "days", "tag_count", "owner")
    list_filter = ("source", "is_exclusive")
    list_select_related = ("controller",)
    search_fields = ("name", "code")
    fields = ("name", "code", "source", "is_exclusive", "expires_after_days")
    set_once = ("code",)
    prepopulated_fields = {"code": ("name",)}
    ordering = ("id",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[TagGroup]:
        rows: QuerySet[TagGroup] = super().get_queryset(request)
        mine = Q(tags__in=Tag.objects.visible_to(staff_of(request)).in_use())
        return rows.annotate(tags_in_use=Count("tags", filter=mine))

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: Any = None
    ) -> dict[str, Any]:
        return self.prepopulated_fields if obj is None else {}

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


class TagForm(OwnedForm):
    """A tag; archiving it is a tick here, and a write of its own (crm.tagging)."""

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
class TagAdmin(OwnedAdmin):
    """Tags; what something still uses can be archived, not deleted."""

    form = TagForm
    nav_order = 20
    list_display = ("name", "group", "rule", "suppressing", "state", "owner", "who")
    list_filter = (
        "group",
        "is_suppressing",
        ("archived_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("group", "controller")
    search_fields = ("name", "rule")
    needed_first = ("group",)
    # Another group means other rules for those who carry it.
    set_once = ("group",)
    ordering = ("group", "id")
    fields = ("group", "name", "rule", "is_suppressing", "is_archived")
    actions = None

    def save_model(
        self, request: HttpRequest, obj: Tag, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if "is_archived" in form.changed_data:
            write = (
                tagging.archive if form.cleaned_data["is_archived"] else tagging.restore
            )
            write(obj, actor=staff_of(request))

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

    # columns, and what stands there for who may not change it

    @admin.display(description=_("archived"), boolean=True)
    def is_archived(self, tag: Tag) -> bool:
        return tag.is_archived

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
