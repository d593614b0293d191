"""Writing items: begin, edit, archive, delete. Every change of words is on record."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from content import checking, registry, states
from content.errors import BadContent, ChangedMeanwhile, NotYours, StillUsed
from content.models import Item, Picture, Slot, Version
from content.models.items import TITLE_LENGTH
from core import audit
from staff.models import OrgUnit, Staff

# What is told about an item besides its words; not part of what a reviewer approves.
FACTS = (
    *("title", "source_type", "subject", "category", "cta", "product_tie"),
    *("rights", "rights_note", "org_unit", "owner"),
)
TAKEN_BACK = (Version.State.RETURNED, Version.State.WITHDRAWN)


def may_write(staff: Staff, item: Item) -> bool:
    """Whether the item belongs to the person's own subtree."""
    return Item.objects.writable_by(staff).filter(pk=item.pk).exists()


def check_writable(staff: Staff, item: Item) -> None:
    """Raises NotYours for what a unit above wrote."""
    if not may_write(staff, item):
        raise NotYours


@transaction.atomic
def create(
    *,
    kind: str,
    org_unit: OrgUnit,
    title: str,
    actor: Staff,
    content: dict[str, Any] | None = None,
    **facts: Any,
) -> Item:
    """A new item with its first draft. `content`: fields of Version by name
    (`picture_id` for the picture). Raises BadContent."""
    _check_title(title)
    facts.setdefault("owner", actor)
    item = Item(kind=kind, org_unit=org_unit, title=title.strip(), **facts)
    said = _said(kind, content or {}, org_unit)
    item.save()
    version = Version(
        item=item, number=1, created_by=actor, author_ids=[actor.pk], **said
    )
    version.digest = version.digest_now()
    version.save()
    audit.record(
        "content.item.created",
        item,
        actor=actor,
        after={"kind": item.kind},
        label=item.title,
    )
    return item


@transaction.atomic
def edit(
    item: Item,
    *,
    content: dict[str, Any],
    actor: Staff,
    seen: str | None = None,
) -> Version:
    """Change what is said; the version that now says it.

    A draft is written in place. What was submitted stays as it is: the change becomes a
    new version, and a review that is open is withdrawn. `seen`: the digest of the version
    the writer had before them; ChangedMeanwhile when another one is the newest now.
    Fields not in `content` stay. Raises BadContent, IsArchived.
    """
    from content import review

    item = states.locked_alive(item.pk)
    base = states.newest(item)
    if seen is not None and seen != base.digest:
        raise ChangedMeanwhile
    said = _said(item.kind, base.content() | content, item.org_unit)
    is_same = all(getattr(base, name) == value for name, value in said.items())
    if is_same and base.state not in TAKEN_BACK:
        return base
    if base.state == Version.State.IN_REVIEW:
        review.take_back(base, actor=actor)
    version = written(base, said, actor=actor)
    states.refresh(item)
    audit.record(
        "content.version.written",
        item,
        actor=actor,
        before={"version": base.number},
        after={"version": version.number},
        label=item.title,
    )
    return version


def written(base: Version, said: dict[str, Any], *, actor: Staff) -> Version:
    """`said` in the draft, or in the version after `base`; the item is locked."""
    if base.state == Version.State.DRAFT:
        for name, value in said.items():
            setattr(base, name, value)
        base.picture = _picture(base.picture_id)
        base.author_ids = sorted({*base.author_ids, actor.pk})
        base.changed_at = timezone.now()
        base.digest = base.digest_now()
        base.save(
            update_fields=[
                *("headline", "summary", "byline", "body", "source_url", "picture"),
                *("author_ids", "changed_at", "digest"),
            ]
        )
        return base
    # Words another person approved count as read; those nobody approved keep their
    # authors, who may not approve them in the next version either.
    wrote = set() if base.is_approved else set(base.author_ids)
    version = Version(
        item=base.item,
        number=base.number + 1,
        created_by=actor,
        author_ids=sorted({*wrote, actor.pk}),
        **said,
    )
    version.digest = version.digest_now()
    version.save()
    if not base.is_approved:
        # A place in the calendar was kept for the item, not for words nobody approved.
        Slot.objects.planned().filter(version=base).update(version=version)
    return version


def _picture(picture_id: int | None) -> Picture | None:
    return None if picture_id is None else Picture.objects.get(pk=picture_id)


def _said(kind: str, content: dict[str, Any], org_unit: OrgUnit) -> dict[str, Any]:
    """The fields of a version that the kind uses, checked. Raises BadContent."""
    used = checking.FIELDS[kind]
    said: dict[str, Any] = {
        name: content[name] for name in used if content.get(name) is not None
    }
    for name, value in said.items():
        if isinstance(value, str):
            said[name] = value.replace("\r\n", "\n").replace("\r", "\n").strip("\n")
    problems = checking.too_much(kind, said)
    picture_id = said.get("picture_id")
    if picture_id is not None and not _is_ours(picture_id, org_unit):
        problems["picture"] = [_("This picture can't be used here.")]
    if problems:
        raise BadContent.of(problems)
    empty = {name: None if name == "picture_id" else "" for name in used}
    return {**empty, **said}


def _is_ours(picture_id: int, org_unit: OrgUnit) -> bool:
    return Picture.objects.filter(
        pk=picture_id, org_unit__controller_id=org_unit.controller_id
    ).exists()


def _check_title(title: str) -> None:
    if not title.strip():
        raise BadContent.of({"title": [_("Give it a title.")]})
    if len(title.strip()) > TITLE_LENGTH:
        text = _("At most %(limit)s characters; this has %(size)s.")
        figures = {"limit": TITLE_LENGTH, "size": len(title.strip())}
        raise BadContent.of({"title": [text % figures]})


@transaction.atomic
def describe(item: Item, *, actor: Staff, **facts: Any) -> Item:
    """Change what is told about the item (FACTS); its words stay. Raises BadContent."""
    item = states.locked_alive(item.pk)
    if "title" in facts:
        _check_title(facts["title"])
        facts["title"] = facts["title"].strip()
    changed = [name for name in FACTS if name in facts]
    changed = [name for name in changed if getattr(item, name) != facts[name]]
    if not changed:
        return item
    for name in changed:
        setattr(item, name, facts[name])
    item.changed_at = timezone.now()
    item.save(update_fields=[*changed, "changed_at"])
    audit.record(
        "content.item.described",
        item,
        actor=actor,
        after={"fields": changed},
        label=item.title,
    )
    return item


@transaction.atomic
def archive(item: Item, *, actor: Staff) -> Item:
    """Put it away. Raises StillUsed while a slot is planned or somebody needs it."""
    from content import review

    item = states.locked_alive(item.pk)
    _refuse_if_used(item, actor)
    version = states.newest(item)
    if version.state == Version.State.IN_REVIEW:
        review.take_back(version, actor=actor)
    item.state = Item.State.ARCHIVED
    item.changed_at = timezone.now()
    item.save(update_fields=["state", "changed_at"])
    audit.record("content.item.archived", item, actor=actor, label=item.title)
    return item


@transaction.atomic
def restore(item: Item, *, actor: Staff) -> Item:
    """Take it out of the archive, as it was."""
    item = states.locked(item.pk)
    if not item.is_archived:
        return item
    item.state = Item.State.DRAFT
    states.refresh(item)
    audit.record("content.item.restored", item, actor=actor, label=item.title)
    return item


@transaction.atomic
def delete(item: Item, *, actor: Staff) -> None:
    """Only what nobody was ever shown. Raises StillUsed for the rest: archive it."""
    item = states.locked(item.pk)
    _refuse_if_used(item, actor)
    if reason := why_kept(item):
        raise StillUsed(reason)
    audit.record("content.item.deleted", item, actor=actor, label=item.title)
    item.delete()


def why_kept(item: Item) -> str:
    """Why an item can only be archived; "" when it may be deleted."""
    if item.versions.exclude(state=Version.State.DRAFT).exists():
        return _("Somebody was asked to review it, so it is kept. Archive it instead.")
    if Slot.objects.filter(version__item=item).exists():
        return _("It stood in the calendar, so it is kept. Archive it instead.")
    return ""


def uses(item: Item, staff: Staff) -> list[registry.Use]:
    """What stands in the way of archiving it, named where `staff` may see it."""
    planned = Slot.objects.planned().filter(version__item=item)
    seen = planned.visible_to(staff)
    found = [
        registry.Use(
            _("%(account)s, %(at)s")
            % {
                "account": slot.account,
                "at": timezone.localtime(slot.publish_at).strftime("%m-%d %H:%M"),
            }
        )
        for slot in seen.select_related("account")[:20]
    ]
    elsewhere = planned.exclude(pk__in=seen.values("pk")).count()
    return [*found, *registry.hidden(elsewhere), *registry.uses_of(item, staff)]


def _refuse_if_used(item: Item, actor: Staff) -> None:
    found = [str(use.text) for use in uses(item, actor)]
    if found:
        text = _("It is still used: %(uses)s.") % {"uses": "; ".join(found)}
        raise StillUsed(text, uses=found)
