"""Settings from the environment; defaults are for production.

Only `DEBUG=true`, for development machines, allows SQLite, built-in keys and plain HTTP. Without it
the portal refuses to start until the required settings are given.
"""

from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path

import django_stubs_ext
import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from portal.core.observability import log_formatting

django_stubs_ext.monkeypatch()  # makes ModelAdmin[...] work at run time

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
env.escape_proxy = True

DEBUG = env.bool("DEBUG", default=False)

_REQUIRED = {
    "SECRET_KEY": "a long random text that signs sessions",
    "FIELD_ENCRYPTION_KEY": "one or several keys, newest first, separated by commas "
    "(make one with: python manage.py generate_encryption_key)",
    "DATABASE_URL": "for example postgres://user:password@host/name",
    "REDIS_URL": "for example redis://host:6379/0, or 'none' to queue in the database",
    "ALLOWED_HOSTS": "the host names that people use, separated by commas",
}
_missing = [name for name in _REQUIRED if not env.str(name, default="")]
if _missing and not DEBUG:
    raise ImproperlyConfigured(
        "The portal cannot start in production without:\n"
        + "\n".join(f"  {name}: {_REQUIRED[name]}" for name in _missing)
    )

SECRET_KEY = env.str("SECRET_KEY", default="for-development-only-never-in-production")
FIELD_ENCRYPTION_KEY = env.list(
    "FIELD_ENCRYPTION_KEY", default=["ZGV2ZWxvcG1lbnQtb25seS1rZXktbm90LWEtc2VjcmU="]
)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# Number of our own proxies in front of the portal, whose forwarding headers (client address,
# scheme, request ID) are trusted. With 0, none are.
try:
    TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
except ValueError:
    TRUSTED_PROXIES = -1
if TRUSTED_PROXIES < 0:
    raise ImproperlyConfigured("TRUSTED_PROXIES must be a whole number, 0 or more")
# Path of the admin, and the networks that may open it (comma-separated CIDR; empty: all).
ADMIN_PATH = env.str("ADMIN_PATH", default="admin").strip("/")
try:
    ADMIN_NETWORKS = [ip_network(text) for text in env.list("ADMIN_NETWORKS", default=[])]
except ValueError as error:
    raise ImproperlyConfigured(f"ADMIN_NETWORKS: {error}") from error
# Whether staff need a one-time code to open the admin.
STAFF_ONE_TIME_CODES = env.bool("STAFF_ONE_TIME_CODES", default=False)
# Keys that seal the audit log, newest first. Old keys must stay, or old entries no longer verify.
AUDIT_KEYS = env.list("AUDIT_KEY", default=[SECRET_KEY])

# -- Greenhouse: deployment configuration, never a customer's input ----------------------------
GREENHOUSE_API_URL = env.str("GREENHOUSE_API_URL", default="https://harvest.greenhouse.io")
GREENHOUSE_AUTH_URL = env.str("GREENHOUSE_AUTH_URL", default="https://auth.greenhouse.io")
GREENHOUSE_SITE_URL = env.str("GREENHOUSE_SITE_URL", default="https://app.greenhouse.io")

# The OAuth application that Greenhouse registered for this vendor (partner OAuth). Without it
# the feature is hidden.
GREENHOUSE_PARTNER_CLIENT_ID = env.str("GREENHOUSE_PARTNER_CLIENT_ID", default="")
GREENHOUSE_PARTNER_CLIENT_SECRET = env.str("GREENHOUSE_PARTNER_CLIENT_SECRET", default="")
GREENHOUSE_PARTNER_PKCE = env.bool("GREENHOUSE_PARTNER_PKCE", default=True)
# Its registered scopes, comma-separated, if they are fewer than the portal uses.
GREENHOUSE_PARTNER_SCOPES = env.list("GREENHOUSE_PARTNER_SCOPES", default=[])
if bool(GREENHOUSE_PARTNER_CLIENT_ID) != bool(GREENHOUSE_PARTNER_CLIENT_SECRET):
    raise ImproperlyConfigured(
        "GREENHOUSE_PARTNER_CLIENT_ID and GREENHOUSE_PARTNER_CLIENT_SECRET belong together"
    )

# Seconds that one Greenhouse operation may take in a worker, including retries: for a person, and
# in a sync; and from a web request's arrival until all its operations end.
INTERACTIVE_DEADLINE_SECONDS = 20.0
SYNC_DEADLINE_SECONDS = 30.0
WEB_DEADLINE_SECONDS = 2.5
# Seconds for the test of a typed credential in a request; then a worker goes on with it.
CREDENTIAL_TEST_DEADLINE_SECONDS = 5.0
# Seconds a task, or a web request, may sleep for a rate limit, a retry or a lease. Beyond that the
# task is due later, and the page asks again.
WORKER_WAIT_SECONDS = 1.0
WEB_WAIT_SECONDS = 0.25
# Seconds after which a task makes no more calls to Greenhouse, and goes on in another turn.
WORKER_TURN_SECONDS = 45.0
# Minutes for which a task is tried again while Greenhouse is down, or asks to wait.
OUTAGE_RETRY_MINUTES = 5.0
RATE_LIMIT_RETRY_MINUTES = 20.0
# Circuit breaker of a connection: failures in a row that open it, seconds after which an answer
# counts as one, and seconds until a probe, which double up to a maximum. 0 failures: off.
BREAKER_FAILURES = env.int("BREAKER_FAILURES", default=3)
BREAKER_SLOW_SECONDS = env.float("BREAKER_SLOW_SECONDS", default=10.0)
BREAKER_COOLDOWN_SECONDS = env.float("BREAKER_COOLDOWN_SECONDS", default=5.0)
BREAKER_MAX_COOLDOWN_SECONDS = env.float("BREAKER_MAX_COOLDOWN_SECONDS", default=120.0)
# Bulkhead: requests and tasks of one process that may be calling Greenhouse at the same time, for
# one customer and together. The last web thread always stays free for pages.
CALLERS_PER_ACCOUNT = env.int("CALLERS_PER_ACCOUNT", default=2)
CALLERS_PER_PROCESS = env.int("CALLERS_PER_PROCESS", default=3)

# Seconds in which a rejection, or a bulk action, can be undone before it is sent; minutes for
# which the outbox retries while Greenhouse does not respond.
REJECT_UNDO_SECONDS = env.float("REJECT_UNDO_SECONDS", default=10.0)
BATCH_UNDO_SECONDS = env.float("BATCH_UNDO_SECONDS", default=10.0)
OUTBOX_RETRY_MINUTES = 10.0
# Days for which an action that Greenhouse refused to a role stays disabled for others with it.
LEARNED_REFUSAL_DAYS = env.float("LEARNED_REFUSAL_DAYS", default=14.0)

# Base URL of the portal, for links in emails.
PORTAL_URL = env.str(
    "PORTAL_URL",
    default="http://localhost:8000" if DEBUG else f"https://{ALLOWED_HOSTS[0]}",
).rstrip("/")

# OAuth redirect URI; must match the one registered with Greenhouse exactly.
GREENHOUSE_PARTNER_REDIRECT_URI = env.str(
    "GREENHOUSE_PARTNER_REDIRECT_URI", default=f"{PORTAL_URL}/setup/authorize/callback/"
)

# -- Apps --------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "portal.support.site.SupportAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "template_partials.apps.SimpleAppConfig",
    "django_htmx",
    "encrypted_model_fields",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "allauth.usersessions",
    "django_q",
    "portal.core",
    "portal.accounts",
    "portal.audit",
    "portal.notifications",
    "portal.signin",
    "portal.issues",
    "portal.members",
    "portal.connections",
    "portal.sync",
    "portal.webhooks",
    "portal.entitlements",
    "portal.jobs",
    "portal.search",
    "portal.applications",
    "portal.decisions",
    "portal.onboarding",
    "portal.support",
    "portal.privacy",
    "portal.demo",
    "portal.wiring",
]
MIDDLEWARE = [
    "portal.core.observability.request_ids.RequestIdMiddleware",
    "portal.core.tenancy.middleware.OrganizationScopeMiddleware",
    # Before whatever reads a header, a cookie or a parameter.
    "portal.web.text_sanitizer.TextSanitizerMiddleware",
    # Before whatever needs a known host, a session or the database.
    "portal.monitoring.health.HealthMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "portal.web.http_caching.PrivateCacheControlMiddleware",
    "portal.web.repeated_refusals.RepeatedRefusalMiddleware",
    "portal.applications.views.repeated_reads.RepeatedReadMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.web.rate_limits.RateLimitMiddleware",
    "portal.signin.known_devices.KnownDeviceMiddleware",
    "portal.notifications.recent_emails.RecentEmailsMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "portal.support.access.middleware.AdminAccessMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "portal.support.impersonation.sessions.ImpersonationMiddleware",
    "portal.accounts.organization_links.OrganizationLinkMiddleware",
]
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "builtins": [
                "template_partials.templatetags.partials",
                "portal.web.templatetags.forms",
                "portal.web.templatetags.icons",
                "portal.web.templatetags.names",
                "portal.web.templatetags.page_links",
            ],
            "libraries": {
                "browsers": "portal.web.templatetags.browsers",
                "job_rows": "portal.jobs.job_list.row_html",
                "navigation": "portal.web.templatetags.navigation",
                "waiting_cells": "portal.jobs.answers.waiting_cell",
            },
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.web.context_processors.membership_context",
            ],
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    [
                        (
                            "django.template.loaders.cached.Loader",
                            [
                                "django.template.loaders.filesystem.Loader",
                                "django.template.loaders.app_directories.Loader",
                            ],
                        )
                    ],
                )
            ],
        },
    }
]

# -- Data --------------------------------------------------------------------------------------
DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR}/portal.sqlite3")}
_database = DATABASES["default"]
if _database["ENGINE"].endswith("sqlite3"):
    # Web and worker write concurrently: WAL does not block readers, immediate transactions take
    # the write lock up front (upgrading a lock can fail), and the timeout waits for it.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; "
        # Erased names and secrets are overwritten in the file.
        "PRAGMA secure_delete=ON;",
    }
else:
    # Long, since prepared statements live as long as their connection.
    _database["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=600)
    _database["CONN_HEALTH_CHECKS"] = True
    # When a machine vanishes, the other end notices within half a minute: the portal connects anew,
    # PostgreSQL ends the session and with it its locks. The URL's own parameters win.
    _database["OPTIONS"] = {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,  # milliseconds
        # JIT compilation took longer than the queries of the admin overview.
        "options": "-c jit=off -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5"
        " -c tcp_keepalives_count=3 -c tcp_user_timeout=20000",
    } | _database.get("OPTIONS", {})
    _database["DISABLE_SERVER_SIDE_CURSORS"] = not env.bool("SERVER_SIDE_CURSORS", default=True)
PREPARED_STATEMENTS = env.bool("PREPARED_STATEMENTS", default=True)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="none")
REDIS_URL = "" if REDIS_URL == "none" else REDIS_URL
CACHES = {
    "default": {
        "BACKEND": "portal.core.redis.cache.FallbackRedisCache",
        "LOCATION": REDIS_URL,
        # Several portals may share one Redis.
        "KEY_PREFIX": env.str("QUEUE_NAME", default="portal"),
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# -- Background tasks (portal.core.queue) ------------------------------------------------------
Q_CLUSTER = {
    "name": env.str("QUEUE_NAME", default="portal"),
    "label": "Background tasks",
    "workers": env.int("QUEUE_WORKERS", default=4),
    "queue_limit": 1,  # tasks wait in the database, where others can overtake them
    "timeout": 60,  # longer ones are declared in portal.wiring.lanes
    "retry": 90,  # our leases decide; Django-Q warns if this is not above the timeout
    "ack_failures": True,  # sweeps requeue by the state of rows, not the broker
    # Failures are stored. To store a success, Django-Q locks all that are stored already.
    "save_limit": -1,
    "catch_up": False,
    "broker_class": "portal.core.broker.database_broker.DatabaseBroker",
}
# The lanes this cluster serves; others need a cluster of their own.
_LANES = ["clicks", "checks", "syncs"]
QUEUE_LANES = env.list("QUEUE_LANES", default=_LANES)
if not QUEUE_LANES or not set(QUEUE_LANES) <= set(_LANES):
    raise ImproperlyConfigured(f"QUEUE_LANES may name {', '.join(_LANES)}")

# Minutes without a heartbeat after which workers count as dead.
WORKER_TIMEOUT_MINUTES = 5

# Percentage of the time in which each customer's data is as new as promised
# (portal.sync.freshness.PROMISED_AGE).
FRESHNESS_OBJECTIVE = env.float("FRESHNESS_OBJECTIVE", default=99.0)
if not 90 <= FRESHNESS_OBJECTIVE < 100:
    raise ImproperlyConfigured("FRESHNESS_OBJECTIVE is a percentage from 90 to below 100")

# -- People ------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
AUTHENTICATION_BACKENDS = ["portal.signin.backends.PasswordBackend"]
# Per client address and per account or known device; see portal.signin.account_adapter.
ACCOUNT_RATE_LIMITS = {"login_failed": "10/m/ip,5/5m/key", "login_while_locked": "10/m/ip"}
ACCOUNT_ADAPTER = "portal.signin.account_adapter.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "portal.signin.forms.SignInForm",
    "change_password": "portal.signin.forms.ChangePasswordForm",
    "set_password": "portal.signin.forms.SetPasswordForm",
    "reset_password_from_key": "portal.signin.forms.ResetPasswordForm",
    "reset_password": "portal.signin.forms.RequestResetForm",
    "reauthenticate": "portal.signin.forms.ConfirmPasswordForm",
}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
# Sign-in does not require it; portal.entitlements decides what an unverified address may see.
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True  # until SESSION_COOKIE_AGE
ACCOUNT_EMAIL_NOTIFICATIONS = True  # emails about a new password or code
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "portal.signin.password_reset_tokens.ResetTokenGenerator"  # noqa: S105 - a path
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False  # other sessions end anyway
SOCIALACCOUNT_ADAPTER = "portal.signin.sso_adapter.SingleSignOnAdapter"
SOCIALACCOUNT_OPENID_CONNECT_URL_PREFIX = "sso"
SOCIALACCOUNT_LOGIN_ON_GET = True  # our own page has asked already
SOCIALACCOUNT_STORE_TOKENS = False
# For the demo's own sign-in service: allows http:// and addresses of this machine.
SINGLE_SIGN_ON_LOCAL_ADDRESSES = env.bool("SINGLE_SIGN_ON_LOCAL_ADDRESSES", default=False)
MFA_FORMS = {
    "authenticate": "portal.signin.forms.SignInCodeForm",
    "reauthenticate": "portal.signin.forms.ConfirmCodeForm",
    "activate_totp": "portal.signin.forms.ActivateCodesForm",
}
MFA_ADAPTER = "portal.signin.one_time_codes.EncryptedMfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Inbound Talent"
PASSWORD_RESET_TIMEOUT = 60 * 60
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}", "OPTIONS": options}
    for name, options in (
        ("UserAttributeSimilarityValidator", {}),
        ("MinimumLengthValidator", {"min_length": 12}),
        ("CommonPasswordValidator", {}),
        ("NumericPasswordValidator", {}),
    )
]

# -- Browser security --------------------------------------------------------------------------
# The demo serves plain HTTP on 127.0.0.1; everything else is HTTPS behind a proxy.
INSECURE_COOKIES = env.bool("INSECURE_COOKIES", default=DEBUG)
SESSION_COOKIE_SECURE = not INSECURE_COOKIES
CSRF_COOKIE_SECURE = not INSECURE_COOKIES
SESSION_COOKIE_HTTPONLY = True
if not INSECURE_COOKIES:
    # Browsers refuse __Host- cookies from another host, for a path and over plain HTTP.
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrf"
DEVICE_COOKIE_NAME = "device" if INSECURE_COOKIES else "__Host-device"
# In the session rather than in a cookie: they end with it.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
CSRF_FAILURE_VIEW = "portal.web.views.handle_csrf_failure"
SESSION_ENGINE = "portal.signin.session_store"
SESSION_COOKIE_AGE = 12 * 60 * 60
SECURE_SSL_REDIRECT = not INSECURE_COOKIES
SECURE_HSTS_SECONDS = 0 if INSECURE_COOKIES else 365 * 24 * 60 * 60
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

# Forms only, no files; at least Greenhouse's largest webhook.
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 0

STATIC_URL = "static/"
STATIC_ROOT = env.str("STATIC_ROOT", default=str(VAR_DIR / "static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "portal.web.static_storage.MinifyingStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG

# -- Rate limits (portal.web.rate_limits): requests, seconds ------------------------------------
# POSTs per user. Sign-in, password resets and codes have allauth's own limits.
POST_RATE_LIMITS = {
    "onboarding:permissions": (30, 600),
    "onboarding:retest_permission": (120, 600),
    "onboarding:fix_links": (30, 3600),
    "onboarding:invite": (30, 3600),
    "members:list": (200, 3600),
    "members:resend_invitation": (30, 3600),
    # Each is some 0.2 s of CPU time, here and in a worker, which others would wait for.
    "jobs:refresh_job": (30, 60),
    # Each adds to the activity log, which is kept forever.
    "applications:presets": (60, 3600),
    "applications:edit_preset": (60, 3600),
    "applications:delete_preset": (60, 3600),
    "jobs:update_saved_view": (120, 3600),
    # Each writes to Greenhouse, or builds a list of up to a thousand applications.
    "applications:note": (60, 600),
    "applications:start_review": (60, 600),
    "applications:restart_review": (60, 600),
}
# GETs per user: what a page asks for with every key.
GET_RATE_LIMITS = {
    "search:results": (600, 60),
}
# Credentials that one user tests in Greenhouse.
CREDENTIAL_ENTRY_LIMIT = (20, 600)
# Requests to a customer's sign-in service that one admin causes while setting it up.
SIGN_ON_SETUP_LIMIT = (30, 600)
# Lists that a member opens at a later page than the next one (portal.web.list_visits).
LIST_REBUILDS = (60, 3600)
# Not-found responses per client IP, on pages opened by a secret link.
NOT_FOUND_RATE_LIMITS = {
    "members:accept_invitation": (30, 600),
    "onboarding:fix": (30, 600),
}
# Refused webhook deliveries; correctly signed ones are never limited.
WEBHOOK_BAD_SIGNATURES = (60, 600)  # per endpoint
WEBHOOK_UNKNOWN_ENDPOINTS = (60, 600)  # per client IP

# -- Retention in days (portal.privacy.retention; docs/data.md) ---------------------------------
# The audit log is kept forever.
REQUEST_LOG_DAYS = env.int("REQUEST_LOG_DAYS", default=30)  # requests to and from Greenhouse
SYNC_DAYS = env.int("SYNC_DAYS", default=60)  # sync runs
NOTIFICATION_DAYS = env.int(
    "NOTIFICATION_DAYS", default=90
)  # notifications, ended links and invitations
EVENT_DAYS = env.int("EVENT_DAYS", default=400)  # transitions, closed issues, checks
ACTION_DAYS = env.int("ACTION_DAYS", default=730)  # completed actions of recruiters
DELETED_RECORD_DAYS = env.int("DELETED_RECORD_DAYS", default=30)  # records deleted in Greenhouse
FRESHNESS_DAYS = env.int("FRESHNESS_DAYS", default=35)  # minutes within the freshness promise

# Bearer token of Prometheus; without it only operators may read metrics.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# Directory in which all processes of a machine share their metrics; empty it while they are
# stopped.
METRICS_DIR = env.str("METRICS_DIR", default="")

# Error reports (portal.core.observability.error_reports) and traces (traces); off without these.
SENTRY_DSN = env.str("SENTRY_DSN", default="")
SENTRY_ENVIRONMENT = env.str("SENTRY_ENVIRONMENT", default="production")
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")
# After the health pages, which answer for any host: the instrumentation refuses unknown ones.
TRACED_AFTER = "portal.monitoring.health.HealthMiddleware"
OTEL_SERVICE_NAME = env.str("OTEL_SERVICE_NAME", default="inbound-talent-portal")

# Incoming webhook of a chat tool, for messages to customer success.
CHAT_WEBHOOK_URL = env.str("CHAT_WEBHOOK_URL", default="")
CHAT_WEBHOOK_SECRET = env.str("CHAT_WEBHOOK_SECRET", default="")
if CHAT_WEBHOOK_URL and not CHAT_WEBHOOK_SECRET:
    raise ImproperlyConfigured(
        "CHAT_WEBHOOK_URL needs CHAT_WEBHOOK_SECRET, which signs what it says"
    )

LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = ["portal.web.formats"]
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

EMAIL_TIMEOUT = 15  # seconds that the mail server may stay silent
EMAIL_DEADLINE_SECONDS = 30  # for one email
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="webmaster@localhost")
# Or an email provider's API, by django-anymail: its name there, its settings, and user:password of
# the webhook that tells of emails that came back.
EMAIL_PROVIDER = env.str("EMAIL_PROVIDER", default="")
EMAIL_WEBHOOK_SECRET = env.str("EMAIL_WEBHOOK_SECRET", default="")
ANYMAIL = {
    **env.dict("EMAIL_PROVIDER_SETTINGS", default={}),
    "WEBHOOK_SECRET": EMAIL_WEBHOOK_SECRET,
    "REQUESTS_TIMEOUT": EMAIL_TIMEOUT,
}
if EMAIL_PROVIDER and find_spec(f"anymail.backends.{EMAIL_PROVIDER}") is None:
    raise ImproperlyConfigured("EMAIL_PROVIDER is a provider of django-anymail, such as postmark")
# Workers send with the delivery backend; what is sent anywhere else is queued in the outbox.
DELIVERY_EMAIL_BACKEND = {
    "django.core.mail.backends.smtp.EmailBackend": "portal.notifications.smtp.EmailBackend"
}.get(EMAIL_CONFIG["EMAIL_BACKEND"], EMAIL_CONFIG["EMAIL_BACKEND"])
if EMAIL_PROVIDER:
    DELIVERY_EMAIL_BACKEND = f"anymail.backends.{EMAIL_PROVIDER}.EmailBackend"
EMAIL_BACKEND = "portal.notifications.outbox.EmailBackend"

LOG_FORMAT = env.str("LOG_FORMAT", default="line")
if LOG_FORMAT not in {"line", "json"}:
    raise ImproperlyConfigured("LOG_FORMAT is line or json")
log_formatting.configure_structlog()
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "route": {"()": "portal.core.observability.log_formatting.RouteFilter"},
        "server": {"()": "portal.core.observability.log_formatting.ServerFilter"},
    },
    "formatters": {
        style: {"()": "portal.core.observability.log_formatting.build_formatter", "style": style}
        for style in ("line", "json")
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["route"],
            "formatter": LOG_FORMAT,
        }
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # httpx logs full URLs at INFO, IDs included; the request log keeps templates.
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        # Django logs full paths of refused requests, which may be secret links.
        "django.request": {"filters": ["route"]},
        "django.security.csrf": {"filters": ["route"]},
        "gunicorn.error": {"filters": ["server"]},
    },
}
