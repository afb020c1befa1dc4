"""An organization's OpenID Connect provider and the email domains it is responsible for."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import models
from django.utils import timezone

from integrations.ats.emails import is_lookalike_email, normalize_email
from portal.accounts.models import Organization, User
from portal.core.names.model_fields import NameField, NormalizedDomainField
from portal.core.secrets.secret_field import (
    SecretField,
    SecretUnreadable,
    fingerprint_secrets,
    reveal_secret,
)
from portal.core.tenancy.managers import OrganizationModel
from portal.core.tenancy.scope import all_organizations


def validate_https_url(value: str) -> None:
    """Which host it is, is checked whenever it is called (integrations.http.guarded_client)."""
    schemes = ["https", "http"] if settings.SINGLE_SIGN_ON_LOCAL_ADDRESSES else ["https"]
    URLValidator(schemes=schemes, message="Enter an address that starts with https://.")(value)


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
    # The last sign-in test that succeeded, and the settings it was made with.
    tested_at = models.DateTimeField(null=True, editable=False)
    tested_by = models.ForeignKey(
        User, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    tested_fingerprint = models.CharField(max_length=12, blank=True, default="", editable=False)

    class Meta:
        verbose_name = verbose_name_plural = "single sign-on"

    def __str__(self) -> str:
        return f"{self.name} of {self.organization}"

    @property
    def provider_id(self) -> str:
        """The organization's slug: part of the callback URL registered with the provider."""
        return self.organization.slug

    @property
    def fingerprint(self) -> str:
        """Changes with everything that a sign-in test depends on; empty without a secret."""
        try:
            secret = reveal_secret(self.client_secret)
        except SecretUnreadable:
            return ""
        return fingerprint_secrets(self.server_url.rstrip("/"), self.client_id, secret)

    @property
    def is_tested(self) -> bool:
        return bool(self.tested_fingerprint) and self.tested_fingerprint == self.fingerprint


class SingleSignOnDomain(OrganizationModel):
    single_sign_on = models.ForeignKey(
        SingleSignOn, on_delete=models.CASCADE, related_name="domains"
    )
    domain = NormalizedDomainField(max_length=200, unique=True, validators=[validate_bare_domain])

    class Meta:
        ordering = ("domain",)

    def __str__(self) -> str:
        return self.domain


class SignOnRequest(OrganizationModel):
    """What a customer's admin asks for and an operator approves: only operators decide whose
    addresses a sign-in service vouches for.
    """

    class Kind(models.TextChoices):
        DOMAIN = "domain", "Email domain"
        ADDRESSES_VERIFIED = "addresses_verified", "Addresses without the claim"

    class State(models.TextChoices):
        REQUESTED = "requested", "Requested"
        APPROVED = "approved", "Approved"
        DECLINED = "declined", "Declined"

    single_sign_on = models.ForeignKey(
        SingleSignOn, on_delete=models.CASCADE, related_name="requests"
    )
    kind = models.CharField(max_length=20, choices=Kind.choices)
    domain = NormalizedDomainField(max_length=200, blank=True, validators=[validate_bare_domain])
    state = models.CharField(max_length=20, choices=State.choices, default=State.REQUESTED)
    requested_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    decided_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "single sign-on request"
        ordering = ("kind", "domain")
        constraints = (
            models.UniqueConstraint(
                fields=["single_sign_on", "kind", "domain"], name="one_sign_on_request_per_subject"
            ),
        )

    def __str__(self) -> str:
        if self.kind == self.Kind.DOMAIN:
            return f"the email domain {self.domain}"
        return "addresses without the claim “email_verified”"


@all_organizations("the domain names the organization")
def find_single_sign_on(email: str) -> SingleSignOn | None:
    domain = normalize_email(email).rpartition("@")[2]
    return (
        SingleSignOn.objects.filter(enabled=True, domains__domain=domain)
        .select_related("organization")
        .first()
    )
