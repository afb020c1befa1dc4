"""Helpers to read a requisition's decision record as a person does."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from portal.sync.models import Job


def read_csv(client: Client, job: Job) -> list[dict[str, str]]:
    text = fetch_csv(client, job)
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def fetch_csv(client: Client, job: Job) -> str:
    response = client.get(reverse("decisions:export_csv", args=[job.pk]))
    content: str = response.getvalue().decode()
    return content


def fetch_record(client: Client, job: Job) -> str:
    page: str = client.get(reverse("decisions:record", args=[job.pk])).content.decode()
    return page


def fetch_print(client: Client, job: Job) -> str:
    page: str = client.get(reverse("decisions:print", args=[job.pk])).getvalue().decode()
    return page


def verify_record(*arguments: str | Path) -> str:
    """What the command prints; raises CommandError if something was changed."""
    out = io.StringIO()
    call_command("verify_decision_record", *map(str, arguments), stdout=out)
    return out.getvalue()
