"""Sample values for generated accounts."""

from __future__ import annotations


def _split_names(*lines: str) -> tuple[str, ...]:
    return tuple(" ".join(lines).split())


FIRST_NAMES = _split_names(
    "Aaron Abena Aiko Alma Amara Anders Anouk Aroha Bashir Beatriz Bence Bilal Carmen",
    "Chidi Chloé Dalia Dmitri Eero Elif Emeka Esther Farah Felix Fiona Gael Grace Hana",
    "Hugo Ines Ishaan Jade Jomo Kaito Kamala Katarzyna Lars Leila Linh Luca Łukasz Maeve",
    "Malik Marisol Mateo Mei Nadia Niamh Noor Olga Omar Paloma Priya Quentin Rania Rohan",
    "Ruth Salma Siobhán Sofia Stefan Tariq Thandi Tomás Ursula Valeria Wanjiru Xavier Yara",
    "Yusuf Zainab Zoë",
)

LAST_NAMES = _split_names(
    "Abbott Achterberg Adler Almeida Andersson Banerjee Barros Bauer Bianchi Boateng",
    "Brandt Castillo Chen Cruz Dang Diallo Dubois Eriksen Farouk Ferreira Fischer Fontaine",
    "García Gill Haddad Hansen Hayashi Horvat Ibrahim Ivanova Jansen Jensen Kaplan Keita",
    "Khan Kimura Kowalski Larsen Lindqvist López Mbeki Meyer Moreau Müller Nakamura Ndiaye",
    "Novak O'Connor Okonkwo Ortiz Park Patel Petrov Quispe Rahman Reyes Rossi Saito Santos",
    "Schäfer Silva Singh Sørensen Suzuki Tanaka Torres Ueda Usman Vargas Vogel Wagner",
    "Weiss Wong Xu Yamamoto Yilmaz Zhang Zimmermann",
)

RATINGS = ("strong_no", "no", "yes", "strong_yes", "no_decision")

# Greenhouse shows private notes to few people, and a client to nobody.
PRIVATE_NOTE = "Quietly: the panel doubts the references."

JOB_TITLES = (
    "Registered Nurse",
    "Backend Engineer",
    "Account Executive",
    "Warehouse Associate",
    "Product Designer",
    "Data Analyst",
    "Customer Support Specialist",
    "Site Reliability Engineer",
    "Finance Manager",
    "Recruiting Coordinator",
    "Field Technician",
    "Marketing Lead",
    "Security Engineer",
    "Legal Counsel",
    "Office Manager",
    "Machine Learning Engineer",
    "Sales Development Representative",
    "Pharmacist",
    "Frontend Engineer",
    "People Partner",
)

DEPARTMENTS = ("Engineering", "Sales", "Care", "Operations", "Finance", "People", "Marketing")

OFFICES = (
    ("New York", "New York, NY, United States"),
    ("Berlin", "Berlin, Germany"),
    ("Nairobi", "Nairobi, Kenya"),
    ("Remote", None),
)

STAGE_NAMES = ("Application Review", "Phone Screen", "Face to Face", "Offer")

COMPANIES = (
    "Northwind Clinic",
    "Blue Harbor Logistics",
    "Kestrel Labs",
    "Juniper & Sons",
    None,
    "Tallgrass Energy",
)

QUESTIONS = (
    ("How did you hear about this job?", ("A friend", "Job board", "Your website", None)),
    ("Are you allowed to work here?", ("Yes", "No", "I need a visa")),
    ("LinkedIn Profile", ("https://www.example.com/in/me", None)),
)

NOTE = "Call back next week."

TAGS = ("Referral", "Relocates", "Second look", "Conference 2026")

REJECTION_TYPES = {
    1: ("WE_REJECTED_THEM", "We rejected them"),
    2: ("NONE_SPECIFIED", "None specified"),
    3: ("THEY_REJECTED_US", "They rejected us"),
    4: ("SECURITY_CONCERN", "Security concern"),
}

REJECTION_REASONS = (
    ("Lacking skills or qualifications", 1),
    ("Hired another candidate", 1),
    ("Not a fit for this team", 1),
    ("Position closed", 2),
    ("Accepted another offer", 3),
    ("Compensation too low", 3),
)

DEFAULT_REJECTION_REASONS = (("Other (default)", 2), ("Spam (default)", 4))

CLOSE_REASONS = ("Hire - New Headcount", "Hire - Backfill", "On Hold", "Cancelled")

SOURCES = (
    ("Jobs page on your website", 1, "Company marketing"),
    ("LinkedIn", 2, "Third-party boards"),
    ("Indeed", 2, "Third-party boards"),
    ("Referral", 3, "Referrals"),
    ("Meetups", 4, "Attend events"),
)
