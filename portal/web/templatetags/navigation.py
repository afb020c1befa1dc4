"""Which navigation entry the page on screen belongs to, by the name of its view."""

from __future__ import annotations

from django import template
from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe

from portal.core import links

register = template.Library()

_ENTRY_BY_NAMESPACE = {
    "jobs": "requisitions",
    "applications": "requisitions",
    "decisions": "requisitions",
    "onboarding": "setup",
    "webhooks": "setup",
    "sync": "setup",
    "audit": "activity_log",
    "members": "members",
    "privacy": "your_data",
}
_ENTRY_BY_VIEW = {
    "account_change_password": "password",
    "account_set_password": "password",
    "account_email": "email",
    "sso_settings": "members",
    links.PENDING_REJECTIONS: "pending_rejections",
    links.CHANGE_PENDING: "pending_rejections",
    "usersessions_list": "sessions",
    links.OWN_CONSENT: "greenhouse_account",
    links.DECISION_RETENTION: "your_data",
}
_ONE_TIME_CODES_PREFIX = "mfa_"
_ENTRIES = {*_ENTRY_BY_NAMESPACE.values(), *_ENTRY_BY_VIEW.values(), "one_time_codes"}


@register.simple_tag(takes_context=True)
def aria_current(context: template.Context, entry: str) -> SafeString:
    """Render `aria-current="page"` if the page belongs to `entry`, else nothing."""
    if entry not in _ENTRIES:
        raise template.TemplateSyntaxError(f"there is no navigation entry '{entry}'")
    is_current = find_current_entry(context.get("request")) == entry
    return mark_safe('aria-current="page"' if is_current else "")  # noqa: S308 - a constant


def find_current_entry(request: HttpRequest | None) -> str:
    """Return the entry of the request's page, or "" if it is in no navigation."""
    match = request.resolver_match if request else None
    if match is None:
        return ""
    if match.view_name.startswith(_ONE_TIME_CODES_PREFIX):
        return "one_time_codes"
    return _ENTRY_BY_VIEW.get(match.view_name) or _ENTRY_BY_NAMESPACE.get(match.namespace, "")
