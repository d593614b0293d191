"""The phone page, pictures, and a sign of life."""

from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import Max
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.static import serve

from sandbox import clock, media
from sandbox.control.door import answer
from sandbox.control.people import described
from sandbox.models import Call, Grant, Media, Message, Person, Push

NEWEST = 60
STATIC = Path(__file__).resolve().parent / "static"


def healthz(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("ok", content_type="text/plain")


def picture(request: HttpRequest, name: str) -> HttpResponse:
    """A stored file under the name that ``PicUrl`` gave it."""
    row = Media.objects.filter(pk=name.partition(".")[0]).first()
    if row is None:
        raise Http404
    response = HttpResponse(media.content_of(row), content_type=row.content_type)
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "max-age=86400"
    return response


def static(request: HttpRequest, name: str) -> HttpResponseBase:
    """Files of the page, asked about each time: they change with the code."""
    response = serve(request, name, document_root=str(STATIC))
    response["Cache-Control"] = "no-cache"
    return response


def phone(request: HttpRequest) -> HttpResponse:
    response = render(request, "sandbox/phone.html")
    response["Content-Security-Policy"] = (
        "default-src 'self'; img-src 'self' data: blob: http: https:; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return response


def state(request: HttpRequest) -> HttpResponse:
    """What the page asks for twice a second: ``?person=&address=&after=<id>``."""
    person = Person.objects.filter(pk=request.GET.get("person", "")).first()
    after = request.GET.get("after", "0")
    body: dict[str, Any] = {
        "now": clock.now(),
        "offset_seconds": clock.offset(),
        "pushes": _pushes(),
        "calls": _calls(),
        "person": None,
    }
    if person is not None:
        body["person"] = described([person])[0]
        body["latest"] = _latest(person)
        body["allowance"] = _allowance(person, request.GET.get("address", ""))
        body["messages"] = _messages(
            person,
            request.GET.get("address", ""),
            int(after) if after.isdecimal() else 0,
        )
    return answer(body)


def _messages(person: Person, address: str, after: int) -> list[dict[str, Any]]:
    rows = Message.objects.filter(
        person=person, address=address, pk__gt=after
    ).select_related("mass")
    return [
        {
            "id": row.pk,
            "at": row.at,
            "sender": row.sender,
            "type": row.type,
            "text": row.words,
            "extra": row.details,
        }
        for row in reversed(rows.order_by("-pk")[:300])
    ]


def _latest(person: Person) -> dict[str, int]:
    """The newest line of each chat that came from the other side."""
    rows = (
        Message.objects.filter(person=person, sender=Message.Sender.ACCOUNT)
        .values("address")
        .annotate(newest=Max("pk"))
    )
    return {row["address"]: row["newest"] for row in rows}


def _allowance(person: Person, slug: str) -> list[dict[str, Any]]:
    """What the account may still send to the person, by trigger."""
    rows = Grant.objects.filter(
        follow__person=person, follow__account_id=slug, expires_at__gt=clock.now()
    ).order_by("expires_at")
    return [
        {"trigger": row.trigger, "left": row.left, "expires_at": row.expires_at}
        for row in rows
    ]


def _pushes() -> list[dict[str, Any]]:
    rows = Push.objects.prefetch_related("tries").select_related("person")
    return [
        {
            "id": row.pk,
            "at": row.created_at,
            "account": row.account_id,
            "person": row.person_id,
            "name": row.person.name if row.person else "",
            "kind": row.kind,
            "state": row.state,
            "copy_of": row.copy_of,
            "attempts": [
                {"status": one.status, "error": one.error, "ms": one.milliseconds}
                for one in row.tries.all()
            ],
        }
        for row in rows.order_by("-pk")[:NEWEST]
    ]


def _calls() -> list[dict[str, Any]]:
    rows = Call.objects.defer("body", "query").order_by("-pk")[:NEWEST]
    return [
        {
            "id": row.pk,
            "at": row.at,
            "account": row.account_slug,
            "platform": row.platform,
            "method": row.method,
            "path": row.path,
            "status": row.status,
            "fault": row.fault,
            "errcode": row.answer.get("errcode", 0)
            if isinstance(row.answer, dict)
            else None,
        }
        for row in rows
    ]
