"""Actions for several customers at once, with a result for each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest

from portal.accounts.models import Organization, User
from portal.support.actions import customer_actions


def list_possible_owners() -> QuerySet[User]:
    return User.objects.filter(is_staff=True, is_active=True).order_by("name", "email")


class OwnerActionForm(ActionForm):
    """`owner` is for "Assign owner"; empty removes the owner."""

    owner: Any = forms.ModelChoiceField(
        User.objects.none(), required=False, label="Owner", empty_label="No owner"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(forms.ModelChoiceField[User], self.fields["owner"]).queryset = list_possible_owners()


def run_for_customers(
    request: HttpRequest,
    organizations: Iterable[Organization],
    action: customer_actions.CustomerAction,
) -> None:
    """Run the action for each customer and say for whom it ran, and why not for the others."""
    succeeded = []
    for organization in organizations:
        if reason := _run_action(request, organization, action):
            messages.warning(request, f"{organization}: {reason}")
        else:
            succeeded.append(str(organization))
    if succeeded:
        messages.success(request, f"{action.label}: requested for {', '.join(succeeded)}.")


def _run_action(
    request: HttpRequest, organization: Organization, action: customer_actions.CustomerAction
) -> str:
    """Return why it did not run, or ""."""
    connection = getattr(organization, "connection", None)
    reason = customer_actions.why_unavailable(action, connection)
    if reason or connection is None:
        return reason
    try:
        customer_actions.run_action(
            action, connection, by=cast(User, request.user), request=request
        )
    except customer_actions.ActionNotApplied:
        return "The connection changed in the meantime. Nothing was done."
    return ""


def assign_owner(request: HttpRequest, organizations: Iterable[Organization]) -> None:
    """Assign the customers to the staff member chosen in OwnerActionForm."""
    # The admin has validated the form before it runs the action.
    pk = request.POST.get("owner", "")
    owner = list_possible_owners().get(pk=pk) if pk else None
    names = []
    for organization in organizations:
        customer_actions.assign_owner(
            organization, owner, by=cast(User, request.user), request=request
        )
        names.append(str(organization))
    result = f"Assigned to {owner}" if owner else "Owner removed"
    messages.success(request, f"{result}: {', '.join(names)}.")
