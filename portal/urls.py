"""Where everything meets."""

from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.urls import include, path

from portal.accounts import views as accounts
from portal.health import healthz, readyz
from portal.metrics import metrics

# One way in for everybody: staff meet the same rate limits, one-time codes and sessions.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

handler404 = "portal.jobs.missing.not_found"

urlpatterns = [
    path("", accounts.home, name="home"),
    path("healthz", healthz, name="healthz"),
    path("readyz", readyz, name="readyz"),
    path("", include("portal.signin.urls")),
    path("", include("portal.members.urls")),
    path("requisitions/", include("portal.jobs.urls")),
    path("", include("portal.applications.urls")),
    path("", include("portal.webhooks.urls")),
    path("set-up/syncs/", include("portal.mirror.urls")),
    path("set-up/", include("portal.onboarding.urls")),
    path("log/", include("portal.audit.urls")),
    path("mails/", include("portal.notices.urls")),
    path("metrics", metrics, name="metrics"),
    path(f"{settings.ADMIN_PATH}/", admin.site.urls),
]

if settings.DEBUG:
    from portal.kit import kit

    urlpatterns.append(path("__kit/", kit, name="kit"))
