"""What the actions of the audit trail are called on screen.

Only this layer knows every app; tests/core/test_audit.py finds the actions of the code
that have no name here.
"""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.registry import Text, audit_labels, audit_values, writer_labels
from crm.models import PURPOSES, SOURCES
from staff.roles import ROLES

LABELS: dict[str, Text] = {
    "campaigns.campaign.cancelled": _("Campaign cancelled"),
    "campaigns.campaign.closed": _("Campaign closed"),
    "campaigns.campaign.created": _("Campaign planned"),
    "campaigns.campaign.moved": _("Live date moved"),
    "campaigns.campaign.started": _("Campaign started"),
    "campaigns.gateitem.ticked": _("Gate point ticked"),
    "campaigns.gateitem.unticked": _("Tick of a gate point taken back"),
    "campaigns.recap.learnings_changed": _("Learnings changed"),
    "campaigns.recap.locked": _("Recap locked"),
    "campaigns.task.added": _("Task added to a plan"),
    "campaigns.task.assigned": _("Task assigned"),
    "campaigns.task.state_changed": _("State of a task changed"),
    "campaigns.tester.bound": _("Tester bound"),
    "campaigns.tester.unbound": _("Tester unbound"),
    "campaigns.touch.done": _("Touch sent"),
    "campaigns.touch.held": _("Touch held"),
    "campaigns.touch.paused": _("Touch paused"),
    "campaigns.touch.released": _("Held touch let go"),
    "campaigns.touch.resumed": _("Paused touch resumed"),
    "campaigns.touch.started": _("Touch started"),
    "campaigns.touch.stopped": _("Touch stopped"),
    "campaigns.touch.tested": _("Test send to oneself"),
    "campaigns.touch.went_on": _("Touch goes on"),
    "content.item.archived": _("Content archived"),
    "content.item.created": _("Content begun"),
    "content.item.deleted": _("Content deleted"),
    "content.item.described": _("Facts about the content changed"),
    "content.item.restored": _("Content taken out of the archive"),
    "content.slot.cancelled": _("Slot cancelled"),
    "content.slot.exchanged": _("Slot says another version"),
    "content.slot.moved": _("Slot moved"),
    "content.slot.planned": _("Slot planned"),
    "content.slot.published": _("Slot published"),
    "content.version.approved": _("Version approved"),
    "content.version.returned": _("Version returned"),
    "content.version.submitted": _("Version submitted for review"),
    "content.version.withdrawn": _("Version withdrawn"),
    "content.version.written": _("Content written"),
    "campaigns.touch.approval_asked": _("Approval of a touch asked for"),
    "campaigns.touch.approval_voided": _("Approval of a touch void"),
    "campaigns.touch.approved": _("Touch approved"),
    "campaigns.touch.cancelled": _("Touch cancelled"),
    "campaigns.touch.changed": _("Touch changed"),
    "campaigns.touch.created": _("Touch planned"),
    "campaigns.touch.moved": _("Touch moved"),
    "campaigns.touch.refused": _("Touch refused"),
    "core.job.cancelled": _("Job cancelled"),
    "core.job.started": _("Job started"),
    "core.sending.released": _("Sending released"),
    "core.systemsetting.changed": _("Setting changed"),
    "crm.complaint.closed": _("Complaint closed"),
    "crm.complaint.opened": _("Complaint noted"),
    "crm.consent.limited": _("Marketing limited by the member"),
    "crm.consenttext.published": _("Consent text published"),
    "crm.consent.granted": _("Consent given"),
    "crm.consent.withdrawn": _("Consent withdrawn"),
    "crm.member.merged": _("Members merged"),
    "crm.member.purged": _("Member purged"),
    "crm.member.remark_changed": _("Remark changed"),
    "crm.member.tagged": _("Tag added"),
    "crm.member.untagged": _("Tag removed"),
    "crm.tag.archived": _("Tag archived"),
    "crm.tag.restored": _("Tag restored"),
    "crm.tag.tagged": _("Tag added to several members"),
    "crm.tag.untagged": _("Tag removed from several members"),
    "crm.member.revealed": _("Phone or real name revealed"),
    "service.agentstate.capacity_set": _("Capacity set"),
    "service.conversation.assigned": _("Conversation assigned"),
    "service.conversation.claimed": _("Conversation accepted"),
    "service.conversation.closed": _("Conversation closed"),
    "service.conversation.requeued": _("Conversation back in its queue"),
    "service.conversation.transferred": _("Conversation handed over"),
    "staff.api_token.issued": _("API token issued"),
    "staff.api_token.revoked": _("API token revoked"),
    "staff.lockout.ended": _("Lock-out ended"),
    "staff.orgunit.changed": _("Org unit changed"),
    "staff.orgunit.created": _("Org unit added"),
    "staff.staff.created": _("Account opened"),
    "staff.staff.deactivated": _("Account closed"),
    "staff.staff.password_changed": _("Own password changed"),
    "staff.staff.password_reset": _("Password reset"),
    "staff.staff.reactivated": _("Account opened again"),
    "staff.staff.roles_changed": _("Roles changed"),
    "wechat.account.draft": _("Account back to draft"),
    "wechat.account.live": _("Account put live"),
    "wechat.account.paused": _("Account paused"),
    "wechat.account.revoked": _("Account revoked"),
    "wechat.app.checked": _("Connection checked"),
    "wechat.app.released": _("Sending of the app released"),
    "wechat.app.secrets_changed": _("Secrets of the app changed"),
    "wechat.inbound.replayed": _("Callback replayed"),
    "wechat.inbound.revealed": _("Callback content revealed"),
    "wechat.batch.send_again_approved": _("Sending a mass call again: approved"),
    "wechat.batch.send_again_asked": _("Sending a mass call again: asked"),
    "wechat.batch.send_again_refused": _("Sending a mass call again: refused"),
    "wechat.batch.send_again_void": _("Sending a mass call again: void"),
    "wechat.batch.treat_as_sent_approved": _("Treating a mass call as sent: approved"),
    "wechat.batch.treat_as_sent_asked": _("Treating a mass call as sent: asked"),
    "wechat.batch.treat_as_sent_refused": _("Treating a mass call as sent: refused"),
    "wechat.batch.treat_as_sent_void": _("Treating a mass call as sent: void"),
    "wechat.outbound.send_again_approved": _("Sending again: approved"),
    "wechat.outbound.send_again_asked": _("Sending again: asked"),
    "wechat.outbound.send_again_refused": _("Sending again: refused"),
    "wechat.outbound.send_again_void": _("Sending again: void"),
    "wechat.outbound.treat_as_sent_approved": _("Treating as sent: approved"),
    "wechat.outbound.treat_as_sent_asked": _("Treating as sent: asked"),
    "wechat.outbound.treat_as_sent_refused": _("Treating as sent: refused"),
    "wechat.outbound.treat_as_sent_void": _("Treating as sent: void"),
}


# Who acts when nobody does (`staff.accounts.system_staff`).
WRITERS: dict[str, Text] = {
    "content.answers": _("Automatic answers"),
    "crm.profiles": _("Automatic look-up of profiles"),
    "crm.purge": _("Automatic purge"),
    "demo": _("Demo data"),
    "service.intake": _("Automatic intake"),
    "service.lifecycle": _("Automatic close"),
    "wechat.inbox": _("Automatic intake of callbacks"),
}


def register() -> None:
    """Called once, by ready()."""
    audit_labels.update(LABELS)
    writer_labels.update(WRITERS)
    audit_values["purpose"] = dict(PURPOSES)
    audit_values["source"] = dict(SOURCES)
    audit_values["roles"] = {role.name: role.label for role in ROLES}
