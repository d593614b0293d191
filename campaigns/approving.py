"""A second person's yes to exactly this touch: what, to whom, through what, when.

Asking freezes the touch: the people are written down (campaigns.snapshots) and a digest
covers everything that was shown. Somebody else decides. Any change voids the yes.
Locks are taken touch first, then its approval.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from campaigns import audience, counts, exclusions, pace, quiet, reasons, snapshots
from campaigns.errors import ChangedMeanwhile, NotInThisState
from campaigns.models import Touch
from core import audit
from core.errors import AppError, NotAllowed
from core.models import Job
from core.registry import Text
from crm.segments import choosing
from staff.accounts import system_staff
from staff.models import Approval, Staff
from wechat.models import Account

ACTION = "campaigns.touch.send"
PERMISSION = "campaigns.approve_touch"
ASKED_FOR = timedelta(days=7)
# The kind of job that asks where many people are meant (campaigns.asking).
ASKING = "campaigns.ask"
State = Touch.State


class NotReady(AppError):
    """Something without which nobody can say yes; `extra["problems"]` lists it."""

    code = "touch_not_ready"

    def __init__(self, problems: list[Text]) -> None:
        found = [str(each) for each in problems]
        super().__init__(" ".join(found), problems=found)


class SecondPersonNeeded(NotAllowed):
    code = "second_person_needed"
    message = gettext_lazy("Somebody else must approve what you planned or asked for.")


class MayNotApprove(NotAllowed):
    code = "may_not_approve"
    message = gettext_lazy("You may not approve touches.")


class RequestOver(AppError):
    code = "request_over"
    message = gettext_lazy(
        "This request is settled already: somebody decided, took it back, or its time "
        "is over."
    )


class ChangedSinceAsked(AppError):
    code = "approval_outdated"
    message = gettext_lazy(
        "Something changed after approval was asked for, so the touch is a draft again."
    )


def digest_of(touch: Touch) -> str:
    """SHA-256 over all a second person says yes to, as it stands now."""
    version = touch.version
    covered = {
        "touch": touch.pk,
        "content": version.digest if version else "",
        "is_content_approved": bool(version and version.is_approved),
        "audience": touch.audience,
        "snapshot": touch.snapshot_digest,
        "planned": touch.planned_count,
        "channel": touch.channel,
        "account": touch.account_id,
        "scheduled_at": _stamp(touch.scheduled_at),
        "valid_until": _stamp(touch.valid_until),
        "batch_size": touch.batch_size,
    }
    if touch.topic_id is not None:
        covered["topic"] = touch.topic_id
    if segments := audience.segments_in(touch.audience):
        covered["segments"] = choosing.stand_of(segments)
    text = json.dumps(covered, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _stamp(at: datetime | None) -> float | None:
    return at.timestamp() if at else None


def is_current(touch: Touch, now: datetime | None = None) -> bool:
    """Whether the touch is approved as it stands, and the approval has not run out."""
    approval = touch.approval
    return (
        approval is not None
        and approval.state == Approval.State.APPROVED
        and approval.expires_at > (now or timezone.now())
        and bool(touch.digest)
        and digest_of(touch) == touch.digest
    )


# -- asking


def ask(touch: Touch, *, actor: Staff) -> Approval:
    """Freeze a draft and ask a second person. Raises NotReady, NotInThisState."""
    with transaction.atomic():
        row = _locked(touch)
        if row.state != State.DRAFT:
            raise NotInThisState(_("Approval was asked for already."))
        problems = problems_of(row)
        if problems:
            raise NotReady(problems)
        snapshots.take(row)
        people = counts.of([row.pk])[row.pk]
        if not people.waiting:
            raise NotReady([_nobody_left(people)])
        now = timezone.now()
        row.state, row.digest = State.IN_REVIEW, digest_of(row)
        row.reason_code = row.reason = ""
        row.approval = Approval.objects.create(
            action=ACTION,
            subject_type=row._meta.label_lower,
            subject_id=str(row.pk),
            summary=summary_of(row, people)[:300],
            digest=row.digest,
            requested_by=actor,
            expires_at=min(now + ASKED_FOR, pace.expiry(row) or now + ASKED_FOR),
        )
        row.revision += 1
        row.save(
            update_fields=[
                *("state", "digest", "reason_code", "reason", "approval", "revision"),
            ]
        )
        after = {"planned": people.planned, "waiting": people.waiting}
        _record("approval_asked", row, actor=actor, after=after)
    touch.refresh_from_db()
    assert row.approval is not None
    return row.approval


def asking_job(touch: Touch) -> Job | None:
    """The job that fixes the audience of this draft now, to ask about it."""
    if touch.state != State.DRAFT:
        return None
    in_play = [Job.State.QUEUED, Job.State.RUNNING]
    rows = Job.objects.filter(kind=ASKING, state__in=in_play, params__touch=touch.pk)
    return rows.order_by("-id").first()


def refuse_while_asking(touch: Touch) -> None:
    """A change would wait for the job, and make it worth nothing."""
    if asking_job(touch) is not None:
        raise NotInThisState(
            _("Its audience is being fixed: wait for that job, or cancel it first.")
        )


def problems_of(touch: Touch) -> list[Text]:
    """What has to be mended before anybody can be asked; empty when it is ready."""
    found: list[Text] = []
    version, now = touch.version, timezone.now()
    if version is None:
        found.append(_("Choose what is to be sent."))
    elif not version.is_approved:
        found.append(_("The content is not approved (any more)."))
    if touch.account.state != Account.State.LIVE:
        found.append(_("The account is not live, so nothing can be sent through it."))
    if touch.campaign.is_over:
        found.append(_("The campaign is over."))
    if touch.scheduled_at and touch.scheduled_at <= now:
        found.append(_("The time it was to go out is past: choose another one."))
    if pace.is_expired(touch, now):
        found.append(_("The time in which it makes sense is over."))
    elif quiet.next_allowed(exclusions.moment_of(touch)) >= exclusions.end_of(touch):
        found.append(str(reasons.words("quiet_hours")))
    try:
        audience.parse(touch.audience, account=touch.account)
    except audience.AudienceInvalid as refusal:
        found += refusal.problems
    return found


def _nobody_left(people: counts.Counts) -> str:
    if not people.planned:
        return _("The audience is empty: nobody is meant by it.")
    why = ", ".join(
        f"{reasons.label(code)} {count:,}" for code, count in people.reasons.items()
    )
    return _("Nobody would get it. Left out: %(why)s.") % {"why": why}


def summary_of(touch: Touch, people: counts.Counts) -> str:
    """One line for who decides; a send to (nearly) everybody begins with that."""
    rule = audience.parse(touch.audience, account=touch.account)
    by_reason = people.reasons | {"": people.waiting}
    text = _("%(touch)s: %(count)s people of %(planned)s, %(account)s, %(channel)s") % {
        "touch": touch.name,
        "count": f"{people.waiting:,}",
        "planned": f"{people.planned:,}",
        "account": touch.account,
        "channel": touch.get_channel_display(),
    }
    if audience.is_whole_base(rule, touch.account, by_reason):
        return _("TO THE WHOLE BASE — %(text)s") % {"text": text}
    return text


# -- deciding


def decide(touch: Touch, *, actor: Staff, is_yes: bool, reason: str = "") -> Touch:
    """Say yes or no to what was asked; the touch as it stands then.

    `touch` is what the person has read: another revision may say other things. Raises
    ChangedMeanwhile, SecondPersonNeeded, MayNotApprove, RequestOver for the second of
    two, ChangedSinceAsked (the touch is a draft again then), NotReady when its time has
    come.
    """
    with transaction.atomic():
        row, refusal = _decide(touch, actor=actor, is_yes=is_yes, reason=reason)
    if refusal is not None:
        raise refusal
    return row


def _decide(
    touch: Touch, *, actor: Staff, is_yes: bool, reason: str
) -> tuple[Touch, AppError | None]:
    """Refusals that leave something written are returned, not raised."""
    row = _locked(touch)
    asked = row.approval = _open_request(row)
    if asked is None:
        raise RequestOver
    _refuse_the_same_person(row, asked, actor)
    if touch.revision != row.revision:
        raise ChangedMeanwhile
    if asked.digest != row.digest or digest_of(row) != row.digest:
        void(row, "approval_outdated", actor=actor)
        return row, ChangedSinceAsked()
    if is_yes and (problems := problems_of(row)):
        raise NotReady(problems)
    states = Approval.State
    asked.state = states.APPROVED if is_yes else states.REFUSED
    asked.approver, asked.decided_at, asked.reason = actor, timezone.now(), reason[:500]
    asked.save(update_fields=["state", "approver", "decided_at", "reason"])
    if is_yes:
        row.state = State.APPROVED
        row.revision += 1
        row.save(update_fields=["state", "revision"])
    else:
        _back_to_draft(row, "refused", reason)
    _record("approved" if is_yes else "refused", row, actor=actor, reason=reason)
    return row, None


def _refuse_the_same_person(row: Touch, asked: Approval, actor: Staff) -> None:
    if not actor.has_perm(PERMISSION):
        raise MayNotApprove
    if not Touch.objects.visible_to(actor).filter(pk=row.pk).exists():
        raise MayNotApprove
    if actor.pk in (asked.requested_by_id, row.created_by_id):
        raise SecondPersonNeeded


def withdraw(touch: Touch, *, actor: Staff) -> Touch:
    """Take a request or an approval back: the touch is a draft again."""
    with transaction.atomic():
        row = _locked(touch)
        if row.state not in (State.IN_REVIEW, State.APPROVED):
            raise NotInThisState(_("There is nothing to take back."))
        void(row, "taken_back", actor=actor)
    return row


def void(touch: Touch, why: str, *, actor: Staff | None = None) -> None:
    """Take a touch that has not begun back to draft; its row is locked by the caller.

    `why`: a code of campaigns.reasons. Does nothing to a draft.
    """
    if touch.state == State.DRAFT:
        return
    before = touch.state
    drop_request(touch)
    _back_to_draft(touch, why, "")
    _record(
        "approval_voided",
        touch,
        actor=actor or system_staff("campaigns.approving"),
        before={"state": before},
        after={"state": touch.state, "why": why},
    )


def drop_request(touch: Touch) -> None:
    """Void the open request or the approval of a touch, if it has one."""
    states = [Approval.State.REQUESTED, Approval.State.APPROVED]
    rows = Approval.objects.filter(state__in=states)
    rows.filter(pk__in=[touch.approval_id]).update(state=Approval.State.VOID)


def _back_to_draft(touch: Touch, code: str, reason: str) -> None:
    touch.state, touch.digest = State.DRAFT, ""
    touch.reason_code, touch.reason = code, reason[:300]
    touch.resumes_at = None
    touch.revision += 1
    touch.save(
        update_fields=[
            *("state", "digest", "reason_code", "reason", "resumes_at", "revision"),
        ]
    )
    snapshots.drop(touch)


def expire() -> int:
    """Void requests nobody decided in time and approvals that ran out; how many."""
    rows = Touch.objects.filter(
        state__in=[State.IN_REVIEW, State.APPROVED],
        approval__expires_at__lte=timezone.now(),
    )
    done = 0
    for pk in list(rows.values_list("pk", flat=True)[:100]):
        with transaction.atomic():
            row = _locked(Touch(pk=pk))
            is_over = row.approval and row.approval.expires_at <= timezone.now()
            if row.state in (State.IN_REVIEW, State.APPROVED) and is_over:
                void(row, "approval_expired")
                done += 1
    return done


def waiting_for(staff: Staff) -> list[Touch]:
    """Touches somebody else asked approval for and this person may decide on."""
    if not staff.has_perm(PERMISSION):
        return []
    rows = Touch.objects.visible_to(staff).filter(
        state=State.IN_REVIEW, approval__expires_at__gt=timezone.now()
    )
    others = rows.exclude(created_by=staff).exclude(approval__requested_by=staff)
    return list(others.select_related("campaign", "account", "approval__requested_by"))


# -- rows


def _locked(touch: Touch) -> Touch:
    return (
        Touch.objects.select_related(
            "campaign__org_unit", "account__org_unit", "version", "approval"
        )
        .select_for_update(no_key=True, of=("self",))
        .get(pk=touch.pk)
    )


def _open_request(touch: Touch) -> Approval | None:
    """The request nobody decided yet, locked."""
    if touch.state != State.IN_REVIEW or touch.approval_id is None:
        return None
    return (
        Approval.objects.open().select_for_update().filter(pk=touch.approval_id).first()
    )


def _record(verb: str, touch: Touch, *, actor: Staff, **told: object) -> None:
    audit.record(
        f"campaigns.touch.{verb}",
        touch,
        actor=actor,
        label=touch.name,
        **told,  # type: ignore[arg-type]
    )
