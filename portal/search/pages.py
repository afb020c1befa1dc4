"""The portal's own pages, as far as a member may open them."""

from __future__ import annotations

from dataclasses import dataclass

from portal.accounts.models import Membership
from portal.core import links


@dataclass(frozen=True)
class PortalPage:
    label: str
    url_name: str
    other_names: str = ""  # what people may call it
    is_for_admins: bool = False

    def is_open_to(self, member: Membership) -> bool:
        return member.is_admin or not self.is_for_admins


PAGES = (
    PortalPage("Requisitions", "jobs:list", "jobs home"),
    PortalPage("Time to answer", "jobs:answers", "promise overdue deadline how are we doing sla"),
    PortalPage("Review", "applications:reviews", "queue new applicants waiting one by one"),
    PortalPage("Rejection presets", "applications:presets", "review keys reasons shortcuts"),
    PortalPage("Pending rejections", "applications:pending_rejections", "later scheduled cancel"),
    PortalPage("My activity", "applications:my_activity", "history undo actions"),
    PortalPage("Missing a requisition?", "jobs:explain_access", "access job not found why"),
    PortalPage("Email notifications", "notifications:preferences", "mail digest settings"),
    PortalPage("New applicant emails", "jobs:applicant_emails", "mail alerts subscriptions digest"),
    PortalPage("Security", "mfa_index", "password one-time codes sessions account"),
    PortalPage("Setup", links.SETUP, "Greenhouse connection settings", True),
    PortalPage("Permissions", links.SETUP_PERMISSIONS, "setup scopes access", True),
    PortalPage("Credential", links.SETUP_CREDENTIAL, "setup API key client secret", True),
    PortalPage("Sync", links.SETUP_SYNC, "setup status refresh", True),
    PortalPage("Members", "members:list", "people colleagues invite invitations", True),
    PortalPage(
        "Answer promise", "jobs:answer_promise", "working days holidays time zone calendar", True
    ),
    PortalPage("Activity log", "audit:log", "audit history", True),
    PortalPage("Decision records", links.DECISION_RETENTION, "retention years audit", True),
    PortalPage("Your data", links.YOUR_DATA, "privacy export erase candidate", True),
)
