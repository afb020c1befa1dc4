"""Models that belong to no organization. Every other model is a customer's."""

from __future__ import annotations

from django.db import models

_PERSON = "belongs to a person, who may be staff or a member of several organizations"
_QUEUE = "the queue serves all customers; rows carry IDs only"
_RIGHTS = "Django's rights of staff"

SHARED_MODELS = {
    "accounts.User": _PERSON,
    "accounts.User_groups": _RIGHTS,
    "accounts.User_user_permissions": _RIGHTS,
    "auth.Permission": _RIGHTS,
    "auth.Group": _RIGHTS,
    "auth.Group_permissions": _RIGHTS,
    "admin.LogEntry": "what staff did in the admin",
    "contenttypes.ContentType": "names of models",
    "sessions.Session": "read before anybody is known",
    "usersessions.UserSession": _PERSON,
    "account.EmailAddress": _PERSON,
    "account.EmailConfirmation": _PERSON,
    "socialaccount.SocialApp": "not used; providers are `signin.SingleSignOn` rows",
    "socialaccount.SocialAccount": _PERSON,
    "socialaccount.SocialToken": "not stored",
    "mfa.Authenticator": _PERSON,
    "notifications.Preference": _PERSON,
    "notifications.OutgoingEmail": "sign-in emails, also to people of no organization",
    "django_q.Task": _QUEUE,
    "django_q.Success": _QUEUE,
    "django_q.Failure": _QUEUE,
    "django_q.Schedule": _QUEUE,
    "django_q.OrmQ": _QUEUE,
    "core.QueuedTask": _QUEUE,
    "core.QueueTurn": _QUEUE,
    "core.SharedState": "rate budgets and tokens by key, encrypted",
    "core.WorkerHeartbeat": "one row per kind of worker",
    "support.SavedFilter": "belongs to a staff member, who sees every customer",
    "core.DatabaseIdentity": "one row about the database itself",
    "sync.FreshnessTotal": "sums over all customers",
}


def is_shared(model: type[models.Model]) -> bool:
    return model._meta.label in SHARED_MODELS
