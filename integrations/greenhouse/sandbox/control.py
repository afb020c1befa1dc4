"""Control endpoints, under ``/__``: for tests and people on this machine only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from . import deeds
from .credentials import Key
from .http import Answer, Request, Response, encode, ok
from .mutations import NoSuchRecord
from .webhooks import is_loopback

if TYPE_CHECKING:
    from .app import App

Body = dict[str, Any]


def answer(app: App, request: Request) -> Response:
    """Answer a control request."""
    if not is_loopback(request.peer):
        raise Answer(403, {"message": "Control endpoints are for this machine only."})
    handler = HANDLERS.get((request.method, request.path))
    if handler is None:
        raise Answer(
            404,
            {
                "message": "No such control endpoint.",
                "known": sorted(f"{method} {path}" for method, path in HANDLERS),
            },
        )
    try:
        return handler(app, request, _body(request))
    except (NoSuchRecord, deeds.Refusal) as error:
        raise Answer(422, {"message": str(error)}) from None
    except KeyError as error:
        raise Answer(400, {"message": f"Missing: {error}"}) from None
    except (TypeError, ValueError) as error:
        raise Answer(400, {"message": str(error)}) from None


def _body(request: Request) -> Body:
    if not request.body:
        return {}
    value = msgspec.json.decode(request.body)
    if not isinstance(value, dict):
        raise ValueError("The body must be a JSON object.")
    return value


def _stats(app: App, request: Request, _: Body) -> Response:
    return ok(app.stats(request.query.get("account", "acme")))


def _add_fault(app: App, _: Request, body: Body) -> Response:
    app.faults.add(**body)
    return ok(app.faults.plain())


def _list_faults(app: App, _: Request, __: Body) -> Response:
    return ok(app.faults.plain())


def _clear_faults(app: App, _: Request, __: Body) -> Response:
    app.faults.clear()
    return ok([])


def _requests(app: App, _: Request, __: Body) -> Response:
    return ok(app.requests.plain())


def _clear_requests(app: App, _: Request, __: Body) -> Response:
    app.requests.clear()
    return ok([])


def _credentials(app: App, _: Request, __: Body) -> Response:
    with app.lock:
        return ok(app.credentials.to_state())


def _add_credential(app: App, _: Request, body: Body) -> Response:
    kind = body.pop("kind", "key")
    makers: dict[str, Callable[..., Any]] = {
        "key": app.credentials.create_key,
        "client": app.credentials.create_client,
    }
    if kind not in makers:
        raise ValueError(f"kind must be one of {sorted(makers)}")
    with app.lock:
        made = makers[kind](**body)
    if isinstance(made, Key):
        told = {"kind": "key", "account": made.account, "key": made.secret}
        return ok(told | {"permissions": sorted(made.permissions)})
    return ok(
        {
            "kind": "client",
            "account": made.account,
            "client_id": made.client_id,
            "client_secret": made.client_secret,
            "service_user_id": made.service_user_id,
            "scopes": sorted(made.scopes),
        }
    )


def _change_credential(app: App, _: Request, body: Body) -> Response:
    """Take permissions from a credential or a partner, or give them back."""
    with app.lock:
        name = str(body.get("credential", ""))
        found = app.credentials.find(name) or app.consents.partners.get(name)
        if found is None:
            raise NoSuchRecord("credential")
        found.remove(body.get("remove", ()))
        found.grant(body.get("grant", ()))
        app.changed()
        allowed = found.permissions if isinstance(found, Key) else found.scopes
        return ok({"allowed": sorted(allowed)})


def _mutate(app: App, _: Request, body: Body) -> Response:
    row = app.mutate(body.pop("action"), account=body.pop("account", "acme"), **body)
    return ok({"done": True, "record": row})


def _webhooks(app: App, _: Request, __: Body) -> Response:
    return ok(
        {
            "hooks": [
                {"url": hook.url, "account": hook.account, "enabled": hook.enabled}
                for hook in app.webhooks.hooks
            ],
            "deliveries": [
                {"url": d.url, "action": d.action, "event_id": d.event_id, "status": d.status}
                for d in app.webhooks.deliveries
            ],
        }
    )


def _add_webhook(app: App, _: Request, body: Body) -> Response:
    hook = app.webhooks.register(**body)
    return ok({"url": hook.url, "events": sorted(hook.events), "enabled": hook.enabled})


def _clear_webhooks(app: App, _: Request, __: Body) -> Response:
    app.webhooks.clear()
    return ok([])


def _redeliver(app: App, _: Request, body: Body) -> Response:
    return ok({"queued": app.webhooks.redeliver(str(body.get("event_id")))})


def _expire_tokens(app: App, _: Request, __: Body) -> Response:
    app.tokens.expire_all()
    return ok({"done": True})


def _consents(app: App, _: Request, __: Body) -> Response:
    with app.lock:
        return ok(app.consents.to_state()["consents"])


def _withdraw(app: App, _: Request, body: Body) -> Response:
    """Disconnect the integration in Greenhouse: all of an account's consents, or one user's."""
    return ok({"ended": app.withdraw(**body)})


def _reset(app: App, _: Request, __: Body) -> Response:
    app.reset()
    return ok({"done": True})


def _mails(app: App, request: Request, _: Body) -> Response:
    with app.lock:
        return Response(200, encode(list(app.world(request.query.get("account", "acme")).mails)))


HANDLERS: dict[tuple[str, str], Callable[[App, Request, Body], Response]] = {
    ("GET", "/__stats"): _stats,
    ("GET", "/__faults"): _list_faults,
    ("POST", "/__faults"): _add_fault,
    ("DELETE", "/__faults"): _clear_faults,
    ("GET", "/__requests"): _requests,
    ("DELETE", "/__requests"): _clear_requests,
    ("GET", "/__credentials"): _credentials,
    ("POST", "/__credentials"): _add_credential,
    ("PATCH", "/__credentials"): _change_credential,
    ("POST", "/__mutate"): _mutate,
    ("GET", "/__webhooks"): _webhooks,
    ("POST", "/__webhooks"): _add_webhook,
    ("DELETE", "/__webhooks"): _clear_webhooks,
    ("POST", "/__webhooks/redeliver"): _redeliver,
    ("POST", "/__tokens/expire"): _expire_tokens,
    ("GET", "/__consents"): _consents,
    ("POST", "/__consents/withdraw"): _withdraw,
    ("GET", "/__mails"): _mails,
    ("POST", "/__reset"): _reset,
}
"""Every control endpoint."""
