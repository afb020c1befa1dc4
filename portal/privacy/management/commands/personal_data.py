"""Export and erase what is held of a person or an organization, on request (docs/data.md)."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from portal.accounts.models import Organization, User
from portal.connections.models import Connection
from portal.mirror.models import Candidate
from portal.privacy import candidates, organizations, people


class Command(BaseCommand):
    help = "Exports (as JSON) or erases what is held of a person or an organization, on request."

    def add_arguments(self, parser: ArgumentParser) -> None:
        deeds = parser.add_subparsers(dest="deed", required=True)
        for deed in ("export", "erase"):
            whom = deeds.add_parser(deed).add_subparsers(dest="whom", required=True)
            person = whom.add_parser("person", help="somebody who signs in")
            person.add_argument("email")
            candidate = whom.add_parser("candidate", help="somebody who applied")
            candidate.add_argument("organization", help="the slug of the organization")
            candidate.add_argument("id", type=int, help="Greenhouse's id of the candidate")
        erase = whom.add_parser("organization", help="a customer, after disconnecting")
        erase.add_argument("slug")
        erase.add_argument("--name", required=True, help="its full name: yes, this one")

    def handle(self, *args: Any, **options: Any) -> None:
        deed = getattr(self, f"_{options['deed']}_{options['whom']}")
        deed(options)

    def _export_person(self, options: dict[str, Any]) -> None:
        self._print(people.export(_person(options["email"])))

    def _export_candidate(self, options: dict[str, Any]) -> None:
        self._print(candidates.export(_candidate(options)))

    def _erase_person(self, options: dict[str, Any]) -> None:
        try:
            gone = people.erase(_person(options["email"]))
        except people.LastAdmin as error:
            raise CommandError(
                f"{error.organization} would have no admin. Make somebody else one first."
            ) from error
        self._print({"erased": gone})

    def _erase_candidate(self, options: dict[str, Any]) -> None:
        try:
            receipt = candidates.erase(_candidate(options))
        except candidates.StillThere as error:
            raise CommandError(
                "Greenhouse still has this person, so the next sync would bring them back. "
                "Erase or anonymise them there; the portal follows by itself."
            ) from error
        except candidates.CannotTell as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Erased. Receipt: entry {receipt.number} of the organization's record.")

    def _erase_organization(self, options: dict[str, Any]) -> None:
        found = Organization.objects.filter(slug=options["slug"]).first()
        if found is None:
            raise CommandError("There is no such organization.")
        try:
            receipt = organizations.erase(found, name=options["name"])
        except organizations.NotYet as error:
            raise CommandError(str(error)) from error
        self._print({"erased": receipt.after, "receipt": receipt.number})

    def _print(self, told: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(told, cls=DjangoJSONEncoder, indent=1, ensure_ascii=False))


def _person(email: str) -> User:
    found = User.objects.filter(email=email).first()
    if found is None:
        raise CommandError("Nobody signs in with this address.")
    return found


def _candidate(options: dict[str, Any]) -> Candidate:
    connection = Connection.objects.filter(organization__slug=options["organization"]).first()
    found = candidates.find(connection, options["id"]) if connection else None
    if found is None:
        raise CommandError("Nothing is held of this candidate there.")
    return found
