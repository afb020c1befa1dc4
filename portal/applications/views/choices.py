"""Searches the choices of long selects."""

from __future__ import annotations

from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from portal.accounts.access import MemberRequest, member_only
from portal.applications.actions.action_context import ActionContext
from portal.applications.actions.handlers import ACTION_HANDLERS
from portal.applications.forms.batch import get_batch_form_class
from portal.applications.forms.choice_search import SearchableForm
from portal.applications.forms.move import TransferForm
from portal.applications.forms.update import UpdateForm
from portal.applications.models import ActionKind
from portal.applications.views.lookups import get_available_actions_or_404
from portal.entitlements.rules import get_rights, visible_jobs

_FORM_CLASSES = {ActionKind.TRANSFER: TransferForm, ActionKind.UPDATE: UpdateForm}


@require_safe
@member_only
def search_choices(request: MemberRequest, pk: int) -> HttpResponse:
    """Options for the field `field` of the form `kind`."""
    available_actions = get_available_actions_or_404(request, pk)
    kind = request.GET.get("kind", "")
    if kind not in _FORM_CLASSES or available_actions.get_option(kind).why_not:
        raise Http404
    form = _FORM_CLASSES[ActionKind(kind)](
        application=available_actions.application, action_context=available_actions.context
    )
    return _render_results(request, form)


@require_safe
@member_only
def search_batch_choices(request: MemberRequest, job_pk: int) -> HttpResponse:
    """The same for many applications of a job."""
    rights = get_rights(request.membership)
    job = get_object_or_404(visible_jobs(request.membership, member_rights=rights), pk=job_pk)
    kind = request.GET.get("kind", "")
    if kind not in _FORM_CLASSES or rights.why_unavailable(ACTION_HANDLERS[kind].feature):
        raise Http404
    form = get_batch_form_class(kind)(
        initial={},
        action_context=ActionContext(request.membership, job.pk, rights),
        connection_id=job.connection_id,
    )
    return _render_results(request, form)


def _render_results(request: MemberRequest, form: SearchableForm) -> HttpResponse:
    name = request.GET.get("field", "")
    widget = form.get_search_widget(name)
    if widget is None:
        raise Http404
    widget.run_search(request.GET.get(f"search-{name}", ""))
    context = {"field": form[name], "widget": widget}
    return render(request, "components/_choice_results.html", context)
