"""URL names of pages that packages below the page's own link to. Use them with
`reverse`, in templates with `{% page_url %}`.
"""

HOME = "home"
SWITCH_ORGANIZATION = "switch_organization"
SIGN_IN = "account_login"
SIGN_OUT = "account_logout"
SESSION_TIME = "session_time"
MEMBERS = "members:list"
SEARCH = "search:results"
JOB_LIST = "jobs:list"
JOB_PAGE = "applications:job_detail"
APPLICANT_PAGE = "applications:applicant"
DECISION_RECORD = "decisions:record"
DECISION_RETENTION = "decisions:retention"
REVIEWS = "applications:reviews"
PENDING_REJECTIONS = "applications:pending_rejections"
CHANGE_PENDING = "applications:change_pending"
OWN_CONSENT = "applications:acting_user"

SETUP = "onboarding:setup"
SETUP_CREDENTIAL = "onboarding:credential"
SETUP_PERMISSIONS = "onboarding:permissions"
SETUP_SYNC = "onboarding:sync"
SETUP_LIVE = "onboarding:live"
FIX_LINK = "onboarding:fix"
OAUTH_CALLBACK = "onboarding:oauth_callback"

RECENT_EMAILS = "notifications:recent_emails"

YOUR_DATA = "privacy:your_data"

ADMIN_HOME = "admin:index"
CUSTOMER_SUMMARY = "admin:accounts_organization_summary"

# Answered before URLs are resolved; the demo, which runs without Django, asks for liveness.
LIVENESS_PATH = "/healthz"
READINESS_PATH = "/readyz"
