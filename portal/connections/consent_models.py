"""What somebody agreed to in Greenhouse: asked for, given, and kept alive."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.core.secrets import SecretField


class Consent(models.Model):
    """One consent and its present tokens. Of the connection (`credential`), or a person's own.

    `number` counts refresh tokens, of which each works once; `turn_until` says that one process is
    using the present one (integrations.ats.consent). Ended means emptied.
    """

    class State(models.TextChoices):
        LIVING = "living", "Given"
        ENDED = "ended", "Ended"

    MOVES: ClassVar = {State.LIVING: {State.ENDED}}

    connection = models.ForeignKey(
        "connections.Connection", on_delete=models.CASCADE, related_name="consents"
    )
    credential = models.OneToOneField(
        "connections.Credential", null=True, on_delete=models.CASCADE, related_name="consent"
    )
    membership = models.ForeignKey(
        "accounts.Membership", null=True, on_delete=models.CASCADE, related_name="consents"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.LIVING)
    subject = models.BigIntegerField(null=True)  # the Greenhouse user it works as, where told
    scopes = models.JSONField(default=list)  # what was asked for
    number = models.PositiveIntegerField(default=1)
    access_token = SecretField(blank=True, default="")
    access_until = models.DateTimeField()
    refresh_token = SecretField(blank=True, default="")
    refresh_until = models.DateTimeField()
    turn_until = models.DateTimeField(null=True)
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    given_at = models.DateTimeField(default=timezone.now)
    renewed_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["membership"],
                condition=models.Q(state="living", membership__isnull=False),
                name="one_living_consent_each",
            ),
        )
        indexes = (models.Index(fields=["state", "refresh_until"], name="consents_to_renew"),)

    def __str__(self) -> str:
        return f"Consent {self.pk} for {self.connection}"

    @property
    def is_living(self) -> bool:
        return bool(self.state == self.State.LIVING)


class ConsentRequest(models.Model):
    """Somebody was sent to Greenhouse to agree, and is to come back once, in the same session."""

    LASTS = timedelta(minutes=15)

    connection = models.ForeignKey(
        "connections.Connection", on_delete=models.CASCADE, related_name="+"
    )
    membership = models.ForeignKey(
        "accounts.Membership", on_delete=models.CASCADE, related_name="+"
    )
    own = models.BooleanField(default=False)  # for the person, not for the connection
    digest = models.CharField(max_length=64, unique=True)  # of the state that goes along
    session = models.CharField(max_length=64)  # digest of what only this session holds
    verifier = SecretField()
    scopes = models.JSONField(default=list)
    made_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Request {self.pk} for {self.connection}"

    @property
    def is_late(self) -> bool:
        return self.made_at < timezone.now() - self.LASTS
