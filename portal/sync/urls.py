from django.urls import path

from portal.sync import views

app_name = "sync"

urlpatterns = [path("", views.show_sync_history, name="history")]
