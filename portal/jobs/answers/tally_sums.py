"""Stored sums of decision tallies, so that the figures of a large organization cost little.

Jobs are grouped into blocks of neighboring keys. Sums cover what each Site Admin sees: jobs that
are neither confidential nor gone. A job that changed since the last count may be one of them no
longer, so readers leave its block out and read its jobs one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import BigIntegerField, ExpressionWrapper, F, Q, QuerySet, Sum

from integrations.ats.types import JobStatus
from portal.jobs.models import DecisionTally, DecisionTallySum, StageCountRun
from portal.sync.models import Job

BLOCK_SIZE = 256
# `changed_at` is set before its transaction commits: look back this far for late commits.
CHANGE_OVERLAP = timedelta(minutes=5)
MAX_CHANGED_BLOCKS = 20
_BLOCKS_PER_UPDATE = 20


class _SumRow(NamedTuple):
    block: int
    day: date | None
    waiting: int = 0
    in_time: int = 0
    late: int = 0
    unknown: int = 0
    decision_unknown: int = 0


def update_sums(run: StageCountRun, job_ids: Sequence[int], *, whole: bool) -> None:
    """Recompute the blocks of these jobs from their tallies; with `whole`, remove all others."""
    blocks = sorted({pk // BLOCK_SIZE for pk in job_ids})
    if whole:
        own_sums = DecisionTallySum.objects.filter(connection=run.connection_id)
        stale_ids = own_sums.exclude(block__in=blocks).values_list("pk", flat=True)
        _delete_sums(list(stale_ids))
    for start in range(0, len(blocks), _BLOCKS_PER_UPDATE):
        _replace_sums(run, blocks[start : start + _BLOCKS_PER_UPDATE])


def find_changed_blocks(run: StageCountRun) -> list[int] | None:
    """Blocks whose sums may include what nobody may see any more; None: nothing was counted, or
    too much has changed since.
    """
    if run.counted_until is None:
        return None
    changed_jobs = Job.objects.filter(
        connection=run.connection_id, changed_at__gt=run.counted_until - CHANGE_OVERLAP
    )
    blocks = changed_jobs.order_by().annotate(block=_build_block("pk")).values_list("block")
    changed_blocks = [block for (block,) in blocks.distinct()[: MAX_CHANGED_BLOCKS + 1]]
    return None if len(changed_blocks) > MAX_CHANGED_BLOCKS else changed_blocks


def filter_by_blocks(blocks: Collection[int], field: str = "pk") -> Q:
    """Of jobs, or of what has this foreign key to them."""
    condition = Q(**{f"{field}__in": ()})
    for block in blocks:
        first = block * BLOCK_SIZE
        condition |= Q(**{f"{field}__gte": first, f"{field}__lt": first + BLOCK_SIZE})
    return condition


@transaction.atomic
def _replace_sums(run: StageCountRun, blocks: Sequence[int]) -> None:
    """The lock lets one worker at a time replace the sums, from tallies that others committed."""
    StageCountRun.objects.select_for_update().get(pk=run.pk)
    connection_id = run.connection_id
    jobs = Job.objects.filter(
        filter_by_blocks(blocks), connection=connection_id, confidential=False, gone_at=None
    ).order_by()
    current = {
        *_sum_days(jobs.filter(status__in=(JobStatus.OPEN, JobStatus.CLOSED))),
        *_sum_undated(jobs.filter(status=JobStatus.OPEN)),
    }
    stored = {
        _SumRow(*values): pk
        for pk, *values in DecisionTallySum.objects.filter(
            connection=connection_id, block__in=blocks
        ).values_list("pk", *_SumRow._fields)
    }
    _delete_sums([pk for row, pk in stored.items() if row not in current])
    DecisionTallySum.objects.bulk_create(
        [
            DecisionTallySum(connection_id=connection_id, **row._asdict())
            for row in current - stored.keys()
        ],
        batch_size=1000,
    )


def _delete_sums(pks: list[int]) -> None:
    if pks:
        DecisionTallySum.objects.filter(pk__in=pks).delete()


def _sum_days(jobs: QuerySet[Job]) -> Iterator[_SumRow]:
    tallies = DecisionTally.objects.filter(job__in=jobs).order_by()
    rows = (
        tallies.annotate(block=_build_block("job_id"))
        .values_list("block", "day")
        .annotate(
            open_waiting=Sum("waiting", filter=Q(job__status=JobStatus.OPEN), default=0),
            in_time_sum=Sum("in_time"),
            late_sum=Sum("late"),
            unknown_sum=Sum("unknown"),
        )
    )
    for block, day, *counts in rows:
        if any(counts):
            yield _SumRow(block, day, *counts)


def _sum_undated(jobs: QuerySet[Job]) -> Iterator[_SumRow]:
    """Those who wait since an unknown time, and those of whom nobody knows whether they do."""
    by_block = jobs.annotate(block=_build_block("pk")).values_list("block")
    dated = dict(by_block.annotate(n=Sum("decision_tallies__waiting", default=0)))
    rows = by_block.annotate(Sum("undecided"), Sum("decision_unknown"))
    for block, undecided, decision_unknown in rows:
        undated = max(undecided - dated[block], 0)
        if undated or decision_unknown:
            yield _SumRow(block, None, waiting=undated, decision_unknown=decision_unknown)


def _build_block(field: str) -> ExpressionWrapper:
    return ExpressionWrapper(F(field) / BLOCK_SIZE, output_field=BigIntegerField())
