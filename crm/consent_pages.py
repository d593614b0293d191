"""What people enter on the member page: consents, complaints, and void links."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.errors import AppError
from crm import complaints, consent, consent_panel, preference_links
from crm.models import ConsentText, Member
from crm.pages import show_with
from staff.requests import require

_KEY = re.compile(r"[0-9a-f]{32}")
EVIDENCE_LENGTH = 200


@require_POST
def enter(request: HttpRequest, member: Member) -> HttpResponse:
    """Write a yes or no the member gave elsewhere, with what proves it."""
    actor = require(request, consent_panel.ENTER)
    _refuse_gone(member)
    sent = request.POST
    evidence, key = sent.get("evidence", "").strip(), sent.get("key", "")
    subject = consent_panel.read_subject(member, sent.get("subject", ""))
    problem = ""
    if subject is None:
        problem = _("Choose what it is about.")
    elif sent.get("action") not in ("granted", "withdrawn"):
        problem = _("Choose whether they agreed or refused.")
    elif not 2 <= len(evidence) <= EVIDENCE_LENGTH:
        problem = _("Write what proves it, in 2 to 200 characters.")
    elif not _KEY.fullmatch(key):
        problem = _("The page is out of date: reload it.")
    if problem or subject is None:
        return _again(request, member, consent_error=problem)
    write = consent.grant if sent["action"] == "granted" else consent.withdraw
    is_new = write(
        member,
        actor=actor,
        at=timezone.now(),
        key=f"staff:{member.pk}:{key}",
        source="staff",
        evidence=evidence,
        text=_text(member, sent.get("text", "")),
        **subject,
    )
    if is_new:
        messages.success(request, _("It stands in the ledger."))
    return _back(member, "consents")


@require_POST
def complain(request: HttpRequest, member: Member) -> HttpResponse:
    """Note a complaint (`reason`), or close the one named `close` (`outcome`)."""
    actor = require(request, consent_panel.COMPLAIN)
    _refuse_gone(member)
    try:
        if "close" in request.POST:
            known = consent_panel.complaint_of(member, request.POST["close"])
            if known is None:
                raise Http404
            outcome = request.POST.get("outcome", "")
            complaints.close(known, outcome=outcome, actor=actor)
            words = _("The complaint was closed.")
        else:
            reason = request.POST.get("reason", "")
            complaints.begin(member, reason=reason, actor=actor)
            words = _("The complaint was noted; marketing is frozen.")
    except AppError as refusal:
        return _again(request, member, complaint_error=str(refusal.message))
    messages.success(request, words)
    return _back(member, "complaints")


@require_POST
def revoke_links(request: HttpRequest, member: Member) -> HttpResponse:
    """Make every link to the preference page void that the member was given so far."""
    actor = require(request, consent_panel.ENTER)
    preference_links.revoke(member, actor=actor)
    messages.success(request, _("All links given out so far are void."))
    return _back(member, "consents")


def _again(request: HttpRequest, member: Member, **error: str) -> HttpResponse:
    """The page with the form as it was sent."""
    given: dict[str, Any] = {**error, "sent": request.POST.dict()}
    return show_with(request, member, status=409, **given)


def _text(member: Member, given: str) -> ConsentText | None:
    for text in consent_panel.texts_of(member):
        if str(text.pk) == given:
            return text
    return None


def _refuse_gone(member: Member) -> None:
    """Merged and purged records are history."""
    if member.purged_at is not None or member.merged_into_id is not None:
        raise Http404


def _back(member: Member, place: str) -> HttpResponse:
    address = reverse("admin:crm_member_change", args=[member.pk])
    return HttpResponseRedirect(f"{address}#{place}")
