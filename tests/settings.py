"""The portal's own settings in the tests: production's, without HTTPS and with quick passwords.

DATABASE_URL and REDIS_URL choose what the suite runs on; without them SQLite and no Redis.
"""

import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet

os.environ.setdefault("SECRET_KEY", "tests-only")
os.environ.setdefault("FIELD_ENCRYPTION_KEY", Fernet.generate_key().decode())
os.environ.setdefault("ALLOWED_HOSTS", "testserver,localhost,127.0.0.1")
os.environ.setdefault("INSECURE_COOKIES", "true")
_scratch = Path(tempfile.gettempdir()) / f"portal-tests-{os.getpid()}"
os.environ.setdefault("DATABASE_URL", f"sqlite:///{_scratch}.sqlite3")
os.environ.setdefault("REDIS_URL", "none")
# Test processes side by side share one Redis: each has a queue and shared state of its own.
os.environ["QUEUE_NAME"] = f"tests-{os.getpid()}"
# Nothing may reach the real Greenhouse: tests that speak to one start a sandbox.
os.environ["GREENHOUSE_API_URL"] = os.environ["GREENHOUSE_AUTH_URL"] = "http://127.0.0.1:9"

from portal.settings import *  # noqa: E402, F403  # the environment comes first
from portal.settings import DATABASES, INSTALLED_APPS, MIDDLEWARE, STORAGES  # noqa: E402

INSTALLED_APPS += ["tests.flush"]

DELIVERY_EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MIDDLEWARE.insert(
    0, "tests.house.secret_scanner.SecretScanMiddleware"
)  # no secret leaves, in any test
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
WHITENOISE_USE_FINDERS = True
# Look a static file up when it is asked for, not all 200 for each new client.
WHITENOISE_AUTOREFRESH = True
STATIC_ROOT = Path(tempfile.mkdtemp(prefix="portal-tests-static-"))

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, not memory: the sandbox's answers are logged from several threads at once.
    DATABASES["default"]["OPTIONS"]["init_command"] += "PRAGMA synchronous=OFF;"
    DATABASES["default"]["TEST"] = {"NAME": f"{_scratch}-test.sqlite3"}
