"""Numbered accounts: as many small ones as asked for, each with credentials of its own.

They hold the same records, but for IDs and email domains, and are generated when first used.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from integrations.greenhouse.sandbox.auth.credentials import (
    CLIENT_ID_SUFFIX,
    ApiKey,
    Credentials,
    OAuthClient,
)
from integrations.greenhouse.sandbox.auth.permissions import ALL_SCOPES, ALL_V1_PERMISSIONS
from integrations.greenhouse.sandbox.clock import Clock, format_timestamp
from integrations.greenhouse.sandbox.dataset.dataset import Dataset, compute_first_id
from integrations.greenhouse.sandbox.dataset.generation.account import (
    LATEST_TIME,
    DatasetSize,
    generate_account,
)
from integrations.greenhouse.sandbox.dataset.generation.personas import NUMBERED_ACCOUNT_PERSONAS
from integrations.greenhouse.sandbox.dataset.records import User
from integrations.greenhouse.sandbox.settings import Settings

# A multiple of what record generation divides IDs by, so that all accounts get the same records.
ID_OFFSET_STEP = 3_000_000_000
FIRST_ID_OFFSET = 1000 * ID_OFFSET_STEP  # beyond every ID of the named accounts


@dataclass(frozen=True)
class NumberedAccount:
    """An account such as ``customer-7``; v1 key and v3 client have all permissions."""

    number: int

    @property
    def name(self) -> str:
        return f"customer-{self.number}"

    @property
    def domain(self) -> str:
        return f"{self.name}.example"

    @property
    def id_offset(self) -> int:
        return FIRST_ID_OFFSET + self.number * ID_OFFSET_STEP

    @property
    def api_key(self) -> str:
        return f"5a1d0b0c{self._digest[:24]}-{self.number}"

    @property
    def client_id(self) -> str:
        return f"sbx{self._digest[:23]}{CLIENT_ID_SUFFIX}"

    @property
    def client_secret(self) -> str:
        return f"sandbox-only-{self._digest[23:55]}"

    @property
    def _digest(self) -> str:
        return hashlib.sha256(f"account {self.name}".encode()).hexdigest()

    def add_credentials(self, credentials: Credentials) -> None:
        """Register its key and client, whose service user is the account's first user."""
        if self.client_id in credentials.clients:
            return
        service_user_id = compute_first_id("users", self.id_offset)
        credentials.keys[self.api_key] = ApiKey(self.name, self.api_key, set(ALL_V1_PERMISSIONS))
        credentials.clients[self.client_id] = OAuthClient(
            self.name, self.client_id, self.client_secret, set(ALL_SCOPES), service_user_id
        )

    def create_dataset(self, clock: Clock) -> Dataset:
        return Dataset(self.name, self.domain, clock, self.id_offset)

    def generate_dataset(self, settings: Settings, clock: Clock) -> Dataset:
        dataset = self.create_dataset(clock)
        dataset.add_record(
            User,
            format_timestamp(LATEST_TIME),
            first_name="Integration",
            last_name="Service User",
            service_account=True,
            site_admin=True,
        )
        size = DatasetSize(
            settings.account_jobs, settings.account_users, settings.account_applications
        )
        generate_account(dataset, NUMBERED_ACCOUNT_PERSONAS, size, settings.seed)
        return dataset
