"""The page on which a user authorizes a partner.

Documented: it shows the requested scopes, requires a sign-in, and offers Site Admins to let a
service account own the consent. Here the page asks who you are instead. Its text and look, the
errors returned to the partner (RFC 6749) and the response to a bad request are assumptions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from integrations.greenhouse.sandbox.auth.consents import ConsentStore
from integrations.greenhouse.sandbox.auth.page_layout import render_page
from integrations.greenhouse.sandbox.auth.partners import Partner
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import User
from integrations.greenhouse.sandbox.http_server.messages import Request, Response

MAX_LISTED_USERS = 60  # per account


@dataclass(frozen=True)
class AuthorizationRequest:
    partner: Partner
    redirect_uri: str
    state: str
    scopes: tuple[str, ...]
    code_challenge: str

    def build_redirect(self, **values: str) -> Response:
        parts = urlsplit(self.redirect_uri)
        state = {"state": self.state} if self.state else {}
        query = urlencode([*parse_qsl(parts.query), *(values | state).items()])
        return Response(302, headers={"Location": urlunsplit(parts._replace(query=query))})


class AuthorizationRejected(Exception):
    """Ends the authorization request with this response."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class ConsentPage:
    def __init__(self, consents: ConsentStore, datasets: Mapping[str, Dataset]) -> None:
        self._consents = consents
        self._datasets = datasets

    def answer_request(self, request: Request) -> Response:
        try:
            if request.method == "GET":
                authorization = self._parse_request(request.query_text)
                return self._render_form(request.query_text, authorization)
            form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
            authorization = self._parse_request(form.get("request", ""))
            return self._apply_decision(authorization, form)
        except AuthorizationRejected as error:
            return error.response

    def _parse_request(self, query: str) -> AuthorizationRequest:
        values = dict(parse_qsl(query))
        partner = self._consents.partners.get(values.get("client_id", ""))
        redirect_uri = values.get("redirect_uri", "")
        if partner is None or not partner.allows_redirect(redirect_uri):
            message = (
                "The application is not registered, or the address to return to is not its own."
            )
            raise AuthorizationRejected(
                render_page(400, f"<h1>This link does not work</h1><p>{message}</p>")
            )
        authorization = AuthorizationRequest(
            partner,
            redirect_uri,
            values.get("state", ""),
            tuple(values.get("scope", "").split()),
            values.get("code_challenge", ""),
        )
        if values.get("response_type") != "code":
            raise AuthorizationRejected(
                authorization.build_redirect(error="unsupported_response_type")
            )
        if values.get("code_challenge_method", "S256") != "S256":
            raise AuthorizationRejected(authorization.build_redirect(error="invalid_request"))
        if not authorization.scopes or not set(authorization.scopes) <= partner.scopes:
            raise AuthorizationRejected(authorization.build_redirect(error="invalid_scope"))
        return authorization

    def _apply_decision(
        self, authorization: AuthorizationRequest, form: Mapping[str, str]
    ) -> Response:
        if form.get("decision") != "authorize":
            return authorization.build_redirect(error="access_denied")
        account, _, user_id = form.get("who", "").partition(":")
        dataset = self._datasets.get(account)
        user = dataset.users.get(int(user_id)) if dataset and user_id.isdecimal() else None
        if user is None or user.deactivated:
            return self._render_form(form["request"], authorization, "Choose who you are.")
        service_account = form.get("service_account") == "yes"
        if service_account and not user.site_admin:
            message = "Only a Site Admin can authorize using a service account."
            return self._render_form(form["request"], authorization, message)
        consent = self._consents.create_consent(
            authorization.partner,
            account,
            user.id,
            authorization.scopes,
            service_account=service_account,
        )
        return authorization.build_redirect(
            code=self._consents.issue_code(
                consent, authorization.redirect_uri, authorization.code_challenge
            )
        )

    def _render_form(
        self, query: str, authorization: AuthorizationRequest, error: str = ""
    ) -> Response:
        groups = "".join(
            f'<optgroup label="{escape(name)}">{_render_user_options(name, dataset)}</optgroup>'
            for name, dataset in self._datasets.items()
        )
        scopes = "".join(f"<li>{escape(scope)}</li>" for scope in authorization.scopes)
        title = f"{authorization.partner.name} wants to access Greenhouse"
        body = (
            f"<h1>{escape(title)}</h1>"
            '<p class="note">This is a sandbox: no real Greenhouse is behind it.</p>'
            f"{f'<p class=error role=alert>{escape(error)}</p>' if error else ''}"
            '<form method="post" action="/authorize">'
            f'<input type="hidden" name="request" value="{escape(query)}">'
            f'<label for="who">You are</label><select id="who" name="who">{groups}</select>'
            '<p class="tick"><input type="checkbox" id="service" name="service_account" '
            'value="yes"> <label for="service">Authorize using a service account '
            "(Site Admins only)</label></p>"
            f"<h2>It asks for {len(authorization.scopes)} permissions</h2>"
            f'<ul tabindex="0" aria-label="Permissions">{scopes}</ul>'
            '<p class="buttons">'
            '<button class="primary" name="decision" value="authorize">Authorize</button> '
            '<button name="decision" value="cancel">Cancel</button></p></form>'
        )
        return render_page(
            422 if error else 200,
            body,
            title=f"{authorization.partner.name} wants to access Greenhouse",
        )


def _render_user_options(account: str, dataset: Dataset) -> str:
    active_users: Iterable[User] = (
        user for user in dataset.users if not (user.deactivated or user.service_account)
    )
    listed_users = sorted(active_users, key=lambda user: (not user.site_admin, user.id))[
        :MAX_LISTED_USERS
    ]
    return "".join(
        f'<option value="{escape(account)}:{user.id}">'
        f"{escape(f'{user.first_name} {user.last_name}')}"
        f"{', Site Admin' if user.site_admin else ''}</option>"
        for user in listed_users
    )
