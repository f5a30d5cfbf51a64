"""A Celery app on the broker, without Django: what the tests' workers run."""

import os
from pathlib import Path

from celery import Celery

from django_clean_timestamps.contrib.filesystem_broker import broker_url


def make_app(folder: Path) -> Celery:
    app = Celery("broker_app", set_as_current=False)
    app.conf.update(
        broker_url=broker_url(folder),
        broker_transport_options={"polling_interval": 0.02},
        result_backend="rpc://",
        beat_schedule={"tick": {"task": "tick", "schedule": 0.2}},
        beat_schedule_filename=str(folder / "beat"),
    )

    @app.task(name="add", shared=False)
    def add(one: int, other: int) -> int:
        return one + other

    @app.task(name="tick", shared=False, ignore_result=True)
    def tick() -> None:
        pass

    return app


if "BROKER_FOLDER" in os.environ:
    app = make_app(Path(os.environ["BROKER_FOLDER"]))
