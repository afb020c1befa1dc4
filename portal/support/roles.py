"""What staff may do, by group."""

from __future__ import annotations

from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

CSM = "Customer success"
_CSM_MAY = {
    "accounts": ("view_user", "view_organization", "view_membership", "add_organization",
                 "change_organization", "add_membership", "change_membership"),
    "connections": ("view_connection", "view_credential", "view_checkrun", "view_permissioncheck",
                    "view_apicall"),
    "mirror": ("view_syncrun", "view_syncstep", "view_atsuser", "view_job"),
    "webhooks": ("view_address", "view_delivery", "view_heartbeat"),
    "applications": ("view_applicationaction",),
    "audit": ("view_entry",),
}  # fmt: skip


def make_roles() -> None:
    """Make the groups and give them exactly these permissions. Safe to call again."""
    for app in _CSM_MAY:
        create_permissions(apps.get_app_config(app), verbosity=0)
    group, _ = Group.objects.get_or_create(name=CSM)
    group.permissions.set(
        Permission.objects.filter(
            content_type__app_label__in=_CSM_MAY,
            codename__in=[name for names in _CSM_MAY.values() for name in names],
        )
    )
