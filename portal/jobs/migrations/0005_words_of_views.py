"""Saved views keep words of requisitions alone: others may be a candidate's name."""

from django.db import migrations
from django.db.models import Q
from django.http import QueryDict


def drop_other_words(apps, schema_editor):
    views = apps.get_model("jobs", "SavedView").objects
    jobs = apps.get_model("mirror", "Job").objects
    for view in views.filter(query__contains="q=").select_related("membership").iterator():
        query = QueryDict(view.query, mutable=True)
        words = query.get("q", "")
        theirs = jobs.filter(connection__organization=view.membership.organization_id)
        found = Q(name__icontains=words) | Q(requisition_id__icontains=words)
        if words and not words.isdecimal() and not theirs.filter(found).exists():
            del query["q"]
            views.filter(pk=view.pk).update(query=query.urlencode())


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0004_search_for_candidates"),
        ("mirror", "0012_which_requisition_was_left"),
    ]
    operations = [migrations.RunPython(drop_other_words, migrations.RunPython.noop)]
