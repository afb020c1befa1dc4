"""How a sandbox is to behave: sizes, limits, and a switch for every point where sources differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FromStage = Literal["either", "entry", "job_stage"]
ForbiddenBody = Literal["message", "empty", "html"]
NotSiteAdmin = Literal["forbidden", "empty"]
TokenField = Literal["expires_at", "expires_in", "expires"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of a sandbox. Those marked *open* settle a question that no public source does.

    seed, jobs, users, applications: the size of the acme account (``None``: grows with jobs).
    domain: the e-mail domain of acme's people.
    v1_limit, v3_limit, token_limit: requests per 10 s, 30 s and 60 s; 0 is unlimited.
    latency_ms: added to every answer.
    from_stage (open): what v3's ``from_stage_id`` names: ``entry`` is the application's
        ``stage_id``, ``job_stage`` its ``job_interview_stage_id``, ``either`` takes both.
    job_interview_stage_id: whether v3 applications carry that newer field.
    forbidden_body (open): the body of v3's 403.
    not_site_admin (open): what v3's lists answer a reader who is no Site Admin: 403, or nothing.
    token_field: which field carries a token's life; all three have been seen.
    token_lifetime: seconds; code_lifetime, refresh_lifetime: those of a partner's consent.
    pkce (open): whether a code that was asked for with a challenge needs its verifier.
    consent_replaces (open): whether a consent ends the earlier one of the same subject.
    revocation (open): whether ``/revoke`` answers.
    scope_claim (open): whether the token carries a ``scope`` claim.
    introspection (open): whether ``/introspect`` answers.
    cursor_lifetime (open): seconds until a v3 cursor expires.
    site_admin_grants (open): whether the API shows grant rows of Site Admins (documented: never).
    confidential_jobs (open): ``False`` leaves confidential jobs out of v3's job list unless the
        reading user is explicitly on them.
    skip_count_needed: v1 lists with more records than this answer 500 "Server timeout in API"
        without ``skip_count``; 0 is never.
    """

    seed: int = 7
    jobs: int = 20
    users: int | None = None
    applications: int | None = None
    domain: str = "acme.example"
    v1_limit: int = 50
    v3_limit: int = 75
    token_limit: int = 100
    latency_ms: int = 0
    from_stage: FromStage = "either"
    job_interview_stage_id: bool = True
    forbidden_body: ForbiddenBody = "message"
    not_site_admin: NotSiteAdmin = "forbidden"
    token_field: TokenField = "expires_at"
    token_lifetime: int = 3600
    code_lifetime: int = 60
    refresh_lifetime: int = 24 * 3600
    pkce: bool = True
    consent_replaces: bool = False
    revocation: bool = True
    scope_claim: bool = False
    introspection: bool = True
    cursor_lifetime: int = 3600
    site_admin_grants: bool = False
    confidential_jobs: bool = True
    skip_count_needed: int = 0
