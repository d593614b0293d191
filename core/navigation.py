"""The groups of the side bar, in their order. Apps put their NavItems under these."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

HOME = _("Home")
SERVICE = _("Customer service")
MEMBERS = _("Members")
CONTENT = _("Content")
CAMPAIGNS = _("Campaigns")
REPORTS = _("Reports")
ACCOUNTS = _("Accounts and gateway")
SYSTEM = _("System administration")

ORDER = (SERVICE, MEMBERS, CONTENT, CAMPAIGNS, REPORTS, ACCOUNTS, SYSTEM)
# Where the changelists of an app's models go.
OF_APP = {
    "service": SERVICE,
    "crm": MEMBERS,
    "content": CONTENT,
    "campaigns": CAMPAIGNS,
    "reports": REPORTS,
    "wechat": ACCOUNTS,
}
