"""The content calendar: its page, its entries as JSON, and what is done with a slot.

Permission first (403), then scope (404), then one write of content.slots; refusals answer
409 with `{code, message, extra}` to the calendar's script and a message to a plain form.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from content import items, markup, pictures, slots, timetable
from content.item_forms import PlanForm
from content.item_pages import accounts_for, plannable, words_of
from content.models import Item, Picture, Slot
from content.timetable import COLOURS
from content.wording import look_of
from core import navigation
from core.errors import AppError
from core.pages import console_page
from core.registry import NavItem, Text, nav_items, site_urls
from staff.requests import staff_of
from wechat.media import MediaMissing

VIEW = "content.view_item"
PLAN = "content.schedule_item"
CHOICES = 100
PREVIEW_BYTES = 200_000


def _check(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


# -- the page


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    _check(request, VIEW)
    staff = staff_of(request)
    accounts = list(accounts_for(staff))
    may_plan = staff.has_perm(PLAN)
    writable = Item.objects.writable_by(staff).exclude(state=Item.State.ARCHIVED)
    now = timezone.localtime()
    context = {
        "accounts": [(account, account.pk % COLOURS) for account in accounts],
        "looks": timetable.legend(),
        "may_plan": may_plan and bool(accounts),
        "has_items": writable.exists(),
        "settings": {
            "locale": "zh-cn" if (get_language() or "zh").startswith("zh") else "en",
            "now": f"{now:%Y-%m-%dT%H:%M:%S}",
            "may_plan": may_plan and bool(accounts),
            "words": {key: str(text) for key, text in WORDS.items()},
        },
    }
    return console_page(
        request,
        "content/calendar.html",
        title=_("Content calendar"),
        context=context,
    )


WORDS: dict[str, Text] = {
    "undo": gettext_lazy("Undo"),
    "moved": gettext_lazy("Moved to"),
    "undone": gettext_lazy("Moved back."),
    "failed": gettext_lazy("That did not work. Check the connection and try again."),
    "unread": gettext_lazy("The calendar can't be read now. Try again in a moment."),
    "fixed": gettext_lazy("Only slots can be moved here."),
    "empty": gettext_lazy("Nothing stands here."),
    "month": gettext_lazy("Month"),
    "week": gettext_lazy("Week"),
    "list": gettext_lazy("List"),
    "today": gettext_lazy("Today"),
    "before": gettext_lazy("Earlier"),
    "after": gettext_lazy("Later"),
    "past": gettext_lazy("This day has passed."),
}


@require_safe
@never_cache
def events(request: HttpRequest) -> JsonResponse:
    _check(request, VIEW)
    span = timetable.span_of(request.GET.get("start", ""), request.GET.get("end", ""))
    if span is None:
        text = _("Give a start and an end, at most 100 days apart.")
        return JsonResponse(
            {"code": "bad_span", "message": text, "extra": {}}, status=400
        )
    chosen = request.GET.getlist("account")
    accounts = [int(key) for key in chosen if _is_id(key)] if chosen else None
    found = timetable.entries(staff_of(request), span, accounts)
    return JsonResponse({"entries": found})


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 18


# -- planning


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def plan(request: HttpRequest) -> HttpResponse:
    """The form for an empty day (GET, a fragment), and what it sends (POST)."""
    _check(request, PLAN)
    if request.method == "POST":
        return _planned(request)
    staff = staff_of(request)
    at = _default_time(request.GET.get("day", ""))
    context = {
        "form": PlanForm(accounts=accounts_for(staff), initial={"publish_at": at}),
        "choices": _choices(request, request.GET.get("q", "")),
        "q": request.GET.get("q", ""),
    }
    return render(request, "content/plan_form.html", context)


def _default_time(text: str) -> datetime:
    """Ten o'clock of the day, or the next full hour when that has passed."""
    local = timezone.localtime()
    day = _read_time(text[:10])
    at = local if day is None else timezone.localtime(day).replace(hour=10)
    if at > local:
        return at
    return local.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def _choices(request: HttpRequest, q: str) -> list[Item]:
    staff = staff_of(request)
    rows = Item.objects.writable_by(staff).exclude(state=Item.State.ARCHIVED)
    for word in q.split()[:8]:
        rows = rows.filter(
            Q(title__icontains=word) | Q(versions__body__icontains=word)
        ).distinct()
    return list(rows.order_by("-changed_at", "-id")[:CHOICES])


def _planned(request: HttpRequest) -> HttpResponse:
    staff = staff_of(request)
    key = request.POST.get("item", "")
    rows = Item.objects.writable_by(staff)
    item = rows.filter(pk=int(key)).first() if _is_id(key) else None
    form = PlanForm(request.POST, accounts=accounts_for(staff))
    if item is None or not form.is_valid():
        problems = [m for errors in form.errors.values() for m in errors]
        if item is None:
            problems.insert(0, _("Choose what to say."))
        return _refused("invalid", " ".join(map(str, problems)), 400)
    given = form.cleaned_data
    try:
        slot = slots.schedule(
            plannable(item),
            given["account"],
            given["publish_at"],
            actor=staff,
            note=given["note"],
        )
    except AppError as refusal:
        return _refused(refusal.code, str(refusal.message), 409, refusal.extra)
    advice = slots.advice(slot.account, slot.publish_at)
    return JsonResponse({"id": slot.pk, "message": " ".join([_("Planned."), *advice])})


def _refused(
    code: str, message: str, status: int, extra: dict[str, Any] | None = None
) -> JsonResponse:
    body = {"code": code, "message": message, "extra": extra or {}}
    return JsonResponse(body, status=status)


# -- one slot


def _slot(request: HttpRequest, slot_id: int) -> Slot:
    rows = Slot.objects.visible_to(staff_of(request)).select_related(
        "version__item__org_unit", "account", "created_by"
    )
    return get_object_or_404(rows, pk=slot_id)


@require_safe
@never_cache
def slot_card(request: HttpRequest, slot_id: int) -> HttpResponse:
    """What stands there and what can be done with it; a fragment for the calendar."""
    _check(request, VIEW)
    staff = staff_of(request)
    slot = _slot(request, slot_id)
    is_own = items.may_write(staff, slot.version.item)
    now = timezone.now()
    may_plan = staff.has_perm(PLAN) and is_own
    newest = plannable(slot.version.item)
    refusal = timetable.refusal_of(
        slot, now, may_plan=staff.has_perm(PLAN), is_own=is_own
    )
    context = {
        "slot": slot,
        "item": slot.version.item,
        "look": look_of(slot, now),
        "refusal": refusal,
        "words": markup.plain(slot.version.body)[:300],
        "may_move": not refusal,
        "may_end": may_plan and slot.is_planned,
        "may_publish": may_plan and slot.is_planned and slot.version.is_approved,
        "newer": newest
        if may_plan and slot.is_planned and newest.number > slot.version.number
        else None,
        "advice": slots.advice(slot.account, slot.publish_at)
        if slot.is_planned
        else [],
    }
    return render(request, "content/slot_card.html", context)


def _acted(
    request: HttpRequest, slot_id: int, work: Callable[[Slot], Slot], done: Text
) -> HttpResponse:
    _check(request, PLAN)
    staff = staff_of(request)
    slot = _slot(request, slot_id)
    is_script = request.headers.get("Accept", "").startswith("application/json")
    try:
        items.check_writable(staff, slot.version.item)
        changed = work(slot)
    except AppError as refusal:
        if is_script:
            status = 400 if refusal.code == "bad_input" else 409
            return _refused(refusal.code, str(refusal.message), status, refusal.extra)
        messages.error(request, str(refusal.message))
    else:
        if is_script:
            return JsonResponse(_told(changed, str(done)))
        messages.success(request, str(done))
    return redirect("admin:content_item_change", slot.version.item_id)


def _told(slot: Slot, message: str) -> dict[str, Any]:
    advice = slots.advice(slot.account, slot.publish_at) if slot.is_planned else []
    local = timezone.localtime(slot.publish_at)
    return {
        "id": slot.pk,
        "state": slot.state,
        "publish_at": f"{local:%Y-%m-%dT%H:%M:%S}",
        "message": " ".join([message, *advice]),
    }


@require_POST
def move(request: HttpRequest, slot_id: int) -> HttpResponse:
    """`publish_at`, and `seen`: the time it had on the person's screen."""
    _check(request, PLAN)
    publish_at = _read_time(request.POST.get("publish_at", ""))
    if publish_at is None:
        return _refused("bad_time", _("Give a day and a time."), 400)
    seen = _read_time(request.POST.get("seen", ""))

    def work(slot: Slot) -> Slot:
        # A screen shows minutes; seconds of the stored time are no difference.
        is_same = seen is not None and _minute(slot.publish_at) == _minute(seen)
        return slots.move(
            slot,
            publish_at,
            actor=staff_of(request),
            seen=slot.publish_at if is_same else seen,
        )

    return _acted(request, slot_id, work, gettext_lazy("Moved."))


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _read_time(text: str) -> datetime | None:
    """Wall-clock time of the console's zone, or with an offset of its own."""
    try:
        at = datetime.fromisoformat(text)
        if not 2000 <= at.year <= 2200:
            return None
        return timezone.make_aware(at) if timezone.is_naive(at) else at
    except (ValueError, OverflowError):
        return None


@require_POST
def cancel(request: HttpRequest, slot_id: int) -> HttpResponse:
    reason = words_of(request, "reason")
    return _acted(
        request,
        slot_id,
        lambda slot: slots.cancel(slot, actor=staff_of(request), reason=reason),
        gettext_lazy("Cancelled."),
    )


@require_POST
def publish(request: HttpRequest, slot_id: int) -> HttpResponse:
    """Note that somebody published it by hand on the platform."""
    return _acted(
        request,
        slot_id,
        lambda slot: slots.publish(slot, actor=staff_of(request)),
        gettext_lazy("Noted as published."),
    )


@require_POST
def exchange(request: HttpRequest, slot_id: int) -> HttpResponse:
    """Say the newest approved version in this place."""
    return _acted(
        request,
        slot_id,
        lambda slot: slots.exchange(
            slot, plannable(slot.version.item), actor=staff_of(request)
        ),
        gettext_lazy("The newest version stands there now."),
    )


# -- what the pages show beside


@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """An article as on a phone, while it is being written."""
    _check(request, VIEW)
    source = request.POST.get("body", "")
    if len(source.encode()) > PREVIEW_BYTES:
        return HttpResponse(status=413)
    return HttpResponse(markup.to_html(source))


@require_safe
def picture(request: HttpRequest, picture_id: int) -> HttpResponseBase:
    """A picture of the content, or 404 outside the person's scope."""
    _check(request, VIEW)
    rows = Picture.objects.visible_to(staff_of(request))
    row = get_object_or_404(rows, pk=picture_id)
    try:
        path = pictures.path_of(row)
    except MediaMissing:
        raise Http404 from None
    response = FileResponse(path.open("rb"), content_type=row.content_type)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    patch_cache_control(response, private=True, no_store=True)
    return response


SITE_URLS: tuple[tuple[str, Callable[..., HttpResponseBase], str], ...] = (
    ("calendar/", page, "calendar"),
    ("calendar/events/", events, "calendar_events"),
    ("calendar/plan/", plan, "calendar_plan"),
    ("calendar/slots/<int:slot_id>/", slot_card, "calendar_slot"),
    ("calendar/slots/<int:slot_id>/move/", move, "calendar_move"),
    ("calendar/slots/<int:slot_id>/cancel/", cancel, "calendar_cancel"),
    ("calendar/slots/<int:slot_id>/publish/", publish, "calendar_publish"),
    ("calendar/slots/<int:slot_id>/exchange/", exchange, "calendar_exchange"),
    ("content/preview/", preview, "content_preview"),
    ("content/pictures/<int:picture_id>/", picture, "content_picture"),
)


def register() -> None:
    """Put the pages into the site and the side bar; called once, by ready()."""
    site_urls.extend(SITE_URLS)
    nav_items.append(
        NavItem(
            group=navigation.CONTENT,
            title=gettext_lazy("Content calendar"),
            url_name="admin:calendar",
            permission=VIEW,
            icon="calendar_month",
            order=10,
        )
    )
