"""The ledger, the words of consent, topics and complaints, as lists."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Case, QuerySet, Value, When
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from core.admin import ReadOnly, ScopedAdmin
from core.templatetags.console import moment, status
from crm import consent_texts
from crm.models import Complaint, ConsentEntry, ConsentText, Member, Topic
from crm.owned_admin import OwnedAdmin, OwnedForm
from staff.requests import staff_of

ACTION_TONES = {"granted": "good", "withdrawn": "bad", "limited": "part"}


def _link(member: Member) -> SafeString:
    return format_html(
        '<a class="underline" href="{}">{}</a>',
        reverse("admin:crm_member_change", args=[member.pk]),
        member,
    )


@admin.register(ConsentEntry)
class ConsentEntryAdmin(ReadOnly, ScopedAdmin):
    """Entries come from members and from the member page; here they are only read."""

    list_display = ("at_shown", "member_shown", "said", "what", "how", "text")
    list_display_links = ("at_shown",)
    list_filter = ("action", "purpose", "channel", "text")
    list_filter_submit = True
    list_select_related = ("member", "topic", "account", "text")
    ordering = ("-id",)
    nav_title = _("Consent ledger")
    nav_order = 540
    empty_text = _(
        "What members allow and refuse: on the preference page, in messages, in files, "
        "or noted on the page of the member."
    )
    fields = (
        *("at_shown", "member_shown", "said", "what", "how", "evidence"),
        *("text", "text_body"),
    )
    readonly_fields = fields

    def audit_label(self, obj: Any) -> str:
        return ""

    @admin.display(description=_("at"), ordering="id")
    def at_shown(self, entry: ConsentEntry) -> str:
        return moment(entry.at)

    @admin.display(description=_("member"))
    def member_shown(self, entry: ConsentEntry) -> SafeString:
        return _link(entry.member)

    @admin.display(description=_("said"))
    def said(self, entry: ConsentEntry) -> SafeString:
        return status(ACTION_TONES[entry.action], entry.get_action_display())

    @admin.display(description=_("to what"))
    def what(self, entry: ConsentEntry) -> str:
        return entry.what_words

    @admin.display(description=_("source"))
    def how(self, entry: ConsentEntry) -> str:
        return " · ".join(
            str(each) for each in (entry.source_words, entry.account) if each
        )

    @admin.display(description=_("text"))
    def text_body(self, entry: ConsentEntry) -> str:
        return entry.text.body if entry.text else "–"


class TextForm(OwnedForm):
    """A version: purpose, words, and from when; whose it is, who writes it decides."""

    class Meta:
        model = ConsentText
        fields = ("purpose", "body", "effective_from")
        widgets = {"body": UnfoldAdminTextareaWidget(attrs={"rows": 6})}

    def clean_body(self) -> str:
        body = str(self.cleaned_data["body"]).strip()
        if len(body) < 10:
            raise forms.ValidationError(_("Write what people agree to."))
        return body


@admin.register(ConsentText)
class ConsentTextAdmin(OwnedAdmin):
    """Versions are added, never changed: whoever agreed, agreed to these words."""

    form = TextForm
    list_display = ("purpose", "number", "shown", "since", "stands", "owner", "who")
    list_display_links = ("purpose",)
    list_filter = ("purpose",)
    list_select_related = ("controller", "made_by")
    ordering = ("purpose", "-effective_from", "-id")
    nav_order = 541
    actions = None

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        if obj is None:
            return ("purpose", "body", "effective_from")
        more = ("version", "owner", "made_by", "who")
        return ("purpose", "body", "effective_from", *more)

    def get_readonly_fields(
        self, request: HttpRequest, obj: Any = None
    ) -> tuple[str, ...]:
        return () if obj is None else self.get_fields(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(
        self, request: HttpRequest, obj: ConsentText, form: Any, change: bool
    ) -> None:
        made = consent_texts.publish(
            obj.purpose,
            obj.body,
            controller=obj.controller,
            effective_from=obj.effective_from,
            actor=staff_of(request),
        )
        obj.pk, obj.version, obj.made_by = made.pk, made.version, made.made_by

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:
        """The trail tells of it as published."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[ConsentText]:
        rows: QuerySet[ConsentText] = super().get_queryset(request)
        home = staff_of(request).org_unit
        texts = consent_texts.current(None if home is None else home.controller_id)
        in_force = When(pk__in=[text.pk for text in texts.values()], then=Value(True))
        return rows.annotate(is_in_force=Case(in_force, default=Value(False)))

    @admin.display(description=_("version"), ordering="version")
    def number(self, text: ConsentText) -> str:
        return f"v{text.version}"

    @admin.display(description=_("text"))
    def shown(self, text: ConsentText) -> str:
        return text.body if len(text.body) < 30 else f"{text.body[:28]}…"

    @admin.display(description=_("effective from"), ordering="effective_from")
    def since(self, text: ConsentText) -> str:
        return moment(text.effective_from)

    @admin.display(description=_("state"))
    def stands(self, text: Any) -> SafeString | str:
        if text.is_in_force:
            return status("good", _("In force"))
        return "–"

    @admin.display(description=_("who agreed"))
    def who(self, text: ConsentText) -> SafeString:
        return format_html(
            '<a class="underline" href="{}?text__id__exact={}">{}</a>',
            reverse("admin:crm_consententry_changelist"),
            text.pk,
            _("Show"),
        )


class TopicForm(OwnedForm):
    """A topic; archived it can be chosen nowhere any more."""

    is_archived = forms.BooleanField(
        label=_("archived"),
        required=False,
        help_text=_("On no preference page and no touch any more."),
    )

    class Meta:
        model = Topic
        fields = ("name", "description", "place")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "is_archived" in self.fields:
            self.fields["is_archived"].initial = self.instance.archived_at is not None


@admin.register(Topic)
class TopicAdmin(OwnedAdmin):
    """What members may want or not want to hear about."""

    form = TopicForm
    list_display = ("name", "description", "place", "state", "owner")
    list_filter = (("archived_at", admin.EmptyFieldListFilter),)
    list_select_related = ("controller",)
    search_fields = ("name",)
    ordering = ("place", "id")
    fields = ("name", "description", "place", "is_archived")
    nav_order = 542
    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # the ledger names it for ever: it is archived

    def save_model(
        self, request: HttpRequest, obj: Topic, form: Any, change: bool
    ) -> None:
        consent_texts.archive_topic(obj, bool(form.cleaned_data.get("is_archived")))
        super().save_model(request, obj, form, change)

    @admin.display(description=_("state"), ordering="archived_at")
    def state(self, topic: Topic) -> SafeString:
        if topic.archived_at is not None:
            return status("idle", _("Archived"))
        return status("good", _("In use"))


class OpenFilter(admin.SimpleListFilter):
    """Complaints that are open, or that were closed."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("open", pgettext_lazy("a complaint", "Open")), ("closed", _("Closed"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Complaint]
    ) -> QuerySet[Complaint]:
        if self.value() in ("open", "closed"):
            return queryset.filter(closed_at__isnull=self.value() == "open")
        return queryset


@admin.register(Complaint)
class ComplaintAdmin(ReadOnly, ScopedAdmin):
    """Whom we made angry; noted and closed on the page of the member."""

    list_display = ("opened", "member_shown", "state", "reason", "opened_by", "closed")
    list_display_links = ("opened",)
    list_filter = (OpenFilter,)
    list_select_related = ("member", "opened_by", "closed_by")
    ordering = ("-opened_at", "-id")
    nav_order = 543
    empty_text = _("Complaints are noted on the page of the member.")
    fields = (
        *("member_shown", "state", "reason", "opened", "opened_by"),
        *("closed", "closed_by", "outcome"),
    )
    readonly_fields = fields

    @admin.display(
        description=pgettext_lazy("a complaint", "opened at"), ordering="opened_at"
    )
    def opened(self, complaint: Complaint) -> str:
        return moment(complaint.opened_at)

    @admin.display(description=_("member"))
    def member_shown(self, complaint: Complaint) -> SafeString:
        return _link(complaint.member)

    @admin.display(description=_("state"))
    def state(self, complaint: Complaint) -> SafeString:
        if complaint.closed_at is None:
            return status("bad", pgettext_lazy("a complaint", "Open"))
        return status("idle", _("Closed"))

    @admin.display(description=_("closed at"))
    def closed(self, complaint: Complaint) -> str:
        return moment(complaint.closed_at) if complaint.closed_at else "–"
