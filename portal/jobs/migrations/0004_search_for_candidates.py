"""The index for candidates' names, where 0002 ran before there was one."""

from django.db import migrations

from portal.jobs import search_indexes


def make(apps, schema_editor):
    search_indexes.make(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("jobs", "0003_stage_tallies")]
    operations = [migrations.RunPython(make, migrations.RunPython.noop)]
