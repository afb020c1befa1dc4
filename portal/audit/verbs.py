from __future__ import annotations

from django.db import connection

from portal.audit.models import Entry

# A loose index scan on `audit_by_verb`; DISTINCT would read every entry. It starts with SELECT, so
# that `portal.core.database.read_only` allows it.
_DISTINCT_VERBS_SQL = """
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


def list_used_verbs(organization_id: int) -> list[str]:
    """Verbs used by an organization, in alphabetical order."""
    sql = _DISTINCT_VERBS_SQL.format(entries=connection.ops.quote_name(Entry._meta.db_table))
    with connection.cursor() as cursor:
        cursor.execute(sql, [organization_id, organization_id])
        return [verb for (verb,) in cursor.fetchall()]
