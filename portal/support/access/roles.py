"""Staff roles as permission groups; none of them deletes, and no page shows a secret.

Support leads are customer success who also manage users; operators keep the portal running and
see no customer's members. Only superusers decide who is staff and change staff accounts.
"""

from __future__ import annotations

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db.models import Q
from django.http import HttpRequest

from portal.issues.models import Issue

CSM, LEAD, OPERATOR = "Customer success", "Support lead", "Operator"

_VIEW_PERMISSIONS = {
    "accounts": ("view_user", "view_organization", "view_membership"),
    "connections": ("view_connection", "view_credential", "view_checkrun", "view_permissioncheck",
                    "view_apicall"),
    "sync": ("view_syncrun", "view_syncstep", "view_atsuser", "view_job"),
    "webhooks": ("view_endpoint", "view_delivery", "view_heartbeat"),
    "applications": ("view_applicationaction",),
    "issues": ("view_issue",),
    "notifications": ("view_notification", "view_outgoingemail"),
    "audit": ("view_entry",),
    "signin": ("view_signonrequest",),
    "support": ("view_impersonation",),
}  # fmt: skip
_HELP_PERMISSIONS = {
    "accounts": ("add_organization", "change_organization", "add_membership", "change_membership"),
    "issues": ("change_issue",),
    "support": ("help_customer", "impersonate_member"),
}
_LEAD_PERMISSIONS = {"accounts": ("add_user", "change_user")}
_OPERATOR_PERMISSIONS = {
    "accounts": ("view_organization",),
    "connections": ("view_connection", "view_apicall", "view_checkrun", "view_permissioncheck"),
    "sync": ("view_syncrun", "view_syncstep"),
    "webhooks": ("view_endpoint", "view_delivery", "view_heartbeat"),
    "issues": ("view_issue", "change_issue"),
    "signin": ("view_singlesignon", "add_singlesignon", "change_singlesignon",
               "view_singlesignondomain", "add_singlesignondomain", "change_singlesignondomain",
               "view_signonrequest", "change_signonrequest"),
    "support": ("view_system_health",),
    "core": ("view_queuedtask",),
    "django_q": ("view_failure", "change_failure", "view_schedule"),
}  # fmt: skip
ROLES = {
    CSM: (_VIEW_PERMISSIONS, _HELP_PERMISSIONS),
    LEAD: (_VIEW_PERMISSIONS, _HELP_PERMISSIONS, _LEAD_PERMISSIONS),
    OPERATOR: (_OPERATOR_PERMISSIONS,),
}

# Issues that name the customer's members.
PERSONAL_CAUSES = (Issue.Cause.UNMATCHED_PEOPLE, Issue.Cause.ACTING_USER_REFUSED)


def can_see_people(request: HttpRequest) -> bool:
    """Return whether customers' members may be shown to this user."""
    return request.user.has_perm("accounts.view_membership")


def can_create_customers(request: HttpRequest) -> bool:
    permissions = ("accounts.add_organization", "support.help_customer")
    return request.user.has_perms(permissions) and can_see_people(request)


def create_roles() -> None:
    """Create the groups with exactly these permissions; idempotent."""
    for app in {app for parts in ROLES.values() for part in parts for app in part}:
        create_permissions(apps.get_app_config(app), verbosity=0)
    for name, parts in ROLES.items():
        permission_filter = Q(pk=None)
        for part in parts:
            for app, codenames in part.items():
                permission_filter |= Q(content_type__app_label=app, codename__in=codenames)
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(Permission.objects.filter(permission_filter))
