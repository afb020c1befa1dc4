from django.apps import AppConfig


class MembersConfig(AppConfig):
    """Who belongs to an organization: roles, and inviting people by mail."""

    name = "portal.members"

    def ready(self) -> None:
        from portal.members import invite
        from portal.signin import joining

        joining.by_invitation(invite.accept_by_sign_on)
