"""Seal the record, and have the database itself refuse to change it."""

from django.conf import settings
from django.db import migrations, models

from portal.audit.chain import seal
from portal.audit.protect import protect, unprotect


def seal_those_before(apps, schema_editor):
    """Entries from before there were seals get theirs in the order in which they were written."""
    Entry, Chain = apps.get_model("audit", "Entry"), apps.get_model("audit", "Chain")
    ends = {}
    for entry in Entry.objects.order_by("id").iterator():
        key = entry.organization_id or 0
        end = ends.setdefault(key, Chain(organization_id=key, number=0, seal=""))
        entry.number = end.number + 1
        entry.seal = seal(entry, end.seal, settings.AUDIT_KEYS[0])
        entry.save(update_fields=["number", "seal"])
        end.number, end.seal = entry.number, entry.seal
    Chain.objects.bulk_create(ends.values())


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0001_initial"),
        ("audit", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Chain",
            fields=[
                ("organization_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("number", models.BigIntegerField(default=0)),
                ("seal", models.CharField(blank=True, max_length=64)),
            ],
        ),
        migrations.AlterModelOptions(
            name="entry",
            options={
                "ordering": ("-id",),
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit entries",
            },
        ),
        migrations.AddField(
            model_name="entry",
            name="number",
            field=models.BigIntegerField(default=0, editable=False),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="entry",
            name="seal",
            field=models.CharField(default="", editable=False, max_length=64),
            preserve_default=False,
        ),
        migrations.RunPython(seal_those_before, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="entry",
            constraint=models.UniqueConstraint(
                fields=("organization", "number"), name="audit_place_in_chain"
            ),
        ),
        migrations.AddConstraint(
            model_name="entry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("organization", None)),
                fields=("number",),
                name="audit_place_in_ours",
            ),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(fields=["organization", "verb"], name="audit_verbs"),
        ),
        migrations.RunPython(
            lambda apps, schema_editor: protect(schema_editor.connection),
            lambda apps, schema_editor: unprotect(schema_editor.connection),
        ),
    ]
