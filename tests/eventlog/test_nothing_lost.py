"""Whoever reads the feed misses nothing, whatever the writers do; beside it what two naive readers lose."""

import os

import pytest
from django.db import connection

from tests.eventlog.crowd import Crowd
from tests.testapp.models import Legacy

pytestmark = [pytest.mark.postgres, pytest.mark.mariadb]

SECONDS = float(os.environ.get("NOTHING_LOST_SECONDS", "8"))


@pytest.fixture
def plain_rows(committing):
    """Empty the table of the naive readers."""
    delete = f"DELETE FROM {Legacy._meta.db_table}"
    with connection.cursor() as cursor:
        cursor.execute(delete)
    yield
    with connection.cursor() as cursor:
        cursor.execute(delete)


@pytest.mark.parametrize("level", ["READ COMMITTED", "REPEATABLE READ"])
def test_nothing_is_lost_doubled_or_out_of_order(plain_rows, level, capsys):
    crowd = Crowd(seconds=SECONDS, level=level)
    crowd.run()
    crowd.check()
    lost, rows = crowd.lost_by_naive_readers()
    with capsys.disabled():
        print(  # noqa: T201 - what the naive readers lose is a report, not a promise
            f"\n{connection.vendor}, {level}, {SECONDS:.0f} s: {dict(crowd.counts)}; {len(crowd.events)} events, none "
            f"lost; of {rows} plain rows 'updated_at > cursor' lost {lost['updated_at']}, 'id > cursor' {lost['id']}"
        )
    assert crowd.counts["committed"] > 50
    assert crowd.counts["rolled back"]
    assert crowd.counts["held"]
