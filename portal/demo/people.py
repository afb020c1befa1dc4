"""The people of the demo. Plain data, no Django; the sandbox decides who they are in Greenhouse."""

from __future__ import annotations

from dataclasses import dataclass

PASSWORD = "greenhouse-demo"  # noqa: S105  (printed at every start; valid for the demo only)
ACME = "Acme"
OTHER_ORGANIZATION = "Other Inc"


@dataclass(frozen=True)
class Person:
    """`organization` and `role` are for customers, `staff` for our own people."""

    name: str
    email: str
    description: str
    organization: str = ""
    role: str = ""  # Membership.Role
    staff: str = ""  # "customer success" or "operator"

    @property
    def role_label(self) -> str:
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
        "nobody in Greenhouse has her email",
        ACME,
        "recruiter",
    ),
    Person("Dana Diaz", "dana@acme.example", "deactivated in Greenhouse", ACME, "recruiter"),
    Person(
        "Zoe Zimmer",
        "zoe@other.example",
        "another customer: sees nothing of Acme",
        OTHER_ORGANIZATION,
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
