"""The example project's settings, addresses, server entry points and Celery app."""

# Whatever starts with Django must have this app as its current one: @shared_task and the doorbell look for it.
from config.celery import app as celery_app

__all__ = ["celery_app"]
