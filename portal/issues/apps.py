from django.apps import AppConfig


class IssuesConfig(AppConfig):
    """What a person must fix: one open issue per cause."""

    name = "portal.issues"
