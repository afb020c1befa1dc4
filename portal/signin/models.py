"""An organization's own single sign-on: whose addresses it speaks for, and where it is."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import models
from django.utils import timezone

from integrations.ats.emails import normalize_email
from portal.accounts.models import Organization
from portal.core.secrets import SecretField


def https_address(value: str) -> None:
    """An address of another server. Operators enter it, never a customer: we call this host."""
    URLValidator(schemes=["https"], message="An https:// address, please.")(value)


def bare_domain(value: str) -> None:
    if "@" in value or "/" in value or "." not in value or value != normalize_email(value):
        raise ValidationError("A domain in small letters, please, like acme.example.")


class SingleSignOn(models.Model):
    """An OpenID Connect provider that vouches for an organization's people."""

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, related_name="single_sign_on"
    )
    name = models.CharField(
        max_length=80, help_text="What people know it as, for example “Acme login”."
    )
    server_url = models.CharField(
        "issuer address",
        max_length=300,
        validators=[https_address],
        help_text="Its discovery document lies under /.well-known/openid-configuration.",
    )
    client_id = models.CharField("client ID", max_length=200)
    client_secret = SecretField()
    required = models.BooleanField(
        default=False, help_text="People of its domains cannot use a password any more."
    )
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = verbose_name_plural = "single sign-on"

    def __str__(self) -> str:
        return f"{self.name} of {self.organization}"

    @property
    def provider_id(self) -> str:
        """What names it in addresses; the provider knows our callback by it."""
        return self.organization.slug


class SignOnDomain(models.Model):
    """A domain whose addresses a single sign-on speaks for."""

    single_sign_on = models.ForeignKey(
        SingleSignOn, on_delete=models.CASCADE, related_name="domains"
    )
    domain = models.CharField(max_length=200, unique=True, validators=[bare_domain])

    class Meta:
        ordering = ("domain",)

    def __str__(self) -> str:
        return self.domain


def sign_on_for(address: str) -> SingleSignOn | None:
    """The single sign-on that speaks for this e-mail address, None where there is none."""
    domain = normalize_email(address).rpartition("@")[2]
    return (
        SingleSignOn.objects.filter(enabled=True, domains__domain=domain)
        .select_related("organization")
        .first()
    )
