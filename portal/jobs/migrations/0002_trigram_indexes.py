"""Trigram indexes for search, on PostgreSQL where pg_trgm is or can be installed."""

from django.db import migrations

from portal.jobs import search_indexes


def create_indexes(apps, schema_editor):
    search_indexes.make(schema_editor.connection)


def drop_indexes(apps, schema_editor):
    search_indexes.drop(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0001_initial"), ("mirror", "0001_initial")]
    operations = [migrations.RunPython(create_indexes, drop_indexes)]
