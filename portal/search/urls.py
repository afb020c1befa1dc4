from django.urls import path

from portal.search import views

app_name = "search"
urlpatterns = [path("", views.show_results, name="results")]
