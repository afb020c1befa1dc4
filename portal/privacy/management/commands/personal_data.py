from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from portal.accounts.models import Organization, User
from portal.connections.models import Connection
from portal.core.tenancy.scope import all_organizations
from portal.privacy import candidate_data, member_data, organization_erasure
from portal.sync.models import Candidate


class Command(BaseCommand):
    help = "Exports (as JSON) or erases what is held of a person or an organization, on request."

    def add_arguments(self, parser: ArgumentParser) -> None:
        action_parsers = parser.add_subparsers(dest="action", required=True)
        for action in ("export", "erase"):
            target_parsers = action_parsers.add_parser(action).add_subparsers(
                dest="target", required=True
            )
            person = target_parsers.add_parser("person", help="somebody who signs in")
            person.add_argument("email")
            candidate = target_parsers.add_parser("candidate", help="somebody who applied")
            candidate.add_argument("organization", help="the slug of the organization")
            candidate.add_argument("id", type=int, help="Greenhouse's id of the candidate")
        erase = target_parsers.add_parser("organization", help="a customer, after disconnecting")
        erase.add_argument("slug")
        erase.add_argument("--name", required=True, help="its full name: yes, this one")

    @all_organizations("an operator names the person or organization")
    def handle(self, *args: Any, **options: Any) -> None:
        handler = getattr(self, f"_{options['action']}_{options['target']}")
        handler(options)

    def _export_person(self, options: dict[str, Any]) -> None:
        self._print_json(member_data.export_member(_get_person(options["email"])))

    def _export_candidate(self, options: dict[str, Any]) -> None:
        self._print_json(candidate_data.export_candidate(_get_candidate(options)))

    def _erase_person(self, options: dict[str, Any]) -> None:
        try:
            deleted_counts = member_data.erase_member(_get_person(options["email"]))
        except member_data.LastAdmin as error:
            raise CommandError(
                f"{error.organization} would have no admin. Make somebody else one first."
            ) from error
        self._print_json({"erased": deleted_counts})

    def _erase_candidate(self, options: dict[str, Any]) -> None:
        try:
            receipt = candidate_data.erase_candidate(_get_candidate(options))
        except candidate_data.CandidateStillInGreenhouse as error:
            raise CommandError(
                "Greenhouse still has this person, so the next sync would restore them. "
                "Erase or anonymize them there; the portal's copy follows automatically."
            ) from error
        except candidate_data.GreenhouseCheckFailed as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Erased. Receipt: entry {receipt.number} of the organization's record.")

    def _erase_organization(self, options: dict[str, Any]) -> None:
        organization = Organization.objects.filter(slug=options["slug"]).first()
        if organization is None:
            raise CommandError("There is no such organization.")
        try:
            receipt = organization_erasure.erase_organization(organization, name=options["name"])
        except organization_erasure.CannotErase as error:
            raise CommandError(str(error)) from error
        self._print_json({"erased": receipt.after, "receipt": receipt.number})

    def _print_json(self, payload: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(payload, cls=DjangoJSONEncoder, indent=1, ensure_ascii=False))


def _get_person(email: str) -> User:
    user = User.objects.filter(email=email).first()
    if user is None:
        raise CommandError("Nobody signs in with this address.")
    return user


def _get_candidate(options: dict[str, Any]) -> Candidate:
    connection = Connection.objects.filter(organization__slug=options["organization"]).first()
    candidate = candidate_data.find_candidate(connection, options["id"]) if connection else None
    if candidate is None:
        raise CommandError("Nothing is held of this candidate there.")
    return candidate
