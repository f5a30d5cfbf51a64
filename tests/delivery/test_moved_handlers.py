"""A handler that writes to another database from some release on."""

import pytest

from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.registry import only_handlers
from tests.eventlog.log import add_pending


@pytest.mark.django_db(databases=["default", "other"])
def test_it_begins_anew_there_also_where_another_handler_stays():
    heard = []

    def declare(**options):
        on_timestamp(name="testapp.mover", **options)(heard.append)
        on_timestamp(name="testapp.stayer")(lambda event: None)

    with only_handlers():
        declare()
        drain("default")
    declare(using="other")
    add_pending(1)
    drain("default")
    assert [event.reason for event in heard] == ["1"]
