"""Users, organizations (customers) and memberships."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.utils import timezone

from portal.core.names.model_fields import NameField, NormalizedEmailField, SearchNameField
from portal.core.names.text import format_name
from portal.core.tenancy.managers import OrganizationManager, OrganizationModel

FORMER_MEMBER = "Former member"  # display name of erased users


class UserManager(BaseUserManager["User"]):
    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email=username or "")

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=email, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in by email; staff work in the admin."""

    email = NormalizedEmailField("email", unique=True)
    name = NameField(max_length=150, blank=True)
    search_name = SearchNameField(sources=("name",))
    is_staff = models.BooleanField(
        "staff", default=False, help_text="May sign in to the customer success admin."
    )
    # Only confirmed addresses are matched with Greenhouse; see portal.signin.email_confirmation.
    email_confirmed_at = models.DateTimeField("email confirmed", null=True, blank=True)
    is_active = models.BooleanField("active", default=True)
    # Erased on request (portal.privacy): the anonymous row stays for the person's actions.
    erased_at = models.DateTimeField(null=True, editable=False)
    # Digest of the erased address (portal.accounts.erased_users).
    erased_digest = models.CharField(
        max_length=64, blank=True, default="", db_default="", editable=False, db_index=True
    )
    date_joined = models.DateTimeField(default=timezone.now)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ("email",)

    def __str__(self) -> str:
        return format_name(self.name) or self.email

    def get_short_name(self) -> str:
        return str(self).split(" ")[0]


class Organization(OrganizationModel):
    """A customer."""

    name = NameField(max_length=120)
    slug = models.SlugField(max_length=60, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    owner = models.ForeignKey(
        User,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The staff member who looks after this customer.",
    )
    members = models.ManyToManyField(User, through="Membership", related_name="organizations")

    class Meta:
        ordering = ("name",)
        verbose_name = "customer"  # as staff call it in the admin

    def __str__(self) -> str:
        return self.name


class MembershipManager(OrganizationManager["Membership"]):
    """Excludes ended memberships and erased users; their rows stay for history."""

    def get_queryset(self) -> models.QuerySet[Membership]:
        return super().get_queryset().filter(user__erased_at=None, ended_at=None)

    def start_membership(
        self, user: User, organization: Organization, *, role: str
    ) -> tuple[Membership, bool]:
        """Return the membership and whether it is new; an ended one is resumed with `role`."""
        all_memberships = self.model._base_manager
        membership, created = all_memberships.get_or_create(
            user=user, organization=organization, defaults={"role": role}
        )
        ended_memberships = all_memberships.filter(pk=membership.pk).exclude(ended_at=None)
        if not created and ended_memberships.update(ended_at=None, role=role):
            membership.refresh_from_db()
            created = True
        return membership, created


class Membership(OrganizationModel):
    class Role(models.TextChoices):
        ADMIN = "admin", "Admin"
        RECRUITER = "recruiter", "Recruiter"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.RECRUITER)
    created_at = models.DateTimeField(default=timezone.now)
    # Removed members keep their row for history; returning members resume it.
    ended_at = models.DateTimeField(null=True, editable=False)
    # When they last used the portal, to the minute (portal.accounts.activity).
    last_active_at = models.DateTimeField(null=True, editable=False)

    objects: ClassVar[MembershipManager] = MembershipManager()
    with_ended = OrganizationManager["Membership"]()

    class Meta:
        base_manager_name = "with_ended"
        ordering = ("organization", "user")
        constraints = (
            models.UniqueConstraint(
                fields=["user", "organization"], name="one_membership_per_user"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} · {self.organization}"

    @property
    def is_admin(self) -> bool:
        return self.role == self.Role.ADMIN


class ActivityPeriod(OrganizationModel):
    """A time in which members of an organization used the portal, without a long pause."""

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="activity_periods"
    )
    began_at = models.DateTimeField()
    last_at = models.DateTimeField()

    class Meta:
        indexes = (
            models.Index(fields=["organization", "last_at"], name="activity_of_organization"),
            models.Index(fields=["last_at"], name="activity_by_end"),
        )

    def __str__(self) -> str:
        return f"{self.organization}: {self.began_at:%Y-%m-%d %H:%M} to {self.last_at:%H:%M}"
