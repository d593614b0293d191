"""The phone page, pictures, and a sign of life."""

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.db import connection
from django.db.models import Max
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.views.static import serve

from sandbox import article_html, clock, media, web_auth
from sandbox.api.quotas import SHANGHAI
from sandbox.control.door import answer
from sandbox.control.people import described
from sandbox.models import Article, Call, Grant, Mass, Media, Message, Person, Push

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


def open_link(request: HttpRequest) -> HttpResponse:
    """``?person=&url=``: a link on the phone, opened in a tab as this person."""
    person = Person.objects.filter(pk=request.GET.get("person", "")).first()
    url = request.GET.get("url", "")
    if person is None or urlsplit(url).scheme not in ("http", "https"):
        raise Http404
    response = HttpResponseRedirect(url)
    response["Cache-Control"] = "no-store"
    response.set_cookie(web_auth.COOKIE, person.pk, httponly=True, samesite="Lax")
    return response


# Its text was written elsewhere: it may show pictures and open links, nothing more.
ARTICLE_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


def article(request: HttpRequest, sn: str) -> HttpResponse:
    """The page of a sent article; ``?person=`` when it is opened on a phone."""
    page = Article.objects.select_related("account").filter(pk=sn).first()
    if page is None:
        raise Http404
    person = Person.objects.filter(pk=request.GET.get("person", "")).first()
    person_id = person.pk if person else ""
    source = page.body["content_source_url"]
    is_web = urlsplit(source).scheme in ("http", "https")
    content = {
        "account": page.account,
        "article": page.body,
        "is_deleted": page.is_deleted,
        "published_at": datetime.fromtimestamp(page.published_at, SHANGHAI),
        "content": article_html.shown(page.body["content"], person_id),
        "source": article_html.link_target(source, person_id) if is_web else "",
    }
    response = render(request, "sandbox/article.html", content)
    response["Content-Security-Policy"] = ARTICLE_POLICY
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
        "waiting": Mass.objects.filter(state=Mass.State.WAITING).count(),
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
