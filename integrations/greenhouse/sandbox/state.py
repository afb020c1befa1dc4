"""Everything the sandbox remembers: accounts, credentials, consents, faults and webhooks."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Any

from integrations.greenhouse.sandbox.actions.mutations import MUTATIONS
from integrations.greenhouse.sandbox.actions.record_lookup import find_user
from integrations.greenhouse.sandbox.auth.consents import ConsentStore
from integrations.greenhouse.sandbox.auth.credentials import Credentials
from integrations.greenhouse.sandbox.auth.tokens import TokenIssuer
from integrations.greenhouse.sandbox.clock import Clock, format_timestamp
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.file_links import FILES_PATH
from integrations.greenhouse.sandbox.dataset.generation import personas
from integrations.greenhouse.sandbox.dataset.generation.account import (
    LATEST_TIME,
    DatasetSize,
    generate_account,
)
from integrations.greenhouse.sandbox.dataset.records import User
from integrations.greenhouse.sandbox.dataset.stats import count_records
from integrations.greenhouse.sandbox.http_server.faults import FaultInjector
from integrations.greenhouse.sandbox.http_server.request_log import RequestLog
from integrations.greenhouse.sandbox.numbered_accounts import NumberedAccount
from integrations.greenhouse.sandbox.settings import Settings
from integrations.greenhouse.sandbox.state_file import encode_state
from integrations.greenhouse.sandbox.webhooks.delivery import WebhookSender

NAMED_ACCOUNTS = ("acme", "other")
OTHER_ACCOUNT_ID_OFFSET = 1_000_000_000


class SandboxState:
    """One lock guards the datasets."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.lock = threading.RLock()
        self.faults = FaultInjector()
        self.requests = RequestLog()
        self.webhooks = WebhookSender()
        self.on_change: list[Callable[[], None]] = []
        self.url = ""
        self._create_components()
        self._generate_data()

    def _create_components(self) -> None:
        settings, clock = self.settings, self.clock
        self.secret = hashlib.sha256(f"greenhouse sandbox {settings.seed}".encode()).digest()
        self.datasets: dict[str, Dataset] = {
            "acme": Dataset("acme", settings.domain, clock),
            "other": Dataset("other", "other.example", clock, OTHER_ACCOUNT_ID_OFFSET),
        }
        self.numbered_accounts: dict[str, NumberedAccount] = {}
        self.credentials = Credentials(
            self.check_account, self._add_service_user, self.notify_change
        )
        self.consents = ConsentStore(
            settings, clock, self.secret, self._add_service_user, self.notify_change
        )
        self.tokens = TokenIssuer(settings, clock, self.credentials, self.consents, self.secret)

    def _generate_data(self) -> None:
        settings = self.settings
        size = DatasetSize(settings.jobs, settings.users, settings.applications)
        generate_account(self.datasets["acme"], personas.ACME_PERSONAS, size, settings.seed)
        generate_account(
            self.datasets["other"], personas.OTHER_PERSONAS, DatasetSize(5, 6, 30), settings.seed
        )
        self.credentials.add_well_known()
        self.consents.add_well_known()
        self._add_numbered_accounts(settings.accounts)
        for dataset in self.datasets.values():
            self._connect_listeners(dataset)

    def _add_numbered_accounts(self, count: int) -> None:
        for number in range(1, count + 1):
            account = NumberedAccount(number)
            self.numbered_accounts[account.name] = account
            account.add_credentials(self.credentials)

    def _connect_listeners(self, dataset: Dataset) -> None:
        dataset.files_url = f"{self.url}{FILES_PATH}/{dataset.account}"
        dataset.change_hooks.append(self.notify_change)
        dataset.event_listeners.append(self.webhooks.queue_event)

    def set_url(self, url: str) -> None:
        """Where the sandbox is, for links to files."""
        with self.lock:
            self.url = url
            for dataset in self.datasets.values():
                dataset.files_url = f"{url}{FILES_PATH}/{dataset.account}"

    def _add_service_user(self, account: str, site_admin: bool) -> int:
        return (
            self.dataset(account)
            .add_record(
                User,
                format_timestamp(LATEST_TIME),  # a seed gives the same data at any time
                first_name="Integration",
                last_name="Service User",
                service_account=True,
                site_admin=site_admin,
            )
            .id
        )

    def notify_change(self) -> None:
        for hook in self.on_change:
            hook()

    def dataset(self, account: str = "acme") -> Dataset:
        self.check_account(account)
        with self.lock:
            if account not in self.datasets:
                numbered_account = self.numbered_accounts[account]
                dataset = numbered_account.generate_dataset(self.settings, self.clock)
                self._connect_listeners(dataset)
                self.datasets[account] = dataset
            return self.datasets[account]

    def check_account(self, account: str) -> None:
        """Raise ValueError for an account that does not exist."""
        if account not in self.datasets and account not in self.numbered_accounts:
            names = [*NAMED_ACCOUNTS, *self.numbered_accounts]
            raise ValueError(f"Unknown account {account}; known are: {', '.join(names)}")

    def reset_state(self) -> None:
        with self.lock:
            self._create_components()
            self._generate_data()
            self.faults.clear_faults()
            self.webhooks.clear_webhooks()
            self.requests.clear_entries()
            self.notify_change()

    def take_snapshot(self) -> bytes:
        """Return everything that outlives the process, as JSON."""
        with self.lock:
            return encode_state(
                {
                    "accounts": len(self.numbered_accounts),
                    "worlds": {name: dataset.to_state() for name, dataset in self.datasets.items()},
                    "credentials": self.credentials.to_state(),
                    "consents": self.consents.to_state(),
                    "tokens": [self.tokens.serial, self.tokens.expired_up_to],
                }
            )

    def restore_state(self, state: dict[str, Any]) -> None:
        """Restore a decoded :meth:`take_snapshot`."""
        with self.lock:
            self._create_components()
            self.credentials.load_state(state["credentials"])
            self._add_numbered_accounts(max(self.settings.accounts, state.get("accounts", 0)))
            for name, dataset_state in state["worlds"].items():
                if name not in self.datasets:
                    self.datasets[name] = self.numbered_accounts[name].create_dataset(self.clock)
                self.datasets[name].domain = dataset_state["domain"]
                self.datasets[name].load_state(dataset_state)
            if "consents" in state:
                self.consents.load_state(state["consents"])
            else:  # state files from before partners existed
                self.consents.add_well_known()
            self.tokens.serial, self.tokens.expired_up_to = state["tokens"]
            for dataset in self.datasets.values():
                self._connect_listeners(dataset)

    def count_records(self, account: str = "acme") -> dict[str, Any]:
        with self.lock:
            return count_records(
                self.dataset(account), site_admin_grants=self.settings.site_admin_grants
            )

    def run_mutation(self, action: str, /, account: str = "acme", **values: Any) -> Any:
        if action not in MUTATIONS:
            raise ValueError(f"Unknown action; known are: {', '.join(MUTATIONS)}")
        with self.lock:
            return MUTATIONS[action](self.dataset(account), **values)

    def withdraw_consents(self, account: str = "acme", user: str | None = None) -> int:
        with self.lock:
            user_id = None if user is None else find_user(self.dataset(account), user).id
            return self.consents.withdraw_consents(account, user_id)
