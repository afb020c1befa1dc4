"""Which organizations a session may act for, by how it was signed in.

An organization that requires single sign-on is closed to a session that another organization's
provider signed in. A session signed in by password reaches it only if its provider is not
responsible for the address: otherwise the sign-in form would have refused the password.
"""

from __future__ import annotations

from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest

from portal.accounts.access import select_organization
from portal.accounts.models import Organization
from portal.core.tenancy.scope import all_organizations
from portal.signin.models import SingleSignOn


@all_organizations("the session names the provider, the membership the organization")
def is_open_in_session(request: HttpRequest, organization: Organization) -> bool:
    provider_id = find_session_provider(request)
    if provider_id in (None, organization.slug):
        return True
    own_provider = SingleSignOn.objects.filter(organization=organization)
    return not own_provider.filter(enabled=True, required=True).exists()


def find_session_provider(request: HttpRequest) -> str | None:
    """Return the ID of the provider that signed this session in, if one did."""
    for record in get_authentication_records(request, request.user):
        if record["method"] == "socialaccount":
            return str(record["provider"])
    return None


@all_organizations("the provider names the organization")
def select_provider_organization(request: HttpRequest, provider_id: str) -> None:
    """Start the session in the organization whose provider signed it in."""
    organization = Organization.objects.filter(slug=provider_id).first()
    if organization is not None:
        select_organization(request, organization.pk)
