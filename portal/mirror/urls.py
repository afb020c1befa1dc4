from django.urls import path

from portal.mirror import views

app_name = "mirror"

urlpatterns = [path("", views.history_page, name="history")]
