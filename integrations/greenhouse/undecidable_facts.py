"""Assumptions of docs/sandbox.md that reading an account cannot settle, and why."""

from __future__ import annotations

NEEDS_WRITE = "only a write would tell, and this report only reads"
NEEDS_CONSENT = "only a partner's consent would tell"
NEEDS_TIME = "only waiting, or many requests, would tell"
NOT_SHOWN = "nothing that can be read shows it"

_SHARED = {
    "A wrong method is 404": NEEDS_WRITE,
    "JSON that does not parse is 400": NEEDS_WRITE,
    "Another content type is read as no body": NEEDS_WRITE,
    "A stale from_stage_id is 422": NEEDS_WRITE,
    "Advancing from the last stage is 422": NEEDS_WRITE,
    "Moving to another job needs a right on both": NEEDS_WRITE,
    "A custom role's rights": NEEDS_WRITE,
    "Prospects without a job are left to Site Admins": NEEDS_WRITE,
    "The limit of token requests (100 per 60 s)": NEEDS_TIME,
    "A select takes an option's ID": NEEDS_WRITE,
    "What a wrong value gets (422)": NEEDS_WRITE,
    "Deleting a job deletes its applications": NEEDS_WRITE,
    "Anonymizing clears names, addresses, company, title, tags, answers, custom fields, résumés": (
        NEEDS_WRITE
    ),
}
UNDECIDABLE_V3 = {
    "The body of 403 and of 429": NOT_SHOWN,
    "The suffix of a client ID": "the report never looks at the credential",
    "How long a cursor lives": NEEDS_TIME,
    "to_stage_id and to_job_id exclude each other": NEEDS_WRITE,
    "The text of every 422 except those for cursor and per_page above 500": NEEDS_WRITE,
    "v3 knows delete_value as v1 does": NEEDS_WRITE,
    "The consent page's text and layout": NEEDS_CONSENT,
    "The errors that the browser carries back": NEEDS_CONSENT,
    "The errors of /token except invalid_grant (all RFC 6749)": NEEDS_CONSENT,
    "Using a code or refresh token twice ends the consent and its access tokens": NEEDS_CONSENT,
    "The service account is a Site Admin, one per account and partner": NEEDS_CONSENT,
    "Consents coexist": NEEDS_CONSENT,
    "PKCE is checked": NEEDS_CONSENT,
    "/revoke (RFC 7009)": NEEDS_CONSENT,
    **_SHARED,
}
UNDECIDABLE_V1 = {
    "A missing On-Behalf-Of is 422": NEEDS_WRITE,
    "A state conflict is 422": NEEDS_WRITE,
    "Service accounts are listed": NOT_SHOWN,
    **_SHARED,
}
