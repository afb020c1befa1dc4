from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.accounts.models import Organization
from portal.core.tenancy.scope import all_organizations
from portal.decisions import chain
from portal.decisions.exported_files import NotAnExport, check_headings, find_changed_lines
from portal.decisions.models import DecisionChain


class Command(BaseCommand):
    help = "Check the seals of decision records, or of a file that was exported from one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organization", metavar="SLUG", help="only this one's record")
        parser.add_argument(
            "--file", metavar="CSV", help="compare an exported file with the record"
        )
        parser.add_argument("--export", metavar="FILE", help="write the end of each chain here")
        parser.add_argument("--against", metavar="FILE", help="check ends exported earlier")

    @all_organizations("every chain is verified")
    def handle(
        self,
        *args: Any,
        organization: str | None = None,
        file: str | None = None,
        export: str | None = None,
        against: str | None = None,
        **options: Any,
    ) -> None:
        organization_ids = _list_organization_ids(organization)
        problems = [str(chain_break) for chain_break in chain.find_breaks(organization_ids)]
        if against:
            problems += _list_contradictions(against, organization_ids)
        if file:
            problems += _check_file(file, organization_ids)
        if problems:
            raise CommandError("\n".join(problems))
        for ends in DecisionChain.objects.filter(organization__in=organization_ids).order_by("pk"):
            count = ends.number - ends.expired_number
            self.stdout.write(f"organization {ends.pk}: {count} decisions, {ends.seal[:16]}")
        self.stdout.write("The decision records are whole.")
        if export:
            Path(export).write_text("".join(f"{line}\n" for line in chain.export_ends()))


def _list_organization_ids(slug: str | None) -> list[int]:
    organizations = Organization.objects.order_by("pk")
    if slug:
        organizations = organizations.filter(slug=slug)
        if not organizations.exists():
            raise CommandError(f"There is no organization “{slug}”.")
    return list(organizations.values_list("pk", flat=True))


def _list_contradictions(path: str, organization_ids: list[int]) -> list[str]:
    try:
        anchors = [json.loads(line) for line in Path(path).read_text().splitlines() if line.strip()]
        contradicted = [
            anchor
            for anchor in anchors
            if anchor["organization"] in organization_ids and chain.is_contradicted(anchor)
        ]
    except (OSError, ValueError, TypeError, KeyError):
        raise CommandError(f"{path} holds no ends of decision records.") from None
    return [
        f"The record of organization {anchor['organization']} had {anchor['number']} decisions "
        "when its end was exported; the last of them is gone or was changed."
        for anchor in contradicted
    ]


def _check_file(path: str, organization_ids: list[int]) -> list[str]:
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            check_headings(reader.fieldnames)
            changed = list(find_changed_lines(reader, organization_ids))
    except (OSError, ValueError, NotAnExport, csv.Error):
        raise CommandError(f"{path} is not an exported decision record.") from None
    return [f"Line {line} of {path}: {problem}" for line, problem in changed]
