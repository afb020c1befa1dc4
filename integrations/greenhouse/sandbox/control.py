"""Control endpoints, under ``/__``: for tests and people on this machine only.

What a control takes is a struct. Query and body are checked against it before anything is done, so
that a misspelled field or value is refused instead of ignored.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_type_hints

import msgspec

from . import deeds
from .credentials import Key
from .faults import Kind
from .http import Answer, Request, Response, encode, ok
from .mutations import MUTATIONS, NoSuchRecord
from .permissions import check_names
from .webhooks import is_loopback

if TYPE_CHECKING:
    from .app import App

AccountName = Literal["acme", "other"]


class Nothing(msgspec.Struct):
    pass


class Account(msgspec.Struct):
    account: AccountName = "acme"


class NewFault(msgspec.Struct):
    path: str = ""
    kind: Kind | None = None
    method: str = ""
    regex: str = ""
    credential: str = ""
    times: int | None = 1
    latency_ms: int = 0
    status: int | None = None
    body: Any = None
    headers: dict[str, str] | None = None
    retry_after: int | None = None
    permissions: list[str] | None = None


class NewKey(msgspec.Struct):
    account: AccountName = "acme"
    without: list[str] = []
    only: list[str] | None = None
    secret: str = ""


class NewClient(msgspec.Struct):
    account: AccountName = "acme"
    without: list[str] = []
    only: list[str] | None = None
    reader_is_site_admin: bool = True


class ChangedCredential(msgspec.Struct):
    credential: str
    remove: list[str] = []
    grant: list[str] = []


class NewWebhook(msgspec.Struct):
    url: str
    secret: str
    events: list[str] = []
    account: AccountName = "acme"
    twice: bool = False


class Redelivery(msgspec.Struct):
    event_id: str


class Withdrawal(msgspec.Struct):
    account: AccountName = "acme"
    user: str | None = None


def _struct_of(mutation: Callable[..., Any]) -> type[msgspec.Struct]:
    """The struct of a mutation's parameters, and of the account."""
    hints = get_type_hints(mutation)
    fields: list[Any] = []
    for name, parameter in list(inspect.signature(mutation).parameters.items())[1:]:
        if parameter.default is inspect.Parameter.empty:
            fields.append((name, hints[name]))
        else:
            fields.append((name, hints[name], parameter.default))
    return msgspec.defstruct(
        mutation.__name__, [*fields, ("account", AccountName, "acme")], kw_only=True
    )


@dataclass(frozen=True)
class Control:
    """A control endpoint: what answers it, and the fields that it takes.

    ``takes``: a struct, or several by the value of the field ``choice``.
    """

    handler: Callable[[App, Any], Response]
    takes: type[msgspec.Struct] | Mapping[str, type[msgspec.Struct]] = Nothing
    choice: str = ""
    default: str = ""

    @property
    def variants(self) -> Mapping[str, type[msgspec.Struct]]:
        return self.takes if isinstance(self.takes, Mapping) else {"": self.takes}

    @property
    def fields(self) -> set[str]:
        """Every field that it may take, whatever the choice."""
        chosen = {self.choice} if self.choice else set()
        return chosen.union(*(names_of(struct) for struct in self.variants.values()))

    def read(self, given: dict[str, Any]) -> msgspec.Struct:
        """Check what was given. Raises ValueError with a sentence that names what is known."""
        struct = self._choose(given)
        known = names_of(struct) | ({self.choice} if self.choice else set())
        unknown = sorted(given.keys() - known)
        if unknown:
            raise ValueError(f"Unknown field: {', '.join(unknown)}. {_list_known(known)}")
        given = {name: value for name, value in given.items() if name != self.choice}
        try:
            return msgspec.convert(given, struct)
        except msgspec.ValidationError as error:
            raise ValueError(f"{error}.{_list_values(struct, given)}") from None

    def _choose(self, given: dict[str, Any]) -> type[msgspec.Struct]:
        if not self.choice:
            return self.variants[""]
        chosen = given.get(self.choice, self.default)
        if not chosen:
            raise ValueError(f"Missing field: {self.choice}. {_list_known(self.variants)}")
        if not isinstance(chosen, str) or chosen not in self.variants:
            raise ValueError(f"Unknown {self.choice}: {chosen}. {_list_known(self.variants)}")
        return self.variants[chosen]


def names_of(struct: type[msgspec.Struct]) -> set[str]:
    return set(struct.__struct_fields__)


def _list_known(names: Mapping[str, Any] | set[str]) -> str:
    return f"Known: {', '.join(sorted(names)) or 'none'}."


def _list_values(struct: type[msgspec.Struct], given: dict[str, Any]) -> str:
    """The values of each field that takes only some and was given another."""
    sentences = []
    for name, hint in get_type_hints(struct).items():
        values = [value for part in (hint, *get_args(hint)) for value in get_args(part)]
        words = [value for value in values if isinstance(value, str)]
        if words and name in given and given[name] not in words:
            sentences.append(f" Known values of {name}: {', '.join(words)}.")
    return "".join(sentences)


def answer(app: App, request: Request) -> Response:
    """Answer a control request."""
    if not is_loopback(request.peer):
        raise Answer(403, {"message": "Control endpoints are for this machine only."})
    control = CONTROLS.get((request.method, request.path))
    if control is None:
        raise Answer(
            404,
            {
                "message": "No such control endpoint.",
                "known": sorted(f"{method} {path}" for method, path in CONTROLS),
            },
        )
    given = request.query | _body(request)
    try:
        return control.handler(app, control.read(given))
    except (NoSuchRecord, deeds.Refusal, ValueError) as error:
        raise Answer(422, {"message": str(error)}) from None


def _body(request: Request) -> dict[str, Any]:
    if not request.body:
        return {}
    try:
        value = msgspec.json.decode(request.body)
    except msgspec.DecodeError as error:
        raise Answer(400, {"message": f"The body is not JSON: {error}"}) from None
    if not isinstance(value, dict):
        raise Answer(422, {"message": "The body must be a JSON object."})
    return value


def _show_stats(app: App, given: Account) -> Response:
    return ok(app.stats(given.account))


def _add_fault(app: App, given: NewFault) -> Response:
    app.faults.add(**msgspec.structs.asdict(given))
    return ok(app.faults.plain())


def _list_faults(app: App, _: Nothing) -> Response:
    return ok(app.faults.plain())


def _clear_faults(app: App, _: Nothing) -> Response:
    app.faults.clear()
    return ok([])


def _list_requests(app: App, _: Nothing) -> Response:
    return ok(app.requests.plain())


def _clear_requests(app: App, _: Nothing) -> Response:
    app.requests.clear()
    return ok([])


def _list_credentials(app: App, _: Nothing) -> Response:
    with app.lock:
        return ok(app.credentials.to_state())


def _add_credential(app: App, given: NewKey | NewClient) -> Response:
    values = msgspec.structs.asdict(given)
    if isinstance(given, NewKey):
        with app.lock:
            key = app.credentials.create_key(**values)
        told = {"kind": "key", "account": key.account, "key": key.secret}
        return ok(told | {"permissions": sorted(key.permissions)})
    with app.lock:
        client = app.credentials.create_client(**values)
    return ok(
        {
            "kind": "client",
            "account": client.account,
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "service_user_id": client.service_user_id,
            "scopes": sorted(client.scopes),
        }
    )


def _change_credential(app: App, given: ChangedCredential) -> Response:
    """Take permissions from a credential or a partner, or give them back."""
    with app.lock:
        name = given.credential
        found = app.credentials.find(name) or app.consents.partners.get(name)
        if found is None:
            raise NoSuchRecord(f"credential {name}")
        check_names([*given.remove, *given.grant])
        found.remove(given.remove)
        found.grant(given.grant)
        app.changed()
        allowed = found.permissions if isinstance(found, Key) else found.scopes
        return ok({"allowed": sorted(allowed)})


def _mutate(app: App, given: msgspec.Struct) -> Response:
    values = msgspec.structs.asdict(given)
    account = values.pop("account")
    row = app.mutate(type(given).__name__, account, **values)
    return ok({"done": True, "record": row})


def _list_webhooks(app: App, _: Nothing) -> Response:
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


def _add_webhook(app: App, given: NewWebhook) -> Response:
    hook = app.webhooks.register(**msgspec.structs.asdict(given))
    return ok({"url": hook.url, "events": sorted(hook.events), "enabled": hook.enabled})


def _clear_webhooks(app: App, _: Nothing) -> Response:
    app.webhooks.clear()
    return ok([])


def _redeliver(app: App, given: Redelivery) -> Response:
    if not app.webhooks.redeliver(given.event_id):
        raise NoSuchRecord(f"delivery {given.event_id}")
    return ok({"queued": True})


def _expire_tokens(app: App, _: Nothing) -> Response:
    app.tokens.expire_all()
    return ok({"done": True})


def _list_consents(app: App, _: Nothing) -> Response:
    with app.lock:
        return ok(app.consents.to_state()["consents"])


def _withdraw_consents(app: App, given: Withdrawal) -> Response:
    """Disconnect the integration in Greenhouse: all of an account's consents, or one user's."""
    return ok({"ended": app.withdraw(given.account, given.user)})


def _reset(app: App, _: Nothing) -> Response:
    app.reset()
    return ok({"done": True})


def _list_mails(app: App, given: Account) -> Response:
    with app.lock:
        return Response(200, encode(list(app.world(given.account).mails)))


CONTROLS: dict[tuple[str, str], Control] = {
    ("GET", "/__stats"): Control(_show_stats, Account),
    ("GET", "/__faults"): Control(_list_faults),
    ("POST", "/__faults"): Control(_add_fault, NewFault),
    ("DELETE", "/__faults"): Control(_clear_faults),
    ("GET", "/__requests"): Control(_list_requests),
    ("DELETE", "/__requests"): Control(_clear_requests),
    ("GET", "/__credentials"): Control(_list_credentials),
    ("POST", "/__credentials"): Control(
        _add_credential, {"key": NewKey, "client": NewClient}, choice="kind", default="key"
    ),
    ("PATCH", "/__credentials"): Control(_change_credential, ChangedCredential),
    ("POST", "/__mutate"): Control(
        _mutate,
        {name: _struct_of(mutation) for name, mutation in MUTATIONS.items()},
        choice="action",
    ),
    ("GET", "/__webhooks"): Control(_list_webhooks),
    ("POST", "/__webhooks"): Control(_add_webhook, NewWebhook),
    ("DELETE", "/__webhooks"): Control(_clear_webhooks),
    ("POST", "/__webhooks/redeliver"): Control(_redeliver, Redelivery),
    ("POST", "/__tokens/expire"): Control(_expire_tokens),
    ("GET", "/__consents"): Control(_list_consents),
    ("POST", "/__consents/withdraw"): Control(_withdraw_consents, Withdrawal),
    ("GET", "/__mails"): Control(_list_mails, Account),
    ("POST", "/__reset"): Control(_reset),
}
"""Every control endpoint."""
