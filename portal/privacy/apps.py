from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    name = "portal.privacy"

    def ready(self) -> None:
        from portal.members import memberships
        from portal.privacy import member_data

        memberships.register_end_hook(member_data.delete_membership_data)
