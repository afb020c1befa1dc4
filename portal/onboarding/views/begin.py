"""Where set-up begins, and where it goes on."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from portal.accounts.access import MemberRequest, admin_only
from portal.connections.standing import connection_of
from portal.onboarding import journey


@require_safe
@admin_only
def setup(request: MemberRequest) -> HttpResponse:
    """Wherever set-up stands."""
    connection = connection_of(request.membership.organization_id)
    return redirect(f"onboarding:{journey.current(connection)}")
