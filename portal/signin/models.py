"""An organization's OpenID Connect provider and the email domains it is responsible for."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import models
from django.utils import timezone

from integrations.ats.emails import is_lookalike_email, normalize_email
from portal.accounts.models import Organization
from portal.core.names.model_fields import NameField, NormalizedDomainField
from portal.core.secrets.secret_field import SecretField
from portal.core.tenancy.managers import OrganizationModel
from portal.core.tenancy.scope import all_organizations


def validate_https_url(value: str) -> None:
    """The portal calls this host, so only operators may enter it, never customers."""
    URLValidator(schemes=["https"], message="Enter an address that starts with https://.")(value)


def validate_bare_domain(value: str) -> None:
    if "@" in value or "/" in value or "." not in value or is_lookalike_email(value):
        raise ValidationError("Enter a domain, like acme.example.")


class SingleSignOn(OrganizationModel):
    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, related_name="single_sign_on"
    )
    name = NameField(max_length=80, help_text="Shown to members, for example “Acme login”.")
    server_url = models.CharField(
        "issuer address",
        max_length=300,
        validators=[validate_https_url],
        help_text="The issuer URL; it must serve /.well-known/openid-configuration.",
    )
    client_id = models.CharField("client ID", max_length=200)
    client_secret = SecretField()
    required = models.BooleanField(
        default=False,
        help_text="Members with an email address of its domains can no longer use a password.",
    )
    # For operators only: a customer would vouch for addresses of other organizations.
    addresses_verified = models.BooleanField(
        "addresses are verified by the organization",
        default=False,
        help_text="Accept addresses without the claim “email_verified”, which Microsoft Entra ID "
        "does not send. Only if the organization assigns every address of these domains itself.",
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "single sign-on"

    def __str__(self) -> str:
        return f"{self.name} of {self.organization}"

    @property
    def provider_id(self) -> str:
        """The organization's slug: part of the callback URL registered with the provider."""
        return self.organization.slug


class SingleSignOnDomain(OrganizationModel):
    single_sign_on = models.ForeignKey(
        SingleSignOn, on_delete=models.CASCADE, related_name="domains"
    )
    domain = NormalizedDomainField(max_length=200, unique=True, validators=[validate_bare_domain])

    class Meta:
        ordering = ("domain",)

    def __str__(self) -> str:
        return self.domain


@all_organizations("the domain names the organization")
def find_single_sign_on(email: str) -> SingleSignOn | None:
    domain = normalize_email(email).rpartition("@")[2]
    return (
        SingleSignOn.objects.filter(enabled=True, domains__domain=domain)
        .select_related("organization")
        .first()
    )
