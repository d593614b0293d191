"""The page of an item: write it, see it as on a phone, have it read, plan it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from content import (
    differences,
    items,
    markup,
    registry,
    review,
    slots,
    states,
    wording,
)
from content.errors import ChangedMeanwhile
from content.item_forms import ItemForm, PlanForm
from content.models import Item, Slot, Version
from core.errors import AppError
from core.ids import one_of
from core.pages import console_page, tell_missing
from core.registry import Text
from staff.models import Staff
from staff.requests import require, staff_of
from wechat import limits
from wechat.models import Account

SHOWN_VERSIONS = 30
SHOWN_SLOTS = 20


def words_of(request: HttpRequest, name: str) -> str:
    """What was written beside a button; without NUL, which no column takes."""
    return request.POST.get(name, "").replace("\0", "").strip()[:500]


def visible_item(request: HttpRequest, object_id: str) -> Item:
    """The item in the person's scope; PermissionDenied before, Http404 outside."""
    staff = require(request, "content.view_item")
    rows = Item.objects.visible_to(staff).select_related("org_unit", "owner")
    return one_of(rows, object_id)


def accounts_for(staff: Staff, item: Item | None = None) -> Any:
    """Accounts slots can be planned on, those of the item's company when it is given."""
    rows = Account.objects.visible_to(staff).exclude(state=Account.State.REVOKED)
    if item is not None:
        rows = rows.filter(org_unit__controller_id=item.org_unit.controller_id)
        if item.kind == Item.Kind.ARTICLE:
            rows = rows.exclude(kind=Account.Kind.WECOM)
    return rows.order_by("role", "id")


# -- writing


def add(request: HttpRequest) -> HttpResponse:
    staff = require(request, "content.add_item")
    kind = request.GET.get("kind", "")
    if kind not in Item.Kind.values:
        kind = Item.Kind.TEXT
    if request.method == "POST":
        form = ItemForm(request.POST, request.FILES, staff=staff, kind=kind)
        item = _created(form, staff)
        if item is not None:
            return _after_saving(request, item)
    else:
        initial = {"org_unit": staff.org_unit_id, "owner": staff.pk}
        form = ItemForm(staff=staff, kind=kind, initial=initial)
        tell_missing(request, form.fields["org_unit"])
    context = {
        "form": form,
        "kind": kind,
        "kinds": Item.Kind.choices,
        "may_write": True,
        "may_submit": staff.has_perm("content.submit_item"),
        "kept": form.is_bound and form.cleaned_data.get("picture"),
        **_preview_of(kind),
    }
    return console_page(
        request,
        "content/item.html",
        title=_("New content"),
        above=[Item],
        context=context,
        status=400 if form.is_bound else 200,
    )


def _created(form: ItemForm, staff: Staff) -> Item | None:
    if not form.is_valid():
        return None
    try:
        return items.create(
            kind=form.kind, content=form.content(), actor=staff, **form.told()
        )
    except AppError as refusal:
        _refuse(form, refusal)
        return None


def show(request: HttpRequest, item: Item) -> HttpResponse:
    staff = staff_of(request)
    if request.method != "POST":
        return _page(request, item)
    _check_may_write(staff, item)
    form = ItemForm(request.POST, request.FILES, staff=staff, kind=item.kind, item=item)
    if form.is_valid():
        try:
            # Both or neither: facts before words would half save a refused form.
            _save(form, item, staff)
        except ChangedMeanwhile as refusal:
            return _page(request, item, form=_again(form, item), refusal=refusal)
        except AppError as refusal:
            _refuse(form, refusal)
        else:
            return _after_saving(request, item)
    return _page(request, item, form=form, status=400)


def _save(form: ItemForm, item: Item, staff: Staff) -> None:
    with transaction.atomic():
        items.edit(
            item,
            content=form.content(),
            actor=staff,
            seen=form.cleaned_data["seen"] or None,
        )
        items.describe(item, actor=staff, **form.told())


def _again(form: ItemForm, item: Item) -> ItemForm:
    """The same words over the newest version, should the writer save once more."""
    data = QueryDict(mutable=True)
    data.update(form.data)
    data["seen"] = states.newest(item).digest
    again = ItemForm(data, staff=form.staff, kind=form.kind, item=item)
    again.is_valid()
    return again


def _refuse(form: ItemForm, refusal: AppError) -> None:
    fields = refusal.extra.get("fields")
    form.refuse(fields if fields else {"": [str(refusal.message)]})


def _after_saving(request: HttpRequest, item: Item) -> HttpResponse:
    if request.POST.get("then") != "submit":
        messages.success(request, _("Saved."))
        return redirect("admin:content_item_change", item.pk)
    return submit(request, item)


def _check_may_write(staff: Staff, item: Item) -> None:
    if not staff.has_perm("content.change_item") or not items.may_write(staff, item):
        raise PermissionDenied


# -- the page


def _page(
    request: HttpRequest,
    item: Item,
    *,
    form: ItemForm | None = None,
    refusal: AppError | None = None,
    status: int = 200,
) -> TemplateResponse:
    staff = staff_of(request)
    version = states.newest(item)
    rights = _rights(staff, item, version)
    if form is None and rights["may_write"]:
        initial = ItemForm.initial_of(item, version)
        form = ItemForm(staff=staff, kind=item.kind, item=item, initial=initial)
    context = {
        "item": item,
        "version": version,
        "form": form,
        "category_name": "" if form else _category_name(item, staff),
        "refusal": refusal,
        "kind": item.kind,
        "item_tone": wording.ITEM_TONES[Item.State(item.state)],
        "html": markup.to_html(version.body) if item.kind == "article" else "",
        "versions": _versions(item),
        "slots": _slots(item, staff),
        "uses": items.uses(item, staff),
        "kept": form is not None and form.is_bound and form.cleaned_data.get("picture"),
        **rights,
        **_plan_form(request, item, staff, rights),
        **_preview_of(item.kind),
    }
    return console_page(
        request,
        "content/item.html",
        title=item.title,
        above=[Item],
        context=context,
        status=409 if refusal else status,
    )


def _category_name(item: Item, staff: Staff) -> Text:
    if not item.category:
        return ""
    return registry.categories_for(staff).get(item.category, item.category)


def _rights(staff: Staff, item: Item, version: Version) -> dict[str, Any]:
    """What the person may do with it as it stands now."""
    is_own_unit = items.may_write(staff, item)
    is_alive = is_own_unit and not item.is_archived
    in_review = version.state == Version.State.IN_REVIEW
    approves = is_alive and in_review and staff.has_perm("content.approve_item")
    wrote = staff.pk in version.author_ids or staff.pk == version.submitted_by_id
    return {
        "may_write": is_alive and staff.has_perm("content.change_item"),
        "may_submit": is_alive
        and version.state in {"draft", "returned", "withdrawn"}
        and staff.has_perm("content.submit_item"),
        "may_withdraw": is_alive
        and in_review
        and wrote
        and staff.has_perm("content.submit_item"),
        "may_decide": approves and not wrote,
        "is_own_words": approves and wrote,
        "may_plan": is_alive
        and version.state not in slots.DEAD
        and staff.has_perm("content.schedule_item"),
        "may_archive": is_alive and staff.has_perm("content.change_item"),
        "may_restore": is_own_unit
        and item.is_archived
        and staff.has_perm("content.change_item"),
        "may_delete": is_own_unit
        and staff.has_perm("content.delete_item")
        and not items.why_kept(item),
        "is_above": not is_own_unit,
    }


def _preview_of(kind: str) -> dict[str, Any]:
    return {
        "limit": limits.value("mp.text.bytes"),
        "counted": {
            "headline": limits.value("mp.article.title.chars"),
            "byline": limits.value("mp.article.author.chars"),
            "summary": limits.value("mp.article.digest.chars"),
        }
        if kind == Item.Kind.ARTICLE
        else {},
    }


def _versions(item: Item) -> list[tuple[Version, str]]:
    rows = item.versions.select_related(
        "created_by", "submitted_by", "approved_by", "returned_by"
    ).order_by("-number")
    return [
        (version, wording.VERSION_TONES[Version.State(version.state)])
        for version in rows[:SHOWN_VERSIONS]
    ]


def _slots(item: Item, staff: Staff) -> list[tuple[Slot, wording.Look]]:
    now = timezone.now()
    rows = Slot.objects.visible_to(staff).filter(version__item=item)
    rows = rows.select_related("version", "account").order_by("-publish_at")
    latest = list(rows[:SHOWN_SLOTS])
    return [(slot, wording.look_of(slot, now)) for slot in reversed(latest)]


def _plan_form(
    request: HttpRequest, item: Item, staff: Staff, rights: dict[str, Any]
) -> dict[str, Any]:
    if not rights["may_plan"]:
        return {}
    accounts = accounts_for(staff, item)
    at = timezone.localtime().replace(hour=10, minute=0) + timedelta(days=1)
    return {"plan_form": PlanForm(accounts=accounts, initial={"publish_at": at})}


# -- what is done with it


def _acted(
    request: HttpRequest,
    item: Item,
    permission: str,
    work: Callable[[Staff], Any],
    done: Text,
) -> HttpResponse:
    """Permission, own unit, then one write; its refusal becomes a message."""
    staff = staff_of(request)
    if not staff.has_perm(permission) or not items.may_write(staff, item):
        raise PermissionDenied
    try:
        work(staff)
    except AppError as refusal:
        messages.error(request, str(refusal.message))
    else:
        messages.success(request, str(done))
    return redirect("admin:content_item_change", item.pk)


def _seen_version(request: HttpRequest, item: Item) -> Version:
    """The version the person was shown; the newest when the form did not say."""
    number = request.POST.get("version", "")
    if number.isascii() and number.isdigit() and len(number) < 9:
        return get_object_or_404(item.versions.all(), number=int(number))
    return states.newest(item)


@require_POST
def submit(request: HttpRequest, item: Item) -> HttpResponse:
    return _acted(
        request,
        item,
        "content.submit_item",
        lambda staff: review.submit(states.newest(item), actor=staff),
        gettext_lazy("Submitted. Somebody else reads it now."),
    )


@require_POST
def approve(request: HttpRequest, item: Item) -> HttpResponse:
    version = _seen_version(request, item)
    return _acted(
        request,
        item,
        "content.approve_item",
        lambda staff: review.approve(
            version,
            actor=staff,
            seen=request.POST.get("seen") or None,
            note=words_of(request, "comment"),
        ),
        gettext_lazy("Approved."),
    )


@require_POST
def give_back(request: HttpRequest, item: Item) -> HttpResponse:
    version = _seen_version(request, item)
    return _acted(
        request,
        item,
        "content.approve_item",
        lambda staff: review.give_back(
            version,
            actor=staff,
            comment=words_of(request, "comment"),
            seen=request.POST.get("seen") or None,
        ),
        gettext_lazy("Returned to the author."),
    )


@require_POST
def withdraw(request: HttpRequest, item: Item) -> HttpResponse:
    version = _seen_version(request, item)
    return _acted(
        request,
        item,
        "content.submit_item",
        lambda staff: review.withdraw(version, actor=staff),
        gettext_lazy("Withdrawn. It is a draft again."),
    )


@require_POST
def archive(request: HttpRequest, item: Item) -> HttpResponse:
    return _acted(
        request,
        item,
        "content.change_item",
        lambda staff: items.archive(item, actor=staff),
        gettext_lazy("Archived."),
    )


@require_POST
def restore(request: HttpRequest, item: Item) -> HttpResponse:
    return _acted(
        request,
        item,
        "content.change_item",
        lambda staff: items.restore(item, actor=staff),
        gettext_lazy("Taken out of the archive."),
    )


@require_POST
def plan(request: HttpRequest, item: Item) -> HttpResponse:
    staff = require(request, "content.schedule_item")
    form = PlanForm(request.POST, accounts=accounts_for(staff, item))
    if not form.is_valid():
        messages.error(
            request, " ".join(str(m) for e in form.errors.values() for m in e)
        )
        return redirect("admin:content_item_change", item.pk)
    given = form.cleaned_data

    def work(actor: Staff) -> None:
        version = plannable(item)
        slots.schedule(
            version,
            given["account"],
            given["publish_at"],
            actor=actor,
            note=given["note"],
        )
        for line in slots.advice(given["account"], given["publish_at"]):
            messages.warning(request, line)

    return _acted(
        request, item, "content.schedule_item", work, gettext_lazy("Planned.")
    )


def plannable(item: Item) -> Version:
    """The version a new slot says: the newest approved one, else the newest."""
    approved = item.versions.approved().order_by("-number").first()
    return approved or states.newest(item)


# -- versions


@require_safe
def compare(request: HttpRequest, item: Item) -> HttpResponse:
    """Two versions beside each other; by default the newest and the one before."""
    known = {
        version.number: version
        for version in item.versions.select_related("picture", "created_by")
    }
    newest = max(known)
    new = known.get(_number(request.GET.get("b")) or newest, known[newest])
    old = known.get(_number(request.GET.get("a")) or new.number - 1)
    context = {
        "item": item,
        "old": old,
        "new": new,
        "numbers": sorted(known, reverse=True),
        "differences": differences.between(old, new) if old else [],
    }
    return console_page(
        request,
        "content/compare.html",
        title=_("Versions of %(title)s") % {"title": item.title},
        above=[item],
        context=context,
    )


def _number(text: str | None) -> int:
    return (
        int(text) if text and text.isascii() and text.isdigit() and len(text) < 9 else 0
    )
