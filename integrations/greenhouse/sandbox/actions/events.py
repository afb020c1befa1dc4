"""Webhook events about applications and candidates."""

from __future__ import annotations

from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.records import Application, Candidate
from integrations.greenhouse.sandbox.webhooks import payloads


def publish_application_event(dataset: Dataset, action: str, row: Application) -> None:
    dataset.publish_event(
        action, lambda: {"application": payloads.build_application_payload(dataset, row)}
    )


def publish_candidate_update(dataset: Dataset, row: Candidate) -> None:
    dataset.publish_event(
        "update_candidate", lambda: {"candidate": payloads.build_candidate_payload(dataset, row)}
    )
