"""What a requisition's page tells of the job itself."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache

import nh3
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe

from portal.entitlements.rules import Rights
from portal.jobs import visits
from portal.mirror import freshness
from portal.mirror.freshness import Freshness
from portal.mirror.models import Job, JobPost, Opening

# As Greenhouse's own payloads write the address of a job [inferred to hold for every account:
# its web hooks carry "http://app.greenhouse.io/sdash/<id>" for an application's job].
IN_GREENHOUSE = "https://app.greenhouse.io/sdash/{id}"
_ROLES = {
    "hiring_manager": "Hiring managers",
    "recruiter": "Recruiters",
    "coordinator": "Coordinators",
    "sourcer": "Sourcers",
}
_TAGS = {
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
_MOST_OPENINGS = 50


@dataclass(frozen=True)
class Post:
    title: str
    live: bool
    internal: bool
    public_url: str
    words: SafeString


@dataclass(frozen=True)
class Facts:
    """`openings`, `posts` and `team` are None where the credential may not read them."""

    job: Job
    offices: list[str]
    page: str  # its own page here
    link: str  # the same job in Greenhouse
    fresh: Freshness
    being_read: bool
    team: dict[str, list[str]] | None = None
    openings: list[Opening] | None = None
    openings_left: int = 0
    posts: list[Post] | None = None


def facts(job: Job, held: Rights) -> Facts:
    """The facts of a job that the reader may see."""
    off = held.features.off
    openings = _openings(job) if "openings" not in off else None
    return Facts(
        job=job,
        offices=list(job.offices.order_by("name").values_list("name", flat=True)),
        page=address(job),
        link=IN_GREENHOUSE.format(id=job.remote_id),
        fresh=freshness.of(job.connection, job=job),
        being_read=visits.being_read(job),
        team=_team(job) if "hiring_team" not in off else None,
        openings=openings,
        openings_left=sum(o.is_open for o in openings or ()),
        posts=_posts(job) if "posts" not in off else None,
    )


def address(job: Job) -> str:
    """A job's page: with its applications while it is open."""
    return address_at("applications:of_job" if job.is_open else "jobs:closed", job.pk)


def address_at(view: str, pk: int) -> str:
    """The address of a view that takes a key: looked for once a process, not once a row."""
    return _form(view).replace(_ANY, str(pk))


_ANY = str(10**18)  # no key


@cache
def _form(view: str) -> str:
    return reverse(view, args=[_ANY])


def _team(job: Job) -> dict[str, list[str]]:
    found = defaultdict(list)
    places = job.team.order_by("user__name", "id").values_list("role", "user__name")
    for role, name in places:
        found[_ROLES.get(role, role.replace("_", " ").capitalize())].append(name)
    order = list(_ROLES.values())
    return dict(
        sorted(
            found.items(),
            key=lambda e: (e[0] not in order, order.index(e[0]) if e[0] in order else 0),
        )
    )


def _openings(job: Job) -> list[Opening]:
    found = job.openings.filter(gone_at=None).select_related("close_reason")
    return list(found.order_by("-is_open", "opened_at", "id")[:_MOST_OPENINGS])


def _posts(job: Job) -> list[Post]:
    found = job.posts.filter(gone_at=None, active=True).order_by("-live", "internal", "title", "id")
    return [_post(post) for post in found]


def _post(post: JobPost) -> Post:
    return Post(
        title=post.title,
        live=post.live,
        internal=post.internal,
        public_url=post.public_url if post.public_url.startswith("https://") else "",
        words=cleaned(post.content),
    )


def cleaned(html: str) -> SafeString:
    """A post's HTML with nothing in it that acts, loads or looks like ours.

    The customer wrote it in Greenhouse, and anybody there may have; only plain text marks and links
    stay.
    """
    kept: str = nh3.clean(
        html,
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return mark_safe(kept)  # noqa: S308  (cleaned in the line above)
