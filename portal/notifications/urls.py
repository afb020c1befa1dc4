from django.urls import path

from portal.notifications import views

app_name = "notifications"
urlpatterns = [
    path("", views.edit_preferences, name="preferences"),
    path("recent/", views.show_delivery_of_recent_emails, name="recent_emails"),
    path("email-events/", views.receive_email_events, name="email_events"),
]
