"""Settings, all from the environment; the defaults are those of production.

`DEBUG=true` is for a developer's own machine: it alone allows the embedded SQLite database,
throw-away keys and plain HTTP. Without it the portal refuses to start until it has been given
what it needs.
"""

from ipaddress import ip_network
from pathlib import Path

import django_stubs_ext
import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

django_stubs_ext.monkeypatch()  # lets ModelAdmin[...] be written at run time too

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
env.escape_proxy = True

DEBUG = env.bool("DEBUG", default=False)

_REQUIRED = {
    "SECRET_KEY": "a long random text that signs sessions",
    "FIELD_ENCRYPTION_KEY": "one or several keys, newest first, parted by commas "
    "(make one with: python manage.py make_key)",
    "DATABASE_URL": "for example postgres://user:password@host/name",
    "REDIS_URL": "for example redis://host:6379/0, or 'none' to queue in the database",
    "ALLOWED_HOSTS": "the host names that people use, parted by commas",
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
# How many of our own proxies every request passes through. Their forwarding headers are trusted
# (client address, scheme, request ID); with 0, nobody's are.
try:
    TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", default=0)
except ValueError:
    TRUSTED_PROXIES = -1
if TRUSTED_PROXIES < 0:
    raise ImproperlyConfigured("TRUSTED_PROXIES must be a whole number, 0 or more")
# Where the admin is, and from which networks it opens (192.0.2.0/24, parted by commas; none: all).
ADMIN_PATH = env.str("ADMIN_PATH", default="admin").strip("/")
try:
    ADMIN_NETWORKS = [ip_network(text) for text in env.list("ADMIN_NETWORKS", default=[])]
except ValueError as error:
    raise ImproperlyConfigured(f"ADMIN_NETWORKS: {error}") from error
# Our own staff need a one-time code to open it.
STAFF_ONE_TIME_CODES = env.bool("STAFF_ONE_TIME_CODES", default=False)
# Seal the audit record: several, newest first. An old one is kept, or old entries no longer fit.
AUDIT_KEYS = env.list("AUDIT_KEY", default=[SECRET_KEY])

# -- Where Greenhouse is: deployment configuration, never a customer's input -------------------
GREENHOUSE_API_URL = env.str("GREENHOUSE_API_URL", default="https://harvest.greenhouse.io")
GREENHOUSE_AUTH_URL = env.str("GREENHOUSE_AUTH_URL", default="https://auth.greenhouse.io")
GREENHOUSE_SITE_URL = env.str("GREENHOUSE_SITE_URL", default="https://app.greenhouse.io")

# The application that Greenhouse registered for a vendor with many customers (partner OAuth).
# Without it nothing of that is to be seen.
GREENHOUSE_PARTNER_CLIENT_ID = env.str("GREENHOUSE_PARTNER_CLIENT_ID", default="")
GREENHOUSE_PARTNER_CLIENT_SECRET = env.str("GREENHOUSE_PARTNER_CLIENT_SECRET", default="")
GREENHOUSE_PARTNER_PKCE = env.bool("GREENHOUSE_PARTNER_PKCE", default=True)
# Its registered scopes, parted by commas, where they are fewer than all that the portal uses.
GREENHOUSE_PARTNER_SCOPES = env.list("GREENHOUSE_PARTNER_SCOPES", default=[])
if bool(GREENHOUSE_PARTNER_CLIENT_ID) != bool(GREENHOUSE_PARTNER_CLIENT_SECRET):
    raise ImproperlyConfigured(
        "GREENHOUSE_PARTNER_CLIENT_ID and GREENHOUSE_PARTNER_CLIENT_SECRET belong together"
    )

# How long one question to Greenhouse may take with all its repeating and waiting, in seconds:
# while a person waits, and in a sync.
PATIENCE_PEOPLE = env.float("PATIENCE_PEOPLE", default=20.0)
PATIENCE_SYNC = env.float("PATIENCE_SYNC", default=120.0)

# How long a rejection, and whatever is done to many at once, can be taken back before it is sent,
# in seconds; how long the outbox waits for a Greenhouse that does not answer, in minutes.
REJECT_HOLD_SECONDS = env.float("REJECT_HOLD_SECONDS", default=8.0)
BULK_HOLD_SECONDS = env.float("BULK_HOLD_SECONDS", default=10.0)
OUTBOX_PATIENCE_MINUTES = env.float("OUTBOX_PATIENCE_MINUTES", default=10.0)
# How long what Greenhouse refused to a role is remembered for the next person, in days.
REFUSAL_REMEMBERED_DAYS = env.float("REFUSAL_REMEMBERED_DAYS", default=14.0)

# Where people reach this portal: for links in mails, which no request precedes.
PORTAL_URL = env.str(
    "PORTAL_URL",
    default="http://localhost:8000" if DEBUG else f"https://{ALLOWED_HOSTS[0]}",
).rstrip("/")

# Where Greenhouse sends people back to after they agreed; registered there, letter by letter.
GREENHOUSE_PARTNER_REDIRECT_URI = env.str(
    "GREENHOUSE_PARTNER_REDIRECT_URI", default=f"{PORTAL_URL}/set-up/consent/back/"
)

# -- Rooms -------------------------------------------------------------------------------------
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
    "portal.notices",
    "portal.signin",
    "portal.issues",
    "portal.members",
    "portal.connections",
    "portal.mirror",
    "portal.webhooks",
    "portal.entitlements",
    "portal.jobs",
    "portal.applications",
    "portal.onboarding",
    "portal.support",
    "portal.privacy",
    "portal.demo",
]
MIDDLEWARE = [
    "portal.core.trace.RequestIds",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.core.caching.Private",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.core.limits.Limits",
    "django.contrib.messages.middleware.MessageMiddleware",
    "portal.support.gate.Gate",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "portal.support.looking.Looking",
]
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "builtins": ["template_partials.templatetags.partials"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.accounts.context.membership",
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
    # Web and worker write side by side: WAL lets readers go on, an immediate transaction takes the
    # write lock up front (no upgrade that fails half-way), the timeout waits for its turn.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
else:
    # Long, for a statement is planned once in a connection's life (portal.core.planned).
    _database["CONN_MAX_AGE"] = env.int("CONN_MAX_AGE", default=600)
    _database["CONN_HEALTH_CHECKS"] = True
    # Compiling a query of the board took longer than answering it. `?options=` says otherwise.
    _database.setdefault("OPTIONS", {}).setdefault("options", "-c jit=off")
PREPARED_STATEMENTS = env.bool("PREPARED_STATEMENTS", default=True)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.str("REDIS_URL", default="none")
REDIS_URL = "" if REDIS_URL == "none" else REDIS_URL
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        # One Redis may serve several portals: each has keys of its own.
        "KEY_PREFIX": env.str("QUEUE_NAME", default="portal"),
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# -- Background tasks (portal.core.queue is the one door) --------------------------------------
Q_CLUSTER = {
    "name": env.str("QUEUE_NAME", default="portal"),
    "label": "Background tasks",
    "workers": env.int("QUEUE_WORKERS", default=2),
    "timeout": 1800,
    "retry": 2100,  # longer than the timeout, or a running task would be handed out twice
    "max_attempts": 3,
    "ack_failures": True,  # a task row carries its own state; the sweep asks again, not the broker
    "save_limit": 1000,
    "catch_up": False,
    "poll": 0.1,
    **({"redis": REDIS_URL} if REDIS_URL else {"orm": "default"}),
}

# After how many minutes without a sign of them the workers count as dead (portal.core.pulse).
WORKER_SILENT_MINUTES = env.int("WORKER_SILENT_MINUTES", default=5)

# -- People ------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
AUTHENTICATION_BACKENDS = ["portal.signin.backends.PasswordBackend"]
ACCOUNT_ADAPTER = "portal.signin.adapters.AccountAdapter"
ACCOUNT_FORMS = {"login": "portal.signin.forms.SignInForm"}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
# Signing in does not wait for it: what an unverified address opens is for entitlements to say.
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_SESSION_REMEMBER = True  # until SESSION_COOKIE_AGE
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a new password, a new code: the person is told by mail
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False  # the other sessions end all the same
SOCIALACCOUNT_ADAPTER = "portal.signin.adapters.SignOnAdapter"
SOCIALACCOUNT_OPENID_CONNECT_URL_PREFIX = "sso"
SOCIALACCOUNT_LOGIN_ON_GET = True  # our own page asked already
SOCIALACCOUNT_STORE_TOKENS = False
MFA_ADAPTER = "portal.signin.one_time_codes.CodesAdapter"
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

# -- The browser's side ------------------------------------------------------------------------
# The demo serves plain HTTP on 127.0.0.1; everything else is HTTPS behind a proxy.
INSECURE_COOKIES = env.bool("INSECURE_COOKIES", default=DEBUG)
SESSION_COOKIE_SECURE = not INSECURE_COOKIES
CSRF_COOKIE_SECURE = not INSECURE_COOKIES
SESSION_COOKIE_HTTPONLY = True
if not INSECURE_COOKIES:
    # The browser itself then refuses them from another host, from a path, and over plain HTTP.
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrf"
SESSION_COOKIE_AGE = 12 * 60 * 60
SECURE_SSL_REDIRECT = not INSECURE_COOKIES
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]
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

# Forms alone come in: no file, and no more than Greenhouse's own largest web hook.
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
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG

# -- Who asks too often (portal.core.limits): so many, within so many seconds ------------------
# Of POSTs, a person each; signing in, resets and codes have allauth's own limits.
LIMITS = {
    "onboarding:credential": (20, 600),
    "onboarding:permissions": (30, 600),
    "onboarding:test_one": (120, 600),
    "onboarding:fix_links": (30, 3600),
    "onboarding:invite": (30, 3600),
    "members:list": (200, 3600),
    "members:resend": (30, 3600),
}
# Of answers that say "no such", an address each: for what whoever has a link may open.
GUESSES = {
    "members:accept": (30, 600),
    "onboarding:fix": (30, 600),
}
# Refused webhook deliveries; never counted against a correctly signed one.
WEBHOOK_BAD_SIGNATURES = (60, 600)  # per endpoint
WEBHOOK_UNKNOWN_ADDRESSES = (60, 600)  # per client IP

# -- How long things are kept, in days (portal.privacy.retention; docs/data.md) -----------------
# The audit record is kept for good.
REQUEST_LOG_DAYS = env.int("REQUEST_LOG_DAYS", default=30)  # requests to and from Greenhouse
SYNC_DAYS = env.int("SYNC_DAYS", default=60)  # runs of syncs
NOTICE_DAYS = env.int("NOTICE_DAYS", default=90)  # notices, ended links and invitations
EVENT_DAYS = env.int("EVENT_DAYS", default=400)  # transitions, closed issues, checks
ACTION_DAYS = env.int("ACTION_DAYS", default=730)  # what recruiters did, once it is settled
GONE_DAYS = env.int("GONE_DAYS", default=30)  # people and answers that Greenhouse no longer has

# Prometheus asks with this; without it only operators may.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
# A folder that all processes of a machine share, to measure requests and tasks together; empty it
# when they are all stopped.
METRICS_DIR = env.str("METRICS_DIR", default="")

# A chat tool's web hook for what concerns customer success. Deployment configuration alone.
NOTICE_HOOK_URL = env.str("NOTICE_HOOK_URL", default="")
NOTICE_HOOK_SECRET = env.str("NOTICE_HOOK_SECRET", default="")
if NOTICE_HOOK_URL and not NOTICE_HOOK_SECRET:
    raise ImproperlyConfigured("NOTICE_HOOK_URL needs NOTICE_HOOK_SECRET, which signs what it says")

LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = ["portal.core.formats"]
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True
USE_THOUSAND_SEPARATOR = True

EMAIL_TIMEOUT = 60  # seconds; well before the sweeps give a mail up
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "traced": {"()": "portal.core.logs.Traced"},
        "routed": {"()": "portal.core.logs.Routed"},
    },
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} {trace}: {message}", "style": "{"},
        "json": {"()": "portal.core.logs.JsonLines"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "filters": ["traced", "routed"],
            "formatter": env.str("LOG_FORMAT", default="line"),  # line or json
        }
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # httpx tells whole addresses at INFO, ids included; the request log keeps templates.
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        # Django tells whole addresses of what it refuses, live links included: whoever listens.
        "django.request": {"filters": ["routed"]},
        "django.security.csrf": {"filters": ["routed"]},
    },
}
