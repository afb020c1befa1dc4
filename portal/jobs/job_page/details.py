from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from html import unescape

import nh3
from django.conf import settings
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from portal.core import links
from portal.core.database.prepared_statements import use_prepared_statements
from portal.entitlements.rules import Rights
from portal.jobs.job_page import last_viewed
from portal.sync.freshness import Freshness
from portal.sync.models import USER_NAME_FIELDS, Job, JobPost, Opening, format_user_name

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
    job: Job
    offices: list[str]
    url: str
    greenhouse_url: str
    freshness: Freshness
    is_refreshing: bool
    # None: the credential can't read them.
    team: dict[str, list[str]] | None = None
    openings: list[Opening] | None = None
    openings_left: int = 0
    posts: list[PostDetails] | None = None


@use_prepared_statements()
def get_job_details(job: Job, rights: Rights, job_freshness: Freshness) -> JobDetails:
    unavailable = rights.features.unavailable
    openings = _list_openings(job) if "openings" not in unavailable else None
    return JobDetails(
        job=job,
        offices=list(job.offices.order_by("name").values_list("name", flat=True)),
        url=get_job_url(job),
        greenhouse_url=_build_greenhouse_url(job),
        freshness=job_freshness,
        is_refreshing=last_viewed.is_refreshing(job),
        team=_group_team_by_role(job) if "hiring_team" not in unavailable else None,
        openings=openings,
        openings_left=sum(o.is_open for o in openings or ()),
        posts=_list_posts(job) if "posts" not in unavailable else None,
    )


def get_job_url(job: Job) -> SafeString:
    return reverse_cached(links.JOB_PAGE, job.pk)


def reverse_cached(view: str, pk: int) -> SafeString:
    """Like `reverse`, but resolves a view only once per process and needs no escaping; for many
    rows.
    """
    return mark_safe(_get_url_template(view).replace(_KEY_PLACEHOLDER, str(pk)))  # noqa: S308


_KEY_PLACEHOLDER = str(10**18)  # no row has it


@cache
def _get_url_template(view: str) -> str:
    return reverse(view, args=[_KEY_PLACEHOLDER])


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
