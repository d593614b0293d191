"""``/control/…``: calls, pushes, faults, the clock and the settings."""

import json
import time
from typing import Any

from django.http import HttpRequest, HttpResponse

from sandbox import clock, faults, options, seeding, shop
from sandbox.control.door import (
    answer,
    bad,
    body_of,
    door,
    flag_of,
    number_of,
    page_of,
    text_of,
)
from sandbox.models import Call, CallBody, ContactWay, Fault, Push, QrCode


def calls(request: HttpRequest) -> HttpResponse:
    """``?path=&since=&until=&account=&id=&after=<id>&limit=&offset=&order=``.

    Oldest first. Of more than ``limit`` (1,000) the newest; with ``order=oldest`` the
    oldest, so that ``after`` the last id leads from page to page. The number of all is
    in ``X-Total-Count``. ``brief=1`` leaves query and body out.

    ``since`` and ``until`` are read on the machine's clock; one that lies in the
    machine's future is read on the virtual clock.
    """
    rows = Call.objects.filter(**_wanted_id(request))
    if request.GET.get("path"):
        rows = rows.filter(path__contains=request.GET["path"].strip("*"))
    if request.GET.get("account"):
        rows = rows.filter(account_slug=request.GET["account"])
    for name, lookup in (("since", "gte"), ("until", "lt")):
        if request.GET.get(name):
            rows = rows.filter(**_moment(request, name, lookup))
    rows = rows.filter(pk__gt=_after(request))
    limit, offset = page_of(request, 1000, 5000)
    is_brief = request.GET.get("brief") == "1"
    page = rows.defer("query", "body") if is_brief else rows
    if request.GET.get("order") == "oldest":
        found = list(page.order_by("pk")[offset : offset + limit])
    else:
        found = list(reversed(page.order_by("-pk")[offset : offset + limit]))
    is_whole = "id" in request.GET
    response = answer([_call_body(row, is_brief, is_whole) for row in found])
    response["X-Total-Count"] = str(rows.count())
    return response


def _moment(request: HttpRequest, name: str, lookup: str) -> dict[str, float]:
    try:
        second = float(request.GET[name])
    except ValueError as error:
        raise bad(f"{name} must be Unix seconds") from error
    clock_field = "at" if second > time.time() else "real_at"
    return {f"{clock_field}__{lookup}": second}


def _wanted_id(request: HttpRequest) -> dict[str, int]:
    wanted = request.GET.get("id", "")
    if wanted and not wanted.isdecimal():
        raise bad("id must be a number")
    return {"pk": int(wanted)} if wanted else {}


def _after(request: HttpRequest) -> int:
    after = request.GET.get("after", "0")
    if not after.isdecimal():
        raise bad("after must be an id")
    return int(after)


def _call_body(row: Call, is_brief: bool, is_whole: bool) -> dict[str, Any]:
    """``is_cut`` says that lists in the body are longer than shown; asked for by its
    id a call is shown in full."""
    body: dict[str, Any] = {}
    if not is_brief:
        body = {"query": row.query, "body": row.body, "is_cut": row.is_cut}
        if row.is_cut and is_whole:
            whole = CallBody.objects.get(call=row).text
            body |= {"body": json.loads(whole), "is_cut": False}
    return body | {
        "id": row.pk,
        "at": row.at,
        "real_at": row.real_at,
        "account": row.account_slug,
        "platform": row.platform,
        "method": row.method,
        "path": row.path,
        "status": row.status,
        "answer": row.answer,
        "fault": row.fault,
        "delivered": row.delivered,
    }


def forget_calls(request: HttpRequest) -> dict[str, Any]:
    CallBody.objects.all().delete()
    return {"ok": True, "deleted": Call.objects.all().delete()[0]}


def pushes(request: HttpRequest) -> list[dict[str, Any]]:
    """``?account=&person=&state=&id=&after=<id>&limit=``, oldest first, newest 200."""
    rows = Push.objects.prefetch_related("tries").filter(
        pk__gt=_after(request), **_wanted_id(request)
    )
    for name, field in (
        ("account", "account_id"),
        ("person", "person_id"),
        ("state", "state"),
    ):
        if request.GET.get(name):
            rows = rows.filter(**{field: request.GET[name]})
    limit, offset = page_of(request, 200, 5000)
    newest = rows.order_by("-pk")[offset : offset + limit]
    return [_push_body(row) for row in reversed(newest)]


def _push_body(row: Push) -> dict[str, Any]:
    return {
        "id": row.pk,
        "at": row.created_at,
        "account": row.account_id,
        "person": row.person_id,
        "kind": row.kind,
        "body": row.body,
        "copy_of": row.copy_of,
        "state": row.state,
        "due_in": max(0.0, round(row.due_real_at - time.time(), 3))
        if row.state == Push.State.PENDING
        else None,
        "attempts": [
            {
                "at": one.at,
                "url": one.url,
                "status": one.status,
                "answer": one.answer,
                "error": one.error,
                "milliseconds": one.milliseconds,
            }
            for one in sorted(row.tries.all(), key=lambda one: one.pk)
        ],
    }


def set_push(request: HttpRequest) -> dict[str, Any]:
    """``{duplicates?, shuffle?, delay_seconds?, retries?, retry_seconds?,
    timeout_seconds?}``; what is left out goes back to its default for the first
    three and stays for the others."""
    body = body_of(request)
    duplicates = number_of(body, "duplicates", 0, least=0, most=20)
    is_shuffled = flag_of(body, "shuffle", False)
    delay = number_of(body, "delay_seconds", 0, least=0, most=86400)
    options.put("push_duplicates", duplicates)
    options.put("push_shuffle", is_shuffled)
    options.put("push_delay_seconds", delay)
    limits = {
        "retries": 20,
        "retry_seconds": 3600,
        "timeout_seconds": 60,
        "shuffle_seconds": 60,
    }
    for name, most in limits.items():
        if name in body:
            value = number_of(body, name, least=0, most=most)
            options.put(f"push_{name}", int(value) if name == "retries" else value)
    return show_push(request)


def show_push(request: HttpRequest) -> dict[str, Any]:
    every = options.everything()
    return {
        name.removeprefix("push_"): value
        for name, value in every.items()
        if name.startswith("push_")
    }


def put_fault(request: HttpRequest) -> dict[str, Any]:
    """``{path, fault, times, hold_seconds?}``: path is the end of an API path, or
    ``*``; times -1 means until it is deleted."""
    body = body_of(request)
    path = text_of(body, "path", longest=200)
    name = text_of(body, "fault", longest=40)
    if not faults.is_known(name):
        raise bad(
            f"unknown fault {name!r}: {', '.join(sorted(faults.NAMES))}, slow:<s>"
        )
    times = number_of(body, "times", 1, least=-1, most=1_000_000)
    if times == 0 or times != int(times):
        raise bad("times must be a whole number from 1, or -1 for no end")
    hold = number_of(body, "hold_seconds", 20, least=0, most=120)
    row = Fault.objects.create(
        path=path, fault=name, left=int(times), hold_seconds=hold
    )
    faults.changed()
    return _fault_body(row)


def _fault_body(row: Fault) -> dict[str, Any]:
    return {
        "id": row.pk,
        "path": row.path,
        "fault": row.fault,
        "times": row.left,
        "hold_seconds": row.hold_seconds,
    }


def list_faults(request: HttpRequest) -> list[dict[str, Any]]:
    return [_fault_body(row) for row in Fault.objects.order_by("pk")]


def clear_faults(request: HttpRequest) -> dict[str, Any]:
    faults.changed()
    return {"ok": True, "deleted": Fault.objects.all().delete()[0]}


def codes(request: HttpRequest) -> dict[str, Any]:
    """Codes that the console made: what a person could scan."""
    qr_codes = QrCode.objects.order_by("account_id", "scene")
    ways = ContactWay.objects.order_by("-created_at")
    return {
        "qr_codes": [
            {
                "account": row.account_id,
                "scene": int(row.scene) if row.is_number else row.scene,
                "ticket": row.ticket,
                "is_expired": row.expires_at is not None
                and row.expires_at <= clock.now(),
            }
            for row in qr_codes
        ],
        "contact_ways": [
            {"account": row.account_id, "config_id": row.config_id, **row.body}
            for row in ways
        ],
    }


def show_clock(request: HttpRequest) -> dict[str, Any]:
    return {"now": clock.now(), "offset_seconds": clock.offset()}


def move_clock(request: HttpRequest) -> dict[str, Any]:
    """``{advance_seconds}``, or ``{reset: true}`` for the machine's own time."""
    body = body_of(request)
    if flag_of(body, "reset", False):
        clock.set_offset(0.0)
        return show_clock(request)
    century = 3600.0 * 24 * 365 * 100
    seconds = number_of(body, "advance_seconds", least=-century, most=century)
    if not 0 <= clock.now() + seconds <= 4_000_000_000:
        raise bad("the clock cannot go there")
    clock.set_offset(clock.offset() + seconds)
    return show_clock(request)


def show_limits(request: HttpRequest) -> dict[str, Any]:
    return options.everything()


def set_limits(request: HttpRequest) -> dict[str, Any]:
    """Any of the settings of ``GET /control/limits``; ``daily`` and ``minutely`` are
    merged."""
    for key, value in body_of(request).items():
        if key in ("daily", "minutely") and isinstance(value, dict):
            value = {**options.get(key), **value}
        try:
            options.put(key, value)
        except KeyError as error:
            raise bad(f"no setting {key!r}") from error
        except ValueError as error:
            raise bad(f"{key} must look like {options.DEFAULTS[key]!r}") from error
    return options.everything()


def open_shop(request: HttpRequest) -> dict[str, Any]:
    """``{token}``: how the shop proves itself at the console's API."""
    shop.open_with(text_of(body_of(request), "token", longest=200))
    return {"ok": True}


def reset(request: HttpRequest) -> dict[str, Any]:
    """``{seed?: bool}``: an empty world, or the demo world again."""
    seeding.wipe()
    if flag_of(body_of(request), "seed", False):
        seeding.people_of_demo()
    return {"ok": True}


calls_view = door(GET=calls, DELETE=forget_calls)
pushes_view = door(GET=pushes)
push_view = door(GET=show_push, POST=set_push)
faults_view = door(GET=list_faults, POST=put_fault, DELETE=clear_faults)
clock_view = door(GET=show_clock, POST=move_clock)
limits_view = door(GET=show_limits, POST=set_limits)
codes_view = door(GET=codes)
reset_view = door(POST=reset)
shop_view = door(POST=open_shop)
