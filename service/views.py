"""The agent workspace: one page, fragments it fetches, and what people do there.

Permission first (403), then scope (404), then one write of service.conversations; its
refusals answer 409 with `{code, message, extra}`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from content.models import AnswerRule
from core.errors import AppError
from core.pages import console_page
from crm import complaints
from crm.consent_panel import COMPLAIN
from service import (
    assignments,
    closing,
    history,
    presence,
    ratings,
    replies,
    workspace,
)
from service.errors import AgentUnavailable, BadReply
from service.models import AgentState, Conversation
from service.rights import ANSWER, SUPERVISE
from service.strings import page_strings
from staff.models import Staff
from staff.requests import staff_of
from wechat.media import BadImage, store_outgoing

View = Callable[..., HttpResponseBase]
PICTURE_LIMIT_BYTES = 10 * 1024 * 1024
PHRASES = 8


def for_the_desk(view: View) -> View:
    """Let in who answers or supervises; refusals of the desk become JSON."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        staff = staff_of(request)
        if not (staff.has_perm(ANSWER) or staff.has_perm(SUPERVISE)):
            raise PermissionDenied
        try:
            return view(request, *args, **kwargs)
        except AppError as error:
            refusal = {
                "code": error.code,
                "message": str(error.message),
                "extra": error.extra,
            }
            return JsonResponse(refusal, status=409)

    return never_cache(guarded)


def _conversation(request: HttpRequest, pk: int) -> Conversation:
    return get_object_or_404(
        Conversation.objects.visible_to(staff_of(request)).select_related(
            "app__account", "member", "assignee", "queue"
        ),
        pk=pk,
    )


# -- the page and its fragments


@require_safe
@for_the_desk
def page(
    request: HttpRequest, pk: int | None = None, tab: str = ""
) -> HttpResponseBase:
    """The whole page, with one conversation open when `pk` is given."""
    staff = staff_of(request)
    context: dict[str, Any] = {"pk": pk}
    if pk is not None:
        context |= _desk_context(request, _conversation(request, pk))
    context |= _list_context(request, tab)
    context |= {
        "queue_ids": workspace.queue_ids(staff),
        "strings": page_strings(),
        "page_name": "workspace",
        "emoji": EMOJI,
    }
    return console_page(
        request, "service/workspace.html", title=_("Agent workspace"), context=context
    )


@require_safe
@for_the_desk
def team(request: HttpRequest) -> HttpResponseBase:
    """The page as supervisors open it: who has what."""
    if not staff_of(request).has_perm(SUPERVISE):
        raise PermissionDenied
    return page(request, tab="team")


@require_safe
@for_the_desk
def rows(request: HttpRequest) -> HttpResponse:
    """The left side: tabs with counts, rows, one's own state."""
    return render(request, "service/list.html", _list_context(request))


@require_safe
@for_the_desk
def desk(request: HttpRequest, pk: int) -> HttpResponse:
    """The middle and the right of one conversation.

    `live=1`: the newest lines only and no member card, for a page that has the rest.
    """
    conversation = _conversation(request, pk)
    is_live = request.GET.get("live") == "1"
    context = _desk_context(request, conversation, is_live=is_live)
    return render(request, "service/desk.html", context)


@require_safe
@for_the_desk
def older(request: HttpRequest, pk: int) -> HttpResponse:
    """The lines before a moment, to be put above the others."""
    before = parse_datetime(request.GET.get("before", ""))
    if before is None or timezone.is_naive(before):
        raise Http404
    found = workspace.desk(_conversation(request, pk), staff_of(request), before=before)
    return render(request, "service/lines.html", {"desk": found})


@require_safe
@for_the_desk
def colleagues(request: HttpRequest, pk: int) -> HttpResponse:
    """Whom the conversation can be given to, for its menu."""
    conversation = _conversation(request, pk)
    found = workspace.colleagues(conversation)
    context = {
        "conversation": conversation,
        "colleagues": [(state, presence.is_here(state)) for state in found],
    }
    return render(request, "service/colleagues.html", context)


@require_safe
@for_the_desk
def phrases(request: HttpRequest, pk: int) -> HttpResponse:
    """Ready answers: what the account's own rules say, by a fragment."""
    conversation = _conversation(request, pk)
    term = request.GET.get("q", "").strip()[:40]
    rules = AnswerRule.objects.visible_to(staff_of(request)).in_force()
    rules = rules.filter(account=conversation.app.account_id)
    found = [
        rule
        for rule in rules[:500]
        if term.casefold() in f"{rule.name}{rule.reply_text}{rule.keywords}".casefold()
    ]
    return render(request, "service/phrases.html", {"rules": found[:PHRASES]})


def _list_context(request: HttpRequest, tab: str = "") -> dict[str, Any]:
    staff = staff_of(request)
    tab = request.GET.get("tab", tab)
    if tab not in workspace.TABS:
        tab = "mine" if staff.has_perm(ANSWER) else "team"
    term = request.GET.get("q", "")[:60]
    state = AgentState.objects.filter(staff=staff).first()
    is_team = tab == "team" and staff.has_perm(SUPERVISE) and not term
    team = [
        (each, presence.is_here(each))
        for each in (workspace.team(staff) if is_team else [])
    ]
    return {
        "tab": tab,
        "term": term,
        "rows": workspace.rows(staff, tab, term),
        "counts": workspace.counts(staff),
        "unread": workspace.unread(staff),
        "state": state,
        "statuses": AgentState.Status.choices,
        "today": workspace.today(staff),
        "team": team,
        "absent": {each.staff_id for each, is_here in team if not is_here},
        "supervises": staff.has_perm(SUPERVISE),
        "answers": staff.has_perm(ANSWER),
        "now": timezone.now(),
    }


def _desk_context(
    request: HttpRequest, conversation: Conversation, *, is_live: bool = False
) -> dict[str, Any]:
    staff = staff_of(request)
    size = history.LIVE_PAGE if is_live else history.PAGE
    return {
        "desk": workspace.desk(conversation, staff, size=size),
        "card": None if is_live else workspace.card(conversation, staff),
        "conversation": conversation,
        "member_url": _member_url(request, conversation),
        "reasons": [
            choice
            for choice in Conversation.CloseReason.choices
            if choice[0] not in {"merged", "unfollowed"}
        ],
        "supervises": staff.has_perm(SUPERVISE),
        "may_complain": staff.has_perm(COMPLAIN),
        "may_praise": workspace.may_praise(conversation, staff),
        "emoji": EMOJI,
        "now": timezone.now(),
    }


def _member_url(request: HttpRequest, conversation: Conversation) -> str:
    if not staff_of(request).has_perm("crm.view_member"):
        return ""
    try:
        return reverse("admin:crm_member_change", args=[conversation.member_id])
    except NoReverseMatch:
        return ""


# -- what people do


@require_POST
@for_the_desk
def act(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """One write to a conversation; `verb` is a key of VERBS."""
    if verb not in VERBS:
        raise Http404
    permission, write = VERBS[verb]
    staff = staff_of(request)
    if permission and not staff.has_perm(permission):
        raise PermissionDenied
    write(request, _conversation(request, pk), staff)
    return JsonResponse({"ok": True})


def _claim(request: HttpRequest, conversation: Conversation, staff: Staff) -> None:
    assignments.claim(conversation, actor=staff)


def _reply(request: HttpRequest, conversation: Conversation, staff: Staff) -> None:
    replies.reply(
        conversation,
        text=request.POST.get("text", ""),
        client_key=_client_key(request),
        actor=staff,
    )


def _picture(request: HttpRequest, conversation: Conversation, staff: Staff) -> None:
    """Check and keep the picture, then answer with it; a repeated click is one."""
    key = _client_key(request)
    if conversation.messages.filter(client_key=key).exists():
        return
    upload = request.FILES.get("picture")
    if upload is None:
        raise BadReply(gettext("Choose a picture first."), code="bad_picture")
    if (upload.size or 0) > PICTURE_LIMIT_BYTES:
        raise BadReply(gettext("The picture is larger than 10 MB."), code="bad_picture")
    replies.check_may_reply(conversation, actor=staff)
    try:
        media = store_outgoing(conversation.app, upload.read(), actor=staff)
    except BadImage as error:
        raise BadReply(" ".join(error.messages), code="bad_picture") from error
    replies.reply(conversation, media=media, client_key=key, actor=staff)


def _note(request: HttpRequest, conversation: Conversation, staff: Staff) -> None:
    if not Conversation.objects.readable_by(staff).filter(pk=conversation.pk).exists():
        raise Http404
    replies.note(
        conversation,
        text=request.POST.get("text", ""),
        client_key=_client_key(request),
        actor=staff,
    )


def _read(request: HttpRequest, conversation: Conversation, staff: Staff) -> None:
    replies.mark_read(conversation, actor=staff)


def _close(request: HttpRequest, conversation: Conversation, staff: Staff) -> None:
    reason = request.POST.get("reason", "")
    if reason not in Conversation.CloseReason.values:
        reason = Conversation.CloseReason.RESOLVED
    closing.close(conversation, reason=reason, actor=staff)


def _complain(request: HttpRequest, conversation: Conversation, staff: Staff) -> None:
    """The customer is angry: marketing stops until somebody has settled it."""
    if not Conversation.objects.readable_by(staff).filter(pk=conversation.pk).exists():
        raise Http404
    complaints.begin(
        conversation.member,
        reason=request.POST.get("reason", ""),
        reference=f"conversation:{conversation.pk}",
        actor=staff,
    )


def _praise(request: HttpRequest, conversation: Conversation, staff: Staff) -> None:
    ratings.praise(conversation, words=request.POST.get("words", ""), actor=staff)


def _requeue(request: HttpRequest, conversation: Conversation, staff: Staff) -> None:
    is_own = conversation.assignee_id == staff.pk
    assignments.requeue(
        conversation, actor=staff, because="released" if is_own else "supervisor"
    )


def _give(request: HttpRequest, conversation: Conversation, staff: Staff) -> None:
    """Hand over what somebody has, or (supervisors) what waits."""
    number = request.POST.get("staff", "")
    if not (number.isascii() and number.isdigit() and len(number) < 18):
        raise BadReply(gettext("Choose a colleague first."), code="no_colleague")
    colleague = Staff.objects.working().filter(pk=int(number)).first()
    if colleague is None:  # as of somebody out of reach: numbers tell nothing
        raise AgentUnavailable
    if conversation.state == Conversation.State.OPEN:
        assignments.transfer_to(conversation, staff=colleague, actor=staff)
        return
    if not staff.has_perm(SUPERVISE):
        raise PermissionDenied
    assignments.assign(conversation, staff=colleague, actor=staff)


def _client_key(request: HttpRequest) -> str:
    key = request.POST.get("client_key", "")
    if not key or len(key) > 80:
        raise BadReply(gettext("The page is out of date: reload it."), code="no_key")
    return key


Write = Callable[[HttpRequest, Conversation, Staff], None]
VERBS: dict[str, tuple[str, Write]] = {
    "claim": (ANSWER, _claim),
    "reply": (ANSWER, _reply),
    "picture": (ANSWER, _picture),
    "note": ("", _note),
    "read": (ANSWER, _read),
    "close": ("", _close),
    "complain": (COMPLAIN, _complain),
    "praise": ("", _praise),
    "requeue": ("", _requeue),
    "give": ("", _give),
}


@require_POST
@for_the_desk
def status(request: HttpRequest) -> HttpResponse:
    """Choose online, busy or offline."""
    chosen = request.POST.get("status", "")
    if chosen not in AgentState.Status.values:
        raise Http404
    presence.set_status(staff_of(request), chosen)
    return JsonResponse({"ok": True})


@require_POST
@for_the_desk
def here(request: HttpRequest) -> HttpResponse:
    """Somebody opened the workspace, or has it open without a socket."""
    staff = staff_of(request)
    if staff.has_perm(ANSWER):
        presence.arrive(staff)
    else:
        presence.show(staff)
    return JsonResponse({"ok": True})


EMOJI = [
    "😊",
    "😄",
    "😂",
    "🥰",
    "😘",
    "😉",
    "🤔",
    "😅",
    "😭",
    "😢",
    "😮",
    "😴",
    "👍",
    "👌",
    "🙏",
    "👏",
    "💪",
    "🤝",
    "👋",
    "❤️",
    "🌹",
    "🎁",
    "🎉",
    "✨",
    "☀️",
    "🌙",
    "☕",
    "🍀",
    "✅",
    "❌",
    "⭐",
    "📦",
]
