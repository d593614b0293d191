"""The public preference page: what a member wants to get from us, in their own hands.

Nobody logs in and no cookie is needed: the signed link is the right to choose for one
member. Reading changes nothing (previews and mail scanners open links); whatever is
sent comes by POST and is worth nothing without the link, so there is no CSRF to forge.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import time
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from core.throttle import is_too_often
from crm import consent, consent_texts, preference_links, preferences, quiet_hours
from crm.identities import find_member
from crm.models import ConsentText, Member
from crm.models.consents import Purpose
from crm.public_pages import public_page
from crm.quiet_hours import Hours
from staff.lockout import client_ip
from wechat.api import PlatformError, web
from wechat.models import Account, App

logger = logging.getLogger(__name__)

MINUTE = 60
WRONG_PER_ADDRESS = 30
PER_MEMBER = 60
# A link that the platform's word gave somebody is for now, not for keeping.
OWN_LINK_DAYS = 1
OWN_HOURS = "own"
COOKIE = f"pd-{settings.INSTANCE}-who"
STATE_SECONDS = 600
_NONCE = re.compile(r"[0-9a-f]{32}")
_CODE = re.compile(r"[!-~]{1,512}")

for_everybody = public_page("pref", lambda request: _told(request, "often"))


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@for_everybody
def show(request: HttpRequest, token: str) -> HttpResponse:
    """The page of one member; POST changes what it says."""
    opened = preference_links.open_member(token)
    if opened.member is None:
        wrong = f"pref-wrong:{client_ip(request)}"
        is_often = is_too_often(wrong, WRONG_PER_ADDRESS, MINUTE)
        return _told(request, "often" if is_often else opened.problem)
    member = opened.member
    if is_too_often(f"pref-of:{member.pk}", PER_MEMBER, MINUTE):
        return _told(request, "often")
    if request.method != "POST":
        return _page(request, member, token)
    return _change(request, member, token)


def _change(request: HttpRequest, member: Member, token: str) -> HttpResponse:
    texts = _texts_shown(request, member)
    verb = request.POST.get("do", "save")
    if verb == "stop":
        preferences.stop_all(member, texts=texts)
    elif verb == "start":
        preferences.start_again(member, texts=texts)
    else:
        choice = _choice(request)
        if choice is None:
            error = _("Something on the page was not understood. Choose again.")
            if request.POST.get("quiet") == OWN_HOURS and _quiet(request) is None:
                error = _("Give two different times for the hours of rest.")
            return _page(request, member, token, status=400, error=error)
        preferences.choose(member, choice, texts=texts)
    done = verb if verb in {"stop", "start"} else "save"
    address = reverse("crm_preferences", args=[token])
    return HttpResponseRedirect(f"{address}?done={done}")


def _choice(request: HttpRequest) -> preferences.Choice | None:
    """What was sent; None for what the page never sends."""
    given = request.POST.getlist("topic")
    often = request.POST.get("often", "")
    numbers = [each for each in given if each.isascii() and each.isdigit()]
    allowed = {str(number) for number in preferences.FREQUENCIES}
    if len(numbers) != len(given) or len(given) > 500 or often not in allowed:
        return None
    quiet = request.POST.get("quiet", "")
    hours = _quiet(request)
    if quiet and hours is None:
        return None
    return preferences.Choice(
        channels=frozenset(request.POST.getlist("channel")),
        topics=frozenset(int(each) for each in numbers if len(each) < 19),
        max_per_week=int(often),
        is_personal=request.POST.get("personal") == "1",
        quiet=hours,
        says_quiet="quiet" in request.POST,
    )


def _quiet(request: HttpRequest) -> Hours | None:
    """The hours chosen, or given by two times."""
    chosen = request.POST.get("quiet", "")
    if chosen == OWN_HOURS:
        given = request.POST.get("quiet_from", ""), request.POST.get("quiet_until", "")
        return quiet_hours.read(*given)
    return {str(preset): preset for preset in quiet_hours.PRESETS}.get(chosen)


def _texts_shown(request: HttpRequest, member: Member) -> dict[str, ConsentText]:
    """The versions the page showed when it was opened, else those in force."""
    found = consent_texts.current(member.controller_id)
    given = request.POST.get("texts", "").split(".")
    ids = [int(each) for each in given if each.isascii() and each.isdigit()]
    shown = ConsentText.objects.of_controller(member.controller_id).filter(
        pk__in=[each for each in ids[:20] if each < 2**63]
    )
    return found | {text.purpose: text for text in shown}


def _page(
    request: HttpRequest,
    member: Member,
    token: str,
    *,
    status: int = 200,
    error: str = "",
) -> HttpResponse:
    stands = consent.standing(member)
    texts = consent_texts.current(member.controller_id)
    shown = [texts[each] for each in _ON_THE_PAGE if each in texts]
    context = {
        "token": token,
        "brand": member.controller,
        "is_stopped": member.opted_out_at is not None,
        "channels": [
            (channel.value, channel.label, channel not in stands.channels_off)
            for channel in preferences.channels_of(member)
        ],
        "topics": [
            (topic, topic.pk not in stands.topics_off)
            for topic in preferences.topics_of(member)
        ],
        "frequencies": preferences.FREQUENCIES,
        "often": stands.max_per_week or 0,
        "hours_offered": [str(preset) for preset in quiet_hours.PRESETS],
        **_hours_shown(stands.quiet),
        "is_personal": not member.no_personalisation,
        "texts": {text.purpose: text for text in shown},
        "text_ids": ".".join(str(text.pk) for text in shown),
        "known": _known_of(member),
        "done": request.GET.get("done", ""),
        "error": error,
    }
    if error:
        context |= _as_sent(request, context)
    return render(request, "crm/preferences.html", context, status=status)


def _hours_shown(hours: Hours | None) -> dict[str, Any]:
    """`hours` is the choice that is marked, the two times those of other hours."""
    if hours is None or hours in quiet_hours.PRESETS:
        return {"hours": str(hours or ""), "quiet_from": "", "quiet_until": ""}
    times = f"{hours.begin:%H:%M}", f"{hours.end:%H:%M}"
    return {"hours": OWN_HOURS, "quiet_from": times[0], "quiet_until": times[1]}


def _as_sent(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The page's switches as they were sent with a mistake: nothing is chosen twice."""
    sent = request.POST
    channels, topics = sent.getlist("channel"), sent.getlist("topic")
    often = sent.get("often", "")
    return {
        "channels": [
            (value, label, value in channels)
            for value, label, _is_on in context["channels"]
        ],
        "topics": [
            (topic, str(topic.pk) in topics) for topic, _is_on in context["topics"]
        ],
        "often": int(often) if often in {"1", "2", "3"} else 0,
        "is_personal": sent.get("personal") == "1",
        "hours": sent.get("quiet", ""),
        "quiet_from": sent.get("quiet_from", "")[:5],
        "quiet_until": sent.get("quiet_until", "")[:5],
    }


_ON_THE_PAGE = (
    Purpose.MARKETING,
    Purpose.TOPIC,
    Purpose.FREQUENCY,
    Purpose.PERSONALISATION,
)


def _known_of(member: Member) -> dict[str, Any]:
    """What we hold, in short and masked: the link may have been passed on."""
    name = "" if member.is_placeholder_name else member.display_name
    followed = member.identities.filter(account__isnull=False, is_following=True)
    accounts = {each.account for each in followed.select_related("account")}
    return {
        "name": f"{name[:1]}**" if name else "",
        "phone": member.masked_phone,
        "since": member.first_seen_at,
        "accounts": sorted(str(account) for account in accounts),
        "tags": member.member_tags.count(),
        "orders": member.orders.count(),
    }


def _told(request: HttpRequest, problem: str) -> HttpResponse:
    status = {"often": 429, "expired": 410, "revoked": 410, "outside": 200}
    return render(
        request,
        "crm/preferences_problem.html",
        {"problem": problem},
        status=status.get(problem, 404),
    )


# -- by way of the platform, for links that are the same for everybody


@require_safe
@for_everybody
def of_account(request: HttpRequest, token: str) -> HttpResponse:
    """Ask the platform who opens it; outside WeChat nobody can be told apart."""
    account = preference_links.open_account(token)
    if account is None:
        return _told(request, "unknown")
    app = _asking_app(request, account)
    if app is None:
        return _told(request, "outside")
    nonce = request.COOKIES.get(COOKIE, "")
    if not _NONCE.fullmatch(nonce):
        nonce = secrets.token_hex(16)
    begun = f"{int(time.time()):08x}"
    back = str(settings.PUBLIC_URL).rstrip("/")
    back += reverse("crm_preferences_who", args=[token])
    state = begun + _sign_state(begun, nonce, token)
    response = HttpResponseRedirect(
        web.authorize_url(app, redirect_uri=back, state=state)
    )
    response.set_cookie(
        COOKIE,
        nonce,
        max_age=STATE_SECONDS,
        path="/p/",
        httponly=True,
        secure=settings.IS_HTTPS,
        samesite="Lax",
    )
    return response


@require_safe
@for_everybody
def who(request: HttpRequest, token: str) -> HttpResponse:
    """The platform sends the browser back: on to the page of whoever it is."""
    account = preference_links.open_account(token)
    if account is None:
        return _told(request, "unknown")
    state, code = request.GET.get("state", ""), request.GET.get("code", "")
    nonce = request.COOKIES.get(COOKIE, "")
    if not (_is_our_state(state, nonce, token) and _CODE.fullmatch(code)):
        return _told(request, "outside")
    app = _asking_app(request, account)
    member = None if app is None else _whose(app, code)
    if member is None:
        return _told(request, "stranger")
    address = preference_links.address_of(member, days=OWN_LINK_DAYS)
    return HttpResponseRedirect(address)


def _whose(app: App, code: str) -> Member | None:
    try:
        openid = web.openid_of(app, code)
    except PlatformError as error:
        logger.warning("The platform did not say who came (%s)", error.code)
        return None
    member = find_member(app.account, openid) if openid else None
    return None if member is None or member.purged_at else member


def _asking_app(request: HttpRequest, account: Account) -> App | None:
    """The app to ask with; None where the platform would only show an error."""
    is_inside = "MicroMessenger" in request.headers.get("User-Agent", "")
    if not account.has_web_authorisation or not (is_inside or account.is_sandbox):
        return None
    rows = App.objects.select_related("account__org_unit").order_by("pk")
    return rows.filter(account=account, is_active=True).first()


def _is_our_state(state: str, nonce: str, token: str) -> bool:
    begun, signature = state[:8], state[8:]
    if not (state.isascii() and _NONCE.fullmatch(nonce)):
        return False
    if not hmac.compare_digest(_sign_state(begun, nonce, token), signature):
        return False
    return 0 <= time.time() - int(begun, 16) <= STATE_SECONDS


def _sign_state(begun: str, nonce: str, token: str) -> str:
    digest = salted_hmac(
        "crm.preference_views", f"{begun}.{nonce}.{token}", algorithm="sha256"
    ).digest()
    return digest[:16].hex()
