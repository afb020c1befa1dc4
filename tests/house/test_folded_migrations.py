"""Initial migrations create tables together with their indexes and constraints."""

from __future__ import annotations

from io import StringIO

from django.core.management import call_command
from django.db import migrations, models

from portal.core.management.commands.fold_migrations import fold_operations


def test_initial_migrations_are_folded() -> None:
    out = StringIO()
    call_command("fold_migrations", "--check", stdout=out)
    assert "portal/sync/migrations/0001_initial.py: 0 to move" in out.getvalue()


def test_fold_leaves_what_needs_a_later_field() -> None:
    table = migrations.CreateModel("Post", [("id", models.AutoField(primary_key=True))])
    field = migrations.AddField("Post", "view", models.IntegerField(null=True))
    by_id = migrations.AddIndex("Post", models.Index(fields=["id"], name="by_id"))
    condition = models.Q(view__isnull=False)
    checks_view = migrations.AddConstraint(
        "Post", models.CheckConstraint(condition=condition, name="has_view")
    )
    assert fold_operations([table, field, by_id, checks_view]) == [table, field, checks_view]
    assert table.options == {"indexes": [by_id.index]}
