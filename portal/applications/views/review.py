"""Review: one application at a time."""

from __future__ import annotations

from datetime import UTC, datetime

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from integrations.ats.errors import AtsError
from integrations.ats.types import Attachment
from integrations.ats.wiring import Lane
from portal.accounts.access import MemberRequest, member_only
from portal.applications import custom, outbox, sittings
from portal.applications.acting import shown_as
from portal.applications.custom import Held
from portal.applications.deeds import Deed, deeds
from portal.applications.forms.reject import RejectForm
from portal.applications.forms.review import HabitsForm
from portal.applications.models import ApplicationAction, Habits, Sitting
from portal.applications.naming import may_name, who
from portal.applications.narrowing import chosen_from, narrowed
from portal.applications.offers import ground, offer
from portal.applications.rows import newest_action, row_of
from portal.applications.views.base import application_of, as_it_stands, gone
from portal.connections.models import Credential
from portal.connections.open import open_provider
from portal.core.htmx import page_or_part
from portal.core.secrets import SecretUnreadable
from portal.entitlements.rules import Rights, rights, visible_applications, visible_jobs
from portal.mirror.models import Application, Job, Stage

RESUME = "resume"
PREFETCHED_FOR = 60  # seconds that the browser keeps the next one's details


def _job(request: MemberRequest, pk: int) -> tuple[Job, Rights]:
    held = rights(request.membership)
    return get_object_or_404(visible_jobs(request.membership, held=held), pk=pk), held


@require_POST
@member_only
def begin(request: MemberRequest, job_pk: int) -> HttpResponse:
    """Begin a sitting with the applications that the requisition's page shows."""
    job, held = _job(request, job_pk)
    status, stage = chosen_from(request.POST)
    mine = visible_applications(request.membership, held=held).filter(job=job)
    order = narrowed(mine, status, stage).values_list("pk", flat=True)
    chosen = {"status": status, "stage": stage}
    sittings.begin(request.membership, job, order[: sittings.MOST], chosen)
    return redirect("applications:review", job_pk=job.pk)


@require_safe
@member_only
def review(request: MemberRequest, job_pk: int) -> HttpResponse:
    """The application at the sitting's place."""
    job, held = _job(request, job_pk)
    sitting = sittings.going_on(request.membership, job)
    if sitting is None:
        return redirect("applications:of_job", job_pk=job.pk)
    _walk(request, sitting)
    habits = sittings.habits_of(request.membership)
    decided = _decided(request, sitting, held)
    context = {
        "job": job,
        "held": held,
        "sitting": sitting,
        "at_end": sitting.at >= len(sitting.order),
        "deeds": decided,
        "polls": _any_open(decided),
        "habits": habits,
        "habits_form": HabitsForm(instance=habits),
        "came_from": "review",
        "back": sittings.begun_from(sitting),
    }
    if not context["at_end"]:
        context |= _shown(request, sitting, habits, held)
    return render(request, "applications/review.html", context)


def _walk(request: MemberRequest, sitting: Sitting) -> None:
    at = request.GET.get("at", "")
    if at.isdecimal() and len(at) < 6:
        sittings.go(sitting, int(at) - 1)


def _shown(
    request: MemberRequest, sitting: Sitting, habits: Habits, held: Rights
) -> dict[str, object]:
    visible = visible_applications(request.membership, held=held)
    found = visible.select_related(
        "candidate", "stage", "job", "connection", "source", "recruiter", "coordinator"
    )
    application = found.filter(pk=sitting.order[sitting.at]).first()
    if application is None:
        return {"application": None}
    words = habits.words
    ahead = visible.filter(pk__in=sitting.order[sitting.at + 1 : sitting.at + 2]).first()
    others = visible.filter(candidate=application.candidate).exclude(pk=application.pk)
    return {
        **_card(request, application, newest_action(application), held),
        "answers": [
            (
                one.get("question") or "",
                sittings.highlighted(str(one.get("answer") or "No answer"), words),
            )
            for one in application.answers
        ],
        "headline": sittings.highlighted(_headline(application, held), words),
        "others": others.select_related("job")[:20] if application.candidate_id else [],
        "details": _details_of(application),
        "next_details": _details_of(ahead) if ahead else "",
    }


def _card(
    request: MemberRequest, application: Application, last: ApplicationAction | None, held: Rights
) -> dict[str, object]:
    """Where it stands, and what can be decided."""
    at = ground(request.membership, application.job_id, held)
    return {
        "application": application,
        "row": row_of(application, last, request.membership, at),
        "reject_offer": offer(application, at, "reject"),
        "shown_as": shown_as(at.acting, held.match.user),
        "reject_form": RejectForm(application=application, at=at, membership=request.membership),
        "own_fields": _own_fields(application, held),
        "came_from": "review",
    }


@require_safe
@member_only
def card(request: MemberRequest, pk: int) -> HttpResponse:
    """What can be decided, as it stands now; asks for itself while something is on its way."""
    try:
        application, held, last = as_it_stands(request, pk)
    except Http404:
        return gone(request, pk, "gone-card")
    context = _card(request, application, last, held)
    return render(request, "applications/review.html#review-card", context)


def _details_of(application: Application) -> str:
    """The address of its details as it stands now: the browser keeps an answer for its address."""
    page = reverse("applications:details", args=[application.pk])
    return f"{page}?as_of={application.changed_at.timestamp():.6f}"


def _own_fields(application: Application, held: Rights) -> list[Held]:
    """The fields that the customer added, where they hold something."""
    if "custom_fields" in held.features.off:
        return []
    every = custom.held(application.connection_id, application.custom)
    return [one for one in every if one.words]


def _headline(application: Application, held: Rights) -> str:
    person = application.candidate if may_name(held) else None
    return ", ".join(part for part in (person.title, person.company) if part) if person else ""


def _decided(request: MemberRequest, sitting: Sitting, held: Rights) -> list[Deed]:
    mine = visible_applications(request.membership, held=held, closed=True)
    actions = sittings.decisions(sitting).filter(application__in=mine)
    actions = actions.select_related(
        "application__candidate", "application__job", "application__stage", "membership__user"
    )[:30]
    return deeds(actions, request.membership, held, sitting=sitting)


def _any_open(decided: list[Deed]) -> bool:
    return any(deed.action.is_open for deed in decided)


@require_safe
@member_only
def decisions(request: MemberRequest, job_pk: int) -> HttpResponse:
    """What was decided in this sitting; asks for itself while something is on its way."""
    job, held = _job(request, job_pk)
    sitting = sittings.going_on(request.membership, job)
    if sitting is None:
        raise Http404
    for action in sittings.decisions(sitting).filter(status=ApplicationAction.Status.HELD):
        outbox.release_one(action)
    decided = _decided(request, sitting, held)
    context = {
        "job": job,
        "deeds": decided,
        "polls": _any_open(decided),
        "came_from": "review",
    }
    return render(request, "applications/review.html#decisions", context)


@require_POST
@member_only
def keep_habits(request: MemberRequest, job_pk: int) -> HttpResponse:
    """Keep the words to highlight, and whether keys of one letter act."""
    job, _ = _job(request, job_pk)
    form = HabitsForm(request.POST, instance=sittings.habits_of(request.membership))
    if form.is_valid():
        form.save()
        messages.success(request, "Kept.")
    else:
        messages.error(request, "That is too long: 300 characters are kept.")
    return redirect("applications:review", job_pk=job.pk)


@require_safe
@member_only
def details(request: MemberRequest, pk: int) -> HttpResponse:
    """What only Greenhouse knows, read at this moment and kept nowhere: history and files.

    The browser may keep it for a minute, so that the next application is there at once.
    """
    application, held = application_of(request, pk)
    context: dict[str, object] = {"application": application, "entries": (), "files": ()}
    try:
        provider = open_provider(_credential(application), lane=Lane.PEOPLE)
        if not held.why_not("stage_history"):
            names = dict(Stage.objects.filter(job=application.job).values_list("remote_id", "name"))
            history = provider.stage_history(application.remote_id)
            context["entries"] = [(names.get(one.stage_id, ""), one) for one in history]
    except (AtsError, SecretUnreadable) as error:
        context["failed"] = getattr(error, "sentence", "The credential must be entered again.")
    context["who"] = who(application, held)
    response = page_or_part(request, "applications/details.html", "stage-history", context)
    response["Cache-Control"] = f"private, max-age={PREFETCHED_FOR}"
    return response


def _credential(application: Application) -> Credential:
    credential = application.connection.credential
    if credential is None:
        raise SecretUnreadable
    return credential


@require_safe
@member_only
def resume(request: MemberRequest, pk: int) -> HttpResponse:
    """To the newest résumé, by a link that Greenhouse gives at this moment; it is kept nowhere."""
    application, _ = application_of(request, pk)
    try:
        link = _fresh_link(application)
    except AtsError as error:
        link, why = None, error.sentence
    except SecretUnreadable:
        link, why = None, "The Greenhouse credential must be entered again."
    else:
        why = "Greenhouse has no résumé of this candidate."
    if link is None:
        messages.warning(request, why)
        return redirect(reverse("applications:review", args=[application.job_id]))
    response = redirect(link)
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


def _fresh_link(application: Application) -> str | None:
    if application.candidate is None:
        return None
    provider = open_provider(_credential(application), lane=Lane.PEOPLE)
    files = provider.attachments(application.candidate.remote_id)
    resumes = [one for one in files if one.type == RESUME and one.url.startswith("https://")]
    return max(resumes, key=_made_at).url if resumes else None


def _made_at(file: Attachment) -> datetime:
    """When it came; one whose date is not told counts as older than every other."""
    return file.created_at or datetime.min.replace(tzinfo=UTC)
