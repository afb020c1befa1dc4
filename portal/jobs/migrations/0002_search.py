"""Trigram indexes for the search, on PostgreSQL, where the extension may be made or is there."""

from django.db import migrations

from portal.jobs import search_indexes


def make(apps, schema_editor):
    search_indexes.make(schema_editor.connection)


def drop(apps, schema_editor):
    search_indexes.drop(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0001_initial"),
        ("mirror", "0003_what_the_list_goes_by"),
    ]
    operations = [migrations.RunPython(make, drop)]
