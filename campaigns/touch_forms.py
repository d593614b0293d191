"""Forms of a touch: what, to whom, when, through which account."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Max, Q
from django.utils.translation import gettext_lazy as _

from campaigns.audience import SEGMENT_FIELDS, segments_in
from campaigns.forms import refuse_far_away, select, text_input
from campaigns.models import Campaign, Phase, Touch
from campaigns.touches import CARRIES, CHANNELS
from content.models import Item, Version
from crm.models import Member, Segment, Tag, Topic
from staff.models import Staff
from wechat.models import Account

if TYPE_CHECKING:
    _OneVersion = forms.ModelChoiceField[Version]
    _SomeTags = forms.ModelMultipleChoiceField[Tag]
    _SomeSegments = forms.ModelMultipleChoiceField[Segment]
else:
    _OneVersion = forms.ModelChoiceField
    _SomeTags = forms.ModelMultipleChoiceField
    _SomeSegments = forms.ModelMultipleChoiceField

SHOWN_VERSIONS = 200
TAG_FIELDS = ("tags_any", "tags_all", "tags_none")
DAY_FIELDS = ("seen_within_days", "not_seen_within_days")


def ways(staff: Staff, campaign: Campaign) -> list[tuple[str, str]]:
    """("mass:7", "林间 · Mass message"): what the campaign's accounts can do."""
    accounts = (
        Account.objects.visible_to(staff)
        .filter(org_unit__controller_id=campaign.org_unit.controller_id)
        .exclude(state=Account.State.REVOKED)
    )
    return [
        (f"{channel}:{account.pk}", f"{account} · {Touch.Channel(channel).label}")
        for account in accounts
        for channel in CHANNELS.get(account.kind, ())
    ]


class WayField(forms.ChoiceField):
    """Cleans to (channel, Account)."""

    def clean(self, value: Any) -> tuple[str, Account] | None:
        text = super().clean(value)
        if not text:
            return None
        channel, _colon, pk = text.partition(":")
        return channel, Account.objects.get(pk=int(pk))


class VersionChoice(_OneVersion):
    def label_from_instance(self, version: Any) -> str:
        kind = version.item.get_kind_display()
        return f"{version.item.title} · {kind} · v{version.number}"


class TagsField(_SomeTags):
    """Tags by their groups; the page's script makes a search of it."""

    def __init__(self, words: Any) -> None:
        picker = forms.SelectMultiple(
            attrs={
                "class": "pd-input",
                "size": 6,
                "data-tag-picker": "",
                "data-words": _("Type to search a tag …"),
                "data-none": _("No such tag"),
                "data-remove": _("Remove"),
            }
        )
        super().__init__(Tag.objects.none(), label=words, required=False, widget=picker)

    def offer(self, tags: Iterable[Tag]) -> None:
        groups: dict[str, list[tuple[int, str]]] = {}
        for tag in tags:
            groups.setdefault(tag.group.name, []).append((tag.pk, tag.name))
        self.widget.choices = list(groups.items())


class SegmentsField(_SomeSegments):
    """Segments by their kinds; searched as tags are."""

    def __init__(self, words: Any) -> None:
        picker = forms.SelectMultiple(
            attrs={
                "class": "pd-input",
                "size": 6,
                "data-tag-picker": "",
                "data-words": _("Type to search a segment …"),
                "data-none": _("No such segment"),
                "data-remove": _("Remove"),
            }
        )
        super().__init__(
            Segment.objects.none(), label=words, required=False, widget=picker
        )

    def offer(self, segments: Iterable[Segment]) -> None:
        kinds: dict[str, list[tuple[int, str]]] = {}
        for segment in segments:
            kind = segment.get_kind_display()
            count = segment.member_count
            words = segment.name if count is None else f"{segment.name} · {count:,}"
            kinds.setdefault(kind, []).append((segment.pk, words))
        self.widget.choices = list(kinds.items())


class NewTouchForm(forms.Form):
    """The few things without which there is no draft."""

    name = forms.CharField(
        label=_("Name"),
        max_length=80,
        widget=text_input(maxlength=80),
        help_text=_("For colleagues, such as “T-3 coupons”."),
    )
    phase = forms.ModelChoiceField(
        Phase.objects.none(), label=_("Phase"), widget=select(), empty_label=None
    )
    way = WayField(label=_("Account and channel"), widget=select())

    def __init__(
        self, *args: Any, staff: Staff, campaign: Campaign, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        phases: Any = self.fields["phase"]
        phases.queryset = campaign.phases.order_by("start_day")
        phases.label_from_instance = lambda phase: phase.get_kind_display()
        way: Any = self.fields["way"]
        way.choices = ways(staff, campaign)


class TouchForm(NewTouchForm):
    """Everything of a draft; `values()` is what campaigns.touches takes."""

    version = VersionChoice(
        Version.objects.none(),
        label=_("Content"),
        required=False,
        widget=select(),
        empty_label=_("Choose approved content …"),
    )
    topic = forms.ModelChoiceField(
        Topic.objects.none(),
        label=_("Topic"),
        required=False,
        widget=select(),
        empty_label=_("About nothing in particular"),
        help_text=_("Members who want nothing of the topic are left out."),
    )
    segments_any = SegmentsField(_("Is in any of these segments"))
    segments_none = SegmentsField(_("Is in none of these segments"))
    tags_any = TagsField(_("Carries any of these tags"))
    tags_all = TagsField(_("Carries all of these tags"))
    tags_none = TagsField(_("Carries none of these tags"))
    stages = forms.MultipleChoiceField(
        choices=Member.Stage.choices,
        label=_("Stage"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    seen_within_days = forms.IntegerField(
        label=_("Was active in the last … days"),
        required=False,
        min_value=1,
        max_value=3650,
        widget=forms.NumberInput(attrs={"class": "pd-input pd-input-short"}),
    )
    not_seen_within_days = forms.IntegerField(
        label=_("Was not active in the last … days"),
        required=False,
        min_value=1,
        max_value=3650,
        widget=forms.NumberInput(attrs={"class": "pd-input pd-input-short"}),
    )
    scheduled_at = forms.DateTimeField(
        label=_("Goes out at"),
        required=False,
        validators=[refuse_far_away],
        widget=forms.DateTimeInput(
            format="%Y-%m-%dT%H:%M",
            attrs={"class": "pd-input", "type": "datetime-local"},
        ),
        help_text=_("Beijing time. Quiet hours and days of silence are kept."),
    )
    valid_until = forms.DateTimeField(
        label=_("Makes sense until"),
        required=False,
        validators=[refuse_far_away],
        widget=forms.DateTimeInput(
            format="%Y-%m-%dT%H:%M",
            attrs={"class": "pd-input", "type": "datetime-local"},
        ),
        help_text=_("Nothing is begun after it; empty: 24 hours after the start."),
    )
    batch_size = forms.IntegerField(
        label=_("People per mass call"),
        required=False,
        min_value=2,
        max_value=10_000,
        widget=forms.NumberInput(attrs={"class": "pd-input pd-input-short"}),
        help_text=_("2–10,000; empty: as in the settings. Smaller ones stop sooner."),
    )

    def __init__(self, *args: Any, staff: Staff, touch: Touch, **kwargs: Any) -> None:
        super().__init__(*args, staff=staff, campaign=touch.campaign, **kwargs)
        self.touch = touch
        versions: Any = self.fields["version"]
        versions.queryset = offered_versions(staff, touch)
        topics: Any = self.fields["topic"]
        topics.queryset = offered_topics(touch)
        self._offer_tags(staff)
        self._offer_segments(staff)
        ways_offered: Any = self.fields["way"]
        kept = way_of(touch)
        if kept not in dict(ways_offered.choices):
            words = f"{touch.account} · {touch.get_channel_display()}"
            ways_offered.choices = [(kept, words), *ways_offered.choices]

    def _offer_tags(self, staff: Staff) -> None:
        chosen = {pk for name in TAG_FIELDS for pk in self.touch.audience.get(name, [])}
        controller = self.touch.campaign.org_unit.controller_id
        rows = (
            Tag.objects.visible_to(staff)
            .of_controller(controller)
            .filter(Q(archived_at__isnull=True) | Q(pk__in=chosen))
            .select_related("group")
            .order_by("group_id", "id")
        )
        tags = list(rows)
        for name in TAG_FIELDS:
            field: Any = self.fields[name]
            field.queryset = rows
            field.offer(tags)

    def _offer_segments(self, staff: Staff) -> None:
        """Those the person may see, and those a colleague has chosen already."""
        chosen = segments_in(self.touch.audience)
        seen = Segment.objects.visible_to(staff).in_use()
        rows = Segment.objects.filter(Q(pk__in=seen.values("pk")) | Q(pk__in=chosen))
        rows = rows.filter(controller=self.touch.campaign.org_unit.controller_id)
        rows = rows.order_by("kind", "name")
        segments = list(rows)
        for name in SEGMENT_FIELDS:
            field: Any = self.fields[name]
            field.queryset = rows
            field.offer(segments)

    def rule(self) -> dict[str, Any]:
        """The audience as campaigns.audience reads it, of what is valid so far."""
        data = getattr(self, "cleaned_data", {})
        return {
            **{
                name: [row.pk for row in data.get(name) or []]
                for name in (*TAG_FIELDS, *SEGMENT_FIELDS)
            },
            "stages": list(data.get("stages") or []),
            **{name: data.get(name) for name in DAY_FIELDS},
        }

    def values(self) -> dict[str, Any]:
        channel, account = self.cleaned_data["way"]
        plain = (
            "name",
            "phase",
            "version",
            "topic",
            "scheduled_at",
            "valid_until",
            "batch_size",
        )
        return {
            **{name: self.cleaned_data[name] for name in plain},
            "channel": channel,
            "account": account,
            "audience": self.rule(),
        }


def way_of(touch: Touch) -> str:
    return f"{touch.channel}:{touch.account_id}"


def initial_of(touch: Touch) -> dict[str, Any]:
    rule = touch.audience or {}
    return {
        "name": touch.name,
        "phase": touch.phase_id,
        "way": way_of(touch),
        "version": touch.version_id,
        "topic": touch.topic_id,
        "scheduled_at": touch.scheduled_at,
        "valid_until": touch.valid_until,
        "batch_size": touch.batch_size,
        **{name: rule.get(name) or [] for name in (*TAG_FIELDS, *SEGMENT_FIELDS)},
        "stages": rule.get("stages") or [],
        **{name: rule.get(name) for name in DAY_FIELDS},
    }


def offered_topics(touch: Touch) -> Any:
    """Topics of the campaign's data controller and shared ones, and the chosen one."""
    rows = Topic.objects.of_controller(touch.campaign.org_unit.controller_id)
    return rows.filter(Q(archived_at__isnull=True) | Q(pk=touch.topic_id))


def offered_versions(staff: Staff, touch: Touch) -> Any:
    """The newest approved version of each item the channel can carry, and the chosen one."""
    approved = Version.objects.visible_to(staff).approved()
    newest = (
        approved.filter(item__kind__in=CARRIES[touch.channel])
        .exclude(item__state=Item.State.ARCHIVED)
        .values("item")
        .annotate(newest=Max("pk"))
        .order_by("-newest")
        .values_list("newest", flat=True)[:SHOWN_VERSIONS]
    )
    wanted = [*newest, touch.version_id] if touch.version_id else list(newest)
    return Version.objects.filter(pk__in=wanted).select_related("item").order_by("-pk")
