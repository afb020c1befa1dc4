"""The people of the demo: who signs in, as what, and what they show. Plain data, no Django.

Who they are in Greenhouse is the sandbox's matter; `shows` says it in words for the first page.
"""

from __future__ import annotations

from dataclasses import dataclass

PASSWORD = "greenhouse-demo"  # noqa: S105  (printed at every start: it opens the demo alone)
ACME = "Acme"
OTHER = "Other Inc"


@dataclass(frozen=True)
class Person:
    """`organization` and `role` for customers, `staff` for our own people."""

    name: str
    email: str
    shows: str
    organization: str = ""
    role: str = ""  # Membership.Role
    staff: str = ""  # "customer success" or "operator"

    @property
    def place(self) -> str:
        """In a few words: where and as what."""
        return f"{self.organization}, {self.role}" if self.organization else f"staff, {self.staff}"


PEOPLE = (
    Person(
        "Ada Adeyemi",
        "ada@acme.example",
        "sets Greenhouse up; Site Admin there: every open job that is not confidential",
        ACME,
        "admin",
    ),
    Person("Sam Okafor", "sam@acme.example", "Site Admin in Greenhouse", ACME, "recruiter"),
    Person("Remy Laurent", "remy@acme.example", "Job Admin of some jobs", ACME, "recruiter"),
    Person(
        "Vic Vance",
        "vic@acme.example",
        "Job Admin who may advance, but not reject",
        ACME,
        "recruiter",
    ),
    Person(
        "Uma Unger",
        "uma@acme.example",
        "nobody in Greenhouse has her e-mail",
        ACME,
        "recruiter",
    ),
    Person("Dana Diaz", "dana@acme.example", "deactivated in Greenhouse", ACME, "recruiter"),
    Person(
        "Zoe Zimmer",
        "zoe@other.example",
        "another customer: sees nothing of Acme",
        OTHER,
        "admin",
    ),
    Person(
        "Cas Castillo",
        "cas@portal.example",
        "looks after customers at /admin/",
        staff="customer success",
    ),
    Person(
        "Ola Olander",
        "ola@portal.example",
        "may do everything at /admin/",
        staff="operator",
    ),
)
