"""Trigram indexes for the search, on PostgreSQL, where the extension may be made or is there.

Without them, and on SQLite, the same search reads the names one by one: right, only slower.
"""

from django.db import Error, migrations, transaction

INDEXES = {
    "job_name_trigrams": ("mirror_job", "name"),
    "job_requisition_id_trigrams": ("mirror_job", "requisition_id"),
    "ats_user_name_trigrams": ("mirror_atsuser", "name"),
}


def make(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            schema_editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
    except Error:
        return  # not ours to make: an operator may make it and run this once more
    for index, (table, column) in INDEXES.items():
        # The very expression that `icontains` compares, so that it is found.
        schema_editor.execute(
            f'CREATE INDEX IF NOT EXISTS "{index}" ON "{table}" '
            f'USING gin (UPPER("{column}"::text) gin_trgm_ops)'
        )


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for index in INDEXES:
            schema_editor.execute(f'DROP INDEX IF EXISTS "{index}"')


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0001_initial"),
        ("mirror", "0003_what_the_list_goes_by"),
    ]
    operations = [migrations.RunPython(make, drop)]
