"""``/control/mass`` and ``/control/deliveries``: what mass sends did, to whom, how often."""

from typing import Any

from django.db.models import Count, Max, Sum
from django.http import HttpRequest, HttpResponse

from sandbox import masses
from sandbox.control.accounts import find as find_account
from sandbox.control.door import (
    answer,
    bad,
    body_of,
    door,
    missing,
    page_of,
    text_of,
)
from sandbox.mass_engine import engine
from sandbox.models import Follow, Mass, Message
from sandbox.people import Impossible


def find(msg_id: int) -> Mass:
    mass = Mass.objects.select_related("account").filter(pk=msg_id).first()
    if mass is None:
        raise missing(f"no mass send {msg_id}")
    return mass


def described(mass: Mass) -> dict[str, Any]:
    return {
        "msg_id": mass.pk,
        "account": mass.account_id,
        "at": mass.created_at,
        "started_at": mass.started_at,
        "finished_at": mass.finished_at,
        "is_to_all": mass.is_to_all,
        "tag_id": mass.tag_id,
        "type": mass.type,
        "text": mass.text,
        "clientmsgid": mass.clientmsgid,
        "state": mass.state,
        "status": mass.status,
        "is_deleted": mass.is_deleted,
        "total": mass.total,
        "looked_at": mass.done,
        "sent": mass.sent,
        "filtered": mass.done - mass.sent,
        "finish_push": mass.finish_push,
        **mass.extra,
    }


def index(request: HttpRequest) -> HttpResponse:
    """``?account=&state=&limit=&offset=``: newest first; total in X-Total-Count."""
    limit, offset = page_of(request, 100, 1000)
    rows = Mass.objects.order_by("-pk")
    for name, field in (("account", "account_id"), ("state", "state")):
        if request.GET.get(name):
            rows = rows.filter(**{field: request.GET[name]})
    response = answer([described(row) for row in rows[offset : offset + limit]])
    response["X-Total-Count"] = str(rows.count())
    response["X-Total-Sent"] = str(rows.aggregate(sum=Sum("sent"))["sum"] or 0)
    return response


def show(request: HttpRequest, msg_id: int) -> dict[str, Any]:
    """``?openids=1`` lists who was addressed and who got it, counted on the screens."""
    mass = find(msg_id)
    lines = Message.objects.filter(mass=mass).values("person_id")
    found = lines.annotate(times=Count("pk")).aggregate(
        people=Count("person_id"), most=Max("times"), lines=Sum("times")
    )
    body = {
        **described(mass),
        "people": found["people"],
        "messages": found["lines"] or 0,
        "most_per_person": found["most"] or 0,
    }
    if request.GET.get("openids") == "1":
        body["addressed"] = masses.openids_of(mass)
        body["received"] = list(
            Follow.objects.filter(account=mass.account, person__in=lines)
            .order_by("pk")
            .values_list("openid", flat=True)
        )
    return body


def _waiting(msg_id: int) -> Mass:
    mass = find(msg_id)
    if mass.state != Mass.State.WAITING:
        raise Impossible("not_waiting", "this mass send waits for nobody")
    return mass


def confirm(request: HttpRequest, msg_id: int) -> dict[str, Any]:
    """As the administrator on the phone: the send begins."""
    mass = _waiting(msg_id)
    masses.decide(mass, is_confirmed=True)
    engine.wake_after_commit()
    return described(mass)


def refuse(request: HttpRequest, msg_id: int) -> dict[str, Any]:
    """``{status?}``: the send fails, by default with ``err(40001)``."""
    mass = _waiting(msg_id)
    status = text_of(
        body_of(request), "status", longest=40, default=masses.ADMIN_REFUSED
    )
    masses.decide(mass, is_confirmed=False, status=status)
    return described(mass)


KINDS = ("mass", "custom", "preview", "all")


def deliveries(request: HttpRequest) -> dict[str, Any]:
    """``?account=&kind=mass|custom|preview|all&text=&more_than=&since=&received=0``.

    How often each openid got what the account sent. ``text`` is a part of what the
    message says, ``more_than`` leaves only who got more than so many, ``since`` is an
    ``at`` of the virtual clock; ``received=0`` leaves the list out.
    """
    account = find_account(request.GET.get("account", ""))
    more_than = request.GET.get("more_than", "0")
    if not more_than.isdecimal():
        raise bad("more_than must be a whole number")
    rows = _sent_lines(request, account.pk).values("person_id")
    counts = rows.annotate(times=Count("pk")).filter(times__gt=int(more_than))
    found = counts.aggregate(
        people=Count("*"), messages=Sum("times"), most=Max("times")
    )
    body: dict[str, Any] = {
        "account": account.pk,
        "people": found["people"],
        "messages": found["messages"] or 0,
        "most": found["most"] or 0,
    }
    if request.GET.get("received") != "0":
        by_person = dict(counts.values_list("person_id", "times"))
        body["received"] = _by_openid(account.pk, by_person)
    return body


def _sent_lines(request: HttpRequest, slug: str) -> Any:
    kind = request.GET.get("kind", "all")
    if kind not in KINDS:
        raise bad(f"kind must be one of {', '.join(KINDS)}")
    rows = Message.objects.filter(address=slug, sender=Message.Sender.ACCOUNT)
    text, since = request.GET.get("text", ""), request.GET.get("since", "")
    if since:
        try:
            rows = rows.filter(at__gte=float(since))
        except ValueError as error:
            raise bad("since must be Unix seconds") from error
    jobs = Mass.objects.filter(text__contains=text).values("pk")
    said = rows.filter(mass=None, text__contains=text)
    if kind == "mass":
        return rows.filter(mass__in=jobs)
    if kind == "custom":
        return said.exclude(extra__has_key="preview")
    if kind == "preview":
        return said.filter(extra__has_key="preview")
    return said.exclude(extra__has_key="preview") | rows.filter(mass__in=jobs)


def _by_openid(slug: str, counts: dict[str, int]) -> dict[str, int]:
    rows = Follow.objects.filter(account_id=slug).order_by("pk")
    if len(counts) < 500:
        rows = rows.filter(person__in=counts)
    return {
        openid: counts[person_id]
        for openid, person_id in rows.values_list("openid", "person_id").iterator()
        if person_id in counts
    }


collection = door(GET=index)
member = door(GET=show)
confirmation = door(POST=confirm)
refusal = door(POST=refuse)
deliveries_view = door(GET=deliveries)
