"""The public page on which a customer says how content they were.

Nobody logs in: the signed link is the right to rate one conversation. Reading changes
nothing (previews open links); what is sent comes by POST and is worth nothing without
the link, so there is no CSRF to forge. It works without scripts and cookies.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from core.throttle import is_too_often
from crm.public_pages import MINUTE, public_page
from service import rating_links, ratings
from service.errors import RatedMeanwhile, RatingFixed
from service.models import Conversation, Rating
from staff.lockout import client_ip

WRONG_PER_ADDRESS = 30
PER_CONVERSATION = 60
STATUS = {"often": 429, "expired": 410}
SCORES = {str(number): number for number in range(Rating.BEST, Rating.WORST - 1, -1)}


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@public_page("rating", lambda request: _told(request, "often"))
def show(request: HttpRequest, token: str) -> HttpResponse:
    """The page of one conversation; POST rates it, or changes the rating."""
    opened = rating_links.open_conversation(token)
    if opened.conversation is None:
        wrong = f"rating-wrong:{client_ip(request)}"
        is_often = is_too_often(wrong, WRONG_PER_ADDRESS, MINUTE)
        return _told(request, "often" if is_often else opened.problem)
    conversation = opened.conversation
    if is_too_often(f"rating-of:{conversation.pk}", PER_CONVERSATION, MINUTE):
        return _told(request, "often")
    if request.method != "POST":
        return _page(request, conversation)
    return _rate(request, conversation, token)


def _rate(request: HttpRequest, conversation: Conversation, token: str) -> HttpResponse:
    score = SCORES.get(request.POST.get("score", ""))
    words = _words(request)
    given = {"score": score, "words": words}
    if score is None:
        error = _("Choose one of the five first.")
        return _page(request, conversation, status=400, error=error, given=given)
    if len(words) > Rating.WORDS_LENGTH:
        error = _("At most %(limit)s characters; these are %(length)s.") % {
            "limit": Rating.WORDS_LENGTH,
            "length": len(words),
        }
        return _page(request, conversation, status=400, error=error, given=given)
    try:
        ratings.rate(conversation, score=score, words=words, seen=_seen(request))
    except RatedMeanwhile as told:
        # The page shows what was sent with the revision that stands: sent again, it counts.
        error = str(told.message)
        return _page(request, conversation, status=409, error=error, given=given)
    except RatingFixed as told:
        return _page(request, conversation, status=409, error=str(told.message))
    address = reverse("service_rating", args=[token])
    return HttpResponseRedirect(f"{address}?done=1")


def _words(request: HttpRequest) -> str:
    """One paragraph of what people can read; browsers send \\r\\n for a new line."""
    return " ".join(request.POST.get("words", "").replace("\x00", " ").split())


def _seen(request: HttpRequest) -> int:
    given = request.POST.get("seen", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 5 else 0


def _page(
    request: HttpRequest,
    conversation: Conversation,
    *,
    status: int = 200,
    error: str = "",
    given: dict[str, Any] | None = None,
) -> HttpResponse:
    rating = Rating.objects.filter(conversation=conversation).first()
    shown = given or {
        "score": rating.score if rating else None,
        "words": rating.words if rating else "",
    }
    context = {
        "brand": conversation.member.controller,
        "account": conversation.app.account,
        "opened_at": conversation.opened_at,
        "rating": rating,
        "is_open": rating is None or ratings.is_changeable(rating),
        "until": rating.at + ratings.CHANGEABLE_FOR if rating else None,
        "scores": Rating._meta.get_field("score").choices,
        "limit": Rating.WORDS_LENGTH,
        "error": error,
        "is_done": rating is not None and not error and "done" in request.GET,
        **shown,
    }
    return render(request, "service/rating.html", context, status=status)


def _told(request: HttpRequest, problem: str) -> HttpResponse:
    context = {"problem": problem}
    status = STATUS.get(problem, 404)
    return render(request, "service/rating_problem.html", context, status=status)
