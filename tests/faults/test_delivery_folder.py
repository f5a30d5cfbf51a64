"""A folder as the broker, into which somebody puts what is no message."""

import pytest

from django_clean_timestamps.contrib.filesystem_broker import broker_url
from django_clean_timestamps.contrib.filesystem_broker.files import queue_folder
from tests.faults.celery_processes import Beat, CeleryWorker
from tests.faults.loops import run_delivery_loop
from tests.faults.waiting import wait_until

pytestmark = pytest.mark.faults

MESSAGE = b'{"body": "W10=", "properties": {"delivery_info": {}}, "headers": {"task": "clean_timestamps.drain"}}'


def test_empty_and_truncated_files_among_the_doorbells_stop_no_worker_and_lose_no_event(sqlite, delivery_on, tmp_path):
    delivery = delivery_on(sqlite, {"name": "ledger", "is_tallied": True})
    folder = tmp_path / "broker"
    delivery.broker = broker_url(folder)
    delivery.begin()
    worker = delivery.start_celery(CeleryWorker)
    delivery.start_celery(Beat)
    queue = folder / "messages" / queue_folder("celery")
    put = 0

    def put_no_message():
        nonlocal put
        for content in (b"", MESSAGE[:40], MESSAGE[:-1]):
            put += 1
            (queue / f"0-foreign-{put}.msg").write_bytes(content)

    run_delivery_loop(
        "delivery by Celery, broken files in a folder",
        delivery,
        strike=put_no_message,
        every=(0.1, 0.4),
        finish=delivery.wait_until_delivered,
        workers=0,
        kills=False,
    )
    # It is alive, and puts aside what it cannot read; with what was put last it may not be through yet.
    wait_until(lambda: len(list((folder / "messages" / ".rejected").rglob("0-foreign-*"))) == put, "all put aside")
    worker.stop()
    assert put > 3
