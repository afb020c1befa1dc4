from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from html import unescape
from typing import Any

import nh3
from django.conf import settings
from django.db.models import QuerySet
from django.utils.safestring import SafeString, mark_safe

from portal.core import links
from portal.core.database.compiled_queries import count_once
from portal.core.database.prepared_statements import use_prepared_statements
from portal.entitlements.rules import Rights
from portal.jobs.job_page import last_viewed
from portal.sync.freshness import Freshness
from portal.sync.models import USER_NAME_FIELDS, Job, JobPost, Opening, format_user_name
from portal.web.row_urls import reverse_cached

_ROLE_LABELS = {
    "hiring_manager": "Hiring managers",
    "recruiter": "Recruiters",
    "coordinator": "Coordinators",
    "sourcer": "Sourcers",
}
_ALLOWED_TAGS = {
    "p",
    "br",
    "ul",
    "ol",
    "li",
    "strong",
    "b",
    "em",
    "i",
    "u",
    "a",
    "h3",
    "h4",
    "h5",
    "blockquote",
}
_MAX_OPENINGS = 50


@dataclass(frozen=True)
class PostDetails:
    title: str
    live: bool
    internal: bool
    public_url: str
    content: SafeString


@dataclass(frozen=True)
class JobDetails:
    """What every page of a requisition shows of it."""

    job: Job
    url: str
    greenhouse_url: str
    freshness: Freshness
    is_refreshing: bool
    openings_left: int | None = None  # None: the credential can't read them


@dataclass(frozen=True)
class JobAbout:
    """What is unfolded for few. None: the credential can't read them."""

    job: Job
    offices: list[str]
    team: dict[str, list[str]] | None
    openings: list[Opening] | None
    posts: list[PostDetails] | None


@use_prepared_statements()
def get_job_details(job: Job, rights: Rights, job_freshness: Freshness) -> JobDetails:
    can_read_openings = "openings" not in rights.features.unavailable
    return JobDetails(
        job=job,
        url=get_job_url(job),
        greenhouse_url=_build_greenhouse_url(job),
        freshness=job_freshness,
        is_refreshing=last_viewed.is_refreshing(job),
        openings_left=_count_open_positions(job) if can_read_openings else None,
    )


def get_job_about(job: Job, rights: Rights) -> JobAbout:
    unavailable = rights.features.unavailable
    return JobAbout(
        job=job,
        offices=list(job.offices.order_by("name").values_list("name", flat=True)),
        team=_group_team_by_role(job) if "hiring_team" not in unavailable else None,
        openings=_list_openings(job) if "openings" not in unavailable else None,
        posts=_list_posts(job) if "posts" not in unavailable else None,
    )


def get_job_url(job: Job) -> SafeString:
    return reverse_cached(links.JOB_PAGE, job.pk)


def _group_team_by_role(job: Job) -> dict[str, list[str]]:
    names_by_role = defaultdict(list)
    memberships = job.team.order_by("user__name", "id")
    for role, *name_fields in memberships.values_list("role", *USER_NAME_FIELDS):
        label = _ROLE_LABELS.get(role, role.replace("_", " ").capitalize())
        names_by_role[label].append(format_user_name(*name_fields))
    order = list(_ROLE_LABELS.values())
    return dict(
        sorted(
            names_by_role.items(),
            key=lambda item: (
                item[0] not in order,
                order.index(item[0]) if item[0] in order else 0,
            ),
        )
    )


def _count_open_positions(job: Job) -> int:
    return _count_open(job.pk)


@count_once
def _count_open(job_id: int) -> QuerySet[Opening, Any]:
    openings = Opening.objects.filter(job=job_id, gone_at=None, is_open=True)
    return openings.order_by().values("pk")


def _list_openings(job: Job) -> list[Opening]:
    openings = job.openings.filter(gone_at=None).select_related("close_reason")
    return list(openings.order_by("-is_open", "opened_at", "id")[:_MAX_OPENINGS])


def _list_posts(job: Job) -> list[PostDetails]:
    posts = job.posts.filter(gone_at=None, active=True).order_by("-live", "internal", "title", "id")
    return [_build_post(post) for post in posts]


def _build_post(post: JobPost) -> PostDetails:
    return PostDetails(
        title=post.title,
        live=post.live,
        internal=post.internal,
        public_url=post.public_url if post.public_url.startswith("https://") else "",
        content=sanitize_html(post.content),
    )


def sanitize_html(html: str) -> SafeString:
    """Keep only text formatting and links: anyone at the customer may have written the post.
    Greenhouse sends some posts with escaped tags.
    """
    if "<" not in html:
        html = unescape(html)
    clean_html: str = nh3.clean(
        html,
        tags=_ALLOWED_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(clean_html)  # noqa: S308  (sanitized above)


def _build_greenhouse_url(job: Job) -> str:
    # [Inferred to hold for every account: webhooks contain "http://app.greenhouse.io/sdash/<id>" as
    # the URL of an application's job.]
    return f"{settings.GREENHOUSE_SITE_URL}/sdash/{job.remote_id}"
