"""Harvest v3 with the authorization code grant: the connection's consent and personal consents."""

from __future__ import annotations

from integrations.ats.oauth_tokens import SERVICE_ACCOUNT_USER_ID
from integrations.greenhouse.client.harvest_v3 import HarvestV3, TokenSource
from integrations.greenhouse.oauth.consent_tokens import ConsentTokens
from integrations.greenhouse.oauth.token_refresh import create_oauth_client
from integrations.greenhouse.transport.request import HarvestRequest


class HarvestPartner(HarvestV3):
    """Provider for Harvest v3 with OAuth consents.

    `secrets`: the application's `client_id` and `client_secret`. Reads use the
    connection's consent. Writes use the acting person's; SERVICE_ACCOUNT_USER_ID is the connection.
    """

    kind = "harvest_partner"

    def _create_token_source(self, client_id: str, client_secret: str) -> TokenSource:
        oauth_client = create_oauth_client(
            self._context, self._http_client, client_id, client_secret
        )
        return ConsentTokens(self._context, oauth_client)

    def _get_subject(self, request: HarvestRequest) -> str | None:
        return (
            None
            if request.acting_user_id == SERVICE_ACCOUNT_USER_ID
            else super()._get_subject(request)
        )
