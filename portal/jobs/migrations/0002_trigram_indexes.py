"""Trigram indexes for search, on PostgreSQL where pg_trgm is or can be installed."""

from django.db import migrations

from portal.jobs.job_list import search_indexes


def create_indexes(apps, schema_editor):
    search_indexes.create_indexes(schema_editor.connection)


def drop_indexes(apps, schema_editor):
    search_indexes.drop_indexes(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial"), ("sync", "0001_initial")]
    operations = [migrations.RunPython(create_indexes, drop_indexes)]
