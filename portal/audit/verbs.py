"""Which verbs an organization's record holds."""

from __future__ import annotations

from django.db import connection

from portal.audit.models import Entry

# Hops from one verb to the next in the index `audit_by_verb`; DISTINCT would read every entry.
# It begins with SELECT, so that whoever may only look may ask it (`core.readonly`).
_HOPS = """
SELECT verb FROM (
    WITH RECURSIVE used(verb) AS (
        SELECT MIN(verb) FROM {entries} WHERE organization_id = %s
        UNION ALL
        SELECT (SELECT MIN(verb) FROM {entries} WHERE organization_id = %s AND verb > used.verb)
        FROM used WHERE used.verb IS NOT NULL
    )
    SELECT verb FROM used WHERE verb IS NOT NULL
) AS hops
ORDER BY verb
"""


def used(organization_id: int) -> list[str]:
    """In the order of the alphabet."""
    sql = _HOPS.format(entries=connection.ops.quote_name(Entry._meta.db_table))
    with connection.cursor() as cursor:
        cursor.execute(sql, [organization_id, organization_id])
        return [verb for (verb,) in cursor.fetchall()]
