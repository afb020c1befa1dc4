"""Generates candidates, applications and their stage history."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from integrations.greenhouse.sandbox.clock import format_timestamp
from integrations.greenhouse.sandbox.dataset.dataset import Dataset
from integrations.greenhouse.sandbox.dataset.generation import sample_values
from integrations.greenhouse.sandbox.dataset.generation.custom_fields import generate_field_values
from integrations.greenhouse.sandbox.dataset.records import (
    Application,
    ApplicationStage,
    Attachment,
    Candidate,
    Job,
    Note,
    RejectionDetail,
    Scorecard,
    Stage,
)
from integrations.greenhouse.sandbox.dataset.sample_files import EXTENSIONS

KINDS_WITH_64_BIT_IDS = ("applications", "candidates", "application_stages", "attachments")


def generate_applications(dataset: Dataset, random: Random, total: int, latest: datetime) -> None:
    """Add applications, oldest first, so that newer ones have higher IDs.

    Drafts and the newest open job get none.
    """
    jobs = [job for job in dataset.jobs if job.status != "draft"]
    if len(jobs) > 4:
        jobs.remove([job for job in jobs if job.status == "open"][-1])
    if not jobs:
        return
    generator = _ApplicationGenerator(dataset, random, latest, jobs)
    plans = sorted(generator.plan_application(number) for number in range(total))
    for number, (at, job_index, order) in enumerate(plans):
        if number == total * 4 // 5:
            for kind in KINDS_WITH_64_BIT_IDS:
                dataset.use_64_bit_ids(kind)
        generator.add_application(at, jobs[job_index], order)


class _ApplicationGenerator:
    def __init__(self, dataset: Dataset, random: Random, latest: datetime, jobs: list[Job]) -> None:
        self.dataset = dataset
        self.random = random
        self.latest_time = latest
        self.jobs = jobs
        self.stages = {job.id: dataset.list_job_stages(job.id, active_only=True) for job in jobs}
        self.posts = {
            job.id: next(iter(dataset.posts.find_ids("job_id", job.id)), None) for job in jobs
        }
        self.user_ids = [user.id for user in dataset.users if not user.service_account]
        self.rejection_reason_ids = [row.id for row in dataset.rejection_reasons if not row.default]

    def plan_application(self, number: int) -> tuple[str, int, int]:
        job_index = number % len(self.jobs)
        opened = datetime.fromisoformat(self.jobs[job_index].created_at)
        seconds = (self.latest_time - opened).total_seconds()
        moment = opened + timedelta(seconds=self.random.random() * seconds)
        return format_timestamp(moment), job_index, number

    def add_application(self, at: str, job: Job, order: int) -> None:
        candidate = self._add_candidate(at, order)
        prospect = order % 25 == 24
        job_fields = (
            self._build_prospect_fields(job, order) if prospect else self._build_job_ids(job)
        )
        source = self.random.choice(self.dataset.sources.ids)
        application = self.dataset.add_record(
            Application,
            at,
            candidate_id=candidate.id,
            prospect=prospect,
            source_id=source if order % 9 else None,
            referrer_id=self.dataset.referrers.ids[order // 10 % 2] if order % 10 == 3 else None,
            recruiter_id=self.random.choice(self.user_ids) if order % 2 else None,
            coordinator_id=self.random.choice(self.user_ids) if order % 3 == 1 else None,
            location="New York, New York, United States" if order % 4 == 0 else None,
            answers=self._build_answers(order),
            last_activity_at=at,
            custom=generate_field_values(self.dataset, order),
            **job_fields,
        )
        if order % 3 != 2:
            self._add_resume(application, at)
        if not prospect:
            self._add_stage_history(application, job, at, order)
        if order % 6 == 0:
            self._add_scorecard(application, at, order)
        if order % 11 == 4:
            self._add_note(application, at, order)

    def _add_note(self, application: Application, at: str, order: int) -> None:
        visibilities = ("admin_only_visible", "publicly_visible", "privately_visible")
        self.dataset.add_record(
            Note,
            at,
            candidate_id=application.candidate_id,
            application_id=application.id,
            user_id=self.user_ids[order % len(self.user_ids)],
            body=sample_values.NOTE,
            visibility=visibilities[order % 3],
        )

    def _add_candidate(self, at: str, order: int) -> Candidate:
        dataset, random = self.dataset, self.random
        if order % 17 == 16 and dataset.candidates.ids:
            candidate = dataset.candidates[dataset.candidates.ids[order % len(dataset.candidates)]]
            candidate.updated_at = candidate.last_activity_at = max(at, candidate.updated_at)
            return candidate
        first, last = (
            random.choice(sample_values.FIRST_NAMES),
            random.choice(sample_values.LAST_NAMES),
        )
        # Some applied before, as another candidate in Greenhouse.
        email = f"candidate{order - 9 if order % 29 == 28 else order + 1}@mail.example"
        return dataset.add_record(
            Candidate,
            at,
            first_name=first if order % 53 != 52 else None,
            last_name=last,
            preferred_name=first[:3] if order % 19 == 3 else None,
            company=random.choice(sample_values.COMPANIES),
            title=random.choice(sample_values.JOB_TITLES) if order % 5 else None,
            private=order % 31 == 7,
            can_email=order % 13 != 4,
            time_zone="Eastern Time (US & Canada)" if order % 7 == 2 else None,
            last_activity_at=at,
            recruiter_id=random.choice(self.user_ids) if order % 4 == 1 else None,
            emails=[{"value": email, "type": "personal"}] if order % 23 != 5 else [],
            phones=[{"value": f"555-{order:07d}", "type": "mobile"}] if order % 2 else [],
            addresses=[{"value": "1 Main Street", "type": "home"}] if order % 6 == 0 else [],
            social=[{"value": "social.example/me"}] if order % 8 == 0 else [],
            tags=[random.choice(sample_values.TAGS)] if order % 5 == 0 else [],
            employments=self._build_employments(order),
            custom=_build_candidate_fields(order),
        )

    def _build_employments(self, order: int) -> list[dict[str, Any]]:
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

    def _build_answers(self, order: int) -> list[dict[str, str | None]]:
        return [
            {"question": question, "answer": self.random.choice(answers)}
            for question, answers in sample_values.QUESTIONS[: order % 4]
        ]

    def _add_resume(self, application: Application, at: str) -> None:
        extension = EXTENSIONS[application.id % len(EXTENSIONS)]
        self.dataset.add_record(
            Attachment,
            at,
            candidate_id=application.candidate_id,
            application_id=application.id,
            filename=f"resume_{application.id}.{extension}",
        )

    def _add_scorecard(self, application: Application, at: str, order: int) -> None:
        is_draft = order % 18 == 12
        self.dataset.add_record(
            Scorecard,
            at,
            application_id=application.id,
            interviewer_id=self.user_ids[order % len(self.user_ids)],
            interviewed_at=at if order % 12 else None,
            submitted_at=None if is_draft else at,
            candidate_rating=None if is_draft else sample_values.RATINGS[order // 6 % 5],
            notes="Knows the field well." if order % 4 else None,
            public_notes="Ask about the notice period." if order % 12 == 0 else None,
            private_notes=sample_values.PRIVATE_NOTE if order % 12 == 0 else None,
        )

    def _build_job_ids(self, job: Job) -> dict[str, Any]:
        return {"job_id": job.id, "job_post_id": self.posts[job.id]}

    def _build_prospect_fields(self, job: Job, order: int) -> dict[str, Any]:
        number = order // 25 % 4
        other_ids = [other.id for other in self.jobs if other.id != job.id]
        others = self.random.sample(other_ids, min(2, len(other_ids))) if number == 2 else []
        job_ids = [] if number == 0 else sorted([job.id, *others])
        return {
            "prospective_job_ids": job_ids,
            "status": "converted" if number == 3 else "active",
            "prospective_office_id": self.dataset.offices.ids[0] if number == 1 else None,
            "prospect_owner_id": self.user_ids[0] if number == 1 else None,
        }

    def _add_stage_history(self, application: Application, job: Job, at: str, order: int) -> None:
        stages = self.stages[job.id]
        status = self._choose_status(job, order)
        last_index = len(stages) - 1 if status == "hired" else order // 3 % len(stages)
        moment = at
        for number, stage in enumerate(stages[: last_index + 1]):
            current = number == last_index and status != "hired"
            exited_at = None if current else self._pick_time_after(moment)
            row = self.dataset.add_record(
                ApplicationStage,
                moment,
                application_id=application.id,
                stage_id=stage.id,
                entered_at=moment,
                exited_at=exited_at,
                current=current,
                updated_at=exited_at or moment,
            )
            moment = exited_at or moment
        self._set_final_state(
            application, status, row if status != "hired" else None, stages[last_index]
        )
        end = self._pick_time_after(moment) if status == "rejected" else moment
        application.updated_at = application.last_activity_at = end
        if status == "rejected":
            self._add_rejection(application, end, order)

    def _choose_status(self, job: Job, order: int) -> str:
        if job.status == "closed":
            return "hired" if order % 6 == 1 else "rejected"
        return {4: "rejected", 9: "rejected", 12: "rejected", 17: "hired"}.get(order % 18, "active")

    def _set_final_state(
        self, application: Application, status: str, row: ApplicationStage | None, stage: Stage
    ) -> None:
        self.dataset.applications.update_row(
            application,
            status=status,
            entry_id=row.id if row else None,
            stage_id=stage.id if row else None,
            needs_decision=status == "active" and stage.priority == 0,
        )

    def _add_rejection(self, application: Application, at: str, order: int) -> None:
        reason = self.random.choice(self.rejection_reason_ids) if order % 4 else None
        application.rejected_at = at
        application.rejection_reason_id = reason
        self.dataset.add_record(
            RejectionDetail,
            at,
            application_id=application.id,
            rejection_reason_id=reason,
            rejected_by_id=self.random.choice(self.user_ids),
            rejected_at=at,
        )

    def _pick_time_after(self, at: str) -> str:
        start = datetime.fromisoformat(at)
        available_seconds = max(1.0, (self.latest_time - start).total_seconds())
        step = min(available_seconds, self.random.random() * 10 * 86_400)
        return format_timestamp(start + timedelta(seconds=step * 0.9))


def _build_candidate_fields(order: int) -> dict[str, dict[str, Any]]:
    value = f"{order % 90 + 40}000" if order % 2 else None
    return {"desired_salary": {"name": "Desired Salary", "type": "short_text", "value": value}}
