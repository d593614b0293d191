"""What the member page shows of consent: the ledger, what stands, links, complaints."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from core.ids import as_id
from crm import preference_links, preferences, quiet_hours
from crm.models import Complaint, ConsentEntry, ConsentText, Member, Preference, Topic
from crm.models.consents import NO_END, Channel, Purpose
from staff.requests import staff_of

VIEW, ENTER = "crm.view_consententry", "crm.add_consententry"
VIEW_COMPLAINTS, COMPLAIN = "crm.view_complaint", "crm.change_complaint"
SHOWN_ENTRIES = 8
SHOWN_TEXTS = 20


def context_of(request: HttpRequest, member: Member) -> dict[str, Any]:
    """For crm/member_consents.html, by what the person may see and do."""
    staff = staff_of(request)
    stands = member.purged_at is None and member.merged_into_id is None
    context: dict[str, Any] = {
        "may_see_consents": staff.has_perm(VIEW),
        "may_enter_consent": stands and staff.has_perm(ENTER),
        "may_see_complaints": staff.has_perm(VIEW_COMPLAINTS),
        "may_complain": stands and staff.has_perm(COMPLAIN),
    }
    if context["may_see_consents"]:
        rows = ConsentEntry.objects.filter(member=member)
        found = list(
            rows.select_related("account", "topic", "text")[: SHOWN_ENTRIES + 1]
        )
        context["consent_entries"] = found[:SHOWN_ENTRIES]
        context["has_more_entries"] = len(found) > SHOWN_ENTRIES
        context["choices_made"] = _choices_made(member)
    if context["may_enter_consent"]:
        context["consent_subjects"] = subjects_of(member)
        context["consent_texts"] = texts_of(member)
        context["entry_key"] = uuid.uuid4().hex
        context["preference_link"] = preference_links.address_of(member)
    if context["may_see_complaints"]:
        context["complaints"] = list(
            member.complaints.select_related("opened_by", "closed_by")[:5]
        )
        context["frozen"] = frozen_words(member)
    return context


def _choices_made(member: Member) -> list[str]:
    """What the member switched off, in words; the ledger says when."""
    chosen = Preference.objects.filter(member=member).first()
    found: list[str] = []
    if chosen is not None:
        labels = dict(Channel.choices)
        found += [str(labels[each]) for each in chosen.channels_off if each in labels]
        if chosen.topics_off:
            topics = Topic.objects.filter(pk__in=chosen.topics_off)
            found += [topic.name for topic in topics]
    off = [_("does not want: %(what)s") % {"what": each} for each in found]
    if chosen is not None and chosen.max_per_week:
        off.append(_("At most %(count)d a week") % {"count": chosen.max_per_week})
    quiet = chosen and quiet_hours.of(chosen.quiet_from, chosen.quiet_until)
    if quiet:
        off.append(_("Do not disturb %(hours)s") % {"hours": quiet})
    if member.no_personalisation:
        off.append(_("No personalisation"))
    return off


def subjects_of(member: Member) -> list[tuple[str, str]]:
    """What an entry by hand can be about: (code, words); `read_subject` reads the code."""
    found = [(str(Purpose.MARKETING), _("All marketing"))]
    labels = dict(Channel.choices)
    found += [(f"marketing:{value}", str(label)) for value, label in labels.items()]
    found += [
        (f"topic:{topic.pk}", _("Topic: %(topic)s") % {"topic": topic})
        for topic in preferences.topics_of(member)
    ]
    found.append((str(Purpose.PERSONALISATION), str(Purpose.PERSONALISATION.label)))
    return found


def read_subject(member: Member, code: str) -> dict[str, Any] | None:
    """Arguments of crm.consent for a code of `subjects_of`; None for any other."""
    if code not in dict(subjects_of(member)):
        return None
    purpose, _colon, rest = code.partition(":")
    if purpose == Purpose.TOPIC:
        return {"purpose": purpose, "topic": Topic.objects.get(pk=int(rest))}
    return {"purpose": purpose, "channel": rest}


def texts_of(member: Member) -> list[ConsentText]:
    """Versions that may have been shown to the member, newest first."""
    rows = ConsentText.objects.of_controller(member.controller_id)
    return list(rows.order_by("-effective_from", "-pk")[:SHOWN_TEXTS])


def frozen_words(member: Member) -> str:
    """ "" when marketing is not frozen."""
    until = member.frozen_until
    if until is None or until <= timezone.now():
        return ""
    if until >= NO_END:
        return _("Marketing is frozen until the complaint is closed.")
    return _("Marketing is frozen until %(day)s.") % {
        "day": timezone.localtime(until).strftime("%Y-%m-%d")
    }


def complaint_of(member: Member, text: str) -> Complaint | None:
    """The member's complaint with the id a form sent; None for any other text."""
    pk = as_id(text)
    return None if pk is None else member.complaints.filter(pk=pk).first()
