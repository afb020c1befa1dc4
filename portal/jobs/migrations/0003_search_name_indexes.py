"""Trigram indexes of search keys, instead of those of names."""

from django.db import migrations

from portal.jobs.job_list import search_indexes


def create_indexes(apps, schema_editor):
    search_indexes.drop_outdated_indexes(schema_editor.connection)
    search_indexes.create_indexes(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0002_trigram_indexes"), ("sync", "0004_search_names")]
    operations = [migrations.RunPython(create_indexes, migrations.RunPython.noop)]
