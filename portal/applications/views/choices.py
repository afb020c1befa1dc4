"""Searches the choices of long selects."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.forms.move import TransferForm
from portal.applications.forms.update import UpdateForm
from portal.applications.models import ActionKind
from portal.applications.views.lookups import get_available_actions_or_404

_FORM_CLASSES = {ActionKind.TRANSFER: TransferForm, ActionKind.UPDATE: UpdateForm}


@require_safe
@member_only
def search_choices(request: MemberRequest, pk: int) -> HttpResponse:
    """Options for the field `field` of the form `kind`."""
    available_actions = get_available_actions_or_404(request, pk)
    kind, name = request.GET.get("kind", ""), request.GET.get("field", "")
    if kind not in _FORM_CLASSES or available_actions.get_option(kind).why_not:
        raise Http404
    form = _FORM_CLASSES[ActionKind(kind)](
        application=available_actions.application, action_context=available_actions.context
    )
    widget = form.get_search_widget(name)
    if widget is None:
        raise Http404
    widget.run_search(request.GET.get(f"search-{name}", ""))
    context = {"field": form[name], "widget": widget}
    return render(request, "components/_choice_results.html", context)
