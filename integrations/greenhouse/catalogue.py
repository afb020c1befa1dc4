"""The permission catalogue of Greenhouse: one table that drives wizard, check, buttons and docs.

Labels are the words of Greenhouse's own screen for API keys, in its order; scopes are Harvest v3's.
Source: Greenhouse's Harvest documentation (v1/v2 "Manage Permissions", v3 "Manage Scopes").
"""

from __future__ import annotations

from integrations.ats.permissions import Catalogue, Feature, Origin, Permission

_FEATURES = (
    Feature(key="requisitions", label="Requisitions", off="No requisitions can be shown."),
    Feature(
        key="people",
        label="Matching people",
        off="Nobody can be matched with their Greenhouse account, so nobody sees anything.",
    ),
    Feature(
        key="job_admins",
        label="Exact access of Job Admins",
        off="Job Admins see only jobs on whose hiring team they are, which may be fewer than "
        "Greenhouse allows.",
    ),
    Feature(
        key="applications",
        label="Applications",
        off="Requisitions are shown without their applications, and nothing can be done on them.",
    ),
    Feature(
        key="candidates", label="Candidates' names", off="Applications are shown without names."
    ),
    Feature(
        key="stages",
        label="Stages",
        off="The steps of a job are not shown, and an application cannot be moved to one.",
    ),
    Feature(key="posts", label="Job posts", off="Requisitions are shown without their posts."),
    Feature(
        key="openings", label="Openings", off="It is not shown how many seats are left to fill."
    ),
    Feature(
        key="close_reasons",
        label="Close reasons",
        off="It is not shown why an opening was closed.",
    ),
    Feature(key="advance", label="Advance", off="The Advance button is off."),
    Feature(key="move", label="Move to a stage", off="The Move button is off."),
    Feature(key="reject", label="Reject", off="The Reject button is off."),
    Feature(key="unreject", label="Unreject", off="The Unreject button is off."),
    Feature(key="transfer", label="Transfer to another job", off="The Transfer button is off."),
    Feature(
        key="update",
        label="Update an application",
        off="Recruiter, coordinator and source of an application cannot be changed.",
    ),
    Feature(
        key="verified_emails",
        label="Matching by every verified address",
        off="People are matched by the addresses in their Greenhouse profile only.",
    ),
    Feature(
        key="departments",
        label="Departments",
        off="Requisitions are shown without department names.",
    ),
    Feature(key="offices", label="Offices", off="Requisitions are shown without office names."),
    Feature(
        key="hiring_team", label="Hiring team", off="A requisition's hiring team is not shown."
    ),
    Feature(
        key="role_names", label="Role names", off="Access is explained without the role's name."
    ),
    Feature(
        key="future_access",
        label="Tomorrow's access",
        off="It is not shown on which future jobs somebody will have access.",
    ),
    Feature(key="stage_history", label="Stage history", off="Days in stage are not shown."),
    Feature(
        key="rejection_mail", label="Rejection e-mail", off="Rejections are sent without an e-mail."
    ),
    Feature(
        key="custom_fields",
        label="Your own fields",
        off="Fields that you added to applications in Greenhouse are not shown and cannot be "
        "changed.",
    ),
)


def _asked(
    key: str,
    group: str,
    label: str,
    scope: str,
    *features: str,
    use: str,
    origin: Origin = Origin.ARTICLE,
    why: str = "",
    kinds: tuple[str, ...] = ("harvest_oauth", "harvest_partner", "harvest_key"),
) -> Permission:
    return Permission(
        key=key,
        group=group,
        label=label,
        scope=f"harvest:{scope}",
        features=features,
        use=use,
        origin=origin,
        why=why,
        kinds=kinds,
    )


_V3_ONLY = ("harvest_oauth", "harvest_partner")
_V1_ONLY = ("harvest_key",)
_ADDED, _OPTIONAL = Origin.ADDED, Origin.OPTIONAL

_PERMISSIONS = (
    _asked(
        "applications.retrieve",
        "Applications",
        "Get: Retrieve Application",
        "applications:list",
        "applications",
        "advance",
        "move",
        "reject",
        "unreject",
        "transfer",
        "update",
        use="Looks at one application again, so that nobody acts on what has changed.",
    ),
    _asked(
        "applications.list",
        "Applications",
        "Get: List Applications",
        "applications:list",
        "applications",
        use="Shows recruiters the applications of their jobs.",
    ),
    _asked(
        "applications.update",
        "Applications",
        "Patch: Update Application",
        "applications:update",
        "update",
        use="Lets recruiters change an application's recruiter, coordinator or source.",
    ),
    _asked(
        "applications.advance",
        "Applications",
        "Post: Advance Application",
        "applications:move",
        "advance",
        use="Lets recruiters advance an application to its next stage.",
    ),
    _asked(
        "applications.move",
        "Applications",
        "Post: Move Application",
        "applications:move",
        "move",
        use="Lets recruiters move an application to any stage of its job.",
    ),
    _asked(
        "applications.reject",
        "Applications",
        "Post: Reject Application",
        "applications:reject",
        "reject",
        use="Lets recruiters reject an application.",
    ),
    _asked(
        "applications.transfer",
        "Applications",
        "Post: Moves Application to Job",
        "applications:move",
        "transfer",
        use="Lets recruiters move an application to another job.",
    ),
    _asked(
        "applications.unreject",
        "Applications",
        "Post: Unreject Application",
        "applications:unreject",
        "unreject",
        use="Lets recruiters take a rejection back.",
    ),
    _asked(
        "candidates.retrieve",
        "Candidates",
        "Get: Retrieve Candidate",
        "candidates:list",
        "candidates",
        use="Looks at one candidate again when their name has changed.",
    ),
    _asked(
        "candidates.list",
        "Candidates",
        "Get: List Candidates",
        "candidates:list",
        "candidates",
        use="Shows applications with the candidates' names.",
    ),
    _asked(
        "jobs.retrieve",
        "Jobs",
        "Get: Retrieve Job",
        "jobs:list",
        "requisitions",
        use="Looks at one job again when it has changed.",
    ),
    _asked(
        "jobs.list",
        "Jobs",
        "Get: List Jobs",
        "jobs:list",
        "requisitions",
        use="Shows recruiters their jobs. Without it nothing can be shown.",
    ),
    _asked(
        "job_posts.list",
        "Job Posts",
        "Get: List Job Posts",
        "job_posts:list",
        "posts",
        use="Shows with which posts a job is advertised.",
    ),
    _asked(
        "job_posts.retrieve_for_job",
        "Job Posts",
        "Get: Retrieve Job Post for Job",
        "job_posts:list",
        "posts",
        use="Looks at the post of one job again when it has changed.",
    ),
    _asked(
        "job_posts.list_for_job",
        "Job Posts",
        "Get: List Job Posts for Job",
        "job_posts:list",
        "posts",
        use="Looks at all posts of one job again when they have changed.",
    ),
    _asked(
        "job_stages.retrieve",
        "Job Stages",
        "Get: Retrieve Job Stage",
        "job_interview_stages:list",
        "stages",
        "move",
        use="Looks at one stage of a job again when it has changed.",
    ),
    _asked(
        "job_stages.list",
        "Job Stages",
        "Get: List Job Stages",
        "job_interview_stages:list",
        "stages",
        "move",
        use="Shows the stages of a job and where its applications are.",
    ),
    _asked(
        "job_stages.list_for_job",
        "Job Stages",
        "Get: List Job Stages for Job",
        "job_interview_stages:list",
        "stages",
        "move",
        use="Looks at the stages of one job again when they have changed.",
    ),
    _asked(
        "users.retrieve",
        "Users",
        "Get: Retrieve User",
        "users:list",
        "people",
        use="Looks at one Greenhouse user again when they have changed.",
    ),
    _asked(
        "users.list",
        "Users",
        "Get: List Users",
        "users:list",
        "people",
        use="Finds out by e-mail address who is who, so that everybody sees only their own jobs.",
    ),
    _asked(
        "openings.list_for_job",
        "Job Openings",
        "Get: List Openings For a Job",
        "openings:list",
        "openings",
        use="Shows how many seats of a job are left to fill.",
    ),
    _asked(
        "close_reasons.list",
        "Close Reasons",
        "Get: Get close reasons",
        "close_reasons:list",
        "close_reasons",
        use="Shows why an opening was closed.",
    ),
    _asked(
        "user_permissions.list_job_permissions",
        "User Permissions",
        "Get: List Job Permissions",
        "user_job_permissions:list",
        "job_admins",
        use="Knows which jobs each Job Admin may see in Greenhouse, and shows them no others.",
        origin=_ADDED,
        why="It tells exactly which jobs a Job Admin may see. The set-up article leaves it out.",
    ),
    _asked(
        "rejection_reasons.list",
        "Rejection Reasons",
        "Get: List Rejection Reasons",
        "rejection_reasons:list",
        "reject",
        use="Offers your own rejection reasons when somebody rejects an application.",
        origin=_ADDED,
        why="Harvest v3 rejects only with a reason from this list. The set-up article leaves it "
        "out.",
    ),
    _asked(
        "user_emails.list",
        "Users",
        "Get: List User Emails",
        "user_emails:list",
        "verified_emails",
        use="Finds people also by the second address that they have in Greenhouse.",
        origin=_OPTIONAL,
        why="People who sign in with their second address are matched too.",
        kinds=_V3_ONLY,
    ),
    _asked(
        "departments.list",
        "Departments",
        "Get: List Departments",
        "departments:list",
        "departments",
        use="Shows the department of a job.",
        origin=_OPTIONAL,
        why="Department names for the list of requisitions.",
    ),
    _asked(
        "offices.list",
        "Offices",
        "Get: List Offices",
        "offices:list",
        "offices",
        use="Shows the office of a job.",
        origin=_OPTIONAL,
        why="Office names for the list of requisitions.",
    ),
    _asked(
        "hiring_team.owners",
        "Jobs",
        "Get: Hiring Team",
        "job_owners:list",
        "hiring_team",
        use="Shows who recruits and coordinates for a job.",
        origin=_OPTIONAL,
        why="Shows who recruits and coordinates.",
        kinds=_V3_ONLY,
    ),
    _asked(
        "hiring_team.managers",
        "Jobs",
        "Get: Hiring Team",
        "job_hiring_managers:list",
        "hiring_team",
        use="Shows the hiring managers of a job.",
        origin=_OPTIONAL,
        why="Shows the hiring managers.",
        kinds=_V3_ONLY,
    ),
    _asked(
        "user_roles.list",
        "User Roles",
        "Get: List User Roles",
        "user_roles:list",
        "role_names",
        use="Names the role that gives somebody access to a job.",
        origin=_OPTIONAL,
        why="Names the role that gives somebody access.",
        kinds=_V3_ONLY,
    ),
    _asked(
        "user_roles.list",
        "User Roles",
        "Get: List User Roles",
        "user_roles:list",
        "job_admins",
        "role_names",
        use="Tells Job Admins from interviewers, who see no applications here.",
        origin=_ADDED,
        why="An API key's job permissions name interviewers too; only this list tells them from "
        "Job Admins. The set-up article leaves it out.",
        kinds=_V1_ONLY,
    ),
    _asked(
        "user_permissions.list_future_job_permissions",
        "User Permissions",
        "Get: List Future Job Permissions",
        "future_job_permissions:list",
        "future_access",
        use="Nothing yet. Later it tells people which future jobs they will see.",
        origin=_OPTIONAL,
        why="Explains on which future jobs somebody will have access.",
    ),
    _asked(
        "application_stages.list",
        "Applications",
        "Get: List Application Stages",
        "application_stages:list",
        "stage_history",
        use="Shows how long an application has been in its stage.",
        origin=_OPTIONAL,
        why="Tells how long an application has been in its stage.",
        kinds=_V3_ONLY,
    ),
    _asked(
        "email_templates.list",
        "Email Templates",
        "Get: List Email Templates",
        "email_templates:list",
        "rejection_mail",
        use="Lets a rejection go out with one of your own e-mail templates.",
        origin=_OPTIONAL,
        why="Lets a rejection go out with one of your e-mail templates.",
    ),
    _asked(
        "custom_fields.list",
        "Custom Fields",
        "Get: List Custom Fields",
        "custom_fields:list",
        "custom_fields",
        use="Shows the fields that you added to applications, and lets them be changed.",
        origin=_OPTIONAL,
        why="Shows the fields that you added to applications, and lets them be changed.",
    ),
    _asked(
        "custom_field_options.list",
        "Custom Fields",
        "Get: List Custom Field Options",
        "custom_field_options:list",
        "custom_fields",
        use="Offers what can be chosen in those of your own fields that are selects.",
        origin=_OPTIONAL,
        why="Tells what can be chosen in those of them that are selects.",
        kinds=_V3_ONLY,
    ),
)

CATALOGUE = Catalogue(
    permissions=_PERMISSIONS,
    features={feature.key: feature for feature in _FEATURES},
    places={
        "harvest_key": "Configure › Dev Center › API Credential Management › your key › "
        "Manage Permissions",
        "harvest_oauth": "Configure › Dev Center › API Credential Management › your credential › "
        "Manage Scopes",
        "harvest_partner": "the consent that a Site Admin gives in Greenhouse",
    },
    by_scope=frozenset(_V3_ONLY),
    # The files of a candidate under review, and the names of sources.
    also_used=frozenset({"harvest:attachments:list", "harvest:sources:list"}),
)


def label_of(key: str) -> str:
    """The tick box of a permission, with its group; the key itself for one we do not ask for."""
    for permission in _PERMISSIONS:
        if permission.key == key:
            return f"{permission.group} › {permission.label}"
    return key
