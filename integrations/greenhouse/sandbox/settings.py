"""Options of a sandbox: sizes, limits, and a switch wherever public sources differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FromStage = Literal["either", "entry", "job_stage"]
StageId = Literal["entry", "job_stage"]
ForbiddenBody = Literal["message", "empty", "html"]
NotSiteAdmin = Literal["forbidden", "empty"]
UnknownFields = Literal["ignore", "refuse"]
TokenField = Literal["expires_at", "expires_in", "expires"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Options of a sandbox. *Open* marks a question that no public source answers."""

    # Size of the acme account; None grows with the jobs.
    seed: int = 7
    jobs: int = 20
    users: int | None = None
    applications: int | None = None
    # Numbered accounts beside acme and other, and the size of each.
    accounts: int = 0
    account_jobs: int = 6
    account_users: int = 8
    account_applications: int = 40
    # Email domain of acme's users.
    domain: str = "acme.example"
    # Requests per 10 s, 30 s and 60 s; 0 is unlimited.
    v1_limit: int = 50
    v3_limit: int = 75
    token_limit: int = 100
    # Added to every response.
    latency_ms: int = 0
    # Open: whether v3's from_stage_id is the application's stage_id (``entry``), its
    # job_interview_stage_id (``job_stage``), or either of them.
    from_stage: FromStage = "either"
    # Open: whether v3 applications' stage_id is a row of their stage history (``entry``,
    # documented) or a job stage (``job_stage``).
    stage_id: StageId = "entry"
    # Whether v3 applications carry this newer field.
    job_interview_stage_id: bool = True
    # Open: whether v3's ``fields`` may name a field that the records do not have (``ignore``), or
    # gets 422 (``refuse``).
    unknown_fields: UnknownFields = "ignore"
    # Open: the body of v3's 403.
    forbidden_body: ForbiddenBody = "message"
    # Open: whether v3's lists answer readers who are no Site Admins with 403 or an empty list.
    not_site_admin: NotSiteAdmin = "forbidden"
    # The field with a token's expiry; all three have been observed.
    token_field: TokenField = "expires_at"
    # Lifetimes in seconds; codes and refresh tokens belong to partners' consents.
    token_lifetime: int = 3600
    code_lifetime: int = 60
    refresh_lifetime: int = 24 * 3600
    # Open: whether a code requested with a challenge needs its verifier.
    pkce: bool = True
    # Open: whether a consent ends the subject's earlier one.
    consent_replaces: bool = False
    # Open: whether ``/revoke`` exists.
    revocation: bool = True
    # Open: whether a new token ends the earlier ones of its credential, whoever they act as.
    single_active_token: bool = False
    # Open: whether access tokens carry a ``scope`` claim.
    scope_claim: bool = False
    # Open: whether ``/introspect`` exists.
    introspection: bool = True
    # Open: seconds until a v3 cursor expires.
    cursor_lifetime: int = 3600
    # Open: whether the API shows grants of Site Admins (documented: never).
    site_admin_grants: bool = False
    # Open: False hides confidential jobs in v3's list from users without an explicit grant.
    confidential_jobs: bool = True
    # v1 lists with more records answer 500 "Server timeout in API" without ``skip_count``;
    # 0 is never.
    skip_count_needed: int = 0
