"""Harvest v3: route, token, rate limit, scope and Site Admin, then the record.

Routing before the token is measured; the order of the rest is inferred.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from integrations.ats.record_ids import is_record_id
from integrations.greenhouse.sandbox.actions import (
    edit_actions,
    note_actions,
    refusals,
    rejection_actions,
    stage_actions,
)
from integrations.greenhouse.sandbox.api.listing import encode_page, encode_record, select_ids
from integrations.greenhouse.sandbox.api.pagination import (
    CursorSigner,
    paginate_v3,
    parse_v3_per_page,
    v3_validation_error,
)
from integrations.greenhouse.sandbox.api.v3 import serializers
from integrations.greenhouse.sandbox.api.v3.resources import (
    RESOURCES,
    ListRequest,
    Resource,
    build_conditions,
    serialize_fields,
)
from integrations.greenhouse.sandbox.auth.permissions import V3_ROUTE_SCOPES
from integrations.greenhouse.sandbox.auth.tokens import AccessToken, TokenIssuer
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Application, User
from integrations.greenhouse.sandbox.http_server.messages import (
    HttpError,
    Request,
    Response,
    html_response,
    json_response,
    not_found_error,
)
from integrations.greenhouse.sandbox.http_server.rate_limiter import FixedWindowRateLimiter
from integrations.greenhouse.sandbox.http_server.routing import Router
from integrations.greenhouse.sandbox.settings import Settings

UNDECODABLE_TOKEN_MESSAGE = (
    "Token could not be decoded. Please ensure your token is from a trusted source."
)


class HarvestV3Handler:
    def __init__(
        self,
        settings: Settings,
        tokens: TokenIssuer,
        rate_limiter: FixedWindowRateLimiter,
        get_dataset: Callable[[str], Dataset],
        cursors: CursorSigner,
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._rate_limiter = rate_limiter
        self._get_dataset = get_dataset
        self._cursors = cursors
        self._router = Router(V3_ROUTE_SCOPES)
        self._resources = dict(RESOURCES)
        if not settings.job_interview_stage_id:
            legacy = replace(
                RESOURCES["applications"], serialize=serializers.serialize_legacy_application
            )
            self._resources["applications"] = legacy
        if settings.stage_id == "job_stage":
            applications = self._resources["applications"]
            self._resources["applications"] = replace(
                applications,
                serialize=serializers.serialize_with_job_stage(applications.serialize),
                ids={**applications.ids, "stage_ids": "stage_id"},
            )

    def answer_request(self, request: Request) -> Response:
        route = self._router.find_route(request.method, request.path)
        if route is None:
            raise not_found_error()
        token = self._authenticate_token(request)
        limit = self._rate_limiter.count_request(token.client.client_id)
        try:
            if not limit.allowed:
                # The body is not public; v1's is assumed.
                raise HttpError(429, {"message": "Rate limit exceeded"})
            response = self._answer_permitted(request, token, *route)
        except HttpError as error:
            response = error.response
        response.headers.update(limit.build_headers(with_reset=True))
        return response

    def _authenticate_token(self, request: Request) -> AccessToken:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        token = self._tokens.read(text) if scheme.lower() == "bearer" else None
        if token is None:
            raise HttpError(401, {"message": "Unauthorized", "errors": [UNDECODABLE_TOKEN_MESSAGE]})
        request.credential = token.client.label
        request.acting_user = token.user_id
        return token

    def _answer_permitted(
        self, request: Request, token: AccessToken, template: str, ids: list[int | None]
    ) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        dataset = self._get_dataset(token.client.account)
        user = dataset.users.get(token.user_id)
        if V3_ROUTE_SCOPES[method, template] not in token.client.scopes or user is None:
            return self._build_forbidden("You are not permitted to perform this action")
        if user.deactivated:  # inferred
            return self._build_forbidden("User is deactivated")
        if method != "GET":
            return self._write(request, dataset, user, template, ids[0] if ids else None)
        if not user.site_admin:
            if self._settings.not_site_admin == "empty":
                return json_response(b"[]")
            return self._build_forbidden("User must be a site admin")
        if template == "/v3/rejection_reasons/{id}":
            return self._answer_rejection_reason(dataset, ids[0])
        return self._answer_list(request, dataset, token, template.removeprefix("/v3/"))

    def _build_forbidden(self, message: str) -> Response:
        # The real body is not public, so a setting decides.
        kind = self._settings.forbidden_body
        if kind == "html":
            return html_response(403)
        return HttpError(403, {"message": message} if kind == "message" else None).response

    def _answer_list(
        self, request: Request, dataset: Dataset, token: AccessToken, name: str
    ) -> Response:
        query, before_id, per_page = self._parse_position(request, dataset, name)
        resource = self._resources[name]
        list_request = ListRequest(dataset, token, query, self._settings)
        ids = select_ids(dataset, resource.kind, build_conditions(resource, list_request))
        page, has_more = paginate_v3(ids, before_id, per_page)
        response = json_response(self._encode_body(dataset, resource, name, page, query))
        if has_more:
            position = {"l": name, "a": dataset.account, "q": query, "b": page[-1], "n": per_page}
            cursor = self._cursors.create_cursor(position, dataset.clock().timestamp())
            url = f"{request.base_url}{request.path}?cursor={cursor}"
            response.headers["Link"] = f'<{url}>; rel="next"'
        return response

    def _parse_position(
        self, request: Request, dataset: Dataset, name: str
    ) -> tuple[dict[str, str], int | None, int]:
        if "cursor" not in request.query:
            if "created_at" in request.query and "updated_at" in request.query:
                # Documented as not to be combined; status and message inferred.
                raise v3_validation_error("Do not combine created_at and updated_at.")
            return request.query, None, parse_v3_per_page(request.query)
        if len(request.query) > 1:
            raise v3_validation_error("When passing a cursor, do not include other query params.")
        position = self._cursors.read(request.query["cursor"], dataset.clock().timestamp())
        if position is None or position["l"] != name or position["a"] != dataset.account:
            raise v3_validation_error("Cursor is invalid or has expired.")
        return position["q"], position["b"], position["n"]

    def _encode_body(
        self,
        dataset: Dataset,
        resource: Resource,
        name: str,
        page: list[int],
        query: dict[str, str],
    ) -> bytes:
        version, serialize = f"v3/{name}", resource.serialize
        if query.get("fields"):
            fields = frozenset({"id", *query["fields"].split(",")})
            if query["fields"].count(",") > 49:
                raise v3_validation_error({"fields": "array size is greater than: 50"})
            refuse = self._settings.unknown_fields == "refuse"
            version = f"{version}?fields={query['fields']}"
            serialize = serialize_fields(serialize, fields, refuse=refuse)
        return encode_page(dataset, version, resource.kind, page, serialize)

    def _answer_rejection_reason(self, dataset: Dataset, number: int | None) -> Response:
        if number is None or number not in dataset.rejection_reasons.rows:
            raise not_found_error()
        name = "rejection_reasons"
        serialize = serializers.serialize_rejection_reason
        return json_response(encode_record(dataset, f"v3/{name}", name, number, serialize))

    def _write(
        self, request: Request, dataset: Dataset, user: User, template: str, number: int | None
    ) -> Response:
        try:
            if template == "/v3/notes":
                return self._add_note(dataset, user, request.parse_json())
            row = dataset.applications.get(number)
            if row is None:
                raise not_found_error()
            self._run_action(dataset, user, row, template, request.parse_json())
        except refusals.ActionRefused as refusal:
            if refusal.reason in ("hidden", "forbidden"):
                return self._build_forbidden(refusal.message)
            field = refusal.field
            raise v3_validation_error(
                {field: refusal.message} if field else refusal.message
            ) from None
        return Response(204)

    def _add_note(self, dataset: Dataset, user: User, body: dict[str, Any]) -> Response:
        candidate_id = body.get("candidate_id")
        candidate = dataset.candidates.get(candidate_id) if is_record_id(candidate_id) else None
        if candidate is None:
            raise refusals.invalid_value("candidate_id", "must exist")
        # Documented: the author is the token's user unless `user_id` names another.
        author = dataset.users.get(body.get("user_id", user.id))
        if author is None:
            raise refusals.invalid_value("user_id", "must exist")
        note = note_actions.add_note(dataset, candidate, author, body)
        response = json_response({"id": note.id})
        response.status = 201
        return response

    def _run_action(
        self, dataset: Dataset, user: User, row: Application, template: str, body: dict[str, Any]
    ) -> None:
        action = template.rpartition("/")[2]
        if action == "move":
            self._move_application(dataset, user, row, body)
        elif action == "reject":
            self._reject_application(dataset, user, row, body)
        elif action == "unreject":
            rejection_actions.unreject_application(dataset, row, user)
        elif action == "{id}":
            edit_actions.update_application(dataset, row, user, body)
        else:
            raise NotImplementedError(f"The sandbox can't {action} an application.")

    def _move_application(
        self, dataset: Dataset, user: User, row: Application, body: dict[str, Any]
    ) -> None:
        from_stage, accepted = body.get("from_stage_id"), self._get_accepted_stage_ids(row)
        to_stage, to_job = body.get("to_stage_id"), body.get("to_job_id")
        # Public sources differ on whether both may be given.
        if to_stage is not None and to_job is not None:
            raise refusals.ActionRefused("state", "Pass either to_stage_id or to_job_id, not both.")
        if to_stage is not None:
            stage_actions.move_application(dataset, row, user, from_stage, accepted, to_stage)
        elif to_job is not None:
            stage_actions.transfer_application_from_stage(
                dataset, row, user, from_stage, accepted, to_job
            )
        else:
            stage_actions.advance_application(dataset, row, user, from_stage, accepted)

    def _get_accepted_stage_ids(self, row: Application) -> set[int | None]:
        # Public sources differ on what from_stage_id refers to, so a setting decides.
        return {
            "entry": {row.entry_id},
            "job_stage": {row.stage_id},
            "either": {row.entry_id, row.stage_id},
        }[self._settings.from_stage]

    def _reject_application(
        self, dataset: Dataset, user: User, row: Application, body: dict[str, Any]
    ) -> None:
        refusals.check_permission(dataset, user, row, "reject")
        refusals.require_status(row, "active")
        if body.get("rejection_reason_id") is None:
            raise refusals.invalid_value("rejection_reason_id", "is required")
        rejection_actions.reject_application(
            dataset,
            row,
            user,
            reason_id=body["rejection_reason_id"],
            notes=body.get("notes"),
            email=body.get("rejection_email"),
        )
