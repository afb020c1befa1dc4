"""Control endpoints under ``/__``, for tests and local users only.

Parameters are validated against a struct, so misspelled fields are refused, not ignored.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

import msgspec

from integrations.greenhouse.sandbox.actions import refusals
from integrations.greenhouse.sandbox.actions.mutations import MUTATIONS
from integrations.greenhouse.sandbox.actions.record_lookup import RecordNotFound
from integrations.greenhouse.sandbox.auth.credentials import ApiKey
from integrations.greenhouse.sandbox.auth.permissions import normalize_permission_names
from integrations.greenhouse.sandbox.http_server.faults import FaultKind
from integrations.greenhouse.sandbox.http_server.messages import (
    HttpError,
    Request,
    Response,
    encode_json,
    json_response,
)
from integrations.greenhouse.sandbox.state import SandboxState
from integrations.greenhouse.sandbox.webhooks.delivery import is_loopback


class NoParams(msgspec.Struct):
    pass


class AccountParams(msgspec.Struct):
    account: str = "acme"


class FaultSelectionParams(msgspec.Struct):
    account: str = ""


class RequestSelectionParams(msgspec.Struct):
    account: str = ""
    method: str = ""


class NewFaultParams(msgspec.Struct):
    path: str = ""
    kind: FaultKind | None = None
    method: str = ""
    regex: str = ""
    credential: str = ""
    account: str = ""
    times: int | None = 1
    latency_ms: int = 0
    status: int | None = None
    body: Any = None
    headers: dict[str, str] | None = None
    retry_after: int | None = None
    permissions: list[str] | None = None


class NewKeyParams(msgspec.Struct):
    account: str = "acme"
    without: list[str] = []
    only: list[str] | None = None
    secret: str = ""


class NewClientParams(msgspec.Struct):
    account: str = "acme"
    without: list[str] = []
    only: list[str] | None = None
    reader_is_site_admin: bool = True


class CredentialChangeParams(msgspec.Struct):
    credential: str
    remove: list[str] = []
    grant: list[str] = []


class NewWebhookParams(msgspec.Struct):
    url: str
    secret: str
    events: list[str] = []
    account: str = "acme"
    twice: bool = False


class RedeliveryParams(msgspec.Struct):
    event_id: str


class WithdrawalParams(msgspec.Struct):
    account: str = "acme"
    user: str | None = None


def _build_params_struct(mutation: Callable[..., Any]) -> type[msgspec.Struct]:
    hints = get_type_hints(mutation)
    fields: list[Any] = []
    for name, parameter in list(inspect.signature(mutation).parameters.items())[1:]:
        if parameter.default is inspect.Parameter.empty:
            fields.append((name, hints[name]))
        else:
            fields.append((name, hints[name], parameter.default))
    return msgspec.defstruct(mutation.__name__, [*fields, ("account", str, "acme")], kw_only=True)


@dataclass(frozen=True)
class ControlEndpoint:
    """A handler and its parameters: one struct, or several by the ``discriminator`` field."""

    handler: Callable[[SandboxState, Any], Response]
    params: type[msgspec.Struct] | Mapping[str, type[msgspec.Struct]] = NoParams
    discriminator: str = ""
    default: str = ""

    @property
    def variants(self) -> Mapping[str, type[msgspec.Struct]]:
        return self.params if isinstance(self.params, Mapping) else {"": self.params}

    @property
    def fields(self) -> set[str]:
        chosen = {self.discriminator} if self.discriminator else set()
        return chosen.union(*(get_field_names(struct) for struct in self.variants.values()))

    def read(self, params: dict[str, Any]) -> msgspec.Struct:
        """Validate parameters. Raises ValueError with a message that lists what is allowed."""
        struct = self._choose_struct(params)
        allowed = get_field_names(struct) | ({self.discriminator} if self.discriminator else set())
        unknown = sorted(params.keys() - allowed)
        if unknown:
            raise ValueError(
                f"Unknown field: {', '.join(unknown)}. {_describe_allowed_names(allowed)}"
            )
        params = {name: value for name, value in params.items() if name != self.discriminator}
        try:
            return msgspec.convert(params, struct)
        except msgspec.ValidationError as error:
            raise ValueError(f"{error}.{_describe_allowed_values(struct, params)}") from None

    def _choose_struct(self, params: dict[str, Any]) -> type[msgspec.Struct]:
        if not self.discriminator:
            return self.variants[""]
        chosen = params.get(self.discriminator, self.default)
        if not chosen:
            raise ValueError(
                f"Missing field: {self.discriminator}. {_describe_allowed_names(self.variants)}"
            )
        if not isinstance(chosen, str) or chosen not in self.variants:
            raise ValueError(
                f"Unknown {self.discriminator}: {chosen}. {_describe_allowed_names(self.variants)}"
            )
        return self.variants[chosen]


def get_field_names(struct: type[msgspec.Struct]) -> set[str]:
    return set(struct.__struct_fields__)


def _describe_allowed_names(names: Mapping[str, Any] | set[str]) -> str:
    return f"Known: {', '.join(sorted(names)) or 'none'}."


def _describe_allowed_values(struct: type[msgspec.Struct], params: dict[str, Any]) -> str:
    sentences = []
    for name, hint in get_type_hints(struct).items():
        values = [value for part in (hint, *get_args(hint)) for value in get_args(part)]
        texts = [value for value in values if isinstance(value, str)]
        if texts and name in params and params[name] not in texts:
            sentences.append(f" Known values of {name}: {', '.join(texts)}.")
    return "".join(sentences)


def answer_control_request(state: SandboxState, request: Request) -> Response:
    if not is_loopback(request.peer):
        raise HttpError(403, {"message": "Control endpoints are for this machine only."})
    endpoint = CONTROL_ENDPOINTS.get((request.method, request.path))
    if endpoint is None:
        raise HttpError(
            404,
            {
                "message": "No such control endpoint.",
                "known": sorted(f"{method} {path}" for method, path in CONTROL_ENDPOINTS),
            },
        )
    params = request.query | _parse_body(request)
    try:
        return endpoint.handler(state, _check_account(state, endpoint.read(params)))
    except (RecordNotFound, refusals.ActionRefused, ValueError) as error:
        raise HttpError(422, {"message": str(error)}) from None


def _check_account(state: SandboxState, params: msgspec.Struct) -> msgspec.Struct:
    if account := getattr(params, "account", ""):
        state.check_account(account)
    return params


def _parse_body(request: Request) -> dict[str, Any]:
    if not request.body:
        return {}
    try:
        value = msgspec.json.decode(request.body)
    except msgspec.DecodeError as error:
        raise HttpError(400, {"message": f"The body is not JSON: {error}"}) from None
    if not isinstance(value, dict):
        raise HttpError(422, {"message": "The body must be a JSON object."})
    return value


def _show_stats(state: SandboxState, params: AccountParams) -> Response:
    return json_response(state.count_records(params.account))


def _add_fault(state: SandboxState, params: NewFaultParams) -> Response:
    state.faults.add_fault(**msgspec.structs.asdict(params))
    return json_response(state.faults.to_dicts())


def _list_faults(state: SandboxState, _: NoParams) -> Response:
    return json_response(state.faults.to_dicts())


def _clear_faults(state: SandboxState, params: FaultSelectionParams) -> Response:
    state.faults.clear_faults(params.account)
    return json_response(state.faults.to_dicts())


def _list_requests(state: SandboxState, params: RequestSelectionParams) -> Response:
    return json_response(state.requests.to_dicts(params.account, params.method))


def _clear_requests(state: SandboxState, _: NoParams) -> Response:
    state.requests.clear_entries()
    return json_response([])


def _list_credentials(state: SandboxState, _: NoParams) -> Response:
    with state.lock:
        return json_response(state.credentials.to_state())


def _add_credential(state: SandboxState, params: NewKeyParams | NewClientParams) -> Response:
    values = msgspec.structs.asdict(params)
    if isinstance(params, NewKeyParams):
        with state.lock:
            key = state.credentials.create_key(**values)
        description = {"kind": "key", "account": key.account, "key": key.secret}
        return json_response(description | {"permissions": sorted(key.permissions)})
    with state.lock:
        client = state.credentials.create_client(**values)
    return json_response(
        {
            "kind": "client",
            "account": client.account,
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "service_user_id": client.service_user_id,
            "scopes": sorted(client.scopes),
        }
    )


def _change_credential(state: SandboxState, params: CredentialChangeParams) -> Response:
    with state.lock:
        name = params.credential
        holder = state.credentials.find_credential(name) or state.consents.partners.get(name)
        if holder is None:
            raise RecordNotFound(f"credential {name}")
        normalize_permission_names([*params.remove, *params.grant])
        holder.remove_permissions(params.remove)
        holder.grant_permissions(params.grant)
        state.notify_change()
        allowed = holder.permissions if isinstance(holder, ApiKey) else holder.scopes
        return json_response({"allowed": sorted(allowed)})


def _run_mutation(state: SandboxState, params: msgspec.Struct) -> Response:
    values = msgspec.structs.asdict(params)
    account = values.pop("account")
    row = state.run_mutation(type(params).__name__, account, **values)
    return json_response({"done": True, "record": row})


def _list_webhooks(state: SandboxState, _: NoParams) -> Response:
    return json_response(
        {
            "hooks": [
                {"url": hook.url, "account": hook.account, "enabled": hook.enabled}
                for hook in state.webhooks.hooks
            ],
            "deliveries": [
                {"url": d.url, "action": d.action, "event_id": d.event_id, "status": d.status}
                for d in state.webhooks.deliveries
            ],
        }
    )


def _add_webhook(state: SandboxState, params: NewWebhookParams) -> Response:
    hook = state.webhooks.register_webhook(**msgspec.structs.asdict(params))
    return json_response({"url": hook.url, "events": sorted(hook.events), "enabled": hook.enabled})


def _clear_webhooks(state: SandboxState, _: NoParams) -> Response:
    state.webhooks.clear_webhooks()
    return json_response([])


def _redeliver_webhook(state: SandboxState, params: RedeliveryParams) -> Response:
    if not state.webhooks.redeliver_event(params.event_id):
        raise RecordNotFound(f"delivery {params.event_id}")
    return json_response({"queued": True})


def _expire_tokens(state: SandboxState, _: NoParams) -> Response:
    state.tokens.expire_all()
    return json_response({"done": True})


def _list_consents(state: SandboxState, _: NoParams) -> Response:
    with state.lock:
        return json_response(state.consents.to_state()["consents"])


def _withdraw_consents(state: SandboxState, params: WithdrawalParams) -> Response:
    return json_response({"ended": state.withdraw_consents(params.account, params.user)})


def _reset_sandbox(state: SandboxState, _: NoParams) -> Response:
    state.reset_state()
    return json_response({"done": True})


def _list_emails(state: SandboxState, params: AccountParams) -> Response:
    with state.lock:
        return Response(200, encode_json(list(state.dataset(params.account).mails)))


CONTROL_ENDPOINTS: dict[tuple[str, str], ControlEndpoint] = {
    ("GET", "/__stats"): ControlEndpoint(_show_stats, AccountParams),
    ("GET", "/__faults"): ControlEndpoint(_list_faults),
    ("POST", "/__faults"): ControlEndpoint(_add_fault, NewFaultParams),
    ("DELETE", "/__faults"): ControlEndpoint(_clear_faults, FaultSelectionParams),
    ("GET", "/__requests"): ControlEndpoint(_list_requests, RequestSelectionParams),
    ("DELETE", "/__requests"): ControlEndpoint(_clear_requests),
    ("GET", "/__credentials"): ControlEndpoint(_list_credentials),
    ("POST", "/__credentials"): ControlEndpoint(
        _add_credential,
        {"key": NewKeyParams, "client": NewClientParams},
        discriminator="kind",
        default="key",
    ),
    ("PATCH", "/__credentials"): ControlEndpoint(_change_credential, CredentialChangeParams),
    ("POST", "/__mutate"): ControlEndpoint(
        _run_mutation,
        {name: _build_params_struct(mutation) for name, mutation in MUTATIONS.items()},
        discriminator="action",
    ),
    ("GET", "/__webhooks"): ControlEndpoint(_list_webhooks),
    ("POST", "/__webhooks"): ControlEndpoint(_add_webhook, NewWebhookParams),
    ("DELETE", "/__webhooks"): ControlEndpoint(_clear_webhooks),
    ("POST", "/__webhooks/redeliver"): ControlEndpoint(_redeliver_webhook, RedeliveryParams),
    ("POST", "/__tokens/expire"): ControlEndpoint(_expire_tokens),
    ("GET", "/__consents"): ControlEndpoint(_list_consents),
    ("POST", "/__consents/withdraw"): ControlEndpoint(_withdraw_consents, WithdrawalParams),
    ("GET", "/__mails"): ControlEndpoint(_list_emails, AccountParams),
    ("POST", "/__reset"): ControlEndpoint(_reset_sandbox),
}
