"""The roles of the console: Groups whose permissions are written here, in code.

`sync_roles` makes the groups equal to this table; nobody edits them in the admin.
docs/roles.md tells people what each role may do and why.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core import audit
from staff.models import Staff

ADMINISTRATOR = "administrator"


@dataclass(frozen=True)
class Role:
    """`permissions` are "app.codename"; names of models not installed are left out."""

    name: str
    label: str | Promise
    permissions: frozenset[str]


def _view(*models: str) -> frozenset[str]:
    return frozenset("{}.view_{}".format(*model.split(".")) for model in models)


def _edit(*models: str) -> frozenset[str]:
    return frozenset(
        "{}.{}_{}".format(model.split(".")[0], verb, model.split(".")[1])
        for model in models
        for verb in ("view", "add", "change", "delete")
    )


_MEMBERS = _view("crm.member", "crm.identity", "crm.relation", "crm.event")
_MEMBERS |= _view("crm.tag", "crm.taggroup", "crm.membertag")
_MEMBERS |= _view("crm.order", "crm.orderitem", "crm.refund", "crm.product")
_TAGS = _edit("crm.tag", "crm.taggroup")
_SEGMENTS = _view("crm.segment")
_WRITING_SEGMENTS = _SEGMENTS | {"crm.add_segment", "crm.change_segment"}
_CONSENT = _view("crm.consententry", "crm.consenttext", "crm.topic")
# What a member said elsewhere, with its evidence; and what they may choose from.
_ENTERING = {"crm.add_consententry"}
_TOPICS = {"crm.add_topic", "crm.change_topic"}
_COMPLAINTS = {"crm.view_complaint", "crm.change_complaint"}
# Puts records of one person together; seen by all who look after the base as a whole.
_MERGING = _view("crm.merge", "crm.matchreview") | {"crm.merge_member"}
_CONVERSATIONS = _view("service.conversation", "service.message", "service.queue")
_REMARKING = {"crm.remark_member", "crm.tag_member"}
_REMARKING |= {"crm.change_member", "crm.view_note", "crm.add_note"}
_ASSIGNING = {"crm.assign_member"}
_ANSWERING = (
    _CONVERSATIONS
    | _MEMBERS
    | _REMARKING
    | _COMPLAINTS
    | {"service.answer_conversation"}
)
_SUPERVISING = (
    _ANSWERING
    | _edit("service.queue")
    | _view("service.agentstate", "service.assignment", "content.answerrule")
    | _view("service.rating")
    | {"service.change_agentstate", "service.supervise_conversation"}
    | {"crm.reveal_member"}
    | _ASSIGNING
)
_ACCOUNTS = _view("wechat.account", "wechat.kfaccount", "wechat.colleague")
_GATEWAY = _ACCOUNTS | _view(
    *("wechat.app", "wechat.inboundevent", "wechat.outboundmessage"),
    *("wechat.outboundbatch", "wechat.batchattempt"),
    *("wechat.attempt", "wechat.syncrun", "wechat.platformlimit", "wechat.quotause"),
)
_READING_CONTENT = _view("content.item", "content.marketingday")
_WRITING_CONTENT = (
    _READING_CONTENT
    | _edit("content.item")
    | {"content.submit_item", "content.schedule_item"}
)
_ANSWERS = _edit("content.answerrule") | {"content.test_answerrule"}
_CONTENT = _ANSWERS | _WRITING_CONTENT
_APPROVING_CONTENT = {"content.approve_item"} | _edit("content.marketingday")
_PEOPLE = _view("staff.staff", "staff.orgunit")
_CAMPAIGNS = _view(
    *("campaigns.campaign", "campaigns.task", "campaigns.gateitem", "campaigns.touch"),
    "campaigns.recipient",
)
_PLANNING = (
    _CAMPAIGNS
    | {
        f"campaigns.{verb}_{name}"
        for verb in ("add", "change")
        for name in ("campaign", "task", "gateitem", "touch")
    }
    # Starts only what somebody else has approved.
    | {"campaigns.send_touch"}
)
_APPROVING = {"campaigns.approve_touch"}
_FIGURES = frozenset({"campaigns.view_recap", "reports.view_figures"})
_RECAPPING = _FIGURES | {"campaigns.change_recap"}
_WEIGHTS = _view("reports.metricweight")
_SEEING_VALUES = _view("crm.scoreweight", "crm.category")
# What the token of a shop needs, and what its people keep.
_SELLING = _edit("crm.product") | {"crm.add_order"}
_WEIGHING = _edit("crm.scoreweight", "crm.category")

_IMPORTING = frozenset({"crm.import_member"})
_EXPORTING = frozenset({"crm.export_member"})

_OPS_SPECIALIST = (
    _MEMBERS
    | _IMPORTING
    | _REMARKING
    | _ASSIGNING
    | _TAGS
    | _WRITING_SEGMENTS
    | _CONSENT
    | _ENTERING
    | _TOPICS
    | _COMPLAINTS
    | _ACCOUNTS
    | _CONTENT
    | _PLANNING
    | _RECAPPING
    | _SEEING_VALUES
)
_OPS_MANAGER = (
    _OPS_SPECIALIST
    | _EXPORTING
    | {"crm.approve_export"}
    | _GATEWAY
    | _SUPERVISING
    | _PEOPLE
    | _APPROVING_CONTENT
    | _APPROVING
    | _WEIGHTS
    | _WEIGHING
    | _SELLING
    | _MERGING
    | _view("staff.approval", "core.job")
    | {"wechat.change_account", "wechat.check_connection", "wechat.go_live_account"}
    | {"wechat.replay_inboundevent", "wechat.resolve_outboundmessage"}
    | {"wechat.resolve_outboundbatch"}
    | {"wechat.reveal_inboundevent"}
    | {"wechat.change_outboundmessage", "core.view_health"}
) - {"service.answer_conversation"}

ROLES: tuple[Role, ...] = (
    # Administrators are superusers: every permission, every row (assign_roles).
    Role(ADMINISTRATOR, _("Administrator"), frozenset()),
    Role(
        "privacy_officer",
        _("Privacy officer"),
        _MEMBERS
        | _EXPORTING
        | {"crm.approve_export"}
        | _SEGMENTS
        | _CONSENT
        | _ENTERING
        | _COMPLAINTS
        | {"crm.add_consenttext"}
        | _MERGING
        | _PEOPLE
        | _CAMPAIGNS
        | _view("core.auditentry", "core.job", "wechat.account")
        | {"crm.reveal_member", "crm.change_member", "crm.view_note"},
    ),
    Role("ops_specialist", _("Operations specialist"), _OPS_SPECIALIST),
    Role(
        "community_manager",
        _("Community manager"),
        _ANSWERING
        | _ACCOUNTS
        | _SEGMENTS
        | _view("content.answerrule")
        | _CONSENT
        | _ENTERING
        | _ASSIGNING
        | _WRITING_CONTENT
        | _PLANNING
        | _FIGURES,
    ),
    Role("agent", _("Agent"), _ANSWERING | _view("content.answerrule")),
    Role(
        "supervisor",
        _("Supervisor"),
        _SUPERVISING | _view("staff.staff") | _READING_CONTENT | _CAMPAIGNS | _FIGURES,
    ),
    Role("ops_manager", _("Operations manager"), _OPS_MANAGER),
    Role(
        "store_manager",
        _("Store manager"),
        _ANSWERING
        | _SEGMENTS
        | _CONSENT
        | _ENTERING
        | _PEOPLE
        | _READING_CONTENT
        | _CAMPAIGNS
        | _FIGURES
        | _ASSIGNING
        | {"crm.reveal_member"},
    ),
    Role(
        "dealer",
        _("Dealer"),
        _SUPERVISING
        | _IMPORTING
        | _EXPORTING
        | {"crm.approve_export"}
        | _TAGS
        | _WRITING_SEGMENTS
        | _CONSENT
        | _ENTERING
        | _TOPICS
        | {"crm.add_consenttext"}
        | _MERGING
        | _CONTENT
        | {"content.approve_item"}
        | _PEOPLE
        | _GATEWAY
        # Plans and approves inside the own controller; nobody of the brand could.
        | _PLANNING
        | _APPROVING
        | _RECAPPING
        | _WEIGHTS
        | _WEIGHING
        | _SELLING
        | {"wechat.check_connection", "wechat.replay_inboundevent"}
        | {"wechat.reveal_inboundevent"},
    ),
    Role(
        "analyst",
        _("Analyst"),
        _MEMBERS
        | _EXPORTING
        | _SEGMENTS
        | _ACCOUNTS
        | _READING_CONTENT
        | _CAMPAIGNS
        | _FIGURES
        | _WEIGHTS
        | _SEEING_VALUES
        # Counts and stages, not the words of customers.
        | _view("content.answerrule", "service.queue"),
    ),
)
BY_NAME = {role.name: role for role in ROLES}


def role_label(name: str) -> str:
    """The role in the reader's language; a group nobody knows keeps its name."""
    return str(BY_NAME[name].label) if name in BY_NAME else name


def _all_permissions() -> dict[str, Permission]:
    return {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }


@transaction.atomic
def sync_roles() -> dict[str, list[str]]:
    """Make every role's group what this file says.

    Returns the permissions a role names that no installed app has; tests keep it empty.
    """
    known = _all_permissions()
    missing: dict[str, list[str]] = {}
    for role in ROLES:
        group, _created = Group.objects.get_or_create(name=role.name)
        wanted = role.permissions if role.name != ADMINISTRATOR else frozenset(known)
        group.permissions.set([known[name] for name in wanted if name in known])
        unknown = sorted(wanted - known.keys())
        if unknown:
            missing[role.name] = unknown
    return missing


@transaction.atomic
def assign_roles(person: Staff, names: Iterable[str], *, actor: Staff) -> None:
    """Give a person exactly these roles; administrators become superusers.

    Permissions are read on every request, so open sessions lose them at once; they are
    ended anyway, as after any change of rights.
    """
    from staff.accounts import end_sessions

    wanted = sorted(set(names))
    before = sorted(person.groups.values_list("name", flat=True))
    is_administrator = ADMINISTRATOR in wanted
    if wanted == before and person.is_superuser == is_administrator:
        return
    person.groups.set(Group.objects.filter(name__in=wanted))
    person.is_superuser = is_administrator
    person.save(update_fields=["is_superuser"])
    audit.record(
        "staff.staff.roles_changed",
        person,
        actor=actor,
        before={"roles": before},
        after={"roles": wanted},
        label=person.username,
    )
    end_sessions(person)
