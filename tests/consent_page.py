"""Agreeing on the sandbox's consent page, as a browser would: the form is read, filled in, sent."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import httpx

from integrations.greenhouse.sandbox import PARTNER_CLIENT_ID, Sandbox


def submit_decision(
    sandbox: Sandbox,
    address: str,
    *,
    who: str = "ada",
    account: str = "acme",
    service_account: bool = False,
    decision: str = "authorize",
) -> httpx.Response:
    """Open a consent address and decide there; gives the answer, a redirect where all is well."""
    with httpx.Client() as browser:
        page = browser.get(address)
        if page.status_code != 200:
            return page
        hidden = re.search(r'name="request" value="([^"]*)"', page.text)
        assert hidden, page.text
        form = {
            "request": unescape(hidden[1]),
            "who": f"{account}:{sandbox.dataset(account).find_user(who).id}",
            "decision": decision,
        }
        if service_account:
            form["service_account"] = "yes"
        return browser.post(f"{sandbox.url}/authorize", data=form)


def parse_redirect(answer: httpx.Response) -> dict[str, str]:
    """What the browser carries back to the partner."""
    assert answer.status_code == 302, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def build_authorization_url(sandbox: Sandbox, redirect: str, scope: str, **more: str) -> str:
    """The address of the consent page, as a partner builds it."""
    values = {
        "response_type": "code",
        "client_id": PARTNER_CLIENT_ID,
        "redirect_uri": redirect,
        "scope": scope,
        **more,
    }
    return f"{sandbox.url}/authorize?{httpx.QueryParams(values)}"


def obtain_code(address: str, *, user_id: int | None = None) -> str | None:
    """Agree as this user of Acme, or as its first Site Admin for a service account; the code.

    None where the page does not know the user, who then cannot sign in.
    """
    with httpx.Client() as browser:
        page = browser.get(address).text
        user_options = re.findall(r'<option value="(acme:\d+)"', page)
        user_option = user_options[0] if user_id is None else f"acme:{user_id}"
        if user_option not in user_options:
            return None
        hidden = re.search(r'name="request" value="([^"]*)"', page)
        assert hidden, page
        form = {"request": unescape(hidden[1]), "who": user_option, "decision": "authorize"}
        extra_fields = {"service_account": "yes"} if user_id is None else {}
        answer = browser.post(address.partition("?")[0], data=form | extra_fields)
    return parse_redirect(answer)["code"]
