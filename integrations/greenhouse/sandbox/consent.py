"""The page on which somebody agrees to what a partner asks for.

Documented: it shows what is asked for, is behind a sign-in, and offers a Site Admin to let a
service account own the consent. Nobody signs in here: the page asks who you are. Its words and
look, the errors that are sent back (RFC 6749) and what a strange request gets are assumptions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from .http import Request, Response
from .partners import Consents, Partner
from .records import User
from .world import World

MOST_PEOPLE = 60  # of an account, in the list of who you might be
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:0;background:#f3f5f4;color:#15372c}"
    "main{max-width:36rem;margin:2rem auto;padding:1.5rem;background:#fff;border-radius:.5rem}"
    "label{display:block;margin:.75rem 0 .25rem}select{width:100%;padding:.5rem;font:inherit}"
    "ul{columns:2;font-size:.85rem;padding-left:1.25rem}button{font:inherit;padding:.6rem 1.2rem}"
    ".error{color:#a1141c}.tick label{display:inline}"
    "@media(max-width:32rem){main{margin:0}ul{columns:1}}"
)


@dataclass(frozen=True)
class Asked:
    """A partner's request that is in order."""

    partner: Partner
    redirect: str
    state: str
    scopes: tuple[str, ...]
    challenge: str

    def back(self, **values: str) -> Response:
        """Send the browser back to the partner."""
        parts = urlsplit(self.redirect)
        state = {"state": self.state} if self.state else {}
        query = urlencode([*parse_qsl(parts.query), *(values | state).items()])
        return Response(302, headers={"Location": urlunsplit(parts._replace(query=query))})


class Refused(Exception):
    """Ends the asking with this answer."""

    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class ConsentPage:
    """Answers ``/authorize``."""

    def __init__(self, consents: Consents, worlds: Mapping[str, World]) -> None:
        self._consents = consents
        self._worlds = worlds

    def answer(self, request: Request) -> Response:
        """Show the page, or take what was decided on it."""
        try:
            if request.method == "GET":
                asked = self._asked(request.query_text)
                return self._page(request.query_text, asked)
            form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
            asked = self._asked(form.get("request", ""))
            return self._decided(asked, form)
        except Refused as refused:
            return refused.response

    def _asked(self, query: str) -> Asked:
        values = dict(parse_qsl(query))
        partner = self._consents.partners.get(values.get("client_id", ""))
        redirect = values.get("redirect_uri", "")
        if partner is None or not partner.takes_back(redirect):
            words = "This application is not known, or the address to go back to is not its own."
            raise Refused(_html(400, f"<h1>That does not work</h1><p>{words}</p>"))
        asked = Asked(
            partner,
            redirect,
            values.get("state", ""),
            tuple(values.get("scope", "").split()),
            values.get("code_challenge", ""),
        )
        if values.get("response_type") != "code":
            raise Refused(asked.back(error="unsupported_response_type"))
        if values.get("code_challenge_method", "S256") != "S256":
            raise Refused(asked.back(error="invalid_request"))
        if not asked.scopes or not set(asked.scopes) <= partner.scopes:
            raise Refused(asked.back(error="invalid_scope"))
        return asked

    def _decided(self, asked: Asked, form: Mapping[str, str]) -> Response:
        if form.get("decision") != "authorize":
            return asked.back(error="access_denied")
        account, _, number = form.get("who", "").partition(":")
        world = self._worlds.get(account)
        user = world.users.get(int(number)) if world and number.isdecimal() else None
        if user is None or user.deactivated:
            return self._page(form["request"], asked, "Please say who you are.")
        service_account = form.get("service_account") == "yes"
        if service_account and not user.site_admin:
            words = "Only a Site Admin can authorize using a service account."
            return self._page(form["request"], asked, words)
        consent = self._consents.agree(
            asked.partner, account, user.id, asked.scopes, service_account=service_account
        )
        return asked.back(code=self._consents.code(consent, asked.redirect, asked.challenge))

    def _page(self, query: str, asked: Asked, error: str = "") -> Response:
        groups = "".join(
            f'<optgroup label="{escape(name)}">{_people(name, world)}</optgroup>'
            for name, world in self._worlds.items()
        )
        scopes = "".join(f"<li>{escape(scope)}</li>" for scope in asked.scopes)
        name = escape(asked.partner.name)
        body = (
            f"<h1>{name} asks for access to Greenhouse</h1>"
            f"<p>This is a sandbox: no real Greenhouse is behind it.</p>"
            f"{f'<p class=error role=alert>{escape(error)}</p>' if error else ''}"
            f"<h2>It will be able to</h2><ul>{scopes}</ul>"
            '<form method="post" action="/authorize">'
            f'<input type="hidden" name="request" value="{escape(query)}">'
            f'<label for="who">You are</label><select id="who" name="who">{groups}</select>'
            '<p class="tick"><input type="checkbox" id="service" name="service_account" '
            'value="yes"> <label for="service">Authorize using a service account '
            "(Site Admins only)</label></p>"
            '<p><button name="decision" value="authorize">Authorize</button> '
            '<button name="decision" value="cancel">Cancel</button></p></form>'
        )
        return _html(422 if error else 200, body, title=f"{name} asks for access")


def _people(account: str, world: World) -> str:
    """The people of an account who can sign in, Site Admins first."""
    people: Iterable[User] = (
        user for user in world.users if not (user.deactivated or user.service_account)
    )
    first = sorted(people, key=lambda user: (not user.site_admin, user.id))[:MOST_PEOPLE]
    return "".join(
        f'<option value="{escape(account)}:{user.id}">'
        f"{escape(f'{user.first_name} {user.last_name}')}"
        f"{', Site Admin' if user.site_admin else ''}</option>"
        for user in first
    )


def _html(status: int, body: str, title: str = "Greenhouse sandbox") -> Response:
    text = (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>{body}</main></body></html>"
    )
    return Response(status, text.encode(), content_type="text/html; charset=utf-8")
