"""Making candidates, their applications, and the history of their stages."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from . import names
from .build_custom import values
from .clock import iso
from .records import (
    Application,
    ApplicationStage,
    Attachment,
    Candidate,
    Job,
    RejectionDetail,
    Stage,
)
from .world import World

FAR_KINDS = ("applications", "candidates", "application_stages", "attachments")


def build_applications(world: World, random: Random, total: int, latest: datetime) -> None:
    """Add ``total`` applications, oldest first, so that a newer one has a higher id.

    Only jobs that are no templates get any; drafts and the newest open job get none.
    """
    jobs = [job for job in world.jobs if not job.is_template and job.status != "draft"]
    if len(jobs) > 4:
        jobs.remove([job for job in jobs if job.status == "open"][-1])
    if not jobs:
        return
    maker = _Maker(world, random, latest, jobs)
    plans = sorted(maker.plan(number) for number in range(total))
    for number, (at, spot, order) in enumerate(plans):
        if number == total * 4 // 5:
            for kind in FAR_KINDS:
                world.go_far(kind)
        maker.application(at, jobs[spot], order)


class _Maker:
    def __init__(self, world: World, random: Random, latest: datetime, jobs: list[Job]) -> None:
        self.world = world
        self.random = random
        self.latest = latest
        self.jobs = jobs
        self.stages = {job.id: world.stages_of(job.id, active_only=True) for job in jobs}
        self.posts = {
            job.id: next(iter(world.posts.ids_of("job_id", job.id)), None) for job in jobs
        }
        self.people = [user.id for user in world.users if not user.service_account]
        self.reasons = [row.id for row in world.rejection_reasons if not row.default]

    def plan(self, number: int) -> tuple[str, int, int]:
        """Choose when and where: the moment, the place of the job, and a number for variety."""
        spot = number % len(self.jobs)
        opened = datetime.fromisoformat(self.jobs[spot].created_at)
        seconds = (self.latest - opened).total_seconds()
        moment = opened + timedelta(seconds=self.random.random() * seconds)
        return iso(moment), spot, number

    def application(self, at: str, job: Job, order: int) -> None:
        """Add one application and all that hangs on it."""
        candidate = self._candidate(at, order)
        prospect = order % 25 == 24
        place = self._prospect(job, order) if prospect else self._place(job)
        source = self.random.choice(self.world.sources.ids)
        made = self.world.add(
            Application,
            at,
            candidate_id=candidate.id,
            prospect=prospect,
            source_id=source if order % 9 else None,
            referrer_id=self.world.referrers.ids[order % 2] if order % 10 == 3 else None,
            recruiter_id=self.random.choice(self.people) if order % 2 else None,
            coordinator_id=self.random.choice(self.people) if order % 3 == 1 else None,
            location="New York, New York, United States" if order % 4 == 0 else None,
            answers=self._answers(order),
            last_activity_at=at,
            custom=values(self.world, order),
            **place,
        )
        if order % 3 != 2:
            self._resume(made, at)
        if not prospect:
            self._history(made, job, at, order)

    def _candidate(self, at: str, order: int) -> Candidate:
        """Give a new candidate, now and then one who has applied before."""
        world, random = self.world, self.random
        if order % 17 == 16 and world.candidates.ids:
            known = world.candidates[world.candidates.ids[order % len(world.candidates)]]
            known.updated_at = known.last_activity_at = max(at, known.updated_at)
            return known
        first, last = random.choice(names.FIRST), random.choice(names.LAST)
        plain = f"candidate{order + 1}@mail.example"
        return world.add(
            Candidate,
            at,
            first_name=first if order % 53 != 52 else None,
            last_name=last,
            preferred_name=first[:3] if order % 19 == 3 else None,
            company=random.choice(names.COMPANIES),
            title=random.choice(names.TITLES) if order % 5 else None,
            private=order % 31 == 7,
            can_email=order % 13 != 4,
            last_activity_at=at,
            recruiter_id=random.choice(self.people) if order % 4 == 1 else None,
            emails=[{"value": plain, "type": "personal"}] if order % 23 != 5 else [],
            phones=[{"value": f"555-01{order % 100:02d}", "type": "mobile"}] if order % 2 else [],
            addresses=[{"value": "1 Main Street", "type": "home"}] if order % 6 == 0 else [],
            social=[{"value": "social.example/me"}] if order % 8 == 0 else [],
            tags=[random.choice(names.TAGS)] if order % 5 == 0 else [],
            employments=self._employments(order),
            custom=_candidate_fields(order),
        )

    def _employments(self, order: int) -> list[dict[str, Any]]:
        if order % 4:
            return []
        return [
            {
                "id": 8_485_000 + order,
                "company_name": "Kestrel Labs",
                "title": "Associate",
                "start_date": "2020-08-15T00:00:00.000Z",
                "end_date": None if order % 8 else "2024-05-15T00:00:00.000Z",
            }
        ]

    def _answers(self, order: int) -> list[dict[str, str | None]]:
        return [
            {"question": question, "answer": self.random.choice(answers)}
            for question, answers in names.QUESTIONS[: order % 4]
        ]

    def _resume(self, application: Application, at: str) -> None:
        self.world.add(
            Attachment,
            at,
            candidate_id=application.candidate_id,
            application_id=application.id,
            filename=f"resume_{application.id}.pdf",
        )

    def _place(self, job: Job) -> dict[str, Any]:
        return {"job_id": job.id, "job_post_id": self.posts[job.id]}

    def _prospect(self, job: Job, order: int) -> dict[str, Any]:
        """Make a prospect: of no job, of one, or of several; some were converted since."""
        number = order // 25 % 4
        others = [self.random.choice(self.jobs).id for _ in range(2)] if number == 2 else []
        wanted = [] if number == 0 else sorted({job.id, *others})
        return {
            "prospective_job_ids": wanted,
            "status": "converted" if number == 3 else "active",
            "prospective_office_id": self.world.offices.ids[0] if number == 1 else None,
            "prospect_owner_id": self.people[0] if number == 1 else None,
        }

    def _history(self, application: Application, job: Job, at: str, order: int) -> None:
        stages = self.stages[job.id]
        status = self._status(job, order)
        reached = len(stages) - 1 if status == "hired" else order // 3 % len(stages)
        moment = at
        for number, stage in enumerate(stages[: reached + 1]):
            current = number == reached and status != "hired"
            left = None if current else self._after(moment)
            row = self.world.add(
                ApplicationStage,
                moment,
                application_id=application.id,
                stage_id=stage.id,
                entered_at=moment,
                exited_at=left,
                current=current,
                updated_at=left or moment,
            )
            moment = left or moment
        self._settle(application, status, row if status != "hired" else None, stages[reached])
        end = self._after(moment) if status == "rejected" else moment
        application.updated_at = application.last_activity_at = end
        if status == "rejected":
            self._reject(application, end, order)

    def _status(self, job: Job, order: int) -> str:
        if job.status == "closed":
            return "hired" if order % 6 == 1 else "rejected"
        return {4: "rejected", 9: "rejected", 12: "rejected", 17: "hired"}.get(order % 18, "active")

    def _settle(
        self, application: Application, status: str, row: ApplicationStage | None, stage: Stage
    ) -> None:
        self.world.applications.set(
            application,
            status=status,
            entry_id=row.id if row else None,
            stage_id=stage.id if row else None,
            needs_decision=status == "active" and stage.priority == 0,
        )

    def _reject(self, application: Application, at: str, order: int) -> None:
        reason = self.random.choice(self.reasons) if order % 4 else None
        application.rejected_at = at
        application.rejection_reason_id = reason
        self.world.add(
            RejectionDetail,
            at,
            application_id=application.id,
            rejection_reason_id=reason,
            rejected_by_id=self.random.choice(self.people),
            rejected_at=at,
        )

    def _after(self, at: str) -> str:
        """Give a moment some days later, never past the latest."""
        start = datetime.fromisoformat(at)
        room = max(1.0, (self.latest - start).total_seconds())
        step = min(room, self.random.random() * 10 * 86_400)
        return iso(start + timedelta(seconds=step * 0.9))


def _candidate_fields(order: int) -> dict[str, dict[str, Any]]:
    value = f"{order % 90 + 40}000" if order % 2 else None
    return {"desired_salary": {"name": "Desired Salary", "type": "short_text", "value": value}}
