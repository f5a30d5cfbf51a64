from django.apps import AppConfig


class FaultsConfig(AppConfig):
    name = "tests.faults.app"
    label = "faults"

    def ready(self):
        # As a project's package does: the doorbell rings by its Celery app.
        from tests.faults import celery_app, points  # noqa: F401

        points.arm_from_environment()
