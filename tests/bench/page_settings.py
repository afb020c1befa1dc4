"""The portal's settings, with our static files served from where they are: nothing is collected."""

from portal.settings import *  # noqa: F403
from portal.settings import STATICFILES_DIRS, STORAGES

STATIC_ROOT, STATICFILES_DIRS = STATICFILES_DIRS[0], []
STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
