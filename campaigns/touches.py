"""Touches: made, changed, moved, cancelled. What was approved and then changes, isn't.

Every change is written over the revision the person has read. A change of what a second
person approved (content, audience, account, channel, times, batch size) takes the touch
back to draft and voids the approval, with a line in the trail.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from campaigns import approving, audience, snapshots
from campaigns.errors import ChangedMeanwhile, FieldProblems, NotInThisState
from campaigns.models import Campaign, Touch
from campaigns.models.touches import TouchQuerySet
from content.models import Item, Version
from content.registry import Use, hidden, in_use
from core import audit
from core.registry import Text
from crm.models import Segment, Tag, Topic
from staff.models import Staff
from wechat import limits
from wechat.models import Account

State, Channel = Touch.State, Touch.Channel
NAME_LENGTH = 80
# What a second person says yes to; the others may change any time before the start.
APPROVED_FIELDS = (
    *("channel", "account", "version", "audience", "topic"),
    *("scheduled_at", "valid_until", "batch_size"),
)
FIELDS = ("name", "phase", *APPROVED_FIELDS)
# What an account of a kind can send by itself, and what a channel carries.
CHANNELS: dict[str, tuple[str, ...]] = {
    Account.Kind.SERVICE: (Channel.MASS, Channel.CUSTOM),
    Account.Kind.SUBSCRIPTION: (Channel.CUSTOM,),
}
CARRIES: dict[str, tuple[str, ...]] = {
    Channel.MASS: (Item.Kind.TEXT, Item.Kind.PICTURE, Item.Kind.ARTICLE),
    Channel.CUSTOM: (Item.Kind.TEXT, Item.Kind.PICTURE),
}


@transaction.atomic
def create(campaign: Campaign, *, actor: Staff, **values: Any) -> Touch:
    """A draft. `values`: FIELDS, of which name, phase, channel and account are needed.

    Raises FieldProblems; NotInThisState when the campaign is over.
    """
    held = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    _refuse_when_over(held)
    touch = Touch(campaign=held, created_by=actor)
    _fill(touch, values, actor=actor)
    touch.save()
    _record("created", touch, actor=actor, after=_state_of(touch, FIELDS))
    return touch


def update(touch: Touch, revision: int, *, actor: Staff, **values: Any) -> Touch:
    """Change some of FIELDS over the revision that was read; the touch as it stands then.

    Raises FieldProblems, ChangedMeanwhile, NotInThisState once it has begun.
    """
    approving.refuse_while_asking(touch)
    with transaction.atomic():
        row = _locked(touch)
        if row.revision != revision:
            raise ChangedMeanwhile
        _refuse_when_begun(row)
        _refuse_when_over(row.campaign)
        before = {name: getattr(row, name) for name in FIELDS}
        _fill(row, values, actor=actor)
        changed = [name for name in FIELDS if getattr(row, name) != before[name]]
        if changed:
            _write(row, changed, before, actor=actor)
    return row


def move(touch: Touch, by: timedelta, *, actor: Staff) -> Touch:
    """Shift the times of an unsent touch, as when the live date moves.

    Raises NotInThisState once it has begun.
    """
    approving.refuse_while_asking(touch)
    with transaction.atomic():
        row = _locked(touch)
        _refuse_when_begun(row)
        before = {name: getattr(row, name) for name in FIELDS}
        for name in ("scheduled_at", "valid_until"):
            at = getattr(row, name)
            setattr(row, name, at + by if at else None)
        changed = [name for name in FIELDS if getattr(row, name) != before[name]]
        if changed:
            _write(row, changed, before, actor=actor, verb="moved")
    return row


def cancel(touch: Touch, *, actor: Staff, reason: str = "") -> Touch:
    """Give up a touch that has not begun; its approval is void.

    Raises NotInThisState: what is being sent is stopped instead.
    """
    approving.refuse_while_asking(touch)
    with transaction.atomic():
        row = _locked(touch)
        _refuse_when_begun(row)
        before = row.state
        approving.drop_request(row)
        row.state, row.reason_code, row.reason = State.CANCELLED, "", reason[:300]
        row.revision += 1
        row.save(update_fields=["state", "reason_code", "reason", "revision"])
        snapshots.drop(row)
        _record(
            "cancelled",
            row,
            actor=actor,
            before={"state": before},
            after={"state": row.state},
            reason=reason,
        )
    return row


# -- steps on the locked row


def _locked(touch: Touch) -> Touch:
    return (
        Touch.objects.select_related("campaign__org_unit", "account__org_unit", "phase")
        .select_for_update(no_key=True, of=("self",))
        .get(pk=touch.pk)
    )


def _refuse_when_over(campaign: Campaign) -> None:
    if campaign.is_over:
        raise NotInThisState(_("The campaign is over: nothing of it changes any more."))


def _refuse_when_begun(touch: Touch) -> None:
    if touch.has_not_begun:
        return
    if touch.is_under_way:
        text = _("It is being sent already. Stop it and plan another touch.")
    else:
        text = _("The touch is %(state)s: nothing of it changes any more.")
        text = text % {"state": touch.get_state_display()}
    raise NotInThisState(text)


def _write(
    row: Touch,
    changed: list[str],
    before: dict[str, Any],
    *,
    actor: Staff,
    verb: str = "changed",
) -> None:
    row.revision += 1
    row.save(update_fields=[*changed, "revision"])
    _record(
        verb,
        row,
        actor=actor,
        before={name: _plain(before[name]) for name in changed},
        after=_state_of(row, changed),
    )
    if row.state != State.DRAFT and set(changed) & set(APPROVED_FIELDS):
        approving.void(row, "approval_outdated", actor=actor)


def _state_of(touch: Touch, names: Any) -> dict[str, Any]:
    return {name: _plain(getattr(touch, name)) for name in names}


def _plain(value: Any) -> Any:
    """Ids and times, as the trail holds them."""
    if isinstance(value, datetime):
        return value.isoformat()
    return getattr(value, "pk", value)


def _record(verb: str, touch: Touch, *, actor: Staff, **told: Any) -> None:
    audit.record(
        f"campaigns.touch.{verb}", touch, actor=actor, label=touch.name, **told
    )


# -- what may stand in a touch


def _fill(touch: Touch, values: dict[str, Any], *, actor: Staff) -> None:
    """Put the values on the touch, checked; raises FieldProblems with all of them."""
    unknown = values.keys() - set(FIELDS)
    if unknown:
        raise ValueError(f"Not fields of a touch: {sorted(unknown)}")
    is_time_given = "scheduled_at" in values
    if is_time_given and values["scheduled_at"] == touch.scheduled_at:
        is_time_given = False
    for name, value in values.items():
        setattr(touch, name, value.strip() if name == "name" else value)
    problems = _problems(touch, actor)
    if is_time_given and touch.scheduled_at and touch.scheduled_at < timezone.now():
        problems.setdefault("scheduled_at", _("This time is past already."))
    if "account" not in problems:
        try:
            rule = audience.parse(touch.audience, account=touch.account)
            touch.audience = rule.as_json()
        except audience.AudienceInvalid as refusal:
            problems["audience"] = refusal.message
    if problems:
        raise FieldProblems(problems)


def _problems(touch: Touch, actor: Staff) -> dict[str, Text]:
    found: dict[str, Text] = {}
    if not touch.name:
        found["name"] = _("Give the touch a name.")
    elif len(touch.name) > NAME_LENGTH:
        found["name"] = _("At most %(count)s characters.") % {"count": NAME_LENGTH}
    if touch.phase_id is None or touch.phase.campaign_id != touch.campaign_id:
        found["phase"] = _("Choose a phase of this campaign.")
    if words := _problem_of_account(touch, actor):
        found["account"] = words
    elif touch.channel not in CHANNELS.get(touch.account.kind, ()):
        found["channel"] = _("This account can't send that way.")
    if words := _problem_of_topic(touch):
        found["topic"] = words
    if words := _problem_of_content(touch, actor):
        found["version"] = words
    if touch.valid_until and touch.valid_until <= (
        touch.scheduled_at or timezone.now()
    ):
        found["valid_until"] = _("It must make sense for some time after the start.")
    if words := _problem_of_size(touch.batch_size):
        found["batch_size"] = words
    return found


def _problem_of_account(touch: Touch, actor: Staff) -> Text:
    controller = touch.campaign.org_unit.controller_id
    if (
        touch.account_id is None
        or touch.account.org_unit.controller_id != controller
        or not Account.objects.visible_to(actor).filter(pk=touch.account_id).exists()
    ):
        return _("Choose an account of the campaign's own data controller.")
    if touch.account.state == Account.State.REVOKED:
        return _("The account is revoked: nothing can be sent through it.")
    return ""


def _problem_of_topic(touch: Touch) -> Text:
    controller = touch.campaign.org_unit.controller_id
    topics = Topic.objects.of_controller(controller)
    if touch.topic_id is None or topics.filter(pk=touch.topic_id).exists():
        return ""
    return _("Choose a topic of the campaign's own data controller.")


def _problem_of_content(touch: Touch, actor: Staff) -> Text:
    if touch.version_id is None:
        return ""
    seen = Version.objects.visible_to(actor).select_related("item")
    version = seen.filter(pk=touch.version_id).first()
    if version is None:
        return _("This content is not one of yours.")
    if not version.is_approved:
        return _("Choose content that was approved.")
    if version.item.is_archived:
        return _("This content is in the archive.")
    if version.item.kind not in CARRIES.get(touch.channel, ()):
        return _("This kind of content can't be sent that way.")
    return ""


def _problem_of_size(size: int | None) -> Text:
    smallest, largest = (
        limits.value("mp.mass.size_min"),
        limits.value("mp.mass.size_max"),
    )
    if size is None or smallest <= size <= largest:
        return ""
    return _("From %(least)s to %(most)s people a call.") % {
        "least": f"{smallest:,}",
        "most": f"{largest:,}",
    }


# -- what a touch uses


def uses_of_tag(tag: Tag) -> list[Text]:
    """Registered with crm: audiences that would lose their meaning with the tag."""
    rows = Touch.objects.exclude(state=State.CANCELLED).select_related("campaign")
    found = [
        touch
        for name in audience.TAG_FIELDS
        for touch in rows.filter(**{f"audience__{name}__contains": tag.pk})[:20]
    ]
    return [
        _("The audience of “%(touch)s” (%(campaign)s) uses it.")
        % {"touch": touch.name, "campaign": touch.campaign}
        for touch in {touch.pk: touch for touch in found}.values()
    ]


# A touch that is over stands in the way of no segment.
_BEFORE_THE_END = (
    *(State.DRAFT, State.IN_REVIEW, State.APPROVED),
    *(State.SENDING, State.PAUSED, State.HELD),
)


def tag_uses_for(staff: Staff) -> dict[int, list[Text]]:
    """Registered with crm: every tag that touches still to be said name, those seen."""
    rows = Touch.objects.visible_to(staff).filter(state__in=_BEFORE_THE_END)
    words = _("The audience of “%(touch)s” (%(campaign)s) uses it.")
    found: dict[int, list[Text]] = {}
    told = rows.exclude(audience={}).order_by("pk")
    for touch, campaign, rule in told.values_list("name", "campaign__name", "audience"):
        tags = {tag for name in audience.TAG_FIELDS for tag in rule.get(name) or ()}
        for tag in tags:
            found.setdefault(tag, []).append(
                words % {"touch": touch, "campaign": campaign}
            )
    return found


def uses_of_segment(segment: Segment, staff: Staff) -> list[tuple[Text, str]]:
    """Registered with crm: touches that still have to be said to the segment.

    Those `staff` may not see are counted only.
    """
    rows = _touches_using(segment.pk)
    seen = rows.visible_to(staff)
    words = _("touch “%(touch)s” (%(campaign)s)")
    found: list[tuple[Text, str]] = [
        (
            words % {"touch": touch.name, "campaign": touch.campaign},
            reverse("admin:campaigns_touch_change", args=[touch.pk]),
        )
        for touch in seen.select_related("campaign").order_by("-pk")[:20]
    ]
    others = rows.exclude(pk__in=seen.values("pk")).count()
    if others:
        found.append((_("%(count)d touches of other units") % {"count": others}, ""))
    return found


def segment_use_counts(segments: Sequence[int]) -> dict[int, int]:
    """How many touches still have to be said to each of the segments, where any."""
    wanted = set(segments)
    rules = Touch.objects.filter(state__in=_BEFORE_THE_END).exclude(audience={})
    found: dict[int, int] = {}
    for rule in rules.values_list("audience", flat=True):
        for pk in wanted.intersection(audience.segments_in(rule)):
            found[pk] = found.get(pk, 0) + 1
    return found


def _touches_using(segment: int) -> TouchQuerySet:
    named = Q()
    for name in audience.SEGMENT_FIELDS:
        named |= Q(**{f"audience__{name}__contains": segment})
    return Touch.objects.filter(named, state__in=_BEFORE_THE_END)


@in_use
def uses_of_item(item: Item, staff: Staff) -> list[Use]:
    """What still has to be said with the item, or was said with it."""
    rows = Touch.objects.filter(version__item=item).exclude(state=State.CANCELLED)
    seen = rows.visible_to(staff)
    found = [
        Use(_("touch “%(touch)s”") % {"touch": touch.name})
        for touch in seen.order_by("-pk")[:20]
    ]
    return [*found, *hidden(rows.exclude(pk__in=seen.values("pk")).count())]
