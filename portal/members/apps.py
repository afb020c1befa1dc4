from django.apps import AppConfig


class MembersConfig(AppConfig):
    name = "portal.members"

    def ready(self) -> None:
        from portal.members import invitations
        from portal.signin import sso_membership

        sso_membership.register_invitation_hook(invitations.accept_pending_invitation)
