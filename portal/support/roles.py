"""What our own staff may do, by group. Nobody here deletes, and no page shows a secret.

Customer success watches customers and helps them; a support lead does that and decides about
people; an operator keeps the portal running and meets no customer's people. Superusers come first:
they alone say who is staff, and change our own people's accounts.
"""

from __future__ import annotations

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db.models import Q
from django.http import HttpRequest

from portal.issues.models import Issue

CSM, LEAD, OPERATOR = "Customer success", "Support lead", "Operator"

_WATCH = {
    "accounts": ("view_user", "view_organization", "view_membership"),
    "connections": ("view_connection", "view_credential", "view_checkrun", "view_permissioncheck",
                    "view_apicall"),
    "mirror": ("view_syncrun", "view_syncstep", "view_atsuser", "view_job"),
    "webhooks": ("view_address", "view_delivery", "view_heartbeat"),
    "applications": ("view_applicationaction",),
    "issues": ("view_issue",),
    "notices": ("view_notice",),
    "audit": ("view_entry",),
    "support": ("view_look",),
}  # fmt: skip
_HELP = {
    "accounts": ("add_organization", "change_organization", "add_membership", "change_membership"),
    "issues": ("change_issue",),
    "support": ("help_customer", "look_as"),
}
_LEAD = {"accounts": ("add_user", "change_user")}
_OPERATE = {
    "accounts": ("view_organization",),
    "connections": ("view_connection", "view_apicall", "view_checkrun", "view_permissioncheck"),
    "mirror": ("view_syncrun", "view_syncstep"),
    "webhooks": ("view_address", "view_delivery", "view_heartbeat"),
    "issues": ("view_issue", "change_issue"),
    "signin": ("view_singlesignon", "add_singlesignon", "change_singlesignon",
               "view_signondomain", "add_signondomain", "change_signondomain"),
    "support": ("operate",),
    "django_q": ("view_ormq", "view_success", "view_failure", "view_schedule"),
}  # fmt: skip
ROLES = {CSM: (_WATCH, _HELP), LEAD: (_WATCH, _HELP, _LEAD), OPERATOR: (_OPERATE,)}

# Issues that name people of the customer.
NAMING = (Issue.Cause.UNMATCHED_PEOPLE, Issue.Cause.ACTING_USER_REFUSED)


def meets_people(request: HttpRequest) -> bool:
    """Whether people of customers are named to the reader."""
    return request.user.has_perm("accounts.view_membership")


def make_roles() -> None:
    """Make the groups and give them exactly these permissions. Safe to call again."""
    for app in {app for parts in ROLES.values() for part in parts for app in part}:
        create_permissions(apps.get_app_config(app), verbosity=0)
    for name, parts in ROLES.items():
        wanted = Q(pk=None)
        for part in parts:
            for app, codenames in part.items():
                wanted |= Q(content_type__app_label=app, codename__in=codenames)
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set(Permission.objects.filter(wanted))
