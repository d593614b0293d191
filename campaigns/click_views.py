"""The public side of tracked links: count, and on to where the link leads.

Nobody logs in here, so nothing is believed: the token is ours or the address is not
found, and the target comes from the row. Whatever fails on the way, the person arrives.
"""

from __future__ import annotations

import hmac
import logging
import re
import secrets
import struct
import time
from typing import NamedTuple

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.views.decorators.http import require_safe

from campaigns import clicks, links
from campaigns.models import LinkClick, TrackedLink
from wechat.api import PlatformError, web
from wechat.models import App

logger = logging.getLogger(__name__)

COOKIE = f"pd-{settings.INSTANCE}-link"
COOKIE_PATH = "/l/"
# As long as a page of the platform may stay open; its code lives five minutes.
STATE_SECONDS = 600
_NONCE = re.compile(r"[0-9a-f]{32}")
_STATE = struct.Struct(">QI")
_CODE = re.compile(r"[!-~]{1,512}")


class State(NamedTuple):
    """What travels through the platform: letters and digits only, by its rule."""

    click_id: int
    begun_at: int

    def signed(self, nonce: str, token: str) -> str:
        body = _STATE.pack(*self).hex()
        return body + _sign(body, nonce, token)


def read_state(text: str, *, nonce: str, token: str) -> State | None:
    """The state we gave this browser (`nonce`, from its cookie) for this address."""
    body, signature = text[: 2 * _STATE.size], text[2 * _STATE.size :]
    if not text.isascii() or not _NONCE.fullmatch(nonce):
        return None
    if not hmac.compare_digest(_sign(body, nonce, token), signature):
        return None
    state = State(*_STATE.unpack(bytes.fromhex(body)))
    return state if 0 <= time.time() - state.begun_at <= STATE_SECONDS else None


def _sign(body: str, nonce: str, token: str) -> str:
    digest = salted_hmac(
        "campaigns.click_views", f"{body}.{nonce}.{token}", algorithm="sha256"
    ).digest()
    return digest[:16].hex()


@require_safe
def follow(request: HttpRequest, token: str) -> HttpResponse:
    """Count the opening and go on, by way of the platform where it tells who it was."""
    pointer, link = _find(token)
    if pointer is None or link is None:
        return _not_found(request)
    recipient = None
    if pointer.recipient_id is not None:
        recipient = clicks.recipient_of(link, pointer.recipient_id)
        if recipient is None:
            return _not_found(request)
    if not _is_opened_by_somebody(request):
        return _go(link.url)
    try:
        click = clicks.record(link, at=timezone.now(), recipient=recipient)
    except DatabaseError:
        # The person is on the way; a count less is better than a page less.
        logger.exception("A click on link %s was not counted", link.pk)
        return _go(link.url)
    app = None if recipient is not None else _asking_app(request, link)
    return _go(link.url) if app is None else _ask(request, app, click, token)


@require_safe
def come_back(request: HttpRequest, token: str) -> HttpResponse:
    """The platform sends the browser back: say whose opening it was, and go on."""
    _pointer, link = _find(token)
    if link is None:
        return _not_found(request)
    state = read_state(
        request.GET.get("state", ""),
        nonce=request.COOKIES.get(COOKIE, ""),
        token=token,
    )
    code = request.GET.get("code", "")
    if state is not None and _CODE.fullmatch(code) and request.method == "GET":
        _credit(link, state, code)
    return _go(link.url)


def _credit(link: TrackedLink, state: State, code: str) -> None:
    app = _app_of(link)
    if app is None:
        return
    try:
        openid = web.openid_of(app, code)
        if openid:
            clicks.credit(state.click_id, link, openid=openid)
    except PlatformError as error:
        logger.warning(
            "Link %s: the platform did not say who came (%s)", link.pk, error.code
        )
    except DatabaseError:
        logger.exception("Click %s was not credited", state.click_id)


def _find(token: str) -> tuple[links.Pointer | None, TrackedLink | None]:
    pointer = links.read_token(token)
    if pointer is None:
        return None, None
    rows = TrackedLink.objects.select_related("touch__account")
    return pointer, rows.filter(pk=pointer.link_id).first()


def _is_opened_by_somebody(request: HttpRequest) -> bool:
    """Not a HEAD, not a browser loading ahead, not a program that draws a preview."""
    purpose = request.headers.get("Sec-Purpose") or request.headers.get("Purpose") or ""
    return (
        request.method == "GET"
        and "prefetch" not in purpose.lower()
        and not clicks.is_program(request.headers.get("User-Agent", ""))
    )


# -- asking the platform who it is


def _asking_app(request: HttpRequest, link: TrackedLink) -> App | None:
    """The app to ask with; None where the platform would only show an error.

    Outside WeChat its page says "open it in WeChat"; the sandbox's works anywhere.
    """
    account = link.touch.account
    is_inside = "MicroMessenger" in request.headers.get("User-Agent", "")
    if not account.has_web_authorisation or not (is_inside or account.is_sandbox):
        return None
    return _app_of(link)


def _app_of(link: TrackedLink) -> App | None:
    account = link.touch.account
    return (
        App.objects.select_related("account")
        .filter(account=account, is_active=True)
        .order_by("pk")
        .first()
    )


def _ask(
    request: HttpRequest, app: App, click: LinkClick, token: str
) -> HttpResponseRedirect:
    # A nonce that stands is kept: two links opened side by side both come back.
    nonce = request.COOKIES.get(COOKIE, "")
    if not _NONCE.fullmatch(nonce):
        nonce = secrets.token_hex(16)
    state = State(click.pk, int(time.time())).signed(nonce, token)
    back = str(settings.PUBLIC_URL).rstrip("/")
    back += reverse("campaigns_link_return", args=[token])
    response = _go(web.authorize_url(app, redirect_uri=back, state=state))
    response.set_cookie(
        COOKIE,
        nonce,
        max_age=STATE_SECONDS,
        path=COOKIE_PATH,
        httponly=True,
        secure=settings.IS_HTTPS,
        samesite="Lax",
    )
    return response


# -- answers


class _Onward(HttpResponseRedirect):
    """302 to http(s) only, whatever a row may hold."""

    allowed_schemes = ["http", "https"]


def _go(url: str) -> HttpResponseRedirect:
    response = _Onward(url)
    response["Cache-Control"] = "no-store"
    response["X-Robots-Tag"] = "noindex"
    return response


def _not_found(request: HttpRequest) -> HttpResponse:
    response = render(request, "campaigns/link_not_found.html", status=404)
    response["Cache-Control"] = "no-store"
    return response
