from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from portal.audit.chain_command import ChainCommand, ChainKind
from portal.decisions import chain
from portal.decisions.exported_files import NotAnExport, check_headings, find_changed_lines


class Command(ChainCommand):
    help = "Check the seals of decision records, or of a file that was exported from one."
    chains = ChainKind(
        "decisions",
        chain.ANCHOR_PURPOSE,
        chain.find_breaks,
        chain.list_ends,
        chain.is_contradicted,
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--file", metavar="CSV", help="compare an exported file with the record"
        )

    def find_problems(self, organization_id: int | None, options: dict[str, Any]) -> Iterator[str]:
        yield from super().find_problems(organization_id, options)
        if file := options.get("file"):
            yield from _check_file(file, organization_id)


def _check_file(path: str, organization_id: int | None) -> list[str]:
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            check_headings(reader.fieldnames)
            changed = list(find_changed_lines(reader, organization_id))
    except (OSError, ValueError, NotAnExport, csv.Error):
        raise CommandError(f"{path} is not an exported decision record.") from None
    return [f"Line {line} of {path}: {problem}" for line, problem in changed]
