from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from integrations.ats.permissions import Permission, PermissionCatalogue, ProbeOutcome
from integrations.greenhouse import credential_kinds
from integrations.greenhouse.permission_catalogue import CATALOGUE
from portal.accounts.models import Membership, Organization
from portal.core.database.compiled_queries import compile_once
from portal.core.names.model_fields import NormalizedEmailField
from portal.core.secrets.secret_field import SecretField, reveal_secret
from portal.core.tenancy.managers import OrganizationModel, remember_owner


def list_credential_kinds() -> list[tuple[str, str]]:
    """Choices as a callable, so that labels stay out of migrations."""
    return [(kind.key, kind.label) for kind in credential_kinds.CREDENTIAL_KINDS.values()]


class Connection(OrganizationModel):
    class State(models.TextChoices):
        DRAFT = "draft", "Not connected yet"
        CHECKING = "checking", "Checking permissions"
        ACTION_NEEDED = "action_needed", "Action needed"
        SYNCING = "syncing", "First sync"
        LIVE = "live", "Connected"
        DEGRADED = "degraded", "Partly working"
        PAUSED = "paused", "Paused"
        DISCONNECTED = "disconnected", "Disconnected"

    LIVE_STATES: ClassVar = frozenset({State.LIVE, State.DEGRADED})  # syncs run, pages are open
    MOVES: ClassVar = {
        State.DRAFT: {State.CHECKING},
        State.CHECKING: {
            State.ACTION_NEEDED,
            State.SYNCING,
            State.LIVE,
            State.DEGRADED,
            State.PAUSED,
            State.DISCONNECTED,
        },
        State.ACTION_NEEDED: {
            State.CHECKING,
            State.SYNCING,
            State.LIVE,
            State.DEGRADED,
            State.PAUSED,
            State.DISCONNECTED,
        },
        State.SYNCING: {
            State.LIVE,
            State.DEGRADED,
            State.CHECKING,
            State.ACTION_NEEDED,
            State.PAUSED,
            State.DISCONNECTED,
        },
        State.LIVE: {
            State.CHECKING,
            State.DEGRADED,
            State.ACTION_NEEDED,
            State.PAUSED,
            State.DISCONNECTED,
        },
        State.DEGRADED: {
            State.CHECKING,
            State.LIVE,
            State.ACTION_NEEDED,
            State.PAUSED,
            State.DISCONNECTED,
        },
        State.PAUSED: {State.CHECKING, State.DISCONNECTED},
        State.DISCONNECTED: {State.CHECKING},
    }

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, related_name="connection"
    )
    state = models.CharField(max_length=20, choices=State.choices, default=State.DRAFT)
    created_at = models.DateTimeField(default=timezone.now)
    confirmed_requirements = models.JSONField(default=list, blank=True)
    people_reviewed_at = models.DateTimeField(null=True, blank=True)
    # With OAuth: whether the service account acts for people who have not given their own consent.
    service_account_acts = models.BooleanField(default=False, db_default=False)
    # See permissions/unread_lists.py.
    unread_lists = models.JSONField(default=dict, blank=True)
    # Nothing may be synced while this is set.
    data_deletion_pending = models.BooleanField(default=False)

    class Meta:
        ordering = ("organization__name",)

    @classmethod
    def from_db(cls, *args: Any, **options: Any) -> Connection:
        connection = super().from_db(*args, **options)
        remember_owner(connection)
        return connection

    def __str__(self) -> str:
        return f"{self.organization} · Greenhouse"

    @property
    def credential(self) -> Credential | None:
        """The credential in use."""
        if self._state.adding:  # an unsaved draft
            return None
        credential = next(iter(_find_credential_in_use(self.pk)), None)
        if credential is not None:
            credential.connection = self
        return credential

    @property
    def last_check(self) -> CheckRun | None:
        """The newest check of the credential in use."""
        return self.checks.filter(credential__state=Credential.State.IN_USE).first()


@compile_once
def _find_credential_in_use(connection_id: int) -> models.QuerySet[Credential]:
    return Credential.objects.filter(connection=connection_id, state=Credential.State.IN_USE)


class Credential(OrganizationModel):
    """Secrets are never shown; destroyed rows keep kind, last four and fingerprint."""

    class State(models.TextChoices):
        PENDING = "pending", "New, not in use yet"
        IN_USE = "in_use", "In use"
        PREVIOUS = "previous", "Previous, kept until you confirm the new one"
        DELETED = "deleted", "Deleted"

    MOVES: ClassVar = {
        State.PENDING: {State.IN_USE, State.DELETED},
        State.IN_USE: {State.PREVIOUS, State.DELETED},
        State.PREVIOUS: {State.IN_USE, State.DELETED},
    }

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="credentials")
    kind = models.CharField(max_length=20, choices=list_credential_kinds)
    client_id = SecretField(blank=True, default="")
    secret = SecretField()
    reader_id = models.BigIntegerField(null=True, blank=True)
    last_four = models.CharField(max_length=4)  # "" for a consent
    fingerprint = models.CharField(max_length=12)
    state = models.CharField(max_length=10, choices=State.choices, default=State.IN_USE)
    entered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    entered_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["connection", "state"],
                condition=~models.Q(state="deleted"),
                name="one_credential_per_state",
            ),
        )

    def __str__(self) -> str:
        kind = self.get_kind_display()
        return f"{kind} ···· {self.last_four}" if self.last_four else str(kind)

    @property
    def catalogue(self) -> PermissionCatalogue:
        return CATALOGUE

    @property
    def is_consent(self) -> bool:
        return bool(credential_kinds.CREDENTIAL_KINDS[self.kind].is_consent)

    @property
    def by_scope(self) -> bool:
        """Whether its permissions are scopes, which several permissions may share."""
        return self.kind in self.catalogue.scope_kinds

    @property
    def place(self) -> str:
        """Where its permissions are set, as Greenhouse names the screens."""
        return self.catalogue.screen_paths[self.kind]

    def get_permission_label(self, permission: Permission) -> str:
        return self.catalogue.get_permission_label(permission, self.kind)

    def list_checkboxes(self, permissions: Iterable[Permission]) -> list[str]:
        return self.catalogue.list_checkboxes(permissions, self.kind)

    def get_secrets(self) -> dict[str, str]:
        """Empty for a consent, whose tokens are in `Consent`. Raises SecretUnreadable."""
        if self.is_consent:
            return {}
        if self.kind == "harvest_key":
            return {"api_key": reveal_secret(self.secret)}
        return {
            "client_id": reveal_secret(self.client_id),
            "client_secret": reveal_secret(self.secret),
            "reader_id": str(self.reader_id or ""),
        }


class Consent(OrganizationModel):
    """An OAuth consent, the connection's (`credential`) or a person's. Each refresh token works
    once: `token_number` counts them, `lease_until` marks one as being used.
    """

    class State(models.TextChoices):
        ACTIVE = "active", "Given"
        ENDED = "ended", "Ended"

    MOVES: ClassVar = {State.ACTIVE: {State.ENDED}}

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="consents")
    credential = models.OneToOneField(
        Credential, null=True, on_delete=models.CASCADE, related_name="consent"
    )
    membership = models.ForeignKey(
        Membership, null=True, on_delete=models.CASCADE, related_name="consents"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACTIVE)
    subject = models.BigIntegerField(null=True)  # the Greenhouse user it acts as, if known
    scopes = models.JSONField(default=list)  # requested and, as far as known, granted
    token_number = models.PositiveIntegerField(default=1)
    access_token = SecretField(blank=True, default="")
    access_expires_at = models.DateTimeField()
    refresh_token = SecretField(blank=True, default="")
    refresh_expires_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True)
    granted_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["membership"],
                condition=models.Q(state="active", membership__isnull=False),
                name="one_active_consent_per_member",
            ),
        )
        indexes = (models.Index(fields=["state", "refresh_expires_at"], name="consents_to_renew"),)

    def __str__(self) -> str:
        return f"Consent {self.pk} for {self.connection}"

    @property
    def is_active(self) -> bool:
        return bool(self.state == self.State.ACTIVE)


class TokenRevocation(OrganizationModel):
    """A refresh token that a worker revokes at Greenhouse; deleted then, or after `LASTS`."""

    LASTS = timedelta(hours=1)

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    subject = models.BigIntegerField(null=True)
    refresh_token = SecretField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Revocation {self.pk} for {self.connection}"


class ConsentRequest(OrganizationModel):
    """A pending OAuth authorization, valid once and only in the session that started it."""

    LASTS = timedelta(minutes=15)
    # After the person's return; a code is good for a minute, and one turn of a worker takes less.
    GIVEN_UP_AFTER = timedelta(minutes=2)

    class Status(models.TextChoices):
        ASKED = "asked", "At Greenhouse"
        QUEUED = "queued", "Waiting for a worker"
        RUNNING = "running", "Confirming with Greenhouse"
        DONE = "done", "Saved"
        FAILED = "failed", "Not saved"

    OPEN = (Status.QUEUED, Status.RUNNING)
    MOVES: ClassVar = {
        Status.ASKED: {Status.QUEUED},
        Status.QUEUED: {Status.RUNNING, Status.FAILED},
        Status.RUNNING: {Status.DONE, Status.FAILED},
    }

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="+")
    status = models.CharField(
        max_length=10, choices=Status.choices, default=Status.ASKED, db_default=Status.ASKED
    )
    is_personal = models.BooleanField(default=False)
    digest = models.CharField(max_length=64, unique=True)  # of the OAuth state
    session_digest = models.CharField(max_length=64)  # of a token kept in the session
    verifier = SecretField()
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(null=True)
    code = SecretField(blank=True, default="", db_default="")  # emptied once exchanged
    ip_address = models.GenericIPAddressField(null=True)  # for the activity log
    next_step = models.CharField(max_length=60, blank=True, default="", db_default="")
    failure = models.CharField(max_length=20, blank=True, default="", db_default="")

    def __str__(self) -> str:
        return f"Request {self.pk} for {self.connection}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN and not self.is_given_up

    @property
    def is_given_up(self) -> bool:
        return self.used_at is not None and self.used_at < timezone.now() - self.GIVEN_UP_AFTER

    @property
    def is_expired(self) -> bool:
        return self.created_at < timezone.now() - self.LASTS


class WaitCause(models.TextChoices):
    SLOW = "slow", "Greenhouse is slow"
    RATE_LIMIT = "rate_limit", "Greenhouse asked us to wait"


class CallPause(OrganizationModel):
    """Exists while calls to this customer's Greenhouse are paused: after a 429, or by the circuit
    breaker, which lets a probe through once `until` has passed.
    """

    connection = models.OneToOneField(
        Connection, on_delete=models.CASCADE, related_name="call_pause"
    )
    cause = models.CharField(max_length=20, choices=WaitCause.choices)
    since = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField()
    requested_until = models.DateTimeField(null=True)  # if Greenhouse asked for longer than we wait

    def __str__(self) -> str:
        return f"{self.get_cause_display()} until {self.until:%H:%M}"


class GreenhouseWait(OrganizationModel):
    """A task's row that may wait for Greenhouse: it is tried again at `due_at`."""

    due_at = models.DateTimeField(null=True)
    wait_cause = models.CharField(
        max_length=20, choices=WaitCause.choices, blank=True, default="", db_default=""
    )
    waiting_since = models.DateTimeField(null=True)  # since its last progress

    class Meta:
        abstract = True

    @property
    def is_waiting(self) -> bool:
        return self.due_at is not None and self.due_at > timezone.now()


class CheckRun(GreenhouseWait):
    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting to start"
        RUNNING = "running", "Checking"
        DONE = "done", "Checked"
        FAILED = "failed", "Couldn't check"

    class Cause(models.TextChoices):
        CREDENTIAL = "credential", "Greenhouse doesn't accept the credential"
        UNREADABLE = "unreadable", "The stored credential can't be read"
        NO_ANSWER = "no_answer", "Greenhouse didn't respond"
        INTERRUPTED = "interrupted", "The worker stopped"

    MOVES: ClassVar = {
        Status.QUEUED: {Status.RUNNING, Status.FAILED},
        # Back to queued: Greenhouse asks to wait; resumes with the permissions not tried yet.
        Status.RUNNING: {Status.DONE, Status.FAILED, Status.QUEUED},
    }
    OPEN = (Status.QUEUED, Status.RUNNING)

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="checks")
    credential = models.ForeignKey(Credential, on_delete=models.CASCADE, related_name="checks")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    cause = models.CharField(max_length=20, choices=Cause.choices, blank=True)
    failure = models.CharField(max_length=300, blank=True)  # user-facing sentence
    unused_scopes = models.JSONField(
        default=list, blank=True
    )  # granted but never used by the portal
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=["credential"],
                condition=models.Q(status__in=["queued", "running"]),
                name="one_open_check_per_credential",
            ),
        )
        indexes = (
            models.Index(fields=["connection", "-id"], name="checks_of_connection"),
            models.Index(fields=["connection", "queued_at"], name="checks_by_time"),
            models.Index(
                fields=["queued_at"],
                condition=models.Q(status__in=["queued", "running"]),
                name="checks_open",
            ),
        )

    def __str__(self) -> str:
        return f"Check {self.pk} of {self.connection}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN


class CredentialTest(GreenhouseWait):
    """A typed credential whose test takes longer than a request may: a worker goes on with it.
    `secrets` is emptied when the test ends, and the row deleted after `LASTS`.
    """

    LASTS = timedelta(minutes=10)

    class Status(models.TextChoices):
        QUEUED = "queued", "Waiting"
        TESTING = "testing", "Being tested"
        ACCEPTED = "accepted", "Saved"
        REFUSED = "refused", "Not saved"

    OPEN = (Status.QUEUED, Status.TESTING)
    MOVES: ClassVar = {
        Status.QUEUED: {Status.TESTING, Status.REFUSED},
        Status.TESTING: {Status.ACCEPTED, Status.REFUSED, Status.QUEUED},
    }

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="credential_tests"
    )
    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20, choices=list_credential_kinds)
    secrets = SecretField(blank=True, default="")  # JSON, by field name
    confirms_account_change = models.BooleanField(default=False)
    ip_address = models.GenericIPAddressField(null=True)  # for the activity log
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    created_at = models.DateTimeField(default=timezone.now)
    next_step = models.CharField(max_length=60, blank=True)  # URL name, once accepted
    # Why it was refused, as in CredentialRefused.
    refused_field = models.CharField(max_length=20, blank=True)
    refusal = models.CharField(max_length=400, blank=True)
    suggested_kind = models.CharField(max_length=20, blank=True)
    is_other_account = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"Test {self.pk} for {self.connection}"

    @property
    def is_open(self) -> bool:
        return self.status in self.OPEN

    @property
    def is_expired(self) -> bool:
        return self.created_at < timezone.now() - self.LASTS


class PermissionCheck(OrganizationModel):
    WAITING = "waiting"

    run = models.ForeignKey(CheckRun, on_delete=models.CASCADE, related_name="results")
    permission = models.CharField(max_length=80)  # catalogue key
    outcome = models.CharField(
        max_length=10,
        choices=[(WAITING, "waiting"), *((o.value, o.value) for o in ProbeOutcome)],
        default=WAITING,
    )
    message = models.CharField(max_length=400, blank=True)
    cause = models.CharField(max_length=40, blank=True)  # class name of the error
    evidence = models.JSONField(null=True)
    checked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=["run", "permission"], name="one_result_per_permission"),
        )

    def __str__(self) -> str:
        return f"{self.permission}: {self.outcome}"


class FixLink(OrganizationModel):
    """Lets a Greenhouse admin without an account see and retest missing permissions. Stores a
    digest of the token, and the token itself until it is emailed.
    """

    class EmailStatus(models.TextChoices):
        NONE = "", "Not emailed"
        QUEUED = "queued", "Queued"
        SENDING = "sending", "Sending"
        SENT = "sent", "Sent"
        FAILED = "failed", "Not sent"

    MOVES: ClassVar = {
        EmailStatus.QUEUED: {EmailStatus.SENDING},
        EmailStatus.SENDING: {EmailStatus.SENT, EmailStatus.QUEUED, EmailStatus.FAILED},
    }

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="fix_links")
    digest = models.CharField(max_length=64, unique=True)
    permissions = models.JSONField()  # catalogue keys
    sent_to = NormalizedEmailField("sent to", blank=True)
    token = SecretField(blank=True, default="")  # cleared once emailed
    email_status = models.CharField(
        max_length=10, choices=EmailStatus.choices, blank=True, default=EmailStatus.NONE
    )
    email_attempts = models.PositiveSmallIntegerField(default=0)
    email_due_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)  # first view
    test_count = models.PositiveIntegerField(default=0)
    last_tested_at = models.DateTimeField(null=True)
    completed_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"Link {self.pk} for {self.connection}"

    @property
    def is_viewable(self) -> bool:
        """Whether its page can be viewed; a completed link stays viewable until it expires."""
        return not self.revoked_at and self.expires_at > timezone.now()

    @property
    def is_open(self) -> bool:
        return self.is_viewable and not self.completed_at


class ApiCall(OrganizationModel):
    """One request to Greenhouse: no body, no secret, no personal data, no real ID in the path."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="calls")
    at = models.DateTimeField()
    method = models.CharField(max_length=6)
    path = models.CharField(max_length=120)  # template
    status = models.PositiveSmallIntegerField(null=True)  # None: no answer
    milliseconds = models.PositiveIntegerField()
    retries = models.PositiveSmallIntegerField(default=0)
    lane = models.CharField(max_length=10)
    remaining = models.IntegerField(null=True)
    request_id = models.CharField(max_length=80, blank=True)
    error = models.CharField(max_length=40, blank=True)
    trace = models.CharField("our request", max_length=40, blank=True)  # of RequestIdMiddleware

    class Meta:
        ordering = ("-at",)
        indexes = (
            models.Index(fields=["connection", "-at"], name="calls_of_connection"),
            models.Index(fields=["at"], name="calls_by_age"),
            # Partial: failures are few.
            models.Index(
                fields=["status", "-at"],
                condition=models.Q(status__gte=400) | models.Q(status=None),
                name="calls_failed",
            ),
            models.Index(fields=["request_id"], name="calls_by_request_id"),
            models.Index(fields=["trace"], name="calls_by_trace"),
        )
        verbose_name = "API request"

    def __str__(self) -> str:
        return f"{self.method} {self.path} → {self.status or 'no answer'}"
