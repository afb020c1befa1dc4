from allauth.account.decorators import secure_admin_login
from django.conf import settings
from django.contrib import admin
from django.urls import include, path, register_converter

from portal.monitoring.health import check_liveness, check_readiness
from portal.monitoring.metrics import export_metrics
from portal.web import views as web_views
from portal.web.id_parsing import IdConverter

# Staff sign in like everybody else: same rate limits, one-time codes and sessions.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

register_converter(IdConverter, "id")

handler404 = "portal.jobs.not_found.handle_not_found"

urlpatterns = [
    path("", web_views.redirect_home, name="home"),
    path("organization/", web_views.switch_organization, name="switch_organization"),
    path("favicon.ico", web_views.redirect_favicon, name="favicon"),
    path("robots.txt", web_views.show_robots, name="robots"),
    path("healthz", check_liveness, name="healthz"),
    path("readyz", check_readiness, name="readyz"),
    # In this order, since each request tries them one after the other.
    path("requisitions/", include("portal.jobs.urls")),
    path("", include("portal.webhooks.urls")),
    path("", include("portal.applications.urls")),
    path("", include("portal.decisions.urls")),
    path("search/", include("portal.search.urls")),
    path("", include("portal.members.urls")),
    path("", include("portal.signin.urls")),
    path("setup/syncs/", include("portal.sync.urls")),
    path("setup/", include("portal.onboarding.urls")),
    path("activity-log/", include("portal.audit.urls")),
    path("your-data/", include("portal.privacy.urls")),
    path("notifications/", include("portal.notifications.urls")),
    path("metrics", export_metrics, name="metrics"),
    path(f"{settings.ADMIN_PATH}/", admin.site.urls),
]

if settings.DEBUG:
    from portal.web.component_gallery import show_component_gallery

    urlpatterns.append(path("__components/", show_component_gallery, name="component_gallery"))
