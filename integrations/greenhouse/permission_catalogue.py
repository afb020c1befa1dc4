"""The Greenhouse permissions behind the setup wizard, permission check, action buttons and docs."""

# Labels and order match Greenhouse's API key screen. Source: Harvest documentation (v1/v2 "Manage
# Permissions", v3 "Manage Scopes").

from __future__ import annotations

from integrations.ats.permissions import Feature, Permission, PermissionCatalogue, PermissionOrigin

_FEATURES = (
    Feature(key="requisitions", label="Requisitions", without_it="No requisitions can be shown."),
    Feature(
        key="people",
        label="Matching people",
        without_it="Nobody can be matched with their Greenhouse account, so nobody sees anything.",
    ),
    Feature(
        key="job_admins",
        label="Exact access of Job Admins",
        without_it="Job Admins see only jobs on whose hiring team they are, which may be fewer "
        "than Greenhouse allows.",
    ),
    Feature(
        key="applications",
        label="Applications",
        without_it="Requisitions are shown without their applications, and nothing can be done "
        "on them.",
    ),
    Feature(
        key="candidates",
        label="Candidates' names",
        without_it="Applications are shown without names.",
    ),
    Feature(
        key="stages",
        label="Stages",
        without_it="The steps of a job are not shown, and an application cannot be moved to one.",
    ),
    Feature(
        key="posts", label="Job posts", without_it="Requisitions are shown without their posts."
    ),
    Feature(
        key="openings",
        label="Openings",
        without_it="It is not shown how many seats are left to fill.",
    ),
    Feature(
        key="close_reasons",
        label="Close reasons",
        without_it="It is not shown why an opening was closed.",
    ),
    Feature(key="advance", label="Advance", without_it="The Advance button is off."),
    Feature(key="move", label="Move to a stage", without_it="The Move button is off."),
    Feature(key="reject", label="Reject", without_it="The Reject button is off."),
    Feature(key="unreject", label="Unreject", without_it="The Unreject button is off."),
    Feature(
        key="transfer", label="Transfer to another job", without_it="The Transfer button is off."
    ),
    Feature(
        key="update",
        label="Update an application",
        without_it="Recruiter, coordinator and source of an application cannot be changed.",
    ),
    Feature(
        key="verified_emails",
        label="Matching by every verified address",
        without_it="People are matched by the addresses in their Greenhouse profile only.",
    ),
    Feature(
        key="departments",
        label="Departments",
        without_it="Requisitions are shown without department names.",
    ),
    Feature(
        key="offices", label="Offices", without_it="Requisitions are shown without office names."
    ),
    Feature(
        key="hiring_team",
        label="Hiring team",
        without_it="A requisition's hiring team is not shown.",
    ),
    Feature(
        key="role_names",
        label="Role names",
        without_it="Access is explained without the role's name.",
    ),
    Feature(
        key="future_access",
        label="Tomorrow's access",
        without_it="It is not shown on which future jobs somebody will have access.",
    ),
    Feature(key="stage_history", label="Stage history", without_it="Days in stage are not shown."),
    Feature(
        key="rejection_mail",
        label="Rejection email",
        without_it="Rejections are sent without an email.",
    ),
    Feature(
        key="custom_fields",
        label="Your own fields",
        without_it="Fields that you added to applications in Greenhouse are not shown and cannot "
        "be changed.",
    ),
)


def _define_permission(
    key: str,
    group: str,
    label: str,
    scope: str,
    *features: str,
    purpose: str,
    origin: PermissionOrigin = PermissionOrigin.ARTICLE,
    reason: str = "",
    kinds: tuple[str, ...] = ("harvest_oauth", "harvest_partner", "harvest_key"),
) -> Permission:
    return Permission(
        key=key,
        group=group,
        label=label,
        scope=f"harvest:{scope}",
        features=features,
        purpose=purpose,
        origin=origin,
        reason=reason,
        kinds=kinds,
    )


_V3_ONLY = ("harvest_oauth", "harvest_partner")
_V1_ONLY = ("harvest_key",)
_ADDED, _OPTIONAL = PermissionOrigin.ADDED, PermissionOrigin.OPTIONAL

_PERMISSIONS = (
    _define_permission(
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
        purpose="Looks at one application again, so that nobody acts on what has changed.",
    ),
    _define_permission(
        "applications.list",
        "Applications",
        "Get: List Applications",
        "applications:list",
        "applications",
        purpose="Shows recruiters the applications of their jobs.",
    ),
    _define_permission(
        "applications.update",
        "Applications",
        "Patch: Update Application",
        "applications:update",
        "update",
        purpose="Lets recruiters change an application's recruiter, coordinator or source.",
    ),
    _define_permission(
        "applications.advance",
        "Applications",
        "Post: Advance Application",
        "applications:move",
        "advance",
        purpose="Lets recruiters advance an application to its next stage.",
    ),
    _define_permission(
        "applications.move",
        "Applications",
        "Post: Move Application",
        "applications:move",
        "move",
        purpose="Lets recruiters move an application to any stage of its job.",
    ),
    _define_permission(
        "applications.reject",
        "Applications",
        "Post: Reject Application",
        "applications:reject",
        "reject",
        purpose="Lets recruiters reject an application.",
    ),
    _define_permission(
        "applications.transfer",
        "Applications",
        "Post: Moves Application to Job",
        "applications:move",
        "transfer",
        purpose="Lets recruiters move an application to another job.",
    ),
    _define_permission(
        "applications.unreject",
        "Applications",
        "Post: Unreject Application",
        "applications:unreject",
        "unreject",
        purpose="Lets recruiters take a rejection back.",
    ),
    _define_permission(
        "candidates.retrieve",
        "Candidates",
        "Get: Retrieve Candidate",
        "candidates:list",
        "candidates",
        purpose="Looks at one candidate again when their name has changed.",
    ),
    _define_permission(
        "candidates.list",
        "Candidates",
        "Get: List Candidates",
        "candidates:list",
        "candidates",
        purpose="Shows applications with the candidates' names.",
    ),
    _define_permission(
        "jobs.retrieve",
        "Jobs",
        "Get: Retrieve Job",
        "jobs:list",
        "requisitions",
        purpose="Looks at one job again when it has changed.",
    ),
    _define_permission(
        "jobs.list",
        "Jobs",
        "Get: List Jobs",
        "jobs:list",
        "requisitions",
        purpose="Shows recruiters their jobs. Without it nothing can be shown.",
    ),
    _define_permission(
        "job_posts.list",
        "Job Posts",
        "Get: List Job Posts",
        "job_posts:list",
        "posts",
        purpose="Shows with which posts a job is advertised.",
    ),
    _define_permission(
        "job_posts.retrieve_for_job",
        "Job Posts",
        "Get: Retrieve Job Post for Job",
        "job_posts:list",
        "posts",
        purpose="Looks at the post of one job again when it has changed.",
    ),
    _define_permission(
        "job_posts.list_for_job",
        "Job Posts",
        "Get: List Job Posts for Job",
        "job_posts:list",
        "posts",
        purpose="Looks at all posts of one job again when they have changed.",
    ),
    _define_permission(
        "job_stages.retrieve",
        "Job Stages",
        "Get: Retrieve Job Stage",
        "job_interview_stages:list",
        "stages",
        "move",
        purpose="Looks at one stage of a job again when it has changed.",
    ),
    _define_permission(
        "job_stages.list",
        "Job Stages",
        "Get: List Job Stages",
        "job_interview_stages:list",
        "stages",
        "move",
        purpose="Shows the stages of a job and where its applications are.",
    ),
    _define_permission(
        "job_stages.list_for_job",
        "Job Stages",
        "Get: List Job Stages for Job",
        "job_interview_stages:list",
        "stages",
        "move",
        purpose="Looks at the stages of one job again when they have changed.",
    ),
    _define_permission(
        "users.retrieve",
        "Users",
        "Get: Retrieve User",
        "users:list",
        "people",
        purpose="Looks at one Greenhouse user again when they have changed.",
    ),
    _define_permission(
        "users.list",
        "Users",
        "Get: List Users",
        "users:list",
        "people",
        purpose="Finds out by email address who is who, so that everybody sees only their own "
        "jobs.",
    ),
    _define_permission(
        "openings.list_for_job",
        "Job Openings",
        "Get: List Openings For a Job",
        "openings:list",
        "openings",
        purpose="Shows how many seats of a job are left to fill.",
    ),
    _define_permission(
        "close_reasons.list",
        "Close Reasons",
        "Get: Get close reasons",
        "close_reasons:list",
        "close_reasons",
        purpose="Shows why an opening was closed.",
    ),
    _define_permission(
        "user_permissions.list_job_permissions",
        "User Permissions",
        "Get: List Job Permissions",
        "user_job_permissions:list",
        "job_admins",
        purpose="Knows which jobs each Job Admin may see in Greenhouse, and shows them no others.",
        origin=_ADDED,
        reason="It tells exactly which jobs a Job Admin may see. The setup article leaves it out.",
    ),
    _define_permission(
        "rejection_reasons.list",
        "Rejection Reasons",
        "Get: List Rejection Reasons",
        "rejection_reasons:list",
        "reject",
        purpose="Offers your own rejection reasons when somebody rejects an application.",
        origin=_ADDED,
        reason="Harvest v3 rejects only with a reason from this list. The setup article leaves it "
        "out.",
    ),
    _define_permission(
        "user_emails.list",
        "Users",
        "Get: List User Emails",
        "user_emails:list",
        "verified_emails",
        purpose="Finds people also by the second address that they have in Greenhouse.",
        origin=_OPTIONAL,
        reason="People who sign in with their second address are matched too.",
        kinds=_V3_ONLY,
    ),
    _define_permission(
        "departments.list",
        "Departments",
        "Get: List Departments",
        "departments:list",
        "departments",
        purpose="Shows the department of a job.",
        origin=_OPTIONAL,
        reason="Department names for the list of requisitions.",
    ),
    _define_permission(
        "offices.list",
        "Offices",
        "Get: List Offices",
        "offices:list",
        "offices",
        purpose="Shows the office of a job.",
        origin=_OPTIONAL,
        reason="Office names for the list of requisitions.",
    ),
    _define_permission(
        "hiring_team.owners",
        "Jobs",
        "Get: Hiring Team",
        "job_owners:list",
        "hiring_team",
        purpose="Shows who recruits and coordinates for a job.",
        origin=_OPTIONAL,
        reason="Shows who recruits and coordinates.",
        kinds=_V3_ONLY,
    ),
    _define_permission(
        "hiring_team.managers",
        "Jobs",
        "Get: Hiring Team",
        "job_hiring_managers:list",
        "hiring_team",
        purpose="Shows the hiring managers of a job.",
        origin=_OPTIONAL,
        reason="Shows the hiring managers.",
        kinds=_V3_ONLY,
    ),
    _define_permission(
        "user_roles.list",
        "User Roles",
        "Get: List User Roles",
        "user_roles:list",
        "role_names",
        purpose="Names the role that gives somebody access to a job.",
        origin=_OPTIONAL,
        reason="Names the role that gives somebody access.",
        kinds=_V3_ONLY,
    ),
    _define_permission(
        "user_roles.list",
        "User Roles",
        "Get: List User Roles",
        "user_roles:list",
        "job_admins",
        "role_names",
        purpose="Tells Job Admins from interviewers, who see no applications here.",
        origin=_ADDED,
        reason="An API key's job permissions name interviewers too; only this list tells them from "
        "Job Admins. The setup article leaves it out.",
        kinds=_V1_ONLY,
    ),
    _define_permission(
        "user_permissions.list_future_job_permissions",
        "User Permissions",
        "Get: List Future Job Permissions",
        "future_job_permissions:list",
        "future_access",
        purpose="Nothing yet. Later it tells people which future jobs they will see.",
        origin=_OPTIONAL,
        reason="Explains on which future jobs somebody will have access.",
    ),
    _define_permission(
        "application_stages.list",
        "Applications",
        "Get: List Application Stages",
        "application_stages:list",
        "stage_history",
        purpose="Shows how long an application has been in its stage.",
        origin=_OPTIONAL,
        reason="Tells how long an application has been in its stage.",
        kinds=_V3_ONLY,
    ),
    _define_permission(
        "email_templates.list",
        "Email Templates",
        "Get: List Email Templates",
        "email_templates:list",
        "rejection_mail",
        purpose="Lets a rejection go out with one of your own email templates.",
        origin=_OPTIONAL,
        reason="Lets a rejection go out with one of your email templates.",
    ),
    _define_permission(
        "custom_fields.list",
        "Custom Fields",
        "Get: List Custom Fields",
        "custom_fields:list",
        "custom_fields",
        purpose="Shows the fields that you added to applications, and lets them be changed.",
        origin=_OPTIONAL,
        reason="Shows the fields that you added to applications, and lets them be changed.",
    ),
    _define_permission(
        "custom_field_options.list",
        "Custom Fields",
        "Get: List Custom Field Options",
        "custom_field_options:list",
        "custom_fields",
        purpose="Offers what can be chosen in those of your own fields that are selects.",
        origin=_OPTIONAL,
        reason="Tells what can be chosen in those of them that are selects.",
        kinds=_V3_ONLY,
    ),
)

CATALOGUE = PermissionCatalogue(
    permissions=_PERMISSIONS,
    features={feature.key: feature for feature in _FEATURES},
    screen_paths={
        "harvest_key": "Configure › Dev Center › API Credential Management › your key › "
        "Manage Permissions",
        "harvest_oauth": "Configure › Dev Center › API Credential Management › your credential › "
        "Manage Scopes",
        "harvest_partner": "the consent that a Site Admin gives in Greenhouse",
    },
    scope_kinds=frozenset(_V3_ONLY),
    # Used for a candidate's attachments and for source names.
    unlisted_scopes=frozenset({"harvest:attachments:list", "harvest:sources:list"}),
)


def get_permission_label(key: str) -> str:
    """The permission's group and checkbox label; the key itself if it is not in the catalogue."""
    for permission in _PERMISSIONS:
        if permission.key == key:
            return f"{permission.group} › {permission.label}"
    return key
