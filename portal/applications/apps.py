from django.apps import AppConfig


class ApplicationsConfig(AppConfig):
    name = "portal.applications"

    def ready(self) -> None:
        from portal.applications import note_erasure
        from portal.applications.actions import outbox
        from portal.applications.batches import runner
        from portal.core.queue import run_every_second
        from portal.sync.records.candidate_erasure import register_erasure_hook

        run_every_second(outbox.release_due_actions)
        run_every_second(runner.release_due_batches)
        register_erasure_hook(note_erasure.erase_notes)
