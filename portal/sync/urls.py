from django.urls import path

from portal.sync import views

app_name = "sync"

urlpatterns = [path("", views.history_page, name="history")]
