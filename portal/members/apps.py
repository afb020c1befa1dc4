from django.apps import AppConfig


class MembersConfig(AppConfig):
    """Who belongs to an organization: roles, and inviting people by mail."""

    name = "portal.members"
