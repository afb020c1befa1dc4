"""Harvest v3, door to door: route, token, rate window, scope and Site Admin, then the record.

Route before token is measured; the order of what follows is inferred.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec

from . import deeds
from . import shapes_v3 as shapes
from .http import Answer, Request, Response, html, not_found, ok
from .listing import page_bytes, record_bytes, select
from .paging import Cursors, v3_error, v3_page, v3_per_page
from .permissions import V3_ROUTES
from .ratelimit import Windows
from .reads_v3 import RESOURCES, Reading, Resource, chosen, conditions
from .records import Application, User
from .routing import Router
from .settings import Settings
from .tokens import Token, Tokens
from .world import World

UNDECODABLE = "Token could not be decoded. Please ensure your token is from a trusted source."


class HarvestV3:
    """Answers everything under ``/v3``."""

    def __init__(
        self,
        settings: Settings,
        tokens: Tokens,
        windows: Windows,
        world: Callable[[str], World],
        cursors: Cursors,
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._windows = windows
        self._world = world
        self._cursors = cursors
        self._router = Router(V3_ROUTES)
        self._resources = dict(RESOURCES)
        if not settings.job_interview_stage_id:
            old = replace(RESOURCES["applications"], shape=shapes.old_application)
            self._resources["applications"] = old

    def answer(self, request: Request) -> Response:
        """Answer one request."""
        route = self._router.find(request.method, request.path)
        if route is None:
            raise not_found()
        token = self._token(request)
        verdict = self._windows.take(token.client.client_id)
        try:
            if not verdict.allowed:
                # The body is not public: an assumption after v1's.
                raise Answer(429, {"message": "Rate limit exceeded"})
            response = self._permitted(request, token, *route)
        except Answer as answer:
            response = answer.response
        response.headers.update(verdict.headers(with_reset=True))
        return response

    def _token(self, request: Request) -> Token:
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        token = self._tokens.read(text) if scheme.lower() == "bearer" else None
        if token is None:
            raise Answer(401, {"message": "Unauthorized", "errors": [UNDECODABLE]})
        request.credential = token.client.label
        request.acting_user = token.user_id
        return token

    def _permitted(
        self, request: Request, token: Token, template: str, numbers: list[int | None]
    ) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        world = self._world(token.client.account)
        user = world.users.get(token.user_id)
        if V3_ROUTES[method, template] not in token.client.scopes or user is None:
            return self._forbidden("You are not permitted to perform this action")
        if user.deactivated:  # inferred: a token of somebody since deactivated opens nothing
            return self._forbidden("User is deactivated")
        if method != "GET":
            return self._write(request, world, user, template, numbers[0])
        if not user.site_admin:
            if self._settings.not_site_admin == "empty":
                return ok(b"[]")
            return self._forbidden("User must be a site admin")
        if template == "/v3/rejection_reasons/{id}":
            return self._reason(world, numbers[0])
        return self._list(request, world, token, template.removeprefix("/v3/"))

    def _forbidden(self, message: str) -> Response:
        """Give the 403 whose body nobody has shown in public: as the settings say."""
        kind = self._settings.forbidden_body
        if kind == "html":
            return html(403)
        return Answer(403, {"message": message} if kind == "message" else None).response

    # Reads

    def _list(self, request: Request, world: World, token: Token, name: str) -> Response:
        query, before, per_page = self._place(request, world, name)
        resource = self._resources[name]
        reading = Reading(world, token, query, self._settings)
        ids = select(world, resource.kind, conditions(resource, reading))
        page, more = v3_page(ids, before, per_page)
        response = ok(self._body(world, resource, name, page, query))
        if more:
            place = {"l": name, "a": world.account, "q": query, "b": page[-1], "n": per_page}
            cursor = self._cursors.make(place, world.clock().timestamp())
            url = f"{request.base_url}{request.path}?cursor={cursor}"
            response.headers["Link"] = f'<{url}>; rel="next"'
        return response

    def _place(
        self, request: Request, world: World, name: str
    ) -> tuple[dict[str, str], int | None, int]:
        """Give what is asked for: by parameters, or by a cursor that carries them."""
        if "cursor" not in request.query:
            if "created_at" in request.query and "updated_at" in request.query:
                # Documented as not to be combined; status and words inferred.
                raise v3_error("Do not combine created_at and updated_at.")
            return request.query, None, v3_per_page(request.query)
        if len(request.query) > 1:
            raise v3_error("When passing a cursor, do not include other query params.")
        place = self._cursors.read(request.query["cursor"], world.clock().timestamp())
        if place is None or place["l"] != name or place["a"] != world.account:
            raise v3_error("Cursor is invalid or has expired.")
        return place["q"], place["b"], place["n"]

    def _body(
        self,
        world: World,
        resource: Resource,
        name: str,
        page: list[int],
        query: dict[str, str],
    ) -> bytes | list[dict[str, Any]]:
        text = page_bytes(world, f"v3/{name}", resource.kind, page, resource.shape)
        if not query.get("fields"):
            return text
        if query["fields"].count(",") > 49:
            raise v3_error({"fields": "array size is greater than: 50"})
        return chosen(text, query["fields"], msgspec.json.decode)

    def _reason(self, world: World, number: int | None) -> Response:
        if number is None or number not in world.rejection_reasons.rows:
            raise not_found()
        name = "rejection_reasons"
        shape = shapes.rejection_reason
        return ok(record_bytes(world, f"v3/{name}", name, number, shape))

    # Writes

    def _write(
        self, request: Request, world: World, user: User, template: str, number: int | None
    ) -> Response:
        row = world.applications.get(number)
        if row is None:
            raise not_found()
        body = request.json()
        try:
            self._do(world, user, row, template, body)
        except deeds.Refusal as refusal:
            if refusal.reason in ("hidden", "forbidden"):
                return self._forbidden(refusal.message)
            field = refusal.field
            raise v3_error({field: refusal.message} if field else refusal.message) from None
        return Response(204)

    def _do(
        self, world: World, user: User, row: Application, template: str, body: dict[str, Any]
    ) -> None:
        deed = template.rpartition("/")[2]
        if deed == "move":
            self._move(world, user, row, body)
        elif deed == "reject":
            self._reject(world, user, row, body)
        elif deed == "unreject":
            deeds.unreject(world, row, user)
        else:
            deeds.update(world, row, user, body)

    def _move(self, world: World, user: User, row: Application, body: dict[str, Any]) -> None:
        """Advance, move or transfer, by which target is named. The two targets exclude each other
        (one of two public readings).
        """
        given, accepted = body.get("from_stage_id"), self._accepted(row)
        to_stage, to_job = body.get("to_stage_id"), body.get("to_job_id")
        if to_stage is not None and to_job is not None:
            raise deeds.Refusal("state", "Pass either to_stage_id or to_job_id, not both.")
        if to_stage is not None:
            deeds.move(world, row, user, given, accepted, to_stage)
        elif to_job is not None:
            deeds.transfer_from(world, row, user, given, accepted, to_job)
        else:
            deeds.advance(world, row, user, given, accepted)

    def _accepted(self, row: Application) -> set[int | None]:
        """Give what ``from_stage_id`` may be: sources disagree, so a setting decides."""
        return {
            "entry": {row.entry_id},
            "job_stage": {row.stage_id},
            "either": {row.entry_id, row.stage_id},
        }[self._settings.from_stage]

    def _reject(self, world: World, user: User, row: Application, body: dict[str, Any]) -> None:
        deeds.check_right(world, user, row, "reject")
        deeds.require_status(row, "active")
        if body.get("rejection_reason_id") is None:
            raise deeds.invalid("rejection_reason_id", "is required")
        deeds.reject(
            world,
            row,
            user,
            reason_id=body["rejection_reason_id"],
            notes=body.get("notes"),
            email=body.get("rejection_email"),
        )
