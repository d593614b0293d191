"""Two records side by side: decide, merge by hand, look at a merge, take it apart."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.db.models import Count, F, Q, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from core.errors import AppError
from core.ids import as_id
from core.pages import console_page
from crm import matching, members, merge_words, merging, registry, standing
from crm.models import (
    Identity,
    MatchReview,
    Member,
    MemberTag,
    Merge,
    MergeStep,
    Order,
    Relation,
)
from crm.reviews import standing_sides
from staff.models import Staff
from staff.requests import require, staff_of

MERGE = "crm.merge_member"
FOUND = 20
_WHY_LENGTH = 200


@dataclass
class Side:
    """One of two records, as people compare them."""

    member: Member
    identities: list[Identity] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    tags: list[MemberTag] = field(default_factory=list)
    order_count: int = 0
    spend: Decimal = Decimal(0)

    @property
    def marketing(self) -> standing.Standing:
        """Whether marketing may reach the record."""
        return standing.marketing(self.member)

    @property
    def masked_name(self) -> str:
        """The real name but for its first character."""
        name = self.member.real_name
        return f"{name[0]}{'*' * (len(name) - 1)}" if name else ""


def sides_of(*people: Member) -> list[Side]:
    """What is compared, in one query of each kind."""
    sides = {member.pk: Side(member) for member in people}
    identities = Identity.objects.filter(member__in=sides).select_related("account")
    for identity in identities.order_by("kind", "account_id", "pk"):
        sides[identity.member_id].identities.append(identity)
    relations = Relation.objects.filter(member__in=sides).select_related("colleague")
    for relation in relations.order_by("-added_at", "pk"):
        sides[relation.member_id].relations.append(relation)
    tags = MemberTag.objects.filter(member__in=sides).in_order().select_related("tag")
    for tag in tags:
        sides[tag.member_id].tags.append(tag)
    sums = Order.objects.paid().filter(member__in=sides).values("member")
    for row in sums.annotate(n=Count("pk"), spend=Sum(F("amount") - F("refunded"))):
        side = sides[row["member"]]
        side.order_count, side.spend = row["n"], row["spend"]
    return [sides[member.pk] for member in people]


# What only one of can be true of one person.
_COMPARED = ("real_name", "phone_hash", "gender", "birthday", "city")


def _differences(one: Member, other: Member) -> set[str]:
    """Names of the fields both records know, and know differently."""
    pairs = ((name, getattr(one, name), getattr(other, name)) for name in _COMPARED)
    return {name for name, mine, theirs in pairs if mine and theirs and mine != theirs}


# -- the review list


def _sides(staff: Staff, review: MatchReview) -> tuple[Member, Member]:
    """Both as they stand; Http404 when one became somebody out of the person's scope."""
    pair = standing_sides(review)
    wanted = {side.pk for side in pair}
    rows = Member.objects.visible_to(staff).filter(pk__in=wanted)
    if rows.count() != len(wanted):
        raise Http404
    return pair


def show_review(
    request: HttpRequest, review: MatchReview, *, status: int = 200, error: str = ""
) -> HttpResponse:
    """Both records side by side; Http404 when one is out of the person's scope."""
    staff = staff_of(request)
    one, other = _sides(staff, review)
    is_open = review.state == MatchReview.State.OPEN
    context = {
        "review": review,
        "sides": sides_of(one, other) if one.pk != other.pk else [],
        "differs": _differences(one, other),
        "speaks_for": merge_words.speaks_for(review.evidence),
        "against": merge_words.speaks_against(review.evidence),
        "may_decide": is_open and staff.has_perm(MERGE) and one.pk != other.pk,
        "became": one if one.pk == other.pk else None,
        "merge": _merge_of(staff, review) if one.pk == other.pk else None,
        "next": _next(staff, review),
        "error": error,
    }
    return console_page(
        request,
        "crm/match_review.html",
        title=_("One person or two?"),
        above=[MatchReview],
        context=context,
        status=status,
    )


def _merge_of(staff: Staff, review: MatchReview) -> Merge | None:
    """The merge that made one record of exactly these two."""
    pair = [review.first_id, review.second_id]
    rows = Merge.objects.visible_to(staff).filter(kept__in=pair, gone__in=pair)
    return rows.order_by("-pk").first()


def _next(staff: Staff, review: MatchReview) -> MatchReview | None:
    """The next open pair below this one on the list, else the first of all."""
    rows = MatchReview.objects.visible_to(staff).open().exclude(pk=review.pk)
    older = rows.filter(raised_at__lte=review.raised_at).order_by("-raised_at", "-pk")
    return older.first() or rows.order_by("-raised_at", "-pk").first()


@require_POST
def decide(request: HttpRequest, review: MatchReview) -> HttpResponse:
    """`keep` (an id): one person, this record stays; `apart`: two people."""
    staff = require(request, MERGE)
    following = _next(staff, review)
    try:
        if "apart" in request.POST:
            matching.two_people(review, actor=staff)
            messages.success(request, _("Two people: the pair is not raised again."))
        else:
            kept = _keep(staff, review, request.POST.get("keep", ""))
            matching.one_person(review, kept.pk, actor=staff)
            _tell_merged(request, kept)
    except AppError as refusal:
        fresh = MatchReview.objects.select_related(
            *("first__merged_into", "second__merged_into", "decided_by")
        ).get(pk=review.pk)
        return show_review(request, fresh, status=409, error=str(refusal.message))
    if following is None:
        return redirect("admin:crm_matchreview_changelist")
    return redirect("admin:crm_matchreview_change", following.pk)


def _keep(staff: Staff, review: MatchReview, given: str) -> Member:
    for side in _sides(staff, review):
        if str(side.pk) == given:
            return side
    raise Http404


def _tell_merged(request: HttpRequest, kept: Member) -> None:
    merge = Merge.objects.standing().filter(kept=kept).order_by("-pk").first()
    if merge is None:
        return
    messages.success(
        request,
        format_html(
            '{} <a class="underline" href="{}">{}</a>',
            _("The two records are one now."),
            reverse("admin:crm_merge_change", args=[merge.pk]),
            _("Look at it or undo it"),
        ),
    )


# -- by hand


@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Look up the other record, compare (POST `other`), merge (POST `keep` and `why`)."""
    staff = require(request, MERGE)
    given = request.POST if request.method == "POST" else request.GET
    member = _member(staff, given.get("member", ""))
    other = _member(staff, given.get("other", ""))
    is_pair = member is not None and other is not None and member.pk != other.pk
    if request.method == "POST" and is_pair:
        assert member is not None
        assert other is not None
        return _compare(request, member, other)
    return _look_up(request, member)


def _member(staff: Staff, given: str) -> Member | None:
    pk = as_id(given)
    if pk is None:
        return None
    rows = Member.objects.visible_to(staff).known().select_related("org_unit")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def _look_up(request: HttpRequest, member: Member | None) -> HttpResponse:
    staff = staff_of(request)
    text = request.GET.get("q", "").strip()
    among = None
    if member is not None:
        among = Q(controller=member.controller_id) & ~Q(pk=member.pk)
    found = members.look_up(staff, text, FOUND, among=among)
    context = {
        "member": member,
        "q": text,
        "found": found,
        "has_more": len(found) == FOUND,
    }
    return console_page(
        request,
        "crm/merge_new.html",
        title=_("Merge two records"),
        above=[member or Merge],
        context=context,
    )


def _compare(request: HttpRequest, member: Member, other: Member) -> HttpResponse:
    staff = staff_of(request)
    reason = request.POST.get("why", "").strip()[:_WHY_LENGTH]
    kept = other if request.POST.get("keep") == str(other.pk) else member
    gone = member if kept is other else other
    error = ""
    if "keep" in request.POST:
        error = _merge(kept, gone, actor=staff, why=reason)
        if not error:
            _tell_merged(request, kept)
            return redirect("admin:crm_member_change", kept.pk)
    try:
        steps = merging.foresee(member, other, actor=staff)
    except AppError as refusal:
        steps, error = [], str(refusal.message)
    speaks_for, against = matching.weigh(member, other)
    evidence = {"for": speaks_for, "against": against}
    context = {
        "member": member,
        "other": other,
        "sides": sides_of(member, other),
        "differs": _differences(member, other),
        "speaks_for": merge_words.speaks_for(evidence),
        "against": merge_words.speaks_against(evidence),
        "lines": merge_words.table_lines(steps),
        "why": reason,
        "error": error,
    }
    return console_page(
        request,
        "crm/merge_compare.html",
        title=_("Merge two records"),
        above=[member],
        context=context,
        status=409 if error else 200,
    )


def _merge(kept: Member, gone: Member, *, actor: Staff, why: str) -> str:
    """Make one of the two; what is in the way, in words, "" when it is done."""
    if not why:
        return _("Say why they are one person: it is kept with your name.")
    try:
        merging.merge(kept, gone, actor=actor, why=why)
    except AppError as refusal:
        return str(refusal.message)
    return ""


# -- merges


def show_merge(
    request: HttpRequest,
    merge: Merge,
    *,
    status: int = 200,
    error: str = "",
    reason: str = "",
) -> HttpResponse:
    """What went where and why; `error` and `reason` come back from a refused undo."""
    staff = staff_of(request)
    steps = list(MergeStep.objects.filter(merge=merge).defer("rows", "ids"))
    later = merging.later_merges(merge).first()
    is_purged = merge.kept.purged_at is not None or merge.gone.purged_at is not None
    context: dict[str, Any] = {
        "merge": merge,
        "why": merge_words.why(merge.why),
        "lines": merge_words.table_lines(steps),
        "later": later,
        "is_purged": is_purged,
        "undone_why": merging.undone_why(merge),
        "may_undo": staff.has_perm(MERGE)
        and merge.undone_at is None
        and later is None
        and not is_purged,
        "error": error,
        "reason": reason,
    }
    return console_page(
        request,
        "crm/merge.html",
        title=_("Merge"),
        above=[Merge],
        context=context,
        status=status,
    )


@require_POST
def undo(request: HttpRequest, merge: Merge) -> HttpResponse:
    """Take the merge apart again, for a `reason`; refused, the page says why."""
    staff = require(request, MERGE)
    reason = request.POST.get("reason", "")[:500]
    try:
        back = merging.unmerge(merge, actor=staff, reason=reason)
    except AppError as refusal:
        fresh = Merge.objects.select_related("kept", "gone", "actor", "undone_by")
        return show_merge(
            request,
            fresh.get(pk=merge.pk),
            status=409,
            error=str(refusal.message),
            reason=reason,
        )
    messages.success(request, _("The two are separate again."))
    return redirect("admin:crm_member_change", back.pk)


# -- the box of the member page


def _panel(request: HttpRequest, member: Member) -> str:
    staff = staff_of(request)
    rows = Merge.objects.standing().filter(kept=member).select_related("actor")
    context = {
        "member": member,
        "merges": [(row, merge_words.why(row.why)) for row in rows[:10]],
        "pairs": list(matching.pairs_about(member, staff)[:5]),
        "may_merge": staff.has_perm(MERGE) and member.purged_at is None,
    }
    if not (context["merges"] or context["pairs"] or context["may_merge"]):
        return ""
    return render_to_string("crm/merge_panel.html", context)


def register() -> None:
    """Called once, in AppConfig.ready()."""
    registry.add_panel(
        registry.Panel(
            "merges",
            gettext_lazy("Merged records"),
            "crm.view_merge",
            _panel,
            order=80,
            side="left",
        )
    )
